//! Rolling work, told as stories, and what holds whatever happens.

use proptest::prelude::*;
use stead_core::action::{ActionKind, Principal, State};
use stead_core::command::Outcome;
use stead_core::controller::{Command, Controller, Effect, Input, Refusal, Reply};
use stead_core::desired::Fleet;
use stead_core::facts::{Health, SourceKind};
use stead_core::lock::LockKind;
use stead_core::subject::Subject;
use stead_core::time::Span;
use stead_core::world::{Rollout, RolloutState, TargetState};

use crate::properties::replayed;
use crate::stage::*;

const NODES: [&str; 5] = ["n0", "n1", "n2", "n3", "n4"];

fn anna() -> Principal {
    Principal::User("anna".into())
}

/// Five nodes with a service each.
fn five() -> Fleet {
    let web = || container("web", None);
    let mut all = fleet(&[]);
    for node in NODES {
        let one = fleet(&[(node, &[("web", web())])]);
        all.nodes.extend(one.nodes);
    }
    all
}

fn see(stage: &mut Stage, node: &str, id: &str, health: Health) {
    let facts = [host("b1"), up(SourceKind::Docker), runs("web", id, health)];
    stage.snapshot(node, &facts);
}

fn stage() -> Stage {
    let mut stage = Stage::new(five());
    for node in NODES {
        see(&mut stage, node, "c1", Health::Healthy);
    }
    stage
}

fn targets(nodes: &[&str]) -> Vec<Subject> {
    nodes
        .iter()
        .map(|n| name(&format!("service/{n}/web")))
        .collect()
}

fn roll(
    stage: &mut Stage,
    nodes: &[&str],
    batch: u32,
    max_failures: u32,
) -> Result<Reply, Refusal> {
    stage.command(Command::Roll {
        kind: ActionKind::ContainerRestart,
        selector: "service/*/web".into(),
        targets: targets(nodes),
        batch,
        max_failures,
        by: anna(),
        note: None,
    })
}

fn rollout(stage: &Stage) -> &Rollout {
    let rollouts = &stage.controller.world().rollouts;
    let mut all = rollouts.open.values().chain(&rollouts.ended);
    all.find(|r| r.id == "roll-1").expect("a rollout")
}

fn states(stage: &Stage) -> Vec<TargetState> {
    rollout(stage).targets.iter().map(|t| t.state).collect()
}

/// The agent of `node` answers the action it was given.
fn answer(stage: &mut Stage, node: &str, outcome: Outcome) {
    let order = stage.orders().into_iter().rev().find_map(|e| match e {
        Effect::Order { node: n, order } if n == *node => Some(order),
        _ => None,
    });
    let order = order.unwrap_or_else(|| panic!("nothing was ordered of {node}"));
    stage.put(Input::Result {
        action: order.action.clone(),
        occurrence: order.occurrence,
        step: order.step,
        attempt: order.attempt,
        outcome,
    });
}

fn succeed(stage: &mut Stage, node: &str) {
    answer(stage, node, done());
}

fn fail(stage: &mut Stage, node: &str) {
    let (code, why) = ("engine-error".into(), "no".into());
    let output = String::new();
    answer(stage, node, Outcome::Failed { code, why, output });
}

#[test]
fn a_rollout_works_through_its_targets_a_batch_at_a_time() {
    let mut stage = stage();
    roll(&mut stage, &NODES, 2, 1).expect("accepted");
    use TargetState::{Done, Waiting, Working};
    let begun = [Working, Working, Waiting, Waiting, Waiting];
    assert_eq!(states(&stage), begun);
    assert_eq!(stage.orders().len(), 2);
    let action = stage.action("container-restart-n0-web");
    assert_eq!(action.approved_by, Some(anna()));
    assert_eq!(action.note.as_deref(), Some("rollout roll-1"));
    succeed(&mut stage, "n1");
    let next = [Working, Done, Working, Waiting, Waiting];
    assert_eq!(states(&stage), next, "the first that is free goes on");
    for node in ["n0", "n2", "n3", "n4"] {
        succeed(&mut stage, node);
    }
    assert_eq!(states(&stage), [Done; 5]);
    assert_eq!(rollout(&stage).state, RolloutState::Completed);
    assert_eq!(rollout(&stage).why, "5 done, 0 failed, 0 skipped");
    assert_eq!(stage.count("action_started"), 5);
}

