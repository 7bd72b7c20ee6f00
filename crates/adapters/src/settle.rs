//! Did it happen? What an agent that crashed between effect and record can tell from what it sees now. Pure.
//!
//! Before each effect the agent keeps an [`Evidence`]; after a crash it compares that with fresh facts instead of doing
//! the thing again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stead_core::command::Command;
use stead_core::desired::DEFINITION_LABEL;
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, SourceKind, SourceState, UnitFacts,
};
use stead_core::ids::{ContainerName, UnitName};
use stead_core::time::{Span, Time};

/// An engine that was told to restart a container may still be waiting for it to stop.
const CONTAINER_SETTLES: Span = Span::secs(30);
/// Compose may outlive the agent that started it.
const COMPOSE_SETTLES: Span = Span::secs(120);
/// Default time-out of a unit's stop and start.
const UNIT_SETTLES: Span = Span::secs(180);

/// How things stood just before the effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Evidence {
    ContainerRestart {
        container: ContainerName,
        id: String,
        started_at: Option<Time>,
    },
    ContainerRecreate {
        container: ContainerName,
        replaces: Option<String>,
        /// Of the definition the new one is made from.
        digest: String,
    },
    ComposeUp {
        folder: String,
        services: Vec<String>,
        /// Containers of these services → ID.
        before: BTreeMap<ContainerName, String>,
    },
    UnitRestart {
        unit: UnitName,
        active_since: Option<Time>,
        main_pid: u32,
    },
    /// Doing it twice does no harm.
    Idempotent,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Happened,
    /// It may still happen, or the source that would tell is not there: look again.
    NotYet,
    DidNot,
}

/// What to keep before carrying out `command`.
pub fn evidence(command: &Command, facts: &Facts) -> Evidence {
    match command {
        Command::ContainerRestart { container, id } => Evidence::ContainerRestart {
            container: container.clone(),
            id: id.clone(),
            started_at: container_of(facts, container).and_then(|c| c.started_at),
        },
        Command::ContainerRecreate {
            container,
            definition,
            replaces,
            ..
        } => Evidence::ContainerRecreate {
            container: container.clone(),
            replaces: replaces.clone(),
            digest: definition.digest(),
        },
        Command::ComposeUp { path, services, .. } => Evidence::ComposeUp {
            folder: path.clone(),
            services: services.clone(),
            before: compose_containers(facts, path, services)
                .map(|(n, c)| (n.clone(), c.id.clone()))
                .collect(),
        },
        Command::UnitRestart { unit } => {
            let now = unit_of(facts, unit);
            Evidence::UnitRestart {
                unit: unit.clone(),
                active_since: now.and_then(|u| u.active_since),
                main_pid: now.map_or(0, |u| u.main_pid),
            }
        }
        Command::DiskCleanup { .. } => Evidence::Idempotent,
    }
}

/// What became of it, from facts seen `elapsed` after the effect was begun.
pub fn settled(evidence: &Evidence, facts: &Facts, elapsed: Span) -> Effect {
    let (source, settles) = match evidence {
        Evidence::Idempotent => return Effect::DidNot,
        Evidence::UnitRestart { .. } => (SourceKind::Systemd, UNIT_SETTLES),
        Evidence::ComposeUp { .. } => (SourceKind::Docker, COMPOSE_SETTLES),
        _ => (SourceKind::Docker, CONTAINER_SETTLES),
    };
    if !up(facts, source) {
        return Effect::NotYet;
    }
    let waiting = if elapsed < settles {
        Effect::NotYet
    } else {
        Effect::DidNot
    };
    match evidence {
        Evidence::ContainerRestart {
            container,
            id,
            started_at,
        } => match container_of(facts, container) {
            Some(now)
                if now.id == *id && now.started_at.is_some() && now.started_at != *started_at =>
            {
                Effect::Happened
            }
            Some(now) if now.id == *id => waiting,
            // It was recreated or removed: this restart can never take effect any more.
            _ => Effect::DidNot,
        },
        Evidence::ContainerRecreate {
            container,
            replaces,
            digest,
        } => match container_of(facts, container) {
            Some(now)
                if Some(&now.id) != replaces.as_ref()
                    && now.labels.get(DEFINITION_LABEL) == Some(digest)
                    && now.state == ContainerState::Running =>
            {
                Effect::Happened
            }
            _ => waiting,
        },
        Evidence::ComposeUp {
            folder,
            services,
            before,
        } => {
            if recreated(facts, folder, services, before) {
                Effect::Happened
            } else {
                waiting
            }
        }
        Evidence::UnitRestart {
            unit,
            active_since,
            main_pid,
        } => match unit_of(facts, unit) {
            Some(now) if now.active == "active" => {
                let anew = now.active_since != *active_since || now.main_pid != *main_pid;
                if anew { Effect::Happened } else { waiting }
            }
            _ => waiting,
        },
        Evidence::Idempotent => Effect::DidNot,
    }
}

