//! One line for people per event about self-restraint: locks, brake, earned autonomy, alerts, rolling work, drills.

use stead_core::event::{
    AlertChanged, Body, BrakeEngaged, DrillEnded, Event, LockReleased, LockTaken, MessageEnded,
    MessageQueued, RolloutChanged,
};
use stead_core::insight::amount;
use stead_core::lock::LockKind;
use stead_core::subject::Subject;
use stead_core::time::Span;

use super::count;
use super::text::span;

/// `None`: it is about something else. `name`: what the event is about, without its kind.
pub(super) fn line(name: &str, event: &Event) -> Option<String> {
    Some(match &event.body {
        Body::LockTaken(e) => lock_taken(name, e),
        Body::LockStale(e) => format!(
            "nobody has given a sign for the {} lock on {name} since {}",
            e.lock, e.last
        ),
        Body::LockReleased(e) => lock_released(name, e),
        Body::BrakeEngaged(e) => brake_engaged(e),
        Body::BrakeReleased(e) => match &e.by {
            Some(by) => format!("{by} released the brake: automatic repair goes on"),
            None => "The brake let go: fewer services drift, automatic repair goes on".to_string(),
        },
        Body::ServiceFlapping(e) => format!(
            "{name} flaps: {} changes within {}; it is left alone until it is steady",
            e.changes,
            span(e.within)
        ),
        Body::ServiceSteady(_) => format!("{name} is steady again"),
        Body::AutonomyEarned(e) => format!(
            "{} earned its autonomy by {}: what it matches runs without asking",
            e.rule,
            count(u64::from(e.successes), "verified repair")
        ),
        Body::AutonomyLost(e) => {
            format!(
                "{} lost its autonomy because {} failed: it asks again",
                e.rule, e.action
            )
        }
        Body::LeaderElected(e) => format!("{} decides from here on (epoch {})", e.holder, e.epoch),
        Body::AlertOpened(e) => format!("Alert: {}: {}", e.title, e.text),
        Body::AlertChanged(e) => alert_changed(name, e),
        Body::AlertClosed(e) => format!("Alert over ({}): {}", e.reason, e.text),
        Body::MessageQueued(e) => queued(e),
        Body::MessageDelivered(e) => delivered(e),
        Body::MessageFailed(e) => format!(
            "a message to {} was given up after {}: {}",
            e.channel,
            count(u64::from(e.attempts), "attempt"),
            e.why
        ),
        other => return rollout(name, other),
    })
}

fn because(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    }
}

fn lock_taken(name: &str, e: &LockTaken) -> String {
    let why = because(&e.why);
    format!("{} locked {name} until {} ({}{why})", e.by, e.until, e.lock)
}

fn lock_released(name: &str, e: &LockReleased) -> String {
    match (e.reason.as_str(), &e.by) {
        (_, Some(by)) => format!("{by} released the {} lock on {name}", e.lock),
        ("window_ended", _) => format!("the maintenance window of {name} is over"),
        ("expired", _) if e.lock == LockKind::Maintenance => format!("the lock on {name} ended"),
        (reason, _) => format!("the {} lock on {name} ended ({reason})", e.lock),
    }
}

fn brake_engaged(e: &BrakeEngaged) -> String {
    let services: Vec<&str> = e
        .subjects
        .iter()
        .filter_map(Subject::service)
        .map(|s| s.as_str())
        .collect();
    let shown = services
        .iter()
        .take(3)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let more = if services.len() > 3 { ", …" } else { "" };
    format!(
        "The brake stops all automatic repair: {} of {} services drift at once ({shown}{more})",
        e.drifting, e.fresh
    )
}

fn alert_changed(name: &str, e: &AlertChanged) -> String {
    if e.joined.is_empty() {
        format!("Alert about {name} ({}): {}", e.change, e.text)
    } else {
        let more = count(e.joined.len() as u64, "subject");
        format!("Alert about {name} ({}, {more} more): {}", e.change, e.text)
    }
}

fn queued(e: &MessageQueued) -> String {
    let route = if e.route.is_empty() {
        String::new()
    } else {
        format!(" by {}", e.route)
    };
    format!("message to {}{route}: {}", e.channel, e.title)
}

fn delivered(e: &MessageEnded) -> String {
    if e.attempts > 1 {
        format!(
            "a message to {} was delivered at attempt {}",
            e.channel, e.attempts
        )
    } else {
        format!("a message to {} was delivered", e.channel)
    }
}

fn rollout(name: &str, body: &Body) -> Option<String> {
    Some(match body {
        Body::RolloutStarted(e) => format!(
            "{} rolls {} over {} ({}), {} at a time",
            e.by,
            e.kind,
            count(e.targets.len() as u64, "target"),
            e.selector,
            e.batch
        ),
        Body::RolloutTarget(e) if e.skipped.is_empty() => {
            format!("{}: {name} has its turn ({})", e.rollout, e.action)
        }
        Body::RolloutTarget(e) => format!("{}: {name} is left out: {}", e.rollout, e.skipped),
        Body::RolloutPaused(e) => turned(e, "paused"),
        Body::RolloutResumed(e) => turned(e, "goes on"),
        Body::RolloutCancelled(e) => turned(e, "was cancelled"),
        Body::RolloutCompleted(e) => turned(e, "is done"),
        Body::DrillEnded(e) => drill(e),
        Body::WritesAnomalous(e) => format!("{name} {}", e.anomaly.words()),
        Body::WritesUsual(e) if e.reason == "gone" => {
            format!("{name} is gone, and so is what it wrote above its past")
        }
        Body::WritesUsual(e) => format!(
            "{name} writes as usual again ({} an hour)",
            amount::bytes(e.rate)
        ),
        Body::ImageAged(e) => format!(
            "image {} of {name} is {} days old (more than {})",
            e.image, e.days, e.bound
        ),
        _ => return None,
    })
}

fn turned(e: &RolloutChanged, word: &str) -> String {
    let by =
        e.by.as_ref()
            .map_or_else(String::new, |by| format!(" by {by}"));
    format!("{} {word}{by}{}", e.rollout, because(&e.why))
}

fn drill(e: &DrillEnded) -> String {
    let parts = [
        ("noticed", e.detected),
        ("mended", e.repaired),
        ("told", e.told),
    ];
    let took = |(word, s): (&str, Option<Span>)| s.map(|s| format!("{word} after {}", span(s)));
    let parts: Vec<String> = parts.into_iter().filter_map(took).collect();
    match (e.ok, parts.is_empty()) {
        (true, _) => format!("The drill passed: {}", parts.join(", ")),
        (false, true) => format!("The drill failed: {}", e.detail),
        (false, false) => format!("The drill failed: {} ({})", e.detail, parts.join(", ")),
    }
}
