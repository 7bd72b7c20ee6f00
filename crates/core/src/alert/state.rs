//! The alerts of the world: open threads, the latest that ended, and the messages that wait to be delivered.
//!
//! A fold and nothing else: whether something is told, and when, was decided before it came into the log.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::turn::{self, Turn};
use super::{REMIND, SETTLE, SETTLE_AT_MOST, topic};
use crate::event::{
    AlertChanged, AlertClosed, AlertOpened, Body, Event, MessageEnded, MessageQueued, Severity,
};
use crate::ids::Seq;
use crate::subject::Subject;
use crate::time::{Span, Time};

/// Everything remembered of alerts and messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alerts {
    /// By thread ID, at most [`Alerts::MAX_OPEN`].
    pub open: BTreeMap<String, Thread>,
    /// Oldest first, at most [`Alerts::MAX_ENDED`].
    pub ended: VecDeque<Thread>,
    /// Messages without an end, by ID, at most [`Alerts::MAX_OUTBOX`].
    pub outbox: BTreeMap<String, Message>,
    /// Messages whose delivery ended, oldest first, at most [`Alerts::MAX_LOG`].
    pub log: VecDeque<Message>,
    /// The open thread of a cause.
    #[serde(with = "crate::pairs")]
    roots: BTreeMap<Root, String>,
    /// The open thread that a subject joined.
    #[serde(with = "crate::pairs")]
    members: BTreeMap<Subject, String>,
    /// Nothing follows from time alone before this.
    next_at: Option<Time>,
}

/// A cause: one open thread at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Root {
    subject: Subject,
    topic: String,
}

/// One trouble and what was told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    pub id: String,
    pub subject: Subject,
    /// What of the subject it is about.
    pub topic: String,
    pub kind: String,
    pub severity: Severity,
    pub title: String,
    pub text: String,
    pub opened_at: Time,
    pub updated_at: Time,
    pub closed_at: Option<Time>,
    /// The event that opened it.
    pub seq: Seq,
    /// The latest one of it.
    pub last: Seq,
    /// Subjects that belong to it beside its own.
    pub joined: Vec<Subject>,
    /// How it ended.
    pub reason: String,
    /// Its cause has been over since then; it closes when that has held for a while.
    pub well_since: Option<Time>,
    /// How often its cause was over and came back.
    pub relapses: u32,
    /// Its service flaps: it stays open until that is steady.
    pub flapping: bool,
    /// Stead's action mended it, and nothing came after.
    pub repaired: bool,
    /// The latest change.
    pub change: String,
    /// It is to be told then.
    pub tell_at: Option<Time>,
    pub told_at: Option<Time>,
    /// Channels that were told, at most [`Alerts::MAX_TOLD`].
    pub told: Vec<String>,
    /// Actions that were news already, at most [`Alerts::MAX_TOLD`].
    pub actions: Vec<String>,
}

/// A message and how its delivery stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    #[serde(flatten)]
    pub what: MessageQueued,
    pub subject: Subject,
    pub queued_at: Time,
    pub seq: Seq,
    pub ended_at: Option<Time>,
    pub attempts: u32,
    /// Why it was given up; empty where it was not.
    pub why: String,
}

impl Thread {
    /// When it closes if nothing comes back.
    pub(super) fn closes_at(&self) -> Option<Time> {
        let well = self.well_since?;
        // Much that fell ill at once is one trouble until all of it is well.
        let more = self.topic == topic::BRAKE && !self.joined.is_empty();
        if self.flapping || more {
            return None;
        }
        let times = u64::from(self.relapses).saturating_add(1);
        Some(well + Span(SETTLE.0.saturating_mul(times)).min(SETTLE_AT_MOST))
    }

    /// When something follows for it from time alone.
    fn next_at(&self) -> Option<Time> {
        if self.well_since.is_some() && !self.flapping {
            return self.closes_at();
        }
        self.tell_at.or_else(|| self.remind_at())
    }

    /// When people are told again that it is still open.
    pub(super) fn remind_at(&self) -> Option<Time> {
        let critical = self.severity == Severity::Critical;
        self.told_at.filter(|_| critical).map(|at| at + REMIND)
    }
}

