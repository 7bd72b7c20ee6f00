//! Why an approved action does not start yet.

use alloc::format;
use alloc::string::String;

use super::{Answer, Now, review};
use crate::action::{Action, ActionKind, Principal, State};
use crate::alert;
use crate::desired::{Access, CANARY, Service};
use crate::event::Severity;
use crate::ids::{NodeName, ServiceName};
use crate::lock;
use crate::planted::Bug;
use crate::subject::Subject;
use crate::world::{EvidenceState, Status, World};

/// Why an approved action does not start yet, for people; `None`: it may start.
pub fn waits_for(world: &World, action: &Action, now: Now) -> Option<String> {
    if action.key.kind == ActionKind::LockClear {
        return at_work(world, &action.key.subject);
    }
    let node = action.key.subject.node()?;
    node_ready(world, node)
        .or_else(|| locked(world, action, now))
        .or_else(|| {
            (!crate::plan::has_known_target(&action.plan))
                .then(|| format!("{node} to say which container it is"))
        })
        .or_else(|| concurrency(world, action, node))
        .or_else(|| told_of_before(world, action, node, now))
        .or_else(|| needs(world, action))
}

fn node_ready(world: &World, node: &NodeName) -> Option<String> {
    let desired = world.fleet.nodes.get(node);
    if desired.is_some_and(|n| n.access == Access::Inspector) {
        return Some(format!(
            "{node} is `access: inspector`: nothing may be changed there"
        ));
    }
    let Some(state) = world.node(node).filter(|s| s.ever_synced) else {
        return Some(format!("an agent on {node}: none has connected yet"));
    };
    match state.evidence.state {
        EvidenceState::Fresh => {}
        EvidenceState::Unknown => return Some(format!("the agent of {node} to connect")),
        EvidenceState::Stale | EvidenceState::Offline => {
            return Some(format!("the agent of {node}: it is silent"));
        }
    }
    state
        .host()
        .is_some_and(|h| h.read_only)
        .then(|| format!("the agent of {node} runs with --read-only: it changes nothing"))
}

/// What policy approved waits for every limit; what a person approved for a backup and a restore.
fn locked(world: &World, action: &Action, now: Now) -> Option<String> {
    if action.approved_by == Some(Principal::Policy) {
        let verdict = review(world, action, now);
        return (verdict.answer == Answer::Refused).then(|| verdict.limit.unwrap_or(verdict.rule));
    }
    lock::holding(world, &action.key.subject, now.at)
        .find(|(key, _)| key.lock.holds_people())
        .map(|(key, held)| lock::text(key, held))
}

/// One cause has one thread: while the one of the canary's last trouble is open, nobody would be told of another.
fn told_of_before(world: &World, action: &Action, node: &NodeName, now: Now) -> Option<String> {
    if action.key.kind != ActionKind::Drill {
        return None;
    }
    let canary = Subject::Service(node.clone(), ServiceName::new(CANARY).ok()?);
    let open = world.alerts.thread(&canary, alert::topic::STATE).is_some();
    (open && is_told(world, &canary, now))
        .then(|| "the alert of the canary's last trouble to close".into())
}

/// Whether some route takes it to a channel when the canary stops running.
pub fn is_told(world: &World, canary: &Subject, now: Now) -> bool {
    const KIND: &str = "containers_not_running";
    !alert::route::of(&world.fleet, &[KIND], canary, Severity::Warning, now).is_empty()
}

/// Other work on the very target.
fn at_work(world: &World, subject: &Subject) -> Option<String> {
    let shared = world.planted.on(Bug::TargetShared);
    let other = running(world).find(|a| a.key.subject == *subject && !shared)?;
    Some(format!(
        "{} to end: one at a time on a target",
        other.label()
    ))
}

fn running(world: &World) -> impl Iterator<Item = &Action> {
    world
        .actions
        .open
        .values()
        .filter(|a| a.state == State::Running)
}

/// Whether it counts as work on a machine: a drill only watches once its canary is broken, and clearing a lock touches
/// no machine.
pub fn counts(action: &Action) -> bool {
    !matches!(action.key.kind, ActionKind::Drill | ActionKind::LockClear)
}

fn concurrency(world: &World, action: &Action, node: &NodeName) -> Option<String> {
    if let Some(wait) = at_work(world, &action.key.subject) {
        return Some(wait);
    }
    if let Some(wait) = overlapping(world, action) {
        return Some(wait);
    }
    if !counts(action) || world.planted.on(Bug::ConcurrencyIgnored) {
        return None;
    }
    let limits = &world.fleet.policy.limits;
    let at_once = running(world).filter(|a| counts(a));
    let (mut all, mut here) = (0, 0);
    for other in at_once {
        all += 1;
        here += u32::from(other.key.subject.node() == Some(node));
    }
    if here >= limits.concurrent_per_node {
        return Some(format!(
            "other work on {node} (concurrent_per_node {})",
            limits.concurrent_per_node
        ));
    }
    (all >= limits.concurrent)
        .then(|| format!("other work in the fleet (concurrent {})", limits.concurrent))
}

/// Work on the same machine part under another name: a service and its container are one target.
fn overlapping(world: &World, action: &Action) -> Option<String> {
    let shared = world.planted.on(Bug::TargetShared);
    let other = running(world)
        .filter(|a| counts(a) && a.key.subject != action.key.subject && !shared)
        .find(|a| {
            crate::plan::overlaps(&a.plan, &action.plan)
                && a.key.subject.node() == action.key.subject.node()
        })?;
    Some(format!(
        "{} to end: it works on the same target",
        other.label()
    ))
}

fn needs(world: &World, action: &Action) -> Option<String> {
    let Subject::Service(node, service) = &action.key.subject else {
        return None;
    };
    let desired: &Service = world.fleet.service(node, service)?;
    let ill = |s: &&ServiceName| {
        matches!(
            world.memory(node, s).map(|m| m.status),
            Some(Status::Unhealthy | Status::Missing)
        ) && world.fleet.service(node, s).is_some_and(|s| s.monitor)
    };
    let first = desired.needs.iter().find(ill)?;
    (!action.direct).then(|| format!("{first} to be well first"))
}
