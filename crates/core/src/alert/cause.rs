//! Whether the cause of a thread is there, how it began, how it ended, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Draft, Statement, Thread, open, topic, topology};
use crate::action::Trigger;
use crate::desired::CANARY;
use crate::drift;
use crate::event::{Body, Event, LevelNote, Severity};
use crate::facts::{Fact, FactKey, Level};
use crate::ids::{NodeName, ServiceName};
use crate::policy::Now;
use crate::subject::Subject;
use crate::world::{EvidenceState, ServiceMemory, Status, World};

/// A cause shows: it opens a thread, joins another, or adds to its own.
pub(super) fn begins(world: &World, event: &Event, topic: &str, now: Now) -> Vec<Statement> {
    // The world may be further than the event by now.
    if is_there(world, &event.subject, topic) == Some(false) {
        return Vec::new();
    }
    if let Some(thread) = world.alerts.thread(&event.subject, topic) {
        return worse(thread, event, now).into_iter().collect();
    }
    if let (Subject::Service(node, service), topic::STATE) = (&event.subject, topic) {
        return service_begins(world, node, service, event.seq, now)
            .into_iter()
            .collect();
    }
    let Some((title, text)) = words(&event.subject, &event.body) else {
        return Vec::new();
    };
    let draft = Draft {
        subject: event.subject.clone(),
        topic: topic.to_string(),
        kind: event.kind().to_string(),
        severity: event.severity,
        title,
        text,
        cause: Some(event.seq),
    };
    open(world, draft, now).into_iter().collect()
}

/// An open thread whose cause got worse.
fn worse(thread: &Thread, event: &Event, now: Now) -> Option<Statement> {
    if event.severity <= thread.severity {
        return None;
    }
    let (_, text) = words(&event.subject, &event.body)?;
    let mut statement = super::change(thread, "escalated", text, Some(event.seq));
    statement.severity = event.severity;
    super::set_tell_at(&mut statement, Some(now.at));
    Some(statement)
}

/// A service is ill: does it have a thread of its own, or does another one tell of it?
pub(super) fn service_begins(
    world: &World,
    node: &NodeName,
    service: &ServiceName,
    cause: crate::ids::Seq,
    now: Now,
) -> Option<Statement> {
    let memory = world.memory(node, service)?;
    let subject = Subject::Service(node.clone(), service.clone());
    let has_one = world.alerts.thread(&subject, topic::STATE).is_some();
    if has_one || world.alerts.joined(&subject).is_some() {
        return None;
    }
    match topology::cover(world, node, service, memory) {
        topology::Cover::Nothing => {
            let draft = Draft {
                title: format!("{service} on {node} {}", state_word(memory)),
                text: memory.detail.clone(),
                kind: kind_of(memory).to_string(),
                topic: topic::STATE.to_string(),
                severity: Severity::Warning,
                subject,
                cause: Some(cause),
            };
            open(world, draft, now)
        }
        topology::Cover::Soon => None,
        topology::Cover::By(thread) => Some(topology::join(
            world,
            thread,
            alloc::vec![subject],
            cause,
            now,
        )),
    }
}

/// Causes without a thread: there before alerts were, or kept back by a bound.
pub(super) fn untold(world: &World, index: &drift::Index, now: Now) -> Vec<Statement> {
    let room = super::Alerts::MAX_OPEN.saturating_sub(world.alerts.open.len());
    if world.brake.engaged.is_some() {
        return Vec::new();
    }
    let ill = index.map().iter().filter_map(|(subject, found)| {
        let Subject::Service(node, service) = subject else {
            return None;
        };
        let there = is_there(world, subject, topic::STATE) == Some(true);
        let cause = found.first().filter(|_| there)?.cause;
        service_begins(world, node, service, cause, now)
    });
    ill.take(room).collect()
}

/// Whether the cause is there. `None`: nobody can say now.
pub(super) fn is_there(world: &World, subject: &Subject, topic: &str) -> Option<bool> {
    if let Some(digest) = topic::autonomy_of(topic) {
        return Some(!world.earned.contains(digest));
    }
    match (subject, topic) {
        (Subject::Service(node, service), topic::STATE) => {
            let monitored = world
                .fleet
                .service(node, service)
                .is_some_and(|s| s.monitor);
            let troubled = world.memory(node, service).is_some_and(|m| m.troubled);
            Some(monitored && troubled)
        }
        (Subject::Node(node), topic::OFFLINE) => {
            if !world.fleet.nodes.contains_key(node) {
                return Some(false);
            }
            match world.node(node)?.evidence.state {
                EvidenceState::Offline => Some(true),
                EvidenceState::Fresh => Some(false),
                EvidenceState::Unknown | EvidenceState::Stale => None,
            }
        }
        (Subject::Fleet, topic::BRAKE) => Some(world.brake.engaged.is_some()),
        (Subject::Fleet, topic::FILES) => Some(world.desired.rejected.is_some()),
        (Subject::Container(..), topic::WRITES) => Some(world.writes.open.contains_key(subject)),
        (Subject::Node(node), metric) => {
            if !world.fleet.nodes.contains_key(node) {
                return Some(false);
            }
            let seen = world
                .node(node)?
                .facts
                .get(&FactKey::Level(metric.to_string()));
            let level = seen.map(|s| match &*s.fact {
                Fact::Level(facts) => facts.level,
                _ => Level::Ok,
            });
            Some(level.is_some_and(|l| l >= Level::Warning))
        }
        _ => None,
    }
}