/// Every service asked for runs in a new container, and none of the old ones is left.
fn recreated(
    facts: &Facts,
    folder: &str,
    services: &[String],
    before: &BTreeMap<ContainerName, String>,
) -> bool {
    let now: Vec<&ContainerFacts> = compose_containers(facts, folder, services)
        .map(|(_, c)| c)
        .collect();
    let old = |c: &&ContainerFacts| before.values().any(|id| *id == c.id);
    let running = |service: &str| {
        now.iter()
            .any(|c| c.compose_service() == Some(service) && c.state == ContainerState::Running)
    };
    let all = services.iter().all(|service| running(service));
    !now.is_empty()
        && !now.iter().any(old)
        && all
        && now.iter().all(|c| c.state == ContainerState::Running)
}

fn up(facts: &Facts, source: SourceKind) -> bool {
    matches!(facts.get(&FactKey::Source(source)), Some(Fact::Source(s)) if s.state == SourceState::Up)
}

fn container_of<'a>(facts: &'a Facts, name: &ContainerName) -> Option<&'a ContainerFacts> {
    match facts.get(&FactKey::Container(name.clone()))? {
        Fact::Container(container) => Some(container),
        _ => None,
    }
}

fn unit_of<'a>(facts: &'a Facts, name: &UnitName) -> Option<&'a UnitFacts> {
    match facts.get(&FactKey::Unit(name.clone()))? {
        Fact::Unit(unit) => Some(unit),
        _ => None,
    }
}

