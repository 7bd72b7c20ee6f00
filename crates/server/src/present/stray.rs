//! What runs on a node without any file naming it: containers, and units that failed.

use stead_core::action::Trigger;
use stead_core::desired::{Node, ServiceKind};
use stead_core::facts::{ContainerFacts, ContainerState, Health as ContainerHealth};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::world::{EvidenceState, NodeState};
use stead_protocol::api;

use super::{Look, at, owners};

/// Containers no file names, and failed units no file names.
pub(super) fn beside(
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
        held: super::restraint::held(look, &subject),
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