/// How a thread ends whose cause is gone without anybody having said so.
pub(super) fn gone(
    world: &World,
    index: &drift::Index,
    thread: &Thread,
) -> Option<(&'static str, String)> {
    const REMOVED: &str = "removed";
    let known = match &thread.subject {
        Subject::Service(node, service) => world
            .fleet
            .service(node, service)
            .is_some_and(|s| s.monitor),
        subject => subject
            .node()
            .is_none_or(|node| world.fleet.nodes.contains_key(node)),
    };
    if !known {
        return Some((
            REMOVED,
            "the fleet's files do not name it any more".to_string(),
        ));
    }
    if topic::action_of(&thread.topic).is_some() {
        return super::act::settled(world, index, thread);
    }
    if let Some(digest) = topic::autonomy_of(&thread.topic) {
        let rules = &world.fleet.policy.rules;
        let there = rules.iter().any(|rule| rule.digest() == digest);
        return (!there).then(|| (REMOVED, "the rule is not there any more".to_string()));
    }
    let unsaid = thread.well_since.is_none() && !thread.flapping;
    let over = unsaid && is_there(world, &thread.subject, &thread.topic) == Some(false);
    over.then(|| end(thread))
}

/// How a thread ends whose cause is over.
pub(super) fn end(thread: &Thread) -> (&'static str, String) {
    let lasted = thread
        .well_since
        .map(|well| format!(" It lasted {}.", about(well.since(thread.opened_at))))
        .unwrap_or_default();
    match thread.repaired {
        true => (
            "repaired",
            format!("Stead repaired it: {}{lasted}", sentence(&thread.text)),
        ),
        false => ("recovered", format!("It is over.{lasted}")),
    }
}

/// A length of time as people say it.
fn about(span: crate::time::Span) -> String {
    let seconds = span.0 / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

pub(super) fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    format!("{text}.")
}

/// Stead's own canary: that it is told of at once is what a drill proves.
pub(super) fn is_canary(world: &World, subject: &Subject) -> bool {
    let drill = world.fleet.drill.as_ref();
    drill.is_some_and(
        |d| matches!(subject, Subject::Service(n, s) if *n == d.node && s.as_str() == CANARY),
    )
}

fn kind_of(memory: &ServiceMemory) -> &'static str {
    match (memory.status, memory.trigger) {
        (Status::Missing, _) => "service_missing",
        (_, Some(Trigger::ContainersNotRunning)) => "containers_not_running",
        (_, Some(Trigger::MqttUnreachable)) => "mqtt_unreachable",
        _ => "service_unhealthy",
    }
}

fn state_word(memory: &ServiceMemory) -> &'static str {
    match kind_of(memory) {
        "service_missing" => "is missing",
        "containers_not_running" => "does not run",
        "mqtt_unreachable" => "does not answer over MQTT",
        _ => "is unhealthy",
    }
}

/// Title and text of what is not a service's state.
fn words(subject: &Subject, body: &Body) -> Option<(String, String)> {
    let node = subject.node().map_or("", |n| n.as_str());
    Some(match body {
        Body::NodeOffline(_) => (
            format!("{node} is offline"),
            format!(
                "Nothing was heard of {node} for {}.",
                about(crate::controller::OFFLINE_AFTER)
            ),
        ),
        Body::DiskPressure(e) => (format!("{} on {node} fills up", e.what), level(e)),
        Body::LevelRaised(e) => (format!("{} on {node} is critical", name(e)), level(e)),
        Body::BrakeEngaged(e) => (
            "Much of the fleet drifts at once: automatic repair is stopped".to_string(),
            format!(
                "{} of {} services fell ill within {}, so the fault is probably not theirs. \
                 Look at what they have in common; `stead brake release` lets repairs go on.",
                e.drifting,
                e.fresh,
                about(crate::brake::WINDOW)
            ),
        ),
        Body::DesiredRejected(e) => (
            "The fleet's files cannot be used".to_string(),
            format!(
                "{} (the last good reading stays in force; `stead check` says more)",
                e.first
            ),
        ),
        Body::WritesAnomalous(e) => {
            let name = match subject {
                Subject::Container(_, name) => name.as_str(),
                _ => "a container",
            };
            (
                format!("{name} on {node} writes far above its own past"),
                format!("It {}.", e.anomaly.words()),
            )
        }
        Body::AutonomyLost(e) => (
            format!("{} lost its autonomy", e.rule),
            format!("{} failed, so what the rule matches asks again.", e.action),
        ),
        _ => return None,
    })
}

fn name(e: &LevelNote) -> &str {
    if e.what.is_empty() {
        &e.metric
    } else {
        &e.what
    }
}

fn level(e: &LevelNote) -> String {
    format!("{} is at {:.1}: {}.", name(e), e.value, e.level)
}
