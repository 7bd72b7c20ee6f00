//! What is known of each container, and what of it is news. Pure: events and inspections in, observations out.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::facts::{ContainerFacts, Fact, FactKey, Health};
use stead_core::ids::ContainerName;
use stead_core::time::Time;

use super::judge::{self, Moment, Patience, Trail};
use super::translate::{ProbedStatus, Seen};
use crate::observation::Observation;

/// More containers than this are not watched; the source's detail says so.
pub(super) const MOST: usize = 4096;

/// An event of the engine, reduced to what matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub id: String,
    pub action: String,
    pub signal: String,
    pub at: Time,
}

/// What an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    Nothing,
    Inspect,
    /// Before others: somebody waits for this verdict.
    InspectFirst,
    Gone,
}

/// A running container, as the sampler needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub name: ContainerName,
    pub id: String,
    pub pid: u32,
    pub memory_limit: u64,
    /// Empty where compose did not make it.
    pub compose_folder: String,
    pub compose_service: String,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    known: BTreeMap<String, Known>,
    names: BTreeMap<ContainerName, String>,
    trails: BTreeMap<String, Trail>,
    patience: BTreeMap<ContainerName, Patience>,
    /// Stops by a person known from before the agent started: ID → when it had ended.
    remembered: BTreeMap<String, Option<Time>>,
}

#[derive(Debug)]
struct Known {
    seen: Seen,
    ours: bool,
    /// The name its facts were told under; `None` where it has none or another container took it over.
    name: Option<ContainerName>,
    told: Option<ContainerFacts>,
}

impl Table {
    /// Takes note of an event from before the watch began.
    pub fn recall(&mut self, event: &Event, ours: bool) {
        let action = event.action.as_str();
        if matches!(action, "die" | "died") {
            self.saw(event, Moment::OldDie, ours);
        } else {
            self.event(event, ours);
        }
    }

    /// Takes note of an event and says what to do about it.
    pub fn event(&mut self, event: &Event, ours: bool) -> Reaction {
        let word = event.action.split(':').next().unwrap_or_default().trim();
        let (moment, reaction) = match word {
            "kill" => (
                Moment::Kill {
                    signal: &event.signal,
                },
                Reaction::Nothing,
            ),
            "die" | "died" => (Moment::Die, Reaction::Inspect),
            "stop" => (Moment::Stop, Reaction::Inspect),
            "start" | "restart" => (Moment::Start, Reaction::Inspect),
            "health_status" => (Moment::Other, Reaction::InspectFirst),
            "destroy" | "remove" => (Moment::Other, Reaction::Gone),
            "create" | "rename" | "update" | "pause" | "unpause" | "oom" => {
                (Moment::Other, Reaction::Inspect)
            }
            _ => return Reaction::Nothing,
        };
        self.saw(event, moment, ours);
        reaction
    }

    fn saw(&mut self, event: &Event, moment: Moment<'_>, ours: bool) {
        if moment != Moment::Other
            && (self.trails.len() < MOST || self.trails.contains_key(&event.id))
        {
            self.trails
                .entry(event.id.clone())
                .or_default()
                .saw(moment, event.at, ours);
        }
    }

    /// Takes an inspection and tells what is new.
    pub fn inspected(&mut self, seen: Seen, ours: bool, now: Time) -> Vec<Observation> {
        let id = seen.id.clone();
        if self.known.len() >= MOST && !self.known.contains_key(&id) {
            return Vec::new();
        }
        let before = self.known.remove(&id);
        let mut news = Vec::new();
        let Some(name) = seen.name.clone() else {
            if before.is_none() {
                let shown: String = seen.raw_name.chars().take(80).collect();
                let text = format!(
                    "container {shown:?} is not watched: its name is not one Stead accepts"
                );
                news.push(Observation::Note {
                    code: "container-name",
                    text,
                });
            }
            self.known.insert(
                id,
                Known {
                    seen,
                    ours,
                    name: None,
                    told: None,
                },
            );
            return news;
        };
        let mut told = None;
        if let Some(before) = before {
            if before.name.as_ref() == Some(&name) {
                told = before.told;
            } else if let Some(old) = before.name {
                self.names.remove(&old);
                news.push(Observation::Gone(FactKey::Container(old)));
            }
        }
        if let Some(other) = self.names.insert(name.clone(), id.clone())
            && other != id
            && let Some(other) = self.known.get_mut(&other)
        {
            // The name went over; what the other is called now, its own inspection will say.
            other.name = None;
        }
        self.known.insert(
            id.clone(),
            Known {
                seen,
                ours,
                name: Some(name),
                told,
            },
        );
        news.extend(self.tell(&id, now));
        news
    }

