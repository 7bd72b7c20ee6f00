//! What others use to watch a machine, started by hand beside Stead: own settings, own folders, loopback only.

use super::server::{end, free_port};
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running peer.
pub struct Peer {
    pub name: &'static str,
    child: Child,
}

impl Peer {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Peer> {
    let out = fs::File::create(log)?;
    let child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn();
    Ok(Peer {
        name,
        child: child.with_context(|| name.to_owned())?,
    })
}

/// node_exporter, and who asks it each second.
pub fn node_exporter(dir: &Path) -> Result<(Peer, Scraper)> {
    let port = free_port()?;
    let mut command = Command::new("prometheus-node-exporter");
    command
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--log.level=error");
    let peer = start(
        "node_exporter",
        &mut command,
        &dir.join("node_exporter.log"),
    )?;
    answers(port, "node_exporter")?;
    Ok((peer, Scraper::each_second(port)))
}

/// Monit with a cycle of one second and two checks: the machine and its disk.
pub fn monit(dir: &Path) -> Result<Peer> {
    let home = dir.join("monit");
    fs::create_dir_all(&home)?;
    let at = home.display();
    let control = format!(
        "set daemon 1\nset log {at}/log\nset pidfile {at}/pid\nset idfile {at}/id\nset statefile {at}/state\n\
         check system bench\n  if loadavg (1min) > 1000 then alert\n  if memory usage > 99% then alert\n\
         check filesystem root with path /\n  if space usage > 99% then alert\n"
    );
    let file = home.join("monitrc");
    fs::write(&file, control)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
    start(
        "Monit",
        Command::new("monit").args(["-I", "-c"]).arg(&file),
        &dir.join("monit.log"),
    )
}

/// Netdata as Debian ships it, each second, with its collectors.
pub fn netdata(dir: &Path) -> Result<Peer> {
    let home = dir.join("netdata");
    for folder in ["cache", "lib", "log"] {
        fs::create_dir_all(home.join(folder))?;
    }
    let port = free_port()?;
    let at = home.display();
    let settings = format!(
        "[global]\n  run as user = root\n  hostname = bench\n\
         [directories]\n  cache = {at}/cache\n  lib = {at}/lib\n  log = {at}/log\n\
         [logs]\n  debug = none\n  error = {at}/log/error\n  access = none\n\
         [db]\n  update every = 1\n\
         [web]\n  bind to = 127.0.0.1\n  default port = {port}\n"
    );
    let file = home.join("netdata.conf");
    fs::write(&file, settings)?;
    let mut command = Command::new("netdata");
    command
        .arg("-D")
        .arg("-c")
        .arg(&file)
        .arg("-P")
        .arg(home.join("pid"));
    let peer = start("Netdata", &mut command, &dir.join("netdata.log"))?;
    answers(port, "netdata")?;
    Ok(peer)
}

fn answers(port: u16, name: &str) -> Result<()> {
    process::until(
        Duration::from_secs(30),
        &format!("{name} does not answer"),
        || TcpStream::connect(("127.0.0.1", port)).is_ok(),
    )
}

/// Asks for `/metrics` each second until it is dropped.
pub struct Scraper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Scraper {
    fn each_second(port: u16) -> Scraper {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut answered, mut next) = (0, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                answered += u64::from(scrape(port).is_ok());
                next += Duration::from_secs(1);
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            answered
        });
        Scraper {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends it; how often it got an answer.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or(0)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn scrape(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut body = Vec::new();
    stream.read_to_end(&mut body)?;
    anyhow::ensure!(body.starts_with(b"HTTP/1.1 200"), "no metrics");
    Ok(())
}
