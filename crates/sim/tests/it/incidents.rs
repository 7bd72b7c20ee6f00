//! The named incidents of the reliability list, in simulation. The others (F1 to F5, F16, F17) run against real stores
//! and engines; where one stands elsewhere as well, it says more there.

use std::collections::BTreeMap;

use stead_core::action::ActionKind;
use stead_core::command::Command;
use stead_core::desired::{
    Channel, Fleet, Match, Node, Patience, Ping, Policy, Route, RouteMatch, Rule, Says, Service,
    ServiceKind, Webhook,
};
use stead_core::event::Severity;
use stead_core::ids::NodeName;
use stead_core::lock::LockKind;
use stead_core::subject::Subject;
use stead_core::time::Span;
use stead_sim::plan::fleet::{definition, name};
use stead_sim::plan::moves::{Deed, Fault, FleetEdit, Trouble, What, Who};
use stead_sim::plan::{Called, Move, Plan};
use stead_sim::run::{self, Options, Report};
use stead_sim::story;
use stead_sim::truth::Effect;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

fn service(container: &str) -> Service {
    Service {
        kind: ServiceKind::Container {
            container: name(container),
            definition: Some(definition(1)),
        },
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience {
            failures: 0,
            ..Patience::default()
        },
        checks: Vec::new(),
    }
}

/// A fleet of nodes that all run these services, where every repair is automatic.
fn fleet(nodes: &[&str], services: &[&str]) -> Fleet {
    let mut fleet = Fleet {
        name: "sim".to_string(),
        ..Fleet::default()
    };
    fleet.policy.rules.push(Rule {
        matches: Match {
            action: Some("*".to_string()),
            ..Match::default()
        },
        says: Says::Automatic(true),
        between: None,
        days: None,
        hours: None,
    });
    for node in nodes {
        let services = services.iter().map(|s| (name(s), service(s))).collect();
        let node_desired = Node {
            services,
            ..Node::default()
        };
        fleet.nodes.insert(name(node), node_desired);
    }
    fleet
}

fn asking(mut fleet: Fleet) -> Fleet {
    fleet.policy = Policy {
        limits: fleet.policy.limits,
        ..Policy::default()
    };
    fleet.policy.automatic.max_level = 0;
    fleet
}

fn plan(fleet: Fleet, length: u64, moves: Vec<(u64, What)>) -> Plan {
    let called = fleet.nodes.keys().map(|node| Called {
        node: node.clone(),
        by: node.clone(),
    });
    let called = called.collect();
    let number = |(i, (at, what)): (usize, (u64, What))| Move {
        number: i as u32,
        at,
        what,
    };
    Plan {
        seed: 7,
        fleet,
        called,
        moves: moves.into_iter().enumerate().map(number).collect(),
        faults_end: length,
        end: length + 16 * MINUTE,
        latency: 1,
        sync: 2,
    }
}

/// Plays it; whatever invariant does not hold fails the test, with its story.
fn play(plan: &Plan) -> Report {
    let options = Options {
        story: true,
        ..Options::default()
    };
    let report = run::once(plan, &options);
    if let Some(finding) = &report.finding {
        panic!(
            "\n{}",
            story::told(plan.seed, &[], &report.story, finding, true)
        );
    }
    report
}

fn ill(node: &str, container: &str, restarts: u32) -> What {
    What::Trouble {
        node: name(node),
        trouble: Trouble::Ill {
            container: name(container),
            restarts,
        },
    }
}

fn done(report: &Report) -> Vec<&Effect> {
    report.effects.iter().filter(|e| e.done).collect()
}

fn count(report: &Report, kind: &str) -> u64 {
    report.kinds.get(kind).copied().unwrap_or(0)
}

fn ant() -> NodeName {
    name("ant")
}

#[test]
fn f06_a_lease_holder_that_was_stopped_past_its_lease_does_nothing_when_it_goes_on() {
    // Stopped at each instant around the order and its effect.
    for offset in (0..2_000).step_by(50) {
        let stop = Fault::Paused {
            who: Who::Agent(ant()),
            length: 6 * MINUTE,
        };
        let moves = vec![
            (MINUTE, ill("ant", "db", 1)),
            (MINUTE + offset, What::Fault(stop)),
        ];
        let report = play(&plan(fleet(&["ant"], &["db"]), 20 * MINUTE, moves));
        let lease = |e: &&Effect| e.begun <= e.came + e.order.lease_ms + SECOND;
        assert!(report.effects.iter().all(|e| lease(&e)), "{offset}");
    }
}

