//! The loop, told as stories.

use stead_core::action::{Principal, State, Trigger};
use stead_core::command::{Command as Do, Outcome};
use stead_core::controller::{Command, Effect, Input, Reply};
use stead_core::event::Body;
use stead_core::facts::{ContainerState, Fact, FactKey, Health, Level, SourceKind};
use stead_core::time::Span;
use stead_core::world::{EvidenceState, Status};

use crate::stage::*;

const ID: &str = "container-restart-piha-z2m";

fn piha() -> Stage {
    Stage::new(fleet(&[("piha", &[("z2m", container("z2m", None))])]))
}

fn well(stage: &mut Stage) {
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        runs("z2m", "c1", Health::Healthy),
    ];
    stage.snapshot("piha", &facts);
}

fn ill(stage: &mut Stage) {
    stage.see("piha", runs("z2m", "c1", Health::Unhealthy));
}

#[test]
fn an_ill_container_is_noticed_proposed_approved_restarted_and_verified() {
    let mut stage = piha();
    well(&mut stage);
    assert!(stage.open().is_empty());
    ill(&mut stage);
    assert_eq!(stage.state(ID), State::Pending);
    assert_eq!(stage.action(ID).trigger, Trigger::ContainerUnhealthy);
    assert!(stage.orders().is_empty(), "level 2 asks by default");
    let approved = stage.approve(ID).expect("approved");
    assert!(matches!(
        approved,
        Reply::Action {
            state: State::Approved,
            ..
        }
    ));
    assert_eq!(stage.state(ID), State::Running);
    let Effect::Order { order, .. } = stage.orders().remove(0) else {
        unreachable!()
    };
    assert_eq!(
        order.command,
        Do::ContainerRestart {
            container: name("z2m"),
            id: "c1".into()
        }
    );
    assert_eq!(order.token, stage.action(ID).token.0);
    stage.see("piha", started_at(runs("z2m", "c1", Health::Starting), 5));
    stage.answer(done());
    assert_eq!(stage.state(ID), State::Running, "done is not yet verified");
    stage.see("piha", started_at(runs("z2m", "c1", Health::Healthy), 5));
    assert_eq!(stage.state(ID), State::Completed);
    assert!(stage.open().is_empty());
    let stages: Vec<&str> = stage
        .action(ID)
        .chain
        .iter()
        .map(|l| l.stage.as_str())
        .collect();
    for stage in ["event", "drift", "policy", "approval", "step", "outcome"] {
        assert!(stages.contains(&stage), "{stages:?} lacks {stage}");
    }
}

#[test]
fn what_heals_by_itself_cancels_its_action() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.see("piha", runs("z2m", "c1", Health::Healthy));
    assert_eq!(stage.state(ID), State::Cancelled);
    assert_eq!(
        stage.action(ID).outcome.as_deref(),
        Some("drift_resolved_auto")
    );
}

#[test]
fn what_leaves_the_desired_state_cancels_its_action() {
    for monitor_only in [true, false] {
        let mut stage = piha();
        well(&mut stage);
        ill(&mut stage);
        let mut next = fleet(&[("piha", &[("z2m", container("z2m", None))])]);
        let services = &mut next.nodes.get_mut("piha").unwrap().services;
        if monitor_only {
            services.get_mut("z2m").unwrap().monitor = false;
        } else {
            services.clear();
        }
        stage.load(next);
        assert_eq!(
            stage.action(ID).outcome.as_deref(),
            Some("service_removed_from_desired_state")
        );
    }
}

#[test]
fn what_a_person_approved_is_never_cancelled_automatically() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    // The agent is away, so the approved action has to wait.
    stage.wait(Span::secs(20));
    stage.approve(ID).expect("approved");
    assert_eq!(stage.state(ID), State::Approved);
    well(&mut stage);
    assert_eq!(
        stage.state(ID),
        State::Running,
        "it runs although it healed meanwhile"
    );
}

