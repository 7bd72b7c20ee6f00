//! What people (and files) decide: approve, reject, cancel, start.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Controller;
use super::settle::Draft;
use crate::action::{Action, ActionKey, ActionKind, Principal, State, Trigger};
use crate::event::{Approved, Body, LockTaken, Rejected};
use crate::ids::nearest;
use crate::lock::LockKind;
use crate::plan;
use crate::planted::Bug;
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::{Span, Time};

/// A decision by a person, a script or a moved file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `digest`: the plan that was read. Absent: the one in force.
    Approve {
        id: String,
        digest: Option<String>,
        by: Principal,
        note: Option<String>,
    },
    Reject {
        id: String,
        by: Principal,
        note: Option<String>,
    },
    /// Takes back what has not begun.
    Cancel {
        id: String,
        by: Principal,
    },
    /// The same action as a repair, born approved.
    Start {
        kind: ActionKind,
        subject: Subject,
        by: Principal,
        note: Option<String>,
    },
    /// Keeps repairs off `target` until then; the same again extends it.
    Lock {
        target: Subject,
        lock: LockKind,
        until: Time,
        why: String,
        by: Principal,
        /// The holder promises a [`Command::Beat`] at least this often.
        heartbeat: Option<Span>,
    },
    /// The holder of a lock gives a sign.
    Beat {
        target: Subject,
        lock: LockKind,
    },
    /// Every lock on `target`, or that of one kind.
    Unlock {
        target: Subject,
        lock: Option<LockKind>,
        by: Principal,
    },
    /// Automatic repair may go on; what drifts now does not engage the brake again.
    ReleaseBrake {
        by: Principal,
    },
    /// One action per target, a batch at a time.
    Roll {
        kind: ActionKind,
        selector: String,
        /// In the order they are worked on.
        targets: Vec<Subject>,
        batch: u32,
        max_failures: u32,
        by: Principal,
        note: Option<String>,
    },
    /// What works is brought to its end; nothing more is begun.
    PauseRoll {
        id: String,
        by: Principal,
    },
    ResumeRoll {
        id: String,
        by: Principal,
    },
    CancelRoll {
        id: String,
        by: Principal,
    },
    /// A message to one channel, to see that it arrives.
    TestMessage {
        channel: String,
        by: Principal,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Action {
        id: String,
        occurrence: u32,
        state: State,
    },
    /// Done, and this is its name: a lock's target, a rollout's or message's ID.
    Done { id: String },
}

impl Reply {
    /// What it is about.
    pub fn id(&self) -> &str {
        match self {
            Reply::Action { id, .. } | Reply::Done { id } => id,
        }
    }
}

/// Why it was not done. `code` has a page under `docs/errors/`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    pub code: &'static str,
    pub detail: String,
    pub remedy: String,
}

pub(super) fn refuse(
    code: &'static str,
    detail: impl Into<String>,
    remedy: impl Into<String>,
) -> Refusal {
    Refusal {
        code,
        detail: detail.into(),
        remedy: remedy.into(),
    }
}

