//! The actions of the world: open ones, the latest that ended, and what must be remembered of each repair.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionKey, ActionKind, Phase, Principal, State, StepState, Trigger};
use crate::command::Outcome;
use crate::event::{Body, Event, Proposed};
use crate::ids::Seq;
use crate::subject::Subject;
use crate::time::Time;

/// Every action the world remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Actions {
    /// By what it mends: one open occurrence each.
    #[serde(with = "crate::pairs")]
    pub open: BTreeMap<ActionKey, Action>,
    /// Oldest first, at most [`Actions::MAX_ENDED`]; older ones are in the log and in the files.
    pub ended: VecDeque<Action>,
    /// What outlives an occurrence.
    #[serde(with = "crate::pairs")]
    pub memory: BTreeMap<ActionKey, Memory>,
    /// Starts of automatic repairs per target, at most the latest [`Actions::MAX_STARTS`].
    #[serde(with = "crate::pairs")]
    pub starts: BTreeMap<Subject, VecDeque<Time>>,
}

/// What is remembered of a repair beyond one occurrence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub occurrences: u32,
    /// Failures in a row.
    pub failures: u32,
    pub failed_at: Option<Time>,
    pub completed_at: Option<Time>,
    /// Trigger of the rejected occurrence; holds until the drift clears or its trigger changes.
    pub rejected: Option<Trigger>,
    /// The last occurrence ended without anybody knowing its effect: a person must look.
    pub unknown: bool,
    /// Ends of the latest repairs that were verified, oldest first, at most [`Memory::MAX_SUCCESSES`].
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub successes: VecDeque<Seq>,
    /// End of the latest one that failed.
    #[serde(default)]
    pub failed_seq: Seq,
}

impl Memory {
    /// More than can be asked of a rule that earns its autonomy.
    pub const MAX_SUCCESSES: usize = 32;
}

impl Actions {
    pub const MAX_ENDED: usize = 500;
    pub const MAX_STARTS: usize = 16;

    pub(super) fn apply(&mut self, event: &Event) {
        if let Body::ActionProposed(proposed) = &event.body {
            self.propose(event, proposed);
            return;
        }
        let Some((id, occurrence)) = event.body.action() else {
            return;
        };
        let Some(key) = self.find(id, occurrence, &event.subject) else {
            return;
        };
        let Some(action) = self.open.get_mut(&key) else {
            return;
        };
        action.updated_at = event.at;
        advance(action, event);
        let ended = !action.state.is_open();
        match &event.body {
            Body::ActionStarted(started) if started.automatic => {
                let starts = self.starts.entry(event.subject.clone()).or_default();
                if starts.len() >= Actions::MAX_STARTS {
                    starts.pop_front();
                }
                starts.push_back(event.at);
            }
            _ => {}
        }
        if ended && let Some(action) = self.open.remove(&key) {
            self.remember(&key, &action, event.seq);
            if self.ended.len() >= Actions::MAX_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(action);
        }
    }

    fn propose(&mut self, event: &Event, p: &Proposed) {
        let memory = self.memory.entry(p.key.clone()).or_default();
        memory.occurrences = memory.occurrences.max(p.occurrence);
        memory.rejected = None;
        let mut action = Action {
            key: p.key.clone(),
            occurrence: p.occurrence,
            state: State::Pending,
            steps: vec![StepState::default(); p.plan.steps.len()],
            plan: p.plan.clone(),
            risk: p.risk,
            level: p.level,
            drift: p.drift.clone(),
            trigger: p.trigger,
            reason: p.reason.clone(),
            direct: p.direct,
            created_at: event.at,
            updated_at: event.at,
            seq: event.seq,
            approved_by: None,
            approved_digest: None,
            note: None,
            phase: None,
            token: Seq::ZERO,
            effect_seq: Seq::ZERO,
            outcome: None,
            code: None,
            freed: None,
            chain: Vec::new(),
        };
        if let Some(cause) = event.cause {
            action.tell(cause, event.at, "event", p.reason.clone(), None);
        }
        action.tell(
            event.seq,
            event.at,
            "drift",
            format!("{} ({})", p.drift, p.trigger.word()),
            None,
        );
        action.tell(event.seq, event.at, "policy", p.policy.clone(), None);
        self.open.insert(p.key.clone(), action);
    }

