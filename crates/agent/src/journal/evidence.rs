//! What was there before an order, and whether what is there now shows its effect. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stead_core::command::Command;
use stead_core::desired::DEFINITION_LABEL;
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, SourceKind, SourceState,
};
use stead_core::ids::{ContainerName, ModelName, UnitName};
use stead_core::time::Time;

/// What a command's targets looked like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Name → ID and last start.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<ContainerName, (String, Option<Time>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitRun>,
}

/// One run of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRun {
    pub active_since: Option<Time>,
    pub main_pid: u32,
    pub restarts: u32,
}

/// What can be seen of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It is there.
    Effect,
    /// Everything is as it was before.
    Nothing,
    /// Something happened, and it is not the effect (yet).
    Between,
    /// The source is away, or the command leaves nothing to see.
    Blind,
}

impl Evidence {
    pub fn of(command: &Command, facts: &Facts) -> Evidence {
        let containers = targets(command, facts)
            .map(|(n, c)| (n.clone(), (c.id.clone(), c.started_at)))
            .collect();
        let unit = match command {
            Command::UnitRestart { unit } => unit_run(unit, facts),
            _ => None,
        };
        Evidence { containers, unit }
    }

    /// What `facts` say of the effect of `command`, which found this evidence before it began.
    pub fn sight(&self, command: &Command, facts: &Facts) -> Sight {
        let source = match command {
            Command::UnitRestart { .. } | Command::UnitStop { .. } => SourceKind::Systemd,
            Command::ModelLoad { .. } | Command::ModelUnload { .. } => SourceKind::Ollama,
            Command::DiskCleanup { .. } | Command::LockRelease { .. } => return Sight::Blind,
            _ => SourceKind::Docker,
        };
        match facts.get(&FactKey::Source(source)) {
            Some(Fact::Source(source)) if source.state == SourceState::Up => {}
            _ => return Sight::Blind,
        }
        match command {
            Command::ContainerRestart { container, id } => self.restarted(container, id, facts),
            Command::ContainerRecreate {
                container, digest, ..
            } => {
                let made = |c: &ContainerFacts| {
                    c.labels.get(DEFINITION_LABEL).is_some_and(|d| d == digest)
                        && self
                            .containers
                            .get(container)
                            .is_none_or(|(id, _)| *id != c.id)
                };
                match find(container, facts) {
                    Some(c) if made(c) && is_up(c) => Sight::Effect,
                    now => self.unchanged(container, now),
                }
            }
            Command::ComposeUp { .. } => self.redeployed(command, facts),
            Command::UnitRestart { unit } => self.unit_restarted(unit, facts),
            Command::ContainerStop { container, id } | Command::CanaryKill { container, id } => {
                match find(container, facts) {
                    Some(c) if c.id == *id && !is_up(c) => Sight::Effect,
                    now => self.unchanged(container, now),
                }
            }
            Command::UnitStop { unit } => match facts.get(&FactKey::Unit(unit.clone())) {
                Some(Fact::Unit(now)) if now.active == "inactive" => Sight::Effect,
                Some(_) => Sight::Nothing,
                None => Sight::Blind,
            },
            Command::ModelLoad { model, .. } => in_memory(model, true, facts),
            Command::ModelUnload { model } => in_memory(model, false, facts),
            Command::DiskCleanup { .. } | Command::LockRelease { .. } => Sight::Blind,
        }
    }

    fn restarted(&self, container: &ContainerName, id: &str, facts: &Facts) -> Sight {
        let now = find(container, facts);
        let before = self.containers.get(container).and_then(|(_, at)| *at);
        match now {
            Some(c) if c.id == id && c.started_at > before && is_up(c) => Sight::Effect,
            now => self.unchanged(container, now),
        }
    }

    fn unchanged(&self, container: &ContainerName, now: Option<&ContainerFacts>) -> Sight {
        let now = now.map(|c| (c.id.clone(), c.started_at));
        if self.containers.get(container) == now.as_ref() {
            Sight::Nothing
        } else {
            Sight::Between
        }
    }

    fn redeployed(&self, command: &Command, facts: &Facts) -> Sight {
        let now: Vec<_> = targets(command, facts).collect();
        let old = |c: &ContainerFacts| self.containers.values().any(|(id, _)| *id == c.id);
        if !now.is_empty()
            && now
                .iter()
                .all(|(_, c)| !old(c) && c.state != ContainerState::Created)
        {
            return Sight::Effect;
        }
        let same = now.len() == self.containers.len() && now.iter().all(|(_, c)| old(c));
        if same { Sight::Nothing } else { Sight::Between }
    }

    fn unit_restarted(&self, unit: &UnitName, facts: &Facts) -> Sight {
        let Some(Fact::Unit(now)) = facts.get(&FactKey::Unit(unit.clone())) else {
            return Sight::Blind;
        };
        let run = UnitRun {
            active_since: now.active_since,
            main_pid: now.main_pid,
            restarts: now.restarts,
        };
        let settled = matches!(now.active.as_str(), "active" | "failed" | "inactive");
        match &self.unit {
            Some(before) if *before == run && settled => Sight::Nothing,
            Some(before) if now.active == "active" && now.active_since > before.active_since => {
                Sight::Effect
            }
            None if now.active == "active" => Sight::Effect,
            _ => Sight::Between,
        }
    }
}

fn in_memory(model: &ModelName, wanted: bool, facts: &Facts) -> Sight {
    match facts.get(&FactKey::Model(model.clone())) {
        Some(Fact::Model(now)) if now.loaded.is_some() == wanted => Sight::Effect,
        Some(_) => Sight::Nothing,
        None => Sight::Blind,
    }
}

fn is_up(container: &ContainerFacts) -> bool {
    matches!(
        container.state,
        ContainerState::Running | ContainerState::Restarting
    )
}

