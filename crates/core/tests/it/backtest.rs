//! Backtests over histories that were really decided.

use proptest::prelude::*;
use stead_core::action::ActionKind;
use stead_core::backtest::{Backtest, Decided, Report, given};
use stead_core::controller::{Command, Effect, Input};
use stead_core::desired::{Fleet, Match, Policy, Rule, Says};
use stead_core::event::Event;
use stead_core::facts::{ContainerState, FactKey, Health, Level, SourceKind};
use stead_core::lock::LockKind;
use stead_core::policy::{Answer, Now};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_core::world::World;

use crate::stage::*;

const NODES: [&str; 2] = ["a", "b"];
const CONTAINERS: [&str; 4] = ["w", "x", "y", "z"];

/// The owner of the stage has noon for ever.
fn noon(at: Time) -> Now {
    Now {
        at,
        minute: 12 * 60,
        day: 0,
    }
}

fn home() -> Fleet {
    let services = CONTAINERS.map(|c| (c, container(c, None)));
    let nodes = NODES.map(|n| (n, services.as_slice()));
    automatic(fleet(&nodes), "container_restart")
}

fn policy(says: Says) -> Policy {
    let rule = Rule {
        matches: Match {
            action: Some("container_restart".to_string()),
            ..Match::default()
        },
        says,
        between: None,
        days: None,
        hours: None,
    };
    Policy {
        rules: vec![rule],
        ..Policy::default()
    }
}

/// The record is read in parts, and without what does not matter, as a store gives it.
fn run(stage: &Stage, policy: Policy, until: Time) -> Report {
    let since = stage.log.first().map_or(Time::ZERO, |e| e.at);
    let mut test = Backtest::new(World::default(), policy, since, until, noon);
    for part in stage.log.chunks(64) {
        let (mut read, left): (Vec<Event>, Vec<Event>) = part
            .iter()
            .cloned()
            .partition(|e| given::matters(e.kind().as_str()));
        test.feed(&mut read);
        test.skipped(left.len() as u64);
    }
    test.finish()
}

fn begin() -> Stage {
    let mut stage = Stage::new(home());
    for node in NODES {
        let mut facts = vec![host("b1"), up(SourceKind::Docker)];
        facts.extend(CONTAINERS.map(|c| runs(c, &format!("{node}{c}"), Health::None)));
        stage.snapshot(node, &facts);
    }
    stage
}

/// Agents answer every order at once, and all of them where several begin together; returns what was restarted.
fn answer(stage: &mut Stage) -> Vec<(String, String)> {
    let mut restarted = Vec::new();
    loop {
        let orders = stage.orders();
        if orders.is_empty() {
            return restarted;
        }
        stage.effects.clear();
        for effect in orders {
            let Effect::Order { order, .. } = effect else {
                continue;
            };
            stage.put(Input::Result {
                action: order.action,
                occurrence: order.occurrence,
                step: order.step,
                attempt: order.attempt,
                outcome: done(),
            });
            match &order.target {
                Subject::Service(n, s) => restarted.push((n.to_string(), s.to_string())),
                other => panic!("{other}"),
            }
        }
    }
}

/// Time passes; both agents go on saying that they are there, and what was restarted is seen running soon after.
fn pass(stage: &mut Stage, span: Span) {
    let end = stage.now + span;
    let mut restarted = answer(stage);
    while stage.now < end || !restarted.is_empty() {
        stage.now = stage.now + Span::secs(5);
        for (node, service) in std::mem::take(&mut restarted) {
            let at = stage.now.0;
            let fact = runs(&service, &format!("{node}{service}"), Health::None);
            stage.see(&node, started_at(fact, at));
            restarted.extend(answer(stage));
        }
        for node in NODES {
            stage.put(Input::Heard { node: name(node) });
            restarted.extend(answer(stage));
        }
    }
}

fn decisions(decided: &Decided) -> Vec<(String, ActionKind, u32, &'static str, bool)> {
    let row = |d: &stead_core::backtest::Decision| {
        let ran = d.outcome.as_deref() == Some("completed");
        (
            d.subject.to_string(),
            d.kind,
            d.occurrence,
            d.answer.word(),
            ran,
        )
    };
    let mut rows: Vec<_> = decided.list.iter().map(row).collect();
    rows.sort();
    rows
}

#[derive(Debug, Clone)]
enum Move {
    Stops { node: usize, c: usize },
    Goes { node: usize, c: usize },
    Disk { node: usize, level: usize },
    Report { node: usize, c: usize, ill: bool },
    Lock { node: usize, minutes: u64 },
    Unlock { node: usize },
    Snapshot { node: usize },
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let node = || 0..NODES.len();
    let c = || 0..CONTAINERS.len();
    let one = prop_oneof![
        4 => (node(), c()).prop_map(|(node, c)| Move::Stops { node, c }),
        1 => (node(), c()).prop_map(|(node, c)| Move::Goes { node, c }),
        1 => (node(), 0..3_usize).prop_map(|(node, level)| Move::Disk { node, level }),
        1 => (node(), c(), any::<bool>()).prop_map(|(node, c, ill)| Move::Report { node, c, ill }),
        1 => (node(), 1..90_u64).prop_map(|(node, minutes)| Move::Lock { node, minutes }),
        1 => node().prop_map(|node| Move::Unlock { node }),
        1 => node().prop_map(|node| Move::Snapshot { node }),
        4 => (1..2_000_u64).prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..40)
}