    /// The open action an event speaks of. Its subject decides between keys whose joined text is the same.
    fn find(&self, id: &str, occurrence: u32, subject: &Subject) -> Option<ActionKey> {
        let mut here = self.open.range(ActionKey::all_of(subject));
        here.find(|(key, a)| a.occurrence == occurrence && key.has_id(id))
            .map(|(key, _)| key.clone())
    }

    fn remember(&mut self, key: &ActionKey, action: &Action, seq: Seq) {
        let memory = self.memory.entry(key.clone()).or_default();
        match action.state {
            State::Completed => {
                memory.failures = 0;
                memory.failed_at = None;
                memory.unknown = false;
                memory.completed_at = Some(action.updated_at);
                if !action.direct {
                    if memory.successes.len() >= Memory::MAX_SUCCESSES {
                        memory.successes.pop_front();
                    }
                    memory.successes.push_back(seq);
                }
            }
            State::Failed => {
                memory.failures += 1;
                // A drill that failed says nothing about any repair that was earned.
                if key.kind != ActionKind::Drill {
                    memory.failed_seq = seq;
                }
                memory.failed_at = Some(action.updated_at);
                memory.unknown = action.code.as_deref() == Some("outcome-unknown");
            }
            State::Rejected => memory.rejected = Some(action.trigger),
            State::Cancelled if action.outcome.as_deref() == Some("drift_resolved_auto") => {
                memory.failures = 0;
                memory.failed_at = None;
                memory.unknown = false;
            }
            _ => {}
        }
    }

    /// The trouble is over: rejections and failures counted against it are over too.
    pub(super) fn all_clear(&mut self, subject: &Subject) {
        for (_, memory) in self.memory.range_mut(ActionKey::all_of(subject)) {
            memory.rejected = None;
            memory.failures = 0;
            memory.failed_at = None;
            memory.unknown = false;
        }
    }

    /// The clock was set: what waits keeps its length.
    pub(super) fn shift(&mut self, by: i64) {
        let moved = |at: &mut Time| at.0 = at.0.saturating_add(by);
        for action in self.open.values_mut() {
            if let Some(Phase::Verifying { until } | Phase::Unknown { until }) = &mut action.phase {
                moved(until);
            }
            action
                .steps
                .iter_mut()
                .filter_map(|s| s.deadline.as_mut())
                .for_each(moved);
        }
        self.starts.values_mut().flatten().for_each(moved);
        for memory in self.memory.values_mut() {
            memory
                .failed_at
                .iter_mut()
                .chain(memory.completed_at.iter_mut())
                .for_each(moved);
        }
    }

    /// An open action by its ID as people write it (`ID` or `ID#3`).
    pub fn by_id(&self, text: &str) -> Option<&Action> {
        let (id, occurrence) = split_label(text);
        self.open
            .values()
            .find(|a| a.key.has_id(id) && occurrence.is_none_or(|o| o == a.occurrence))
    }

    /// An action by its ID: the open occurrence first, else the latest that ended.
    pub fn any_by_id(&self, text: &str) -> Option<&Action> {
        let (id, occurrence) = split_label(text);
        let ended = || {
            self.ended
                .iter()
                .rev()
                .find(|a| a.key.has_id(id) && occurrence.is_none_or(|o| o == a.occurrence))
        };
        self.by_id(text).or_else(ended)
    }
}

/// `ID#3` → (`ID`, 3).
fn split_label(text: &str) -> (&str, Option<u32>) {
    match text.rsplit_once('#') {
        Some((id, n)) => match n.parse() {
            Ok(n) => (id, Some(n)),
            Err(_) => (text, None),
        },
        None => (text, None),
    }
}