/// More than an order takes from the server's decision to its effect in these plans, which delay nothing.
const DELIVERY: u64 = 100;

/// Three repairs of a target within an hour, and how far a clock at twice its rate can bend that.
///
/// Server and agent count by a clock each, and a repair needs both: of four in a row the first and the last are apart by
/// the longer of two times. One clock that gains `f` (here five minutes, shown as ten) takes `60 min - f` for an hour.
///
/// - The agent's clock gains: by itself the agent would allow the fourth after 55 minutes. The server, whose clock is
///   true, decides it 60 minutes after the first decision. An effect comes `d` after its decision, so the effects are
///   `60 min - d1 + d4` apart, at least `60 min - d1`.
/// - The server's clock gains: it orders the fourth after 55 minutes. The agent, whose clock is true, counts from the first
///   intent in its journal, refuses (`limit-per-hour`), and the back-off passes: at least 60 minutes again, less what the
///   write of that intent takes.
///
/// So with one clock wrong the bound is `60 min - min(f, d)`, not `60 min - f`: here an hour but for a delivery. `d` is
/// never longer than the way of the order and its lease. Only with both clocks wrong would it be `60 min - f`. A wall
/// clock that is set, by whatever, bends nothing: the agent counts by the steady one, and the server moves what it counts
/// along.
#[test]
fn f07_a_clock_an_hour_off_or_twice_as_fast_makes_no_repair_more() {
    for by in [-3_600_000, 3_600_000] {
        for who in [Who::Server, Who::Agent(ant())] {
            let mut moves = vec![(
                5 * MINUTE,
                What::Fault(Fault::ClockJump {
                    who: who.clone(),
                    by,
                }),
            )];
            let fast = Fault::ClockFast {
                who,
                length: 5 * MINUTE,
            };
            moves.push((20 * MINUTE, What::Fault(fast)));
            moves.extend((0..12).map(|n| ((1 + 4 * n) * MINUTE, ill("ant", "db", 1))));
            moves.sort_by_key(|(at, _)| *at);
            let report = play(&plan(fleet(&["ant"], &["db"]), 50 * MINUTE, moves));
            let begun: Vec<u64> = done(&report).iter().map(|e| e.begun).collect();
            // Ill all the while: the fourth comes as soon as it may.
            assert!(begun.len() > 3, "{by}: {begun:?}");
            let apart = begun.windows(4).map(|four| four[3] - four[0]);
            let least = 60 * MINUTE - DELIVERY;
            assert!(apart.min() >= Some(least), "{by}: {begun:?}");
        }
    }
}

#[test]
fn f08_of_two_servers_on_one_store_the_newer_leads_and_nothing_is_done_twice() {
    for offset in (0..3_000).step_by(150) {
        let taken = Fault::TakenOver {
            length: 40 * SECOND,
        };
        let moves = vec![
            (MINUTE, ill("ant", "db", 1)),
            (MINUTE + offset, What::Fault(taken)),
            (MINUTE + 50 * SECOND, ill("bee", "db", 1)),
        ];
        let report = play(&plan(fleet(&["ant", "bee"], &["db"]), 10 * MINUTE, moves));
        assert_eq!(count(&report, "leader_elected"), 2, "{offset}");
        assert_eq!(done(&report).len(), 2, "{offset}: one repair on each node");
    }
}

#[test]
fn f08_the_first_server_is_reached_again_when_the_one_beside_it_is_killed_while_the_disk_is_full() {
    // The lead cannot be taken on a full disk, so the one that was stopped keeps it.
    let full = Fault::LogFull {
        length: 60 * SECOND,
    };
    let taken = Fault::TakenOver {
        length: 18 * SECOND,
    };
    let killed = Fault::Killed {
        who: Who::Server,
        down: 3 * SECOND,
    };
    let moves = vec![
        (MINUTE, What::Fault(full)),
        (MINUTE + 18 * SECOND, What::Fault(taken)),
        (MINUTE + 48 * SECOND, What::Fault(killed)),
        (3 * MINUTE, ill("ant", "db", 1)),
    ];
    let report = play(&plan(fleet(&["ant"], &["db"]), 10 * MINUTE, moves));
    assert_eq!(count(&report, "leader_elected"), 1);
    assert_eq!(done(&report).len(), 1);
}