fn play(stage: &mut Stage, one: &Move) {
    match *one {
        Move::Stops { node, c } => {
            let (node, c) = (NODES[node], CONTAINERS[c]);
            let id = format!("{node}{c}");
            let fact = shows(c, &id, ContainerState::Exited, Health::None);
            stage.see(node, fact);
        }
        Move::Goes { node, c } => {
            stage.gone(NODES[node], FactKey::Container(name(CONTAINERS[c])));
        }
        Move::Disk { node, level } => {
            let level = [Level::Ok, Level::Warning, Level::Critical][level];
            stage.see(NODES[node], disk(level, 90.0));
        }
        Move::Report { node, c, ill } => {
            let subject = format!("service/{}/{}", NODES[node], CONTAINERS[c]);
            let kind = if ill {
                "service_unhealthy"
            } else {
                "service_healthy"
            };
            stage.report(&subject, kind);
        }
        Move::Lock { node, minutes } => {
            let by = stead_core::action::Principal::User("anna".to_string());
            let lock = Command::Lock {
                target: name(&format!("node/{}", NODES[node])),
                lock: LockKind::Maintenance,
                until: stage.now + Span::mins(minutes),
                why: "new disk".to_string(),
                by,
                heartbeat: None,
            };
            stage.command(lock).expect("a lock");
        }
        Move::Unlock { node } => {
            let by = stead_core::action::Principal::User("anna".to_string());
            let target = name(&format!("node/{}", NODES[node]));
            let unlock = Command::Unlock {
                target,
                lock: None,
                by,
            };
            // There may be none.
            let _ = stage.command(unlock);
        }
        Move::Snapshot { node } => {
            let node = NODES[node];
            let mut facts = vec![host("b1"), up(SourceKind::Docker)];
            facts.extend(CONTAINERS.map(|c| runs(c, &format!("{node}{c}"), Health::None)));
            stage.snapshot(node, &facts);
        }
        Move::Wait(secs) => pass(stage, Span::secs(secs)),
    }
}

/// Plays `moves` and lets the same policy decide about the record: what it would have done beside what was done.
///
/// What the comparison rests on: every order is answered at once, and every repair is seen to help soon after. Without
/// that the two differ by design, since a rehearsal answers every order as done.
fn decided_again(moves: &[Move]) -> (Stage, Report) {
    let mut stage = begin();
    for one in moves {
        play(&mut stage, one);
        pass(&mut stage, Span::secs(5));
    }
    pass(&mut stage, Span::mins(1));
    let report = run(&stage, home().policy, stage.now);
    (stage, report)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What was decided is decided again: same policy, same record, where every repair that ran was seen to help.
    #[test]
    fn the_same_policy_decides_the_same(moves in moves()) {
        let (stage, report) = decided_again(&moves);
        prop_assert_eq!(report.events, stage.log.len() as u64);
        prop_assert_eq!(decisions(&report.would), decisions(&report.was), "{:#?}", stage.kinds());
        prop_assert_eq!(&report.would.sum, &report.was.sum);
    }
}

/// `times` of these one after the other.
fn stops(times: usize) -> impl Iterator<Item = Move> {
    (0..times).map(|_| Move::Stops { node: 0, c: 0 })
}

/// Two locks that end in the same millisecond: two orders leave together, and both are carried out.
#[test]
fn repairs_that_begin_together_are_decided_again() {
    let mut moves = vec![Move::Lock {
        node: 1,
        minutes: 48,
    }];
    moves.extend(stops(1));
    moves.extend([
        Move::Wait(701),
        Move::Stops { node: 1, c: 0 },
        Move::Wait(461),
    ]);
    moves.extend(stops(1));
    moves.push(Move::Lock {
        node: 0,
        minutes: 28,
    });
    moves.extend(stops(1));
    moves.push(Move::Wait(1786));
    let (_, report) = decided_again(&moves);
    assert_eq!(decisions(&report.would), decisions(&report.was));
    assert_eq!(report.would.sum, report.was.sum);
    assert_eq!(
        (report.was.sum.automatic(), report.was.sum.verified),
        (4, 4)
    );
}

/// A thread's time is up in the millisecond in which its cause comes back: which was first, the record says.
#[test]
fn a_cause_that_comes_back_as_its_thread_closes_is_told_of_again() {
    let full = || Move::Disk { node: 0, level: 2 };
    let mut moves = vec![full(), Move::Snapshot { node: 0 }];
    moves.extend(stops(4));
    moves.extend([
        Move::Lock {
            node: 0,
            minutes: 1,
        },
        full(),
    ]);
    let (_, report) = decided_again(&moves);
    assert_eq!(report.would.sum, report.was.sum);
    assert_eq!(report.was.sum.paged, 2);
}

