//! Each kind of probe against the real thing: success, failure and time-out.

mod broker;
mod name_server;
mod system;
mod web;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stead_core::facts::{ContainerFacts, UnitFacts};
use stead_core::ids::{ContainerName, UnitName};
use stead_core::time::Time;

use super::*;

/// Long enough for a busy machine; what must fail sooner says so.
const PATIENT: Span = Span::secs(20);
/// For what never answers.
const SHORT: Span = Span::millis(400);

/// An agent that saw nothing, but has a secret and a container that wrote something.
#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl Seen for Nobody {
    fn container(&self, _: &ContainerName) -> Sighting<ContainerFacts> {
        Sighting::Absent
    }
    fn unit(&self, _: &UnitName) -> Sighting<UnitFacts> {
        Sighting::Unknown("systemd is away".into())
    }
    async fn container_log(
        &self,
        name: &ContainerName,
        _: Time,
        limit: usize,
    ) -> Result<Vec<u8>, String> {
        assert!(limit > 0);
        match name.as_str() {
            "web" => Ok(b"started\nERROR password=hunter2 refused\nstill here\n".to_vec()),
            other => Err(format!("no container {other}")),
        }
    }
    fn secret(&self, name: &str) -> Option<String> {
        (name == "known").then(|| "hunter2".to_owned())
    }
}

fn prober() -> Prober {
    Prober::new(Arc::new(Nobody))
}

async fn ask(probe: Probe) -> ProbeResult {
    prober().ask(&probe, PATIENT).await
}

#[track_caller]
fn ok(result: ProbeResult) -> String {
    assert_eq!(result.outcome, Answer::Ok, "{}", result.answer);
    result.answer
}

#[track_caller]
fn failed(result: ProbeResult) -> String {
    assert_eq!(result.outcome, Answer::Failed, "{}", result.answer);
    result.answer
}

#[track_caller]
fn unknown(result: ProbeResult) -> String {
    assert_eq!(result.outcome, Answer::Unknown, "{}", result.answer);
    result.answer
}

/// A port nobody listens on, for a server started next.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The program, or `None` outside the lab, where it may be missing.
fn lab_program(name: &str) -> Option<PathBuf> {
    let found = crate::program::find(&[name]);
    if found.is_none() {
        assert!(
            std::env::var_os("STEAD_LAB").is_none(),
            "the lab needs {name}"
        );
        println!("needs the lab: make test");
    }
    found
}

/// A server that ends with the test.
struct Server(Child);

impl Server {
    /// Starts `command` and waits until `ready`.
    fn start(command: &mut Command, ready: impl Fn() -> bool) -> Server {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Server(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !ready() {
            let ended = server.0.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "it ended: {ended:?} {:?}",
                server.0.stderr.take().map(std::io::read_to_string)
            );
            assert!(Instant::now() < deadline, "it does not answer");
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A listener that takes connections and never says a word.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
