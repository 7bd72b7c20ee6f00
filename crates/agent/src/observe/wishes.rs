//! What a bundle asks each source to look at. Pure.

use std::collections::{BTreeMap, BTreeSet};

use stead_adapters::compose::Target;
use stead_adapters::docker::Patience;
use stead_core::desired::{LogSource, Node, Probe, ServiceKind};
use stead_core::facts::{Fact, FactKey, Facts};
use stead_core::ids::{ContainerName, ServiceName, UnitName};
use stead_core::time::Time;

/// What to tell the sources.
#[derive(Debug, Default, PartialEq)]
pub struct Wishes {
    /// How patiently containers are judged.
    pub patience: BTreeMap<ContainerName, Patience>,
    pub units: BTreeSet<UnitName>,
    pub compose: BTreeMap<ServiceName, Target>,
    /// Services whose compose file cannot be watched, and why.
    pub refused: Vec<(ServiceName, String)>,
}

impl Wishes {
    /// `containers`: compose folder and project of each container that has them, as far as they are known.
    pub fn of(node: &Node, containers: &BTreeMap<ContainerName, (String, String)>) -> Wishes {
        let mut wishes = Wishes::default();
        for (name, service) in node.services.iter().filter(|(_, s)| s.monitor) {
            let patience = Patience {
                failures: service.patience.failures,
                start: service.patience.start,
            };
            match &service.kind {
                ServiceKind::Container { container, .. } => {
                    wishes.patience.insert(container.clone(), patience);
                }
                ServiceKind::Compose {
                    path,
                    project,
                    file,
                    ..
                } => {
                    match Target::new(path, file.as_deref(), project.as_deref()) {
                        Ok(target) => drop(wishes.compose.insert(name.clone(), target)),
                        Err(invalid) => wishes.refused.push((name.clone(), invalid.to_string())),
                    }
                    let its_own =
                        |known: &(String, String)| in_project(known, path, project.as_deref());
                    for (container, _) in containers.iter().filter(|(_, known)| its_own(known)) {
                        wishes.patience.insert(container.clone(), patience);
                    }
                }
                ServiceKind::Systemd { unit } => drop(wishes.units.insert(unit.clone())),
                _ => {}
            }
            for check in &service.checks {
                match &check.probe {
                    Probe::Unit { unit }
                    | Probe::Log {
                        source: LogSource::Unit(unit),
                        ..
                    } => {
                        wishes.units.insert(unit.clone());
                    }
                    _ => {}
                }
            }
        }
        wishes
    }
}

/// Whether a container of this folder and project is one of the compose file's.
fn in_project(known: &(String, String), path: &str, project: Option<&str>) -> bool {
    match project {
        Some(project) => known.1 == project,
        None => known.0.trim_end_matches('/') == path.trim_end_matches('/'),
    }
}