#[test]
fn a_rule_makes_it_automatic_and_the_limit_bounds_it() {
    let fleet = automatic(
        fleet(&[("piha", &[("z2m", container("z2m", None))])]),
        "container_restart",
    );
    let mut stage = Stage::new(fleet);
    well(&mut stage);
    for round in 1..=5 {
        ill(&mut stage);
        if stage.state(ID) == State::Running {
            stage.see(
                "piha",
                started_at(runs("z2m", "c1", Health::Healthy), round),
            );
            stage.answer(done());
            assert_eq!(stage.state(ID), State::Completed, "round {round}");
        } else {
            stage.see(
                "piha",
                started_at(runs("z2m", "c1", Health::Healthy), round),
            );
        }
        stage.live("piha", Span::secs(60));
    }
    assert_eq!(
        stage.count("action_started"),
        3,
        "three repairs per target per hour"
    );
    ill(&mut stage);
    assert_eq!(stage.state(ID), State::Pending);
    stage.live("piha", Span::hours(1));
    assert_eq!(
        stage.count("action_started"),
        4,
        "an hour later the limit is free again"
    );
}

#[test]
fn a_restart_that_did_not_last_becomes_a_redeploy_where_a_file_says_how() {
    let mut stage = Stage::new(fleet(&[(
        "piha",
        &[("z2m", container("z2m", Some("app:1")))],
    )]));
    well(&mut stage);
    ill(&mut stage);
    stage.approve(ID).expect("approved");
    stage.see("piha", started_at(runs("z2m", "c1", Health::Healthy), 1));
    stage.answer(done());
    stage.live("piha", Span::mins(10));
    ill(&mut stage);
    assert_eq!(stage.open(), ["redeploy-piha-z2m"]);
}

#[test]
fn a_missing_container_without_a_definition_gets_no_action_but_a_remedy() {
    let mut stage = piha();
    stage.snapshot("piha", &[host("b1"), up(SourceKind::Docker)]);
    assert!(stage.open().is_empty());
    let drift = stage
        .controller
        .drift()
        .iter()
        .next()
        .expect("it is drift")
        .clone();
    let (_, remedy) = stead_core::controller::why_not(stage.controller.world(), &drift, stage.now)
        .expect("a reason");
    assert!(remedy.unwrap().contains("image:"));
}

#[test]
fn an_approval_binds_to_the_plan_that_was_shown() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.wait(Span::secs(20));
    let read = stage.action(ID).plan.digest.clone();
    stage.approve(ID).expect("approved");
    // While the agent was away, somebody recreated the container: the plan would touch another one.
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        runs("z2m", "c2", Health::Unhealthy),
    ];
    stage.snapshot("piha", &facts);
    assert_eq!(stage.state(ID), State::Pending);
    assert!(
        stage.orders().is_empty(),
        "F10: the old plan is not carried out"
    );
    let by = Principal::User("anna".into());
    let refusal = stage.command(Command::Approve {
        id: ID.into(),
        digest: Some(read),
        by,
        note: None,
    });
    assert_eq!(refusal.unwrap_err().code, "plan-changed");
}

#[test]
fn a_rejection_holds_until_the_trouble_clears() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    let by = Principal::User("anna".into());
    stage
        .command(Command::Reject {
            id: ID.into(),
            by,
            note: None,
        })
        .expect("rejected");
    stage.live("piha", Span::hours(2));
    assert!(
        stage.open().is_empty(),
        "it stays rejected while nothing changes"
    );
    stage.see("piha", runs("z2m", "c1", Health::Healthy));
    ill(&mut stage);
    assert_eq!(stage.open(), [format!("{ID}#2")]);
}

