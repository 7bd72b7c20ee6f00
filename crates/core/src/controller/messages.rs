//! Alerts become statements in the log, messages become effects.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::decide::{Refusal, Reply, refuse};
use super::{Controller, Effect};
use crate::action::Principal;
use crate::alert;
use crate::event::{Body, MessageEnded, MessageQueued, Severity, Source};
use crate::ids::nearest;
use crate::policy::Now;
use crate::subject::Subject;

/// Bound on rounds: what time brings may open a thread, and a thread is told of in the round after.
const ROUNDS: usize = 8;

impl Controller {
    /// What follows for the alerts from everything this step recorded, and from time; with `whole` from everything
    /// that is.
    pub(super) fn speak(&mut self, now: Now, whole: bool) {
        let mut seen = 0;
        for round in 0..ROUNDS {
            // What an event leads to is an event, and looked at in its turn.
            while let Some(event) = self.step.events.get(seen) {
                let follows = alert::consider(&self.world, &self.drift, event, now);
                seen += 1;
                self.state(now, follows);
            }
            let mut due = alert::due(&self.world, now);
            if whole && round == 0 {
                due.extend(alert::review(&self.world, &self.drift, now));
            }
            if due.is_empty() {
                return;
            }
            self.state(now, due);
        }
    }

    fn state(&mut self, now: Now, statements: Vec<alert::Statement>) {
        for statement in statements {
            if !alert::holds(&self.world, &statement) {
                continue;
            }
            let alert::Statement {
                subject,
                severity,
                cause,
                mut body,
            } = statement;
            let id = format!("{}-{}", self.log_id, self.world.head.next());
            match &mut body {
                Body::AlertOpened(e) => e.thread = id,
                Body::MessageQueued(e) => {
                    e.id.clone_from(&id);
                    self.step.effects.push(Effect::Message { id });
                }
                _ => {}
            }
            self.cause = cause;
            self.emit(now.at, subject, severity, Source::Server, body);
        }
    }

    /// After a start: whatever has no end yet is handed out again, in the order it was decided.
    pub(super) fn deliver_again(&mut self) {
        let outbox = &self.world.alerts.outbox;
        let mut waiting: Vec<_> = outbox.iter().map(|(id, m)| (m.seq, id)).collect();
        waiting.sort();
        let effects = waiting
            .into_iter()
            .map(|(_, id)| Effect::Message { id: id.clone() });
        self.step.effects.extend(effects);
    }

    pub(super) fn delivered(&mut self, now: Now, id: &str, attempts: u32, why: String) {
        let Some(message) = self.world.alerts.outbox.get(id) else {
            return;
        };
        let ended = MessageEnded {
            id: id.to_string(),
            channel: message.what.channel.clone(),
            attempts,
            why,
        };
        let subject = message.subject.clone();
        self.cause = Some(message.seq);
        if ended.why.is_empty() {
            self.tell(now, subject, Body::MessageDelivered(ended));
        } else {
            self.emit(
                now.at,
                subject,
                Severity::Warning,
                Source::Server,
                Body::MessageFailed(ended),
            );
        }
    }

    /// A message to one channel, outside of any thread.
    pub(super) fn test_message(
        &mut self,
        now: Now,
        channel: String,
        by: Principal,
    ) -> Result<Reply, Refusal> {
        let known = &self.world.fleet.channels;
        if !known.contains_key(&channel) {
            let remedy = match nearest(&channel, known.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => "add it under `channels:` in stead.yaml".to_string(),
            };
            return Err(refuse(
                "unknown-channel",
                format!("there is no channel {channel}"),
                remedy,
            ));
        }
        let id = format!("{}-{}", self.log_id, self.world.head.next());
        let body = MessageQueued {
            id: id.clone(),
            thread: None,
            channel,
            route: String::new(),
            sort: "test".to_string(),
            severity: Severity::Info,
            title: format!("A test message from Stead ({})", self.world.fleet.name),
            text: format!("{by} asked for it. If you can read this, the channel works."),
            ping: false,
        };
        self.tell(now, Subject::Fleet, Body::MessageQueued(body));
        self.step.effects.push(Effect::Message { id: id.clone() });
        Ok(Reply::Done { id })
    }
}
