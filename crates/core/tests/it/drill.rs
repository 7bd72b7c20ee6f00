//! The chaos drill, told as stories. Row R9.

use stead_core::action::{ActionKind, Principal, State};
use stead_core::command::{Command as Do, Outcome};
use stead_core::controller::{Command, Controller, Effect, Input, Refusal, Reply};
use stead_core::desired::{
    CANARY, Channel, Drill, Fleet, Match, Ping, Route, RouteMatch, Rule, Says, Webhook,
};
use stead_core::event::{DrillEnded, Severity};
use stead_core::facts::{ContainerState, Health, SourceKind};
use stead_core::lock::LockKind;
use stead_core::time::Span;

use crate::properties::replayed;
use crate::stage::*;

const DRILL: &str = "drill-piha";
const REPAIR: &str = "container-restart-piha-stead-canary";
const WITHIN: Span = Span::mins(2);
const LONGER: Span = Span::secs(125);

fn with_canary(mut fleet: Fleet) -> Fleet {
    let drill = Drill {
        node: name("piha"),
        image: "app:1".into(),
        command: None,
        schedule: None,
        within: WITHIN,
    };
    let (service, desired) = drill.service().expect("a service");
    let node = fleet.nodes.get_mut("piha").expect("the node");
    node.services.insert(service, desired);
    fleet.drill = Some(drill);
    fleet
}

fn piha() -> Fleet {
    with_canary(fleet(&[("piha", &[])]))
}

fn canary(state: ContainerState, at: i64) -> (stead_core::facts::FactKey, stead_core::facts::Fact) {
    started_at(shows(CANARY, "k1", state, Health::None), at)
}

fn well(stage: &mut Stage) {
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        canary(ContainerState::Running, 0),
    ];
    stage.snapshot("piha", &facts);
}

fn stage() -> Stage {
    let mut stage = Stage::new(piha());
    well(&mut stage);
    stage
}

fn drill(stage: &mut Stage) -> Result<Reply, Refusal> {
    stage.command(Command::Start {
        kind: ActionKind::Drill,
        subject: name("node/piha"),
        by: Principal::User("anna".into()),
        note: None,
    })
}

fn ended(stage: &Stage) -> &DrillEnded {
    &stage
        .controller
        .world()
        .drills
        .back()
        .expect("a drill ended")
        .1
}

fn ordered(stage: &Stage) -> Do {
    match stage.orders().pop() {
        Some(Effect::Order { order, .. }) => order.command,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_drill_breaks_the_canary_and_proves_that_it_is_noticed_and_mended() {
    let mut stage = stage();
    drill(&mut stage).expect("it begins");
    let killed = Do::CanaryKill {
        container: name(CANARY),
        id: "k1".into(),
    };
    assert_eq!(ordered(&stage), killed);
    stage.live("piha", Span::secs(5));
    stage.answer(done());
    assert_eq!(stage.state(DRILL), State::Running, "broken is not proven");
    stage.live("piha", Span::secs(5));
    stage.see("piha", canary(ContainerState::Exited, 0));
    // Its repair waits for nobody, and not for the drill either.
    assert_eq!(stage.state(REPAIR), State::Running);
    assert!(matches!(ordered(&stage), Do::ContainerRestart { .. }));
    stage.live("piha", Span::secs(10));
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Running, 20));
    assert_eq!(stage.state(REPAIR), State::Completed);
    assert_eq!(stage.state(DRILL), State::Completed);
    let proof = ended(&stage);
    assert!(proof.ok);
    assert_eq!(proof.detected, Some(Span::secs(10)));
    assert_eq!(proof.repaired, Some(Span::secs(20)));
    assert_eq!(proof.told, None, "no route takes it to anybody");
    assert_eq!(proof.within, WITHIN);
    assert!(
        proof
            .detail
            .starts_with("noticed after 10.0 s, mended after 20.0 s")
    );
}

/// Whatever concerns the canary goes to a channel.
fn routed(mut fleet: Fleet) -> Fleet {
    let channel = Channel::Webhook(Webhook::default());
    fleet.channels.insert("ops".into(), channel);
    fleet.routes.push(Route {
        name: "canary".into(),
        matches: RouteMatch {
            service: Some(CANARY.into()),
            ..RouteMatch::default()
        },
        to: vec!["ops".into()],
        ping: Ping::Never,
    });
    fleet
}

/// Broken and mended, with the message about it on its way.
fn mended() -> Stage {
    let mut stage = Stage::new(routed(piha()));
    well(&mut stage);
    drill(&mut stage).expect("it begins");
    stage.answer(done());
    stage.live("piha", Span::secs(5));
    stage.see("piha", canary(ContainerState::Exited, 0));
    stage.live("piha", Span::secs(10));
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Running, 20));
    assert_eq!(stage.state(REPAIR), State::Completed);
    stage
}

