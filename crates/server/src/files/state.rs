//! `world/*.json`: the world as the API shows it, without the numbers that change every second.
//!
//! A small fleet has one file a list. A large one has one file a node, and only those of nodes that something happened
//! to are written. The world is looked at node by node, so that nobody waits for this.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stead_core::container_sample::ContainerSample;
use stead_core::event::Event;
use stead_core::ids::{NodeName, digest};
use stead_core::policy::Now;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_core::world::{EvidenceState, World};
use stead_engine::{Handle, Trouble};
use stead_protocol::api;

use super::tree::Tree;
use super::{Error, blocking};
use crate::present::{self, Live, Look};

/// A list larger than this is split by node.
const LARGE: usize = 1 << 20;
/// So many rows are surely larger, and not even tried.
const MANY: usize = 5000;
/// Alerts written of each sort: all that are remembered.
const ALERTS: usize = 500;
/// Nodes written at a time.
const AT_ONCE: usize = 64;

/// The nodes something happened to.
#[derive(Debug, Default)]
pub struct Touched {
    pub all: bool,
    pub nodes: BTreeSet<NodeName>,
    /// Something happened to an action.
    pub actions: bool,
}

impl Touched {
    pub fn note(&mut self, event: &Event) {
        self.actions |= event.body.action().is_some();
        match event.node() {
            Some(node) => drop(self.nodes.insert(node.clone())),
            // Desired state, starts: whatever it is, it may be about all of them.
            None => self.all = true,
        }
    }
}

/// What is in the files now.
#[derive(Debug, Default)]
pub struct State {
    /// Path → digest of what was written there.
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
type Files = BTreeMap<String, Vec<u8>>;

impl State {
    /// Brings the files up to date.
    pub async fn follow(
        mut self,
        handle: &Handle,
        tree: &Tree,
        touched: &Touched,
    ) -> (State, Result<(), Error>) {
        let names = handle.read(|v| names(v.world()));
        if handle.read(|v| rows(v.world())) > MANY {
            self.split = true;
        }
        let mut files = few(handle);
        if !self.split {
            let parts: Vec<Part> = names.iter().filter_map(|n| part(handle, n)).collect();
            let whole = whole(&parts);
            if whole.values().all(|bytes| bytes.len() <= LARGE) {
                files.extend(whole);
                return self.write(tree, files).await;
            }
            self.split = true;
        }
        files.extend(index(&names));
        let missing = |n: &&NodeName| !self.written.contains_key(&path(n));
        let wanted: Vec<NodeName> = if touched.all {
            names.clone()
        } else {
            let told = names
                .iter()
                .filter(|n| touched.nodes.contains(*n) || missing(n));
            told.cloned().collect()
        };
        for chunk in wanted.chunks(AT_ONCE) {
            let parts = chunk
                .iter()
                .filter_map(|n| Some((path(n), json(&part(handle, n)?))));
            let (state, done) = self.write(tree, parts.collect()).await;
            self = state;
            if done.is_err() {
                return (self, done);
            }
        }
        let (state, done) = self.write(tree, files).await;
        let ghosts = remove_ghosts(tree, &names);
        (state, done.and(ghosts))
    }

