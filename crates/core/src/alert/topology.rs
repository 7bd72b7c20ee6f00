//! Which cause tells of which others: a silent node of its services, the brake of what fell ill with it, a service of
//! those that need it.

use alloc::format;
use alloc::vec::Vec;

use super::{Alerts, Statement, Thread, cause, change, close, in_time, set_tell_at, topic};
use crate::brake;
use crate::drift;
use crate::event::Body;
use crate::ids::{NodeName, Seq, ServiceName};
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::{EvidenceState, ServiceMemory, World};

/// How a thread ends that another one tells of.
pub(super) const ABSORBED: &str = "absorbed";
/// Bound on the steps from a service to what it needs in the end.
const DEEP: usize = 16;

/// What tells of a service that is ill.
pub(super) enum Cover<'a> {
    Nothing,
    /// Something will, in this very step.
    Soon,
    By(&'a Thread),
}

/// What tells of a service that fell ill.
pub(super) fn cover<'a>(
    world: &'a World,
    node: &NodeName,
    service: &ServiceName,
    memory: &ServiceMemory,
) -> Cover<'a> {
    let alerts = &world.alerts;
    let silent = world
        .node(node)
        .is_some_and(|n| n.evidence.state == EvidenceState::Offline);
    if silent {
        let thread = alerts.thread(&Subject::Node(node.clone()), topic::OFFLINE);
        return thread.map_or(Cover::Soon, Cover::By);
    }
    let braking = alerts.thread(&Subject::Fleet, topic::BRAKE);
    match (&world.brake.engaged, braking) {
        (Some(engaged), thread) if memory.since >= before(engaged.since, brake::WINDOW) => {
            return thread.map_or(Cover::Soon, Cover::By);
        }
        // What fell ill while it held is told of by it until all of that is well.
        (None, Some(thread)) if thread.well_since.is_some_and(|at| memory.since <= at) => {
            return Cover::By(thread);
        }
        _ => {}
    }
    needed(world, node, service).map_or(Cover::Nothing, Cover::By)
}

fn before(at: Time, span: Span) -> Time {
    Time(at.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
}

/// The thread of something that the service needs.
fn needed<'a>(world: &'a World, node: &NodeName, service: &ServiceName) -> Option<&'a Thread> {
    let mut next: Vec<&ServiceName> = alloc::vec![service];
    let mut seen: Vec<&ServiceName> = Vec::new();
    for _ in 0..DEEP {
        let name = next.pop()?;
        seen.push(name);
        let needs = world
            .fleet
            .service(node, name)
            .map_or(&[][..], |s| &s.needs);
        for need in needs.iter().filter(|n| !seen.contains(n)) {
            let subject = Subject::Service(node.clone(), need.clone());
            let ill = world.memory(node, need).is_some_and(|m| m.troubled);
            let alerts = &world.alerts;
            let thread = alerts
                .thread(&subject, topic::STATE)
                .or_else(|| alerts.joined(&subject));
            if let Some(thread) = thread.filter(|_| ill) {
                return Some(thread);
            }
            next.push(need);
        }
    }
    None
}

/// Subjects that another thread tells of from here on.
pub(super) fn join(
    world: &World,
    thread: &Thread,
    joined: Vec<Subject>,
    cause: Seq,
    now: Now,
) -> Statement {
    // The thread's own words stay; who joined is said beside them.
    let room = thread.joined.len() + joined.len() <= Alerts::MAX_JOINED;
    let mut statement = change(thread, "joined", Default::default(), Some(cause));
    if thread.told_at.is_some() && room {
        set_tell_at(&mut statement, in_time(world, thread, now));
    }
    if let Body::AlertChanged(e) = &mut statement.body {
        e.joined = joined;
    }
    statement
}

