//! One service with everything that explains its state (row O3, as far as the world has it).

use stead_core::assess;
use stead_core::desired::{Probe, Service, ServiceKind};
use stead_core::event::Event;
use stead_core::facts::{ContainerFacts, ContainerState, Health as ContainerHealth};
use stead_core::ids::{ContainerName, NodeName, ServiceName};
use stead_core::subject::Subject;
use stead_core::world::{EvidenceState, NodeState, Status};
use stead_protocol::api;

use super::stray::beside;
use super::{Look, at, container, service, unit};

/// Actions shown with a service.
const ACTIONS: usize = 20;

/// One service with everything that explains its state. `events` are its latest, newest first; `changed_before` what
/// happened on its node shortly before it fell ill.
pub fn service_detail(
    look: Look<'_>,
    node: &NodeName,
    name: &ServiceName,
    events: &[Event],
    changed_before: &[Event],
) -> Option<api::ServiceDetail> {
    let desired = look.world.fleet.service(node, name);
    let Some(desired) = desired else {
        return stray_detail(look, node, name, events, changed_before);
    };
    let state = look.world.node(node);
    let subject = Subject::Service(node.clone(), name.clone());
    let found = state
        .map(|s| assess::containers(s, name, desired))
        .unwrap_or_default();
    let samples = look.live.container_samples(node);
    let sample = |c: &ContainerName| samples.iter().find(|s| s.name == *c);
    let actions = look
        .world
        .actions
        .open
        .values()
        .chain(look.world.actions.ended.iter().rev());
    Some(api::ServiceDetail {
        service: service(look, node, name, desired),
        desired: Some(as_written(desired)),
        containers: found
            .iter()
            .map(|(c, f, _)| container(look, node, c, f, Some(name), sample(c)))
            .collect(),
        units: units(state, node, name, desired),
        checks: checks(state, name, desired),
        health: why_ill(look, node, &found, &subject),
        drift_list: look
            .drift
            .get(&subject)
            .iter()
            .map(|d| super::drift(look, d))
            .collect(),
        changed_before: changed_before.iter().map(super::event).collect(),
        events: events.iter().map(super::event).collect(),
        actions: actions
            .filter(|a| a.key.subject == subject)
            .take(ACTIONS)
            .map(|a| super::action(look, a))
            .collect(),
    })
}

/// A container or failed unit that no file names, as far as its node tells.
fn stray_detail(
    look: Look<'_>,
    node: &NodeName,
    name: &ServiceName,
    events: &[Event],
    changed_before: &[Event],
) -> Option<api::ServiceDetail> {
    let state = look.world.node(node)?;
    let row = beside(look, node, state, look.world.fleet.nodes.get(node));
    let row = row.into_iter().find(|s| s.name == name.as_str())?;
    let subject: Option<Subject> = match row.kind.as_str() {
        "container" => ContainerName::new(&row.name)
            .ok()
            .map(|c| Subject::Container(node.clone(), c)),
        _ => stead_core::ids::UnitName::new(&row.name)
            .ok()
            .map(|u| Subject::Unit(node.clone(), u)),
    };
    let subject = subject?;
    let samples = look.live.container_samples(node);
    let found: Vec<_> = state
        .containers()
        .filter(|(c, _, _)| c.as_str() == row.name)
        .collect();
    let unit_found = state
        .units()
        .filter(|(u, _, _)| row.kind == "systemd" && u.as_str() == row.name);
    let sample = |c: &ContainerName| samples.iter().find(|s| s.name == *c);
    let actions = look
        .world
        .actions
        .open
        .values()
        .chain(look.world.actions.ended.iter().rev());
    Some(api::ServiceDetail {
        desired: None,
        containers: found
            .iter()
            .map(|(c, f, _)| container(look, node, c, f, None, sample(c)))
            .collect(),
        units: unit_found.map(|(u, f, _)| unit(node, u, f, None)).collect(),
        checks: Vec::new(),
        health: why_ill(look, node, &found, &subject),
        drift_list: look
            .drift
            .get(&subject)
            .iter()
            .map(|d| super::drift(look, d))
            .collect(),
        changed_before: changed_before.iter().map(super::event).collect(),
        events: events.iter().map(super::event).collect(),
        actions: actions
            .filter(|a| a.key.subject == subject)
            .take(ACTIONS)
            .map(|a| super::action(look, a))
            .collect(),
        service: row,
    })
}

