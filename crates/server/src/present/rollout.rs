//! Rolling work and drills as people see them.

use stead_core::action::ActionKind;
use stead_core::desired::CANARY;
use stead_core::event::DrillEnded;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_core::world::{Rollout, TargetState};
use stead_protocol::api;

use super::{Look, word};

pub fn rollout(r: &Rollout) -> api::Rollout {
    let mut counts = api::RolloutCounts::default();
    for target in &r.targets {
        counts.total += 1;
        *match target.state {
            TargetState::Waiting => &mut counts.waiting,
            TargetState::Working => &mut counts.working,
            TargetState::Done => &mut counts.done,
            TargetState::Failed => &mut counts.failed,
            TargetState::Skipped => &mut counts.skipped,
        } += 1;
    }
    let targets = r.targets.iter().map(|t| api::RolloutTarget {
        subject: t.subject.to_string(),
        state: word(t.state),
        action: t.action.as_ref().map(|(id, n)| format!("{id}#{n}")),
        why: t.why.clone(),
    });
    api::Rollout {
        id: r.id.clone(),
        kind: r.kind.word().to_string(),
        selector: r.selector.clone(),
        state: word(r.state),
        why: r.why.clone(),
        batch: r.batch,
        max_failures: r.max_failures,
        by: r.by.to_string(),
        note: r.note.clone(),
        started_at: r.started_at.to_string(),
        updated_at: r.updated_at.to_string(),
        counts,
        targets: targets.collect(),
    }
}

/// Open ones, newest first, then the latest that ended.
pub fn rollouts(look: Look<'_>) -> Vec<api::Rollout> {
    let all = &look.world.rollouts;
    let mut open: Vec<&Rollout> = all.open.values().collect();
    open.sort_by_key(|r| std::cmp::Reverse(r.seq));
    open.into_iter()
        .chain(all.ended.iter().rev())
        .map(rollout)
        .collect()
}

fn drill((at, d): &(Time, DrillEnded)) -> api::Drill {
    api::Drill {
        action: d.action.clone(),
        occurrence: d.occurrence,
        at: at.to_string(),
        ok: d.ok,
        within_ms: d.within.0,
        detected_ms: d.detected.map(|s| s.0),
        repaired_ms: d.repaired.map(|s| s.0),
        told_ms: d.told.map(|s| s.0),
        detail: d.detail.clone(),
        broken: d.broken.0,
    }
}

pub fn drills(look: Look<'_>) -> api::Drills {
    let canary = look.world.fleet.drill.as_ref().map(|d| api::Canary {
        node: d.node.to_string(),
        subject: format!("service/{}/{CANARY}", d.node),
        image: d.image.clone(),
        schedule: d.schedule.clone(),
        within_ms: d.within.0,
    });
    let running = canary_node(look).and_then(|subject| {
        let actions = look.world.actions.open.values();
        let mut drills = actions.filter(|a| a.key.kind == ActionKind::Drill);
        drills.find(|a| a.key.subject == subject).map(|a| a.label())
    });
    api::Drills {
        canary,
        running,
        drills: look.world.drills.iter().rev().map(drill).collect(),
    }
}

/// Where the fleet's canary lives.
pub fn canary_node(look: Look<'_>) -> Option<Subject> {
    let drill = look.world.fleet.drill.as_ref()?;
    Some(Subject::Node(drill.node.clone()))
}
