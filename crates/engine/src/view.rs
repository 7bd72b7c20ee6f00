//! What readers see: the world after its latest commit, live numbers beside it, and trouble of Stead itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use stead_core::container_sample::ContainerSample;
use stead_core::controller::Controller;
use stead_core::drift;
use stead_core::event::Event;
use stead_core::ids::NodeName;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_core::world::World;

/// Samples kept per node, one a second: ten minutes.
pub const SAMPLES_KEPT: usize = 600;

/// A consistent look at everything, under a read lock: keep it short.
#[derive(Debug)]
pub struct View<'a> {
    pub(crate) controller: &'a Controller,
    pub(crate) live: &'a Live,
}

impl View<'_> {
    pub fn world(&self) -> &World {
        self.controller.world()
    }
    pub fn drift(&self) -> &drift::Index {
        self.controller.drift()
    }
    /// Newest sample of a node.
    pub fn sample(&self, node: &NodeName) -> Option<&HostSample> {
        self.live.nodes.get(node)?.host.back()
    }
    /// Oldest first, at most [`SAMPLES_KEPT`].
    pub fn samples(&self, node: &NodeName) -> impl Iterator<Item = &HostSample> {
        self.live
            .nodes
            .get(node)
            .into_iter()
            .flat_map(|n| n.host.iter())
    }
    pub fn container_samples(&self, node: &NodeName) -> &[ContainerSample] {
        self.live
            .nodes
            .get(node)
            .map_or(&[], |n| n.containers.as_slice())
    }
    pub fn is_connected(&self, node: &NodeName) -> bool {
        self.live.nodes.get(node).is_some_and(|n| n.connected > 0)
    }
    pub fn last_seen(&self, node: &NodeName) -> Option<Time> {
        self.live.nodes.get(node)?.last_seen
    }
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.live.troubles.values()
    }
}

/// Trouble of Stead itself: what a banner shows until it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Has a page under `docs/errors/`.
    pub code: String,
    pub text: String,
    pub remedy: String,
    pub since: Time,
}

/// Numbers that are not events: gone with the process.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub nodes: BTreeMap<NodeName, LiveNode>,
    pub troubles: BTreeMap<String, Trouble>,
}

#[derive(Debug, Default)]
pub(crate) struct LiveNode {
    pub host: VecDeque<HostSample>,
    pub containers: Vec<ContainerSample>,
    pub connected: u32,
    pub last_seen: Option<Time>,
}

/// What the live feed tells. Events are durable when they appear here.
#[derive(Debug, Clone)]
pub enum Feed {
    Events(Arc<[Event]>),
    Sample {
        node: NodeName,
        sample: Arc<HostSample>,
    },
}