/// What the files say, with the values of environments and passwords left out.
fn as_written(desired: &Service) -> serde_json::Value {
    let mut desired = desired.clone();
    if let ServiceKind::Container {
        definition: Some(d),
        ..
    } = &mut desired.kind
    {
        d.environment
            .values_mut()
            .for_each(|v| *v = "…".to_string());
    }
    for check in &mut desired.checks {
        match &mut check.probe {
            Probe::Mqtt {
                password: Some(password),
                ..
            } => *password = "…".to_string(),
            Probe::Http(http) => http.headers.values_mut().for_each(|v| *v = "…".to_string()),
            _ => {}
        }
    }
    serde_json::to_value(&desired).unwrap_or_default()
}

fn units(
    state: Option<&NodeState>,
    node: &NodeName,
    name: &ServiceName,
    desired: &Service,
) -> Vec<api::Unit> {
    let ServiceKind::Systemd { unit: wanted } = &desired.kind else {
        return Vec::new();
    };
    let facts = state.and_then(|s| s.unit(wanted));
    facts
        .map(|f| unit(node, wanted, f, Some(name)))
        .into_iter()
        .collect()
}

fn checks(
    state: Option<&NodeState>,
    name: &ServiceName,
    desired: &Service,
) -> Vec<api::CheckState> {
    let row = |check: &stead_core::desired::Check| {
        let seen = state.and_then(|s| s.check(name, &check.name));
        let fresh = state.is_some_and(|s| s.evidence.state == EvidenceState::Fresh);
        let verdict = match seen {
            None => "waiting".to_string(),
            Some(_) if !fresh => "unknown".to_string(),
            Some((facts, _)) => super::word(facts.verdict),
        };
        api::CheckState {
            name: check.name.to_string(),
            probe: check.probe.word().to_string(),
            asked: seen.map(|(f, _)| f.asked.clone()).unwrap_or_default(),
            verdict,
            since: seen.map(|(f, _)| f.since.to_string()),
            answer: seen.map(|(f, _)| f.answer.clone()).unwrap_or_default(),
            every_ms: check.every.0,
        }
    };
    desired.effective_checks().iter().map(row).collect()
}

/// Row O3, as far as the world has it: of the container that is worst off.
pub(super) fn why_ill(
    look: Look<'_>,
    node: &NodeName,
    found: &[(&ContainerName, &ContainerFacts, &stead_core::world::Seen)],
    subject: &Subject,
) -> Option<api::HealthDetail> {
    let ill = |c: &ContainerFacts| {
        (
            c.state != ContainerState::Running,
            c.health == ContainerHealth::Unhealthy,
        )
    };
    let (_, worst, _) = found
        .iter()
        .max_by_key(|(_, c, _)| (ill(c), c.failing_streak))?;
    let memory = subject.service().and_then(|s| look.world.memory(node, s));
    let since = memory
        .filter(|m| matches!(m.status, Status::Unhealthy | Status::Missing))
        .map(|m| m.since);
    let outputs = worst
        .health_log
        .iter()
        .rev()
        .take(3)
        .map(|o| api::HealthOutput {
            at: o.at.to_string(),
            exit_code: o.exit_code,
            output: o.output.clone(),
        });
    Some(api::HealthDetail {
        unhealthy_since: at(since),
        failing_streak: worst.failing_streak,
        outputs: outputs.collect(),
        restart_count: worst.restart_count,
        last_oom: worst.oom_killed.then(|| at(worst.finished_at)).flatten(),
    })
}
