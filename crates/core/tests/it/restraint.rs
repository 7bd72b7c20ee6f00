//! What Stead does not do, told as stories: rules, limits, locks, the brake, flapping, earned autonomy, patience with
//! what gives no sign.

use stead_core::action::{Action, ActionKey, ActionKind, Plan, Principal, State, Trigger};
use stead_core::command::{Command as Do, Outcome};
use stead_core::controller::{self, Command, Effect, Input, LOCK_AT_MOST, Refusal, Reply};
use stead_core::desired::{Fleet, Hours, Match, Rule, Says, Window};
use stead_core::drift::{Drift, DriftKind};
use stead_core::event::{Body, Event};
use stead_core::facts::{ContainerState, Health, SourceKind};
use stead_core::ids::Seq;
use stead_core::lock::{LockKey, LockKind};
use stead_core::policy::{self, Answer, Now, Verdict};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_core::world::Status;

use crate::stage::*;

const ID: &str = "container-restart-piha-z2m";
const Z2M: &str = "service/piha/z2m";

fn anna() -> Principal {
    Principal::User("anna".into())
}

fn z2m() -> Fleet {
    fleet(&[("piha", &[("z2m", container("z2m", None))])])
}

fn rule(fleet: &mut Fleet, matches: Match, says: Says) {
    fleet.policy.rules.push(Rule {
        matches,
        says,
        between: None,
        days: None,
        hours: None,
    });
}

fn restarts() -> Match {
    Match {
        action: Some("container_restart".into()),
        ..Match::default()
    }
}

fn see(stage: &mut Stage, health: Health, at: i64) {
    let z2m = started_at(runs("z2m", "c1", health), at);
    stage.snapshot("piha", &[host("b1"), up(SourceKind::Docker), z2m]);
}

fn well(stage: &mut Stage) {
    let at = stage.now.0;
    see(stage, Health::Healthy, at);
}

fn ill(stage: &mut Stage) {
    let at = stage.now.0;
    see(stage, Health::Unhealthy, at);
}

/// Well, then ill.
fn falls_ill(fleet: Fleet) -> Stage {
    let mut stage = Stage::new(fleet);
    well(&mut stage);
    ill(&mut stage);
    stage
}

fn verdict(stage: &Stage, id: &str) -> Verdict {
    let now = Now {
        at: stage.now,
        minute: stage.minute,
        day: stage.day,
    };
    policy::review(stage.controller.world(), stage.action(id), now)
}

fn take(
    stage: &mut Stage,
    target: &str,
    lock: LockKind,
    length: Span,
    heartbeat: Option<Span>,
) -> Result<Reply, Refusal> {
    stage.command(Command::Lock {
        target: name(target),
        lock,
        until: stage.now + length,
        why: "new disk".into(),
        by: anna(),
        heartbeat,
    })
}

fn holds(stage: &Stage, target: &str, lock: LockKind) -> bool {
    let target = name(target);
    let locks = &stage.controller.world().locks;
    locks.contains_key(&LockKey { target, lock })
}

