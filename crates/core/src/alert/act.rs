//! What actions add to a thread: one that asks, that mended it, that Stead gave up on. Where nothing else tells of an
//! action that wants a person, it has a thread of its own.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Draft, Statement, Thread, cause, change, close, in_time, open, set_tell_at, topic};
use crate::action::{Action, ActionKey, ActionKind, State};
use crate::controller::GIVE_UP_AFTER;
use crate::drift;
use crate::event::{ActionEnded, Body, Event, Proposed, Severity};
use crate::policy::{self, Answer, Now};
use crate::subject::Subject;
use crate::world::World;

/// What follows from an event of an action.
pub(super) fn consider(
    world: &World,
    index: &drift::Index,
    event: &Event,
    now: Now,
) -> Vec<Statement> {
    let news = match &event.body {
        Body::ActionProposed(e) => proposed(world, event, e, now),
        Body::ActionFailed(e) => failed(world, event, e, now),
        Body::ActionCompleted(e) => completed(world, event, e),
        _ => None,
    };
    let mut follows: Vec<Statement> = news.into_iter().collect();
    // An action's own thread ends with its reason, whatever that was.
    let own = event
        .body
        .action()
        .and_then(|(id, _)| own_thread(world, &event.subject, id));
    if let Some(thread) = own
        && let Some((reason, text)) = settled(world, index, thread)
    {
        follows.push(close(thread, reason, text, Some(event.seq)));
    }
    follows
}

/// A service flaps: repairs are held, and whoever knows of it learns why.
pub(super) fn flaps(world: &World, event: &Event, now: Now) -> Vec<Statement> {
    let Some(thread) = world.alerts.thread(&event.subject, topic::STATE) else {
        return Vec::new();
    };
    let text = format!(
        "{} It changes between well and ill so often that repairing it is no answer.",
        cause::sentence(&thread.text)
    );
    let mut statement = change(thread, "flapping", text, Some(event.seq));
    set_tell_at(&mut statement, in_time(world, thread, now));
    alloc::vec![statement]
}

fn own_thread<'a>(world: &'a World, subject: &Subject, id: &str) -> Option<&'a Thread> {
    if world.alerts.open.is_empty() {
        return None;
    }
    let kinds = crate::action::ActionKind::ALL.into_iter();
    let kind = kinds
        .map(|kind| ActionKey {
            kind,
            subject: subject.clone(),
        })
        .find(|key| key.has_id(id))?
        .kind;
    world.alerts.thread(subject, &topic::action(kind))
}

/// The thread that tells of an action's subject already.
fn telling<'a>(world: &'a World, action: &Action) -> Option<&'a Thread> {
    let alerts = &world.alerts;
    let subject = &action.key.subject;
    let own = || alerts.thread(subject, &topic::action(action.key.kind));
    if action.trigger == crate::action::Trigger::HolderSilent {
        return own();
    }
    // A node's actions answer a level of it: the disk that is full.
    let level = || {
        let about = |t: &&Thread| t.subject == *subject && t.topic.contains(':');
        let found = alerts.open.values().filter(|_| subject.service().is_none());
        found
            .filter(about)
            .find(|t| topic::action_of(&t.topic).is_none())
    };
    alerts
        .thread(subject, topic::STATE)
        .or_else(|| alerts.joined(subject))
        .or_else(level)
        .or_else(own)
}

fn proposed(world: &World, event: &Event, e: &Proposed, now: Now) -> Option<Statement> {
    // It may have been decided in this very step.
    let action = world.actions.open.get(&e.key)?;
    let waits = action.state == State::Pending && action.occurrence == e.occurrence;
    if e.direct || !waits {
        return None;
    }
    let verdict = policy::review(world, action, now);
    match (verdict.answer, verdict.limit) {
        (Answer::Ask, _) => asks(world, event, action, &verdict.rule, now),
        (Answer::Refused, Some(limit)) if limit.starts_with("policy.limits.") => {
            let text = format!(
                "{} It is ill again, and Stead may not repair it again so soon ({limit}). {}",
                cause::sentence(&action.reason),
                approve(action)
            );
            gave_up(
                world,
                event,
                action,
                &format!("limit:{}", action.id()),
                text,
                now,
            )
        }
        // A lock, the brake, flapping: whoever set it knows, or is told of it by another thread.
        _ => None,
    }
}

fn approve(action: &Action) -> String {
    format!(
        "To do it all the same: `stead actions approve {}`.",
        action.id()
    )
}

fn asks(world: &World, event: &Event, action: &Action, rule: &str, now: Now) -> Option<Statement> {
    let id = action.id();
    let text = format!(
        "{} {} would be the answer and waits for a decision ({rule}): `stead actions approve {id}`.",
        cause::sentence(&action.reason),
        action.key.kind
    );
    let Some(thread) = telling(world, action) else {
        let title = format!(
            "{} of {} waits for a decision",
            action.key.kind, action.key.subject
        );
        return open(
            world,
            draft(event, action, Severity::Warning, title, text),
            now,
        );
    };
    if thread.actions.contains(&id) {
        return None;
    }
    let mut statement = change(thread, "asks", text, Some(event.seq));
    name_action(&mut statement, id);
    set_tell_at(&mut statement, in_time(world, thread, now));
    Some(statement)
}

fn draft(event: &Event, action: &Action, severity: Severity, title: String, text: String) -> Draft {
    Draft {
        subject: action.key.subject.clone(),
        topic: topic::action(action.key.kind),
        kind: event.kind().to_string(),
        severity,
        title,
        text,
        cause: Some(event.seq),
    }
}