#[test]
fn failures_back_off_and_after_three_a_person_must_look() {
    let fleet = automatic(fleet(&[("piha", &[("z2m", container("z2m", None))])]), "*");
    let mut stage = Stage::new(fleet);
    well(&mut stage);
    ill(&mut stage);
    for failures in 1..=3 {
        assert_eq!(stage.state(ID), State::Running, "attempt {failures}");
        stage.answer(Outcome::Failed {
            code: "engine".into(),
            why: "no".into(),
            output: String::new(),
        });
        assert!(stage.open().is_empty(), "it backs off");
        stage.live("piha", Span::mins(if failures == 1 { 3 } else { 5 }));
    }
    stage.live("piha", Span::hours(5));
    assert!(stage.open().is_empty());
    let last = stage
        .log
        .iter()
        .rev()
        .find(|e| e.kind().as_str() == "action_failed")
        .unwrap();
    assert_eq!(last.severity, stead_core::event::Severity::Critical);
}

#[test]
fn an_unknown_outcome_is_observed_and_never_repeated_blindly() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.approve(ID).expect("approved");
    stage.answer(Outcome::Unknown {
        why: "the agent fell".into(),
    });
    stage.live("piha", Span::mins(10));
    assert_eq!(stage.orders().len(), 1, "ordered once");
    let ended = stage.controller.world().actions.ended.back().unwrap();
    assert_eq!(
        (ended.state, ended.code.as_deref()),
        (State::Failed, Some("outcome-unknown"))
    );
}

#[test]
fn an_unknown_outcome_that_shows_to_have_worked_is_completed() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.approve(ID).expect("approved");
    stage.answer(Outcome::Unknown {
        why: "the agent fell".into(),
    });
    stage.see("piha", started_at(runs("z2m", "c1", Health::Healthy), 9));
    assert_eq!(stage.state(ID), State::Completed);
}

#[test]
fn what_was_done_but_did_not_help_has_failed() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.approve(ID).expect("approved");
    stage.see("piha", started_at(runs("z2m", "c1", Health::Starting), 9));
    stage.answer(done());
    stage.see("piha", started_at(runs("z2m", "c1", Health::Unhealthy), 9));
    let ended = stage.controller.world().actions.ended.back().unwrap();
    assert_eq!(
        (ended.state, ended.code.as_deref()),
        (State::Failed, Some("not-healed"))
    );
}

#[test]
fn an_agent_that_comes_back_is_asked_again_with_the_same_order() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.approve(ID).expect("approved");
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        runs("z2m", "c1", Health::Unhealthy),
    ];
    stage.snapshot("piha", &facts);
    let orders = stage.orders();
    assert_eq!(orders.len(), 2);
    assert_eq!(
        orders[0], orders[1],
        "same key, same attempt: the journal answers"
    );
}

#[test]
fn a_dependency_that_is_ill_goes_first() {
    let mut z2m = container("z2m", None);
    z2m.needs = vec![name("mosquitto")];
    let all = fleet(&[(
        "piha",
        &[("z2m", z2m), ("mosquitto", container("mosquitto", None))],
    )]);
    let mut stage = Stage::new(automatic(all, "container_restart"));
    let docker = up(SourceKind::Docker);
    let both = |h| {
        [
            host("b1"),
            docker.clone(),
            runs("z2m", "c1", h),
            runs("mosquitto", "c2", h),
        ]
    };
    stage.snapshot("piha", &both(Health::Healthy));
    stage.snapshot("piha", &both(Health::Unhealthy));
    let orders = stage.orders();
    assert_eq!(orders.len(), 1);
    assert!(
        matches!(&orders[0], Effect::Order { order, .. } if order.action.ends_with("mosquitto"))
    );
}

#[test]
fn stopped_by_a_person_always_asks() {
    let mut stage = Stage::new(automatic(
        fleet(&[("piha", &[("z2m", container("z2m", None))])]),
        "*",
    ));
    well(&mut stage);
    let (key, mut fact) = shows("z2m", "c1", ContainerState::Exited, Health::None);
    if let Fact::Container(c) = &mut fact {
        c.stopped_by_person = true;
    }
    stage.see("piha", (key, fact));
    assert_eq!(stage.state(ID), State::Pending);
}

