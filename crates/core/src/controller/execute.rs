//! Carrying out: lease, order, outcome, verification. What is not known is observed before anything is done again.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use super::settle::{is_silent, mended};
use super::{Controller, Effect};
use crate::action::{Action, ActionKey, Phase, Principal, State};
use crate::command::{Order, Outcome};
use crate::event::{ActionEnded, Body, Severity, Source, Started, StepEnded, StepStarted};
use crate::ids::NodeName;
use crate::plan;
use crate::policy::{self, Now};
use crate::time::{Span, Time};

/// Fresh evidence must show within this time that the drift is gone.
pub const VERIFY_WITHIN: Span = Span::mins(3);
/// An unknown outcome is observed for this long before it counts as a failure.
pub const OBSERVE_FOR: Span = Span::mins(3);
/// Attempts of one idempotent step.
pub const MAX_ATTEMPTS: u32 = 3;
/// What the server adds to the agent's own time-out before it gives up on an answer.
const GRACE: Span = Span::secs(30);

/// When this action needs looking at even if nothing happens.
pub(super) fn deadline(action: &Action) -> Option<Time> {
    if action.state != State::Running {
        return None;
    }
    match action.phase? {
        Phase::Executing => action
            .steps
            .iter()
            .find(|s| s.outcome.is_none())
            .and_then(|s| s.deadline),
        Phase::Verifying { until } | Phase::Unknown { until } => Some(until),
    }
}

impl Controller {
    /// Starts what may start, and moves what runs.
    pub(super) fn drive(&mut self, now: Now) {
        for key in self.busy() {
            let Some(action) = self.world.actions.open.get(&key) else {
                continue;
            };
            self.cause = Some(action.chain.last().map_or(action.seq, |l| l.seq));
            match (action.state, action.phase) {
                (State::Approved, _) => self.start(now, &key),
                (State::Running, Some(Phase::Executing)) => self.executing(now, &key),
                (State::Running, Some(Phase::Verifying { until })) => {
                    self.verifying(now, &key, until)
                }
                (State::Running, Some(Phase::Unknown { until })) => {
                    self.observing(now, &key, until)
                }
                _ => {}
            }
        }
    }

