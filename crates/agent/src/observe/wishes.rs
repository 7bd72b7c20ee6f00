//! What a bundle asks each source to look at. Pure.

use std::collections::{BTreeMap, BTreeSet};

use stead_adapters::compose::Target;
use stead_core::desired::{LogSource, Node, Probe, ServiceKind};
use stead_core::ids::{ContainerName, ServiceName, UnitName};

/// What to tell the sources.
#[derive(Debug, Default, PartialEq)]
pub struct Wishes {
    /// Failures in a row a container may have.
    pub patience: BTreeMap<ContainerName, u32>,
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
            match &service.kind {
                ServiceKind::Container { container, .. } => {
                    wishes
                        .patience
                        .insert(container.clone(), service.patience.failures);
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
                    let folder = path.trim_end_matches('/');
                    let its_own = |known: &(String, String)| match project {
                        Some(project) => known.1 == *project,
                        None => known.0.trim_end_matches('/') == folder,
                    };
                    for (container, _) in containers.iter().filter(|(_, known)| its_own(known)) {
                        wishes
                            .patience
                            .insert(container.clone(), service.patience.failures);
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

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::desired::{Check, Patience, Service};
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
            .map(|(c, f)| (c.as_str(), *f))
            .collect();
        assert_eq!(patience, [("shop-db-1", 2), ("web", 5)]);
        assert_eq!(
            wishes.units.iter().map(|u| u.as_str()).collect::<Vec<_>>(),
            ["a.service", "b.service"]
        );
        assert_eq!(wishes.compose.len(), 1);
        assert_eq!(wishes.refused.len(), 1);
    }
}