fn compose_containers<'a>(
    facts: &'a Facts,
    folder: &'a str,
    services: &'a [String],
) -> impl Iterator<Item = (&'a ContainerName, &'a ContainerFacts)> {
    let folder = folder.trim_end_matches('/');
    facts
        .iter()
        .filter_map(move |(key, fact)| match (key, fact) {
            (FactKey::Container(name), Fact::Container(c))
                if c.compose_folder().map(|f| f.trim_end_matches('/')) == Some(folder)
                    && (services.is_empty()
                        || c.compose_service()
                            .is_some_and(|s| services.iter().any(|n| n == s))) =>
            {
                Some((name, c))
            }
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::desired::ContainerDef;
    use stead_core::facts::SourceFacts;
    use stead_core::ids::ServiceName;

    const LATE: Span = Span::mins(10);

    fn name(text: &str) -> ContainerName {
        ContainerName::new(text).expect("a name")
    }

    fn with(up: bool, list: &[(&str, ContainerFacts)]) -> Facts {
        let state = if up {
            SourceState::Up
        } else {
            SourceState::Down
        };
        let source = SourceFacts {
            state,
            version: String::new(),
            detail: String::new(),
        };
        let mut facts = Facts::new();
        for kind in [SourceKind::Docker, SourceKind::Systemd] {
            facts.insert(FactKey::Source(kind), Fact::Source(source.clone()));
        }
        for (n, container) in list {
            facts.insert(
                FactKey::Container(name(n)),
                Fact::Container(container.clone()),
            );
        }
        facts
    }

    fn container(id: &str, started: i64) -> ContainerFacts {
        ContainerFacts {
            id: id.into(),
            state: ContainerState::Running,
            started_at: Some(Time(started)),
            ..ContainerFacts::default()
        }
    }

    /// F18.
    #[test]
    fn a_restart_happened_if_the_same_container_started_anew() {
        let command = Command::ContainerRestart {
            container: name("web"),
            id: "a".into(),
        };
        let evidence = evidence(&command, &with(true, &[("web", container("a", 1))]));
        let after = |facts: &Facts, elapsed| settled(&evidence, facts, elapsed);
        assert_eq!(
            after(&with(true, &[("web", container("a", 2))]), Span::ZERO),
            Effect::Happened
        );
        assert_eq!(
            after(&with(true, &[("web", container("a", 1))]), Span::secs(5)),
            Effect::NotYet
        );
        assert_eq!(
            after(&with(true, &[("web", container("a", 1))]), LATE),
            Effect::DidNot
        );
        assert_eq!(
            after(&with(true, &[("web", container("b", 2))]), Span::ZERO),
            Effect::DidNot
        );
        assert_eq!(after(&with(true, &[]), Span::ZERO), Effect::DidNot);
        assert_eq!(
            after(&with(false, &[("web", container("a", 1))]), LATE),
            Effect::NotYet,
            "nobody can tell"
        );
        assert_eq!(
            after(&Facts::new(), LATE),
            Effect::NotYet,
            "nothing was seen yet"
        );
    }

    #[test]
    fn a_recreation_happened_if_the_new_definition_runs() {
        let definition = ContainerDef {
            image: "web:1".into(),
            ..ContainerDef::default()
        };
        let command = Command::ContainerRecreate {
            service: ServiceName::new("web").expect("a name"),
            container: name("web"),
            definition: definition.clone(),
            replaces: Some("a".into()),
        };
        let evidence = evidence(&command, &Facts::new());
        let mut new = container("b", 2);
        new.labels
            .insert(DEFINITION_LABEL.into(), definition.digest());
        let created = ContainerFacts {
            state: ContainerState::Created,
            ..new.clone()
        };
        assert_eq!(
            settled(&evidence, &with(true, &[("web", new)]), Span::ZERO),
            Effect::Happened
        );
        assert_eq!(
            settled(&evidence, &with(true, &[("web", created)]), Span::ZERO),
            Effect::NotYet
        );
        assert_eq!(
            settled(&evidence, &with(true, &[("web", container("c", 2))]), LATE),
            Effect::DidNot
        );
        assert_eq!(settled(&evidence, &with(true, &[]), LATE), Effect::DidNot);
    }

    fn composed(id: &str, service: &str) -> ContainerFacts {
        let mut facts = container(id, 1);
        facts.labels.insert(
            "com.docker.compose.project.working_dir".into(),
            "/srv/shop".into(),
        );
        facts
            .labels
            .insert("com.docker.compose.service".into(), service.into());
        facts
    }

    #[test]
    fn compose_is_through_when_every_container_is_new_and_runs() {
        let command = |services: &[&str]| Command::ComposeUp {
            path: "/srv/shop/".into(),
            file: None,
            project: None,
            services: services.iter().map(|s| (*s).to_owned()).collect(),
        };
        let before = with(
            true,
            &[("web", composed("a", "web")), ("db", composed("b", "db"))],
        );
        let one = evidence(&command(&["web"]), &before);
        let all = evidence(&command(&[]), &before);
        assert_eq!(settled(&one, &before, Span::ZERO), Effect::NotYet);
        assert_eq!(settled(&one, &before, LATE), Effect::DidNot);
        let half = with(
            true,
            &[("web", composed("c", "web")), ("db", composed("b", "db"))],
        );
        assert_eq!(settled(&one, &half, Span::ZERO), Effect::Happened);
        assert_eq!(settled(&all, &half, Span::ZERO), Effect::NotYet);
        let done = with(
            true,
            &[("web", composed("c", "web")), ("db", composed("d", "db"))],
        );
        assert_eq!(settled(&all, &done, Span::ZERO), Effect::Happened);
        assert_eq!(settled(&all, &with(true, &[]), LATE), Effect::DidNot);
    }

    #[test]
    fn a_unit_restarted_if_it_is_active_since_another_instant() {
        let unit = UnitName::new("x.service").expect("a name");
        let seen = |active: &str, since: Option<i64>| {
            let facts = UnitFacts {
                active: active.into(),
                active_since: since.map(Time),
                ..UnitFacts::default()
            };
            let mut all = with(true, &[]);
            all.insert(FactKey::Unit(unit.clone()), Fact::Unit(facts));
            all
        };
        let evidence = evidence(
            &Command::UnitRestart { unit: unit.clone() },
            &seen("failed", None),
        );
        assert_eq!(
            settled(&evidence, &seen("active", Some(5)), Span::ZERO),
            Effect::Happened
        );
        assert_eq!(
            settled(&evidence, &seen("activating", None), Span::ZERO),
            Effect::NotYet
        );
        assert_eq!(
            settled(&evidence, &seen("failed", None), LATE),
            Effect::DidNot
        );
    }
}