#[test]
fn it_pauses_at_the_failure_bound_and_resumes_with_what_failed() {
    let mut stage = stage();
    roll(&mut stage, &NODES, 1, 2).expect("accepted");
    fail(&mut stage, "n0");
    assert_eq!(rollout(&stage).state, RolloutState::Running, "one may fail");
    fail(&mut stage, "n1");
    assert_eq!(rollout(&stage).state, RolloutState::Paused);
    assert!(
        rollout(&stage).why.contains("2 failed: service/n0/web"),
        "{}",
        rollout(&stage).why
    );
    for node in NODES {
        see(&mut stage, node, "c1", Health::Healthy);
    }
    assert_eq!(stage.orders().len(), 2, "nothing more is begun");
    let id = || "roll-1".to_string();
    stage
        .command(Command::ResumeRoll {
            id: id(),
            by: anna(),
        })
        .expect("resumed");
    use TargetState::{Waiting, Working};
    let again = [Working, Waiting, Waiting, Waiting, Waiting];
    assert_eq!(states(&stage), again, "the first that failed, again");
    for node in NODES {
        succeed(&mut stage, node);
    }
    assert_eq!(rollout(&stage).why, "5 done, 0 failed, 0 skipped");
}

#[test]
fn a_pause_takes_back_what_nobody_has_begun() {
    let mut stage = stage();
    // The agent of n1 is away, so its action waits.
    stage.wait(Span::secs(16));
    for node in ["n0", "n2", "n3", "n4"] {
        see(&mut stage, node, "c1", Health::Healthy);
    }
    roll(&mut stage, &["n0", "n1", "n2"], 2, 1).expect("accepted");
    assert_eq!(stage.state("container-restart-n1-web"), State::Approved);
    fail(&mut stage, "n0");
    assert_eq!(rollout(&stage).state, RolloutState::Paused);
    assert_eq!(stage.state("container-restart-n1-web"), State::Cancelled);
    see(&mut stage, "n1", "c1", Health::Healthy);
    assert_eq!(
        stage.orders().len(),
        1,
        "n1 is not begun while it is paused"
    );
    let id = "roll-1".to_string();
    stage
        .command(Command::ResumeRoll { id, by: anna() })
        .expect("resumed");
    succeed(&mut stage, "n0");
    succeed(&mut stage, "n1");
    succeed(&mut stage, "n2");
    assert_eq!(rollout(&stage).state, RolloutState::Completed);
}

#[test]
fn cancelling_ends_it_and_what_is_at_work_comes_to_its_end() {
    let mut stage = stage();
    roll(&mut stage, &NODES, 1, 1).expect("accepted");
    let id = "roll-1".to_string();
    stage
        .command(Command::CancelRoll { id, by: anna() })
        .expect("cancelled");
    use TargetState::{Done, Skipped};
    succeed(&mut stage, "n0");
    let end = [Done, Skipped, Skipped, Skipped, Skipped];
    assert_eq!(states(&stage), end);
    assert_eq!(rollout(&stage).state, RolloutState::Cancelled);
    assert_eq!(stage.orders().len(), 1);
    let id = "roll-1".to_string();
    let no = stage.command(Command::ResumeRoll { id, by: anna() });
    assert_eq!(no.unwrap_err().code, "rollout-state");
}

#[test]
fn nothing_selected_is_nothing_done() {
    let mut stage = stage();
    assert_eq!(roll(&mut stage, &[], 1, 1).unwrap_err().code, "no-targets");
    let no = roll(&mut stage, &NODES, 0, 1).unwrap_err();
    assert_eq!(no.code, "bad-rollout");
    let no = roll(&mut stage, &["nowhere"], 1, 1).unwrap_err();
    assert_eq!(no.code, "no-plan");
    assert_eq!(stage.count("rollout_started"), 0);
    assert!(stage.orders().is_empty() && stage.open().is_empty());
    roll(&mut stage, &["n0", "n1"], 1, 1).expect("accepted");
    let no = roll(&mut stage, &["n1", "n0"], 2, 2).unwrap_err();
    assert_eq!(no.code, "already-rolling");
    let by = anna();
    let id = "roll-7".to_string();
    let no = stage.command(Command::PauseRoll { id, by }).unwrap_err();
    assert_eq!(no.code, "unknown-rollout");
}

#[test]
fn what_cannot_be_done_is_left_out_with_why_and_once_is_enough() {
    let mut all = five();
    let suspended = all.nodes.get_mut("n1").unwrap();
    suspended.services.get_mut("web").unwrap().suspended = true;
    let mut stage = Stage::new(all);
    see(&mut stage, "n0", "c1", Health::Healthy);
    roll(&mut stage, &["n0", "n1", "n2", "nowhere", "n0"], 9, 1).expect("accepted");
    let found: Vec<(TargetState, &str)> = rollout(&stage)
        .targets
        .iter()
        .map(|t| (t.state, t.why.as_str()))
        .collect();
    use TargetState::{Skipped, Working};
    assert_eq!(found.len(), 4, "n0 is one target");
    assert_eq!(found[0], (Working, ""));
    assert_eq!(
        found[1],
        (Skipped, "the files suspend it, and this would start it")
    );
    assert_eq!(
        found[2],
        (Skipped, "no agent has said yet which container it is")
    );
    assert_eq!(found[3], (Skipped, "no file names service/nowhere/web"));
    succeed(&mut stage, "n0");
    assert_eq!(rollout(&stage).why, "1 done, 0 failed, 3 skipped");
}

