//! Nodes as people see them.

use std::collections::BTreeMap;

use stead_core::desired::Access;
use stead_core::event::Event;
use stead_core::facts::{Level, SourceState};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::world::{EvidenceState, NodeState};
use stead_protocol::api;

use super::{Look, at, container, counts, owners, sample, services_of, unit, word};

pub(super) fn evidence(state: Option<&NodeState>) -> &'static str {
    match state.map(|s| s.evidence.state) {
        Some(EvidenceState::Fresh) => "fresh",
        Some(EvidenceState::Stale | EvidenceState::Offline) => "stale",
        Some(EvidenceState::Unknown) | None => "unknown",
    }
}

/// Every node that a file names or that an agent told of.
pub fn node_names<'a>(look: Look<'a>) -> std::collections::BTreeSet<&'a NodeName> {
    look.world
        .fleet
        .nodes
        .keys()
        .chain(look.world.nodes.keys())
        .collect()
}

/// `None`: no such node.
pub fn node(look: Look<'_>, name: &NodeName) -> Option<api::Node> {
    let state = look.world.node(name);
    let desired = look.world.fleet.nodes.get(name);
    if state.is_none() && desired.is_none() {
        return None;
    }
    let host = state.and_then(NodeState::host).cloned().unwrap_or_default();
    let access = match desired.map(|d| d.access).unwrap_or_default() {
        Access::Inspector => "inspector",
        Access::Operator => "operator",
    };
    let newest = state.and_then(|s| s.facts.values().map(|f| f.at).max());
    Some(api::Node {
        name: name.to_string(),
        evidence: evidence(state).to_string(),
        connected: look.live.is_connected(name),
        last_seen: at(look.live.last_seen(name).or(newest)),
        desired: desired.is_some(),
        labels: desired.map(|d| d.labels.clone()).unwrap_or_default(),
        access: access.to_string(),
        hostname: host.hostname,
        os: host.os,
        kernel: host.kernel,
        arch: host.arch,
        virtualization: host.virtualization,
        cpus: host.cpus,
        memory_bytes: host.memory_bytes,
        swap_bytes: host.swap_bytes,
        agent_version: host.agent_version,
        read_only: host.read_only,
        boot_id: host.boot_id,
        booted_at: at(Some(host.booted_at)),
        services: counts(state, desired),
        containers: state.map_or(0, |s| s.containers().count() as u64),
        sources: state.map(sources).unwrap_or_default(),
        levels: state.map(levels).unwrap_or_default(),
        sample: look.live.sample(name).map(sample),
        score: super::score_card(look, name).score.map(f64::from),
        held: super::restraint::held(look, &Subject::Node(name.clone())),
    })
}

fn sources(state: &NodeState) -> Vec<api::Source> {
    let row = |(kind, facts): (
        stead_core::facts::SourceKind,
        &stead_core::facts::SourceFacts,
    )| api::Source {
        name: kind.word().to_string(),
        state: match facts.state {
            SourceState::Up => "up",
            SourceState::Absent => "absent",
            SourceState::Down => "down",
        }
        .to_string(),
        version: facts.version.clone(),
        detail: facts.detail.clone(),
    };
    // What the agent itself cannot do stands beside what it cannot see.
    let limit = state.host().and_then(|host| host.limit.as_deref());
    let limit = limit.map(|limit| api::Source {
        name: limit.code.clone(),
        state: "down".to_string(),
        version: String::new(),
        detail: format!("{} {}", limit.text, limit.remedy),
    });
    state.sources().map(row).chain(limit).collect()
}

/// Thresholds crossed now, worst first.
fn levels(state: &NodeState) -> Vec<api::Level> {
    let mut crossed: Vec<_> = state
        .levels()
        .filter(|(_, f, _)| f.level > Level::Ok)
        .collect();
    crossed.sort_by_key(|(_, f, _)| std::cmp::Reverse(f.level));
    let row = |(metric, facts, seen): (
        &str,
        &stead_core::facts::LevelFacts,
        &stead_core::world::Seen,
    )| api::Level {
        metric: metric.to_string(),
        level: word(facts.level),
        value: facts.value,
        what: facts.what.clone(),
        since: at(Some(seen.at)),
    };
    crossed.into_iter().map(row).collect()
}

/// One node with everything on it. `events` are its latest, newest first; so are `reboots`.
pub fn node_detail(
    look: Look<'_>,
    name: &NodeName,
    events: &[Event],
    reboots: &[Event],
) -> Option<api::NodeDetail> {
    let row = node(look, name)?;
    let desired = look.world.fleet.nodes.get(name);
    let state = look.world.node(name);
    let owned = state.map(|s| owners(s, desired)).unwrap_or_default();
    let samples = look.live.container_samples(name);
    let containers = state
        .into_iter()
        .flat_map(NodeState::containers)
        .map(|(c, facts, _)| {
            container(
                look,
                name,
                c,
                facts,
                owned.get(c).copied(),
                samples.iter().find(|s| s.name == *c),
            )
        });
    let service_of = |u: &stead_core::ids::UnitName| {
        desired
            .into_iter()
            .flat_map(|d| &d.services)
            .find_map(|(s, d)| match &d.kind {
                stead_core::desired::ServiceKind::Systemd { unit } if unit == u => Some(s),
                _ => None,
            })
    };
    let units = state
        .into_iter()
        .flat_map(NodeState::units)
        .map(|(u, f, _)| unit(name, u, f, service_of(u)));
    let here = |subject: &Subject| subject.node() == Some(name);
    Some(api::NodeDetail {
        node: row,
        services_list: services_of(look, name, true),
        containers_list: containers.collect(),
        units_list: units.collect(),
        drift: look
            .drift
            .iter()
            .filter(|d| here(&d.subject))
            .map(|d| super::drift(look, d))
            .collect(),
        write_anomalies: super::write_anomalies(look, &BTreeMap::new())
            .into_iter()
            .filter(|a| a.node == name.as_str())
            .collect(),
        events: events.iter().map(super::event).collect(),
        reboots: reboots.iter().map(super::event).collect(),
    })
}