/// When what a service runs in was last started, as far as it is known.
pub fn started(facts: &Facts, kind: &ServiceKind) -> Option<Time> {
    let containers = || {
        facts.iter().filter_map(|(key, fact)| match (key, fact) {
            (FactKey::Container(name), Fact::Container(facts)) => Some((name, facts)),
            _ => None,
        })
    };
    match kind {
        ServiceKind::Container { container, .. } => containers()
            .find(|(name, _)| *name == container)
            .and_then(|(_, facts)| facts.started_at),
        ServiceKind::Compose { path, project, .. } => containers()
            .filter(|(_, facts)| {
                let folder = facts.compose_folder().unwrap_or_default().to_owned();
                let of = facts.compose_project().unwrap_or_default().to_owned();
                in_project(&(folder, of), path, project.as_deref())
            })
            .filter_map(|(_, facts)| facts.started_at)
            .max(),
        ServiceKind::Systemd { unit } => match facts.get(&FactKey::Unit(unit.clone())) {
            Some(Fact::Unit(facts)) => facts.active_since,
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::desired::{Check, Patience, Service};
    use stead_core::facts::{ContainerFacts, UnitFacts};
    use stead_core::time::Span;

    #[test]
    fn each_source_is_asked_for_what_the_files_name_and_nothing_unmonitored() {
        let service = |kind, failures, checks| Service {
            kind,
            monitor: true,
            suspended: false,
            needs: vec![],
            patience: Patience {
                failures,
                time: Span::ZERO,
                ..Patience::default()
            },
            checks,
        };
        let container = |name: &str| ServiceKind::Container {
            container: name.parse().expect("name"),
            definition: None,
        };
        let compose = |path: &str| ServiceKind::Compose {
            path: path.into(),
            service: None,
            project: None,
            file: None,
        };
        let unit = Check {
            name: "unit".parse().expect("name"),
            probe: Probe::Unit {
                unit: "b.service".parse().expect("name"),
            },
            every: Span::secs(5),
            timeout: Span::secs(5),
            failures: None,
        };
        let mut off = service(container("off"), 1, vec![]);
        off.monitor = false;
        let services = [
            ("web", service(container("web"), 5, vec![unit])),
            ("shop", service(compose("/srv/shop"), 2, vec![])),
            ("bad", service(compose("srv/../etc"), 2, vec![])),
            (
                "nginx",
                service(
                    ServiceKind::Systemd {
                        unit: "a.service".parse().expect("name"),
                    },
                    3,
                    vec![],
                ),
            ),
            ("off", off),
        ];
        let services = services
            .into_iter()
            .map(|(n, s)| (n.parse().expect("name"), s))
            .collect();
        let node = Node {
            services,
            ..Default::default()
        };
        let known = [(
            "shop-db-1".parse().expect("name"),
            ("/srv/shop/".to_owned(), "shop".to_owned()),
        )]
        .into();
        let wishes = Wishes::of(&node, &known);
        let patience: Vec<_> = wishes
            .patience
            .iter()
            .map(|(c, p)| (c.as_str(), p.failures))
            .collect();
        assert_eq!(patience, [("shop-db-1", 2), ("web", 5)]);
        assert_eq!(
            wishes.units.iter().map(|u| u.as_str()).collect::<Vec<_>>(),
            ["a.service", "b.service"]
        );
        assert_eq!(wishes.compose.len(), 1);
        assert_eq!(wishes.refused.len(), 1);
    }

    #[test]
    fn a_service_starts_with_its_container_its_newest_container_or_its_unit() {
        let container = |folder: &str, at: i64| {
            let label = "com.docker.compose.project.working_dir";
            Fact::Container(ContainerFacts {
                labels: [(label.to_owned(), folder.to_owned())].into(),
                started_at: Some(Time(at)),
                ..ContainerFacts::default()
            })
        };
        let key = |name: &str| FactKey::Container(name.parse().expect("name"));
        let unit: UnitName = "a.service".parse().expect("name");
        let active = UnitFacts {
            active_since: Some(Time(9)),
            ..UnitFacts::default()
        };
        let facts: Facts = [
            (key("web"), container("", 1)),
            (key("shop-db-1"), container("/srv/shop", 2)),
            (key("shop-web-1"), container("/srv/shop", 3)),
            (FactKey::Unit(unit.clone()), Fact::Unit(active)),
        ]
        .into();
        let of_container = |name: &str| ServiceKind::Container {
            container: name.parse().expect("name"),
            definition: None,
        };
        let shop = ServiceKind::Compose {
            path: "/srv/shop/".into(),
            service: None,
            project: None,
            file: None,
        };
        assert_eq!(started(&facts, &of_container("web")), Some(Time(1)));
        assert_eq!(started(&facts, &of_container("db")), None);
        assert_eq!(started(&facts, &shop), Some(Time(3)));
        assert_eq!(
            started(&facts, &ServiceKind::Systemd { unit }),
            Some(Time(9))
        );
        assert_eq!(started(&facts, &ServiceKind::External), None);
    }
}