#[test]
fn f09_a_partition_of_43_seconds_during_a_repair_repairs_nothing_twice() {
    for offset in (0..10_000).step_by(400) {
        let parted = Fault::Partition {
            node: ant(),
            length: 43 * SECOND,
        };
        let moves = vec![
            (MINUTE, ill("ant", "db", 1)),
            (MINUTE + offset, What::Fault(parted)),
        ];
        let report = play(&plan(fleet(&["ant"], &["db"]), 10 * MINUTE, moves));
        assert_eq!(done(&report).len(), 1, "{offset}");
        assert_eq!(count(&report, "action_completed"), 1, "{offset}");
    }
}

#[test]
fn f10_an_approval_of_the_old_plan_does_not_carry_out_the_new_one() {
    let read_then_approve = Deed::Approve {
        pick: 0,
        blind: false,
        late: MINUTE,
    };
    let recreated = Trouble::Recreated {
        container: name("db"),
    };
    let moves = vec![
        (MINUTE, ill("ant", "db", 9)),
        (2 * MINUTE, What::Deed(read_then_approve)),
        (
            2 * MINUTE + 20 * SECOND,
            What::Trouble {
                node: ant(),
                trouble: recreated,
            },
        ),
        (2 * MINUTE + 30 * SECOND, ill("ant", "db", 9)),
    ];
    let report = play(&plan(asking(fleet(&["ant"], &["db"])), 10 * MINUTE, moves));
    assert!(done(&report).is_empty(), "{:?}", report.effects);
}

#[test]
fn f11_an_empty_or_partial_fleet_or_machine_leads_to_nothing() {
    let blind = Trouble::Blind {
        length: 30 * SECOND,
    };
    let without = FleetEdit::Without {
        node: ant(),
        service: name("db"),
    };
    let moves = vec![
        (
            MINUTE,
            What::Trouble {
                node: ant(),
                trouble: blind,
            },
        ),
        (3 * MINUTE, What::Deed(Deed::Fleet(FleetEdit::Emptied))),
        (5 * MINUTE, What::Deed(Deed::Fleet(FleetEdit::Restored))),
        (6 * MINUTE, What::Deed(Deed::Fleet(without))),
        (7 * MINUTE, What::Deed(Deed::Fleet(FleetEdit::Restored))),
    ];
    let report = play(&plan(
        fleet(&["ant", "bee"], &["db", "web-1"]),
        10 * MINUTE,
        moves,
    ));
    assert!(report.effects.is_empty(), "{:?}", report.effects);
    assert_eq!(count(&report, "action_proposed"), 0);
}

#[test]
fn f12_when_most_of_the_fleet_falls_ill_at_once_the_brake_says_so_once_and_nothing_is_repaired() {
    let nodes = ["ant", "bee", "cat", "dog", "elk"];
    let services = ["db", "mqtt"];
    let mut moves = Vec::new();
    for (n, node) in nodes.iter().enumerate().take(4) {
        for service in services {
            moves.push((5 * MINUTE + n as u64 * 20, ill(node, service, 9)));
        }
    }
    let mut fleet = fleet(&nodes, &services);
    // One at a time: most of it is still ill when the brake is due.
    fleet.policy.limits.concurrent = 1;
    let report = play(&plan(fleet, 20 * MINUTE, moves));
    assert_eq!(count(&report, "brake_engaged"), 1);
    let begun = report.effects.len();
    assert!(begun <= 1, "{begun} repairs of {} began", 8);
}

