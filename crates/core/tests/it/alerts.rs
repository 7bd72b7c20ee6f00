//! Alerts and messages: one cause one thread, an end for every beginning, few words.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use stead_core::action::{Principal, State};
use stead_core::alert::{self, Thread};
use stead_core::command::Outcome;
use stead_core::controller::{Controller, Effect, Input};
use stead_core::desired::{Channel, Fleet, Ping, Route, RouteMatch, Webhook};
use stead_core::event::{Body, Event, MessageQueued, Severity};
use stead_core::facts::{Health, Level, SourceKind};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};

use crate::properties::{a_fleet, moves, play, replayed};
use crate::stage::*;

const RESTART: &str = "container-restart-piha-z2m";

/// Warnings and worse go to `ops`.
fn routed(mut fleet: Fleet) -> Fleet {
    let channel = Channel::Webhook(Webhook::default());
    fleet.channels.insert("ops".to_string(), channel);
    fleet.routes.push(Route {
        name: "all".to_string(),
        matches: RouteMatch {
            severity: Some(Severity::Warning),
            ..Default::default()
        },
        to: vec!["ops".to_string()],
        ping: Ping::Always,
    });
    fleet
}

fn one() -> Fleet {
    routed(fleet(&[("piha", &[("z2m", container("z2m", None))])]))
}

fn piha() -> Stage {
    let mut stage = Stage::new(one());
    well(&mut stage);
    stage
}

fn well(stage: &mut Stage) {
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        runs("z2m", "c1", Health::Healthy),
    ];
    stage.snapshot("piha", &facts);
}

fn turn(stage: &mut Stage, health: Health) {
    let at = stage.now.0;
    stage.see("piha", started_at(runs("z2m", "c1", health), at));
}

fn messages(stage: &Stage) -> Vec<MessageQueued> {
    let queued = stage.log.iter().filter_map(|e| match &e.body {
        Body::MessageQueued(m) => Some(m.clone()),
        _ => None,
    });
    queued.collect()
}

fn sorts(stage: &Stage) -> Vec<String> {
    messages(stage).into_iter().map(|m| m.sort).collect()
}

fn open(stage: &Stage) -> Vec<Thread> {
    let alerts = &stage.controller.world().alerts;
    alerts.open.values().cloned().collect()
}

fn thread(stage: &Stage) -> Thread {
    let mut open = open(stage);
    assert_eq!(open.len(), 1, "{open:#?}");
    open.remove(0)
}

/// Threads that ended, with how.
fn ends(stage: &Stage) -> Vec<String> {
    let alerts = &stage.controller.world().alerts;
    alerts.ended.iter().map(|t| t.reason.clone()).collect()
}

/// What must hold of every log.
fn check_log(log: &[Event], fleet_routes: bool) -> Result<(), String> {
    let mut open: BTreeMap<&str, (&Subject, &str)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut told: BTreeMap<&str, Vec<Time>> = BTreeMap::new();
    let mut urgent: BTreeSet<(&str, Time)> = BTreeSet::new();
    for event in log {
        match &event.body {
            Body::AlertOpened(e) => {
                let cause = (&event.subject, e.topic.as_str());
                if open.values().any(|known| *known == cause) {
                    return Err(format!("two open threads of {cause:?}"));
                }
                if !seen.insert(&e.thread) {
                    return Err(format!("{} opened twice", e.thread));
                }
                open.insert(&e.thread, cause);
            }
            Body::AlertChanged(e) => {
                if !open.contains_key(e.thread.as_str()) {
                    return Err(format!("{} changed but is not open", e.thread));
                }
                if event.severity == Severity::Critical {
                    urgent.insert((&e.thread, event.at));
                }
            }
            Body::AlertClosed(e) => {
                let was = open.remove(e.thread.as_str());
                was.ok_or_else(|| format!("{} closed but was not open", e.thread))?;
            }
            Body::MessageQueued(m) => {
                if !fleet_routes {
                    return Err(format!("{} without a route", m.id));
                }
                let Some(thread) = &m.thread else { continue };
                if m.sort == "closed" {
                    continue;
                }
                let before = told.entry(thread).or_default();
                let soon = before
                    .last()
                    .is_some_and(|last| event.at > *last && event.at.since(*last) < alert::APART);
                if soon && !urgent.contains(&(thread.as_str(), event.at)) {
                    return Err(format!("{thread} told too soon again"));
                }
                before.push(event.at);
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn what_is_still_there_after_a_while_is_told_once_and_so_is_its_end() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    assert!(messages(&stage).is_empty(), "not at once");
    stage.live("piha", Span::secs(40));
    let told = messages(&stage);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].sort.as_str(), told[0].ping), ("opened", true));
    assert_eq!(told[0].title, "z2m on piha is unhealthy");
    assert!(
        told[0].text.contains("stead actions approve"),
        "{}",
        told[0].text
    );
    assert!(
        stage
            .effects
            .iter()
            .any(|e| matches!(e, Effect::Message { id } if *id == told[0].id))
    );
    stage.live("piha", Span::mins(60));
    assert_eq!(messages(&stage).len(), 1, "nothing is said twice");
    turn(&mut stage, Health::Healthy);
    stage.live("piha", Span::mins(2));
    assert_eq!(sorts(&stage), ["opened", "closed"]);
    let last = messages(&stage).pop().unwrap();
    assert!(
        !last.ping && last.text.contains("It lasted 60 min."),
        "{}",
        last.text
    );
    assert_eq!(ends(&stage), ["recovered"]);
}