    /// It was removed.
    pub fn gone(&mut self, id: &str) -> Vec<Observation> {
        self.trails.remove(id);
        self.remembered.remove(id);
        let Some(name) = self.known.remove(id).and_then(|known| known.name) else {
            return Vec::new();
        };
        self.names.remove(&name);
        vec![Observation::Gone(FactKey::Container(name))]
    }

    /// What a listing no longer names is gone.
    pub fn listed(&mut self, ids: &[String]) -> Vec<Observation> {
        let there: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        self.trails.retain(|id, _| there.contains(id.as_str()));
        let lost: Vec<String> = self
            .known
            .keys()
            .filter(|id| !there.contains(id.as_str()))
            .cloned()
            .collect();
        lost.iter().flat_map(|id| self.gone(id)).collect()
    }

    /// Other patience may turn *failing* into *unhealthy* or back, at once.
    pub fn set_patience(
        &mut self,
        patience: BTreeMap<ContainerName, Patience>,
        now: Time,
    ) -> Vec<Observation> {
        self.patience = patience;
        let ids: Vec<String> = self.known.keys().cloned().collect();
        ids.iter().filter_map(|id| self.tell(id, now)).collect()
    }

    pub fn remember(&mut self, id: String, finished_at: Option<Time>) {
        if self.remembered.len() < MOST {
            self.remembered.insert(id, finished_at);
        }
    }

    /// Containers that must be looked at again: failing, and not yet for long enough, or still in their start period.
    pub fn failing(&self) -> impl Iterator<Item = &str> {
        let failing = |known: &&Known| {
            let health = known.told.as_ref().map(|told| told.health);
            health == Some(Health::Failing)
                || health == Some(Health::Starting)
                    && known.seen.probed.status == ProbedStatus::Unhealthy
        };
        self.known
            .values()
            .filter(failing)
            .map(|known| known.seen.id.as_str())
    }

    pub fn running(&self) -> Vec<Running> {
        let running = |known: &Known| {
            let seen = &known.seen;
            let name = known.name.clone().filter(|_| seen.pid != 0)?;
            Some(Running {
                name,
                id: seen.id.clone(),
                pid: seen.pid,
                memory_limit: seen.facts.memory_limit,
                compose_folder: seen.facts.compose_folder().unwrap_or_default().to_owned(),
                compose_service: seen.facts.compose_service().unwrap_or_default().to_owned(),
            })
        };
        self.known.values().filter_map(running).collect()
    }

    /// How many containers are left out.
    pub fn surplus(&self, listed: usize) -> usize {
        listed.saturating_sub(MOST)
    }

    fn tell(&mut self, id: &str, now: Time) -> Option<Observation> {
        let known = self.known.get(id)?;
        let name = known.name.clone()?;
        let patience = self.patience.get(&name).copied().unwrap_or_default();
        let trail = self.trails.get(id).copied().unwrap_or_default();
        let remembered = self
            .remembered
            .get(id)
            .is_some_and(|at| *at == known.seen.facts.finished_at);
        let facts = ContainerFacts {
            health: judge::health(
                known.seen.facts.state,
                known.seen.probed,
                patience,
                known.seen.facts.started_at.map(|at| now.since(at)),
            ),
            stopped_by_person: judge::stopped_by_person(&known.seen, trail, remembered, known.ours),
            ..known.seen.facts.clone()
        };
        let told = known.told.as_ref();
        if told.is_some_and(|told| same(told, &facts)) {
            return None;
        }
        self.known.get_mut(id)?.told = Some(facts.clone());
        Some(Observation::Put(
            FactKey::Container(name),
            Box::new(Fact::Container(facts)),
        ))
    }
}

/// Whether nothing but the volatile changed. The streak and the probe outputs are those of the last transition: a
/// container that stays unhealthy for a day must not fill the log. Who wants them live asks for the drill-down.
fn same(a: &ContainerFacts, b: &ContainerFacts) -> bool {
    let still = |facts: &ContainerFacts| ContainerFacts {
        failing_streak: 0,
        health_log: Vec::new(),
        ..facts.clone()
    };
    still(a) == still(b)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
