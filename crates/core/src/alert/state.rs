//! The alerts of the world: open threads, the latest that ended, and the messages that wait to be delivered.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::{Body, Event, MessageQueued, Severity};
use crate::ids::Seq;
use crate::subject::Subject;
use crate::time::Time;

/// Everything remembered of alerts and messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    /// By thread ID.
    pub open: BTreeMap<String, Thread>,
    /// Oldest first, at most [`Alerts::MAX_ENDED`].
    pub ended: VecDeque<Thread>,
    /// Messages without an end, by ID.
    pub outbox: BTreeMap<String, Message>,
    /// Messages whose delivery ended, oldest first, at most [`Alerts::MAX_LOG`].
    pub log: VecDeque<Message>,
}

/// One trouble and what was told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    pub id: String,
    pub subject: Subject,
    pub kind: String,
    pub severity: Severity,
    pub title: String,
    pub text: String,
    pub opened_at: Time,
    pub updated_at: Time,
    pub closed_at: Option<Time>,
    /// The event that opened it.
    pub seq: Seq,
    /// Subjects that belong to it beside its own.
    pub joined: Vec<Subject>,
    /// How it ended.
    pub reason: String,
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

impl Alerts {
    pub const MAX_ENDED: usize = 200;
    pub const MAX_LOG: usize = 500;
    /// Bound on subjects of one thread that are listed.
    pub const MAX_JOINED: usize = 200;

    /// Folds an event in.
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::AlertOpened(e) => {
                let thread = Thread {
                    id: e.thread.clone(),
                    subject: event.subject.clone(),
                    kind: e.kind.clone(),
                    severity: event.severity,
                    title: e.title.clone(),
                    text: e.text.clone(),
                    opened_at: event.at,
                    updated_at: event.at,
                    closed_at: None,
                    seq: event.seq,
                    joined: Vec::new(),
                    reason: String::new(),
                };
                self.open.insert(e.thread.clone(), thread);
            }
            Body::AlertChanged(e) => {
                if let Some(thread) = self.open.get_mut(&e.thread) {
                    thread.updated_at = event.at;
                    thread.severity = thread.severity.max(event.severity);
                    thread.text.clone_from(&e.text);
                    let room = Alerts::MAX_JOINED.saturating_sub(thread.joined.len());
                    thread.joined.extend(e.joined.iter().take(room).cloned());
                }
            }
            Body::AlertClosed(e) => {
                if let Some(mut thread) = self.open.remove(&e.thread) {
                    thread.updated_at = event.at;
                    thread.closed_at = Some(event.at);
                    thread.text.clone_from(&e.text);
                    thread.reason.clone_from(&e.reason);
                    push(&mut self.ended, thread, Alerts::MAX_ENDED);
                }
            }
            Body::MessageQueued(e) => {
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
            }
            Body::MessageDelivered(e) | Body::MessageFailed(e) => {
                if let Some(mut message) = self.outbox.remove(&e.id) {
                    message.ended_at = Some(event.at);
                    message.attempts = e.attempts;
                    message.why.clone_from(&e.why);
                    push(&mut self.log, message, Alerts::MAX_LOG);
                }
            }
            _ => {}
        }
    }
}

fn push<T>(to: &mut VecDeque<T>, item: T, most: usize) {
    if to.len() >= most {
        to.pop_front();
    }
    to.push_back(item);
}