#[test]
fn what_passes_by_itself_at_once_is_no_alarm() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    stage.live("piha", Span::secs(10));
    turn(&mut stage, Health::Healthy);
    stage.live("piha", Span::mins(5));
    assert!(messages(&stage).is_empty());
    assert_eq!(ends(&stage), ["recovered"]);
}

#[test]
fn what_stead_repairs_at_once_is_one_message_that_says_so() {
    let mut stage = Stage::new(automatic(one(), "container_restart"));
    well(&mut stage);
    turn(&mut stage, Health::Unhealthy);
    assert_eq!(stage.state(RESTART), State::Running);
    stage.answer(done());
    stage.live("piha", Span::secs(5));
    turn(&mut stage, Health::Healthy);
    assert_eq!(stage.state(RESTART), State::Completed);
    stage.live("piha", Span::mins(5));
    assert_eq!(ends(&stage), ["repaired"]);
    let told = messages(&stage);
    assert_eq!(sorts(&stage), ["closed"], "{told:#?}");
    assert!(
        told[0]
            .text
            .contains("Stead repaired it: container_restart"),
        "{}",
        told[0].text
    );
    assert!(!told[0].ping);
}

#[test]
fn f12_sixty_percent_ill_at_once_is_one_alert() {
    let names: Vec<String> = (0..20).map(|i| format!("s{i:02}")).collect();
    let services: Vec<(&str, _)> = names
        .iter()
        .map(|n| (n.as_str(), container(n, None)))
        .collect();
    let mut stage = Stage::new(automatic(routed(fleet(&[("a", &services)])), "*"));
    let facts = |ill: usize| {
        let mut facts = vec![host("b1"), up(SourceKind::Docker)];
        facts.extend(names.iter().enumerate().map(|(i, n)| {
            let health = if i < ill {
                Health::Unhealthy
            } else {
                Health::Healthy
            };
            runs(n, "c1", health)
        }));
        facts
    };
    stage.snapshot("a", &facts(0));
    // Three accidents of their own, before anybody knows that it is a mass.
    for ill in names.iter().take(3) {
        stage.see("a", runs(ill, "c1", Health::Unhealthy));
        stage.live("a", Span::secs(2));
    }
    stage.answer(done());
    stage.snapshot("a", &facts(12));
    assert!(stage.controller.world().brake.engaged.is_some());
    let brake = thread(&stage);
    assert_eq!(
        (brake.kind.as_str(), brake.severity),
        ("brake_engaged", Severity::Critical)
    );
    assert_eq!(brake.joined.len(), 12);
    assert_eq!(
        messages(&stage).len(),
        1,
        "told at once, and nothing else: {:#?}",
        messages(&stage)
    );
    assert_eq!(ends(&stage), ["absorbed"; 3]);
    stage.live("a", Span::mins(30));
    assert_eq!(messages(&stage).len(), 1);
    stage.snapshot("a", &facts(0));
    stage.live("a", Span::mins(10));
    assert!(open(&stage).is_empty(), "{:#?}", open(&stage));
    assert_eq!(sorts(&stage), ["opened", "closed"]);
    check_log(&stage.log, true).unwrap();
}

