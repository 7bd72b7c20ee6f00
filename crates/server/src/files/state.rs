//! `world/*.json`: the world as the API shows it, without the numbers that change every second.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stead_core::container_sample::ContainerSample;
use stead_core::ids::{NodeName, digest};
use stead_core::policy::Now;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_engine::{Trouble, View};
use stead_protocol::api;

use super::Error;
use super::tree::Tree;
use crate::present::{self, Live, Look};

/// A file larger than this is split by node.
const LARGE: usize = 1 << 20;

/// What is in the files now.
#[derive(Debug, Default)]
pub struct State {
    written: BTreeMap<String, String>,
    /// Once large, stays split: files that come and go serve nobody.
    split: bool,
}

/// One node's part of the world.
#[derive(Serialize)]
struct Part {
    node: api::Node,
    services: Vec<api::Service>,
    containers: Vec<api::Container>,
    units: Vec<api::Unit>,
    drift: Vec<api::Drift>,
}

/// The world's files by their path.
pub type Files = BTreeMap<String, Vec<u8>>;

impl State {
    /// What the files should say. Built under the read lock.
    pub fn files(&self, view: &View<'_>, now: Now) -> Files {
        let live = Quiet(view);
        let look = Look {
            world: view.world(),
            drift: view.drift(),
            live: &live,
            now,
        };
        let parts = parts(look);
        let mut files = Files::new();
        let drift: Vec<_> = look.drift.iter().map(|d| present::drift(look, d)).collect();
        files.insert("world/drift.json".into(), json(&drift));
        files.insert(
            "world/actions.json".into(),
            json(&present::actions(look, &[])),
        );
        files.insert(
            "world/desired.json".into(),
            json(&present::desired_info(look, Vec::new())),
        );
        let whole = (!self.split)
            .then(|| whole(&parts))
            .filter(|w| w.values().all(|bytes| bytes.len() <= LARGE));
        files.extend(whole.unwrap_or_else(|| split(&parts)));
        files
    }

    /// Writes what changed, removes what should not be there any more.
    pub fn write(&mut self, tree: &Tree, files: Files) -> Result<(), Error> {
        self.split |= files.keys().any(|path| path.starts_with("world/nodes/"));
        let mut first = Ok(());
        for (path, bytes) in &files {
            let now = digest(bytes);
            if self.written.get(path) == Some(&now) {
                continue;
            }
            match tree.write(path, bytes) {
                Ok(()) => {
                    self.written.insert(path.clone(), now);
                }
                Err(error) => first = first.and(Err(error)),
            }
        }
        first.and(remove_ghosts(tree, &files))
    }
}

fn remove_ghosts(tree: &Tree, files: &Files) -> Result<(), Error> {
    for name in tree.names("world/nodes")? {
        let path = format!("world/nodes/{name}");
        if name.ends_with(".json") && !files.contains_key(&path) {
            tree.remove(path)?;
        }
    }
    Ok(())
}

fn parts(look: Look<'_>) -> Vec<Part> {
    let names: BTreeSet<&NodeName> = look
        .world
        .fleet
        .nodes
        .keys()
        .chain(look.world.nodes.keys())
        .collect();
    let part = |name: &NodeName| {
        let api::NodeDetail {
            node,
            services_list,
            containers_list,
            units_list,
            drift,
            ..
        } = present::node_detail(look, name, &[], &[])?;
        Some(Part {
            node,
            services: services_list,
            containers: containers_list,
            units: units_list,
            drift,
        })
    };
    names.into_iter().filter_map(part).collect()
}

fn whole(parts: &[Part]) -> Files {
    let nodes: Vec<_> = parts.iter().map(|p| &p.node).collect();
    let services: Vec<_> = parts.iter().flat_map(|p| &p.services).collect();
    let containers: Vec<_> = parts.iter().flat_map(|p| &p.containers).collect();
    let units: Vec<_> = parts.iter().flat_map(|p| &p.units).collect();
    Files::from([
        ("world/nodes.json".to_string(), json(&nodes)),
        ("world/services.json".to_string(), json(&services)),
        ("world/containers.json".to_string(), json(&containers)),
        ("world/units.json".to_string(), json(&units)),
    ])
}

/// One file a node; the four lists say where to look.
fn split(parts: &[Part]) -> Files {
    let mut files = Files::new();
    let path = |part: &Part| format!("world/nodes/{}.json", part.node.name);
    let names: Vec<String> = parts.iter().map(path).collect();
    for part in parts {
        files.insert(path(part), json(part));
    }
    let index = json(&serde_json::json!({ "split_by_node": true, "files": names }));
    for list in ["nodes", "services", "containers", "units"] {
        files.insert(format!("world/{list}.json"), index.clone());
    }
    files
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What is live without what changes every second.
struct Quiet<'a>(&'a View<'a>);

impl Live for Quiet<'_> {
    fn sample(&self, _: &NodeName) -> Option<&HostSample> {
        None
    }
    fn container_samples(&self, _: &NodeName) -> &[ContainerSample] {
        &[]
    }
    fn is_connected(&self, node: &NodeName) -> bool {
        self.0.is_connected(node)
    }
    fn last_seen(&self, _: &NodeName) -> Option<Time> {
        None
    }
    fn troubles(&self) -> Vec<&Trouble> {
        Vec::new()
    }
}
