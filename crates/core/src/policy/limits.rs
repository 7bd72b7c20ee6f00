//! What holds an action although a rule lets it: locks, the brake, flapping, repairs per hour. Rows R2 to R4.

use alloc::format;
use alloc::string::String;

use super::Now;
use crate::action::{Action, ActionKind};
use crate::lock;
use crate::planted::Bug;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::World;

/// The limit that holds an automatic repair now, for people.
pub(super) fn holding(world: &World, action: &Action, now: Now) -> Option<String> {
    let subject = &action.key.subject;
    // Clearing a lock is what ends its hold.
    if action.key.kind == ActionKind::LockClear {
        return None;
    }
    if let Some((key, held)) = lock::holding(world, subject, now.at).next()
        && !world.planted.on(Bug::LockIgnored)
    {
        return Some(lock::text(key, held));
    }
    if let Some(brake) = brake(world).filter(|_| !world.planted.on(Bug::BrakeIgnored)) {
        return Some(brake);
    }
    if let Some(flapping) = flapping(world, subject) {
        return Some(flapping);
    }
    let limit = world.fleet.policy.limits.per_target_per_hour;
    let used = starts_within(world, subject, now.at, Span::hours(1));
    let over = used >= limit && !world.planted.on(Bug::LimitNotCounted);
    over.then(|| format!("policy.limits.per_target_per_hour: {used} of {limit} used"))
}

/// Why all automatic repair is stopped, for people.
pub fn brake(world: &World) -> Option<String> {
    let engaged = world.brake.engaged.as_ref()?;
    Some(format!(
        "the mass-drift brake: {} of {} services drifted at once at {}, so the fault is probably not theirs",
        engaged.drifting, engaged.fresh, engaged.since
    ))
}

fn flapping(world: &World, subject: &Subject) -> Option<String> {
    let Subject::Service(node, service) = subject else {
        return None;
    };
    let since = world.memory(node, service)?.flapping?;
    Some(format!(
        "it has been flapping since {since}: repairing it again would not hold"
    ))
}

/// Automatic repairs of `subject` that started within `span` before `now`.
pub fn starts_within(world: &World, subject: &Subject, now: Time, span: Span) -> u32 {
    let starts = world.actions.starts.get(subject);
    starts.map_or(0, |s| {
        s.iter().filter(|at| now.since(**at) < span).count() as u32
    })
}
