use super::*;
use crate::ids::NodeName;
use crate::insight::amount::GIB;
use crate::time::{Span, Time};
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

const NOW: Time = Time(1_795_000_000_000);

fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("a name")
}

fn ago(span: Span) -> Time {
    Time(NOW.0 - i64::try_from(span.0).expect("small"))
}

fn cleanup(age: Span, freed: u64) -> Option<Upkeep> {
    let at = ago(age);
    Some(Upkeep {
        last: Some(Cleanup { at, freed }),
    })
}

fn best() -> Readings {
    Readings {
        steal: Some(0.0),
        memory_available: Some(16 * GIB),
        disk_used: Some(10.0),
        unhealthy: Some(0),
        upkeep: cleanup(Span::days(1), 1),
        llm_free: Some(16 * GIB),
    }
}

fn of(readings: &Readings) -> Card {
    card(&node("piha"), readings, &ScoreSettings::default(), NOW)
}

fn points(readings: &Readings, kind: Kind) -> u8 {
    let card = of(readings);
    let dimension = card.dimensions.iter().find(|d| d.kind == kind);
    dimension.and_then(|d| d.points).expect("data")
}

/// Each row: a bound in percent, the points below it, and those at it and above.
fn below_is_better(points: impl Fn(f64) -> u8, rows: [(f64, u8, u8); 3]) {
    for (at, below, not_below) in rows {
        assert_eq!(points(at - 0.01), below, "just below {at}");
        assert_eq!(points(at), not_below, "at {at}");
        assert_eq!(points(at + 0.01), not_below, "just above {at}");
    }
}

/// Each row: a bound in GiB, the points above it, and those at it and below.
fn above_is_better(points: impl Fn(u64) -> u8, rows: [(u64, u8, u8); 3]) {
    for (gib, above, not_above) in rows {
        assert_eq!(points(gib * GIB + 1), above, "just above {gib}");
        assert_eq!(points(gib * GIB), not_above, "at {gib}");
        assert_eq!(points(gib * GIB - 1), not_above, "just below {gib}");
    }
}

#[test]
fn each_bound_of_steal_and_disk_is_strict() {
    let steal = |x| {
        points(
            &Readings {
                steal: Some(x),
                ..best()
            },
            Kind::Cpu,
        )
    };
    below_is_better(steal, [(2.0, 20, 15), (5.0, 15, 10), (10.0, 10, 5)]);
    assert_eq!((steal(0.0), steal(100.0)), (20, 5));

    let disk = |x| {
        points(
            &Readings {
                disk_used: Some(x),
                ..best()
            },
            Kind::Disk,
        )
    };
    below_is_better(disk, [(40.0, 15, 10), (55.0, 10, 5), (70.0, 5, 0)]);
    assert_eq!((disk(0.0), disk(100.0)), (15, 0));
}

#[test]
fn each_bound_of_memory_is_strict_and_counts_in_gib() {
    let memory = |n| {
        points(
            &Readings {
                memory_available: Some(n),
                ..best()
            },
            Kind::Memory,
        )
    };
    above_is_better(memory, [(6, 20, 15), (3, 15, 5), (1, 5, 0)]);
    assert_eq!(memory(6_000_000_001), 15, "6 GB are not 6 GiB");
    let llm = |n| {
        points(
            &Readings {
                llm_free: Some(n),
                ..best()
            },
            Kind::Llm,
        )
    };
    above_is_better(llm, [(8, 10, 7), (4, 7, 4), (2, 4, 1)]);
}

#[test]
fn services_count_by_the_table() {
    let services = |n| {
        points(
            &Readings {
                unhealthy: Some(n),
                ..best()
            },
            Kind::Services,
        )
    };
    let given: Vec<u8> = (0..8).map(services).collect();
    assert_eq!(given, [20, 15, 15, 8, 8, 8, 2, 2]);
    assert_eq!(services(u32::MAX), 2);
}

#[test]
fn maintenance_asks_for_a_young_cleanup_that_freed_something() {
    let maintenance = |upkeep| points(&Readings { upkeep, ..best() }, Kind::Maintenance);
    let (week, month, tick) = (Span::days(7), Span::days(30), Span::millis(1));
    let less = |span: Span| Span(span.0 - tick.0);
    let more = |span: Span| Span(span.0 + tick.0);
    assert_eq!(maintenance(cleanup(less(week), 1)), 15);
    assert_eq!(maintenance(cleanup(less(week), 0)), 8, "it freed nothing");
    assert_eq!(maintenance(cleanup(week, 1)), 8);
    assert_eq!(maintenance(cleanup(more(week), 1)), 8);
    assert_eq!(maintenance(cleanup(less(month), 0)), 8);
    assert_eq!(maintenance(cleanup(month, 1)), 0);
    assert_eq!(maintenance(cleanup(more(month), 1)), 0);
    assert_eq!(
        maintenance(Some(Upkeep::default())),
        0,
        "none was ever seen"
    );
    let future = Some(Upkeep {
        last: Some(Cleanup {
            at: Time(NOW.0 + 1),
            freed: 1,
        }),
    });
    assert_eq!(maintenance(future), 15, "a clock ahead is no loss");
}

