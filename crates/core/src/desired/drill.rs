//! A chaos drill: Stead breaks a container of its own and proves that it notices, mends and says so. Row R9.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{ContainerDef, Patience, Service, ServiceKind};
use crate::ids::{ContainerName, NodeName, ServiceName};
use crate::time::Span;

/// The canary of a node, and what is promised of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    pub node: NodeName,
    /// What the canary runs.
    pub image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Cron expression in the calendar's time zone; absent: only when somebody runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Noticed, mended and said within this time.
    pub within: Span,
}

/// Name of the service and of the container that Stead owns.
pub const CANARY: &str = "stead-canary";
/// Label that says a container is a canary: the only one an agent breaks on purpose.
pub const CANARY_LABEL: &str = "stead.canary";

impl Drill {
    /// The service that the fleet gets for it.
    pub fn service(&self) -> Option<(ServiceName, Service)> {
        let definition = ContainerDef {
            image: self.image.clone(),
            command: self.command.clone(),
            labels: [(CANARY_LABEL.to_string(), "true".to_string())].into(),
            ..ContainerDef::default()
        };
        let service = Service {
            kind: ServiceKind::Container {
                container: ContainerName::new(CANARY).ok()?,
                definition: Some(definition),
            },
            monitor: true,
            suspended: false,
            needs: Vec::new(),
            patience: Patience {
                failures: 1,
                ..Patience::default()
            },
            checks: Vec::new(),
        };
        Some((ServiceName::new(CANARY).ok()?, service))
    }
}
