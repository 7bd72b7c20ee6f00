//! The messages of a thread. Whoever was told that it began is told that it ended.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::route::{self, Destination};
use super::{Alerts, Statement, Thread, change};
use crate::event::{Body, MessageEnded, MessageQueued, Severity};
use crate::ids::Seq;
use crate::policy::Now;
use crate::subject::Subject;
use crate::world::World;

/// Bounds on what is said, characters.
const TITLE: usize = 200;
const TEXT: usize = 2_000;
/// Subjects named in a message.
const NAMED: usize = 8;

/// The latest of an open thread, to everybody a route names. Says so where none does any more.
pub(super) fn news(world: &World, thread: &Thread, now: Now) -> Vec<Statement> {
    let kinds = [thread.kind.as_str(), kind_of(&thread.change)];
    let to = route::of(&world.fleet, &kinds, &thread.subject, thread.severity, now);
    if to.is_empty() {
        let statement = change(thread, "unrouted", String::new(), Some(thread.last));
        return alloc::vec![statement];
    }
    let text = with_joined(&thread.text, &thread.joined);
    let mut follows = make_room(world, to.len());
    follows.extend(to.into_iter().map(|to| {
        let known = thread.told.contains(&to.channel);
        let sort = if known { "changed" } else { "opened" };
        message(thread, sort, &text, to, thread.last)
    }));
    follows
}

/// The end of a thread: to everybody who was told of it. What Stead mended before anybody was told is told once, where a
/// route wants to know.
pub(super) fn ended(world: &World, id: &str, seq: Seq, now: Now) -> Vec<Statement> {
    let Some(thread) = world.alerts.by_id(id) else {
        return Vec::new();
    };
    let quietly = |channel: &String| Destination {
        channel: channel.clone(),
        route: String::new(),
        ping: false,
    };
    let mut to: Vec<Destination> = thread.told.iter().map(quietly).collect();
    let own_action = super::topic::action_of(&thread.topic).is_some();
    if thread.reason == "repaired" && thread.told.is_empty() && !own_action {
        let fleet = &world.fleet;
        let subject = &thread.subject;
        to = route::of(fleet, &[&thread.kind], subject, thread.severity, now);
        for more in route::of(fleet, &["action_completed"], subject, Severity::Info, now) {
            if !to.iter().any(|d| d.channel == more.channel) {
                to.push(more);
            }
        }
        // Nothing is to be done about it.
        to.iter_mut().for_each(|d| d.ping = false);
    }
    to.retain(|d| world.fleet.channels.contains_key(&d.channel));
    let mut follows = make_room(world, to.len());
    follows.extend(
        to.into_iter()
            .map(|to| message(thread, "closed", &thread.text, to, seq)),
    );
    follows
}

/// The kind of event that a change stands for, so that routes can name it.
fn kind_of(change: &str) -> &'static str {
    match change {
        "asks" => "action_proposed",
        "escalated" | "stuck" => "action_failed",
        "repaired" => "action_completed",
        "flapping" => "service_flapping",
        _ => "",
    }
}

fn message(thread: &Thread, sort: &str, text: &str, to: Destination, cause: Seq) -> Statement {
    let Destination {
        channel,
        route,
        ping,
    } = to;
    let body = MessageQueued {
        id: String::new(),
        thread: Some(thread.id.clone()),
        channel,
        route,
        sort: sort.to_string(),
        severity: thread.severity,
        title: cut(&thread.title, TITLE),
        text: cut(text, TEXT),
        ping,
    };
    Statement {
        subject: thread.subject.clone(),
        severity: Severity::Info,
        cause: Some(cause),
        body: Body::MessageQueued(body),
    }
}

/// Gives up the oldest that wait where the newest would not fit.
fn make_room(world: &World, more: usize) -> Vec<Statement> {
    let outbox = &world.alerts.outbox;
    let excess = (outbox.len() + more).saturating_sub(Alerts::MAX_OUTBOX);
    if excess == 0 {
        return Vec::new();
    }
    let mut oldest: Vec<_> = outbox.values().collect();
    oldest.sort_by_key(|m| m.seq);
    let failed = |m: &super::Message| Statement {
        subject: m.subject.clone(),
        severity: Severity::Warning,
        cause: Some(m.seq),
        body: Body::MessageFailed(MessageEnded {
            id: m.what.id.clone(),
            channel: m.what.channel.clone(),
            attempts: m.attempts,
            why: format!(
                "{} newer messages wait: there is no room for it",
                Alerts::MAX_OUTBOX
            ),
        }),
    };
    oldest.into_iter().take(excess).map(failed).collect()
}

fn with_joined(text: &str, joined: &[Subject]) -> String {
    if joined.is_empty() {
        return text.to_string();
    }
    let named: Vec<String> = joined.iter().take(NAMED).map(ToString::to_string).collect();
    let more = joined.len().saturating_sub(NAMED);
    let rest = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{text} With it: {}{rest}.", named.join(", "))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_string(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