#[test]
fn a_failed_unit_is_restarted() {
    let mut stage = Stage::new(fleet(&[("piha", &[("web", unit("web.service"))])]));
    stage.snapshot(
        "piha",
        &[
            host("b1"),
            up(SourceKind::Systemd),
            unit_is("web.service", "active"),
        ],
    );
    stage.see("piha", unit_is("web.service", "failed"));
    assert_eq!(stage.open(), ["unit-restart-piha-web"]);
    stage.approve("unit-restart-piha-web").expect("approved");
    stage.see("piha", unit_is("web.service", "active"));
    stage.answer(done());
    assert_eq!(stage.state("unit-restart-piha-web"), State::Completed);
}

#[test]
fn a_full_disk_is_cleaned_and_the_gain_is_told() {
    let mut stage = Stage::new(fleet(&[("piha", &[])]));
    stage.snapshot("piha", &[host("b1"), disk(Level::Warning, 74.0)]);
    assert_eq!(stage.count("disk_pressure"), 1);
    let id = "disk-cleanup-piha";
    stage.approve(id).expect("approved");
    stage.answer(Outcome::Done {
        output: String::new(),
        freed: Some(5_000_000),
    });
    assert_eq!(stage.state(id), State::Running);
    stage.see("piha", disk(Level::Ok, 40.0));
    assert_eq!(stage.state(id), State::Completed);
    assert_eq!(stage.action(id).freed, Some(5_000_000));
    assert_eq!(stage.count("disk_recovered"), 1);
}

#[test]
fn a_reboot_is_told_once_and_a_reconnect_is_none() {
    let mut stage = piha();
    well(&mut stage);
    well(&mut stage);
    assert_eq!(stage.count("node_rebooted"), 0);
    stage.snapshot(
        "piha",
        &[
            host("b2"),
            up(SourceKind::Docker),
            runs("z2m", "c1", Health::Healthy),
        ],
    );
    stage.snapshot(
        "piha",
        &[
            host("b2"),
            up(SourceKind::Docker),
            runs("z2m", "c1", Health::Healthy),
        ],
    );
    assert_eq!(stage.count("node_rebooted"), 1);
}

#[test]
fn a_machine_was_away_since_its_last_word_however_long_nothing_changed() {
    let mut stage = Stage::new(fleet(&[("piha", &[])]));
    let linked = || Input::Linked {
        node: name("piha"),
        spool: "s".to_string(),
        version: "1".to_string(),
    };
    let away = |stage: &Stage| match &stage
        .log
        .iter()
        .rfind(|e| e.kind().as_str() == "node_rebooted")
        .expect("a reboot")
        .body
    {
        Body::NodeRebooted(reboot) => reboot.away_ms,
        other => panic!("{other:?}"),
    };
    stage.put(linked());
    stage.snapshot("piha", &[host("a")]);
    stage.live("piha", Span::days(2));
    stage.wait(Span::secs(90));
    let booted = booted_at(host("b"), stage.now.0);
    stage.wait(Span::secs(30));
    stage.put(linked());
    stage.snapshot("piha", &[booted]);
    assert_eq!(away(&stage), Some(Span::secs(90)));

    // A server that was away as well heard no last word.
    stage.live("piha", Span::hours(1));
    stage.put(Input::Started {
        version: "test".to_string(),
    });
    let booted = booted_at(host("c"), stage.now.0);
    stage.wait(Span::secs(30));
    stage.put(linked());
    stage.snapshot("piha", &[booted]);
    assert_eq!(away(&stage), None);
}

#[test]
fn ghosts_are_pruned_by_the_next_snapshot() {
    let mut stage = piha();
    stage.snapshot(
        "piha",
        &[
            host("b1"),
            up(SourceKind::Docker),
            runs("z2m", "c1", Health::None),
            runs("x", "c2", Health::None),
        ],
    );
    well(&mut stage);
    let node = stage.controller.world().node(&name("piha")).unwrap();
    assert!(!node.facts.contains_key(&FactKey::Container(name("x"))));
}

