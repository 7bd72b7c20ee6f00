//! A first fleet directory, written from what a machine runs: small, commented, and without a problem.
//!
//! Nothing here looks at the machine or decides for its owner: what runs is an argument, and no file that exists is
//! ever overwritten.

mod inventory;
mod write;
pub(crate) mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use stead_core::ids::ServiceName;

pub use inventory::{Inventory, SeenCompose, SeenContainer, SeenUnit};
pub use write::{CODES, Error, write};
use yaml::text;

/// The files of a first fleet directory: path and content, in the order they are best read.
pub fn init(inventory: &Inventory) -> Vec<(String, String)> {
    let node = inventory.folder();
    vec![
        ("stead.yaml".to_owned(), stead_yaml(inventory)),
        (format!("hosts/{node}/node.yaml"), node_yaml(inventory)),
        (
            format!("hosts/{node}/services.yaml"),
            services_yaml(inventory),
        ),
    ]
}

fn modeline(inventory: &Inventory, kind: &str) -> String {
    match inventory
        .schemas
        .as_deref()
        .filter(|base| !base.contains(char::is_whitespace))
    {
        Some(base) => format!(
            "# yaml-language-server: $schema={}/{kind}.schema.json\n",
            base.trim_end_matches('/')
        ),
        None => String::new(),
    }
}

fn stead_yaml(inventory: &Inventory) -> String {
    format!(
        "{}# The fleet as a whole. Every key is explained in docs/fleet.md; `stead check` tells what is wrong.
fleet: home

policy:
  # Levels: 0 observe, 1 locks, edge and DNS, 2 restarts. What reaches further waits for your approval.
  automatic: {{ max_level: 1 }}
  # Exceptions, tried in order. This one would let containers be restarted at night without asking:
  # rules:
  #   - {{ match: {{ action: container_restart }}, automatic: true, between: \"22:00-07:00\" }}

# Other names under which an agent or old events may know a node:
# aliases: {{ old-name: {} }}
",
        modeline(inventory, "stead"),
        text(inventory.folder()),
    )
}

fn node_yaml(inventory: &Inventory) -> String {
    format!(
        "{}# This machine. The folder's name is the node's name.
# labels: {{ site: home }}
access: operator            # or inspector: Stead only looks
# strict: true              # what runs here but is in no file becomes drift
# thresholds: {{ disk: {{ warn: 70%, critical: 85% }} }}
",
        modeline(inventory, "node"),
    )
}

/// One service to write.
struct Entry {
    name: String,
    /// Lines below the name, without indentation.
    lines: Vec<String>,
}

