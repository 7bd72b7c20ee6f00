//! How a service is doing, judged from what was seen. A function of the world and nothing else.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::action::Trigger;
use crate::desired::{Service, ServiceKind};
use crate::facts::{
    ContainerFacts, ContainerState, FactKey, Health, SourceKind, SourceState, Verdict,
};
use crate::ids::{ContainerName, NodeName, Seq, ServiceName};
use crate::world::{EvidenceState, NodeState, Seen, Status, World};

/// A judgement and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    pub status: Status,
    pub trigger: Option<Trigger>,
    /// For people.
    pub detail: String,
    /// The newest event it rests on.
    pub seq: Seq,
}

impl Assessment {
    fn new(status: Status, trigger: Option<Trigger>, detail: impl Into<String>, seq: Seq) -> Self {
        Self {
            status,
            trigger,
            detail: detail.into(),
            seq,
        }
    }
}

/// Judges a monitored service; `None` where nothing may be concluded (evidence stale or never there, not monitored).
pub fn service(world: &World, node: &NodeName, name: &ServiceName) -> Option<Assessment> {
    let desired = world.fleet.service(node, name)?;
    judge(world.nodes.get(node)?, name, desired)
}

/// The same from the service's own part of the world.
pub fn judge(state: &NodeState, name: &ServiceName, desired: &Service) -> Option<Assessment> {
    if !desired.monitor {
        return None;
    }
    let fresh = state.evidence.state == EvidenceState::Fresh;
    let observed = fresh.then(|| observed(state, name, desired));
    let memory = state.services.get(name);
    let report = memory.and_then(|m| m.report.as_ref());
    let vouched = memory.and_then(|m| m.vouched);
    match (observed, report) {
        (Some(seen), Some(report)) => {
            let answered = seen.status == Status::Healthy && seen.seq > report.seq;
            if answered
                || matches!(
                    seen.status,
                    Status::Unhealthy | Status::Missing | Status::Starting
                )
            {
                return Some(seen);
            }
            Some(Assessment::new(
                Status::Unhealthy,
                Some(report.trigger),
                report.detail.clone(),
                report.seq,
            ))
        }
        (Some(seen), None) => match vouched {
            // Nothing of Stead's own to judge by, but somebody vouches for it.
            Some((_, seq)) if seen.status == Status::Unknown && seen.trigger.is_none() => Some(
                Assessment::new(Status::Healthy, None, "reported healthy", seq),
            ),
            _ => Some(seen),
        },
        (None, Some(report)) => Some(Assessment::new(
            Status::Unhealthy,
            Some(report.trigger),
            report.detail.clone(),
            report.seq,
        )),
        (None, None) => {
            let never_seen = !state.ever_synced;
            let (_, seq) = vouched
                .filter(|_| never_seen || vouched.is_some_and(|(_, s)| s > state.evidence.seq))?;
            Some(Assessment::new(
                Status::Healthy,
                None,
                "reported healthy",
                seq,
            ))
        }
    }
}