    fn start(&mut self, now: Now, key: &ActionKey) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        if policy::waits_for(&self.world, action).is_some() {
            return;
        }
        // L11: the approval is for this plan and no other.
        if action.approved_digest.as_deref() != Some(action.plan.digest.as_str()) {
            return;
        }
        let (id, occurrence) = (action.id(), action.occurrence);
        let automatic = action.approved_by == Some(Principal::Policy);
        self.tell(
            now,
            key.subject.clone(),
            Body::ActionStarted(Started {
                action: id,
                occurrence,
                automatic,
            }),
        );
        self.order(now, key, 1);
    }

    /// Logs the intent and hands out the order for the current step.
    fn order(&mut self, now: Now, key: &ActionKey, attempt: u32) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let Some(step) = action.current_step() else {
            return;
        };
        let deadline = now.at + plan::timeout(&action.plan.steps[step]) + GRACE;
        let body = StepStarted {
            action: action.id(),
            occurrence: action.occurrence,
            step: step as u32,
            attempt,
            deadline,
        };
        self.tell(now, key.subject.clone(), Body::ActionStepStarted(body));
        self.hand_out(key);
    }

    fn hand_out(&mut self, key: &ActionKey) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let (Some(step), Some(node)) = (action.current_step(), key.subject.node()) else {
            return;
        };
        let command = action.plan.steps[step].clone();
        let timeout = plan::timeout(&command);
        let order = Order {
            action: action.id(),
            occurrence: action.occurrence,
            step: step as u32,
            attempt: action.steps[step].attempt,
            token: action.token.0,
            lease_ms: (timeout.0 + GRACE.0),
            timeout_ms: timeout.0,
            target: key.subject.clone(),
            automatic: action.approved_by == Some(Principal::Policy),
            per_hour: self.world.fleet.policy.limits.per_target_per_hour,
            command,
        };
        self.step.effects.push(Effect::Order {
            node: node.clone(),
            order: Box::new(order),
        });
    }

    /// An agent came back: whatever has no outcome yet is asked again. The agent answers from its journal.
    pub(super) fn order_again(&mut self, _now: Now, node: &NodeName) {
        for key in self.busy() {
            let Some(action) = self.world.actions.open.get(&key) else {
                continue;
            };
            let here = key.subject.node() == Some(node);
            let open = action.current_step().is_some_and(|s| {
                let step = &action.steps[s];
                step.attempt > 0 && matches!(step.outcome, None | Some(Outcome::Unknown { .. }))
            });
            if here && open && action.state == State::Running {
                self.hand_out(&key);
            }
        }
    }

    fn executing(&mut self, now: Now, key: &ActionKey) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let Some(step) = action.current_step() else {
            return;
        };
        let state = &action.steps[step];
        match &state.outcome {
            None if state.attempt == 0 => self.order(now, key, 1),
            None if state.deadline.is_some_and(|d| now.at >= d) => {
                let why = "the agent did not say in time how it ended".to_string();
                self.close_step(
                    now,
                    key,
                    step as u32,
                    state.attempt,
                    Outcome::Unknown { why },
                );
            }
            Some(Outcome::Refused { code, why }) => {
                let (code, why) = (code.clone(), why.clone());
                self.fail(now, key, &code, format!("the agent refused: {why}"));
            }
            Some(Outcome::Failed { code, why, .. }) => {
                let (code, why) = (code.clone(), why.clone());
                self.fail(now, key, &code, why);
            }
            _ => {}
        }
    }

    /// An outcome came back from an agent.
    pub(super) fn ended(
        &mut self,
        now: Now,
        id: &str,
        occurrence: u32,
        step: u32,
        attempt: u32,
        outcome: Outcome,
    ) {
        let found = self
            .world
            .actions
            .open
            .values()
            .find(|a| a.occurrence == occurrence && a.key.has_id(id));
        let Some(action) = found.filter(|a| a.state == State::Running) else {
            return;
        };
        let Some(state) = action.steps.get(step as usize) else {
            return;
        };
        let open = matches!(state.outcome, None | Some(Outcome::Unknown { .. }));
        let news = state.outcome.as_ref() != Some(&outcome);
        if state.attempt != attempt || !open || !news {
            return;
        }
        let key = action.key.clone();
        self.cause = action.chain.last().map(|l| l.seq);
        self.close_step(now, &key, step, attempt, outcome);
    }

    fn close_step(&mut self, now: Now, key: &ActionKey, step: u32, attempt: u32, outcome: Outcome) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let wait = if matches!(outcome, Outcome::Unknown { .. }) {
            OBSERVE_FOR
        } else {
            VERIFY_WITHIN
        };
        let until = now.at + wait;
        let body = StepEnded {
            action: action.id(),
            occurrence: action.occurrence,
            step,
            attempt,
            outcome,
            until,
        };
        self.tell(now, key.subject.clone(), Body::ActionStepEnded(body));
    }

    fn verifying(&mut self, now: Now, key: &ActionKey, until: Time) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        match mended(&self.world, &self.drift, action) {
            Some(true) => {
                let detail = match (action.direct, action.freed) {
                    (_, Some(freed)) => format!("done and verified; {} freed", bytes(freed)),
                    (true, None) => "done; it is well".to_string(),
                    (false, None) => "done and verified: the drift is gone".to_string(),
                };
                self.complete(now, key, detail);
            }
            Some(false) => self.fail(now, key, "not-healed", self.still(key)),
            // Without fresh evidence nobody can say: the node has to come back first.
            None if now.at >= until && !is_silent(&self.world, &key.subject) => {
                self.fail(now, key, "not-healed", self.still(key));
            }
            None => {}
        }
    }

    fn still(&self, key: &ActionKey) -> String {
        match self.drift.get(&key.subject).first() {
            Some(drift) => format!("it was done, but {}", drift.detail),
            None => "it was done, but nothing showed in time that it is well".to_string(),
        }
    }

    fn observing(&mut self, now: Now, key: &ActionKey, until: Time) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        if mended(&self.world, &self.drift, action) == Some(true) {
            self.complete(
                now,
                key,
                "how it ended was not seen, but it is well now".to_string(),
            );
            return;
        }
        if now.at < until || is_silent(&self.world, &key.subject) {
            return;
        }
        let Some(step) = action.current_step() else {
            return;
        };
        let attempt = action.steps[step].attempt;
        if action.plan.steps[step].idempotent() && attempt < MAX_ATTEMPTS {
            self.order(now, key, attempt + 1);
            return;
        }
        let why = "nobody knows whether it took effect, and repeating it blindly could harm: look, then decide";
        self.fail(now, key, "outcome-unknown", why.to_string());
    }

    fn complete(&mut self, now: Now, key: &ActionKey, detail: String) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let body = ActionEnded {
            action: action.id(),
            occurrence: action.occurrence,
            code: String::new(),
            detail,
            freed: action.freed,
        };
        self.tell(now, key.subject.clone(), Body::ActionCompleted(body));
    }

    fn fail(&mut self, now: Now, key: &ActionKey, code: &str, detail: String) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let failures = self.world.actions.memory.get(key).map_or(0, |m| m.failures) + 1;
        let severity = if failures >= super::settle::GIVE_UP_AFTER {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let body = ActionEnded {
            action: action.id(),
            occurrence: action.occurrence,
            code: code.to_string(),
            detail,
            freed: action.freed,
        };
        self.emit(
            now.at,
            key.subject.clone(),
            severity,
            Source::Server,
            Body::ActionFailed(body),
        );
    }
}

/// `1.4 GB`, for people.
fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}
