//! Rolling work: one action per target, a batch at a time, paused on failure. Row R11.
//!
//! A rollout has no hands of its own. Each of its targets gets an action like any other, born approved by the person who
//! asked for the rollout; locks, concurrency and the agent hold it as they hold any. Where it stands is in the world, so
//! a restart goes on where it was. No rollout ever means "everything": it has the targets it was given, and no others.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Controller;
use super::decide::{Command, Refusal, Reply, refuse};
use crate::action::{ActionKey, ActionKind, Principal, State};
use crate::event::{Body, RolloutChanged, RolloutStarted, RolloutTarget, Severity, Source};
use crate::ids::nearest;
use crate::plan;
use crate::policy::Now;
use crate::subject::Subject;
use crate::world::{HELD_BACK, Rollout, RolloutState, Target, TargetState, World};

/// Rollouts that may be open at once; a paused one is open.
pub const MAX_OPEN: usize = 20;

impl Controller {
    pub(super) fn roll(&mut self, now: Now, command: Command) -> Result<Reply, Refusal> {
        self.cause = None;
        match command {
            Command::Roll {
                kind,
                selector,
                targets,
                batch,
                max_failures,
                by,
                note,
            } => {
                let started = RolloutStarted {
                    rollout: format!("roll-{}", self.world.rollouts.count + 1),
                    kind,
                    selector,
                    targets: once(targets),
                    batch,
                    max_failures,
                    by,
                    note,
                };
                self.start_rollout(now, started)
            }
            Command::PauseRoll { id, by } => {
                self.known(&id, &[RolloutState::Running], "paused")?;
                self.pause(now, &id, "paused by a person".to_string(), Some(by));
                Ok(Reply::Done { id })
            }
            Command::ResumeRoll { id, by } => {
                self.known(&id, &[RolloutState::Paused], "resumed")?;
                let body = changed(&id, "resumed by a person", Some(by));
                self.tell(now, Subject::Fleet, Body::RolloutResumed(body));
                Ok(Reply::Done { id })
            }
            Command::CancelRoll { id, by } => {
                let open = [RolloutState::Running, RolloutState::Paused];
                self.known(&id, &open, "cancelled")?;
                self.hold_back(now, &id, Some(&by));
                let body = changed(&id, "cancelled by a person", Some(by));
                self.tell(now, Subject::Fleet, Body::RolloutCancelled(body));
                Ok(Reply::Done { id })
            }
            _ => Err(refuse(
                "internal",
                "this is no command of a rollout",
                "report it: Stead handed a command to the wrong place",
            )),
        }
    }

    fn start_rollout(&mut self, now: Now, started: RolloutStarted) -> Result<Reply, Refusal> {
        may_start(&self.world, &started)?;
        let left_out: Vec<(Subject, Refusal)> = started
            .targets
            .iter()
            .filter_map(|subject| {
                let no = workable(&self.world, started.kind, subject).err()?;
                Some((subject.clone(), no))
            })
            .collect();
        if left_out.len() == started.targets.len()
            && let Some((subject, no)) = left_out.first()
        {
            let detail = format!(
                "nothing can be done to any of them; {subject}: {}",
                no.detail
            );
            return Err(refuse(no.code, detail, no.remedy.clone()));
        }
        let id = started.rollout.clone();
        let seq = self.tell(now, Subject::Fleet, Body::RolloutStarted(started));
        self.cause = Some(seq);
        for (subject, no) in left_out {
            self.skip(now, &id, &subject, no.detail);
        }
        Ok(Reply::Done { id })
    }

    /// The rollout, if it is open and in one of these states.
    fn known(&self, id: &str, states: &[RolloutState], what: &str) -> Result<(), Refusal> {
        let rollouts = &self.world.rollouts;
        let state = |r: &Rollout| match r.state {
            RolloutState::Running => "running",
            RolloutState::Paused => "paused",
            RolloutState::Completed => "completed",
            RolloutState::Cancelled => "cancelled",
        };
        let mut all = rollouts.open.values().chain(&rollouts.ended);
        match all.find(|r| r.id == id) {
            Some(rollout) if states.contains(&rollout.state) => Ok(()),
            Some(rollout) => Err(refuse(
                "rollout-state",
                format!("{id} is {}: it cannot be {what}", state(rollout)),
                "see `stead rolls` for where each stands",
            )),
            None => {
                let remedy = match nearest(id, rollouts.open.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "see `stead rolls` for those there are".to_string(),
                };
                Err(refuse(
                    "unknown-rollout",
                    format!("there is no rollout {id}"),
                    remedy,
                ))
            }
        }
    }

    /// Brings every running rollout as far as it goes now.
    pub(super) fn roll_on(&mut self, now: Now) {
        if self.world.rollouts.open.is_empty() {
            return;
        }
        let open = self.world.rollouts.open.values();
        let running: Vec<String> = open
            .filter(|r| r.state == RolloutState::Running)
            .map(|r| r.id.clone())
            .collect();
        for id in running {
            self.advance(now, &id);
        }
    }