/// The limit per hour ends shortly before the record does: the pass that notices it is not made in either.
#[test]
fn a_limit_that_ends_is_noticed_at_the_same_pass() {
    let mut moves = vec![Move::Stops { node: 0, c: 1 }];
    moves.extend(stops(2));
    moves.push(Move::Wait(821));
    moves.extend(stops(10));
    moves.push(Move::Wait(516));
    moves.extend(stops(3));
    moves.extend([
        Move::Disk { node: 0, level: 0 },
        Move::Wait(121),
        Move::Wait(1951),
        Move::Unlock { node: 0 },
    ]);
    moves.extend(stops(3));
    let (_, report) = decided_again(&moves);
    assert_eq!(decisions(&report.would), decisions(&report.was));
    let held = report.was.sum.refused.keys().next();
    assert_eq!(
        held.map(String::as_str),
        Some("policy.limits.per_target_per_hour")
    );
}

/// One container stops four times within the hour, and comes back each time by itself.
fn four_stops() -> Stage {
    let mut stage = Stage::new(Fleet {
        policy: policy(Says::Automatic(false)),
        ..home()
    });
    for node in NODES {
        let mut facts = vec![host("b1"), up(SourceKind::Docker)];
        facts.extend(CONTAINERS.map(|c| runs(c, &format!("{node}{c}"), Health::None)));
        stage.snapshot(node, &facts);
    }
    for _ in 0..4 {
        stage.see("a", shows("w", "aw", ContainerState::Exited, Health::None));
        pass(&mut stage, Span::secs(20));
        let at = stage.now.0;
        stage.see("a", started_at(runs("w", "aw", Health::None), at));
        pass(&mut stage, Span::mins(11));
    }
    stage
}

#[test]
fn another_policy_decides_otherwise_and_is_held_by_its_limits() {
    let stage = four_stops();
    let mut trial = policy(Says::Automatic(true));
    trial.limits.per_target_per_hour = 3;
    let report = run(&stage, trial, stage.now);
    assert_eq!((report.was.sum.asked, report.was.sum.automatic()), (4, 0));
    let would = &report.would.sum;
    assert_eq!(would.automatic.get(&ActionKind::ContainerRestart), Some(&3));
    assert_eq!((would.verified, would.failed, would.asked), (3, 0, 0));
    assert_eq!(
        would.refused.get("policy.limits.per_target_per_hour"),
        Some(&1),
        "{would:?}"
    );
    let last = report.would.list.last().expect("a decision");
    assert_eq!(last.answer, Answer::Refused);
    assert_eq!(last.rule, "policy.rules[0]");
    assert!(
        last.limit
            .as_deref()
            .is_some_and(|l| l.contains("3 of 3 used"))
    );
}

#[test]
fn a_repair_that_the_record_does_not_show_to_help_fails_in_its_time_and_is_given_up() {
    let mut stage = Stage::new(Fleet {
        policy: policy(Says::Automatic(false)),
        ..home()
    });
    let facts = vec![
        host("b1"),
        up(SourceKind::Docker),
        runs("w", "aw", Health::None),
    ];
    stage.snapshot("a", &facts);
    stage.see("a", shows("w", "aw", ContainerState::Exited, Health::None));
    stage.live("a", Span::hours(3));
    let report = run(&stage, policy(Says::Automatic(true)), stage.now);
    let of_w = |d: &&stead_core::backtest::Decision| d.subject.to_string() == "service/a/w";
    let tries: Vec<_> = report.would.list.iter().filter(of_w).collect();
    assert_eq!(
        tries.len(),
        3,
        "three failures in a row, then a person: {tries:#?}"
    );
    assert!(tries.iter().all(|d| d.outcome.as_deref() == Some("failed")));
    assert!(
        tries[1].at.since(tries[0].at) >= Span::mins(5),
        "{tries:#?}"
    );
    assert_eq!(report.would.sum.failed, 3);
}

#[test]
fn rules_hold_at_the_hours_of_the_record() {
    let stage = four_stops();
    let mut trial = policy(Says::Automatic(true));
    trial.rules[0].between = Some(stead_core::desired::Window {
        from: 0,
        to: 6 * 60,
    });
    // Noon for ever: the rule never holds, and level 2 is above the default.
    let report = run(&stage, trial, stage.now);
    assert_eq!(
        (report.would.sum.automatic(), report.would.sum.asked),
        (0, 4)
    );
}

#[test]
fn a_quiet_year_costs_nothing() {
    let stage = begin();
    let until = stage.now + Span::days(365);
    let report = run(&stage, home().policy, until);
    assert_eq!(report.would.sum, report.was.sum);
    assert_eq!(report.until, until);
}