fn advance(action: &mut Action, event: &Event) {
    let (seq, at) = (event.seq, event.at);
    match &event.body {
        Body::ActionPlanChanged(e) => {
            action.steps = vec![StepState::default(); e.plan.steps.len()];
            action.plan = e.plan.clone();
            action.state = State::Pending;
            action.approved_by = None;
            action.approved_digest = None;
            action.tell(
                seq,
                at,
                "policy",
                format!("the plan changed: {}", e.reason),
                None,
            );
        }
        Body::ActionApproved(e) => {
            action.state = State::Approved;
            action.approved_by = Some(e.by.clone());
            action.approved_digest = Some(e.digest.clone());
            action.note.clone_from(&e.note);
            let text = match (&e.by, &e.note) {
                (Principal::Policy, _) => "approved by policy".to_string(),
                (by, None) => format!("approved by {by}"),
                (by, Some(note)) => format!("approved by {by}: {note}"),
            };
            action.tell(seq, at, "approval", text, e.rule.clone());
        }
        Body::ActionRejected(e) => {
            action.state = State::Rejected;
            action.note.clone_from(&e.note);
            let why = e
                .note
                .as_ref()
                .map_or_else(String::new, |n| format!(": {n}"));
            action.outcome = Some(format!("rejected by {}{why}", e.by));
            action.tell(
                seq,
                at,
                "approval",
                format!("rejected by {}{why}", e.by),
                None,
            );
        }
        Body::ActionCancelled(e) => {
            action.state = State::Cancelled;
            action.outcome = Some(e.reason.clone());
            action.tell(seq, at, "outcome", format!("cancelled: {}", e.reason), None);
        }
        Body::ActionStarted(_) => {
            action.state = State::Running;
            action.phase = Some(Phase::Executing);
            action.token = seq;
            action.tell(seq, at, "step", format!("lease {seq} taken"), None);
        }
        Body::ActionStepStarted(e) => {
            action.phase = Some(Phase::Executing);
            if let Some(step) = action.steps.get_mut(e.step as usize) {
                *step = StepState {
                    attempt: e.attempt,
                    started_at: Some(at),
                    deadline: Some(e.deadline),
                    ended_at: None,
                    outcome: None,
                };
            }
            action.tell(
                seq,
                at,
                "step",
                format!("step {} ordered (attempt {})", e.step + 1, e.attempt),
                None,
            );
        }
        Body::ActionStepEnded(e) => step_ended(action, event, e),
        Body::ActionCompleted(e) => {
            action.state = State::Completed;
            action.freed = e.freed.or(action.freed);
            action.outcome = Some(e.detail.clone());
            action.tell(seq, at, "outcome", e.detail.clone(), None);
        }
        Body::ActionFailed(e) => {
            action.state = State::Failed;
            action.freed = e.freed.or(action.freed);
            action.outcome = Some(e.detail.clone());
            action.code = Some(e.code.clone());
            action.tell(
                seq,
                at,
                "outcome",
                format!("failed ({}): {}", e.code, e.detail),
                None,
            );
        }
        _ => {}
    }
    if !action.state.is_open() {
        action.phase = None;
    }
}

fn step_ended(action: &mut Action, event: &Event, e: &crate::event::StepEnded) {
    let Some(step) = action.steps.get_mut(e.step as usize) else {
        return;
    };
    step.ended_at = Some(event.at);
    step.outcome = Some(e.outcome.clone());
    action.effect_seq = event.seq;
    let text = match &e.outcome {
        Outcome::Done { freed, .. } => {
            action.freed = freed.or(action.freed);
            "done".to_string()
        }
        Outcome::Refused { why, .. } => format!("refused: {why}"),
        Outcome::Failed { why, .. } => format!("failed: {why}"),
        Outcome::Unknown { why } => format!("outcome unknown: {why}"),
    };
    action.phase = match &e.outcome {
        Outcome::Done { .. } if action.current_step().is_none() => {
            Some(Phase::Verifying { until: e.until })
        }
        Outcome::Unknown { .. } => Some(Phase::Unknown { until: e.until }),
        _ => Some(Phase::Executing),
    };
    action.tell(
        event.seq,
        event.at,
        "step",
        format!("step {}: {text}", e.step + 1),
        None,
    );
}
