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
    /// Its last word of its own; none since the start of the server.
    word: Option<Time>,
    /// Its last word before the link it has now, which it may have rebooted between.
    before: Option<Time>,
    /// It said on this link how it is.
    told: bool,
}

impl Heard {
    /// Counted from then, with nothing said yet.
    fn at(at: Time) -> Heard {
        Heard {
            at,
            said: None,
            word: None,
            before: None,
            told: false,
        }
    }
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
                    said: Some(Silence::Stale),
                    ..Heard::at(now)
                },
            );
        }
        self.due = self.earliest();
    }

    pub(super) fn heard(&mut self, now: Time, node: NodeName) {
        self.word(now, node);
    }

    /// It is there again. A link that ended before anything was told on it counts as none.
    pub(super) fn linked(&mut self, now: Time, node: NodeName) {
        let was = self.nodes.get(&node).copied();
        let heard = self.word(now, node);
        if let Some(was) = was.filter(|was| was.told || was.before.is_none()) {
            heard.before = was.word;
        }
        heard.told = false;
    }

    /// It says how it is, or what changed.
    pub(super) fn told(&mut self, now: Time, node: NodeName) {
        self.word(now, node).told = true;
    }

    /// Its last word before the link it has now.
    pub(super) fn before(&self, node: &NodeName) -> Option<Time> {
        self.nodes.get(node)?.before
    }

    fn word(&mut self, now: Time, node: NodeName) -> &mut Heard {
        let due = now + STALE_AFTER;
        self.due = Some(self.due.map_or(due, |d| d.min(due)));
        let heard = self.nodes.entry(node).or_insert(Heard::at(now));
        (heard.at, heard.said, heard.word) = (now, None, Some(now));
        heard
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
        let moved = |at: Time| Time(at.0.saturating_add(by));
        for heard in self.nodes.values_mut() {
            heard.at = moved(heard.at);
            heard.word = heard.word.map(moved);
            heard.before = heard.before.map(moved);
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
    fn what_was_said_last_before_a_link_is_kept_until_the_next() {
        let (mut tracker, node) = (Tracker::default(), "piha".parse::<NodeName>().unwrap());
        tracker.linked(Time(0), node.clone());
        assert_eq!(tracker.before(&node), None);
        tracker.told(Time(1_000), node.clone());
        tracker.heard(Time(7_000), node.clone());
        assert_eq!(tracker.before(&node), None);
        tracker.linked(Time(60_000), node.clone());
        assert_eq!(tracker.before(&node), Some(Time(7_000)));
        // It broke before the machine could say anything.
        tracker.heard(Time(61_000), node.clone());
        tracker.linked(Time(90_000), node.clone());
        assert_eq!(tracker.before(&node), Some(Time(7_000)));
        tracker.told(Time(91_000), node.clone());
        tracker.shift(500);
        tracker.linked(Time(120_000), node.clone());
        assert_eq!(tracker.before(&node), Some(Time(91_500)));
        let mut tracker = Tracker::default();
        tracker.expect(Time(0), alloc::vec![node.clone()]);
        tracker.linked(Time(9_000), node.clone());
        assert_eq!(tracker.before(&node), None, "nothing was heard before");
    }

    #[test]
    fn a_clock_that_jumps_makes_nobody_silent() {
        let mut tracker = Tracker::default();
        tracker.heard(Time(0), "piha".parse().unwrap());
        tracker.shift(3_600_000);
        assert!(tracker.silent(Time(3_600_000)).is_empty());
    }
}