impl Controller {
    pub(super) fn decide(&mut self, now: Now, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Approve {
                id,
                digest,
                by,
                note,
            } => self.approve(now, &id, digest, by, note),
            Command::Reject { id, by, note } => self.reject(now, &id, by, note),
            Command::Cancel { id, by } => self.cancel_by_person(now, &id, by),
            Command::Start {
                kind,
                subject,
                by,
                note,
            } => self.start_directly(now, kind, subject, by, note),
            Command::Lock {
                target,
                lock,
                until,
                why,
                by,
                heartbeat,
            } => {
                let taken = LockTaken {
                    lock,
                    by,
                    until,
                    why,
                    heartbeat,
                };
                self.lock(now, target, taken)
            }
            Command::Beat { target, lock } => self.beat(now, target, lock),
            Command::Unlock { target, lock, by } => self.unlock(now, &target, lock, by),
            Command::ReleaseBrake { by } => self.let_brake_go(now, by),
            Command::Roll { .. }
            | Command::PauseRoll { .. }
            | Command::ResumeRoll { .. }
            | Command::CancelRoll { .. } => self.roll(now, command),
            Command::TestMessage { channel, by } => self.test_message(now, channel, by),
        }
    }

    fn pending(&self, id: &str) -> Result<&Action, Refusal> {
        if let Some(action) = self.world.actions.by_id(id) {
            return match action.state {
                State::Pending => Ok(action),
                state => Err(refuse(
                    "not-pending",
                    format!(
                        "{} is {}, it waits for no decision",
                        action.label(),
                        state.word()
                    ),
                    format!("stead actions show {id}"),
                )),
            };
        }
        Err(self.unknown(id))
    }

    fn unknown(&self, id: &str) -> Refusal {
        if let Some(action) = self.world.actions.any_by_id(id) {
            let detail = format!("{} has ended: {}", action.label(), action.state.word());
            return refuse("not-pending", detail, format!("stead actions show {id}"));
        }
        let known: Vec<String> = self.world.actions.open.values().map(Action::id).collect();
        let remedy = match nearest(id, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "see `stead actions` for the open ones".to_string(),
        };
        refuse("unknown-action", format!("there is no action {id}"), remedy)
    }

    fn approve(
        &mut self,
        now: Now,
        id: &str,
        digest: Option<String>,
        by: Principal,
        note: Option<String>,
    ) -> Result<Reply, Refusal> {
        let action = self.pending(id)?;
        let another = digest.as_ref().is_some_and(|d| *d != action.plan.digest);
        if another && !self.world.planted.on(Bug::ApprovalUnbound) {
            return Err(refuse(
                "plan-changed",
                format!("the plan of {} changed after it was read", action.label()),
                "read the plan again, then decide",
            ));
        }
        let last = action.chain.last().map(|l| l.seq);
        let body = Approved {
            action: action.id(),
            occurrence: action.occurrence,
            by,
            digest: action.plan.digest.clone(),
            note,
            rule: None,
        };
        let key = action.key.clone();
        self.cause = last;
        self.tell(now, key.subject.clone(), Body::ActionApproved(body));
        self.reply(&key)
    }

    fn reject(
        &mut self,
        now: Now,
        id: &str,
        by: Principal,
        note: Option<String>,
    ) -> Result<Reply, Refusal> {
        let action = self.pending(id)?;
        let last = action.chain.last().map(|l| l.seq);
        let (id, occurrence, subject) =
            (action.id(), action.occurrence, action.key.subject.clone());
        self.cause = last;
        let body = Rejected {
            action: id.clone(),
            occurrence,
            by,
            note,
        };
        self.tell(now, subject, Body::ActionRejected(body));
        Ok(Reply::Action {
            id,
            occurrence,
            state: State::Rejected,
        })
    }

    fn cancel_by_person(&mut self, now: Now, id: &str, by: Principal) -> Result<Reply, Refusal> {
        let Some(action) = self.world.actions.by_id(id) else {
            return Err(self.unknown(id));
        };
        if action.state == State::Running {
            let detail = format!(
                "{} is running: what has begun is brought to its end",
                action.label()
            );
            return Err(refuse(
                "already-running",
                detail,
                format!("stead actions show {id}"),
            ));
        }
        let (key, id, occurrence) = (action.key.clone(), action.id(), action.occurrence);
        self.cause = action.chain.last().map(|l| l.seq);
        self.cancel(now, &key, "cancelled_by_person", Some(by));
        Ok(Reply::Action {
            id,
            occurrence,
            state: State::Cancelled,
        })
    }

    pub(super) fn start_directly(
        &mut self,
        now: Now,
        kind: ActionKind,
        subject: Subject,
        by: Principal,
        note: Option<String>,
    ) -> Result<Reply, Refusal> {
        let key = ActionKey { kind, subject };
        if let Some(open) = self.world.actions.open.get(&key) {
            let (id, digest) = (open.label(), open.plan.digest.clone());
            // The same repair waits already: starting it is approving it.
            return match open.state {
                State::Pending => self.approve(now, &id, Some(digest), by, note),
                _ => self.reply(&key),
            };
        }
        if kind == ActionKind::Drill {
            self.may_drill(now, &key.subject)?;
        }
        let mut repair = plan::plan(&self.world, kind, &key.subject)
            .map_err(|no| refuse("no-plan", no.why, no.remedy))?;
        repair.reason = match &note {
            Some(note) => format!("{by} asked for it: {note}"),
            None => format!("{by} asked for it"),
        };
        let digest = repair.plan.digest.clone();
        let draft = Draft {
            drift: "none",
            trigger: Trigger::Person,
            direct: true,
        };
        let occurrence = self.raise(now, repair, draft);
        let body = Approved {
            action: key.id(),
            occurrence,
            by,
            digest,
            note,
            rule: None,
        };
        self.tell(now, key.subject.clone(), Body::ActionApproved(body));
        self.reply(&key)
    }

    fn reply(&self, key: &ActionKey) -> Result<Reply, Refusal> {
        let action = self.world.actions.open.get(key);
        let action = action.ok_or_else(|| {
            refuse(
                "unknown-action",
                "it ended meanwhile",
                "see `stead actions`",
            )
        })?;
        Ok(Reply::Action {
            id: action.id(),
            occurrence: action.occurrence,
            state: action.state,
        })
    }
}
