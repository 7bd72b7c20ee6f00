//! A whole agent on the lab's engine, killed in the middle of a repair.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use stead_core::command::{Command as Do, Order, Outcome};
use stead_core::facts::{ContainerState, Fact, FactKey, Facts};
use stead_protocol::agent::FrameBody;
use tokio_util::sync::CancellationToken;

use crate::kill::{Victim, victim};
use crate::server::{Agent, Frames, LIMIT, NODE, Server, Session, options, order};

struct Engine {
    host: String,
    image: String,
}

impl Engine {
    fn lab() -> Option<Engine> {
        if std::env::var_os("STEAD_LAB").is_none() {
            eprintln!("needs the lab: make test");
            return None;
        }
        let must = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("STEAD_LAB is set, {name} is not"))
        };
        Some(Engine {
            host: must("STEAD_LAB_DOCKER"),
            image: must("STEAD_LAB_IMAGE"),
        })
    }

    fn docker(&self, args: &[&str]) -> String {
        let mut docker = Command::new("docker");
        docker
            .env("DOCKER_HOST", &self.host)
            .env_remove("DOCKER_CONTEXT")
            .args(args);
        let output = docker.output().expect("the docker client");
        assert!(
            output.status.success(),
            "docker {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A container that takes `stop` seconds to stop.
    fn container(&self, name: &str, stop: u32) -> Container<'_> {
        self.container_of(name, stop, "sleep 100000")
    }

    /// The same that does something.
    fn container_of(&self, name: &str, stop: u32, script: &str) -> Container<'_> {
        let name = format!("agent-{name}-{}", std::process::id());
        let stop = stop.to_string();
        let args = [
            "run",
            "-d",
            "--name",
            &name,
            "--stop-timeout",
            &stop,
            &self.image,
            "/bin/sh",
            "-c",
            script,
        ];
        let id = self.docker(&args);
        Container {
            engine: self,
            name,
            id,
        }
    }
}

struct Container<'a> {
    engine: &'a Engine,
    name: String,
    id: String,
}

impl Container<'_> {
    /// How often it was started since it was made.
    fn starts(&self) -> usize {
        self.events("start", "{{.Action}}").len()
    }

    fn events(&self, kind: &str, format: &str) -> Vec<String> {
        let id = format!("container={}", self.id);
        let kind = format!("event={kind}");
        let until = (nanos() / 1_000_000_000 + 1).to_string();
        let events = [
            "events", "--since", "0", "--until", &until, "--filter", &id, "--filter", &kind,
        ];
        let said = self
            .engine
            .docker(&[&events[..], &["--format", format]].concat());
        said.lines().map(str::to_owned).collect()
    }

    fn restart(&self, occurrence: u32) -> Order {
        let container = self.name.parse().expect("a name");
        let command = Do::ContainerRestart {
            container,
            id: self.id.clone(),
        };
        order(
            occurrence,
            u64::from(occurrence),
            &format!("container/{NODE}/{}", self.name),
            command,
        )
    }

    fn started(&self, facts: &Facts) -> Option<stead_core::time::Time> {
        match facts.get(&FactKey::Container(self.name.parse().expect("a name")))? {
            Fact::Container(c) if c.state == ContainerState::Running => c.started_at,
            _ => None,
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engine.docker(&["rm", "-f", "-v", &self.name]);
    }
}

fn nanos() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    i64::try_from(since.as_nanos()).expect("before 2262")
}

