//! From the world to what people read: pure functions that build the JSON bodies of the API.
//!
//! Nothing here asks a clock, a log or an agent: whatever is not in the world is an argument. Nothing here decides
//! either; it says what the core decided, with the core's reasons.

mod action;
mod annotation;
mod container;
mod containers;
mod did;
mod drift;
mod drilldown;
mod event;
mod history;
mod inventory;
mod message;
mod model;
mod needs;
mod node;
mod overview;
mod policy;
mod restraint;
mod rollout;
mod sample;
mod score;
mod service;
mod status;
mod stray;
mod tested;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod trend;
mod why;
mod why_not;
mod writes;

pub use action::{action, actions, rank_needs_you};
pub use annotation::{ANNOTATING, annotated, noted};
pub use container::{container, is_unhealthy, owners, restarts_as, stack, unit};
pub use containers::{
    Filter as ContainerFilter, arrange, container_counts, container_detail, containers_of,
    health_history, planned_restart, stacks, unhealthy_subjects,
};
pub use did::{DID, STARTED_BEFORE, Told};
pub use drift::{drift, repair_table};
pub use drilldown::service_detail;
pub use event::event;
pub use history::{history_name, history_series};
pub use inventory::{inventory, inventory_of, portainer_items};
pub use message::{alerts, channels, message, messages, simulate};
pub use model::{asked_for_models, models};
pub use node::{node, node_detail, node_names};
pub use overview::{Counted, counted, desired_info, overview, summary, troubles};
pub use policy::{policy_in_force, verdict_on};
pub use restraint::{brake, locks, locks_on};
pub use rollout::{canary_node, drills, rollout, rollouts};
pub use sample::sample;
pub use score::{fleet_score, node_score, score_card};
pub use service::{Health, counts, health, service, services_of};
pub use status::{STATUS, status_page};
pub use tested::tested;
pub use text::text;
pub use trend::{About, Metric, rank_trends, trend};
pub use why::{waits_for, why};
pub use why_not::why_subject;
pub use writes::{write_anomalies, write_anomaly};

use stead_core::container_sample::ContainerSample;
use stead_core::drift::Index;
use stead_core::ids::NodeName;
use stead_core::policy::Now;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_core::world::World;
use stead_engine::{Trouble, View};

/// Everything a page is made of, at one instant.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub world: &'a World,
    pub drift: &'a Index,
    pub live: &'a dyn Live,
    pub now: Now,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look")
            .field("head", &self.world.head)
            .finish_non_exhaustive()
    }
}

impl<'a> Look<'a> {
    pub fn of(view: &'a View<'a>, now: Now) -> Look<'a> {
        Look {
            world: view.world(),
            drift: view.drift(),
            live: view,
            now,
        }
    }
}

/// What is known beside the log.
pub trait Live {
    fn sample(&self, node: &NodeName) -> Option<&HostSample>;
    /// Mean of the last minutes, in percent.
    fn steal(&self, _: &NodeName) -> Option<f64> {
        None
    }
    fn container_samples(&self, node: &NodeName) -> &[ContainerSample];
    fn is_connected(&self, node: &NodeName) -> bool;
    fn last_seen(&self, node: &NodeName) -> Option<Time>;
    fn troubles(&self) -> Vec<&Trouble>;
}

impl Live for View<'_> {
    fn sample(&self, node: &NodeName) -> Option<&HostSample> {
        View::sample(self, node)
    }
    fn steal(&self, node: &NodeName) -> Option<f64> {
        let shares = View::samples(self, node).filter_map(|s| s.cpu);
        let (sum, count) = shares.fold((0.0, 0_u32), |(sum, count), cpu| {
            (sum + f64::from(cpu.steal), count + 1)
        });
        (count > 0).then(|| sum / f64::from(count))
    }
    fn container_samples(&self, node: &NodeName) -> &[ContainerSample] {
        View::container_samples(self, node)
    }
    fn is_connected(&self, node: &NodeName) -> bool {
        View::is_connected(self, node)
    }
    fn last_seen(&self, node: &NodeName) -> Option<Time> {
        View::last_seen(self, node)
    }
    fn troubles(&self) -> Vec<&Trouble> {
        View::troubles(self).collect()
    }
}

/// An instant that may not be known.
fn at(time: Option<Time>) -> Option<String> {
    time.filter(|t| *t != Time::ZERO).map(|t| t.to_string())
}

/// `1 service`, `3 services`.
fn count(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

/// The word under which a unit-like enum is serialised.
fn word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A name as one segment of an address.
pub fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Text that stays text in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