fn name_action(statement: &mut Statement, id: String) {
    if let Body::AlertChanged(e) = &mut statement.body {
        e.action = Some(id);
    }
}

/// A person must look: the same thread, critical from here on.
fn gave_up(
    world: &World,
    event: &Event,
    action: &Action,
    news: &str,
    text: String,
    now: Now,
) -> Option<Statement> {
    let Some(thread) = telling(world, action) else {
        let title = format!(
            "{} of {} does not help",
            action.key.kind, action.key.subject
        );
        return open(
            world,
            draft(event, action, Severity::Critical, title, text),
            now,
        );
    };
    let known = thread.actions.iter().any(|known| known == news);
    if known {
        return None;
    }
    let mut statement = change(thread, "escalated", text, Some(event.seq));
    let worse = thread.severity < Severity::Critical;
    statement.severity = Severity::Critical;
    name_action(&mut statement, news.to_string());
    let at = if worse {
        Some(now.at)
    } else {
        in_time(world, thread, now)
    };
    set_tell_at(&mut statement, at);
    Some(statement)
}

fn failed(world: &World, event: &Event, e: &ActionEnded, now: Now) -> Option<Statement> {
    let action = world.actions.ended.iter().rev();
    let action = action.take(64).find(|a| {
        a.occurrence == e.occurrence && a.key.subject == event.subject && a.key.has_id(&e.action)
    })?;
    let again = format!(
        "`stead actions start {} {}` tries again.",
        action.key.kind, event.subject
    );
    if action.key.kind == ActionKind::Drill {
        return drill_failed(world, event, action, e, now);
    }
    if event.severity == Severity::Critical {
        let text = format!(
            "{} failed {GIVE_UP_AFTER} times in a row, the last time because {} Stead stopped trying: a person must \
             look. {again}",
            action.key.kind,
            cause::sentence(&e.detail)
        );
        return gave_up(
            world,
            event,
            action,
            &format!("failed:{}", e.action),
            text,
            now,
        );
    }
    if e.code != "outcome-unknown" {
        return None;
    }
    let text = format!(
        "How {} ended is not known: {} {again}",
        action.key.kind,
        cause::sentence(&e.detail)
    );
    let Some(thread) = telling(world, action) else {
        let title = format!(
            "Nobody knows how {} of {} ended",
            action.key.kind, event.subject
        );
        return open(
            world,
            draft(event, action, Severity::Warning, title, text),
            now,
        );
    };
    let mut statement = change(thread, "stuck", text, Some(event.seq));
    set_tell_at(&mut statement, in_time(world, thread, now));
    Some(statement)
}

/// What failed for the canary fails for others as well: told at once, and open until a drill succeeds.
fn drill_failed(
    world: &World,
    event: &Event,
    action: &Action,
    e: &ActionEnded,
    now: Now,
) -> Option<Statement> {
    let text = format!(
        "{} `stead drill run` tries again.",
        cause::sentence(&e.detail)
    );
    let own = topic::action(ActionKind::Drill);
    if let Some(thread) = world.alerts.thread(&event.subject, &own) {
        let mut statement = change(thread, "again", text, Some(event.seq));
        set_tell_at(&mut statement, in_time(world, thread, now));
        return Some(statement);
    }
    let title = format!("The drill on {} failed", event.subject);
    open(
        world,
        draft(event, action, Severity::Critical, title, text),
        now,
    )
}

/// Stead mended it: the thread says so when it closes.
fn completed(world: &World, event: &Event, e: &ActionEnded) -> Option<Statement> {
    let action = world.actions.ended.iter().rev();
    let action = action.take(64).find(|a| {
        a.occurrence == e.occurrence && a.key.subject == event.subject && a.key.has_id(&e.action)
    })?;
    let thread = telling(world, action)?;
    let own = thread.subject == event.subject && topic::action_of(&thread.topic).is_none();
    let by = match &action.approved_by {
        Some(by) => format!(", approved by {by}"),
        None => String::new(),
    };
    let text = format!("{}{by}: {}", action.key.kind, e.detail);
    own.then(|| change(thread, "repaired", text, Some(event.seq)))
}

/// How an action's own thread ends that nothing keeps open any more.
pub(super) fn settled(
    world: &World,
    index: &drift::Index,
    thread: &Thread,
) -> Option<(&'static str, String)> {
    let key = ActionKey {
        kind: topic::action_of(&thread.topic)?,
        subject: thread.subject.clone(),
    };
    let open = world.actions.open.get(&key);
    if open.is_some_and(|a| a.state == State::Pending) {
        return None;
    }
    let memory = world.actions.memory.get(&key);
    let given_up = memory.is_some_and(|m| m.failures >= GIVE_UP_AFTER || m.unknown);
    let drifts = !index.get(&key.subject).is_empty();
    let failed = memory.is_some_and(|m| m.failures > 0);
    if key.kind == ActionKind::Drill && failed && world.fleet.drill.is_some() {
        return None;
    }
    if open.is_none() && given_up && drifts {
        return None;
    }
    let last = || world.actions.ended.iter().rev().find(|a| a.key == key);
    Some(match open.or_else(last) {
        Some(action) if action.state == State::Completed => (
            "repaired",
            format!("{} {}", action.label(), action.state.word()),
        ),
        Some(action) => (
            "recovered",
            format!(
                "It is decided: {} is {}.",
                action.label(),
                action.state.word()
            ),
        ),
        None => ("recovered", "It is over.".to_string()),
    })
}