#[test]
fn f13_an_hour_of_flapping_is_one_thread_and_few_messages() {
    let mut stage = Stage::new(automatic(one(), "container_restart"));
    well(&mut stage);
    let mut orders = 0;
    for second in 0..3600 {
        stage.now = stage.now + Span::secs(1);
        let health = if second % 2 == 0 {
            Health::Unhealthy
        } else {
            Health::Healthy
        };
        turn(&mut stage, health);
        if stage.orders().len() > orders {
            orders = stage.orders().len();
            stage.answer(done());
        }
    }
    assert_eq!(stage.count("alert_opened"), 1);
    let thread = thread(&stage);
    assert!(thread.flapping);
    let told = messages(&stage).len();
    assert!((1..=7).contains(&told), "{:?}", sorts(&stage));
    let starts = stage.count("action_started");
    assert!(starts <= 3, "{starts} repairs");
    turn(&mut stage, Health::Healthy);
    stage.live("piha", Span::mins(25));
    assert!(open(&stage).is_empty(), "steady: {:#?}", open(&stage));
    assert_eq!(sorts(&stage).last().map(String::as_str), Some("closed"));
    check_log(&stage.log, true).unwrap();
}

#[test]
fn a_silent_node_tells_of_its_services_and_gives_them_back() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    stage.live("piha", Span::secs(40));
    assert_eq!(sorts(&stage), ["opened"]);
    stage.wait(Span::secs(61));
    let offline = thread(&stage);
    assert_eq!(offline.kind, "node_offline");
    assert_eq!(offline.joined, ["service/piha/z2m".parse().unwrap()]);
    assert_eq!(
        sorts(&stage),
        ["opened", "closed"],
        "whoever was told is told where it went"
    );
    stage.wait(Span::secs(31));
    assert_eq!(sorts(&stage), ["opened", "closed", "opened"]);
    // It is back, and the service is still ill.
    stage.snapshot(
        "piha",
        &[
            host("b1"),
            up(SourceKind::Docker),
            runs("z2m", "c1", Health::Unhealthy),
        ],
    );
    stage.live("piha", Span::secs(35));
    assert_eq!(thread(&stage).kind, "service_unhealthy");
    assert_eq!(ends(&stage), ["absorbed", "recovered"]);
    check_log(&stage.log, true).unwrap();
}

#[test]
fn staleness_and_a_restart_neither_open_nor_close() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    let id = thread(&stage).id;
    stage.wait(Span::secs(20));
    assert_eq!(stage.count("node_stale"), 1);
    assert_eq!(thread(&stage).id, id);
    stage.controller = Controller::new(replayed(&stage), "t");
    stage.put(Input::Started {
        version: "test".to_string(),
    });
    stage.wait(Span::secs(59));
    assert_eq!(thread(&stage).id, id);
}

#[test]
fn what_needs_the_ill_one_joins_its_thread_in_whatever_order_they_fall() {
    let fleet = || {
        let mut web = container("web", None);
        web.needs = vec![name("db")];
        let mut shop = container("shop", None);
        shop.needs = vec![name("web")];
        let services = [("db", container("db", None)), ("shop", shop), ("web", web)];
        routed(fleet(&[("a", &services)]))
    };
    let orders = [
        ["db", "web", "shop"],
        ["shop", "web", "db"],
        ["web", "db", "shop"],
    ];
    for order in orders {
        let mut stage = Stage::new(fleet());
        let mut facts = vec![host("b1"), up(SourceKind::Docker)];
        facts.extend(order.iter().map(|c| runs(c, "c1", Health::Healthy)));
        stage.snapshot("a", &facts);
        for c in order {
            stage.see("a", runs(c, "c1", Health::Unhealthy));
            stage.live("a", Span::secs(5));
        }
        let thread = thread(&stage);
        assert_eq!(thread.subject, "service/a/db".parse().unwrap(), "{order:?}");
        assert_eq!(thread.joined.len(), 2, "{order:?}");
        stage.live("a", Span::secs(60));
        assert_eq!(messages(&stage).len(), 1, "{order:?}");
        // The cause is mended, one of the others is not.
        stage.see("a", runs("db", "c1", Health::Healthy));
        stage.see("a", runs("shop", "c1", Health::Healthy));
        stage.live("a", Span::secs(40));
        let left = self::thread(&stage);
        assert_eq!(left.subject, "service/a/web".parse().unwrap());
        check_log(&stage.log, true).unwrap();
    }
}

