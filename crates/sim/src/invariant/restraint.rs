//! What keeps Stead from repairing although policy lets it.

use stead_core::action::{Action, ActionKind};
use stead_core::event::{Body, Event};
use stead_core::subject::Subject;
use stead_core::world::World;

use super::{Breach, Moment, Scene, Verdict};

/// The start of an action that touches a machine, and whether policy decided it.
fn start<'a>(world: &'a World, moment: &'a Moment<'_>) -> Option<(&'a Event, &'a Action, bool)> {
    let Moment::Event(event) = moment else {
        return None;
    };
    let Body::ActionStarted(started) = &event.body else {
        return None;
    };
    let mut open = world.actions.open.values();
    let action = open.find(|a| {
        a.occurrence == started.occurrence
            && a.key.subject == event.subject
            && a.id() == started.action
    })?;
    (action.key.kind != ActionKind::LockClear).then_some((event, action, started.automatic))
}

/// Whether what is locked is the subject or holds it.
fn covers(target: &Subject, subject: &Subject) -> bool {
    match target {
        Subject::Fleet => true,
        Subject::Node(node) => subject.node() == Some(node),
        other => other == subject,
    }
}

pub fn locks_hold(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let world = &scene.history.world;
    let Some((event, action, automatic)) = start(world, moment) else {
        return Ok(());
    };
    let mut held = world.locks.iter().filter(|(key, lock)| {
        covers(&key.target, &event.subject)
            && event.at < lock.until
            && (automatic || key.lock.holds_people())
    });
    match held.next() {
        Some((key, lock)) => Err(Breach::new(
            format!(
                "{} is held by the {} lock on {} until {}",
                event.subject, key.lock, key.target, lock.until
            ),
            format!("{} starts at {}", action.label(), event.at),
        )),
        None => Ok(()),
    }
}

pub fn brake_holds(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let world = &scene.history.world;
    let Some((event, action, true)) = start(world, moment) else {
        return Ok(());
    };
    match &world.brake.engaged {
        Some(engaged) => Err(Breach::new(
            format!("the brake is on since {}", engaged.since),
            format!("{} starts at {}", action.label(), event.at),
        )),
        None => Ok(()),
    }
}