fn last<'a>(stage: &'a Stage, kind: &str) -> &'a Event {
    let found = stage.log.iter().rev().find(|e| e.kind().as_str() == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

// Rules and their verdicts.

#[test]
fn a_verdict_names_the_rule_and_the_limit_that_decided() {
    let mut by_default = falls_ill(z2m());
    let said = verdict(&by_default, ID);
    assert_eq!(said.answer, Answer::Ask);
    assert_eq!(said.rule, "level 2 is above policy.automatic.max_level 1");
    assert!(
        by_default
            .action(ID)
            .chain
            .iter()
            .any(|l| l.text.contains(&said.rule))
    );
    take(
        &mut by_default,
        "fleet",
        LockKind::Backup,
        Span::hours(1),
        None,
    )
    .expect("locked");
    assert_eq!(
        verdict(&by_default, ID).answer,
        Answer::Ask,
        "a rule comes before a limit"
    );

    let mut all = z2m();
    rule(&mut all, restarts(), Says::Automatic(true));
    let mut stage = Stage::new(all);
    well(&mut stage);
    take(
        &mut stage,
        "node/piha",
        LockKind::Maintenance,
        Span::hours(1),
        None,
    )
    .expect("locked");
    ill(&mut stage);
    let said = verdict(&stage, ID);
    assert_eq!(
        (said.answer, said.rule.as_str()),
        (Answer::Refused, "policy.rules[0]")
    );
    let limit = said.limit.expect("a limit");
    assert!(
        limit.starts_with("the maintenance lock on node/piha until"),
        "{limit}"
    );
    assert!(limit.ends_with("(anna: new disk)"), "{limit}");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut all = z2m();
    let of_z2m = Match {
        service: Some("z2m".into()),
        ..Match::default()
    };
    rule(&mut all, of_z2m, Says::Automatic(false));
    rule(&mut all, restarts(), Says::Automatic(true));
    let stage = falls_ill(all);
    assert_eq!(stage.state(ID), State::Pending);
    assert_eq!(verdict(&stage, ID).rule, "policy.rules[0]");
}

#[test]
fn a_rule_raises_the_level_for_a_node_or_a_service_only() {
    for (node, service, runs) in [
        (Some("pi*"), None, true),
        (None, Some("z2m"), true),
        (Some("nas"), None, false),
        (Some("pi*"), Some("web"), false),
    ] {
        let mut all = z2m();
        let matches = Match {
            action: None,
            node: node.map(Into::into),
            service: service.map(Into::into),
        };
        rule(&mut all, matches, Says::MaxLevel(2));
        let stage = falls_ill(all);
        let expected = if runs { State::Running } else { State::Pending };
        assert_eq!(stage.state(ID), expected, "{node:?} {service:?}");
    }
}

#[test]
fn a_raised_level_still_asks_where_the_risk_is_more_than_low() {
    let mut all = fleet(&[("piha", &[("z2m", container("z2m", Some("app:1")))])]);
    all.policy.automatic.max_level = 2;
    let mut stage = Stage::new(all);
    well(&mut stage);
    stage.snapshot("piha", &[host("b1"), up(SourceKind::Docker)]);
    let id = "redeploy-piha-z2m";
    assert_eq!(stage.state(id), State::Pending);
    assert_eq!(
        verdict(&stage, id).rule,
        "no rule names it, and its risk is guarded"
    );
}

#[test]
fn business_hours_are_the_owners() {
    let mut all = z2m();
    all.policy.rules.push(Rule {
        matches: restarts(),
        says: Says::Automatic(true),
        between: None,
        days: None,
        hours: Some(Hours::OutsideBusiness),
    });
    let at = |minute: u16, day: i32| {
        let mut stage = Stage::new(all.clone());
        (stage.minute, stage.day) = (minute, day);
        well(&mut stage);
        ill(&mut stage);
        stage.state(ID)
    };
    // Day 0 is a Thursday.
    assert_eq!(at(12 * 60, 0), State::Pending, "somebody is there to ask");
    assert_eq!(at(20 * 60, 0), State::Running);
    assert_eq!(at(12 * 60, 2), State::Running, "Saturday");
    all.policy.calendar.holidays.push(1);
    let mut stage = Stage::new(all);
    stage.day = 1;
    well(&mut stage);
    ill(&mut stage);
    assert_eq!(stage.state(ID), State::Running, "a holiday");
}

#[test]
fn a_question_becomes_automatic_when_its_time_comes_and_asks_again_when_it_is_over() {
    let both = [
        ("z2m", container("z2m", None)),
        ("web", container("web", None)),
    ];
    let mut all = fleet(&[("piha", &both)]);
    all.policy.rules.push(Rule {
        matches: restarts(),
        says: Says::Automatic(true),
        between: Some(Window { from: 60, to: 120 }),
        days: None,
        hours: None,
    });
    let mut stage = Stage::new(all);
    for health in [Health::Healthy, Health::Unhealthy] {
        stage.minute = 59;
        let (z2m, web) = (runs("z2m", "c1", health), runs("web", "c2", health));
        stage.snapshot("piha", &[host("b1"), up(SourceKind::Docker), z2m, web]);
    }
    let web = "container-restart-piha-web";
    assert_eq!(stage.state(ID), State::Pending);
    stage.minute = 60;
    stage.live("piha", Span::secs(60));
    // One at a time on a node: the other is approved and waits.
    assert_eq!(stage.state(web), State::Running);
    assert_eq!(stage.state(ID), State::Approved);
    stage.minute = 120;
    stage.live("piha", Span::secs(5));
    assert_eq!(stage.count("action_cancelled"), 1);
    let Body::ActionCancelled(end) = &last(&stage, "action_cancelled").body else {
        unreachable!()
    };
    assert_eq!(end.reason, "policy_changed");
    assert_eq!(
        stage.state(ID),
        State::Pending,
        "raised anew, as a question"
    );
    assert_eq!(stage.state(web), State::Running, "what has begun goes on");
}

// Earned autonomy.

/// One repair that asks, is approved, and ends well or not.
fn repair(stage: &mut Stage, works: bool) {
    stage.live("piha", Span::hours(2));
    ill(stage);
    let id = stage.open().first().cloned().expect("a repair");
    if stage.state(&id) == State::Pending {
        stage.approve(&id).expect("approved");
    }
    stage.live("piha", Span::secs(5));
    if works {
        stage.answer(done());
    } else {
        let (code, why) = ("engine-error".into(), "no".into());
        let output = String::new();
        stage.answer(Outcome::Failed { code, why, output });
    }
    well(stage);
}

#[test]
fn autonomy_is_earned_by_successes_in_a_row_and_lost_by_one_failure() {
    let mut all = z2m();
    rule(&mut all, restarts(), Says::Earn(2));
    let mut stage = Stage::new(all);
    well(&mut stage);
    repair(&mut stage, true);
    repair(&mut stage, false);
    repair(&mut stage, true);
    assert_eq!(stage.count("autonomy_earned"), 0, "two in a row, not two");
    repair(&mut stage, true);
    assert_eq!(stage.count("autonomy_earned"), 1);
    let by: Vec<bool> = approvals(&stage);
    assert_eq!(by, [false; 4], "until now a person decided each");
    repair(&mut stage, true);
    assert_eq!(approvals(&stage).last(), Some(&true), "now policy does");
    repair(&mut stage, false);
    assert_eq!(stage.count("autonomy_lost"), 1);
    stage.live("piha", Span::hours(2));
    ill(&mut stage);
    let id = stage.open().first().cloned().expect("a repair");
    assert_eq!(stage.state(&id), State::Pending, "it asks again");
    let said = verdict(&stage, &id);
    assert_eq!(
        said.rule,
        "policy.rules[0] has earned 0 of 2 verified successes"
    );
}

/// Who approved, in order: whether it was policy.
fn approvals(stage: &Stage) -> Vec<bool> {
    let approved = stage.log.iter().filter_map(|e| match &e.body {
        Body::ActionApproved(a) => Some(a.by == Principal::Policy),
        _ => None,
    });
    approved.collect()
}

// Locks.

#[test]
fn f14_ill_during_a_backup_lock_nothing_is_repaired_until_it_ends() {
    let mut all = z2m();
    rule(&mut all, restarts(), Says::Automatic(true));
    for target in ["fleet", "node/piha", Z2M] {
        for kind in [LockKind::Backup, LockKind::Restore] {
            let mut stage = Stage::new(all.clone());
            well(&mut stage);
            take(&mut stage, target, kind, Span::mins(10), None).expect("locked");
            ill(&mut stage);
            assert_eq!(stage.state(ID), State::Pending, "{target} {kind}");
            stage.approve(ID).expect("a person may say yes");
            stage.live("piha", Span::mins(9));
            assert_eq!(stage.state(ID), State::Approved, "and it waits as well");
            assert!(stage.orders().is_empty());
            stage.live("piha", Span::mins(1));
            assert!(!holds(&stage, target, kind), "it ended by itself");
            assert_eq!(stage.state(ID), State::Running);
        }
    }
}

#[test]
fn a_maintenance_lock_keeps_stead_out_and_lets_people_work() {
    let mut all = z2m();
    rule(&mut all, restarts(), Says::Automatic(true));
    for kind in [LockKind::Maintenance, LockKind::Window] {
        let mut stage = Stage::new(all.clone());
        well(&mut stage);
        take(&mut stage, Z2M, kind, Span::hours(1), None).expect("locked");
        ill(&mut stage);
        stage.live("piha", Span::mins(5));
        assert_eq!(stage.state(ID), State::Pending);
        stage.approve(ID).expect("approved");
        assert_eq!(stage.state(ID), State::Running);
    }
}

#[test]
fn a_lock_ends_by_itself_and_what_it_held_goes_on() {
    let mut all = z2m();
    rule(&mut all, restarts(), Says::Automatic(true));
    let mut stage = Stage::new(all);
    well(&mut stage);
    take(
        &mut stage,
        "node/piha",
        LockKind::Maintenance,
        Span::mins(2),
        None,
    )
    .expect("locked");
    ill(&mut stage);
    stage.live("piha", Span::secs(115));
    assert_eq!(stage.state(ID), State::Pending);
    assert!(stage.controller.next_deadline(stage.now) <= stage.now + Span::secs(5));
    stage.live("piha", Span::secs(5));
    let Body::LockReleased(end) = &last(&stage, "lock_released").body else {
        unreachable!()
    };
    assert_eq!((end.reason.as_str(), &end.by), ("expired", &None));
    assert_eq!(stage.state(ID), State::Running);
}

#[test]
fn taking_a_lock_again_extends_it_and_releasing_says_who_did() {
    let mut stage = Stage::new(z2m());
    let long = Span::hours(3);
    take(&mut stage, Z2M, LockKind::Maintenance, Span::mins(1), None).expect("locked");
    take(&mut stage, Z2M, LockKind::Maintenance, long, None).expect("extended");
    stage.wait(Span::mins(5));
    assert!(holds(&stage, Z2M, LockKind::Maintenance));
    take(&mut stage, Z2M, LockKind::Backup, long, None).expect("another kind");
    let unlock = |lock| Command::Unlock {
        target: name(Z2M),
        lock,
        by: anna(),
    };
    stage
        .command(unlock(Some(LockKind::Backup)))
        .expect("released");
    assert!(holds(&stage, Z2M, LockKind::Maintenance));
    stage.command(unlock(None)).expect("released");
    assert!(!holds(&stage, Z2M, LockKind::Maintenance));
    let Body::LockReleased(end) = &last(&stage, "lock_released").body else {
        unreachable!()
    };
    assert_eq!((end.reason.as_str(), &end.by), ("released", &Some(anna())));
    assert_eq!(stage.command(unlock(None)).unwrap_err().code, "no-lock");
}

#[test]
fn a_lock_that_would_hold_nothing_is_refused() {
    let mut stage = Stage::new(z2m());
    well(&mut stage);
    let mut no = |target: &str, length: Span| {
        let said = take(&mut stage, target, LockKind::Maintenance, length, None);
        said.unwrap_err()
    };
    for target in [
        "node/nowhere",
        "service/piha/z2n",
        "container/piha/x",
        "unit/piha/x",
    ] {
        assert_eq!(
            no(target, Span::hours(1)).code,
            "unknown-target",
            "{target}"
        );
    }
    let near = no("service/piha/z2n", Span::hours(1));
    assert_eq!(near.remedy, "did you mean service/piha/z2m?");
    assert_eq!(no(Z2M, Span::ZERO).code, "bad-lock-time");
    let too_long = Span(LOCK_AT_MOST.0 + 1);
    assert_eq!(no(Z2M, too_long).code, "bad-lock-time");
    assert_eq!(stage.count("lock_taken"), 0);
}

// Locks whose holder is gone.

const CLEAR: &str = "lock-clear-piha-z2m";

#[test]
fn a_lock_whose_holder_gives_no_sign_is_stale_and_cleared() {
    let mut stage = Stage::new(z2m());
    well(&mut stage);
    let beat = Some(Span::mins(1));
    take(&mut stage, Z2M, LockKind::Backup, Span::hours(5), beat).expect("locked");
    for _ in 0..5 {
        stage.live("piha", Span::secs(50));
        let (target, lock) = (name(Z2M), LockKind::Backup);
        stage
            .command(Command::Beat { target, lock })
            .expect("heard");
    }
    assert_eq!(stage.count("lock_stale"), 0);
    assert_eq!(stage.count("lock_taken"), 1, "a heartbeat is no event");
    stage.live("piha", Span::secs(60));
    assert_eq!(stage.count("lock_stale"), 1);
    assert_eq!(stage.state(CLEAR), State::Completed, "level 1 does not ask");
    assert_eq!(stage.action(CLEAR).approved_by, Some(Principal::Policy));
    assert!(!holds(&stage, Z2M, LockKind::Backup));
    assert!(stage.orders().is_empty(), "it is a mark in Stead's own log");
    let Body::LockReleased(end) = &last(&stage, "lock_released").body else {
        unreachable!()
    };
    assert_eq!(end.reason, "stale");
}

#[test]
fn at_level_0_clearing_a_stale_lock_asks_and_a_beat_makes_it_moot() {
    let mut all = z2m();
    all.policy.automatic.max_level = 0;
    let mut stage = Stage::new(all);
    well(&mut stage);
    let beat = Some(Span::mins(1));
    take(&mut stage, Z2M, LockKind::Backup, Span::hours(5), beat).expect("locked");
    stage.live("piha", Span::secs(65));
    assert_eq!(stage.state(CLEAR), State::Pending);
    assert!(
        holds(&stage, Z2M, LockKind::Backup),
        "it holds until somebody decides"
    );
    let (target, lock) = (name(Z2M), LockKind::Backup);
    stage
        .command(Command::Beat { target, lock })
        .expect("heard");
    assert_eq!(stage.state(CLEAR), State::Cancelled);
    assert!(holds(&stage, Z2M, LockKind::Backup));
    assert!(stage.controller.drift().is_empty());
    // Silent again: the question comes again, and a person's yes clears it.
    stage.live("piha", Span::secs(65));
    stage.approve(CLEAR).expect("approved");
    assert!(!holds(&stage, Z2M, LockKind::Backup));
    assert_eq!(stage.state(CLEAR), State::Completed);
}

#[test]
fn a_stale_lock_is_not_cleared_while_something_works_on_its_target() {
    let mut stage = Stage::new(z2m());
    well(&mut stage);
    ill(&mut stage);
    stage.approve(ID).expect("approved");
    assert_eq!(stage.state(ID), State::Running);
    let beat = Some(Span::secs(10));
    take(&mut stage, Z2M, LockKind::Backup, Span::hours(5), beat).expect("locked");
    stage.live("piha", Span::secs(15));
    assert_eq!(
        stage.state(CLEAR),
        State::Approved,
        "it waits for the repair"
    );
    assert!(holds(&stage, Z2M, LockKind::Backup));
    stage.answer(done());
    well(&mut stage);
    assert_eq!(stage.state(ID), State::Completed);
    assert_eq!(stage.state(CLEAR), State::Completed);
}

#[test]
fn a_restart_of_the_server_gives_every_holder_a_heartbeats_time() {
    let mut stage = Stage::new(z2m());
    let beat = Some(Span::mins(1));
    take(&mut stage, Z2M, LockKind::Backup, Span::hours(5), beat).expect("locked");
    stage.now = stage.now + Span::mins(30);
    let world = stage.controller.world().clone();
    stage.controller = controller::Controller::new(world, "t");
    let version = "test".to_string();
    stage.put(Input::Started { version });
    stage.wait(Span::secs(59));
    assert_eq!(
        stage.count("lock_stale"),
        0,
        "the server was away, not the holder"
    );
    stage.wait(Span::secs(2));
    assert_eq!(stage.count("lock_stale"), 1);
}

// The brake.

/// Nine services on three nodes, all well, restarts automatic.
fn nine() -> Stage {
    let services: Vec<(String, _)> = (0..3).map(|i| (format!("s{i}"), format!("c{i}"))).collect();
    let on_each: Vec<(&str, _)> = services
        .iter()
        .map(|(s, c)| (s.as_str(), container(c, None)))
        .collect();
    let mut all = fleet(&[("a", &on_each), ("b", &on_each), ("c", &on_each)]);
    rule(&mut all, restarts(), Says::Automatic(true));
    let mut stage = Stage::new(all);
    for node in ["a", "b", "c"] {
        three(&mut stage, node, 0);
    }
    stage
}

/// The first `ill` of the three services of `node` are ill.
fn three(stage: &mut Stage, node: &str, ill: usize) {
    let mut facts = vec![host("b1"), up(SourceKind::Docker)];
    for i in 0..3 {
        let health = if i < ill {
            Health::Unhealthy
        } else {
            Health::Healthy
        };
        facts.push(runs(&format!("c{i}"), &format!("id{i}"), health));
    }
    stage.snapshot(node, &facts);
}

fn everybody_lives(stage: &mut Stage, span: Span) {
    let end = stage.now + span;
    while stage.now < end {
        stage.now = stage.now + Span::secs(5);
        for node in ["a", "b", "c"] {
            stage.put(Input::Heard { node: name(node) });
        }
    }
}

#[test]
fn f12_sixty_percent_of_a_fleet_ill_at_once_is_one_brake_and_no_further_repair() {
    let mut stage = nine();
    three(&mut stage, "a", 3);
    three(&mut stage, "b", 1);
    assert_eq!(stage.count("brake_engaged"), 0, "four of nine");
    let begun = stage.count("action_started");
    let proposed = stage.count("action_proposed");
    three(&mut stage, "b", 2);
    assert_eq!(stage.count("brake_engaged"), 1, "five of nine");
    three(&mut stage, "b", 3);
    three(&mut stage, "c", 3);
    everybody_lives(&mut stage, Span::mins(4));
    assert_eq!(stage.count("brake_engaged"), 1, "one event, not hundreds");
    assert_eq!(stage.count("action_started"), begun);
    assert_eq!(
        stage.count("action_proposed"),
        proposed,
        "nothing is proposed either"
    );
    let Body::BrakeEngaged(brake) = &last(&stage, "brake_engaged").body else {
        unreachable!()
    };
    assert_eq!((brake.drifting, brake.fresh), (5, 9));
}

#[test]
fn the_brake_holds_what_policy_approved_and_lets_people_act() {
    let mut stage = nine();
    // One at a time on a node: of three that are approved, two wait.
    three(&mut stage, "a", 3);
    let waits = "container-restart-a-s1";
    assert_eq!(stage.state(waits), State::Approved);
    three(&mut stage, "b", 2);
    assert_eq!(stage.count("brake_engaged"), 1);
    let said = verdict(&stage, waits);
    assert_eq!(said.answer, Answer::Refused);
    assert!(
        said.limit
            .expect("a limit")
            .starts_with("the mass-drift brake: 5 of 9")
    );
    let begun = stage.count("action_started");
    stage
        .command(Command::Start {
            kind: ActionKind::ContainerRestart,
            subject: name("service/c/s0"),
            by: anna(),
            note: None,
        })
        .expect("a person may");
    assert_eq!(stage.count("action_started"), begun + 1);
    assert_eq!(stage.state("container-restart-c-s0"), State::Running);
}

#[test]
fn the_brake_lets_go_when_less_drifts_and_its_time_is_over() {
    let mut stage = nine();
    three(&mut stage, "a", 3);
    three(&mut stage, "b", 2);
    three(&mut stage, "a", 0);
    assert_eq!(stage.count("brake_released"), 0, "not within five minutes");
    everybody_lives(&mut stage, Span::mins(5));
    assert_eq!(stage.count("brake_released"), 1);
    let Body::BrakeReleased(end) = &last(&stage, "brake_released").body else {
        unreachable!()
    };
    assert_eq!((end.reason.as_str(), &end.by), ("share_fell", &None));
    assert_eq!(
        stage.state("container-restart-b-s0"),
        State::Running,
        "what is left goes on"
    );
}

#[test]
fn a_person_releases_the_brake_and_old_drift_does_not_engage_it_again() {
    let mut stage = nine();
    three(&mut stage, "a", 3);
    three(&mut stage, "b", 3);
    everybody_lives(&mut stage, Span::mins(6));
    assert_eq!(stage.count("brake_released"), 0, "six of nine still drift");
    stage
        .command(Command::ReleaseBrake { by: anna() })
        .expect("released");
    everybody_lives(&mut stage, Span::mins(2));
    assert_eq!(stage.count("brake_engaged"), 1);
    assert!(
        stage
            .controller
            .world()
            .actions
            .open
            .values()
            .any(|a| a.state == State::Running)
    );
    let no = stage.command(Command::ReleaseBrake { by: anna() });
    assert_eq!(no.unwrap_err().code, "no-brake");
    // Five that begin anew are a mass again, whatever was released before.
    for node in ["a", "b", "c"] {
        three(&mut stage, node, 0);
    }
    everybody_lives(&mut stage, Span::mins(1));
    three(&mut stage, "a", 3);
    three(&mut stage, "b", 3);
    assert_eq!(stage.count("brake_engaged"), 2);
}

// Flapping.

#[test]
fn what_flaps_is_not_repaired_until_it_is_steady() {
    let mut all = z2m();
    rule(&mut all, restarts(), Says::Automatic(true));
    all.policy.limits.per_target_per_hour = 1000;
    let mut stage = Stage::new(all);
    for _ in 0..3 {
        well(&mut stage);
        stage.live("piha", Span::secs(5));
        ill(&mut stage);
        stage.live("piha", Span::secs(5));
    }
    assert_eq!(stage.count("service_flapping"), 0, "five changes");
    well(&mut stage);
    assert_eq!(stage.count("service_flapping"), 1, "six");
    let begun = stage.count("action_started");
    for _ in 0..20 {
        well(&mut stage);
        stage.live("piha", Span::secs(5));
        ill(&mut stage);
        stage.live("piha", Span::secs(5));
    }
    assert_eq!(stage.count("service_flapping"), 1, "said once");
    assert_eq!(stage.count("action_started"), begun);
    stage.live("piha", Span::mins(11));
    assert_eq!(stage.count("service_steady"), 1);
    assert!(
        stage.count("action_started") > begun,
        "steadily ill is repaired"
    );
}

// What the files suspend.

#[test]
fn what_is_suspended_is_stopped_without_asking_unless_a_rule_asks() {
    let suspended = |rules: &[Says]| {
        let mut all = z2m();
        all.nodes
            .get_mut("piha")
            .unwrap()
            .services
            .get_mut("z2m")
            .unwrap()
            .suspended = true;
        for says in rules {
            let matches = Match {
                action: Some("workload_stop".into()),
                ..Match::default()
            };
            rule(&mut all, matches, *says);
        }
        let mut stage = Stage::new(all);
        well(&mut stage);
        stage
    };
    let id = "workload-stop-piha-z2m";
    let mut stage = suspended(&[]);
    assert_eq!(stage.state(id), State::Running);
    let Some(Effect::Order { order, .. }) = stage.orders().pop() else {
        panic!("nothing was ordered")
    };
    let stop = Do::ContainerStop {
        container: name("z2m"),
        id: "c1".into(),
    };
    assert_eq!(order.command, stop);
    stage.see(
        "piha",
        shows("z2m", "c1", ContainerState::Exited, Health::None),
    );
    stage.answer(done());
    assert_eq!(stage.state(id), State::Completed);
    let memory = stage.controller.world().memory(&name("piha"), &name("z2m"));
    assert_eq!(
        memory.map(|m| m.status),
        Some(Status::Healthy),
        "as it should be"
    );
    stage.live("piha", Span::mins(5));
    assert!(stage.open().is_empty(), "and left alone");
    assert_eq!(
        suspended(&[Says::Automatic(false)]).state(id),
        State::Pending
    );
    let mut locked = Stage::new(z2m());
    well(&mut locked);
    take(
        &mut locked,
        Z2M,
        LockKind::Maintenance,
        Span::hours(1),
        None,
    )
    .expect("locked");
    let mut next = z2m();
    next.nodes
        .get_mut("piha")
        .unwrap()
        .services
        .get_mut("z2m")
        .unwrap()
        .suspended = true;
    locked.load(next);
    assert_eq!(locked.state(id), State::Pending, "a lock holds it as well");
}

// What gives no sign.

#[test]
fn an_action_whose_node_stays_silent_is_cleared_and_its_end_is_unknown() {
    let mut all = z2m();
    rule(&mut all, restarts(), Says::Automatic(true));
    let mut stage = falls_ill(all);
    stage.answer(done());
    assert_eq!(stage.state(ID), State::Running, "it verifies");
    // Three minutes to verify, and fifteen of silence on top.
    stage.wait(Span::mins(17));
    assert_eq!(stage.state(ID), State::Running);
    assert!(stage.controller.next_deadline(stage.now) <= stage.now + Span::mins(1));
    stage.wait(Span::mins(1));
    assert_eq!(stage.state(ID), State::Failed);
    assert_eq!(stage.action(ID).code.as_deref(), Some("outcome-unknown"));
    stage.live("piha", Span::secs(5));
    ill(&mut stage);
    stage.live("piha", Span::mins(5));
    let id = stage.open().first().cloned().expect("a repair");
    assert_eq!(stage.state(&id), State::Pending);
    let said = verdict(&stage, &id);
    assert_eq!(said.rule, "nobody knows how the last attempt ended");
}

#[test]
fn of_what_destroys_one_waits_for_its_review_at_a_time() {
    let mut stage = Stage::new(z2m());
    well(&mut stage);
    let subject: Subject = name(Z2M);
    let key = |kind| ActionKey {
        kind,
        subject: subject.clone(),
    };
    let drift = Drift {
        subject: subject.clone(),
        kind: DriftKind::MissingService,
        trigger: Trigger::Absent,
        detail: String::new(),
        since: stage.now,
        cause: Seq(1),
    };
    let mut world = stage.controller.world().clone();
    let held = |world: &_, kind| controller::held(world, &key(kind), &drift, Time::ZERO);
    assert_eq!(held(&world, ActionKind::Restore), None);
    let rebuild = pending(key(ActionKind::Rebuild));
    world.actions.open.insert(rebuild.key.clone(), rebuild);
    let why = held(&world, ActionKind::Restore).expect("one is enough");
    assert!(
        why.starts_with("rebuild-piha-z2m destroys something there too"),
        "{why}"
    );
    assert_eq!(
        held(&world, ActionKind::ContainerRestart),
        None,
        "what does not destroy is free"
    );
    let open = world.actions.open.values_mut().next().expect("it");
    open.state = State::Approved;
    assert_eq!(held(&world, ActionKind::Restore), None, "it was reviewed");
}

fn pending(key: ActionKey) -> Action {
    Action {
        occurrence: 1,
        state: State::Pending,
        plan: Plan::new(&key, Vec::new()),
        risk: key.kind.risk(),
        level: key.kind.level(),
        key,
        drift: "missing_service".into(),
        trigger: Trigger::Absent,
        reason: String::new(),
        direct: false,
        created_at: Time::ZERO,
        updated_at: Time::ZERO,
        seq: Seq(1),
        approved_by: None,
        approved_digest: None,
        note: None,
        phase: None,
        token: Seq::ZERO,
        effect_seq: Seq::ZERO,
        steps: Vec::new(),
        outcome: None,
        code: None,
        freed: None,
        chain: Vec::new(),
    }
}

#[test]
fn what_destroys_is_never_automatic_whatever_a_rule_says() {
    let mut all = z2m();
    let everything = Match {
        action: Some("*".into()),
        ..Match::default()
    };
    rule(&mut all, everything, Says::Automatic(true));
    let stage = Stage::new(all);
    for kind in [
        ActionKind::Restore,
        ActionKind::Rebuild,
        ActionKind::Destroy,
    ] {
        let action = pending(ActionKey {
            kind,
            subject: name(Z2M),
        });
        let now = Now {
            at: stage.now,
            ..Now::default()
        };
        let said = policy::review(stage.controller.world(), &action, now);
        assert_eq!(said.answer, Answer::Ask);
        assert_eq!(said.rule, "what destroys is never automatic");
    }
}