fn deliver(stage: &mut Stage, why: &str) {
    let outbox = &stage.controller.world().alerts.outbox;
    let id = outbox.keys().next().cloned().expect("a message");
    stage.put(Input::Delivered {
        id,
        attempts: 1,
        why: why.into(),
    });
}

#[test]
fn where_a_route_takes_it_somebody_must_have_been_told() {
    let mut stage = mended();
    assert_eq!(stage.state(DRILL), State::Running, "nobody knows of it yet");
    stage.live("piha", Span::secs(5));
    deliver(&mut stage, "");
    assert_eq!(stage.state(DRILL), State::Completed);
    assert_eq!(ended(&stage).told, Some(Span::secs(20)));
    assert!(ended(&stage).detail.ends_with("told after 20.0 s"));
    assert_eq!(&replayed(&stage), stage.controller.world());
}

#[test]
fn while_the_alert_of_the_last_trouble_is_open_the_next_drill_waits() {
    let mut stage = mended();
    deliver(&mut stage, "");
    drill(&mut stage).expect("accepted");
    let id = "drill-piha#2";
    assert_eq!(
        stage.state(id),
        State::Approved,
        "nobody would be told twice"
    );
    stage.live("piha", Span::mins(2));
    assert_eq!(stage.state(id), State::Running);
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Exited, 30));
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Running, 40));
    assert_eq!(stage.state(id), State::Running, "it is mended, not told");
    deliver_all(&mut stage);
    assert_eq!(stage.state(id), State::Completed);
    assert!(ended(&stage).told.is_some());
}

fn deliver_all(stage: &mut Stage) {
    while !stage.controller.world().alerts.outbox.is_empty() {
        deliver(stage, "");
    }
}

#[test]
fn a_message_that_reaches_nobody_fails_the_drill() {
    let mut stage = mended();
    deliver(&mut stage, "refused");
    stage.live("piha", LONGER);
    let proof = ended(&stage);
    assert!(!proof.ok && proof.repaired.is_some() && proof.told.is_none());
    assert_eq!(proof.detail, "no message about it was delivered within 2m");
}

#[test]
fn a_failed_drill_is_told_until_one_succeeds() {
    let mut all = routed(piha());
    all.routes[0].matches = RouteMatch {
        severity: Some(Severity::Critical),
        ..RouteMatch::default()
    };
    let mut stage = Stage::new(all);
    well(&mut stage);
    drill(&mut stage).expect("it begins");
    stage.answer(done());
    stage.live("piha", LONGER);
    assert!(!ended(&stage).ok);
    let threads = |stage: &Stage| -> Vec<String> {
        let open = &stage.controller.world().alerts.open;
        open.values().map(|t| t.title.clone()).collect()
    };
    assert_eq!(threads(&stage), ["The drill on node/piha failed"]);
    assert_eq!(stage.count("message_queued"), 1);
    stage.live("piha", Span::mins(5));
    assert_eq!(threads(&stage).len(), 1, "it is not over by itself");
    drill(&mut stage).expect("another");
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Exited, 0));
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Running, 20));
    assert!(ended(&stage).ok);
    stage.live("piha", Span::mins(2));
    assert!(threads(&stage).is_empty(), "{:?}", threads(&stage));
}

#[test]
fn a_second_drill_within_the_hour_is_mended_by_a_redeploy_and_counts_as_well() {
    let mut stage = stage();
    for round in 1..=2 {
        drill(&mut stage).expect("it begins");
        stage.answer(done());
        stage.see("piha", canary(ContainerState::Exited, round));
        stage.live("piha", Span::secs(5));
        stage.answer(done());
        stage.see("piha", canary(ContainerState::Running, 10 + round));
        assert!(ended(&stage).ok, "round {round}: {:?}", ended(&stage));
        stage.live("piha", Span::mins(1));
    }
    assert_eq!(stage.count("drill_ended"), 2);
    assert_eq!(stage.state("redeploy-piha-stead-canary"), State::Completed);
}

#[test]
fn a_canary_that_nobody_sees_break_fails_the_drill() {
    let mut stage = stage();
    drill(&mut stage).expect("it begins");
    stage.answer(done());
    stage.live("piha", LONGER);
    assert_eq!(stage.state(DRILL), State::Failed);
    assert_eq!(stage.action(DRILL).code.as_deref(), Some("drill-failed"));
    let proof = ended(&stage);
    assert!(!proof.ok && proof.detected.is_none());
    assert!(
        proof.detail.contains("was not noticed within 2m"),
        "{proof:?}"
    );
    let last = stage.log.iter().rev();
    let said: Vec<Severity> = last
        .filter(|e| ["action_failed", "drill_ended"].contains(&e.kind().as_str()))
        .map(|e| e.severity)
        .collect();
    assert_eq!(said, [Severity::Critical, Severity::Critical]);
}