#[test]
fn an_open_repair_joins_instead_of_doubling() {
    let mut stage = stage();
    see(&mut stage, "n1", "c1", Health::Unhealthy);
    let id = "container-restart-n1-web";
    assert_eq!(stage.state(id), State::Pending);
    roll(&mut stage, &["n0", "n1"], 2, 1).expect("accepted");
    assert_eq!(stage.count("action_proposed"), 2);
    assert_eq!(stage.action(id).occurrence, 1);
    assert_eq!(
        stage.state(id),
        State::Running,
        "asking for it is approving it"
    );
}

#[test]
fn cancelling_or_rejecting_a_targets_action_skips_it() {
    let mut stage = stage();
    stage.wait(Span::secs(16));
    roll(&mut stage, &["n0", "n1"], 1, 1).expect("accepted");
    let id = "container-restart-n0-web".to_string();
    stage
        .command(Command::Cancel { id, by: anna() })
        .expect("cancelled");
    use TargetState::{Skipped, Working};
    assert_eq!(states(&stage), [Skipped, Working]);
    // The plan of the other changes while it waits: a person decides anew, and says no.
    see(&mut stage, "n1", "c2", Health::Healthy);
    let id = "container-restart-n1-web";
    assert_eq!(stage.state(id), State::Pending);
    stage
        .command(Command::Reject {
            id: id.into(),
            by: anna(),
            note: None,
        })
        .expect("rejected");
    assert_eq!(states(&stage), [Skipped, Skipped]);
    assert_eq!(rollout(&stage).state, RolloutState::Completed);
}

#[test]
fn locks_and_concurrency_hold_it_like_anything_a_person_starts() {
    let mut stage = stage();
    let until = stage.now + Span::mins(10);
    for (node, lock) in [("n0", LockKind::Backup), ("n1", LockKind::Maintenance)] {
        stage
            .command(Command::Lock {
                target: name(&format!("node/{node}")),
                lock,
                until,
                why: String::new(),
                by: anna(),
                heartbeat: None,
            })
            .expect("locked");
    }
    roll(&mut stage, &NODES, 9, 1).expect("accepted");
    assert_eq!(stage.state("container-restart-n0-web"), State::Approved);
    assert_eq!(stage.state("container-restart-n1-web"), State::Running);
    assert_eq!(stage.orders().len(), 4, "as many as the fleet's limit");
}

#[test]
fn a_restart_of_the_server_goes_on_where_it_was() {
    let mut stage = stage();
    roll(&mut stage, &NODES, 1, 1).expect("accepted");
    succeed(&mut stage, "n0");
    let world = stage.controller.world().clone();
    let text = serde_json::to_string(&world).expect("it is written");
    let mut again: stead_core::world::World = serde_json::from_str(&text).expect("and read");
    again.fleet = world.fleet.clone();
    stage.controller = Controller::new(again, "t");
    stage.put(Input::Started {
        version: "test".into(),
    });
    for node in NODES {
        see(&mut stage, node, "c1", Health::Healthy);
    }
    for node in &NODES[1..] {
        succeed(&mut stage, node);
    }
    assert_eq!(rollout(&stage).why, "5 done, 0 failed, 0 skipped");
    assert_eq!(stage.count("action_started"), 5);
}

#[derive(Debug, Clone)]
enum Move {
    Roll { some: u8, batch: u32, bound: u32 },
    Answer { node: usize, well: bool },
    Ill(usize),
    Well(usize),
    Pause,
    Resume,
    CancelRoll,
    CancelAction(usize),
    Approve(usize),
    Wait(u64),
    Restart,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let node = 0..NODES.len();
    let one = prop_oneof![
        2 => (any::<u8>(), 0..4u32, 0..3u32)
            .prop_map(|(some, batch, bound)| Move::Roll { some, batch, bound }),
        8 => (node.clone(), prop::bool::weighted(0.7)).prop_map(|(node, well)| Move::Answer { node, well }),
        2 => node.clone().prop_map(Move::Ill),
        3 => node.clone().prop_map(Move::Well),
        1 => Just(Move::Pause),
        3 => Just(Move::Resume),
        1 => Just(Move::CancelRoll),
        1 => node.clone().prop_map(Move::CancelAction),
        1 => node.prop_map(Move::Approve),
        2 => (1..200u64).prop_map(Move::Wait),
        1 => Just(Move::Restart),
    ];
    prop::collection::vec(one, 1..80)
}

