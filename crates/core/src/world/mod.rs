//! The world: the fold of the log.
//!
//! [`World::apply`] is total: an event it does not know changes nothing but the head. Nothing here decides, and nothing
//! here knows the time except from events. Two replays of the same log give equal worlds, byte for byte.

mod actions;
mod node;

pub use actions::{Actions, Memory};
pub use node::{Evidence, EvidenceState, NodeState, Report, Seen, ServiceMemory, Status};

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

use crate::desired::Fleet;
use crate::event::{Body, Event};
use crate::ids::{NodeName, Seq, ServiceName};
use crate::subject::Subject;
use crate::time::Time;

/// Everything the log says, folded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Last event folded in.
    pub head: Seq,
    /// Latest instant any event carried.
    pub at: Time,
    /// The desired state in force; loaded beside the world from the document `desired.digest` names.
    #[serde(skip)]
    pub fleet: Arc<Fleet>,
    pub desired: Desired,
    pub nodes: BTreeMap<NodeName, NodeState>,
    pub actions: Actions,
    /// Last start of the server.
    pub server_started: Option<Time>,
    pub events_total: u64,
}

/// Where the desired state in force came from, and how its last reading went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    pub digest: String,
    pub origin: String,
    pub commit: Option<String>,
    pub dirty: bool,
    pub loaded_at: Option<Time>,
    pub seq: Seq,
    /// The files are broken since then; what is in force is the last good reading.
    pub rejected: Option<(Time, String)>,
}

impl World {
    /// Folds one event in. Never fails; events must come in order.
    pub fn apply(&mut self, event: &Event) {
        self.head = event.seq;
        self.at = self.at.max(event.at);
        self.events_total += 1;
        match &event.body {
            Body::ServerStarted(_) => self.server_started(event),
            Body::ClockJumped(by) => self.actions.shift(*by),
            Body::DesiredLoaded(loaded) => {
                if let Some(fleet) = &loaded.fleet {
                    self.fleet = Arc::clone(fleet);
                }
                self.desired = Desired {
                    digest: loaded.digest.clone(),
                    origin: loaded.origin.clone(),
                    commit: loaded.commit.clone(),
                    dirty: loaded.dirty,
                    loaded_at: Some(event.at),
                    seq: event.seq,
                    rejected: None,
                };
            }
            Body::DesiredRejected(no) => self.desired.rejected = Some((event.at, no.first.clone())),
            body if body.action().is_some() => self.actions.apply(event),
            _ => {
                if is_all_clear(event) {
                    self.actions.all_clear(&event.subject);
                }
                if let Some(node) = event.node() {
                    self.nodes.entry(node.clone()).or_default().apply(event);
                }
            }
        }
    }

    fn server_started(&mut self, event: &Event) {
        self.server_started = Some(event.at);
        for node in self.nodes.values_mut() {
            node.evidence = Evidence {
                state: EvidenceState::Unknown,
                since: event.at,
                seq: event.seq,
            };
        }
    }

    pub fn node(&self, node: &NodeName) -> Option<&NodeState> {
        self.nodes.get(node)
    }

    /// What is remembered of a service's past states.
    pub fn memory(&self, node: &NodeName, service: &ServiceName) -> Option<&ServiceMemory> {
        self.nodes.get(node)?.services.get(service)
    }

    /// Whether what is known of `subject`'s node was seen well within its time.
    pub fn is_fresh(&self, subject: &Subject) -> bool {
        subject
            .node()
            .and_then(|n| self.nodes.get(n))
            .is_some_and(|n| n.evidence.state == EvidenceState::Fresh)
    }
}

/// Stead itself states that a subject's trouble is over.
fn is_all_clear(event: &Event) -> bool {
    !event.source.is_foreign()
        && matches!(
            event.body,
            Body::ServiceHealthy(_) | Body::ServiceRecovered(_) | Body::DiskRecovered(_)
        )
}