#[test]
fn a_report_from_outside_is_drift_under_the_fleets_own_name() {
    let mut all = fleet(&[(
        "chelsty-infra",
        &[("mosquitto", container("mosquitto", None))],
    )]);
    all.aliases.insert(name("node-2"), name("chelsty-infra"));
    let mut stage = Stage::new(all);
    stage.report("service/node-2/mosquitto", "containers_not_running");
    assert_eq!(stage.open(), ["container-restart-chelsty-infra-mosquitto"]);
    stage.report("service/node-2/mosquitto", "service_recovered");
    assert_eq!(
        stage
            .action("container-restart-chelsty-infra-mosquitto")
            .outcome
            .as_deref(),
        Some("drift_resolved_auto")
    );
}

#[test]
fn an_unknown_kind_from_outside_is_kept() {
    let mut stage = piha();
    stage.report("node/piha", "tea_is_ready");
    assert_eq!(stage.count("tea_is_ready"), 1);
}

#[test]
fn silence_makes_evidence_stale_and_stale_is_no_drift() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    stage.wait(Span::secs(20));
    let evidence = stage
        .controller
        .world()
        .node(&name("piha"))
        .unwrap()
        .evidence
        .state;
    assert_eq!(evidence, EvidenceState::Stale);
    assert!(stage.controller.drift().is_empty());
    assert_eq!(
        stage.open(),
        [ID],
        "the proposal waits, it is not resolved by silence"
    );
    stage.wait(Span::secs(60));
    let kinds: Vec<_> = stage
        .controller
        .drift()
        .iter()
        .map(|d| d.kind.word())
        .collect();
    assert_eq!(kinds, ["agent_offline"]);
}

#[test]
fn an_engine_that_hangs_makes_its_containers_unknown_not_missing() {
    let mut stage = piha();
    well(&mut stage);
    let (key, mut fact) = up(SourceKind::Docker);
    if let Fact::Source(s) = &mut fact {
        s.state = stead_core::facts::SourceState::Down;
    }
    stage.see("piha", (key, fact));
    assert_eq!(
        stage
            .controller
            .world()
            .memory(&name("piha"), &name("z2m"))
            .unwrap()
            .status,
        Status::Unknown
    );
    assert!(stage.controller.drift().is_empty());
}

#[test]
fn what_a_person_starts_is_the_same_action_born_approved() {
    let mut stage = piha();
    well(&mut stage);
    let by = Principal::User("anna".into());
    let subject = name("service/piha/z2m");
    let kind = stead_core::action::ActionKind::ContainerRestart;
    let reply = stage
        .command(Command::Start {
            kind,
            subject,
            by,
            note: None,
        })
        .expect("accepted");
    assert_eq!(reply.id(), ID);
    assert_eq!(stage.state(ID), State::Running);
    stage.see("piha", started_at(runs("z2m", "c1", Health::Healthy), 3));
    stage.answer(done());
    assert_eq!(stage.state(ID), State::Completed);
}

#[test]
fn only_running_containers_that_no_file_names_are_unexpected_and_only_where_strict() {
    let mut all = fleet(&[("piha", &[("z2m", container("z2m", None))])]);
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        runs("z2m", "c1", Health::None),
        runs("x", "c2", Health::None),
    ];
    let mut stage = Stage::new(all.clone());
    stage.snapshot("piha", &facts);
    assert!(stage.controller.drift().is_empty());
    all.nodes.get_mut("piha").unwrap().strict = true;
    stage.load(all);
    let kinds: Vec<_> = stage
        .controller
        .drift()
        .iter()
        .map(|d| d.kind.word())
        .collect();
    assert_eq!(kinds, ["unexpected_service"]);
    assert!(
        stage.open().is_empty(),
        "Stead never removes what it was not told to"
    );
}

#[test]
fn decisions_on_what_is_not_there_say_what_is() {
    let mut stage = piha();
    well(&mut stage);
    ill(&mut stage);
    let refusal = stage.approve("container-restart-piha-z2n").unwrap_err();
    assert_eq!(refusal.code, "unknown-action");
    assert!(refusal.remedy.contains(ID));
}