    /// Each turn takes one target out of those that wait, so it ends.
    fn advance(&mut self, now: Now, id: &str) {
        while let Some(rollout) = self.world.rollouts.open.get(id) {
            self.cause = Some(rollout.seq);
            match next(rollout) {
                Next::Begin(subject) => self.begin(now, id, &subject),
                Next::Pause(why) => return self.pause(now, id, why, None),
                Next::Complete(why) => {
                    let body = changed(id, &why, None);
                    self.tell(now, Subject::Fleet, Body::RolloutCompleted(body));
                    return;
                }
                Next::Wait => return,
            }
        }
    }

    /// Gives one target its action; one that is open already is joined.
    fn begin(&mut self, now: Now, id: &str, subject: &Subject) {
        let Some(rollout) = self.world.rollouts.open.get(id) else {
            return;
        };
        let (kind, by, note) = (rollout.kind, rollout.by.clone(), note(rollout));
        let begun = workable(&self.world, kind, subject)
            .and_then(|()| self.start_directly(now, kind, subject.clone(), by, Some(note)));
        match begun {
            Ok(Reply::Action {
                id: action,
                occurrence,
                ..
            }) => {
                let body = RolloutTarget {
                    rollout: id.to_string(),
                    action,
                    occurrence,
                    skipped: String::new(),
                };
                self.tell(now, subject.clone(), Body::RolloutTarget(body));
            }
            Ok(Reply::Done { .. }) => {}
            Err(no) => self.skip(now, id, subject, no.detail),
        }
    }

    fn skip(&mut self, now: Now, id: &str, subject: &Subject, why: String) {
        let body = RolloutTarget {
            rollout: id.to_string(),
            action: String::new(),
            occurrence: 0,
            skipped: why,
        };
        self.tell(now, subject.clone(), Body::RolloutTarget(body));
    }

    fn pause(&mut self, now: Now, id: &str, why: String, by: Option<Principal>) {
        self.hold_back(now, id, by.as_ref());
        let severity = match by {
            Some(_) => Severity::Info,
            None => Severity::Warning,
        };
        let body = Body::RolloutPaused(changed(id, &why, by));
        self.emit(now.at, Subject::Fleet, severity, Source::Server, body);
    }

    /// Takes back what the rollout raised and nobody has begun: its targets wait again.
    fn hold_back(&mut self, now: Now, id: &str, by: Option<&Principal>) {
        let Some(rollout) = self.world.rollouts.open.get(id) else {
            return;
        };
        let own = Some(note(rollout));
        let working = rollout
            .targets
            .iter()
            .filter(|t| t.state == TargetState::Working);
        let keys = working.map(|t| ActionKey {
            kind: rollout.kind,
            subject: t.subject.clone(),
        });
        let not_begun: Vec<ActionKey> = keys
            .filter(|key| {
                let action = self.world.actions.open.get(key);
                action.is_some_and(|a| a.state != State::Running && a.note == own)
            })
            .collect();
        for key in not_begun {
            self.cancel(now, &key, HELD_BACK, by.cloned());
        }
    }
}

/// What a rollout does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Begin(Subject),
    Pause(String),
    Complete(String),
    /// Its batch is at work, or it does not run.
    Wait,
}

fn next(rollout: &Rollout) -> Next {
    if rollout.state != RolloutState::Running {
        return Next::Wait;
    }
    let count = |state| rollout.targets.iter().filter(|t| t.state == state).count();
    let failed = count(TargetState::Failed);
    if failed >= rollout.max_failures as usize {
        let which = rollout
            .targets
            .iter()
            .filter(|t| t.state == TargetState::Failed);
        let named: Vec<String> = which
            .take(3)
            .map(|t| format!("{} ({})", t.subject, t.why))
            .collect();
        return Next::Pause(format!("{failed} failed: {}", named.join("; ")));
    }
    let working = count(TargetState::Working);
    let waiting = || {
        rollout
            .targets
            .iter()
            .filter(|t| t.state == TargetState::Waiting)
    };
    // What failed or was held back before the pause comes first.
    let again = |t: &&Target| t.action.is_some();
    match waiting().find(again).or_else(|| waiting().next()) {
        Some(target) if working < rollout.batch as usize => Next::Begin(target.subject.clone()),
        Some(_) => Next::Wait,
        None if working > 0 => Next::Wait,
        None => Next::Complete(format!(
            "{} done, {failed} failed, {} skipped",
            count(TargetState::Done),
            count(TargetState::Skipped)
        )),
    }
}

/// The note that every action of a rollout carries.
fn note(rollout: &Rollout) -> String {
    match &rollout.note {
        None => format!("rollout {}", rollout.id),
        Some(note) => format!("rollout {}: {note}", rollout.id),
    }
}

fn changed(id: &str, why: &str, by: Option<Principal>) -> RolloutChanged {
    RolloutChanged {
        rollout: id.to_string(),
        by,
        why: why.to_string(),
    }
}

