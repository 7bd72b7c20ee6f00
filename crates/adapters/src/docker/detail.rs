//! Asked for, not watched: the live drill-down of one container, and its log.

use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use futures::{Stream, StreamExt};
use serde::Serialize;
use stead_core::facts::{ContainerState, Health, ProbeOutput};
use stead_core::ids::ContainerName;
use stead_core::time::Time;

use super::client::checked;
use super::{Docker, Error, judge};
use crate::observation::wall_clock;
use crate::redact::redact;

/// Most lines of a log handed out at once.
pub const MOST_LINES: u32 = 5000;
/// Longest line handed out, in bytes.
const LINE: usize = 8 * 1024;

/// What the engine says of a container's health at this moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthDetail {
    pub id: String,
    pub state: ContainerState,
    pub health: Health,
    pub failing_streak: u32,
    /// The last three, newest last.
    pub outputs: Vec<ProbeOutput>,
    /// Restarts by the engine's own policy.
    pub restart_count: u32,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub exit_code: Option<i64>,
    /// When the kernel last ended it for want of memory, if its last end was that.
    pub last_oom: Option<Time>,
}

/// One line of a log, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Written to standard error.
    pub error: bool,
    /// Begins with the engine's time stamp.
    pub text: String,
}

pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogLine, Error>> + Send>>;

impl Docker {
    pub async fn health_detail(&self, name: &ContainerName) -> Result<HealthDetail, Error> {
        let seen = self.client().await?.inspect(name.as_str()).await?;
        let patience = self
            .patience()
            .borrow()
            .get(name)
            .copied()
            .unwrap_or_default();
        Ok(HealthDetail {
            health: judge::health(
                seen.facts.state,
                seen.probed,
                patience,
                seen.facts.started_at.map(|at| wall_clock().since(at)),
            ),
            last_oom: seen.facts.finished_at.filter(|_| seen.facts.oom_killed),
            id: seen.facts.id,
            state: seen.facts.state,
            failing_streak: seen.facts.failing_streak,
            outputs: seen.facts.health_log,
            restart_count: seen.facts.restart_count,
            started_at: seen.facts.started_at,
            finished_at: seen.facts.finished_at,
            exit_code: seen.facts.exit_code,
        })
    }

    /// How long the engine lets the container stop by itself.
    pub async fn stop_timeout(&self, name: &ContainerName) -> Result<Duration, Error> {
        let client = self.client().await?;
        let name = checked(name.as_str())?;
        let question = client
            .engine
            .inspect_container(name, None::<InspectContainerOptions>);
        let said = client
            .ask(question)
            .await?
            .config
            .and_then(|config| config.stop_timeout);
        Ok(Duration::from_secs(
            said.and_then(|s| u64::try_from(s).ok()).unwrap_or(10),
        ))
    }

    /// The last `tail` lines, and with `follow` those that come, until the stream is dropped.
    pub async fn logs(
        &self,
        name: &ContainerName,
        tail: u32,
        follow: bool,
    ) -> Result<LogStream, Error> {
        let client = self.client().await?;
        // Asked first, so that a container that is not there is an answer and not a broken stream.
        let id = client.inspect(name.as_str()).await?.id;
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(follow)
            .tail(&tail.min(MOST_LINES).to_string())
            .build();
        let lines = client
            .patient(Duration::from_secs(60))
            .logs(checked(&id)?, Some(options));
        Ok(Box::pin(lines.map(move |line| {
            line.map(line_of).map_err(|error| client.wrap(error))
        })))
    }
}

fn line_of(output: LogOutput) -> LogLine {
    let error = matches!(output, LogOutput::StdErr { .. });
    let bytes = output.into_bytes();
    let text = String::from_utf8_lossy(&bytes);
    LogLine {
        error,
        text: redact(text.trim_end_matches(['\n', '\r']), LINE),
    }
}