fn services_yaml(inventory: &Inventory) -> String {
    let mut out = modeline(inventory, "services");
    out.push_str(
        "# What should run on this machine, as it ran when this file was made. Remove what you do not care about: what is\n\
         # not named here is shown as unmanaged and left alone.\n",
    );
    if !inventory.docker {
        out.push_str("# There was no container engine to look at.\n");
    }
    let entries = entries(inventory);
    if entries.is_empty() {
        out.push_str(
            "services: {}\n\
             # services:\n\
             #   nginx:\n\
             #     kind: systemd\n\
             #     unit: nginx.service\n\
             #     checks: [ { http: { url: \"http://127.0.0.1/\", status: 200 } } ]\n",
        );
        return out;
    }
    out.push_str("services:\n");
    for (index, entry) in entries.iter().enumerate() {
        let _ = writeln!(out, "  {}:", text(&entry.name));
        for line in &entry.lines {
            let _ = writeln!(out, "    {line}");
        }
        if index == 0 {
            out.push_str("    # Checks are asked by Stead itself, on this machine:\n");
            out.push_str("    # checks: [ { http: { url: \"http://127.0.0.1:8080/\", status: 200, every: 10s } } ]\n");
            out.push_str(
                "    # patience: { failures: 3 }      # consecutive failures before it counts\n",
            );
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn entries(inventory: &Inventory) -> Vec<Entry> {
    let mut names = BTreeSet::new();
    let mut entries = Vec::new();
    let mut composed = BTreeSet::new();
    let mut containers: BTreeMap<&str, &SeenContainer> = BTreeMap::new();
    for container in &inventory.containers {
        containers.entry(&container.name).or_insert(container);
    }
    for container in containers.values() {
        match container.compose.as_ref().filter(|c| c.is_usable()) {
            // Containers of one compose service (scaled ones) are one service.
            Some(compose)
                if !composed.insert((compose.folder.as_str(), compose.service.as_str())) => {}
            Some(compose) => entries.extend(compose_entry(compose, &mut names)),
            None => entries.extend(container_entry(container, &mut names)),
        }
    }
    let units: BTreeSet<&str> = inventory
        .units
        .iter()
        .filter(|u| u.is_worth_watching())
        .map(|u| u.name.as_str())
        .collect();
    for unit in units {
        let stem = unit.strip_suffix(".service").unwrap_or(unit);
        let Some(name) = free(&[stem, &format!("unit-{stem}")], &mut names) else {
            continue;
        };
        entries.push(Entry {
            name,
            lines: vec!["kind: systemd".into(), format!("unit: {}", text(unit))],
        });
    }
    entries
}

fn compose_entry(compose: &SeenCompose, names: &mut BTreeSet<String>) -> Option<Entry> {
    let joined = format!("{}-{}", compose.project, compose.service);
    let name = free(&[&compose.service, &joined], names)?;
    let mut lines = vec![
        "kind: compose".into(),
        format!("path: {}", text(&compose.folder)),
    ];
    if name != compose.service {
        lines.push(format!("service: {}", text(&compose.service)));
    }
    if compose.needs_project() {
        lines.push(format!("project: {}", text(&compose.project)));
    }
    Some(Entry { name, lines })
}

fn container_entry(container: &SeenContainer, names: &mut BTreeSet<String>) -> Option<Entry> {
    if !container.is_nameable() {
        return None;
    }
    let name = free(
        &[&container.name, &format!("container-{}", container.name)],
        names,
    )?;
    let mut lines = vec![
        "kind: container".to_owned(),
        format!("container: {}", text(&container.name)),
    ];
    // Not as a key: with an image but without its ports and volumes, Stead would recreate another container than this.
    if container.image_is_plain() {
        lines.push(format!("# image: {}   # with this, its ports, volumes and environment, Stead can also create it", text(&container.image)));
    }
    Some(Entry { name, lines })
}

/// The first of `wanted` that is a service name and not taken.
fn free(wanted: &[&str], names: &mut BTreeSet<String>) -> Option<String> {
    let name = wanted
        .iter()
        .find(|name| ServiceName::new(name).is_ok() && !names.contains(**name))?;
    names.insert((*name).to_owned());
    Some((*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Options, load};
    use crate::tree::Tree;
    use proptest::prelude::*;
    use stead_core::desired::ServiceKind;
    use stead_core::ids::NodeName;

    fn inventory() -> Inventory {
        Inventory {
            node: NodeName::new("piha").expect("name"),
            docker: true,
            schemas: Some("http://127.0.0.1:18180/api/schema/".into()),
            containers: vec![
                SeenContainer {
                    name: "z2m-zigbee2mqtt-1".into(),
                    image: "koenkk/zigbee2mqtt:2".into(),
                    compose: Some(SeenCompose {
                        project: "z2m".into(),
                        folder: "/srv/z2m".into(),
                        service: "zigbee2mqtt".into(),
                    }),
                },
                SeenContainer {
                    name: "whoami".into(),
                    image: "whoami:1".into(),
                    compose: None,
                },
            ],
            units: vec![
                SeenUnit {
                    name: "nginx.service".into(),
                    enabled: true,
                    running: true,
                    failed: false,
                    vendor: true,
                },
                SeenUnit {
                    name: "my-app.service".into(),
                    enabled: true,
                    running: false,
                    failed: true,
                    vendor: false,
                },
                SeenUnit {
                    name: "dbus.service".into(),
                    enabled: true,
                    running: true,
                    failed: false,
                    vendor: true,
                },
                SeenUnit {
                    name: "old.service".into(),
                    enabled: false,
                    running: false,
                    failed: false,
                    vendor: false,
                },
            ],
        }
    }

    #[test]
    fn what_runs_is_written_by_its_kind_and_loads() {
        let files = init(&inventory());
        let loaded = load(&Tree::from_files(files.clone()), &Options::default());
        assert_eq!(loaded.problems, [], "{files:#?}");
        let fleet = loaded.fleet.expect("a fleet");
        let services = &fleet.nodes[&NodeName::new("piha").expect("name")].services;
        let names: Vec<&str> = services.keys().map(|n| n.as_str()).collect();
        assert_eq!(names, ["my-app", "nginx", "whoami", "zigbee2mqtt"]);
        assert!(
            matches!(&services["zigbee2mqtt"].kind, ServiceKind::Compose { path, .. } if path == "/srv/z2m")
        );
        assert!(matches!(
            &services["whoami"].kind,
            ServiceKind::Container {
                definition: None,
                ..
            }
        ));
        assert!(files[2].1.starts_with(
            "# yaml-language-server: $schema=http://127.0.0.1:18180/api/schema/services"
        ));
    }

    #[test]
    fn a_machine_with_nothing_gets_a_fleet_with_nothing() {
        let bare = Inventory {
            containers: vec![],
            units: vec![],
            docker: false,
            ..inventory()
        };
        let loaded = load(&Tree::from_files(init(&bare)), &Options::default());
        assert_eq!(loaded.problems, []);
        assert!(
            loaded
                .fleet
                .expect("a fleet")
                .nodes
                .values()
                .all(|n| n.services.is_empty())
        );
    }

    fn odd() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "true", "null", "~", "no", "1.10", "0x1", "a: b", "- x", "#", "'", "\"", "..",
                "-rf", "{{", "*a", "&a", "!x", "%", "@", "`", "a#b", "é", "\u{85}", "\u{7f}",
                "x\n y", ""
            ])
            .prop_map(str::to_owned),
            "\\PC{0,12}",
            "[a-z]{1,3}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_the_names_the_files_load(
            node in odd(),
            containers in prop::collection::vec((odd(), odd(), prop::option::of((odd(), odd(), odd()))), 0..6),
            units in prop::collection::vec((odd(), any::<bool>(), any::<bool>()), 0..6),
        ) {
            let Ok(node) = NodeName::new(&node) else { return Ok(()) };
            let inventory = Inventory {
                node,
                docker: true,
                schemas: None,
                containers: containers
                    .into_iter()
                    .map(|(name, image, compose)| SeenContainer {
                        name,
                        image,
                        compose: compose.map(|(project, folder, service)| SeenCompose {
                            project,
                            folder: format!("/{folder}"),
                            service,
                        }),
                    })
                    .collect(),
                units: units
                    .into_iter()
                    .map(|(name, running, vendor)| SeenUnit {
                        name: format!("{name}.service"),
                        enabled: true,
                        running,
                        failed: !running,
                        vendor,
                    })
                    .collect(),
            };
            let files = init(&inventory);
            let loaded = load(&Tree::from_files(files.clone()), &Options::default());
            prop_assert_eq!(&loaded.problems, &[], "{:#?}", files);
            prop_assert!(loaded.fleet.is_some_and(|f| f.nodes.len() == 1));
        }
    }
}