/// Approves, and lets it fail.
fn fail_once(stage: &mut Stage) {
    stage.approve(RESTART).expect("approved");
    stage.answer(Outcome::Failed {
        code: "engine".into(),
        why: "no such image".into(),
        output: String::new(),
    });
}

#[test]
fn three_failures_make_the_same_thread_critical_once() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    let id = thread(&stage).id;
    for _ in 0..3 {
        fail_once(&mut stage);
        stage.live("piha", Span::mins(9));
    }
    let thread = thread(&stage);
    assert_eq!((thread.id, thread.severity), (id, Severity::Critical));
    assert!(thread.text.contains("3 times in a row"), "{}", thread.text);
    let told = messages(&stage);
    let urgent = told
        .iter()
        .filter(|m| m.severity == Severity::Critical)
        .count();
    assert_eq!(urgent, 1, "{told:#?}");
    check_log(&stage.log, true).unwrap();
}

#[test]
fn a_critical_thread_that_stays_open_is_told_of_again() {
    let mut stage = piha();
    stage.see("piha", disk(Level::Critical, 97.0));
    assert_eq!(sorts(&stage), ["opened"], "at once");
    stage.live("piha", Span::hours(9));
    let reminded = stage
        .log
        .iter()
        .filter(|e| matches!(&e.body, Body::AlertChanged(c) if c.change == "reminder"))
        .count();
    assert_eq!(reminded, 2, "{:?}", sorts(&stage));
    stage.see("piha", disk(Level::Ok, 40.0));
    stage.live("piha", Span::mins(2));
    assert!(open(&stage).is_empty());
    assert_eq!(sorts(&stage).last().map(String::as_str), Some("closed"));
}

#[test]
fn a_repair_refused_by_its_limit_escalates_once() {
    let mut fleet = automatic(one(), "container_restart");
    fleet.policy.limits.per_target_per_hour = 1;
    let mut stage = Stage::new(fleet);
    well(&mut stage);
    for round in 0..3 {
        turn(&mut stage, Health::Unhealthy);
        if round == 0 {
            stage.answer(done());
        }
        stage.live("piha", Span::secs(10));
        turn(&mut stage, Health::Healthy);
        stage.live("piha", Span::secs(10));
    }
    turn(&mut stage, Health::Unhealthy);
    stage.live("piha", Span::secs(5));
    let thread = thread(&stage);
    assert_eq!(thread.severity, Severity::Critical);
    assert!(thread.text.contains("1 of 1 used"), "{}", thread.text);
    let escalated = stage
        .log
        .iter()
        .filter(|e| matches!(&e.body, Body::AlertChanged(c) if c.change == "escalated"))
        .count();
    assert_eq!(escalated, 1);
    check_log(&stage.log, true).unwrap();
}

#[test]
fn an_action_that_nothing_else_tells_of_has_a_thread_until_it_is_decided() {
    let services = [("web", container("web", Some("app:2")))];
    let mut stage = Stage::new(routed(fleet(&[("a", &services)])));
    let facts = [
        host("b1"),
        up(SourceKind::Docker),
        runs("web", "c1", Health::Healthy),
    ];
    stage.snapshot("a", &facts);
    assert_eq!(
        stage.open(),
        ["redeploy-a-web"],
        "another image than the files say"
    );
    let asks = thread(&stage);
    assert_eq!(asks.kind, "action_proposed");
    stage.live("a", Span::secs(40));
    let told = messages(&stage);
    assert!(
        told[0]
            .text
            .contains("stead actions approve redeploy-a-web"),
        "{}",
        told[0].text
    );
    let by = Principal::User("anna".to_string());
    let reject = stead_core::controller::Command::Reject {
        id: "redeploy-a-web".to_string(),
        by,
        note: None,
    };
    stage.command(reject).expect("rejected");
    assert!(open(&stage).is_empty());
    assert_eq!(sorts(&stage), ["opened", "closed"]);
}

