//! Properties over random histories.

use proptest::prelude::*;
use stead_core::action::{Principal, State};
use stead_core::command::Outcome;
use stead_core::controller::{Command, Controller, Effect, Input};
use stead_core::drift;
use stead_core::event;
use stead_core::facts::{ContainerState, Fact, FactKey, Health, Level, SourceKind, SourceState};
use stead_core::lock::{self, LockKind};
use stead_core::policy::Now;
use stead_core::time::Span;
use stead_core::world::World;

use crate::stage::*;

#[derive(Debug, Clone)]
pub enum Move {
    Container {
        node: usize,
        c: usize,
        state: usize,
        health: usize,
        id: u8,
    },
    Gone {
        node: usize,
        c: usize,
    },
    Unit {
        node: usize,
        active: usize,
    },
    Disk {
        node: usize,
        level: usize,
    },
    Docker {
        node: usize,
        up: bool,
    },
    Snapshot {
        node: usize,
        healthy: bool,
        some: u8,
    },
    Report {
        node: usize,
        c: usize,
        kind: usize,
    },
    Approve,
    Reject,
    Answer(u8),
    Fleet {
        variant: u8,
    },
    Wait(u32),
    Heard {
        node: usize,
    },
    Lock {
        target: usize,
        kind: usize,
        for_ms: u32,
        beats: bool,
    },
    Unlock {
        target: usize,
    },
    ReleaseBrake,
    Restart,
}

const NODES: [&str; 2] = ["a", "b"];
const CONTAINERS: [&str; 3] = ["x", "y", "z"];
const LOCKED: [&str; 5] = ["fleet", "node/a", "service/a/x", "service/b/web", "node/b"];

pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    let node = 0..2usize;
    let one = prop_oneof![
        6 => (node.clone(), 0..3usize, 0..3usize, 0..4usize, 0..2u8)
            .prop_map(|(node, c, state, health, id)| Move::Container { node, c, state, health, id }),
        1 => (node.clone(), 0..3usize).prop_map(|(node, c)| Move::Gone { node, c }),
        2 => (node.clone(), 0..3usize).prop_map(|(node, active)| Move::Unit { node, active }),
        1 => (node.clone(), 0..3usize).prop_map(|(node, level)| Move::Disk { node, level }),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, up)| Move::Docker { node, up }),
        3 => (node.clone(), any::<bool>(), any::<u8>())
            .prop_map(|(node, healthy, some)| Move::Snapshot { node, healthy, some }),
        2 => (node.clone(), 0..3usize, 0..4usize).prop_map(|(node, c, kind)| Move::Report { node, c, kind }),
        3 => Just(Move::Approve),
        1 => Just(Move::Reject),
        3 => any::<u8>().prop_map(Move::Answer),
        1 => (0..4u8).prop_map(|variant| Move::Fleet { variant }),
        2 => (1..120_000u32).prop_map(Move::Wait),
        2 => node.prop_map(|node| Move::Heard { node }),
        2 => (0..LOCKED.len(), 0..4usize, 1..600_000u32, any::<bool>())
            .prop_map(|(target, kind, for_ms, beats)| Move::Lock { target, kind, for_ms, beats }),
        1 => (0..LOCKED.len()).prop_map(|target| Move::Unlock { target }),
        1 => Just(Move::ReleaseBrake),
        1 => Just(Move::Restart),
    ];
    proptest::collection::vec(one, 1..60)
}

pub fn a_fleet(variant: u8) -> stead_core::desired::Fleet {
    let services = [
        ("x", container("x", None)),
        ("y", container("y", Some("app:1"))),
        ("z", container("z", Some("app:2"))),
        ("web", unit("web.service")),
    ];
    let mut all = fleet(&[("a", &services), ("b", &services)]);
    match variant {
        1 => all = automatic(all, "*"),
        2 => all.nodes.get_mut("a").unwrap().strict = true,
        3 => {
            all.nodes
                .get_mut("b")
                .unwrap()
                .services
                .get_mut("x")
                .unwrap()
                .monitor = false
        }
        _ => {}
    }
    all
}

fn facts(healthy: bool, some: u8) -> Vec<(FactKey, Fact)> {
    let health = if healthy {
        Health::Healthy
    } else {
        Health::Unhealthy
    };
    let mut facts = vec![host("b1"), up(SourceKind::Docker), up(SourceKind::Systemd)];
    for (i, c) in CONTAINERS.iter().enumerate() {
        if some & (1 << i) == 0 {
            facts.push(runs(c, "id0", health));
        }
    }
    facts.push(unit_is("web.service", "active"));
    facts
}

