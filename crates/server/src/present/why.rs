//! Row L13: an action explains itself as a chain, from the first event to what it waits for now.

use std::collections::BTreeMap;

use stead_core::action::{Action, Phase, State};
use stead_core::event::Event;
use stead_core::ids::Seq;
use stead_core::policy::{self, Answer};
use stead_core::time::Time;
use stead_core::world::EvidenceState;
use stead_protocol::api;

use super::Look;

/// What an open action waits for now; `None` when nothing.
pub fn waits_for(look: Look<'_>, action: &Action) -> Option<String> {
    match (action.state, action.phase) {
        (State::Pending, _) => Some(decision(look, action)),
        (State::Approved, _) => policy::waits_for(look.world, action, look.now),
        (State::Running, Some(Phase::Verifying { until })) => Some(format!(
            "fresh evidence that the trouble is gone, until {until}"
        )),
        (State::Running, Some(Phase::Unknown { until })) => Some(format!(
            "evidence of how the last step ended, until {until}; it is not repeated blindly"
        )),
        _ => None,
    }
}

fn decision(look: Look<'_>, action: &Action) -> String {
    if action.direct {
        return "a person: what would be done changed since it was approved".to_string();
    }
    let verdict = policy::review(look.world, action, look.now);
    let rule = verdict.limit.as_ref().unwrap_or(&verdict.rule);
    match verdict.answer {
        Answer::Ready => match silence(look, action) {
            Some(node) => format!("{node} to be seen again; then policy decides ({rule})"),
            None => format!("policy, which will start it ({rule})"),
        },
        Answer::Ask => format!("a person's decision: {rule}"),
        Answer::Refused => format!("a person, or the limit to pass: {rule}"),
    }
}

fn silence(look: Look<'_>, action: &Action) -> Option<String> {
    let node = action.key.subject.node()?;
    let fresh = look
        .world
        .node(node)
        .is_some_and(|n| n.evidence.state == EvidenceState::Fresh);
    (!fresh).then(|| node.to_string())
}

/// The chain. `events` are the logged events it names, by number, and those that led to its first one; any may be
/// missing (compacted away).
pub fn why(look: Look<'_>, action: &Action, events: &BTreeMap<Seq, Event>) -> api::Why {
    let mut links = before(action, events);
    links.extend(action.chain.iter().map(|link| {
        let (text, rule) = match (link.stage.as_str(), &link.rule) {
            ("policy", None) => split_rule(&link.text),
            (_, rule) => (link.text.clone(), rule.clone()),
        };
        api::WhyLink {
            stage: link.stage.clone(),
            at: Some(link.at.to_string()),
            text,
            rule,
            event: events.get(&link.seq).map(super::event),
        }
    }));
    let messages = tell(look, action, &mut links);
    if let Some(waits) = waits_for(look, action) {
        let rule = (action.state == State::Pending && !action.direct).then(|| {
            let verdict = policy::review(look.world, action, look.now);
            verdict.limit.unwrap_or(verdict.rule)
        });
        let text = format!("waits for {waits}");
        links.push(api::WhyLink {
            stage: "waiting".into(),
            at: None,
            text,
            rule,
            event: None,
        });
    }
    api::Why {
        id: action.id(),
        occurrence: action.occurrence,
        summary: summary(look, action),
        links,
        subject: action.key.subject.to_string(),
        state: action.state.word().to_string(),
        messages,
        ..api::Why::default()
    }
}

/// Puts what was told about it among the links, by time, and returns it.
fn tell(look: Look<'_>, action: &Action, links: &mut Vec<api::WhyLink>) -> Vec<api::Message> {
    let first = links.first().and_then(|l| l.at.as_ref()?.parse().ok());
    let since = first.map_or(action.created_at, |at: Time| at.min(action.created_at));
    let until = (!action.state.is_open()).then_some(action.updated_at);
    let (messages, silence) = super::message::about(look, &action.key.subject, since, until);
    for m in &messages {
        let link = api::WhyLink {
            stage: "message".into(),
            at: Some(m.queued_at.clone()),
            text: told(m),
            rule: (!m.route.is_empty()).then(|| format!("routes.{}", m.route)),
            event: None,
        };
        // Instants of one form are ordered as texts.
        let later = |l: &api::WhyLink| l.at.as_ref().is_none_or(|at| *at > m.queued_at);
        let place = links.iter().position(later).unwrap_or(links.len());
        links.insert(place, link);
    }
    if let Some(text) = silence {
        links.push(api::WhyLink {
            stage: "message".into(),
            at: None,
            text,
            rule: None,
            event: None,
        });
    }
    messages
}

fn told(m: &api::Message) -> String {
    let end = match m.state.as_str() {
        "delivered" if m.attempts > 1 => format!("delivered at attempt {}", m.attempts),
        "failed" => format!("given up after {} attempts: {}", m.attempts, m.why),
        other => other.to_string(),
    };
    format!("told {}: {} ({end})", m.channel, m.title)
}

/// What led to the first event of the chain, oldest first.
fn before(action: &Action, events: &BTreeMap<Seq, Event>) -> Vec<api::WhyLink> {
    let mut links = Vec::new();
    let mut next = action
        .chain
        .first()
        .and_then(|l| events.get(&l.seq))
        .and_then(|e| e.cause);
    // Causes point backwards only, so this ends.
    while let Some(event) = next.and_then(|seq| events.get(&seq)) {
        links.push(api::WhyLink {
            stage: "event".into(),
            at: Some(event.at.to_string()),
            text: super::text(event),
            rule: None,
            event: Some(super::event(event)),
        });
        next = event.cause.filter(|cause| *cause < event.seq);
    }
    links.reverse();
    links
}

/// What the policy said, with what decided it.
fn split_rule(text: &str) -> (String, Option<String>) {
    let verdict = super::restraint::read_verdict(text);
    (text.to_string(), verdict.map(|v| v.limit.unwrap_or(v.rule)))
}

fn summary(look: Look<'_>, a: &Action) -> String {
    let label = a.label();
    let reason = if a.reason.is_empty() {
        "a person asked for it"
    } else {
        a.reason.as_str()
    };
    let by = a
        .approved_by
        .as_ref()
        .map(|by| format!(", approved by {by}"))
        .unwrap_or_default();
    let ended = a.outcome.as_deref().unwrap_or("");
    match a.state {
        State::Pending | State::Approved => {
            let waits = waits_for(look, a).map_or_else(
                || "it starts now".to_string(),
                |w| format!("it waits for {w}"),
            );
            format!("{label} was raised because {reason}{by}; {waits}.")
        }
        State::Running => format!("{label} runs because {reason}{by}."),
        State::Completed => format!("{label} mended this: {reason}{by}."),
        State::Failed => format!("{label} was to mend this: {reason}{by}. It failed: {ended}."),
        State::Rejected => format!("{label} was proposed because {reason}, and {ended}."),
        State::Cancelled => {
            format!("{label} was proposed because {reason}, and cancelled: {ended}.")
        }
    }
}
