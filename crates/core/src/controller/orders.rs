//! Orders: the intent is logged, then handed out; asked again when the agent comes back.

use alloc::boxed::Box;
use alloc::string::String;

use super::{Controller, Effect};
use crate::action::{ActionKey, Principal, State};
use crate::command::{Command, Order, Outcome};
use crate::event::{Body, StepStarted};
use crate::ids::NodeName;
use crate::lock::LockKey;
use crate::plan;
use crate::policy::Now;
use crate::time::Span;

/// What the server adds to the agent's own time-out before it gives up on an answer.
const GRACE: Span = Span::secs(30);

impl Controller {
    /// Logs the intent and hands out the order for the current step.
    pub(super) fn order(&mut self, now: Now, key: &ActionKey, attempt: u32) {
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
        if !self.carry_out_here(now, key) {
            self.hand_out(key);
        }
    }

    /// What concerns Stead's own marks needs no agent: it is done by saying so in the log.
    fn carry_out_here(&mut self, now: Now, key: &ActionKey) -> bool {
        let Some(action) = self.world.actions.open.get(key) else {
            return false;
        };
        let Some(step) = action.current_step() else {
            return false;
        };
        let Command::LockRelease { lock, seq } = &action.plan.steps[step] else {
            return false;
        };
        let (attempt, held) = (
            action.steps[step].attempt,
            LockKey {
                target: key.subject.clone(),
                lock: *lock,
            },
        );
        let same = self.world.locks.get(&held).map(|l| l.seq) == Some(*seq);
        let outcome = if same {
            self.release(now, &held, "stale", Some(Principal::Policy));
            Outcome::Done {
                output: String::new(),
                freed: None,
            }
        } else {
            Outcome::Refused {
                code: "target-changed".into(),
                why: "the lock is another one by now".into(),
            }
        };
        self.close_step(now, key, step as u32, attempt, outcome);
        true
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
            epoch: self.world.epoch,
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
}