pub fn play(stage: &mut Stage, step: &Move) {
    stage.now = stage.now + Span::millis(700);
    match step.clone() {
        Move::Container {
            node,
            c,
            state,
            health,
            id,
        } => {
            let state = [
                ContainerState::Running,
                ContainerState::Exited,
                ContainerState::Running,
            ][state];
            let health = [
                Health::None,
                Health::Healthy,
                Health::Unhealthy,
                Health::Starting,
            ][health];
            let fact = shows(CONTAINERS[c], &format!("id{id}"), state, health);
            let at = stage.now.0;
            stage.see(NODES[node], started_at(fact, at));
        }
        Move::Gone { node, c } => stage.gone(NODES[node], FactKey::Container(name(CONTAINERS[c]))),
        Move::Unit { node, active } => {
            stage.see(
                NODES[node],
                unit_is("web.service", ["active", "failed", "inactive"][active]),
            );
        }
        Move::Disk { node, level } => {
            let level = [Level::Ok, Level::Warning, Level::Critical][level];
            stage.see(NODES[node], disk(level, 50.0));
        }
        Move::Docker { node, up: is_up } => {
            let (key, mut fact) = up(SourceKind::Docker);
            if let (Fact::Source(s), false) = (&mut fact, is_up) {
                s.state = SourceState::Down;
            }
            stage.see(NODES[node], (key, fact));
        }
        Move::Snapshot {
            node,
            healthy,
            some,
        } => stage.snapshot(NODES[node], &facts(healthy, some)),
        Move::Report { node, c, kind } => {
            let kind = [
                "service_unhealthy",
                "containers_not_running",
                "mqtt_unreachable",
                "service_recovered",
            ][kind];
            stage.report(&format!("service/{}/{}", NODES[node], CONTAINERS[c]), kind);
        }
        Move::Approve => {
            if let Some(id) = stage.open().first().cloned() {
                let _ = stage.approve(&id);
            }
        }
        Move::Reject => {
            if let Some(id) = stage.open().first().cloned() {
                let by = Principal::Files;
                let _ = stage.command(Command::Reject { id, by, note: None });
            }
        }
        Move::Answer(kind) => {
            if !stage.orders().is_empty() {
                stage.answer(match kind % 4 {
                    0 | 1 => done(),
                    2 => Outcome::Failed {
                        code: "x".into(),
                        why: "x".into(),
                        output: String::new(),
                    },
                    _ => Outcome::Unknown { why: "x".into() },
                });
            }
        }
        Move::Fleet { variant } => stage.load(a_fleet(variant)),
        Move::Wait(ms) => stage.wait(Span::millis(ms.into())),
        Move::Heard { node } => {
            stage.put(Input::Heard {
                node: name(NODES[node]),
            });
        }
        Move::Lock {
            target,
            kind,
            for_ms,
            beats,
        } => {
            let _ = stage.command(Command::Lock {
                target: name(LOCKED[target]),
                lock: LockKind::ALL[kind],
                until: stage.now + Span::millis(u64::from(for_ms)),
                why: "property".into(),
                by: Principal::User("anna".into()),
                heartbeat: beats.then_some(Span::secs(30)),
            });
        }
        Move::Unlock { target } => {
            let _ = stage.command(Command::Unlock {
                target: name(LOCKED[target]),
                lock: None,
                by: Principal::User("anna".into()),
            });
        }
        Move::ReleaseBrake => {
            let by = Principal::User("anna".into());
            let _ = stage.command(Command::ReleaseBrake { by });
        }
        Move::Restart => {
            stage.controller = Controller::new(replayed(stage), "t");
            stage.put(Input::Started {
                version: "test".into(),
            });
        }
    }
}

/// The log written, read back, and folded.
pub fn replayed(stage: &Stage) -> World {
    let mut world = World::default();
    for event in &stage.log {
        let mut back = event::decode(event::encode(event)).expect("readable");
        if let (event::Body::DesiredLoaded(new), event::Body::DesiredLoaded(old)) =
            (&mut back.body, &event.body)
        {
            new.fleet = old.fleet.clone();
        }
        world.apply(&back);
    }
    world
}

