//! The log: what was promised to be in it is in it, and it says what is.

use stead_core::action::State;
use stead_core::controller::Reply;
use stead_core::world::World;

use super::{Breach, Moment, Scene, Verdict};

pub fn acknowledged_is_kept(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Acknowledged {
        node,
        spool,
        cursor,
    } = moment
    else {
        return Ok(());
    };
    let history = scene.history;
    let ours = history
        .notes
        .iter()
        .filter(|n| n.node == **node && n.spool == *spool && n.cursor <= *cursor);
    match ours.into_iter().find(|n| !history.ids.contains(&n.id)) {
        Some(lost) => Err(Breach::new(
            format!(
                "what {node} said as {} is in the log: it was acknowledged",
                lost.id
            ),
            "it is not there",
        )),
        None => Ok(()),
    }
}

pub fn answered_is_kept(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Answered { reply, decided, .. } = moment else {
        return Ok(());
    };
    let Reply::Action {
        id,
        occurrence,
        state: _,
    } = reply
    else {
        return told_of_marks(scene, reply, decided);
    };
    let actions = &scene.history.world.actions;
    let mut all = actions.open.values().chain(&actions.ended);
    let found = all.find(|a| a.occurrence == *occurrence && a.id() == *id);
    let kept = match (*decided, found) {
        (_, None) => false,
        ("approved" | "started", Some(a)) => a.approved_by.is_some() || a.state != State::Pending,
        ("rejected", Some(a)) => a.state == State::Rejected,
        ("cancelled", Some(a)) => a.state == State::Cancelled,
        _ => true,
    };
    if kept {
        return Ok(());
    }
    Err(Breach::new(
        format!("{id}#{occurrence} is {decided} in the log"),
        match found {
            Some(action) => format!("it is {}", action.state.word()),
            None => "the log does not know it".to_string(),
        },
    ))
}

/// Locks are marks in the log as well.
fn told_of_marks(scene: &Scene<'_>, reply: &Reply, decided: &str) -> Verdict {
    let locks = scene.history.locks.get(reply.id());
    let (taken, told) = locks.copied().unwrap_or_default();
    if decided != "locked" || taken > told {
        return Ok(());
    }
    Err(Breach::new(
        format!("{} is locked in the log", reply.id()),
        "there is no such lock",
    ))
}

pub fn replay_is_live(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let (world, what) = match moment {
        Moment::Committed { world, .. } => (*world, "the live world"),
        Moment::Replayed { world } => (*world, "the world replayed"),
        _ => return Ok(()),
    };
    if *world == scene.history.world {
        return Ok(());
    }
    Err(Breach::new(
        format!(
            "{what} is the fold of the log at {}",
            scene.history.world.head
        ),
        difference(&scene.history.world, world),
    ))
}

/// The first part in which two worlds differ.
fn difference(log: &World, live: &World) -> String {
    if log.head != live.head {
        return format!("it is at {}, the log at {}", live.head, log.head);
    }
    for (name, node) in &log.nodes {
        if live.nodes.get(name) != Some(node) {
            return format!("{name} is {:?}, by the log {node:?}", live.nodes.get(name));
        }
    }
    if log.actions != live.actions {
        return format!(
            "actions are {:?}, by the log {:?}",
            live.actions, log.actions
        );
    }
    format!("the rest: {:?}, by the log {:?}", live.desired, log.desired)
}

pub fn causes_come_first(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Event(event) = moment else {
        return Ok(());
    };
    let head = scene.history.world.head;
    if event.seq != head.next() {
        return Err(Breach::new(
            format!("event {} follows", head.next()),
            format!("event {} does", event.seq),
        ));
    }
    match event.cause {
        Some(cause) if cause >= event.seq => Err(Breach::new(
            format!("event {} has an earlier cause", event.seq),
            format!("its cause is {cause}"),
        )),
        _ => Ok(()),
    }
}

/// More than a node, and the fleet beside its nodes, has to say in an hour, flapping included.
const MANY: u64 = 5_000;

pub fn log_stays_small(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Event(event) = moment else {
        return Ok(());
    };
    let most = MANY * (1 + scene.history.world.nodes.len() as u64);
    if scene.history.events < most {
        return Ok(());
    }
    let (kind, n) = scene
        .history
        .kinds
        .iter()
        .max_by_key(|(_, n)| **n)
        .map_or(("none", 0), |(kind, n)| (kind.as_str(), *n));
    Err(Breach::new(
        format!("fewer than {most} events"),
        format!("{} of {}, {n} of them {kind}", event.seq, event.subject),
    ))
}
