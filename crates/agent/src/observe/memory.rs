//! Which containers a person stopped, kept across restarts of the agent: the engine's events of that time are gone by
//! then. Best effort; losing it means asking a person once more.

use std::path::PathBuf;
use std::sync::Arc;

use stead_core::facts::{ContainerFacts, Fact, FactKey};
use stead_core::ids::ContainerName;
use stead_ports::disk::{Disk, Open};

use super::Stopped;

#[derive(Debug)]
pub struct Memory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    stopped: Stopped,
    changed: bool,
    /// What an earlier run knew is kept until everything was looked at once.
    settled: bool,
    seen: Vec<ContainerName>,
}

impl Memory {
    pub fn open(disk: Arc<dyn Disk>, path: PathBuf) -> Memory {
        let text = disk.read(&path).unwrap_or_default();
        let known: Vec<(FactKey, Fact)> = serde_json::from_slice(&text).unwrap_or_default();
        Memory {
            disk,
            path,
            stopped: known.into_iter().collect(),
            changed: false,
            settled: false,
            seen: Vec::new(),
        }
    }

    pub fn facts(&self) -> &Stopped {
        &self.stopped
    }

    /// A container was looked at, or is gone.
    pub fn saw(&mut self, name: &ContainerName, facts: Option<&ContainerFacts>) {
        let key = FactKey::Container(name.clone());
        if !self.settled {
            self.seen.push(name.clone());
        }
        let Some(facts) = facts.filter(|f| f.stopped_by_person) else {
            self.changed |= self.stopped.remove(&key).is_some();
            return;
        };
        let facts = ContainerFacts {
            id: facts.id.clone(),
            finished_at: facts.finished_at,
            state: facts.state,
            stopped_by_person: true,
            ..ContainerFacts::default()
        };
        let fact = Fact::Container(facts);
        if self.stopped.get(&key) != Some(&fact) {
            self.stopped.insert(key, fact);
            self.changed = true;
        }
    }

    /// The engine listed all it has: what was not seen by the first time is gone.
    pub fn settled(&mut self) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let seen = std::mem::take(&mut self.seen);
        let before = self.stopped.len();
        self.stopped
            .retain(|key, _| matches!(key, FactKey::Container(name) if seen.contains(name)));
        self.changed |= self.stopped.len() != before;
    }

    /// Writes what changed. Small and rare.
    pub fn save(&mut self) {
        if !self.settled || !std::mem::take(&mut self.changed) {
            return;
        }
        let known: Vec<_> = self.stopped.iter().collect();
        let new = self.path.with_extension("new");
        let text = serde_json::to_vec(&known).unwrap_or_default();
        // Not synced: losing it with the power costs a question, waiting here costs everybody.
        let saved = self.disk.open(&new, Open::Empty).and_then(|file| {
            file.write_at(&text, 0)?;
            self.disk.rename(&new, &self.path)
        });
        if let Err(error) = saved {
            tracing::warn!(%error, path = %self.path.display(), "cannot remember which containers a person stopped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_ports::disk::RealDisk;

    fn open(path: &std::path::Path) -> Memory {
        Memory::open(Arc::new(RealDisk), path.to_owned())
    }

    #[test]
    fn a_stop_by_a_person_is_known_to_the_next_run_until_the_container_runs_or_is_gone() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("memory.json");
        let [web, db]: [ContainerName; 2] = ["web", "db"].map(|n| n.parse().expect("name"));
        let stopped = ContainerFacts {
            id: "a".into(),
            stopped_by_person: true,
            ..Default::default()
        };
        let mut memory = open(&path);
        memory.settled();
        memory.saw(&web, Some(&stopped));
        memory.saw(&db, Some(&stopped));
        memory.save();
        let mut memory = open(&path);
        assert_eq!(memory.facts().len(), 2);
        memory.saw(&web, Some(&ContainerFacts::default()));
        memory.save();
        assert_eq!(
            open(&path).facts().len(),
            2,
            "not before everything was looked at"
        );
        memory.settled();
        memory.save();
        assert!(open(&path).facts().is_empty(), "web runs, db was not seen");
    }
}