#[test]
fn a_repair_that_does_not_help_fails_the_drill_and_says_so() {
    let mut stage = stage();
    drill(&mut stage).expect("it begins");
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Exited, 0));
    assert_eq!(stage.state(REPAIR), State::Running);
    stage.live("piha", LONGER);
    let proof = ended(&stage);
    assert!(!proof.ok && proof.detected.is_some() && proof.repaired.is_none());
    assert!(
        proof
            .detail
            .contains("was not mended within 2m (container-restart"),
        "{}",
        proof.detail
    );
}

#[test]
fn a_drill_whose_order_has_no_known_end_is_judged_by_what_shows() {
    let mut stage = stage();
    drill(&mut stage).expect("it begins");
    let why = "the agent fell".to_string();
    stage.answer(Outcome::Unknown { why });
    assert_eq!(stage.state(DRILL), State::Running, "nothing is proven yet");
    stage.see("piha", canary(ContainerState::Exited, 0));
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Running, 5));
    assert!(ended(&stage).ok);

    let mut stage = self::stage();
    drill(&mut stage).expect("it begins");
    let why = "the agent fell".to_string();
    stage.answer(Outcome::Unknown { why });
    stage.live("piha", LONGER);
    assert!(ended(&stage).detail.contains("nobody knows whether"));
    assert_eq!(stage.orders().len(), 1, "it is not broken twice");
}

#[test]
fn an_agent_that_refuses_ends_the_drill_as_failed() {
    let mut stage = stage();
    drill(&mut stage).expect("it begins");
    stage.answer(Outcome::Refused {
        code: "no-canary".into(),
        why: "it has no label".into(),
    });
    assert_eq!(stage.action(DRILL).code.as_deref(), Some("no-canary"));
    assert!(!ended(&stage).ok);
}

#[test]
fn a_restart_of_the_server_in_the_middle_of_a_drill_changes_nothing() {
    let mut stage = stage();
    drill(&mut stage).expect("it begins");
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Exited, 0));
    let world = stage.controller.world().clone();
    stage.controller = Controller::new(world, "t");
    let version = "test".to_string();
    stage.put(Input::Started { version });
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        canary(ContainerState::Exited, 0),
    ];
    stage.snapshot("piha", &facts);
    stage.answer(done());
    stage.see("piha", canary(ContainerState::Running, 5));
    assert!(ended(&stage).ok, "{:?}", ended(&stage));
}

#[test]
fn a_drill_begins_only_where_everything_is_well_and_free() {
    let refused = |stage: &mut Stage, part: &str| {
        let no = drill(stage).unwrap_err();
        assert_eq!(no.code, "drill-refused");
        assert!(no.detail.contains(part), "{}", no.detail);
        assert!(stage.orders().is_empty() && !no.remedy.is_empty());
    };
    let mut ill = Stage::new(piha());
    refused(&mut ill, "not well");
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        shows(CANARY, "k1", ContainerState::Running, Health::Starting),
    ];
    ill.snapshot("piha", &facts);
    refused(&mut ill, "not well");
    let mut stale = stage();
    stale.wait(Span::secs(20));
    refused(&mut stale, "not well");
    for target in ["fleet", "node/piha", "service/piha/stead-canary"] {
        let mut locked = stage();
        let until = locked.now + Span::mins(10);
        locked
            .command(Command::Lock {
                target: name(target),
                lock: LockKind::Maintenance,
                until,
                why: String::new(),
                by: Principal::Files,
                heartbeat: None,
            })
            .expect("locked");
        refused(&mut locked, "lock on");
    }
    let mut none = Stage::new(fleet(&[("piha", &[])]));
    assert_eq!(drill(&mut none).unwrap_err().code, "no-plan");
}

#[test]
fn a_drill_that_failed_takes_back_nothing_that_was_earned() {
    let mut fleet = with_canary(fleet(&[("piha", &[("z2m", container("z2m", None))])]));
    fleet.policy.rules.push(Rule {
        matches: Match {
            action: Some("*".into()),
            ..Match::default()
        },
        says: Says::Earn(1),
        between: None,
        days: None,
        hours: None,
    });
    let mut stage = Stage::new(fleet);
    let both = |stage: &mut Stage, health, at| {
        let z2m = started_at(runs("z2m", "c1", health), at);
        let docker = up(SourceKind::Docker);
        let running = canary(ContainerState::Running, 0);
        stage.snapshot("piha", &[host("b1"), docker, running, z2m]);
    };
    both(&mut stage, Health::Healthy, 0);
    both(&mut stage, Health::Unhealthy, 0);
    stage
        .approve("container-restart-piha-z2m")
        .expect("approved");
    stage.answer(done());
    both(&mut stage, Health::Healthy, 1);
    assert_eq!(stage.count("autonomy_earned"), 1);
    drill(&mut stage).expect("it begins");
    stage.answer(done());
    stage.live("piha", LONGER);
    assert!(!ended(&stage).ok);
    assert_eq!(stage.count("autonomy_lost"), 0);
    assert_eq!(stage.controller.world().earned.len(), 1);
}
