//! Containers and units as people see them.

use std::collections::BTreeMap;

use stead_core::assess;
use stead_core::container_sample::ContainerSample;
use stead_core::desired::{Node, ServiceKind};
use stead_core::facts::{ContainerFacts, ContainerState, Health, UnitFacts};
use stead_core::ids::{ContainerName, NodeName, ServiceName, UnitName};
use stead_core::subject::Subject;
use stead_core::world::{EvidenceState, NodeState};
use stead_protocol::api;

use super::{Look, at, word};

/// Which service of the files each container of a node belongs to. A service that names it wins over a compose project.
pub fn owners<'a>(
    state: &'a NodeState,
    desired: Option<&'a Node>,
) -> BTreeMap<&'a ContainerName, &'a ServiceName> {
    let mut owners = BTreeMap::new();
    let Some(desired) = desired else {
        return owners;
    };
    let named = |s: &stead_core::desired::Service| matches!(s.kind, ServiceKind::Container { .. });
    for first in [false, true] {
        for (name, service) in desired.services.iter().filter(|(_, s)| named(s) == first) {
            for (container, _, _) in assess::containers(state, name, service) {
                owners.insert(container, name);
            }
        }
    }
    owners
}

/// Whether a person should look at it: on fresh evidence only, and only after its patience. One that exited is not running,
/// which is another matter: it may have done its work.
pub fn is_unhealthy(state: &NodeState, c: &ContainerFacts) -> bool {
    let ill = match c.state {
        ContainerState::Running => c.health == Health::Unhealthy,
        ContainerState::Restarting | ContainerState::Dead => true,
        _ => false,
    };
    ill && state.evidence.state == EvidenceState::Fresh
}

/// The compose project or swarm stack it belongs to.
pub fn stack(c: &ContainerFacts) -> Option<&str> {
    let swarm = || c.labels.get("com.docker.stack.namespace");
    c.compose_project()
        .or_else(|| swarm().map(String::as_str))
        .filter(|name| !name.is_empty())
}

/// What a restart of it is asked of: its service where that is this one container, so that a restart which waits for a
/// decision already is the same one.
pub fn restarts_as(
    look: Look<'_>,
    node: &NodeName,
    name: &ContainerName,
    service: Option<&ServiceName>,
) -> Subject {
    let one = |service: &&ServiceName| {
        let desired = look.world.fleet.service(node, service);
        desired.is_some_and(|s| matches!(s.kind, ServiceKind::Container { .. }))
    };
    match service.filter(one) {
        Some(service) => Subject::Service(node.clone(), service.clone()),
        None => Subject::Container(node.clone(), name.clone()),
    }
}

pub fn container(
    look: Look<'_>,
    node: &NodeName,
    name: &ContainerName,
    c: &ContainerFacts,
    service: Option<&ServiceName>,
    sample: Option<&ContainerSample>,
) -> api::Container {
    let state = look.world.node(node);
    api::Container {
        node: node.to_string(),
        name: name.to_string(),
        id: c.id.clone(),
        image: c.image.clone(),
        image_id: c.image_id.clone(),
        stack: stack(c).map(ToString::to_string),
        state: word(c.state),
        health: word(c.health),
        created_at: at(Some(c.created_at)),
        started_at: at(c.started_at),
        finished_at: at(c.finished_at),
        exit_code: c.exit_code,
        oom_killed: c.oom_killed,
        restart_count: c.restart_count,
        ports: c.ports.clone(),
        labels: c.labels.clone(),
        memory_limit: c.memory_limit,
        restart_policy: c.restart_policy.clone(),
        stopped_by_person: c.stopped_by_person,
        service: service.map(ToString::to_string),
        cpu_percent: sample.map(|s| s.cpu_percent),
        memory_bytes: sample.map(|s| s.memory_bytes),
        net_rx_bytes: sample.and_then(|s| s.net_rx_per_s),
        net_tx_bytes: sample.and_then(|s| s.net_tx_per_s),
        block_write_bytes: sample.map(|s| s.block_write_per_s),
        evidence: super::node::evidence(state).to_string(),
        unhealthy: state.is_some_and(|state| is_unhealthy(state, c)),
        image_created_at: at(c.image_created_at),
        restarts_as: restarts_as(look, node, name, service).to_string(),
    }
}

pub fn unit(
    node: &NodeName,
    name: &UnitName,
    u: &UnitFacts,
    service: Option<&ServiceName>,
) -> api::Unit {
    api::Unit {
        node: node.to_string(),
        name: name.to_string(),
        description: u.description.clone(),
        load: u.load.clone(),
        active: u.active.clone(),
        sub: u.sub.clone(),
        result: u.result.clone(),
        enabled: u.enabled.clone(),
        restarts: u.restarts,
        active_since: at(u.active_since),
        service: service.map(ToString::to_string),
    }
}