fn find<'a>(name: &ContainerName, facts: &'a Facts) -> Option<&'a ContainerFacts> {
    match facts.get(&FactKey::Container(name.clone())) {
        Some(Fact::Container(container)) => Some(container),
        _ => None,
    }
}

fn unit_run(unit: &UnitName, facts: &Facts) -> Option<UnitRun> {
    match facts.get(&FactKey::Unit(unit.clone())) {
        Some(Fact::Unit(u)) => Some(UnitRun {
            active_since: u.active_since,
            main_pid: u.main_pid,
            restarts: u.restarts,
        }),
        _ => None,
    }
}

/// The containers a command is about.
fn targets<'a>(
    command: &'a Command,
    facts: &'a Facts,
) -> impl Iterator<Item = (&'a ContainerName, &'a ContainerFacts)> {
    facts.iter().filter_map(move |(key, fact)| {
        let (FactKey::Container(name), Fact::Container(facts)) = (key, fact) else {
            return None;
        };
        let concerned = match command {
            Command::ContainerRestart { container, .. }
            | Command::ContainerStop { container, .. }
            | Command::CanaryKill { container, .. }
            | Command::ContainerRecreate { container, .. } => container == name,
            Command::ComposeUp {
                path,
                project,
                services,
                ..
            } => {
                let here = match project {
                    Some(project) => facts.compose_project() == Some(project),
                    None => facts.compose_folder().is_some_and(|f| same_folder(f, path)),
                };
                let wanted = |s: &str| services.is_empty() || services.iter().any(|w| w == s);
                here && facts.compose_service().is_some_and(wanted)
            }
            _ => false,
        };
        concerned.then_some((name, facts))
    })
}

fn same_folder(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::facts::{SourceFacts, UnitFacts};

    fn facts(containers: &[(&str, &str, i64, ContainerState)]) -> Facts {
        let up = SourceFacts {
            state: SourceState::Up,
            version: String::new(),
            detail: String::new(),
        };
        let mut facts = Facts::new();
        for kind in [SourceKind::Docker, SourceKind::Systemd] {
            facts.insert(FactKey::Source(kind), Fact::Source(up.clone()));
        }
        for (name, id, started, state) in containers {
            let container = ContainerFacts {
                id: (*id).into(),
                started_at: Some(Time(*started)),
                state: *state,
                labels: [
                    (
                        "com.docker.compose.project.working_dir".to_owned(),
                        "/srv/shop/".to_owned(),
                    ),
                    ("com.docker.compose.service".to_owned(), (*name).to_owned()),
                ]
                .into(),
                ..Default::default()
            };
            facts.insert(
                FactKey::Container(name.parse().expect("name")),
                Fact::Container(container),
            );
        }
        facts
    }
    use ContainerState::{Exited, Running};

    #[test]
    fn a_restart_is_seen_by_a_later_start_of_the_same_container() {
        let command = Command::ContainerRestart {
            container: "web".parse().expect("name"),
            id: "a".into(),
        };
        let before = Evidence::of(&command, &facts(&[("web", "a", 5, Running)]));
        let sight = |c: &[(&str, &str, i64, ContainerState)]| before.sight(&command, &facts(c));
        assert_eq!(sight(&[("web", "a", 5, Running)]), Sight::Nothing);
        assert_eq!(sight(&[("web", "a", 9, Running)]), Sight::Effect);
        assert_eq!(sight(&[("web", "a", 9, Exited)]), Sight::Between);
        assert_eq!(
            sight(&[("web", "b", 9, Running)]),
            Sight::Between,
            "another container is not its restart"
        );
        assert_eq!(sight(&[]), Sight::Between);
        assert_eq!(before.sight(&command, &Facts::new()), Sight::Blind);
    }

    #[test]
    fn a_redeploy_is_seen_when_none_of_the_old_containers_is_left() {
        let command = Command::ComposeUp {
            path: "/srv/shop".into(),
            file: None,
            project: None,
            services: vec![],
        };
        let before = Evidence::of(
            &command,
            &facts(&[("web", "a", 5, Running), ("db", "b", 5, Running)]),
        );
        assert_eq!(before.containers.len(), 2);
        let sight = |c: &[(&str, &str, i64, ContainerState)]| before.sight(&command, &facts(c));
        assert_eq!(
            sight(&[("web", "a", 5, Running), ("db", "b", 5, Running)]),
            Sight::Nothing
        );
        assert_eq!(
            sight(&[("web", "c", 9, Running), ("db", "b", 5, Running)]),
            Sight::Between
        );
        assert_eq!(
            sight(&[("web", "c", 9, Running), ("db", "d", 9, Running)]),
            Sight::Effect
        );
        assert_eq!(sight(&[]), Sight::Between);
    }

    #[test]
    fn a_unit_restart_is_seen_by_its_new_run() {
        let unit: UnitName = "nginx.service".parse().expect("name");
        let command = Command::UnitRestart { unit: unit.clone() };
        let with = |active: &str, since: Option<i64>, pid| {
            let mut facts = facts(&[]);
            let active_since = since.map(Time);
            let state = UnitFacts {
                active: active.into(),
                active_since,
                main_pid: pid,
                ..Default::default()
            };
            facts.insert(FactKey::Unit(unit.clone()), Fact::Unit(state));
            facts
        };
        let before = Evidence::of(&command, &with("failed", Some(3), 0));
        assert_eq!(
            before.sight(&command, &with("failed", Some(3), 0)),
            Sight::Nothing
        );
        assert_eq!(
            before.sight(&command, &with("activating", Some(3), 0)),
            Sight::Between
        );
        assert_eq!(
            before.sight(&command, &with("active", Some(9), 77)),
            Sight::Effect
        );
    }
}