#[test]
fn what_leaves_the_files_closes_its_thread() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    stage.live("piha", Span::secs(40));
    stage.load(routed(fleet(&[("piha", &[])])));
    assert_eq!(ends(&stage), ["removed"]);
    assert_eq!(sorts(&stage), ["opened", "closed"]);
}

#[test]
fn without_a_route_nothing_is_said_and_nothing_waits_to_be() {
    let fleet = fleet(&[("piha", &[("z2m", container("z2m", None))])]);
    let mut stage = Stage::new(fleet);
    well(&mut stage);
    turn(&mut stage, Health::Unhealthy);
    stage.see("piha", disk(Level::Critical, 97.0));
    stage.live("piha", Span::mins(5));
    assert_eq!(open(&stage).len(), 2);
    assert!(messages(&stage).is_empty());
    assert_eq!(alert::next_deadline(stage.controller.world()), None);
    check_log(&stage.log, false).unwrap();
}

#[test]
fn a_route_that_goes_away_leaves_nothing_waiting() {
    let mut stage = piha();
    turn(&mut stage, Health::Unhealthy);
    let mut fleet = one();
    fleet.routes.clear();
    stage.load(fleet);
    stage.live("piha", Span::mins(5));
    assert!(messages(&stage).is_empty());
    assert_eq!(alert::next_deadline(stage.controller.world()), None);
    assert_eq!(thread(&stage).change, "unrouted");
}

#[test]
fn the_outbox_keeps_the_newest_and_says_what_it_gave_up() {
    let mut stage = piha();
    let most = stead_core::alert::Alerts::MAX_OUTBOX;
    for _ in 0..most {
        let by = Principal::User("anna".to_string());
        let channel = "ops".to_string();
        let test = stead_core::controller::Command::TestMessage { channel, by };
        stage.command(test).expect("queued");
    }
    stage.see("piha", disk(Level::Critical, 97.0));
    let alerts = &stage.controller.world().alerts;
    assert_eq!(alerts.outbox.len(), most);
    assert_eq!(stage.count("message_failed"), 1);
    assert!(alerts.outbox.values().any(|m| m.what.sort == "opened"));
}

#[test]
fn after_a_restart_what_waits_is_handed_out_again_in_its_order() {
    let mut stage = piha();
    for _ in 0..12 {
        let by = Principal::User("anna".to_string());
        let channel = "ops".to_string();
        let test = stead_core::controller::Command::TestMessage { channel, by };
        stage.command(test).expect("queued");
    }
    let queued: Vec<String> = messages(&stage).into_iter().map(|m| m.id).collect();
    stage.controller = Controller::new(replayed(&stage), "t");
    stage.effects.clear();
    stage.put(Input::Started {
        version: "test".to_string(),
    });
    let again: Vec<String> = stage
        .effects
        .iter()
        .filter_map(|e| match e {
            Effect::Message { id } => Some(id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(again, queued);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn threads_pair_and_messages_are_few_whatever_happens(moves in moves()) {
        let fleet = |variant| {
            let mut fleet = routed(a_fleet(variant));
            for node in fleet.nodes.values_mut() {
                let y = node.services.get_mut("y");
                y.expect("a service").needs = vec![name("x")];
            }
            fleet
        };
        let mut stage = Stage::new(fleet(0));
        for step in &moves {
            match step {
                crate::properties::Move::Fleet { variant } => stage.load(fleet(*variant)),
                other => play(&mut stage, other),
            }
            stage.put(Input::Tick);
            let world = stage.controller.world();
            let opened = stage.count("alert_opened");
            let closed = stage.count("alert_closed");
            prop_assert_eq!(opened - closed, world.alerts.open.len());
            if let Some(at) = alert::next_deadline(world) {
                prop_assert!(at > stage.now, "nothing that was due is left");
            }
        }
        if let Err(why) = check_log(&stage.log, true) {
            return Err(TestCaseError::fail(why));
        }
        prop_assert_eq!(&replayed(&stage), stage.controller.world());
        let text = serde_json::to_string(stage.controller.world()).expect("written");
        let mut back: stead_core::world::World = serde_json::from_str(&text).expect("read");
        back.fleet = stage.controller.world().fleet.clone();
        prop_assert_eq!(&back, stage.controller.world());
    }
}