fn play(stage: &mut Stage, one: &Move) {
    let open = stage.controller.world().rollouts.open.keys().next();
    let id = open.cloned().unwrap_or_else(|| "roll-1".to_string());
    let by = anna();
    let action = |node: usize| format!("container-restart-{}-web", NODES[node]);
    let command = match one {
        Move::Roll { some, batch, bound } => {
            let chosen = NODES
                .iter()
                .enumerate()
                .filter(|(i, _)| some & (1 << i) != 0);
            let nodes: Vec<&str> = chosen.map(|(_, n)| *n).collect();
            let before = stage.log.len();
            let said = roll(stage, &nodes, *batch, *bound);
            if nodes.is_empty() {
                assert!(said.is_err());
                let any = stage.log[before..]
                    .iter()
                    .any(|e| e.body.action().is_some());
                assert!(!any, "an empty selection led to something");
            }
            return;
        }
        Move::Answer { node, well } => {
            let running = stage.controller.world().actions.by_id(&action(*node));
            if running.is_some_and(|a| a.state == State::Running) {
                if *well {
                    succeed(stage, NODES[*node]);
                } else {
                    fail(stage, NODES[*node]);
                }
            }
            return;
        }
        Move::Ill(node) => return see(stage, NODES[*node], "c1", Health::Unhealthy),
        Move::Well(node) => return see(stage, NODES[*node], "c1", Health::Healthy),
        Move::Wait(secs) => return stage.wait(Span::secs(*secs)),
        Move::Restart => {
            let world = stage.controller.world().clone();
            stage.controller = Controller::new(world, "t");
            stage.put(Input::Started {
                version: "test".into(),
            });
            return;
        }
        Move::Pause => Command::PauseRoll { id, by },
        Move::Resume => Command::ResumeRoll { id, by },
        Move::CancelRoll => Command::CancelRoll { id, by },
        Move::CancelAction(node) => Command::Cancel {
            id: action(*node),
            by,
        },
        Move::Approve(node) => Command::Approve {
            id: action(*node),
            digest: None,
            by,
            note: None,
        },
    };
    // What is refused changes nothing; what holds is checked after every move.
    let _ = stage.command(command);
}

fn check(stage: &Stage) {
    let world = stage.controller.world();
    let count = |r: &Rollout, state| r.targets.iter().filter(|t| t.state == state).count();
    for rollout in world.rollouts.open.values() {
        let working = count(rollout, TargetState::Working);
        assert!(working <= rollout.batch as usize, "{rollout:?}");
        let failed = count(rollout, TargetState::Failed);
        assert!(
            failed < rollout.max_failures as usize || rollout.state == RolloutState::Paused,
            "{rollout:?}"
        );
        for target in &rollout.targets {
            if target.state == TargetState::Working {
                let (id, occurrence) = target.action.as_ref().expect("it works by an action");
                let action = world.actions.by_id(id).expect("which is open");
                assert_eq!(action.occurrence, *occurrence);
            }
        }
    }
    for rollout in &world.rollouts.ended {
        assert_eq!(count(rollout, TargetState::Waiting), 0, "{rollout:?}");
    }
}

/// Between two tries a target has one action: a new one only after the one before ended.
fn check_log(stage: &Stage) {
    use stead_core::event::Body;
    let mut given: std::collections::BTreeSet<(String, Subject, u32)> = Default::default();
    let mut paused: std::collections::BTreeSet<String> = Default::default();
    for event in &stage.log {
        match &event.body {
            Body::RolloutTarget(t) if t.skipped.is_empty() => {
                assert!(!paused.contains(&t.rollout), "begun while it was paused");
                let once = (t.rollout.clone(), event.subject.clone(), t.occurrence);
                assert!(given.insert(once), "the same action given twice");
            }
            Body::RolloutPaused(r) | Body::RolloutCancelled(r) => {
                paused.insert(r.rollout.clone());
            }
            Body::RolloutResumed(r) => {
                paused.remove(&r.rollout);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_rollout_keeps_its_batch_its_bound_and_one_action_per_target(moves in moves()) {
        let mut stage = stage();
        for one in &moves {
            play(&mut stage, one);
            check(&stage);
        }
        check_log(&stage);
        prop_assert_eq!(&replayed(&stage), stage.controller.world());
    }
}