/// An agent that is killed; run by [`victim`].
#[test]
fn agent_victim() {
    let (Ok(url), Ok(data)) = (
        std::env::var("STEAD_TEST_URL"),
        std::env::var("STEAD_TEST_DATA"),
    ) else {
        return;
    };
    let mut options = options(&url, Path::new(&data));
    options.docker_host = Some(std::env::var("STEAD_LAB_DOCKER").expect("the lab's engine"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(stead_agent::run(options, CancellationToken::new()))
        .expect("it runs until it is killed");
}

fn start(server: &Server, data: &Path) -> Victim {
    let (url, data) = (server.url(), data.to_str().expect("a path").to_owned());
    victim(
        "docker::agent_victim",
        &[("STEAD_TEST_URL", &url), ("STEAD_TEST_DATA", &data)],
    )
}

async fn link(server: &Server, after: u64) -> (Session, Frames) {
    let session = server.accept().await;
    let frames = session.frames(after).await;
    (session, frames)
}

/// F18: wherever the agent dies, the container is restarted once and the order gets its result.
#[tokio::test]
async fn killed_in_the_middle_of_a_repair_there_is_one_effective_restart_and_a_result() {
    let Some(engine) = Engine::lab() else { return };
    // Before the engine began, while the container stops, and after it started again.
    for (n, delay) in [0, 3, 30, 700, 2400].into_iter().enumerate() {
        let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
        let container = engine.container(&format!("kill-{n}"), 2);
        let mut child = start(&server, dir.path());
        let (session, mut frames) = link(&server, 0).await;
        let before = container
            .started(&frames.snapshot().await)
            .expect("it runs");
        let order = container.restart(1);
        assert_eq!(session.send("POST", "/v1/orders", &order).await, 202);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        child.kill();
        let reached = frames.seen.last().map_or(0, |f| f.cursor);
        drop((session, frames));

        let mut child = start(&server, dir.path());
        let (session, mut frames) = link(&server, reached).await;
        let mut outcome = None;
        let mut after = None;
        let result = |frame: &stead_protocol::agent::Frame| match &frame.body {
            FrameBody::Result { outcome, .. } => Some(outcome.clone()),
            _ => None,
        };
        // As the server does: the order is given again once the agent is back with everything.
        while outcome.is_none() {
            let frame = frames
                .until("a snapshot or the result", |f| Some(f.clone()))
                .await;
            outcome = result(&frame);
            if let FrameBody::Snapshot { facts, .. } = &frame.body {
                after = container.started(&facts.iter().cloned().collect());
                assert_eq!(session.send("POST", "/v1/orders", &order).await, 202);
            }
        }
        let outcome = outcome.expect("a result");
        assert!(
            matches!(outcome, Outcome::Done { .. }),
            "after {delay} ms: {outcome:?}"
        );
        assert_eq!(
            container.starts(),
            2,
            "after {delay} ms: made, and restarted once"
        );
        let latest = frames.seen.iter().rev().find_map(|f| match &f.body {
            FrameBody::Delta { changed, .. } => {
                container.started(&changed.iter().cloned().collect())
            }
            _ => None,
        });
        assert!(
            latest.or(after).is_some_and(|at| at > before),
            "the restart was seen before its result"
        );
        child.kill();
    }
}

#[tokio::test]
async fn a_restart_is_issued_at_once_and_seen_before_its_result() {
    let Some(engine) = Engine::lab() else { return };
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let container = engine.container("fast", 0);
    let mut options = options(&server.url(), dir.path());
    options.docker_host = Some(engine.host.clone());
    let agent = Agent::start(options);
    let (session, mut frames) = link(&server, 0).await;
    let before = container
        .started(&frames.snapshot().await)
        .expect("it runs");
    let order = container.restart(1);
    let given = nanos();
    session.send("POST", "/v1/orders", &order).await;
    let outcome = frames.result(&order).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let seen = frames.seen.iter().rev().find_map(|f| match &f.body {
        FrameBody::Delta { changed, .. } => container.started(&changed.iter().cloned().collect()),
        _ => None,
    });
    assert!(seen.is_some_and(|at| at > before), "{:#?}", frames.seen);
    // One sync of the journal and one question to the engine lie between.
    let issued = container
        .events("kill", "{{.TimeNano}}")
        .first()
        .and_then(|at| at.parse().ok())
        .unwrap_or(i64::MAX);
    let took = Duration::from_nanos((issued - given).unsigned_abs());
    eprintln!("order given -> engine stops the container: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let again = frames.seen.len();
    session.send("POST", "/v1/orders", &order).await;
    assert_eq!(
        frames.result(&order).await,
        outcome,
        "the first result again"
    );
    assert!(frames.seen.len() > again);
    assert_eq!(container.starts(), 2);
    let sampled = |f: &stead_protocol::agent::Frame| match &f.body {
        FrameBody::Sample { containers, .. } => containers
            .iter()
            .any(|c| c.name.as_str() == container.name)
            .then_some(()),
        _ => None,
    };
    frames.until("a sample of it", sampled).await;
    agent.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_search_has_an_end_and_what_no_compose_file_made_has_no_patch() {
    let Some(engine) = Engine::lab() else { return };
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let container = engine.container_of("talks", 0, "seq 1000 1999; sleep 100000");
    let mut options = options(&server.url(), dir.path());
    options.docker_host = Some(engine.host.clone());
    options.patcher = Some(|_, _, _, _, _| panic!("there is no file to change"));
    let agent = Agent::start(options);
    let (session, _frames) = link(&server, 0).await;
    let name = &container.name;
    for (asked, told) in [("&most=9999", 500), ("", 500), ("&most=3", 3)] {
        let path = format!("/v1/logs/search?text=1&containers={name}{asked}");
        let searching = async {
            loop {
                let found: Value = session.get(&path).await;
                let found = found["found"].as_array().expect("lines").clone();
                // The newest, once the container has written it.
                if found.last().is_some_and(|line| line["text"] == "1999") {
                    return found.len();
                }
            }
        };
        let found = tokio::time::timeout(LIMIT, searching).await;
        assert_eq!(found.expect("the last line"), told, "{asked}");
    }
    let path = format!("/v1/containers/{name}/memory-patch?limit=64&reservation=32");
    let answer = session.request("GET", &path, vec![]).await;
    assert_eq!(answer.status(), 404);
    let no: Value = session.get(&path).await;
    assert_eq!(no["code"], "no-advice");
    let why = no["detail"].as_str().expect("why");
    assert!(why.contains("no compose project made"), "{why}");
    agent.stop().await.expect("a clean end");
}
