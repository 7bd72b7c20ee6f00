//! Services as people see them: desired beside actual. What is stale or unknown is never shown as well (row L4).

use stead_core::action::Trigger;
use stead_core::assess;
use stead_core::desired::{Node, Service, ServiceKind};
use stead_core::facts::Verdict;
use stead_core::ids::{NodeName, ServiceName};
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_core::world::{EvidenceState, NodeState, ServiceMemory, Status};
use stead_protocol::api;

use super::stray::beside;
use super::{Look, at};

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
                detail: described(seen.detail, desired),
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

/// What is judged by its checks alone says so when it is well.
fn described(detail: String, desired: &Service) -> String {
    match (detail.is_empty(), desired.effective_checks().len()) {
        (true, 1) => "its check passes".to_string(),
        (true, n) if n > 1 => format!("its {n} checks pass"),
        _ => detail,
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
    let ill = |need: &&ServiceName| {
        let seen = look.world.memory(node, need).map(|m| m.status);
        matches!(seen, Some(Status::Unhealthy | Status::Missing))
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
        held: super::restraint::held(look, &subject),
        flapping: at(state.and_then(|s| s.services.get(name)?.flapping)),
        needs_ill: desired
            .needs
            .iter()
            .filter(ill)
            .map(ToString::to_string)
            .collect(),
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