#[test]
fn the_weights_of_the_table_make_a_hundred() {
    assert_eq!(ScoreSettings::default().problems(), []);
    let card = of(&best());
    assert_eq!(
        (card.score, card.points, card.weight),
        (Some(100), 100, 100)
    );
    assert!(
        !card.partial
            && card
                .dimensions
                .iter()
                .all(|d| d.fix.is_none() && d.next.is_none())
    );
    let worst = Readings {
        steal: Some(100.0),
        memory_available: Some(0),
        disk_used: Some(100.0),
        unhealthy: Some(9),
        upkeep: Some(Upkeep::default()),
        llm_free: Some(0),
    };
    assert_eq!(of(&worst).score, Some(8));
}

#[test]
fn what_has_no_data_is_left_out_and_the_rest_is_scaled() {
    let card = of(&Readings {
        llm_free: None,
        disk_used: Some(60.0),
        ..best()
    });
    assert_eq!((card.points, card.weight), (80, 90));
    assert_eq!((card.score, card.partial), (Some(89), true));
    let llm = card
        .dimensions
        .iter()
        .find(|d| d.kind == Kind::Llm)
        .expect("shown all the same");
    assert_eq!((llm.points, llm.lost(), llm.fix.is_none()), (None, 0, true));
    let nothing = of(&Readings::default());
    assert_eq!((nothing.score, nothing.partial), (None, true));
    let nonsense = of(&Readings {
        steal: Some(f64::NAN),
        disk_used: Some(-1.0),
        ..Readings::default()
    });
    assert_eq!(nonsense.score, None, "what is no reading is no data");
}

#[test]
fn every_lost_point_has_its_data_its_next_bound_and_a_fix() {
    let card = of(&Readings {
        steal: Some(6.2),
        memory_available: Some(2 * GIB),
        disk_used: Some(60.0),
        unhealthy: Some(1),
        upkeep: cleanup(Span::days(3), 0),
        llm_free: Some(0),
    });
    for d in &card.dimensions {
        assert!(d.lost() > 0 && d.value.is_some(), "{d:?}");
        let (fix, next) = (
            d.fix.as_ref().expect("a fix"),
            d.next.as_ref().expect("a bound"),
        );
        assert!(next.points > d.points.expect("data"), "{d:?}");
        assert!(!fix.what.is_empty() && fix.page.contains("piha"), "{fix:?}");
    }
    let disk = &card.dimensions[2];
    let next = disk.next.as_ref().map(|n| (n.points, n.wants.as_str()));
    assert_eq!(next, Some((10, "less than 55 % used")));
    let commands: Vec<Option<&str>> = card
        .dimensions
        .iter()
        .map(|d| d.fix.as_ref().and_then(|fix| fix.command.as_deref()))
        .collect();
    let cleanup = Some("stead actions start disk_cleanup node/piha");
    let ill = Some("stead services --node piha --state unhealthy");
    assert_eq!(commands, [None, None, cleanup, ill, cleanup, None]);
    let upkeep = card.dimensions[4].next.as_ref().map(|n| n.wants.as_str());
    assert_eq!(
        upkeep,
        Some("a cleanup that freed something less than 7 days ago")
    );
}

#[test]
fn the_worked_example_of_the_documentation() {
    let card = of(&Readings {
        steal: Some(6.2),
        memory_available: Some(2 * GIB),
        disk_used: Some(60.0),
        unhealthy: Some(1),
        upkeep: cleanup(Span::days(3), 0),
        llm_free: None,
    });
    let points: Vec<Option<u8>> = card.dimensions.iter().map(|d| d.points).collect();
    assert_eq!(
        points,
        [Some(10), Some(5), Some(5), Some(15), Some(8), None]
    );
    assert_eq!(
        (card.points, card.weight, card.score, card.partial),
        (43, 90, Some(48), true)
    );
}

#[test]
fn the_fleet_is_the_mean_and_names_its_worst() {
    let full = of(&best());
    let half = of(&Readings {
        disk_used: Some(99.0),
        ..best()
    });
    let unknown = of(&Readings::default());
    let (a, b, c) = (node("a"), node("b"), node("c"));
    let mean = fleet([(&a, &full), (&c, &half), (&b, &half)]);
    assert_eq!(mean.score, Some(90), "(100 + 85 + 85) / 3");
    assert_eq!(
        (mean.worst, mean.nodes, mean.partial),
        (Some((b.clone(), 85)), 3, false)
    );
    let mean = fleet([(&a, &full), (&b, &unknown)]);
    assert_eq!(
        (mean.score, mean.nodes, mean.unscored, mean.partial),
        (Some(100), 1, 1, true)
    );
    let part = of(&Readings {
        steal: None,
        ..best()
    });
    let mean = fleet([(&a, &full), (&b, &part)]);
    assert_eq!(
        (mean.score, mean.unscored, mean.partial),
        (Some(100), 0, true),
        "of one node only a part is known"
    );
    assert_eq!(fleet([]).score, None);
}

