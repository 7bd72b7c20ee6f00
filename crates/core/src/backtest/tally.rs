//! Decisions about repairs, counted: the same way for what was done and for what would have been.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::action::{ActionKind, Trigger};
use crate::event::{Body, Event, Proposed, Severity};
use crate::policy::{Answer, Verdict};
use crate::subject::Subject;
use crate::time::Time;

/// Decisions listed; all are counted.
pub const LISTED: usize = 2_000;

/// One repair that was raised, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub at: Time,
    pub subject: Subject,
    pub kind: ActionKind,
    /// Of its kind on its subject since the log began.
    pub occurrence: u32,
    pub trigger: Trigger,
    pub reason: String,
    /// `Ready`: it was carried out without asking.
    pub answer: Answer,
    pub rule: String,
    /// What held it although a rule let it; kept where it was carried out later.
    pub limit: Option<String>,
    /// `completed`, `failed`, `cancelled`, `rejected`; absent where it was open at the end.
    pub outcome: Option<String>,
}

/// How often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Carried out without asking, by kind.
    pub automatic: BTreeMap<ActionKind, u64>,
    /// Of those: the record shows that the trouble was over soon after.
    pub verified: u64,
    /// Of those: the record does not show it in time.
    pub failed: u64,
    /// Left to a person.
    pub asked: u64,
    /// Held by a limit, by that limit's words up to the first detail, and never carried out.
    pub refused: BTreeMap<String, u64>,
    /// Free to begin, but it waited until the trouble was over: for other work, for what it needs, for its node.
    pub waited: u64,
    /// Threads that people would be woken for.
    pub paged: u64,
    /// Messages of every severity.
    pub messages: u64,
    /// How often all automatic repair was stopped.
    pub braked: u64,
}

impl Sum {
    pub fn automatic(&self) -> u64 {
        self.automatic.values().sum()
    }
    pub fn refused(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// Decisions and their number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    pub sum: Sum,
    /// The latest, oldest first.
    pub list: Vec<Decision>,
    /// Older ones that are counted only.
    pub unlisted: u64,
}

/// What is counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sum: Sum,
    open: BTreeMap<(Subject, String), Open>,
    done: VecDeque<Decision>,
    unlisted: u64,
}

#[derive(Debug)]
struct Open {
    decision: Decision,
    started: bool,
}

impl Tally {
    /// Counts what `event` says, which was decided `at` then.
    pub(super) fn note(&mut self, event: &Event, at: Time) {
        match &event.body {
            Body::ActionProposed(e) => self.proposed(event, e, at),
            Body::ActionApproved(e) => {
                let key = (event.subject.clone(), e.action.clone());
                if let (Some(open), Some(rule)) = (self.open.get_mut(&key), &e.rule) {
                    open.decision.rule.clone_from(rule);
                    open.decision.answer = Answer::Ready;
                }
            }
            Body::ActionStarted(e) if e.automatic => {
                let key = (event.subject.clone(), e.action.clone());
                if let Some(open) = self.open.get_mut(&key) {
                    open.started = true;
                    open.decision.answer = Answer::Ready;
                }
            }
            Body::ActionCompleted(e) => self.ended(event, &e.action, "completed"),
            Body::ActionFailed(e) => self.ended(event, &e.action, "failed"),
            Body::ActionCancelled(e) => self.ended(event, &e.action, "cancelled"),
            Body::ActionRejected(e) => self.ended(event, &e.action, "rejected"),
            Body::BrakeEngaged(_) => self.sum.braked += 1,
            Body::AlertOpened(_) if event.severity == Severity::Critical => self.sum.paged += 1,
            Body::AlertChanged(e)
                if event.severity == Severity::Critical && e.change == "escalated" =>
            {
                self.sum.paged += 1;
            }
            Body::MessageQueued(_) => self.sum.messages += 1,
            _ => {}
        }
    }

    fn proposed(&mut self, event: &Event, e: &Proposed, at: Time) {
        if e.direct {
            return;
        }
        let verdict = Verdict::read(&e.policy);
        let decision = Decision {
            at,
            subject: event.subject.clone(),
            kind: e.key.kind,
            occurrence: e.occurrence,
            trigger: e.trigger,
            reason: e.reason.clone(),
            answer: verdict.answer,
            rule: verdict.rule,
            limit: verdict.limit,
            outcome: None,
        };
        let open = Open {
            decision,
            started: false,
        };
        let key = (event.subject.clone(), e.action.clone());
        if let Some(lost) = self.open.insert(key, open) {
            self.close(lost, None);
        }
    }

    fn ended(&mut self, event: &Event, action: &str, outcome: &str) {
        let key = (event.subject.clone(), action.to_string());
        if let Some(open) = self.open.remove(&key) {
            self.close(open, Some(outcome));
        }
    }

    fn close(&mut self, open: Open, outcome: Option<&str>) {
        let Open {
            mut decision,
            started,
        } = open;
        decision.outcome = outcome.map(ToString::to_string);
        match (started, decision.answer) {
            (true, _) => {
                *self.sum.automatic.entry(decision.kind).or_default() += 1;
                self.sum.verified += u64::from(outcome == Some("completed"));
                self.sum.failed += u64::from(outcome == Some("failed"));
            }
            (false, Answer::Ready) => self.sum.waited += 1,
            (false, Answer::Ask) => self.sum.asked += 1,
            (false, Answer::Refused) => {
                let limit = decision.limit.as_deref().unwrap_or(&decision.rule);
                *self.sum.refused.entry(short(limit)).or_default() += 1;
            }
        }
        if self.done.len() >= LISTED {
            self.done.pop_front();
            self.unlisted += 1;
        }
        self.done.push_back(decision);
    }

    pub(super) fn finish(mut self) -> Decided {
        for (_, open) in core::mem::take(&mut self.open) {
            self.close(open, None);
        }
        let mut list: Vec<Decision> = self.done.into();
        list.sort_by(|a, b| (a.at, &a.subject).cmp(&(b.at, &b.subject)));
        Decided {
            sum: self.sum,
            list,
            unlisted: self.unlisted,
        }
    }
}

/// A limit without its details: `policy.limits.per_target_per_hour`, `the mass-drift brake`.
fn short(limit: &str) -> String {
    let end = [":", " since ", " on ", " until "]
        .iter()
        .filter_map(|mark| limit.find(mark))
        .min()
        .unwrap_or(limit.len());
    limit[..end].to_string()
}
