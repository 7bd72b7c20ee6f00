//! What is done to machines.

use stead_core::controller::Reply;

use super::{Breach, Moment, Scene, Verdict};
use crate::truth::{self, Effect};

pub fn one_executor(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Begun { effect, place } = moment else {
        return Ok(());
    };
    let others = scene.history.effects.iter().enumerate();
    let mut under_way = others.filter(|(i, e)| i != place && e.ended.is_none());
    match under_way.find(|(_, e)| same_target(e, effect)) {
        Some((_, other)) => Err(Breach::new(
            format!("one at a time on {}", effect.order.target),
            format!(
                "{} (attempt {}) begins while {} (attempt {}) is under way",
                label(effect),
                effect.order.attempt,
                label(other),
                other.order.attempt
            ),
        )),
        None => Ok(()),
    }
}

/// The same subject, or the same thing by another name.
fn same_target(a: &Effect, b: &Effect) -> bool {
    a.node == b.node
        && (a.order.target == b.order.target
            || truth::command(&a.order.command) == truth::command(&b.order.command))
}

fn label(effect: &Effect) -> String {
    format!("{}#{}", effect.order.action, effect.order.occurrence)
}

pub fn once(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Begun { effect, place } = moment else {
        return Ok(());
    };
    if effect.order.command.idempotent() {
        return Ok(());
    }
    let step = |e: &Effect| {
        let (action, occurrence, step, _) = truth::key(&e.order);
        (action, occurrence, step)
    };
    let others = scene.history.effects.iter().enumerate();
    let mut before = others.filter(|(i, e)| i != place && (e.done || e.ended.is_none()));
    match before.find(|(_, e)| e.node == effect.node && step(e) == step(effect)) {
        Some((_, other)) => Err(Breach::new(
            format!(
                "step {} of {} is done once",
                effect.order.step,
                label(effect)
            ),
            format!(
                "attempt {} does it again after attempt {} did",
                effect.order.attempt, other.order.attempt
            ),
        )),
        None => Ok(()),
    }
}

/// A person's approval is for the plan that was read, and what is done is in the plan that was approved.
pub fn approved_plan(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    if let Moment::Answered {
        reply: Reply::Action { id, occurrence, .. },
        decided: "approved",
        digest: Some(read),
    } = moment
    {
        let approved = scene.history.approvals.get(&(id.clone(), *occurrence));
        return match approved {
            Some(approval) if approval.digest != *read => Err(Breach::new(
                format!("{id}#{occurrence} is approved as it was read"),
                "another plan is approved",
            )),
            _ => Ok(()),
        };
    }
    let Moment::Begun { effect, .. } = moment else {
        return Ok(());
    };
    let order = &effect.order;
    let history = scene.history;
    let which = (order.action.clone(), order.occurrence);
    let Some(approval) = history.approvals.get(&which) else {
        return Err(Breach::new(
            format!("an approval of {}", label(effect)),
            "there is none in the log",
        ));
    };
    let plan = history.plans.get(&approval.digest);
    let step = plan.and_then(|p| p.steps.get(order.step as usize));
    if step == Some(&order.command) {
        return Ok(());
    }
    Err(Breach::new(
        format!(
            "{} approved {} as step {}",
            approval.by,
            step.map_or("nothing".to_string(), truth::command),
            order.step
        ),
        format!("{} is done", truth::command(&order.command)),
    ))
}

/// Two servers on one store: an agent that heard of the newer leader does nothing for the older one.
pub fn newest_leader(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Begun { effect, .. } = moment else {
        return Ok(());
    };
    match scene.history.leaders.get(&effect.node) {
        Some((epoch, heard)) if *epoch > effect.order.epoch && *heard < effect.came => {
            Err(Breach::new(
                format!("{} heard of epoch {epoch}", effect.node),
                format!(
                    "{} begins under epoch {}",
                    label(effect),
                    effect.order.epoch
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// A scheduler's slack between the last look at the clock and the effect.
const SLACK: u64 = 1_000;

pub fn lease(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Begun { effect, .. } = moment else {
        return Ok(());
    };
    let held = scene.now.saturating_sub(effect.came);
    if held <= effect.order.lease_ms + SLACK {
        return Ok(());
    }
    Err(Breach::new(
        format!(
            "{} begins within its lease of {} ms",
            label(effect),
            effect.order.lease_ms
        ),
        format!("it begins {held} ms after the order came"),
    ))
}