#[test]
fn settings_out_of_order_are_refused_with_what_to_write() {
    let mut settings = ScoreSettings::default();
    settings.disk.steps.swap(0, 1);
    let found = settings.problems();
    assert!(
        found.contains(&InvalidScore::Order { kind: Kind::Disk }),
        "{found:?}"
    );
    assert!(
        found.contains(&InvalidScore::Points { kind: Kind::Disk }),
        "{found:?}"
    );
    assert!(found.contains(&InvalidScore::Sum { sum: 95 }), "{found:?}");
    assert!(found[0].to_string().contains("larger than the one before"));

    let mut settings = ScoreSettings::default();
    settings.memory.steps[0].bound = f64::NAN;
    assert!(
        settings
            .problems()
            .contains(&InvalidScore::Bound { kind: Kind::Memory })
    );
    settings = ScoreSettings::default();
    settings.cpu.otherwise = 10;
    assert_eq!(
        settings.problems(),
        [InvalidScore::Points { kind: Kind::Cpu }]
    );
    settings = ScoreSettings::default();
    settings.services.steps = (1..=17)
        .map(|n| Step {
            bound: f64::from(n),
            points: 21 - n as u8,
        })
        .collect();
    assert!(settings.problems().contains(&InvalidScore::Steps {
        kind: Kind::Services
    }));
}

#[test]
fn a_dimension_can_be_switched_off_when_the_others_make_a_hundred() {
    let mut settings = ScoreSettings {
        llm: Scale {
            steps: Vec::new(),
            otherwise: 0,
        },
        ..ScoreSettings::default()
    };
    assert_eq!(settings.problems(), [InvalidScore::Sum { sum: 90 }]);
    settings.disk.steps[0].points = 25;
    assert_eq!(settings.problems(), []);
    let card = card(
        &node("a"),
        &Readings {
            llm_free: None,
            ..best()
        },
        &settings,
        NOW,
    );
    assert_eq!(
        (card.score, card.partial, card.dimensions.len()),
        (Some(100), false, 5)
    );
}

#[test]
fn settings_are_read_back_and_unknown_keys_are_refused() {
    let settings = ScoreSettings::default();
    let text = serde_json::to_string(&settings).expect("json");
    assert_eq!(
        serde_json::from_str::<ScoreSettings>(&text).expect("back"),
        settings
    );
    let some: ScoreSettings = serde_json::from_str("{}").expect("all defaults");
    assert_eq!(some, settings);
    assert!(serde_json::from_str::<ScoreSettings>(r#"{"gpu":{}}"#).is_err());
}

prop_compose! {
    fn readings()(
        steal in prop::option::of(0.0f64..100.0),
        memory_available in prop::option::of(0..16 * GIB),
        disk_used in prop::option::of(0.0f64..=100.0),
        unhealthy in prop::option::of(0u32..10),
        age in prop::option::of(prop::option::of((0u64..60, 0u64..3))),
        llm_free in prop::option::of(0..16 * GIB),
    ) -> Readings {
        let upkeep = age.map(|age| Upkeep {
            last: age.map(|(days, freed)| Cleanup { at: ago(Span::days(days)), freed }),
        });
        Readings { steal, memory_available, disk_used, unhealthy, upkeep, llm_free }
    }
}

/// The same machine, each reading it has a little better.
fn better(r: &Readings, by: f64) -> Readings {
    let up = |n: u64| n + (by * GIB as f64) as u64;
    Readings {
        steal: r.steal.map(|x| x * (1.0 - by / 8.0)),
        memory_available: r.memory_available.map(up),
        disk_used: r.disk_used.map(|x| x * (1.0 - by / 8.0)),
        unhealthy: r.unhealthy.map(|n| n.saturating_sub(by as u32)),
        upkeep: r.upkeep.as_ref().map(|u| Upkeep {
            last: u.last.map(|c| Cleanup {
                at: Time(NOW.0.min(c.at.0 + (by * 86_400_000.0) as i64)),
                freed: c.freed + by as u64,
            }),
        }),
        llm_free: r.llm_free.map(up),
    }
}

proptest! {
    #[test]
    fn better_data_never_scores_worse_and_the_score_stays_within_a_hundred(r in readings(), by in 0.0f64..8.0) {
        let (was, is) = (of(&r), of(&better(&r, by)));
        prop_assert_eq!(was.score.is_some(), is.score.is_some());
        prop_assert!(was.score <= is.score, "{:?} then {:?}", was, is);
        prop_assert!(was.score.is_none_or(|s| s <= 100));
        prop_assert_eq!(was.weight, was.dimensions.iter().filter(|d| d.points.is_some()).map(|d| u32::from(d.weight)).sum::<u32>());
        for d in &was.dimensions {
            prop_assert_eq!(d.lost() > 0, d.fix.is_some());
            prop_assert_eq!(d.lost() > 0, d.next.is_some());
        }
    }
}