/// The containers that make up a service on its node, by its kind.
pub fn containers<'a>(
    state: &'a NodeState,
    name: &ServiceName,
    desired: &'a Service,
) -> Vec<(&'a ContainerName, &'a ContainerFacts, &'a Seen)> {
    match &desired.kind {
        ServiceKind::Container { container, .. } => state
            .container_seen(container)
            .map(|(facts, seen)| (container, facts, seen))
            .into_iter()
            .collect(),
        ServiceKind::Compose {
            path,
            service,
            project,
            ..
        } => {
            let wanted = compose_services(state, name, service.as_deref());
            state
                .containers()
                .filter(|(_, c, _)| in_project(c, path, project.as_deref()))
                .filter(|(_, c, _)| {
                    wanted.is_empty()
                        || c.compose_service()
                            .is_some_and(|s| wanted.iter().any(|w| w == s))
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The services of the compose file that this service stands for; empty: all of them.
pub fn compose_services(
    state: &NodeState,
    name: &ServiceName,
    service: Option<&str>,
) -> Vec<String> {
    if let Some(service) = service {
        return alloc::vec![service.to_string()];
    }
    let own = name.as_str();
    let in_file = state
        .compose(name)
        .is_some_and(|c| c.services.contains_key(own));
    let in_containers = || {
        state
            .containers()
            .any(|(_, c, _)| c.compose_service() == Some(own))
    };
    let file_known = state.compose(name).is_some_and(|c| c.error.is_empty());
    if in_file || (!file_known && in_containers()) {
        alloc::vec![own.to_string()]
    } else {
        Vec::new()
    }
}

fn in_project(container: &ContainerFacts, path: &str, project: Option<&str>) -> bool {
    if let Some(project) = project {
        return container.compose_project() == Some(project);
    }
    let path = path.trim_end_matches('/');
    match container.compose_folder() {
        Some(folder) => folder.trim_end_matches('/') == path,
        None => false,
    }
}

fn observed(state: &NodeState, name: &ServiceName, desired: &Service) -> Assessment {
    let base = match &desired.kind {
        ServiceKind::Container { container, .. } => {
            container_based(state, name, desired, container.as_str())
        }
        ServiceKind::Compose { path, .. } => container_based(state, name, desired, path),
        ServiceKind::Systemd { unit } => unit_based(state, unit),
        ServiceKind::Process { .. } | ServiceKind::External => checks_only(state, desired),
        ServiceKind::Loop | ServiceKind::Instance => {
            return Assessment::new(
                Status::Unknown,
                None,
                "this kind is not observed yet",
                state.evidence.seq,
            );
        }
    };
    if desired.suspended || base.status != Status::Healthy {
        return base;
    }
    with_checks(state, name, desired, base)
}

fn source_trouble(state: &NodeState, kind: SourceKind) -> Option<Assessment> {
    let source = state.source(kind);
    let word = kind.word();
    let (detail, trigger) = match source.map(|s| (s.state, s.detail.as_str())) {
        Some((SourceState::Up, _)) => return None,
        Some((SourceState::Absent, detail)) => {
            (format!("{word} is not on this node: {detail}"), None)
        }
        Some((SourceState::Down, detail)) => (format!("{word} does not answer: {detail}"), None),
        None => (format!("{word} has not been looked at yet"), None),
    };
    let seq = state
        .facts
        .get(&FactKey::Source(kind))
        .map_or(state.evidence.seq, |s| s.seq);
    Some(Assessment::new(Status::Unknown, trigger, detail, seq))
}

fn container_based(
    state: &NodeState,
    name: &ServiceName,
    desired: &Service,
    what: &str,
) -> Assessment {
    if let Some(trouble) = source_trouble(state, SourceKind::Docker) {
        return trouble;
    }
    let found = containers(state, name, desired);
    let seq = found
        .iter()
        .map(|(_, _, seen)| seen.seq)
        .max()
        .unwrap_or(state.evidence.seq);
    if desired.suspended {
        let running = found
            .iter()
            .any(|(_, c, _)| c.state == ContainerState::Running);
        return if running {
            Assessment::new(
                Status::Unhealthy,
                Some(Trigger::Suspended),
                "it is suspended, but it runs",
                seq,
            )
        } else {
            Assessment::new(Status::Healthy, None, "suspended", seq)
        };
    }
    if found.is_empty() {
        let detail = match &desired.kind {
            ServiceKind::Container { .. } => format!("there is no container {what}"),
            _ => format!("no container of {what} exists"),
        };
        return Assessment::new(Status::Missing, Some(Trigger::Absent), detail, seq);
    }
    let alone = found.len() == 1;
    let mut worst = Assessment::new(Status::Healthy, None, "", seq);
    for (container, facts, _) in &found {
        let Some((status, trigger, detail)) = container_trouble(container, facts, alone) else {
            continue;
        };
        if status > worst.status {
            worst = Assessment::new(status, trigger, detail, seq);
        }
    }
    if worst.status == Status::Healthy {
        let running = found.len();
        worst.detail = if alone {
            "running".to_string()
        } else {
            format!("{running} containers running")
        };
        absent_parts(state, name, desired, &found, worst)
    } else {
        worst
    }
}

/// A compose service of the file without any container, beside others that have one.
fn absent_parts(
    state: &NodeState,
    name: &ServiceName,
    desired: &Service,
    found: &[(&ContainerName, &ContainerFacts, &Seen)],
    well: Assessment,
) -> Assessment {
    let (ServiceKind::Compose { service: None, .. }, Some(file)) =
        (&desired.kind, state.compose(name))
    else {
        return well;
    };
    if file.services.contains_key(name.as_str()) {
        return well;
    }
    let absent = file.services.keys().find(|s| {
        !found
            .iter()
            .any(|(_, c, _)| c.compose_service() == Some(s.as_str()))
    });
    match absent {
        Some(part) => {
            let detail = format!("no container of compose service {part} exists");
            Assessment::new(Status::Missing, Some(Trigger::Absent), detail, well.seq)
        }
        None => well,
    }
}

fn container_trouble(
    name: &ContainerName,
    facts: &ContainerFacts,
    alone: bool,
) -> Option<(Status, Option<Trigger>, String)> {
    use ContainerState::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
    let not_running =
        |text: String| Some((Status::Unhealthy, Some(Trigger::ContainersNotRunning), text));
    let code = facts.exit_code.unwrap_or(0);
    match facts.state {
        Running => match facts.health {
            Health::None | Health::Healthy => None,
            Health::Starting => Some((Status::Starting, None, format!("{name} is starting"))),
            Health::Failing => Some((
                Status::Starting,
                None,
                format!("{name} fails its health check"),
            )),
            Health::Unhealthy => Some((
                Status::Unhealthy,
                Some(Trigger::ContainerUnhealthy),
                format!("{name} is unhealthy"),
            )),
        },
        // A one-shot helper of a larger stack that ended well is no trouble.
        Exited if !alone && code == 0 && facts.restart_policy == "no" => None,
        Exited if facts.oom_killed => not_running(format!("{name} was killed for want of memory")),
        Exited if facts.stopped_by_person => {
            not_running(format!("{name} was stopped by a person (exit {code})"))
        }
        Exited => not_running(format!("{name} exited ({code})")),
        Restarting => not_running(format!("{name} keeps restarting (exit {code})")),
        // The moment between create and start; where starting failed, the engine says so by an exit code.
        Created if code == 0 => Some((
            Status::Starting,
            None,
            format!("{name} was created, not started yet"),
        )),
        Created => not_running(format!("{name} could not be started (exit {code})")),
        Paused => not_running(format!("{name} is paused")),
        Dead => not_running(format!("{name} is dead")),
        Removing => not_running(format!("{name} is being removed")),
    }
}

fn unit_based(state: &NodeState, unit: &crate::ids::UnitName) -> Assessment {
    if let Some(trouble) = source_trouble(state, SourceKind::Systemd) {
        return trouble;
    }
    let seq = state
        .facts
        .get(&FactKey::Unit(unit.clone()))
        .map_or(state.evidence.seq, |s| s.seq);
    let say = |status, trigger, detail: String| Assessment::new(status, trigger, detail, seq);
    let Some(facts) = state.unit(unit) else {
        return say(
            Status::Missing,
            Some(Trigger::Absent),
            format!("there is no unit {unit}"),
        );
    };
    if facts.load == "not-found" {
        return say(
            Status::Missing,
            Some(Trigger::Absent),
            format!("there is no unit {unit}"),
        );
    }
    if facts.load == "masked" {
        return say(
            Status::Unhealthy,
            Some(Trigger::UnitInactive),
            format!("{unit} is masked"),
        );
    }
    match facts.active.as_str() {
        "active" => say(Status::Healthy, None, facts.sub.clone()),
        "reloading" | "refreshing" => say(Status::Healthy, None, "reloading".to_string()),
        "activating" | "deactivating" => say(
            Status::Starting,
            None,
            format!("{unit} is {}", facts.active),
        ),
        "failed" => {
            let detail = format!(
                "{unit} failed ({}, exit {})",
                facts.result, facts.exit_status
            );
            say(Status::Unhealthy, Some(Trigger::UnitFailed), detail)
        }
        _ => say(
            Status::Unhealthy,
            Some(Trigger::UnitInactive),
            format!("{unit} is not running"),
        ),
    }
}

fn checks_only(state: &NodeState, desired: &Service) -> Assessment {
    if desired.check_names().next().is_none() {
        let detail = "nothing to judge it by: give it checks";
        return Assessment::new(Status::Unknown, None, detail, state.evidence.seq);
    }
    Assessment::new(Status::Healthy, None, "", state.evidence.seq)
}

fn with_checks(
    state: &NodeState,
    name: &ServiceName,
    desired: &Service,
    mut base: Assessment,
) -> Assessment {
    let mut waiting = None;
    for check in desired.check_names() {
        let Some((facts, seen)) = state.check(name, &check) else {
            waiting.get_or_insert_with(|| format!("check {check} has not answered yet"));
            continue;
        };
        base.seq = base.seq.max(seen.seq);
        match facts.verdict {
            Verdict::Passing => {}
            Verdict::Failing => {
                let trigger = match facts.probe.as_str() {
                    "mqtt" => Trigger::MqttUnreachable,
                    "process" => Trigger::ProcessAbsent,
                    _ => Trigger::CheckFailed,
                };
                let detail = format!("check {check} fails: {}", facts.answer);
                return Assessment::new(Status::Unhealthy, Some(trigger), detail, seen.seq);
            }
            Verdict::Unknown => {
                waiting.get_or_insert_with(|| {
                    format!("check {check} cannot be asked: {}", facts.answer)
                });
            }
        }
    }
    match waiting {
        Some(detail) => Assessment::new(Status::Unknown, None, detail, base.seq),
        None => base,
    }
}