/// Automatic starts of one target in any hour.
fn worst_hour(stage: &Stage) -> usize {
    let starts: Vec<_> = stage
        .log
        .iter()
        .filter(|e| matches!(&e.body, event::Body::ActionStarted(s) if s.automatic))
        .map(|e| (e.subject.clone(), e.at))
        .collect();
    let in_hour = |(subject, at): &(stead_core::subject::Subject, stead_core::time::Time)| {
        starts
            .iter()
            .filter(|(s, t)| s == subject && *t >= *at && t.since(*at) < Span::hours(1))
            .count()
    };
    starts.iter().map(in_hour).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn incremental_drift_equals_full_and_replay_equals_the_live_state(history in moves()) {
        let mut stage = Stage::new(a_fleet(0));
        for step in &history {
            play(&mut stage, step);
            prop_assert_eq!(stage.controller.drift().map(), &drift::all(stage.controller.world()), "after {:?}", step);
        }
        let world = replayed(&stage);
        let live = serde_json::to_string(stage.controller.world()).unwrap();
        prop_assert_eq!(serde_json::to_string(&world).unwrap(), live);
    }

    #[test]
    fn what_a_reconcile_passes_over_has_no_drift(history in moves()) {
        let mut stage = Stage::new(a_fleet(0));
        for step in &history {
            play(&mut stage, step);
            let world = stage.controller.world();
            let looked_at = drift::unsettled(world);
            for subject in drift::subjects(world) {
                let passed_over = !looked_at.contains(&subject);
                prop_assert!(!passed_over || drift::of(world, &subject).is_empty(), "{} after {:?}", subject, step);
            }
        }
    }

    #[test]
    fn limits_hold_and_no_target_ever_has_two_running_actions(history in moves()) {
        let mut stage = Stage::new(a_fleet(1));
        for step in &history {
            play(&mut stage, step);
            let actions = &stage.controller.world().actions;
            let mut targets: Vec<_> =
                actions.open.values().filter(|a| a.state == State::Running).map(|a| &a.key.subject).collect();
            let all = targets.len();
            targets.sort();
            targets.dedup();
            prop_assert_eq!(targets.len(), all);
            prop_assert!(all <= 4);
        }
        prop_assert!(worst_hour(&stage) <= 3);
    }

    #[test]
    fn nothing_starts_by_itself_under_a_lock_or_the_brake_and_nothing_at_all_under_a_backup(
        history in moves(),
    ) {
        let mut stage = Stage::new(a_fleet(1));
        for step in &history {
            let (from, before) = (stage.log.len(), stage.controller.world().clone());
            play(&mut stage, step);
            // Folded one by one, so that each start is held against the world right before it.
            let mut world = before;
            for event in &stage.log[from..] {
                if let event::Body::ActionStarted(started) = &event.body {
                    let held: Vec<LockKind> =
                        lock::holding(&world, &event.subject, event.at).map(|(k, _)| k.lock).collect();
                    let own_work = started.action.starts_with("lock-clear");
                    let free = held.is_empty() && world.brake.engaged.is_none();
                    prop_assert!(own_work || !started.automatic || free, "{} under {:?}", started.action, held);
                    prop_assert!(own_work || !held.iter().any(|k| k.holds_people()), "{}", started.action);
                }
                let mut event = event.clone();
                if let event::Body::DesiredLoaded(loaded) = &mut event.body {
                    loaded.fleet.get_or_insert_with(|| stage.controller.world().fleet.clone());
                }
                world.apply(&event);
            }
        }
    }

    #[test]
    fn what_the_brake_counts_is_what_a_count_from_nothing_gives(history in moves()) {
        let mut stage = Stage::new(a_fleet(1));
        for step in &history {
            play(&mut stage, step);
            let controller = &stage.controller;
            let fresh = stead_core::brake::Watch::rebuild(controller.world(), controller.drift());
            prop_assert_eq!(controller.brake(), &fresh, "after {:?}", step);
        }
    }

    #[test]
    fn effects_follow_only_from_logged_intents(history in moves()) {
        let mut stage = Stage::new(a_fleet(1));
        for step in &history {
            play(&mut stage, step);
        }
        for effect in stage.orders() {
            let Effect::Order { order, .. } = effect else { continue };
            let logged = stage.log.iter().any(|e| matches!(
                &e.body,
                event::Body::ActionStepStarted(s)
                    if s.action == order.action && s.occurrence == order.occurrence
                        && s.step == order.step && s.attempt == order.attempt
            ));
            prop_assert!(logged, "{:?}", order);
        }
    }

    #[test]
    fn a_converged_world_proposes_nothing(waits in proptest::collection::vec(1..300_000u64, 1..20)) {
        let mut stage = Stage::new({
            let mut all = a_fleet(1);
            // `z` would be changed_service: it runs app:1.
            all.nodes.values_mut().for_each(|n| { n.services.remove("z"); });
            all
        });
        for node in NODES {
            stage.snapshot(node, &facts(true, 0));
        }
        for ms in waits {
            stage.wait(Span::millis(ms));
            for node in NODES {
                stage.snapshot(node, &facts(true, 0));
            }
        }
        prop_assert!(stage.open().is_empty());
        prop_assert_eq!(stage.count("action_proposed"), 0);
    }

    #[test]
    fn partial_input_never_leads_to_what_destroys(some in any::<u8>(), history in moves()) {
        let mut stage = Stage::new(a_fleet(1));
        stage.snapshot("a", &facts(true, some));
        for step in &history {
            play(&mut stage, step);
        }
        let actions = &stage.controller.world().actions;
        let harmless = actions.open.values().chain(&actions.ended)
            .all(|a| a.risk != stead_core::action::Risk::Destructive);
        prop_assert!(harmless);
        // Nothing is ever done to what no file names, and nothing is ever done to an empty list of targets.
        for effect in stage.orders() {
            let Effect::Order { node, order } = effect else { continue };
            prop_assert!(NODES.contains(&node.as_str()));
            if let stead_core::command::Command::ContainerRestart { container, id } = &order.command {
                prop_assert!(CONTAINERS.contains(&container.as_str()) && !id.is_empty());
            }
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_log(history in moves()) {
        let run = || {
            let mut stage = Stage::new(a_fleet(1));
            history.iter().for_each(|step| play(&mut stage, step));
            stage.controller.handle(Now::utc(stage.now), Input::Tick);
            stage.log
        };
        prop_assert_eq!(run(), run());
    }
}