/// A thread opened: those that it tells of close, and their subjects belong to it.
pub(super) fn absorb(world: &World, index: &drift::Index, id: &str, seq: Seq) -> Vec<Statement> {
    let Some(thread) = world.alerts.open.get(id) else {
        return Vec::new();
    };
    let mut follows = Vec::new();
    let mut joined = Vec::new();
    for other in world.alerts.open.values() {
        if other.id == thread.id || other.topic != topic::STATE || !tells_of(world, thread, other) {
            continue;
        }
        let text = format!("It is part of: {}.", thread.title);
        follows.push(close(other, ABSORBED, text, Some(seq)));
        joined.push(other.subject.clone());
        joined.extend(other.joined.iter().cloned());
    }
    if thread.topic == topic::BRAKE {
        joined.extend(fallen(world, index));
    }
    joined.sort();
    joined.dedup();
    joined.truncate(Alerts::MAX_JOINED);
    if !joined.is_empty() {
        let mut statement = change(thread, "joined", Default::default(), Some(seq));
        if let Body::AlertChanged(e) = &mut statement.body {
            e.joined = joined;
        }
        follows.push(statement);
    }
    follows
}

/// Whether `thread` is the cause of `other`, which is about a service.
fn tells_of(world: &World, thread: &Thread, other: &Thread) -> bool {
    let Subject::Service(node, service) = &other.subject else {
        return false;
    };
    let together = |span| other.opened_at >= before(thread.opened_at, span);
    match (&thread.subject, thread.topic.as_str()) {
        (Subject::Node(silent), topic::OFFLINE) => node == silent,
        (Subject::Fleet, topic::BRAKE) => together(brake::WINDOW),
        (Subject::Service(home, need), topic::STATE) => {
            node == home && together(super::TOGETHER) && depends(world, node, service, need)
        }
        _ => false,
    }
}

fn depends(world: &World, node: &NodeName, service: &ServiceName, on: &ServiceName) -> bool {
    let mut next: Vec<&ServiceName> = alloc::vec![service];
    let mut seen: Vec<&ServiceName> = Vec::new();
    for _ in 0..DEEP {
        let Some(name) = next.pop() else { return false };
        seen.push(name);
        let needs = world
            .fleet
            .service(node, name)
            .map_or(&[][..], |s| &s.needs);
        if needs.contains(on) {
            return true;
        }
        next.extend(needs.iter().filter(|n| !seen.contains(n)));
    }
    false
}

/// Services that fell ill around the time at which the brake engaged and have no thread of their own.
fn fallen(world: &World, index: &drift::Index) -> Vec<Subject> {
    let Some(engaged) = &world.brake.engaged else {
        return Vec::new();
    };
    let since = before(engaged.since, brake::WINDOW);
    let ill = index.map().keys().filter(|subject| {
        let Subject::Service(node, service) = subject else {
            return false;
        };
        let young = world
            .memory(node, service)
            .is_some_and(|m| m.troubled && m.since >= since);
        young && world.alerts.thread(subject, topic::STATE).is_none()
    });
    ill.take(Alerts::MAX_JOINED).cloned().collect()
}

/// A thread ended: what belonged to it and is still ill has one of its own from here on.
pub(super) fn set_free(world: &World, id: &str, seq: Seq, now: Now) -> Vec<Statement> {
    let Some(ended) = world.alerts.by_id(id) else {
        return Vec::new();
    };
    let room = Alerts::MAX_OPEN.saturating_sub(world.alerts.open.len());
    let mut follows = Vec::new();
    for subject in ended.joined.iter().take(room) {
        let Subject::Service(node, service) = subject else {
            continue;
        };
        let ill = cause::is_there(world, subject, topic::STATE) == Some(true);
        if ill && world.is_fresh(subject) {
            follows.extend(cause::service_begins(world, node, service, seq, now));
        }
    }
    follows
}

/// Subjects that a thread lists and the fleet does not have any more.
pub(super) fn strangers(world: &World, thread: &Thread) -> Vec<Subject> {
    let stranger = |subject: &&Subject| match subject {
        Subject::Service(node, service) => world
            .fleet
            .service(node, service)
            .is_none_or(|s| !s.monitor),
        _ => false,
    };
    thread.joined.iter().filter(stranger).cloned().collect()
}
