//! What may be concluded from what was seen.

use stead_core::action::ActionKind;
use stead_core::drift::{self, DriftKind};
use stead_core::event::Body;
use stead_core::subject::Subject;
use stead_core::world::{Status, World};

use super::{Breach, Moment, Scene, Verdict};

pub fn stale_is_never_drift(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Committed { world, drift } = moment else {
        return Ok(());
    };
    for (subject, found) in drift.map() {
        let Some(node) = subject.node() else { continue };
        let fresh = scene.history.synced.contains(node);
        let told = || reported(world, subject);
        let of_its_own =
            |d: &&drift::Drift| !matches!(d.kind, DriftKind::AgentOffline | DriftKind::StaleLock);
        if let Some(drift) = found.iter().find(of_its_own)
            && !fresh
            && !told()
        {
            return Err(Breach::new(
                format!("nothing is known of {subject}, so nothing differs"),
                format!("{}: {}", drift.kind.word(), drift.detail),
            ));
        }
    }
    Ok(())
}

fn reported(world: &World, subject: &Subject) -> bool {
    let Subject::Service(node, service) = subject else {
        return false;
    };
    world
        .memory(node, service)
        .is_some_and(|m| m.report.is_some())
}

pub fn drift_is_whole(_: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Committed { world, drift } = moment else {
        return Ok(());
    };
    let whole = drift::all(world);
    if *drift.map() == whole {
        return Ok(());
    }
    Err(Breach::new(
        format!("{whole:?}"),
        format!("{:?}", drift.map()),
    ))
}

pub fn empty_means_none(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Event(event) = moment else {
        return Ok(());
    };
    let Body::ActionProposed(proposed) = &event.body else {
        return Ok(());
    };
    // A lock whose holder fell silent is a mark in the log: it is what the log says it is.
    let mark = proposed.key.kind == ActionKind::LockClear;
    if mark || proposed.direct || scene.history.suffered.contains(&event.subject) {
        return Ok(());
    }
    Err(Breach::new(
        format!("{} was never in trouble", event.subject),
        format!("{} is proposed: {}", proposed.action, proposed.reason),
    ))
}

pub fn healthy_was_seen(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Event(event) = moment else {
        return Ok(());
    };
    let (Body::ServiceHealthy(note) | Body::ServiceRecovered(note)) = &event.body else {
        return Ok(());
    };
    let Some(node) = event.node() else {
        return Ok(());
    };
    // Somebody else's word is shown as that.
    if event.source.is_foreign() || note.detail == "reported healthy" {
        return Ok(());
    }
    if scene.history.synced.contains(node) {
        return Ok(());
    }
    Err(Breach::new(
        format!("{node} was not seen since the server began or fell silent"),
        format!(
            "{} is {:?}: {}",
            event.subject,
            Status::Healthy,
            note.detail
        ),
    ))
}
