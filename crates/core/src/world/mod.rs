//! The world: the fold of the log.
//!
//! [`World::apply`] is total: an event it does not know changes nothing but the head. Nothing here decides, and nothing
//! here knows the time except from events. Two replays of the same log give equal worlds, byte for byte.

mod actions;
mod brake;
mod node;
mod rollouts;
mod writes;

pub use actions::{Actions, Memory};
pub use brake::{Brake, Engaged};
pub use node::{Evidence, EvidenceState, NodeState, Report, Seen, ServiceMemory, Status};
pub use rollouts::{HELD_BACK, Rollout, RolloutState, Rollouts, Target, TargetState};
pub use writes::Writes;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

use crate::alert::Alerts;
use crate::desired::Fleet;
use crate::event::{Body, DrillEnded, Event};
use crate::ids::{NodeName, Seq, ServiceName};
use crate::lock::{Lock, LockKey};
use crate::planted::{Bug, Planted};
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
    #[serde(default, with = "crate::pairs")]
    pub locks: BTreeMap<LockKey, Lock>,
    #[serde(default)]
    pub brake: Brake,
    /// The leader's: an order with a lower one comes from a server that was deposed.
    #[serde(default)]
    pub epoch: u64,
    /// Digests of the rules that earned their autonomy.
    #[serde(default)]
    pub earned: BTreeSet<String>,
    #[serde(default)]
    pub rollouts: Rollouts,
    /// Oldest first, at most [`World::MAX_DRILLS`].
    #[serde(default)]
    pub drills: VecDeque<(Time, DrillEnded)>,
    #[serde(default)]
    pub alerts: Alerts,
    #[serde(default)]
    pub writes: Writes,
    /// Images of which it was said that they are old, at most [`World::MAX_AGED`].
    #[serde(default)]
    pub aged: BTreeSet<String>,
    #[serde(skip)]
    pub planted: Planted,
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
    /// Drills remembered.
    pub const MAX_DRILLS: usize = 50;
    /// Old images remembered: more than run in a large fleet.
    pub const MAX_AGED: usize = 10_000;

    /// Folds one event in. Never fails; events must come in order.
    pub fn apply(&mut self, event: &Event) {
        self.head = event.seq;
        self.at = self.at.max(event.at);
        self.events_total += 1;
        self.alerts.apply(event);
        match &event.body {
            Body::ServerStarted(_) => self.server_started(event),
            Body::ClockJumped(by) => self.clock_jumped(*by),
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
            body if body.action().is_some() => {
                self.actions.apply(event);
                self.rollouts.apply(event);
            }
            Body::RolloutStarted(_)
            | Body::RolloutTarget(_)
            | Body::RolloutPaused(_)
            | Body::RolloutResumed(_)
            | Body::RolloutCancelled(_)
            | Body::RolloutCompleted(_) => self.rollouts.apply(event),
            Body::LockTaken(_) | Body::LockStale(_) | Body::LockReleased(_) => self.lock(event),
            Body::BrakeEngaged(e) => {
                self.brake.engaged = Some(Engaged {
                    since: event.at,
                    seq: event.seq,
                    drifting: e.drifting,
                    fresh: e.fresh,
                    limit: e.limit,
                });
            }
            Body::BrakeReleased(e) => {
                self.brake.engaged = None;
                if e.by.is_some() {
                    self.brake.released_at = Some(event.at);
                }
            }
            Body::LeaderElected(e) => self.epoch = self.epoch.max(e.epoch),
            Body::AutonomyEarned(e) => {
                self.earned.insert(e.digest.clone());
            }
            Body::AutonomyLost(e) => {
                self.earned.remove(&e.digest);
            }
            Body::DrillEnded(e) => {
                if self.drills.len() >= World::MAX_DRILLS {
                    self.drills.pop_front();
                }
                self.drills.push_back((event.at, e.clone()));
            }
            Body::WritesAnomalous(_) | Body::WritesUsual(_) => self.writes.apply(event),
            Body::ImageAged(e) => {
                if self.aged.len() >= World::MAX_AGED {
                    self.aged.pop_first();
                }
                self.aged.insert(e.image_id.clone());
            }
            Body::NodeStale(_) | Body::NodeOffline(_) if self.planted.on(Bug::StaleKept) => {}
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

    fn lock(&mut self, event: &Event) {
        let key = |lock| LockKey {
            target: event.subject.clone(),
            lock,
        };
        match &event.body {
            Body::LockTaken(e) => {
                let before = self.locks.get(&key(e.lock));
                let lock = Lock {
                    by: e.by.clone(),
                    why: e.why.clone(),
                    since: before.map_or(event.at, |l| l.since),
                    until: e.until,
                    seq: event.seq,
                    heartbeat: e.heartbeat,
                    stale: None,
                };
                self.locks.insert(key(e.lock), lock);
            }
            Body::LockStale(e) => {
                if let Some(lock) = self.locks.get_mut(&key(e.lock)) {
                    lock.stale = Some(event.at);
                    lock.seq = event.seq;
                }
            }
            Body::LockReleased(e) => {
                self.locks.remove(&key(e.lock));
            }
            _ => {}
        }
    }

    /// The clock was set: what waits keeps its length.
    fn clock_jumped(&mut self, by: i64) {
        self.actions.shift(by);
        for lock in self.locks.values_mut() {
            lock.until.0 = lock.until.0.saturating_add(by);
        }
    }

    fn server_started(&mut self, event: &Event) {
        self.server_started = Some(event.at);
        if self.planted.on(Bug::StartKeepsEvidence) {
            return;
        }
        for node in self.nodes.values_mut() {
            node.evidence = Evidence {
                state: EvidenceState::Unknown,
                since: event.at,
                seq: event.seq,
            };
        }
    }

    /// Everything but the nodes.
    pub fn without_nodes(&self) -> World {
        World {
            head: self.head,
            at: self.at,
            fleet: Arc::clone(&self.fleet),
            desired: self.desired.clone(),
            nodes: BTreeMap::new(),
            actions: self.actions.clone(),
            server_started: self.server_started,
            events_total: self.events_total,
            locks: self.locks.clone(),
            brake: self.brake.clone(),
            epoch: self.epoch,
            earned: self.earned.clone(),
            rollouts: self.rollouts.clone(),
            drills: self.drills.clone(),
            alerts: self.alerts.clone(),
            writes: self.writes.clone(),
            aged: self.aged.clone(),
            planted: self.planted,
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
