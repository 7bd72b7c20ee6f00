//! Who has been heard lately. Takes heartbeats, yields only transitions: a heartbeat is not an event.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::ids::NodeName;
use crate::time::{Span, Time};

/// Silence after which a node's evidence is stale.
pub const STALE_AFTER: Span = Span::secs(15);
/// Silence after which the silence itself is drift.
pub const OFFLINE_AFTER: Span = Span::secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Stale,
    Offline,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Time,
    said: Option<Silence>,
}

#[derive(Debug, Default)]
pub(super) struct Tracker {
    nodes: BTreeMap<NodeName, Heard>,
    /// Nothing is due before this: a lower bound, so that a heartbeat costs nothing.
    due: Option<Time>,
}

impl Tracker {
    /// After a start: these were known, and have [`OFFLINE_AFTER`] to come back. They are unknown already, not stale.
    pub(super) fn expect(&mut self, now: Time, nodes: Vec<NodeName>) {
        for node in nodes {
            self.nodes.insert(
                node,
                Heard {
                    at: now,
                    said: Some(Silence::Stale),
                },
            );
        }
        self.due = self.earliest();
    }

    pub(super) fn heard(&mut self, now: Time, node: NodeName) {
        self.nodes.insert(
            node,
            Heard {
                at: now,
                said: None,
            },
        );
        let due = now + STALE_AFTER;
        self.due = Some(self.due.map_or(due, |d| d.min(due)));
    }

    /// Transitions due at `now`, each once.
    pub(super) fn silent(&mut self, now: Time) -> Vec<(NodeName, Silence, Time)> {
        let mut due = Vec::new();
        if self.due.is_none_or(|at| now < at) {
            return due;
        }
        for (node, heard) in &mut self.nodes {
            let silence = now.since(heard.at);
            let now_is = match silence {
                s if s >= OFFLINE_AFTER => Some(Silence::Offline),
                s if s >= STALE_AFTER => Some(Silence::Stale),
                _ => None,
            };
            let step = match (heard.said, now_is) {
                (None, Some(silence)) => Some(silence),
                (Some(Silence::Stale), Some(Silence::Offline)) => Some(Silence::Offline),
                _ => None,
            };
            if let Some(silence) = step {
                heard.said = Some(silence);
                due.push((node.clone(), silence, heard.at));
            }
        }
        self.due = self.earliest();
        due
    }

    /// When somebody may have been silent for too long.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.due
    }

    fn earliest(&self) -> Option<Time> {
        self.nodes
            .values()
            .filter_map(|h| match h.said {
                None => Some(h.at + STALE_AFTER),
                Some(Silence::Stale) => Some(h.at + OFFLINE_AFTER),
                Some(Silence::Offline) => None,
            })
            .min()
    }

    /// The clock was set: silence keeps its length.
    pub(super) fn shift(&mut self, by: i64) {
        for heard in self.nodes.values_mut() {
            heard.at = Time(heard.at.0.saturating_add(by));
        }
        self.due = self.earliest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_at_each_step() {
        let mut tracker = Tracker::default();
        let node: NodeName = "piha".parse().unwrap();
        tracker.heard(Time(0), node.clone());
        assert!(tracker.silent(Time(14_999)).is_empty());
        assert_eq!(
            tracker.silent(Time(15_000)),
            [(node.clone(), Silence::Stale, Time(0))]
        );
        assert!(tracker.silent(Time(20_000)).is_empty());
        assert_eq!(
            tracker.silent(Time(60_000)),
            [(node.clone(), Silence::Offline, Time(0))]
        );
        assert!(tracker.silent(Time(600_000)).is_empty());
        assert_eq!(tracker.next_deadline(), None);
    }

    #[test]
    fn a_clock_that_jumps_makes_nobody_silent() {
        let mut tracker = Tracker::default();
        tracker.heard(Time(0), "piha".parse().unwrap());
        tracker.shift(3_600_000);
        assert!(tracker.silent(Time(3_600_000)).is_empty());
    }
}
