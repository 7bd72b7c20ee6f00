//! How much may happen without a person.

use std::collections::BTreeMap;

use stead_core::action::{Action, ActionKind, Principal, Risk, State};
use stead_core::assess;
use stead_core::desired::{Rule, Says};
use stead_core::event::{Body, Event};
use stead_core::facts::ContainerState;
use stead_core::policy::glob;
use stead_core::subject::Subject;
use stead_core::world::World;

use super::{Breach, Moment, Scene, Verdict};

const HOUR: u64 = 3_600_000;

pub fn per_hour(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Begun { effect, .. } = moment else {
        return Ok(());
    };
    let order = &effect.order;
    if !order.automatic {
        return Ok(());
    }
    let limit = order.per_hour as usize;
    let repairs = scene.history.repairs(&order.target, scene.now, HOUR);
    if repairs <= limit {
        return Ok(());
    }
    Err(Breach::new(
        format!(
            "at most {limit} automatic repairs of {} in an hour",
            order.target
        ),
        format!("the {repairs}th begins: {}", order.action),
    ))
}

pub fn concurrency(_: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Committed { world, .. } = moment else {
        return Ok(());
    };
    let running = || {
        let open = world.actions.open.values();
        open.filter(|a| a.state == State::Running && a.key.kind != ActionKind::LockClear)
    };
    let mut here: BTreeMap<_, u32> = BTreeMap::new();
    for action in running() {
        if let Some(node) = action.key.subject.node() {
            *here.entry(node).or_default() += 1;
        }
    }
    let limits = &world.fleet.policy.limits;
    let all = running().count();
    if all > limits.concurrent as usize {
        return Err(Breach::new(
            format!("at most {} actions run in the fleet", limits.concurrent),
            format!("{all} run: {}", labels(running())),
        ));
    }
    match here.iter().find(|(_, n)| **n > limits.concurrent_per_node) {
        Some((node, n)) => Err(Breach::new(
            format!(
                "at most {} actions run on {node}",
                limits.concurrent_per_node
            ),
            format!("{n} run: {}", labels(running())),
        )),
        None => Ok(()),
    }
}

fn labels<'a>(actions: impl Iterator<Item = &'a Action>) -> String {
    actions.map(Action::label).collect::<Vec<_>>().join(", ")
}

/// The approval by policy that `event` is, and the action it is about.
fn by_policy<'a>(scene: &'a Scene<'_>, event: &Event) -> Option<&'a Action> {
    let Body::ActionApproved(approved) = &event.body else {
        return None;
    };
    if approved.by != Principal::Policy {
        return None;
    }
    let open = scene.history.world.actions.open.values();
    let mut same = open.filter(|a| a.occurrence == approved.occurrence);
    same.find(|a| a.id() == approved.action && a.key.subject == event.subject)
}

pub fn level(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Event(event) = moment else {
        return Ok(());
    };
    let Some(action) = by_policy(scene, event) else {
        return Ok(());
    };
    if action.risk == Risk::Destructive || action.level >= 3 {
        return Err(Breach::new(
            "what destroys asks a person",
            format!("policy approved {}", action.label()),
        ));
    }
    let policy = &scene.history.world.fleet.policy;
    let up_to = |level: u8| action.level <= level && action.risk == Risk::Low;
    let permitted = match policy.rules.iter().find(|r| fits(r, action, event)) {
        Some(rule) => match rule.says {
            Says::Automatic(says) => says,
            Says::MaxLevel(level) => up_to(level),
            Says::Earn(_) => scene.history.world.earned.contains(&rule.digest()),
        },
        None => up_to(policy.automatic.max_level),
    };
    if permitted {
        return Ok(());
    }
    Err(Breach::new(
        format!(
            "level {} ({}) asks a person under max_level {}",
            action.level,
            action.risk.word(),
            policy.automatic.max_level
        ),
        format!("policy approved {}", action.label()),
    ))
}

/// Whether a rule of the simulator's plans is about the action: a second opinion beside the policy's own.
fn fits(rule: &Rule, action: &Action, event: &Event) -> bool {
    let Rule {
        matches, between, ..
    } = rule;
    let service = action.key.subject.service().map_or("", |s| s.as_str());
    let minute = event.at.0.div_euclid(60_000).rem_euclid(1440) as u16;
    matches
        .action
        .as_deref()
        .is_some_and(|p| glob(p, action.key.kind.word()))
        && matches.service.as_deref().is_none_or(|p| glob(p, service))
        && between.is_none_or(|w| w.contains(minute))
}

pub fn persons_stop(scene: &Scene<'_>, moment: &Moment<'_>) -> Verdict {
    let Moment::Event(event) = moment else {
        return Ok(());
    };
    let automatic = match &event.body {
        Body::ActionStarted(started) => started.automatic,
        _ => false,
    };
    if !automatic || !stopped(&scene.history.world, &event.subject) {
        return Ok(());
    }
    Err(Breach::new(
        format!(
            "{} was stopped by a person, so a person decides",
            event.subject
        ),
        "policy starts a repair of it".to_string(),
    ))
}

/// Whether the log says that a person stopped a container of the subject.
fn stopped(world: &World, subject: &Subject) -> bool {
    let Subject::Service(node, name) = subject else {
        return false;
    };
    let (Some(state), Some(service)) = (world.node(node), world.fleet.service(node, name)) else {
        return false;
    };
    assess::containers(state, name, service)
        .iter()
        .any(|(_, c, _)| c.stopped_by_person && c.state == ContainerState::Exited)
}
