//! What must be so in the end, once every fault is over and the world had time.

use stead_core::action::State;
use stead_core::time::Span;
use stead_core::world::EvidenceState;

use super::{Breach, Moment, Scene, Verdict};

/// Longer than any step, verification or observation lasts without a word.
const RUNS: Span = Span::mins(6);

pub fn approved_ends(_: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Quiet { world, clock, .. } = moment else {
        return Ok(());
    };
    // What waits for another service to be well, or for a node that is not in the fleet any more, waits rightly.
    let stuck = world.actions.open.values().find(|a| match a.state {
        State::Running => clock.at.since(a.updated_at) > RUNS,
        State::Approved => {
            clock.at.since(a.updated_at) > RUNS
                && stead_core::policy::waits_for(world, a, *clock).is_none()
        }
        _ => false,
    });
    match stuck {
        Some(action) => Err(Breach::new(
            format!("{} has ended", action.label()),
            format!(
                "it is {} ({})",
                action.state.word(),
                action.phase.map_or("", |p| p.word())
            ),
        )),
        None => Ok(()),
    }
}

pub fn everybody_is_seen(_: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Quiet { world, .. } = moment else {
        return Ok(());
    };
    let silent = world.fleet.nodes.keys().find(|name| {
        world
            .node(name)
            .is_none_or(|n| n.evidence.state != EvidenceState::Fresh)
    });
    match silent {
        Some(name) => Err(Breach::new(
            format!("{name} is seen again"),
            format!(
                "its evidence is {:?}",
                world.node(name).map(|n| n.evidence.state)
            ),
        )),
        None => Ok(()),
    }
}

pub fn everybody_is_told(_: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Quiet { world, told, .. } = moment else {
        return Ok(());
    };
    let wanted = world.fleet.nodes.iter();
    match wanted
        .into_iter()
        .find(|(name, node)| told.get(*name) != Some(node))
    {
        Some((name, node)) => Err(Breach::new(
            format!("the agent of {name} was told {node:?}"),
            format!("it was told {:?}", told.get(name)),
        )),
        None => Ok(()),
    }
}