/// Everything once, in its order.
fn once(targets: Vec<Subject>) -> Vec<Subject> {
    let mut seen = BTreeSet::new();
    let mut targets = targets;
    targets.retain(|t| seen.insert(t.clone()));
    targets
}

fn may_start(world: &World, started: &RolloutStarted) -> Result<(), Refusal> {
    if started.targets.is_empty() {
        return Err(refuse(
            "no-targets",
            "nothing is selected, and nothing means nothing: it never means everything",
            "give a selector that matches something: service/NODE/NAME, node/NAME, label:KEY=VALUE",
        ));
    }
    if started.batch == 0 || started.max_failures == 0 {
        return Err(refuse(
            "bad-rollout",
            "a batch of 0 would never begin, and 0 failures would pause it before it began",
            "give a batch and a number of failures of at least 1",
        ));
    }
    let rollouts = &world.rollouts;
    let set = |targets: &mut dyn Iterator<Item = &Subject>| -> BTreeSet<Subject> {
        targets.cloned().collect()
    };
    let wanted = set(&mut started.targets.iter());
    let same = |r: &&Rollout| {
        r.kind == started.kind && set(&mut r.targets.iter().map(|t| &t.subject)) == wanted
    };
    if let Some(other) = rollouts.open.values().find(same) {
        return Err(refuse(
            "already-rolling",
            format!("{} does the same to the same targets already", other.id),
            format!("resume or cancel it: stead roll show {}", other.id),
        ));
    }
    if rollouts.open.len() >= MAX_OPEN {
        return Err(refuse(
            "too-many-rollouts",
            format!("{MAX_OPEN} rollouts are open already"),
            "cancel those that wait for nothing any more: see `stead rolls`",
        ));
    }
    Ok(())
}

/// Whether there is a way to do `kind` to `subject` now.
pub fn workable(world: &World, kind: ActionKind, subject: &Subject) -> Result<(), Refusal> {
    let starts = matches!(
        kind,
        ActionKind::ContainerRestart | ActionKind::Redeploy | ActionKind::UnitRestart
    );
    if let (Subject::Service(node, service), true) = (subject, starts)
        && world
            .fleet
            .service(node, service)
            .is_some_and(|s| s.suspended)
    {
        return Err(refuse(
            "no-plan",
            "the files suspend it, and this would start it",
            format!("take `suspended: true` out of hosts/{node}/services.yaml"),
        ));
    }
    let repair =
        plan::plan(world, kind, subject).map_err(|no| refuse("no-plan", no.why, no.remedy))?;
    if !plan::has_known_target(&repair.plan) {
        return Err(refuse(
            "no-plan",
            "no agent has said yet which container it is",
            "wait until the node's agent has connected: see `stead nodes`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(states: &[TargetState], batch: u32, max_failures: u32) -> Rollout {
        let target = |(i, state): (usize, &TargetState)| Target {
            subject: format!("node/n{i}").parse().expect("a subject"),
            state: *state,
            action: None,
            why: String::new(),
        };
        Rollout {
            id: "roll-1".to_string(),
            kind: ActionKind::DiskCleanup,
            selector: String::new(),
            targets: states.iter().enumerate().map(target).collect(),
            batch,
            max_failures,
            by: Principal::Files,
            note: None,
            state: RolloutState::Running,
            why: String::new(),
            started_at: Default::default(),
            updated_at: Default::default(),
            seq: Default::default(),
        }
    }

    #[test]
    fn the_next_target_is_begun_while_the_batch_has_room() {
        use TargetState::{Done, Failed, Skipped, Waiting, Working};
        let subject = |text: &str| Next::Begin(text.parse().expect("a subject"));
        assert_eq!(next(&rollout(&[Done, Waiting], 1, 1)), subject("node/n1"));
        assert_eq!(next(&rollout(&[Working, Waiting], 1, 1)), Next::Wait);
        assert_eq!(
            next(&rollout(&[Working, Waiting], 2, 1)),
            subject("node/n1")
        );
        assert_eq!(next(&rollout(&[Working, Done], 2, 1)), Next::Wait);
        let ended = next(&rollout(&[Done, Failed, Skipped], 1, 2));
        assert_eq!(
            ended,
            Next::Complete("1 done, 1 failed, 1 skipped".to_string())
        );
    }

    #[test]
    fn it_pauses_at_the_bound_even_when_nothing_is_left() {
        use TargetState::{Done, Failed, Waiting};
        for states in [&[Failed, Waiting][..], &[Done, Failed]] {
            assert!(matches!(next(&rollout(states, 1, 1)), Next::Pause(_)));
        }
    }

    #[test]
    fn what_failed_before_comes_first() {
        use TargetState::Waiting;
        let mut rollout = rollout(&[Waiting, Waiting], 1, 1);
        rollout.targets[1].action = Some(("disk-cleanup-n1".to_string(), 1));
        let first = "node/n1".parse().expect("a subject");
        assert_eq!(next(&rollout), Next::Begin(first));
        rollout.state = RolloutState::Paused;
        assert_eq!(next(&rollout), Next::Wait);
    }
}