impl Alerts {
    /// Bound on open threads: what exceeds it is told of when others have closed.
    pub const MAX_OPEN: usize = 500;
    pub const MAX_ENDED: usize = 200;
    /// Bound on messages that wait: the oldest is given up for the newest.
    pub const MAX_OUTBOX: usize = 1_000;
    pub const MAX_LOG: usize = 500;
    /// Bound on subjects of one thread that are listed.
    pub const MAX_JOINED: usize = 200;
    pub const MAX_TOLD: usize = 64;

    /// The open thread of `subject`'s `topic`.
    pub fn thread(&self, subject: &Subject, topic: &str) -> Option<&Thread> {
        if self.roots.is_empty() {
            return None;
        }
        let root = Root {
            subject: subject.clone(),
            topic: topic.to_string(),
        };
        self.open.get(self.roots.get(&root)?)
    }

    /// The open thread that `subject` joined.
    pub fn joined(&self, subject: &Subject) -> Option<&Thread> {
        self.open.get(self.members.get(subject)?)
    }

    /// A thread, open or among the latest that ended.
    pub fn by_id(&self, id: &str) -> Option<&Thread> {
        let ended = || self.ended.iter().rev().find(|t| t.id == id);
        self.open.get(id).or_else(ended)
    }

    /// When something follows from time alone, at the earliest.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.next_at
    }

    /// Folds an event in.
    pub(crate) fn apply(&mut self, event: &Event) {
        let moved = match &event.body {
            Body::AlertOpened(e) => self.opened(event, e),
            Body::AlertChanged(e) => self.changed(event, e),
            Body::AlertClosed(e) => self.closed(event, e),
            Body::MessageQueued(e) => self.queued(event, e),
            Body::MessageDelivered(e) | Body::MessageFailed(e) => {
                self.ended(event, e);
                false
            }
            Body::ClockJumped(by) => self.shift(*by),
            _ => !self.open.is_empty() && self.turn(event),
        };
        if moved {
            self.next_at = self.open.values().filter_map(Thread::next_at).min();
        }
    }

    fn opened(&mut self, event: &Event, e: &AlertOpened) -> bool {
        let root = Root {
            subject: event.subject.clone(),
            topic: e.topic.clone(),
        };
        let thread = Thread {
            id: e.thread.clone(),
            subject: event.subject.clone(),
            topic: e.topic.clone(),
            kind: e.kind.clone(),
            severity: event.severity,
            title: e.title.clone(),
            text: e.text.clone(),
            opened_at: event.at,
            updated_at: event.at,
            closed_at: None,
            seq: event.seq,
            last: event.seq,
            joined: Vec::new(),
            reason: String::new(),
            well_since: None,
            relapses: 0,
            flapping: false,
            repaired: false,
            change: String::new(),
            tell_at: e.tell_at,
            told_at: None,
            told: Vec::new(),
            actions: Vec::new(),
        };
        self.roots.insert(root, e.thread.clone());
        self.open.insert(e.thread.clone(), thread);
        true
    }

    fn changed(&mut self, event: &Event, e: &AlertChanged) -> bool {
        let Some(thread) = self.open.get_mut(&e.thread) else {
            return false;
        };
        thread.updated_at = event.at;
        thread.last = event.seq;
        thread.severity = thread.severity.max(event.severity);
        if !e.text.is_empty() {
            thread.text.clone_from(&e.text);
        }
        thread.change.clone_from(&e.change);
        if let Some(at) = e.tell_at {
            thread.tell_at = Some(thread.tell_at.map_or(at, |before| before.min(at)));
        }
        match e.change.as_str() {
            "repaired" => thread.repaired = true,
            "unrouted" => (thread.tell_at, thread.told_at) = (None, None),
            _ => {}
        }
        if let Some(action) = &e.action {
            push_new(&mut thread.actions, action, Alerts::MAX_TOLD);
        }
        for subject in &e.joined {
            if thread.joined.len() < Alerts::MAX_JOINED && !self.members.contains_key(subject) {
                thread.joined.push(subject.clone());
                self.members.insert(subject.clone(), e.thread.clone());
            }
        }
        for subject in &e.left {
            self.leave(subject, event.at);
        }
        true
    }

    fn closed(&mut self, event: &Event, e: &AlertClosed) -> bool {
        let Some(mut thread) = self.open.remove(&e.thread) else {
            return false;
        };
        let root = Root {
            subject: thread.subject.clone(),
            topic: thread.topic.clone(),
        };
        self.roots.remove(&root);
        for subject in &thread.joined {
            self.members.remove(subject);
        }
        thread.updated_at = event.at;
        thread.last = event.seq;
        thread.closed_at = Some(event.at);
        thread.text.clone_from(&e.text);
        thread.reason.clone_from(&e.reason);
        push(&mut self.ended, thread, Alerts::MAX_ENDED);
        true
    }

    fn queued(&mut self, event: &Event, e: &MessageQueued) -> bool {
        let message = Message {
            what: e.clone(),
            subject: event.subject.clone(),
            queued_at: event.at,
            seq: event.seq,
            ended_at: None,
            attempts: 0,
            why: String::new(),
        };
        self.outbox.insert(e.id.clone(), message);
        let thread = e.thread.as_ref().and_then(|id| self.open.get_mut(id));
        let Some(thread) = thread else { return false };
        thread.tell_at = None;
        thread.told_at = Some(event.at);
        push_new(&mut thread.told, &e.channel, Alerts::MAX_TOLD);
        true
    }

    fn ended(&mut self, event: &Event, e: &MessageEnded) {
        if let Some(mut message) = self.outbox.remove(&e.id) {
            message.ended_at = Some(event.at);
            message.attempts = e.attempts;
            message.why.clone_from(&e.why);
            push(&mut self.log, message, Alerts::MAX_LOG);
        }
    }

    /// The clock was set: what waits keeps its length.
    fn shift(&mut self, by: i64) -> bool {
        for thread in self.open.values_mut() {
            let times = [
                &mut thread.tell_at,
                &mut thread.told_at,
                &mut thread.well_since,
            ];
            for at in times.into_iter().flatten() {
                at.0 = at.0.saturating_add(by);
            }
        }
        true
    }

    /// The cause of a thread came back, or is over.
    fn turn(&mut self, event: &Event) -> bool {
        let Some((topic, turn)) = turn::read(event) else {
            return false;
        };
        let left = turn == Turn::Well
            && topic == topic::STATE
            && !self.members.is_empty()
            && self.leave(&event.subject, event.at);
        let root = Root {
            subject: event.subject.clone(),
            topic: topic.into_owned(),
        };
        let thread = self.roots.get(&root).and_then(|id| self.open.get_mut(id));
        let Some(thread) = thread else { return left };
        match turn {
            Turn::Ill => {
                if thread.well_since.take().is_some() {
                    thread.relapses = thread.relapses.saturating_add(1);
                }
                thread.repaired = false;
            }
            Turn::Well => {
                thread.well_since.get_or_insert(event.at);
            }
            Turn::Flapping => thread.flapping = true,
            Turn::Steady => thread.flapping = false,
        }
        true
    }

    /// `subject` belongs to the thread it joined no longer.
    fn leave(&mut self, subject: &Subject, at: Time) -> bool {
        let thread = self.members.remove(subject);
        let Some(thread) = thread.and_then(|id| self.open.get_mut(&id)) else {
            return false;
        };
        thread.joined.retain(|s| s != subject);
        if let Some(well) = &mut thread.well_since {
            *well = at;
        }
        true
    }
}

fn push<T>(to: &mut VecDeque<T>, item: T, most: usize) {
    if to.len() >= most {
        to.pop_front();
    }
    to.push_back(item);
}

/// Adds what is not there yet; at the bound the oldest is forgotten.
fn push_new(to: &mut Vec<String>, item: &str, most: usize) {
    if to.iter().any(|known| known == item) {
        return;
    }
    if to.len() >= most {
        to.remove(0);
    }
    to.push(item.to_string());
}
