//! When much of the fleet drifts at once, the fault is probably here and not there: automatic repair stops. Row R3.
//!
//! Which services drift comes from the drift index; when each began, from the world. [`Watch`] is a cache over both, so
//! that one event does not count the whole fleet.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::desired::Limits;
use crate::drift::{self, DriftKind};
use crate::event::BrakeEngaged;
use crate::ids::NodeName;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::{EvidenceState, World};

/// Drift counts as "at once" when it began within this time.
pub const WINDOW: Span = Span::mins(5);
/// Fewer services than this are never a mass.
pub const AT_LEAST: usize = 5;
/// Services named in the event.
const NAMED: usize = 20;

/// How much drifts, and of how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// Drifting services, by when that began.
    began: BTreeSet<(Time, Subject)>,
    since: BTreeMap<Subject, Time>,
    /// Services that can be judged, by node.
    fresh: BTreeMap<NodeName, u32>,
    total: u32,
}

/// What the watch asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    Engage(BrakeEngaged),
    Release,
}

impl Watch {
    /// Counts everything, from nothing.
    pub fn rebuild(world: &World, index: &drift::Index) -> Watch {
        let mut watch = Watch::default();
        for subject in index.map().keys() {
            watch.note(world, index, subject);
        }
        for node in world.nodes.keys() {
            watch.note_node(world, node);
        }
        watch
    }

    /// The drift of `subject` was looked at.
    pub fn note(&mut self, world: &World, index: &drift::Index, subject: &Subject) {
        if subject.service().is_none() {
            return;
        }
        let began = began(world, index, subject);
        if self.since.get(subject) == began.as_ref() {
            return;
        }
        if let Some(before) = self.since.remove(subject) {
            self.began.remove(&(before, subject.clone()));
        }
        if let Some(began) = began {
            self.since.insert(subject.clone(), began);
            self.began.insert((began, subject.clone()));
        }
    }

    /// The node's evidence or its services changed.
    pub fn note_node(&mut self, world: &World, node: &NodeName) {
        let before = self.fresh.remove(node).unwrap_or(0);
        let now = judged(world, node);
        if now > 0 {
            self.fresh.insert(node.clone(), now);
        }
        self.total = self.total - before + now;
    }

    /// Every node may have changed.
    pub fn note_all_nodes(&mut self, world: &World) {
        self.fresh.clear();
        self.total = 0;
        for node in world.nodes.keys() {
            self.note_node(world, node);
        }
    }

    /// Services that can be judged now.
    pub fn fresh(&self) -> u32 {
        self.total
    }

    /// What follows at `now`.
    pub fn call(&self, world: &World, now: Time) -> Option<Call> {
        let limit = share(world);
        match &world.brake.engaged {
            None => {
                let since = Time(now.0.saturating_sub(WINDOW.0 as i64));
                let since = world.brake.released_at.map_or(since, |at| at.max(since));
                let young = self.began.range((since, Subject::Fleet)..);
                let count = young.clone().filter(|(at, _)| *at > since).count();
                if !is_mass(count, self.total, limit) {
                    return None;
                }
                let subjects: Vec<Subject> = young
                    .filter(|(at, _)| *at > since)
                    .take(NAMED)
                    .map(|(_, s)| s.clone())
                    .collect();
                Some(Call::Engage(BrakeEngaged {
                    drifting: u32::try_from(count).unwrap_or(u32::MAX),
                    fresh: self.total,
                    limit,
                    subjects,
                }))
            }
            Some(engaged) => {
                let held = now.since(engaged.since) >= WINDOW;
                (held && !is_mass(self.began.len(), self.total, limit)).then_some(Call::Release)
            }
        }
    }

    /// When [`Watch::call`] may say something although nothing happens.
    pub fn next_deadline(&self, world: &World, now: Time) -> Option<Time> {
        let engaged = world.brake.engaged.as_ref()?;
        let at = engaged.since + WINDOW;
        (now < at).then_some(at)
    }
}

/// The share at which the brake engages in a fleet of this size, 0–100.
pub fn share(world: &World) -> f64 {
    let limits = &world.fleet.policy.limits;
    if world.fleet.nodes.len() <= Limits::SMALL_FLEET {
        limits.mass_drift
    } else {
        limits.mass_drift_large
    }
}

fn is_mass(drifting: usize, fresh: u32, limit: f64) -> bool {
    drifting >= AT_LEAST && drifting as f64 * 100.0 >= limit * f64::from(fresh)
}

/// When the drift of a service began: when it was first stated, or when the files came that it differs from. What was
/// never well is being set up: that is no mass of accidents.
fn began(world: &World, index: &drift::Index, subject: &Subject) -> Option<Time> {
    let drift = index.get(subject).first()?;
    let Subject::Service(node, service) = subject else {
        return None;
    };
    if !world.memory(node, service).is_some_and(|m| m.been_well) {
        return None;
    }
    match drift.kind {
        DriftKind::MissingService | DriftKind::UnhealthyService => Some(drift.since),
        DriftKind::ChangedService | DriftKind::SuspendedButRunning => Some(
            world
                .desired
                .loaded_at
                .map_or(drift.since, |at| at.max(drift.since)),
        ),
        _ => None,
    }
}

/// Services of `node` that can be judged now.
fn judged(world: &World, node: &NodeName) -> u32 {
    let fresh = world
        .node(node)
        .is_some_and(|n| n.evidence.state == EvidenceState::Fresh);
    let Some(desired) = world.fleet.nodes.get(node).filter(|_| fresh) else {
        return 0;
    };
    let monitored = desired.services.values().filter(|s| s.monitor).count();
    u32::try_from(monitored).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::is_mass;

    #[test]
    fn a_mass_is_at_least_five_and_at_least_the_share() {
        assert!(!is_mass(4, 4, 55.0), "four of four are four accidents");
        assert!(is_mass(5, 9, 55.0));
        assert!(!is_mass(5, 10, 55.0));
        assert!(is_mass(11, 20, 55.0));
        assert!(!is_mass(0, 0, 55.0), "nothing of nothing is nothing");
    }
}
