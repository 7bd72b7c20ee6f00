//! Asked for, not watched: the live drill-down of one container.

use std::time::Duration;

use bollard::query_parameters::InspectContainerOptions;
use serde::Serialize;
use stead_core::facts::{ContainerState, Health, ProbeOutput};
use stead_core::ids::ContainerName;
use stead_core::time::Time;

use super::client::checked;
use super::{Docker, Error, judge};
use crate::observation::wall_clock;

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

    /// All labels as they are: for whoever looks for one of them here, never to be sent anywhere.
    pub async fn labels(
        &self,
        name: &ContainerName,
    ) -> Result<std::collections::HashMap<String, String>, Error> {
        let client = self.client().await?;
        let name = checked(name.as_str())?;
        let question = client
            .engine
            .inspect_container(name, None::<InspectContainerOptions>);
        let config = client.ask(question).await?.config;
        Ok(config.and_then(|c| c.labels).unwrap_or_default())
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
}
