//! Alerts: one cause, one thread; a recovery for every alarm; nothing said twice. Row T3.
//!
//! ```text
//! events ─► turn ─► cause ─► alert_opened ─► topology: what belongs to it closes and joins
//!                     │            │
//! actions ────────────┴─► alert_changed ─► due: once its time has come ─► tell ─► message_queued ─► effect
//!                                  │
//! time, reconcile ─────────► alert_closed ─► tell: whoever was told of the beginning is told of the end
//! ```
//!
//! Pure. [`Alerts`] is part of the world (the fold); [`consider`], [`due`] and [`review`] say what is to be stated next,
//! as events; nothing here sends anything. Evidence that is stale neither opens a thread nor closes one.
//!
//! | module | its noun |
//! |---|---|
//! | [`topic`] | what of a subject a thread is about |
//! | `turn` | what an event says about a cause |
//! | `cause` | whether a cause is there, and its words |
//! | `topology` | which cause tells of which others |
//! | `act` | what actions add |
//! | [`route`] | which messages go where |
//! | `tell` | the messages of a thread |
//! | `state` | the fold |

mod act;
mod cause;
pub mod route;
mod state;
mod tell;
pub mod topic;
mod topology;
mod turn;

pub use state::{Alerts, Message, Thread};

use alloc::string::String;
use alloc::vec::Vec;

use crate::drift;
use crate::event::{AlertChanged, AlertClosed, AlertOpened, Body, Event, Severity};
use crate::ids::Seq;
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::World;
use turn::Turn;

/// What is over or mended within this time is not told as an alarm. What is critical is told at once.
pub const GRACE: Span = Span::secs(30);
/// A cause must be over for this long before its thread closes; longer with each time that it came back.
pub const SETTLE: Span = Span::secs(30);
pub const SETTLE_AT_MOST: Span = Span::mins(10);
/// Between two messages of one thread, beside its escalation and its end.
pub const APART: Span = Span::mins(10);
/// A critical thread that stays open is told of again.
pub const REMIND: Span = Span::hours(4);
/// Causes that began within this time of each other can be one.
pub const TOGETHER: Span = Span::mins(5);

/// An event that follows for the alerts. The ID of a thread or message is that of the event that begins it, so it is
/// left empty here.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub subject: Subject,
    pub severity: Severity,
    pub cause: Option<Seq>,
    pub body: Body,
}

/// What follows for the alerts from `event`, which is folded into `world` already.
pub fn consider(world: &World, drift: &drift::Index, event: &Event, now: Now) -> Vec<Statement> {
    match &event.body {
        // Most of what happens, and what alerts say themselves.
        Body::Observed(..)
        | Body::Gone(_)
        | Body::AlertChanged(_)
        | Body::MessageQueued(_)
        | Body::MessageDelivered(_)
        | Body::MessageFailed(_) => Vec::new(),
        Body::AlertOpened(e) => topology::absorb(world, drift, &e.thread, event.seq),
        Body::AlertClosed(e) => {
            let mut follows = tell::ended(world, &e.thread, event.seq, now);
            if e.reason != topology::ABSORBED {
                follows.extend(topology::set_free(world, &e.thread, event.seq, now));
            }
            follows
        }
        body if body.action().is_some() => act::consider(world, drift, event, now),
        _ => match turn::read(event) {
            Some((topic, Turn::Ill)) => cause::begins(world, event, &topic, now),
            Some((_, Turn::Flapping)) => act::flaps(world, event, now),
            _ => Vec::new(),
        },
    }
}

/// What follows from time alone: threads that close, and those whose time to be told has come.
pub fn due(world: &World, now: Now) -> Vec<Statement> {
    if world.alerts.next_at().is_none_or(|at| now.at < at) {
        return Vec::new();
    }
    let over = |at: Option<Time>| at.is_some_and(|at| now.at >= at);
    let mut follows = Vec::new();
    for thread in world.alerts.open.values() {
        if thread.well_since.is_some() && !thread.flapping {
            if over(thread.closes_at()) {
                let (reason, text) = cause::end(thread);
                follows.push(close(thread, reason, text, Some(thread.last)));
            }
        } else if over(thread.tell_at) {
            follows.extend(tell::news(world, thread, now));
        } else if over(thread.remind_at()) && thread.tell_at.is_none() {
            let mut reminder = change(thread, "reminder", String::new(), Some(thread.last));
            set_tell_at(&mut reminder, Some(now.at));
            follows.push(reminder);
        }
    }
    follows
}

