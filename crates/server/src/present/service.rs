//! Services as people see them: desired beside actual. What is stale or unknown is never shown as well (row L4).

use stead_core::action::Trigger;
use stead_core::assess;
use stead_core::desired::{Node, Probe, Service, ServiceKind};
use stead_core::event::Event;
use stead_core::facts::{ContainerFacts, ContainerState, Health as ContainerHealth, Verdict};
use stead_core::ids::{ContainerName, NodeName, ServiceName};
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_core::world::{EvidenceState, NodeState, ServiceMemory, Status};
use stead_protocol::api;

use super::{Look, at, container, owners, unit};

/// Actions shown with a service.
const ACTIONS: usize = 20;

/// How a service is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `healthy`, `unhealthy`, `missing`, `starting`, `unknown`, `stale`.
    pub state: &'static str,
    pub trigger: Option<Trigger>,
    pub detail: String,
    pub since: Option<Time>,
}

fn shown(status: Status) -> &'static str {
    match status {
        Status::Healthy => "healthy",
        Status::Starting => "starting",
        Status::Unhealthy => "unhealthy",
        Status::Missing => "missing",
        Status::Unknown => "unknown",
    }
}

/// How a service of the files is, as far as anybody can say now.
pub fn health(look: Look<'_>, node: &NodeName, name: &ServiceName, desired: &Service) -> Health {
    let say = |state, detail: String, since| Health {
        state,
        trigger: None,
        detail,
        since,
    };
    if !desired.monitor {
        return say("unknown", "not watched (monitor: false)".to_string(), None);
    }
    let Some(state) = look.world.node(node) else {
        return say(
            "unknown",
            format!("no agent on {node} has connected yet"),
            None,
        );
    };
    let fresh = state.evidence.state == EvidenceState::Fresh;
    let memory = state.services.get(name);
    match assess::service(look.world, node, name) {
        // Somebody else's word is enough for trouble, never for health, while Stead itself sees nothing.
        Some(seen) if fresh || seen.status != Status::Healthy => {
            let stated = memory.filter(|m| m.status == seen.status);
            let trigger = seen.trigger.filter(|_| seen.status != Status::Healthy);
            let since = stated
                .map(|m| m.since)
                .or_else(|| memory.and_then(|m| m.report.as_ref()).map(|r| r.at));
            Health {
                state: shown(seen.status),
                trigger,
                detail: seen.detail,
                since,
            }
        }
        vouched => {
            let (word, mut detail) = silence(look, node, state, memory);
            if vouched.is_some() {
                detail.push_str("; others report it healthy");
            }
            say(
                word,
                detail,
                Some(state.evidence.since).filter(|t| *t != Time::ZERO),
            )
        }
    }
}

/// Why nothing can be said: the node is silent, or was never heard.
fn silence(
    look: Look<'_>,
    node: &NodeName,
    state: &NodeState,
    memory: Option<&ServiceMemory>,
) -> (&'static str, String) {
    if !state.ever_synced {
        return ("unknown", format!("no agent on {node} has connected yet"));
    }
    let before = memory.map_or("unknown", |m| shown(m.status));
    match state.evidence.state {
        EvidenceState::Stale | EvidenceState::Offline => {
            let seen = look
                .live
                .last_seen(node)
                .map(|t| format!(" since {t}"))
                .unwrap_or_default();
            ("stale", format!("{node} is silent{seen}; it was {before}"))
        }
        _ => (
            "unknown",
            format!("{node} has not been heard since Stead started; it was {before}"),
        ),
    }
}

/// The same word without its reasons, from what the log last stated: cheap enough for every service of a large fleet.
fn quick(state: Option<&NodeState>, name: &ServiceName) -> &'static str {
    let Some(state) = state else { return "unknown" };
    let memory = state.services.get(name);
    let reported = memory.is_some_and(|m| m.report.is_some());
    match state.evidence.state {
        EvidenceState::Fresh => memory.map_or("unknown", |m| shown(m.status)),
        _ if reported => "unhealthy",
        EvidenceState::Stale | EvidenceState::Offline => "stale",
        EvidenceState::Unknown => "unknown",
    }
}

/// Counts the watched services of a node. What is not watched is not counted.
pub fn counts(state: Option<&NodeState>, desired: Option<&Node>) -> api::ServiceCounts {
    let mut counts = api::ServiceCounts::default();
    let services = desired
        .into_iter()
        .flat_map(|d| &d.services)
        .filter(|(_, s)| s.monitor);
    for (name, _) in services {
        counts.total += 1;
        *match quick(state, name) {
            "healthy" => &mut counts.healthy,
            "unhealthy" => &mut counts.unhealthy,
            "missing" => &mut counts.missing,
            "starting" => &mut counts.starting,
            "stale" => &mut counts.stale,
            _ => &mut counts.unknown,
        } += 1;
    }
    counts
}

pub fn service(
    look: Look<'_>,
    node: &NodeName,
    name: &ServiceName,
    desired: &Service,
) -> api::Service {
    let health = health(look, node, name, desired);
    let subject = Subject::Service(node.clone(), name.clone());
    let action = super::action::open_for(look.world, &subject);
    let state = look.world.node(node);
    let checks = desired.effective_checks();
    let failing = |check: &&stead_core::desired::Check| {
        let seen = state.and_then(|s| s.check(name, &check.name));
        seen.is_some_and(|(facts, _)| facts.verdict == Verdict::Failing)
    };
    api::Service {
        node: node.to_string(),
        name: name.to_string(),
        kind: desired.kind.word().to_string(),
        state: health.state.to_string(),
        trigger: health.trigger.map(Trigger::word),
        detail: health.detail,
        since: at(health.since),
        monitored: desired.monitor,
        managed: true,
        drift: look
            .drift
            .get(&subject)
            .iter()
            .map(|d| d.kind.word().to_string())
            .collect(),
        action: action.map(|a| a.id()),
        action_state: action.map(|a| a.state.word().to_string()),
        image: image(state, name, desired),
        needs: desired.needs.iter().map(ToString::to_string).collect(),
        checks_total: u32::try_from(checks.len()).unwrap_or(u32::MAX),
        checks_failing: checks.iter().filter(failing).count() as u32,
    }
}

