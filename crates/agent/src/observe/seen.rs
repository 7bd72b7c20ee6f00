//! What probes may ask the agent itself: its own facts, and what a container wrote.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use stead_adapters::docker::Docker;
use stead_adapters::probe::{Seen, Sighting};
use stead_core::facts::{ContainerFacts, Fact, FactKey, Facts, SourceKind, SourceState, UnitFacts};
use stead_core::ids::{ContainerName, UnitName};
use stead_core::time::Time;

use crate::board::Board;

/// Lines looked at, from the end.
const LINES: u32 = 2000;
const WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Own {
    pub board: Board,
    pub docker: Docker,
}

#[async_trait]
impl Seen for Own {
    fn container(&self, name: &ContainerName) -> Sighting<ContainerFacts> {
        let key = FactKey::Container(name.clone());
        self.board.facts(|facts| match facts.get(&key) {
            Some(Fact::Container(c)) => source(facts, SourceKind::Docker, Some(c.clone())),
            _ => source(facts, SourceKind::Docker, None),
        })
    }

    fn unit(&self, name: &UnitName) -> Sighting<UnitFacts> {
        let key = FactKey::Unit(name.clone());
        self.board.facts(|facts| match facts.get(&key) {
            Some(Fact::Unit(u)) => source(facts, SourceKind::Systemd, Some(u.clone())),
            _ => source(facts, SourceKind::Systemd, None),
        })
    }

    async fn container_log(
        &self,
        name: &ContainerName,
        since: Time,
        limit: usize,
    ) -> Result<Vec<u8>, String> {
        let reading = async {
            let mut lines = self
                .docker
                .logs(name, LINES, false)
                .await
                .map_err(|e| format!("{e}. {}", e.remedy()))?;
            let mut out = Vec::new();
            while let Some(line) = lines.next().await {
                let line = line.map_err(|e| format!("{e}. {}", e.remedy()))?;
                if let Some(text) = after(&line.text, since) {
                    out.extend_from_slice(text.as_bytes());
                    out.push(b'\n');
                }
            }
            Ok(newest(out, limit))
        };
        let late = || {
            Err(format!(
                "the engine did not hand out the log within {} s",
                WITHIN.as_secs()
            ))
        };
        tokio::time::timeout(WITHIN, reading)
            .await
            .unwrap_or_else(|_| late())
    }

    /// None are delivered to nodes yet.
    fn secret(&self, _name: &str) -> Option<String> {
        None
    }
}

/// What is known, and how sure that is while its source is as it is.
fn source<T>(facts: &Facts, kind: SourceKind, known: Option<T>) -> Sighting<T> {
    match (facts.get(&FactKey::Source(kind)), known) {
        (Some(Fact::Source(source)), known) if source.state == SourceState::Up => {
            known.map_or(Sighting::Absent, Sighting::Seen)
        }
        (Some(Fact::Source(source)), _) => Sighting::Unknown(source.detail.clone()),
        _ => Sighting::Unknown(format!("{} has not been looked at yet", kind.word())),
    }
}

/// The text of a line written at or after `since`; lines begin with the engine's time stamp.
fn after(line: &str, since: Time) -> Option<&str> {
    let (at, text) = line.split_once(' ').unwrap_or((line, ""));
    match at.parse::<Time>() {
        Ok(at) => (at >= since).then_some(text),
        // Not a time stamp: part of something longer.
        Err(_) => Some(line),
    }
}

/// The newest `limit` bytes.
fn newest(mut bytes: Vec<u8>, limit: usize) -> Vec<u8> {
    if bytes.len() > limit {
        bytes.drain(..bytes.len() - limit);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_time_asked_for_count() {
        let since: Time = "2026-11-21T08:00:00Z".parse().expect("time");
        assert_eq!(
            after("2026-11-21T08:00:00.123456789Z up", since),
            Some("up")
        );
        assert_eq!(after("2026-11-21T07:59:59.999999999Z down", since), None);
        assert_eq!(after("continued", since), Some("continued"));
        assert_eq!(newest(b"abcdef".to_vec(), 2), b"ef");
    }
}
