//! Containers to measure by, on the lab's engine. Only those with the bench's label are ever touched.

use crate::{lab, process};
use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const LABEL: &str = "dev.stead.bench=1";
const IMAGE: &str = "stead-lab/busybox:1";

pub fn docker() -> Command {
    let mut command = Command::new("docker");
    command
        .env("DOCKER_HOST", address())
        .env_remove("DOCKER_CONTEXT");
    command
}

pub fn address() -> String {
    format!("unix://{}", lab::DOCKER_SOCKET)
}

/// Removes what this or an interrupted run left.
pub fn clear() -> Result<()> {
    let filter = format!("label={LABEL}");
    let ids = process::quiet(docker().args(["ps", "-aq", "--filter", &filter]))?;
    if !ids.trim().is_empty() {
        process::quiet(
            docker()
                .args(["rm", "-f", "-v"])
                .args(ids.split_whitespace()),
        )?;
    }
    Ok(())
}

/// Something that only is there.
pub fn idle(name: &str) -> Result<()> {
    run(
        name,
        &[],
        "trap exit TERM; while :; do sleep 60 & wait $!; done",
    )
}

/// Well while a file is there, which its start makes: taking it away makes it ill, a restart well.
pub fn fragile(name: &str) -> Result<()> {
    let health = [
        "--health-interval",
        "1s",
        "--health-retries",
        "1",
        "--health-cmd",
        "test -e /srv/open",
    ];
    run(
        name,
        &health,
        "touch /srv/open; trap exit TERM; while :; do sleep 60 & wait $!; done",
    )
}

/// Well while `DIR/open` is there, which its start makes: without a health check of its own. `DIR/die` makes it crash.
pub fn marked(name: &str, dir: &std::path::Path) -> Result<()> {
    let mount = format!("{}:/srv", dir.display());
    run(
        name,
        &["-v", &mount],
        "rm -f /srv/die; touch /srv/open; trap 'exit 0' TERM; \
         until test -e /srv/die; do sleep 1 & wait $!; done; exit 3",
    )
}

fn run(name: &str, options: &[&str], script: &str) -> Result<()> {
    process::quiet(
        docker()
            .args([
                "run",
                "-d",
                "--name",
                name,
                "--label",
                LABEL,
                "--network",
                "none",
            ])
            .args(options)
            .args([IMAGE, "sh", "-c", script]),
    )
    .map(drop)
}

pub fn health(name: &str) -> Result<String> {
    let said =
        process::quiet(docker().args(["inspect", "--format", "{{.State.Health.Status}}", name]))?;
    Ok(said.trim().to_owned())
}

/// What the engine says as it happens.
pub struct Events {
    child: Child,
    lines: Receiver<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    /// `kill`, `start`, `health_status: unhealthy`, …
    pub action: String,
    pub nanos: i64,
}

impl Events {
    pub fn listen() -> Result<Events> {
        let filter = format!("label={LABEL}");
        let mut child = docker()
            .args([
                "events",
                "--format",
                "{{json .}}",
                "--filter",
                "type=container",
                "--filter",
                &filter,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("docker events")?;
        let out = child
            .stdout
            .take()
            .context("docker events without an output")?;
        let (send, lines) = channel();
        std::thread::spawn(move || pass_on(out, &send));
        Ok(Events { child, lines })
    }

    /// The next event that `wanted` is true of.
    pub fn wait(
        &self,
        limit: Duration,
        why: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let deadline = Instant::now() + limit;
        loop {
            anyhow::ensure!(!process::stopping(), "interrupted");
            let left = deadline.saturating_duration_since(Instant::now());
            anyhow::ensure!(
                !left.is_zero(),
                "gave up after {} s: {why}",
                limit.as_secs()
            );
            match self
                .lines
                .recv_timeout(left.min(Duration::from_millis(200)))
            {
                Ok(line) => {
                    let event = parse(&line)?;
                    if wanted(&event) {
                        return Ok(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("docker events ended: {why}"),
            }
        }
    }

    /// What came until now.
    pub fn taken(&self) -> Result<Vec<Event>> {
        self.lines.try_iter().map(|line| parse(&line)).collect()
    }

    /// Forgets what came until now.
    pub fn skip(&self) {
        while self.lines.try_recv().is_ok() {}
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(out: ChildStdout, send: &std::sync::mpsc::Sender<String>) {
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        if send.send(line).is_err() {
            return;
        }
    }
}

fn parse(line: &str) -> Result<Event> {
    let said: Value =
        serde_json::from_str(line).with_context(|| format!("not an event: {line}"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nanos = said["timeNano"]
        .as_i64()
        .with_context(|| format!("an event without a time: {line}"))?;
    Ok(Event {
        name: text(&said["Actor"]["Attributes"]["name"]),
        action: text(&said["Action"]),
        nanos,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_an_action_and_a_time() {
        let line = r#"{"Type":"container","Action":"kill","Actor":{"Attributes":{"name":"a"}},"timeNano":7}"#;
        let event = parse(line).unwrap();
        assert_eq!(
            event,
            Event {
                name: "a".into(),
                action: "kill".into(),
                nanos: 7
            }
        );
        assert!(parse("{}").is_err());
    }
}