fn image(state: Option<&NodeState>, name: &ServiceName, desired: &Service) -> Option<String> {
    let seen = state.and_then(|s| {
        assess::containers(s, name, desired)
            .first()
            .map(|(_, c, _)| c.image.clone())
    });
    match (&desired.kind, seen) {
        (_, Some(image)) => Some(image),
        (
            ServiceKind::Container {
                definition: Some(d),
                ..
            },
            None,
        ) => Some(d.image.clone()),
        _ => None,
    }
}

/// Every service of a node: those of the files first, then what runs beside them.
pub fn services_of(look: Look<'_>, node: &NodeName, unmanaged: bool) -> Vec<api::Service> {
    let desired = look.world.fleet.nodes.get(node);
    let named = desired.into_iter().flat_map(|d| &d.services);
    let mut list: Vec<api::Service> = named
        .map(|(name, s)| service(look, node, name, s))
        .collect();
    if let Some(state) = look.world.node(node).filter(|_| unmanaged) {
        list.extend(beside(look, node, state, desired));
    }
    list
}

/// Containers no file names, and failed units no file names.
fn beside(
    look: Look<'_>,
    node: &NodeName,
    state: &NodeState,
    desired: Option<&Node>,
) -> Vec<api::Service> {
    let owned = owners(state, desired);
    let mut list = Vec::new();
    for (name, facts, seen) in state
        .containers()
        .filter(|(name, _, _)| !owned.contains_key(name))
    {
        let (word, detail) = condition(facts);
        let mut row = stray(
            look,
            Subject::Container(node.clone(), name.clone()),
            name.as_str(),
            "container",
            state,
        );
        if state.evidence.state == EvidenceState::Fresh {
            (row.state, row.detail) = (word.to_string(), detail);
        }
        row.since = at(Some(seen.at));
        row.image = Some(facts.image.clone());
        list.push(row);
    }
    let named = |unit: &stead_core::ids::UnitName| {
        desired.is_some_and(|d| {
            d.services
                .values()
                .any(|s| matches!(&s.kind, ServiceKind::Systemd { unit: u } if u == unit))
        })
    };
    for (name, facts, seen) in state
        .units()
        .filter(|(name, u, _)| u.active == "failed" && !named(name))
    {
        let mut row = stray(
            look,
            Subject::Unit(node.clone(), name.clone()),
            name.as_str(),
            "systemd",
            state,
        );
        if state.evidence.state == EvidenceState::Fresh {
            row.state = "unhealthy".to_string();
            row.trigger = Some(Trigger::UnitFailed.word());
            row.detail = format!("failed ({}, exit {})", facts.result, facts.exit_status);
        }
        row.since = at(Some(seen.at));
        list.push(row);
    }
    list
}

fn stray(
    look: Look<'_>,
    subject: Subject,
    name: &str,
    kind: &str,
    state: &NodeState,
) -> api::Service {
    let action = super::action::open_for(look.world, &subject);
    let stale = matches!(
        state.evidence.state,
        EvidenceState::Stale | EvidenceState::Offline
    );
    api::Service {
        node: subject.node().map(ToString::to_string).unwrap_or_default(),
        name: name.to_string(),
        kind: kind.to_string(),
        state: if stale { "stale" } else { "unknown" }.to_string(),
        detail: "its node is not heard".to_string(),
        drift: look
            .drift
            .get(&subject)
            .iter()
            .map(|d| d.kind.word().to_string())
            .collect(),
        action: action.map(|a| a.id()),
        action_state: action.map(|a| a.state.word().to_string()),
        ..Default::default()
    }
}

/// How a container nobody asked for is. One that was stopped in good order is nobody's trouble.
fn condition(c: &ContainerFacts) -> (&'static str, String) {
    let code = c.exit_code.unwrap_or(0);
    match c.state {
        ContainerState::Running => match c.health {
            ContainerHealth::None => ("healthy", "running".to_string()),
            ContainerHealth::Healthy => ("healthy", "running, healthy".to_string()),
            ContainerHealth::Starting | ContainerHealth::Failing => {
                ("starting", super::word(c.health))
            }
            ContainerHealth::Unhealthy => ("unhealthy", "its own health check fails".to_string()),
        },
        ContainerState::Exited if c.oom_killed => {
            ("unhealthy", "killed for want of memory".to_string())
        }
        ContainerState::Exited if code == 0 || c.stopped_by_person => {
            ("unknown", format!("stopped (exit {code})"))
        }
        ContainerState::Exited => ("unhealthy", format!("exited ({code})")),
        ContainerState::Restarting | ContainerState::Dead => ("unhealthy", super::word(c.state)),
        _ => ("unknown", super::word(c.state)),
    }
}

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
            .map(|(c, f, _)| container(node, c, f, Some(name), sample(c)))
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
            .map(|(c, f, _)| container(node, c, f, None, sample(c)))
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
fn why_ill(
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