/// When [`due`] may have something to say at the latest.
pub fn next_deadline(world: &World) -> Option<Time> {
    world.alerts.next_at()
}

/// Looks at everything again, as if nothing were known of what changed: threads without a cause any more, causes
/// without a thread.
pub fn review(world: &World, drift: &drift::Index, now: Now) -> Vec<Statement> {
    let mut follows = Vec::new();
    for thread in world.alerts.open.values() {
        if let Some((reason, text)) = cause::gone(world, drift, thread) {
            follows.push(close(thread, reason, text, None));
            continue;
        }
        let left = topology::strangers(world, thread);
        if !left.is_empty() {
            let mut statement = change(thread, "left", String::new(), None);
            if let Body::AlertChanged(e) = &mut statement.body {
                e.left = left;
            }
            follows.push(statement);
        }
    }
    follows.extend(cause::untold(world, drift, now));
    follows
}

/// Whether a statement still says something: another one of the same round may have said it before.
pub fn holds(world: &World, statement: &Statement) -> bool {
    let alerts = &world.alerts;
    match &statement.body {
        Body::AlertOpened(e) => {
            let taken = e.topic == topic::STATE && alerts.joined(&statement.subject).is_some();
            !taken && alerts.thread(&statement.subject, &e.topic).is_none()
        }
        Body::AlertChanged(e) => alerts.open.contains_key(&e.thread),
        Body::AlertClosed(e) => alerts.open.contains_key(&e.thread),
        Body::MessageFailed(e) => alerts.outbox.contains_key(&e.id),
        _ => true,
    }
}

/// A statement that opens a thread; none where the bound is reached.
fn open(world: &World, draft: Draft, now: Now) -> Option<Statement> {
    let Draft {
        subject,
        topic,
        kind,
        severity,
        title,
        text,
        cause,
    } = draft;
    if world.alerts.open.len() >= Alerts::MAX_OPEN {
        return None;
    }
    let at_once = severity == Severity::Critical || cause::is_canary(world, &subject);
    let wait = if at_once { Span::ZERO } else { GRACE };
    let routed = !route::of(&world.fleet, &[&kind], &subject, severity, now).is_empty();
    let body = Body::AlertOpened(AlertOpened {
        thread: String::new(),
        kind,
        topic,
        title,
        text,
        tell_at: routed.then(|| now.at + wait),
    });
    Some(Statement {
        subject,
        severity,
        cause,
        body,
    })
}

/// A thread to be.
struct Draft {
    subject: Subject,
    topic: String,
    kind: String,
    severity: Severity,
    title: String,
    text: String,
    cause: Option<Seq>,
}

/// A change that nobody needs to be told of.
fn change(thread: &Thread, change: &str, text: String, cause: Option<Seq>) -> Statement {
    let body = Body::AlertChanged(AlertChanged {
        thread: thread.id.clone(),
        change: String::from(change),
        text,
        joined: Vec::new(),
        left: Vec::new(),
        action: None,
        tell_at: None,
    });
    Statement {
        subject: thread.subject.clone(),
        severity: Severity::Info,
        cause,
        body,
    }
}

fn set_tell_at(statement: &mut Statement, at: Option<Time>) {
    if let Body::AlertChanged(e) = &mut statement.body {
        e.tell_at = at;
    }
}

fn close(thread: &Thread, reason: &str, text: String, cause: Option<Seq>) -> Statement {
    let body = Body::AlertClosed(AlertClosed {
        thread: thread.id.clone(),
        reason: String::from(reason),
        text,
    });
    Statement {
        subject: thread.subject.clone(),
        severity: Severity::Info,
        cause,
        body,
    }
}

/// When a change may be told: not sooner than [`APART`] after the message before, nor before its own grace is over.
fn in_time(world: &World, thread: &Thread, now: Now) -> Option<Time> {
    let kinds = [thread.kind.as_str()];
    let routed = !route::of(&world.fleet, &kinds, &thread.subject, thread.severity, now).is_empty();
    let grace = thread.opened_at + GRACE;
    let apart = thread.told_at.map_or(grace, |at| at + APART);
    routed.then(|| apart.max(now.at))
}
