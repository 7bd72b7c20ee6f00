//! Rolling work as the log knows it. Row R11.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::action::{ActionKind, Principal};
use crate::event::{Body, Event};
use crate::ids::Seq;
use crate::subject::Subject;
use crate::time::Time;

/// Why an action was taken back: its rollout begins nothing more for now, and its target waits again.
pub const HELD_BACK: &str = "rollout_held_back";

/// Every rollout the world remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollouts {
    pub open: BTreeMap<String, Rollout>,
    /// Oldest first, at most [`Rollouts::MAX_ENDED`].
    pub ended: VecDeque<Rollout>,
    /// Given out so far: the next one's number.
    pub count: u64,
}

/// Work on many targets, a batch at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    pub id: String,
    pub kind: ActionKind,
    pub selector: String,
    /// In the order they are worked on.
    pub targets: Vec<Target>,
    pub batch: u32,
    pub max_failures: u32,
    pub by: Principal,
    pub note: Option<String>,
    pub state: RolloutState,
    /// Why it is paused or ended, for people.
    pub why: String,
    pub started_at: Time,
    pub updated_at: Time,
    pub seq: Seq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub subject: Subject,
    pub state: TargetState,
    /// Its action: ID and occurrence.
    pub action: Option<(String, u32)>,
    /// Why it was left out or failed.
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    Waiting,
    Working,
    Done,
    Failed,
    Skipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    Running,
    Paused,
    Completed,
    Cancelled,
}

impl Rollouts {
    pub const MAX_ENDED: usize = 50;

    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::RolloutStarted(e) => {
                self.count += 1;
                let target = |subject: &Subject| Target {
                    subject: subject.clone(),
                    state: TargetState::Waiting,
                    action: None,
                    why: String::new(),
                };
                let rollout = Rollout {
                    id: e.rollout.clone(),
                    kind: e.kind,
                    selector: e.selector.clone(),
                    targets: e.targets.iter().map(target).collect(),
                    batch: e.batch,
                    max_failures: e.max_failures,
                    by: e.by.clone(),
                    note: e.note.clone(),
                    state: RolloutState::Running,
                    why: String::new(),
                    started_at: event.at,
                    updated_at: event.at,
                    seq: event.seq,
                };
                self.open.insert(e.rollout.clone(), rollout);
            }
            Body::RolloutTarget(e) => {
                let Some(rollout) = self.open.get_mut(&e.rollout) else {
                    return;
                };
                rollout.updated_at = event.at;
                let of = |t: &&mut Target| t.subject == event.subject;
                if let Some(target) = rollout.targets.iter_mut().find(of) {
                    target.why.clear();
                    if e.skipped.is_empty() {
                        target.state = TargetState::Working;
                        target.action = Some((e.action.clone(), e.occurrence));
                    } else {
                        target.state = TargetState::Skipped;
                        target.why.clone_from(&e.skipped);
                    }
                }
            }
            Body::RolloutPaused(e) => self.set(event, &e.rollout, RolloutState::Paused, &e.why),
            Body::RolloutResumed(e) => {
                // What failed gets another try.
                self.turn(&e.rollout, TargetState::Failed, TargetState::Waiting, "");
                self.set(event, &e.rollout, RolloutState::Running, &e.why);
            }
            Body::RolloutCancelled(e) => {
                let why = "the rollout was cancelled";
                self.turn(&e.rollout, TargetState::Waiting, TargetState::Skipped, why);
                self.set(event, &e.rollout, RolloutState::Cancelled, &e.why);
            }
            Body::RolloutCompleted(e) => {
                self.set(event, &e.rollout, RolloutState::Completed, &e.why)
            }
            body => {
                if let Some((id, occurrence)) = body.action() {
                    self.action_ended(event, id, occurrence);
                }
            }
        }
    }

    /// Targets of an open rollout that are in one state go into another.
    fn turn(&mut self, id: &str, from: TargetState, to: TargetState, why: &str) {
        let targets = self.open.get_mut(id).map(|r| &mut r.targets);
        for target in targets.into_iter().flatten() {
            if target.state == from {
                target.state = to;
                target.why = String::from(why);
            }
        }
    }

    fn set(&mut self, event: &Event, id: &str, state: RolloutState, why: &str) {
        let Some(rollout) = self.open.get_mut(id) else {
            return;
        };
        rollout.state = state;
        rollout.why = String::from(why);
        rollout.updated_at = event.at;
        if matches!(state, RolloutState::Completed | RolloutState::Cancelled)
            && let Some(rollout) = self.open.remove(id)
        {
            if self.ended.len() >= Rollouts::MAX_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(rollout);
        }
    }

    fn action_ended(&mut self, event: &Event, id: &str, occurrence: u32) {
        let (state, why) = match &event.body {
            Body::ActionCompleted(_) => (TargetState::Done, ""),
            Body::ActionFailed(e) => (TargetState::Failed, e.detail.as_str()),
            Body::ActionCancelled(e) if e.reason == HELD_BACK => (TargetState::Waiting, ""),
            Body::ActionCancelled(e) => (TargetState::Skipped, e.reason.as_str()),
            Body::ActionRejected(_) => (TargetState::Skipped, "rejected"),
            _ => return,
        };
        let its = |t: &&mut Target| {
            t.state == TargetState::Working
                && t.subject == event.subject
                && t.action
                    .as_ref()
                    .is_some_and(|(a, o)| a == id && *o == occurrence)
        };
        // What was at work when its rollout was cancelled comes to its end all the same.
        for rollout in self.open.values_mut().chain(&mut self.ended) {
            if let Some(target) = rollout.targets.iter_mut().find(its) {
                let over =
                    rollout.state == RolloutState::Cancelled && state == TargetState::Waiting;
                target.state = if over { TargetState::Skipped } else { state };
                target.why = String::from(why);
                rollout.updated_at = event.at;
            }
        }
    }
}
