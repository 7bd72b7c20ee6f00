//! Actions as people see them: plan, steps, what they touch, what they wait for.

use stead_core::action::{Action, ActionKey, ActionKind, Principal, State, StepState};
use stead_core::command::Outcome;
use stead_core::plan;
use stead_core::subject::Subject;
use stead_core::world::World;
use stead_protocol::api;

use super::{Look, at, waits_for};

/// The open action of a subject, whatever its kind.
pub(super) fn open_for<'a>(world: &'a World, subject: &Subject) -> Option<&'a Action> {
    ActionKind::ALL.into_iter().find_map(|kind| {
        world.actions.open.get(&ActionKey {
            kind,
            subject: subject.clone(),
        })
    })
}

pub fn action(look: Look<'_>, a: &Action) -> api::Action {
    let steps = a.plan.steps.iter().enumerate().map(|(i, command)| {
        let state = a.steps.get(i).cloned().unwrap_or_default();
        step(i, command, &state)
    });
    let open = a.state.is_open();
    api::Action {
        id: a.id(),
        occurrence: a.occurrence,
        kind: a.key.kind.word().to_string(),
        node: a.key.subject.node().map(ToString::to_string),
        service: a.key.subject.service().map(ToString::to_string),
        subject: a.key.subject.to_string(),
        state: a.state.word().to_string(),
        phase: a.phase.map(|p| p.word().to_string()),
        risk: a.risk.word().to_string(),
        level: a.level,
        reason: a.reason.clone(),
        outcome: a.outcome.clone(),
        waits_for: waits_for(look, a),
        verdict: super::restraint::verdict(look, a),
        held: open
            .then(|| super::restraint::held(look, &a.key.subject))
            .flatten(),
        created_at: a.created_at.to_string(),
        updated_at: a.updated_at.to_string(),
        digest: a.plan.digest.clone(),
        steps: steps.collect(),
        blast_radius: plan::blast_radius(look.world, &a.key, &a.plan),
        decided_by: decided_by(a),
        note: a.note.clone(),
        freed: a.freed,
        would_free: None,
        trigger: a.trigger.word(),
        drift: a.drift.clone(),
    }
}

fn step(index: usize, command: &stead_core::command::Command, s: &StepState) -> api::Step {
    let (state, output) = match &s.outcome {
        None if s.attempt == 0 => ("waiting", String::new()),
        None => ("running", String::new()),
        Some(Outcome::Done { output, .. }) => ("done", output.clone()),
        Some(Outcome::Refused { code, why }) => ("refused", format!("{why} ({code})")),
        Some(Outcome::Failed { code, why, output }) => {
            ("failed", join(&format!("{why} ({code})"), output))
        }
        Some(Outcome::Unknown { why }) => ("unknown", why.clone()),
    };
    api::Step {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        title: plan::title(command),
        command: serde_json::to_value(command).unwrap_or_default(),
        state: state.to_string(),
        attempt: s.attempt,
        started_at: at(s.started_at),
        ended_at: at(s.ended_at),
        output,
    }
}

fn join(first: &str, rest: &str) -> String {
    if rest.trim().is_empty() {
        first.to_string()
    } else {
        format!("{first}\n{rest}")
    }
}

/// Who approved or rejected it. The core keeps a rejecter in the outcome only: `rejected by NAME[: NOTE]`.
fn decided_by(a: &Action) -> Option<String> {
    if a.state != State::Rejected {
        return a.approved_by.as_ref().map(Principal::to_string);
    }
    let said = a.outcome.as_deref()?.strip_prefix("rejected by ")?;
    let note = a
        .note
        .as_ref()
        .map(|note| format!(": {note}"))
        .unwrap_or_default();
    Some(said.strip_suffix(note.as_str()).unwrap_or(said).to_string())
}

/// Actions in one of `states` (none: in any): open ones first, newest before older, then the latest that ended. At most
/// `most`.
pub fn actions(look: Look<'_>, states: &[State], most: usize) -> Vec<api::Action> {
    let wanted = |a: &&Action| states.is_empty() || states.contains(&a.state);
    let mut open: Vec<&Action> = look.world.actions.open.values().filter(wanted).collect();
    open.sort_by_key(|a| std::cmp::Reverse((a.created_at, a.seq)));
    let ended = look.world.actions.ended.iter().rev().filter(wanted);
    let all = open.into_iter().chain(ended).take(most);
    all.map(|a| action(look, a)).collect()
}

/// Pending actions, oldest first.
pub fn rank_needs_you(world: &World) -> Vec<&Action> {
    let mut waiting: Vec<&Action> = world
        .actions
        .open
        .values()
        .filter(|a| a.state == State::Pending)
        .collect();
    waiting.sort_by_key(|a| (a.created_at, a.seq));
    waiting
}
