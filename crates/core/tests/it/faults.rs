//! Named faults of the design that the core alone must withstand.

use stead_core::controller::Input;
use stead_core::facts::{Facts, Health, SourceKind};
use stead_core::time::Span;

use crate::stage::*;

fn piha() -> Stage {
    let mut stage = Stage::new(automatic(
        fleet(&[("piha", &[("z2m", container("z2m", Some("app:1")))])]),
        "*",
    ));
    stage.snapshot(
        "piha",
        &[
            host("b1"),
            up(SourceKind::Docker),
            runs("z2m", "c1", Health::Healthy),
        ],
    );
    stage
}

#[test]
fn f7_a_clock_that_jumps_an_hour_repairs_nothing_and_silences_nobody() {
    for by in [3_600_000, -3_600_000] {
        let mut stage = piha();
        stage.now.0 += by;
        stage.put(Input::ClockJumped(by));
        stage.live("piha", Span::mins(2));
        assert_eq!(stage.count("node_stale"), 0);
        assert!(stage.open().is_empty() && stage.orders().is_empty());
    }
}

#[test]
fn f9_a_partition_of_43_seconds_makes_no_duplicate_repair() {
    let mut stage = piha();
    stage.see("piha", runs("z2m", "c1", Health::Unhealthy));
    assert_eq!(stage.orders().len(), 1);
    for _ in 0..43 {
        stage.wait(Span::secs(1));
    }
    stage.snapshot(
        "piha",
        &[
            host("b1"),
            up(SourceKind::Docker),
            runs("z2m", "c1", Health::Unhealthy),
        ],
    );
    assert_eq!(stage.count("action_started"), 1);
    let orders = stage.orders();
    assert!(
        orders.iter().all(|o| *o == orders[0]),
        "only the same order again"
    );
}

#[test]
fn f11_an_empty_desired_state_or_snapshot_leads_to_no_action() {
    let mut stage = piha();
    stage.put(Input::Snapshot {
        node: name("piha"),
        at: stage.now,
        facts: Facts::new(),
        spool: "s".into(),
        cursor: 99,
        digest: String::new(),
    });
    assert!(
        stage.open().is_empty() && stage.orders().is_empty(),
        "an empty snapshot is none"
    );
    stage.load(fleet(&[]));
    stage.live("piha", Span::mins(5));
    assert!(
        stage.open().is_empty() && stage.orders().is_empty(),
        "an empty fleet asks for nothing"
    );
}

#[test]
fn f13_flapping_each_second_for_an_hour_is_repaired_three_times_at_most() {
    let mut stage = piha();
    for second in 0..3600 {
        stage.now = stage.now + Span::secs(1);
        let health = if second % 2 == 0 {
            Health::Unhealthy
        } else {
            Health::Healthy
        };
        stage.see("piha", started_at(runs("z2m", "c1", health), second));
        if let Some(stead_core::controller::Effect::Order { .. }) = stage.orders().last()
            && second % 2 == 1
        {
            stage.answer(done());
        }
    }
    assert!(
        stage.count("action_started") <= 3,
        "{}",
        stage.count("action_started")
    );
}

#[test]
fn a_fleet_that_has_just_booted_floods_nothing() {
    let services: Vec<(String, stead_core::desired::Service)> = (0..50)
        .map(|i| (format!("s{i}"), container(&format!("c{i}"), Some("app:1"))))
        .collect();
    let services: Vec<(&str, stead_core::desired::Service)> = services
        .iter()
        .map(|(n, s)| (n.as_str(), s.clone()))
        .collect();
    let mut stage = Stage::new(fleet(&[("a", &services), ("b", &services)]));
    stage.wait(Span::mins(10));
    assert!(stage.controller.drift().is_empty() && stage.open().is_empty());
}
