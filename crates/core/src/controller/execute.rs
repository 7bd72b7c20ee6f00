//! Carrying out: lease, order, outcome, verification. What is not known is observed before anything is done again.

use alloc::format;
use alloc::string::{String, ToString};

use super::settle::{is_silent, mended};
use super::{Controller, drill};
use crate::action::{Action, ActionKey, ActionKind, Phase, Principal, State};
use crate::command::Outcome;
use crate::event::{ActionEnded, Body, Severity, Source, Started, StepEnded};
use crate::insight::amount::bytes;
use crate::planted::Bug;
use crate::policy::{self, Answer, Now};
use crate::time::{Span, Time};

/// Fresh evidence must show within this time that the drift is gone.
pub const VERIFY_WITHIN: Span = Span::mins(3);
/// An unknown outcome is observed for this long before it counts as a failure.
pub const OBSERVE_FOR: Span = Span::mins(3);
/// Attempts of one idempotent step.
pub const MAX_ATTEMPTS: u32 = 3;
/// A node that stays silent beyond the end of an observation or verification holds its action this much longer: then it
/// is stuck, and its end is that nobody knows.
pub const STUCK_AFTER: Span = Span::mins(15);

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

/// The deadlines of one action: the one named, and the one after which a silent node is waited for no longer.
pub(super) fn deadlines(action: &Action, now: Time) -> Option<Time> {
    let first = deadline(action)?;
    Some(if now < first {
        first
    } else {
        first + STUCK_AFTER
    })
}

impl Controller {
    /// Starts what may start, and moves what runs.
    pub(super) fn drive(&mut self, now: Now) {
        let busy = self.busy();
        // Behind a full fleet many may wait: they are not looked at one by one for each event.
        let mut full = self.is_full(&busy);
        for key in &busy {
            let Some(action) = self.world.actions.open.get(key) else {
                continue;
            };
            if full && action.state == State::Approved && policy::counts(action) {
                continue;
            }
            self.cause = Some(action.chain.last().map_or(action.seq, |l| l.seq));
            match (action.state, action.phase) {
                (State::Approved, _) => {
                    self.start(now, key);
                    full = self.is_full(&busy);
                }
                (State::Running, Some(Phase::Executing)) => self.executing(now, key),
                (State::Running, Some(Phase::Verifying { until })) => {
                    self.verifying(now, key, until)
                }
                (State::Running, Some(Phase::Unknown { until })) => self.observing(now, key, until),
                _ => {}
            }
        }
    }

    /// Whether as much runs as may in the whole fleet. `busy`: what is approved or runs.
    fn is_full(&self, busy: &[ActionKey]) -> bool {
        let runs = |a: &&Action| a.state == State::Running && policy::counts(a);
        let open = &self.world.actions.open;
        let running = busy.iter().filter_map(|key| open.get(key)).filter(runs);
        !self.world.planted.on(Bug::ConcurrencyIgnored)
            && running.count() >= self.world.fleet.policy.limits.concurrent as usize
    }

    fn start(&mut self, now: Now, key: &ActionKey) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        // What policy approved is looked at again right before it runs: rules and world may be others by now.
        let automatic = action.approved_by == Some(Principal::Policy);
        if automatic && policy::review(&self.world, action, now).answer == Answer::Ask {
            self.cancel(now, key, "policy_changed", None);
            self.touched.insert(key.subject.clone());
            return;
        }
        if policy::waits_for(&self.world, action, now).is_some() {
            return;
        }
        // It may have waited, and the canary may not be well any more.
        if key.kind == ActionKind::Drill && self.may_drill(now, &key.subject).is_err() {
            self.cancel(now, key, "drill_not_possible", None);
            return;
        }
        // L11: the approval is for this plan and no other.
        if action.approved_digest.as_deref() != Some(action.plan.digest.as_str()) {
            return;
        }
        let (id, occurrence) = (action.id(), action.occurrence);
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
            None if state.deadline.is_some_and(|d| now.at >= d)
                && self.world.planted.on(Bug::ResentBlindly) =>
            {
                self.order(now, key, state.attempt + 1);
            }
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

    pub(super) fn close_step(
        &mut self,
        now: Now,
        key: &ActionKey,
        step: u32,
        attempt: u32,
        outcome: Outcome,
    ) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let wait = if matches!(outcome, Outcome::Unknown { .. }) {
            OBSERVE_FOR
        } else {
            VERIFY_WITHIN
        };
        let until = drill::until(&self.world, action).unwrap_or(now.at + wait);
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
        if key.kind == ActionKind::Drill {
            return self.drilling(now, key, until);
        }
        if self.world.planted.on(Bug::VerificationForgotten) {
            return;
        }
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
            None => self.give_up_on_silence(now, key, until),
        }
    }

    fn still(&self, key: &ActionKey) -> String {
        match self.drift.get(&key.subject).first() {
            Some(drift) => format!("it was done, but {}", drift.detail),
            None => "it was done, but nothing showed in time that it is well".to_string(),
        }
    }

    fn observing(&mut self, now: Now, key: &ActionKey, until: Time) {
        if key.kind == ActionKind::Drill {
            return self.drilling(now, key, until);
        }
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
        if is_silent(&self.world, &key.subject) {
            self.give_up_on_silence(now, key, until);
            return;
        }
        if now.at < until {
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

    /// Row R5: an action that makes no progress any more is cleared, so that nothing waits behind it for ever.
    fn give_up_on_silence(&mut self, now: Now, key: &ActionKey, until: Time) {
        if now.at < until + STUCK_AFTER || !is_silent(&self.world, &key.subject) {
            return;
        }
        let why = "its node has been silent since, so nobody knows how it ended: look, then decide";
        self.fail(now, key, "outcome-unknown", why.to_string());
    }

    /// The action as it is before its end, if it is a drill.
    fn drill(&self, key: &ActionKey) -> Option<Action> {
        let action = self.world.actions.open.get(key)?;
        (key.kind == ActionKind::Drill).then(|| action.clone())
    }

    pub(super) fn complete(&mut self, now: Now, key: &ActionKey, detail: String) {
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
        let drill = self.drill(key);
        let (id, detail) = (body.action.clone(), body.detail.clone());
        self.tell(now, key.subject.clone(), Body::ActionCompleted(body));
        match drill {
            Some(drill) => self.drill_ended(now, &drill, true, detail),
            None => self.reckon(now, &id),
        }
    }

    pub(super) fn fail(&mut self, now: Now, key: &ActionKey, code: &str, detail: String) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let failures = self.world.actions.memory.get(key).map_or(0, |m| m.failures) + 1;
        let severity = if failures >= super::settle::GIVE_UP_AFTER || code == drill::FAILED {
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
        let drill = self.drill(key);
        let (id, detail) = (body.action.clone(), body.detail.clone());
        self.emit(
            now.at,
            key.subject.clone(),
            severity,
            Source::Server,
            Body::ActionFailed(body),
        );
        match drill {
            Some(drill) => self.drill_ended(now, &drill, false, detail),
            None => self.reckon(now, &id),
        }
    }
}