    /// Writes what changed.
    async fn write(mut self, tree: &Tree, files: Files) -> (State, Result<(), Error>) {
        let tree = tree.clone();
        let kept = (self.written.clone(), self.split);
        let written = blocking(move || {
            let mut first = Ok(());
            for (path, bytes) in files {
                let now = digest(&bytes);
                if self.written.get(&path) == Some(&now) {
                    continue;
                }
                match tree.write(&path, &bytes) {
                    Ok(()) => drop(self.written.insert(path, now)),
                    Err(error) => first = first.and(Err(error)),
                }
            }
            Ok((self, first))
        })
        .await;
        match written {
            Ok(written) => written,
            Err(error) => {
                let (written, split) = kept;
                (State { written, split }, Err(error))
            }
        }
    }
}

fn path(node: &NodeName) -> String {
    format!("world/nodes/{node}.json")
}

fn names(world: &World) -> Vec<NodeName> {
    let names: BTreeSet<&NodeName> = world.fleet.nodes.keys().chain(world.nodes.keys()).collect();
    names.into_iter().cloned().collect()
}

fn rows(world: &World) -> usize {
    let named: usize = world.fleet.nodes.values().map(|n| n.services.len()).sum();
    named + world.nodes.values().map(|n| n.facts.len()).sum::<usize>()
}

fn remove_ghosts(tree: &Tree, names: &[NodeName]) -> Result<(), Error> {
    let known: BTreeSet<String> = names.iter().map(|n| format!("{n}.json")).collect();
    for name in tree.names("world/nodes")? {
        if name.ends_with(".json") && !known.contains(&name) {
            tree.remove(format!("world/nodes/{name}"))?;
        }
    }
    Ok(())
}

/// Looks at the world for a moment.
fn look<T>(handle: &Handle, show: impl FnOnce(Look<'_>) -> T) -> T {
    let now: Now = handle.now();
    handle.read(|view| {
        let live = Quiet(view.world());
        show(Look {
            world: view.world(),
            drift: view.drift(),
            live: &live,
            now,
        })
    })
}

/// The lists that stay short.
fn few(handle: &Handle) -> Files {
    let drift: Vec<_> = look(handle, |look| {
        look.drift
            .iter()
            .take(MANY)
            .map(|d| present::drift(look, d))
            .collect()
    });
    let desired = look(handle, |look| present::desired_info(look, Vec::new()));
    let actions = look(handle, |look| present::actions(look, &[], MANY));
    let locks = look(handle, present::locks);
    let brake = look(handle, present::brake);
    let alerts = look(handle, |look| present::alerts(look, ALERTS));
    let rollouts = look(handle, present::rollouts);
    Files::from([
        ("world/locks.json".to_string(), json(&locks)),
        ("world/brake.json".to_string(), json(&brake)),
        ("world/alerts.json".to_string(), json(&alerts)),
        ("world/rollouts.json".to_string(), json(&rollouts)),
        ("world/drift.json".to_string(), json(&drift)),
        ("world/desired.json".to_string(), json(&desired)),
        ("world/actions.json".to_string(), json(&actions)),
    ])
}

fn part(handle: &Handle, name: &NodeName) -> Option<Part> {
    let detail = look(handle, |look| present::node_detail(look, name, &[], &[]))?;
    let api::NodeDetail {
        node,
        services_list: services,
        containers_list: containers,
        units_list: units,
        drift,
        ..
    } = detail;
    Some(Part {
        node,
        services,
        containers,
        units,
        drift,
    })
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

/// Where to look once there is one file a node.
fn index(names: &[NodeName]) -> Files {
    let files: Vec<String> = names.iter().map(path).collect();
    let index = json(&serde_json::json!({ "split_by_node": true, "files": files }));
    let lists = ["nodes", "services", "containers", "units"];
    let index = |list: &&str| (format!("world/{list}.json"), index.clone());
    lists.iter().map(index).collect()
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What is live, without what changes every second.
struct Quiet<'a>(&'a World);

impl Live for Quiet<'_> {
    fn sample(&self, _: &NodeName) -> Option<&HostSample> {
        None
    }
    fn container_samples(&self, _: &NodeName) -> &[ContainerSample] {
        &[]
    }
    /// A file says what the log says: a node is heard, or it is not.
    fn is_connected(&self, node: &NodeName) -> bool {
        let state = self.0.node(node);
        state.is_some_and(|n| n.evidence.state == EvidenceState::Fresh)
    }
    fn last_seen(&self, _: &NodeName) -> Option<Time> {
        None
    }
    fn troubles(&self) -> Vec<&Trouble> {
        Vec::new()
    }
}
