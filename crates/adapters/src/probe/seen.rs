//! What the agent knows already, as probes ask for it.

use async_trait::async_trait;
use stead_core::facts::{ContainerFacts, UnitFacts};
use stead_core::ids::{ContainerName, UnitName};
use stead_core::time::Time;

/// The agent's own observations, and what else only it can reach. Implemented by the agent; a lookup must not block.
#[async_trait]
pub trait Seen: Send + Sync + std::fmt::Debug {
    /// The container as last seen.
    fn container(&self, name: &ContainerName) -> Sighting<ContainerFacts>;
    /// The unit as last seen.
    fn unit(&self, name: &UnitName) -> Sighting<UnitFacts>;
    /// What the container wrote since then, at most the newest `limit` bytes; the error is for people.
    async fn container_log(
        &self,
        name: &ContainerName,
        since: Time,
        limit: usize,
    ) -> Result<Vec<u8>, String>;
    /// A secret delivered to this node.
    fn secret(&self, name: &str) -> Option<String>;
}

/// Whether something was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting<T> {
    Seen(T),
    /// Its source answers and does not have it.
    Absent,
    /// Its source is away; the text says what to do.
    Unknown(String),
}
