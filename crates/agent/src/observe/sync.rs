//! Whether everything was looked at once: before that, "not seen" means nothing. Pure.

use std::collections::BTreeSet;

use stead_adapters::observation::Observation;
use stead_core::facts::{Fact, FactKey, SourceFacts, SourceKind, SourceState};

use crate::board::Change;

/// Those that every node is asked for.
const ALL: [SourceKind; 3] = [SourceKind::Docker, SourceKind::Systemd, SourceKind::Compose];

#[derive(Debug, Default)]
pub struct Sync {
    done: BTreeSet<SourceKind>,
    said: BTreeSet<SourceKind>,
    /// Those that only this node's file names.
    also: BTreeSet<SourceKind>,
    measured: bool,
    taken: bool,
}

impl Sync {
    /// One more to wait for; once everything was looked at it changes nothing.
    pub fn expect(&mut self, kind: SourceKind) {
        self.also.insert(kind);
    }

    fn all(&self) -> impl Iterator<Item = SourceKind> {
        ALL.into_iter().chain(self.also.iter().copied())
    }

    pub fn saw(&mut self, observation: &Observation) {
        match observation {
            Observation::Synced(kind) => drop(self.done.insert(*kind)),
            Observation::Put(FactKey::Source(kind), fact) => {
                self.said.insert(*kind);
                // Where there is nothing to list there is nothing to wait for.
                if matches!(&**fact, Fact::Source(source) if source.state != SourceState::Up) {
                    self.done.insert(*kind);
                }
            }
            _ => {}
        }
    }

    /// The machine itself was measured.
    pub fn measured(&mut self) {
        self.measured = true;
    }

    /// Waits no longer; returns what to tell of sources that have said nothing.
    pub fn give_up(&mut self) -> Vec<Change> {
        self.done.extend(self.also.iter().chain(&ALL));
        self.measured = true;
        let silent = self.all().filter(|kind| !self.said.contains(kind));
        let down = |kind: SourceKind| {
            let detail = format!("{} has not answered yet.", kind.word());
            let facts = SourceFacts {
                state: SourceState::Down,
                version: String::new(),
                detail,
            };
            (FactKey::Source(kind), Some(Fact::Source(facts)))
        };
        silent.map(down).collect()
    }

    pub fn is_done(&self) -> bool {
        self.measured && self.all().all(|kind| self.done.contains(&kind))
    }

    /// Whether it is done, said once.
    pub fn take_done(&mut self) -> bool {
        self.is_done() && !std::mem::replace(&mut self.taken, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(state: SourceState) -> SourceFacts {
        SourceFacts {
            state,
            version: String::new(),
            detail: String::new(),
        }
    }

    #[test]
    fn it_is_done_when_every_source_was_listed_or_is_not_there() {
        let mut sync = Sync::default();
        sync.measured();
        sync.saw(&Observation::source(
            SourceKind::Docker,
            source(SourceState::Up),
        ));
        sync.saw(&Observation::source(
            SourceKind::Systemd,
            source(SourceState::Absent),
        ));
        sync.saw(&Observation::source(
            SourceKind::Compose,
            source(SourceState::Down),
        ));
        assert!(
            !sync.is_done(),
            "the engine is up and has not listed its containers"
        );
        sync.saw(&Observation::Synced(SourceKind::Docker));
        assert!(sync.take_done());
        assert!(!sync.take_done(), "said once");
    }

    #[test]
    fn what_only_this_node_has_is_waited_for_where_its_file_names_it() {
        let mut sync = Sync::default();
        sync.measured();
        for kind in ALL {
            sync.saw(&Observation::Synced(kind));
        }
        assert!(sync.is_done());
        sync.expect(SourceKind::Ollama);
        assert!(!sync.is_done());
        sync.saw(&Observation::Synced(SourceKind::Ollama));
        assert!(sync.take_done());
    }

    #[test]
    fn a_source_that_says_nothing_is_told_as_down() {
        let mut sync = Sync::default();
        sync.saw(&Observation::source(
            SourceKind::Systemd,
            source(SourceState::Up),
        ));
        let told: Vec<FactKey> = sync.give_up().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            told,
            [
                FactKey::Source(SourceKind::Docker),
                FactKey::Source(SourceKind::Compose)
            ]
        );
        assert!(sync.is_done());
    }
}
