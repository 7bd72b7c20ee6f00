//! Differences between desired state and world, each with why nothing is done about it, where nothing is.

use stead_core::controller::why_not;
use stead_core::desired::RepairRule;
use stead_core::drift::Drift;
use stead_core::world::World;
use stead_core::{action::State, plan};
use stead_protocol::api;

use super::{Look, waits_for};

pub fn drift(look: Look<'_>, drift: &Drift) -> api::Drift {
    let open = super::action::open_for(look.world, &drift.subject);
    let (why_not, remedy) = match open {
        Some(action) if action.state == State::Running => (None, None),
        Some(action) => (waits_for(look, action), None),
        None => match why_not(look.world, drift, look.now.at) {
            Some((why, remedy)) => (Some(why), remedy),
            None => (None, None),
        },
    };
    api::Drift {
        subject: drift.subject.to_string(),
        node: drift.subject.node().map(ToString::to_string),
        service: drift.subject.service().map(ToString::to_string),
        kind: drift.kind.word().to_string(),
        trigger: drift.trigger.word(),
        detail: drift.detail.clone(),
        since: drift.since.to_string(),
        action: open.map(|a| a.id()),
        why_not,
        remedy,
    }
}

/// The table of row L9 as it is read: the files' own lines first.
pub fn repair_table(world: &World) -> Vec<api::RepairLine> {
    let line = |from: &str, rule: &RepairRule| api::RepairLine {
        drift: rule.drift.clone(),
        trigger: rule.trigger.clone(),
        kind: rule.kind.clone(),
        action: rule.action.clone(),
        from: from.to_string(),
    };
    let own = world
        .fleet
        .policy
        .repairs
        .iter()
        .map(|rule| line("stead.yaml", rule));
    own.chain(plan::table().iter().map(|rule| line("built-in", rule)))
        .collect()
}
