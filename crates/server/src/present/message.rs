//! Alerts and messages as people see them. Addresses and secrets of channels are never shown.

use stead_core::alert::{Message, Thread, route};
use stead_core::desired::Channel;
use stead_core::event::Severity;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_protocol::api;

use super::{Look, at};

/// Messages about a subject that its page shows.
const SHOWN: usize = 50;

pub fn message(m: &Message) -> api::Message {
    let state = match (m.ended_at, m.why.is_empty()) {
        (None, _) => "waiting",
        (Some(_), true) => "delivered",
        (Some(_), false) => "failed",
    };
    api::Message {
        id: m.what.id.clone(),
        thread: m.what.thread.clone(),
        channel: m.what.channel.clone(),
        route: m.what.route.clone(),
        sort: m.what.sort.clone(),
        severity: m.what.severity.word().to_string(),
        subject: m.subject.to_string(),
        title: m.what.title.clone(),
        text: m.what.text.clone(),
        ping: m.what.ping,
        state: state.to_string(),
        queued_at: m.queued_at.to_string(),
        ended_at: at(m.ended_at),
        attempts: m.attempts,
        why: m.why.clone(),
    }
}

/// Every message that is remembered.
fn all(look: Look<'_>) -> impl Iterator<Item = &Message> {
    let alerts = &look.world.alerts;
    alerts.log.iter().chain(alerts.outbox.values())
}

/// The delivery log, newest first: what waits, and what ended.
pub fn messages(look: Look<'_>, wanted: impl Fn(&Message) -> bool) -> Vec<api::Message> {
    let mut found: Vec<&Message> = all(look).filter(|m| wanted(m)).collect();
    found.sort_by_key(|m| std::cmp::Reverse(m.seq));
    found.into_iter().map(message).collect()
}

/// What was told of a thread, oldest first.
fn told(look: Look<'_>, wanted: impl Fn(&Message) -> bool) -> Vec<api::Message> {
    let mut found = messages(look, wanted);
    found.truncate(SHOWN);
    found.reverse();
    found
}

pub fn alert(look: Look<'_>, t: &Thread) -> api::Alert {
    api::Alert {
        id: t.id.clone(),
        subject: t.subject.to_string(),
        node: t.subject.node().map(ToString::to_string),
        service: t.subject.service().map(ToString::to_string),
        kind: t.kind.clone(),
        severity: t.severity.word().to_string(),
        title: t.title.clone(),
        text: t.text.clone(),
        opened_at: t.opened_at.to_string(),
        updated_at: t.updated_at.to_string(),
        closed_at: at(t.closed_at),
        reason: t.reason.clone(),
        seq: t.seq.0,
        joined: t.joined.iter().map(ToString::to_string).collect(),
        well_since: at(t.well_since),
        flapping: t.flapping,
        repaired: t.repaired,
        messages: told(look, |m| m.what.thread.as_ref() == Some(&t.id)),
    }
}

/// Open ones worst first, then newest; ended ones newest first. At most `most` of each.
pub fn alerts(look: Look<'_>, most: usize) -> api::Alerts {
    let mut open: Vec<&Thread> = look.world.alerts.open.values().collect();
    open.sort_by_key(|t| std::cmp::Reverse((t.severity.rank(), t.opened_at, t.seq)));
    let ended = look.world.alerts.ended.iter().rev();
    api::Alerts {
        open: open
            .into_iter()
            .take(most)
            .map(|t| alert(look, t))
            .collect(),
        ended: ended.take(most).map(|t| alert(look, t)).collect(),
    }
}

/// What was told about `subject` from `since` on, by threads that were open until `until` at the latest, oldest first;
/// and where nobody was told although there was such a thread, why.
pub(super) fn about(
    look: Look<'_>,
    subject: &Subject,
    since: Time,
    until: Option<Time>,
) -> (Vec<api::Message>, Option<String>) {
    let alerts = &look.world.alerts;
    let of = |t: &&Thread| {
        (t.subject == *subject || t.joined.contains(subject))
            && t.closed_at.is_none_or(|at| at >= since)
            && until.is_none_or(|until| t.opened_at <= until)
    };
    let threads: Vec<&Thread> = alerts
        .open
        .values()
        .chain(&alerts.ended)
        .filter(of)
        .collect();
    let its = |m: &Message| {
        let thread = m.what.thread.as_ref();
        m.queued_at >= since && thread.is_some_and(|id| threads.iter().any(|t| t.id == *id))
    };
    let messages = told(look, its);
    let silent = threads.last().filter(|_| messages.is_empty());
    (messages, silent.map(|t| silence(look, t)))
}

/// Why a thread was not told of.
fn silence(look: Look<'_>, t: &Thread) -> String {
    let kinds = [t.kind.as_str()];
    let routes = route::of(&look.world.fleet, &kinds, &t.subject, t.severity, look.now);
    match (routes.is_empty(), t.told_at, t.tell_at) {
        (_, Some(at), _) => format!("the alert was told of at {at} already, by what came before"),
        (true, None, _) => {
            "an alert was opened; no route leads it anywhere, so nobody is told".to_string()
        }
        (false, None, Some(at)) => {
            format!("an alert is open; it is told at {at}, unless it is over before")
        }
        (false, None, None) => "the alert was over before it was to be told".to_string(),
    }
}

/// The channels that the fleet can use.
pub fn channels(look: Look<'_>) -> Vec<api::Channel> {
    let fleet = &look.world.fleet;
    let row = |(name, channel): (&String, &Channel)| {
        let leads = |r: &&stead_core::desired::Route| r.to.contains(name);
        let here = |m: &&Message| m.what.channel == *name;
        let alerts = &look.world.alerts;
        api::Channel {
            name: name.clone(),
            kind: match channel {
                Channel::Webhook(_) => "webhook",
            }
            .to_string(),
            routes: fleet
                .routes
                .iter()
                .filter(leads)
                .map(|r| r.name.clone())
                .collect(),
            waiting: alerts.outbox.values().filter(here).count() as u64,
            last: alerts.log.iter().rev().find(here).map(message),
        }
    };
    fleet.channels.iter().map(row).collect()
}

/// Where an event would go now, route by route.
pub fn simulate(
    look: Look<'_>,
    kind: &str,
    subject: &Subject,
    severity: Severity,
) -> Vec<api::RouteAnswer> {
    let opinions = route::simulate(&look.world.fleet, kind, subject, severity, look.now);
    let row = |o: route::Opinion| api::RouteAnswer {
        route: o.route,
        takes: o.against.is_none(),
        against: o.against.map(ToString::to_string),
        to: o.to,
        ping: o.ping,
    };
    opinions.into_iter().map(row).collect()
}