#[test]
fn f13_an_hour_of_flapping_is_repaired_three_times_at_most_and_told_in_one_thread() {
    let flaps = Trouble::Flaps {
        container: name("db"),
        length: 60 * MINUTE,
    };
    let moves = vec![(
        MINUTE,
        What::Trouble {
            node: ant(),
            trouble: flaps,
        },
    )];
    let report = play(&plan(fleet(&["ant"], &["db"]), 62 * MINUTE, moves));
    let repairs = done(&report).len();
    assert!(repairs <= 3, "{repairs} repairs");
    assert_eq!(count(&report, "alert_opened"), 1, "one thread");
}

#[test]
fn f14_what_falls_ill_during_a_backup_is_repaired_when_it_is_over() {
    let lock = Deed::Lock {
        target: Subject::Service(ant(), name("db")),
        lock: LockKind::Backup,
        length: 10 * MINUTE,
        heartbeat: None,
    };
    let started = Deed::Start {
        kind: ActionKind::ContainerRestart,
        subject: Subject::Service(ant(), name("db")),
    };
    let moves = vec![
        (MINUTE, What::Deed(lock)),
        (2 * MINUTE, ill("ant", "db", 1)),
        (3 * MINUTE, What::Deed(started)),
    ];
    let report = play(&plan(fleet(&["ant"], &["db"]), 20 * MINUTE, moves));
    let released = 11 * MINUTE;
    let repairs = done(&report);
    assert_eq!(repairs.len(), 1);
    assert!(repairs[0].begun >= released, "at {}", repairs[0].begun);
}

#[test]
fn f15_a_thousand_agents_that_call_at_once_take_turns() {
    let names: Vec<String> = (0..1_000).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let services = ["db", "mqtt", "web-1", "web-2", "z2m", "vpn"];
    let restart = Fault::Killed {
        who: Who::Server,
        down: SECOND,
    };
    let moves = vec![(40 * SECOND, What::Fault(restart))];
    let mut plan = plan(fleet(&names, &services), MINUTE, moves);
    plan.end = 3 * MINUTE;
    let report = play(&plan);
    // A bundle and a snapshot of such a machine are about seven kilobytes. At the beginning everybody is handed a bundle;
    // what is said back comes in turns.
    let each = report.under_way / names.len();
    assert!(each < 4_096, "{each} bytes of each agent under way");
    assert_eq!(count(&report, "node_synced"), 2_000);
}

#[test]
fn f18_a_crash_between_effect_and_record_restarts_nothing_twice() {
    for offset in (0..9_000).step_by(100) {
        let kill = Fault::Killed {
            who: Who::Agent(ant()),
            down: 300,
        };
        let moves = vec![
            (MINUTE, ill("ant", "db", 1)),
            (MINUTE + offset, What::Fault(kill)),
        ];
        let report = play(&plan(fleet(&["ant"], &["db"]), 5 * MINUTE, moves));
        assert_eq!(done(&report).len(), 1, "killed {offset} ms after");
        let restarted = done(&report)[0];
        assert!(matches!(
            restarted.order.command,
            Command::ContainerRestart { .. }
        ));
    }
}

#[test]
fn f20_a_channel_that_swallows_everything_holds_up_no_repair_and_fills_no_queue() {
    let mut fleet = fleet(&["ant"], &["db"]);
    let webhook = Webhook {
        url: "https://hole.example/".to_string(),
        ..Webhook::default()
    };
    fleet.channels = BTreeMap::from([("hole".to_string(), Channel::Webhook(webhook))]);
    fleet.routes.push(Route {
        name: "everything".to_string(),
        matches: RouteMatch {
            severity: Some(Severity::Info),
            ..RouteMatch::default()
        },
        to: vec!["hole".to_string()],
        ping: Ping::Never,
    });
    fleet.policy.limits.back_off = Span::secs(30);
    let moves: Vec<(u64, What)> = (0..40)
        .map(|n| ((1 + 2 * n) * MINUTE, ill("ant", "db", 1)))
        .collect();
    let report = play(&plan(fleet, 90 * MINUTE, moves));
    assert!(count(&report, "message_queued") > 0, "{:?}", report.kinds);
    assert_eq!(count(&report, "message_delivered"), 0);
    let limit = stead_core::alert::Alerts::MAX_OUTBOX;
    assert!(report.world.alerts.outbox.len() <= limit);
    let repairs = done(&report).len();
    assert!(repairs >= 3, "{repairs} repairs");
}
