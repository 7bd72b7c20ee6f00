use super::*;
use crate::insight::amount::{GIB, MIB};
use crate::insight::annotation::AnnotationKind;
use alloc::string::ToString;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
/// A midnight.
const START: i64 = 1_789_948_800_000;

fn hour(n: i64) -> Time {
    Time(START + n * HOUR)
}

/// A bucket an hour with `bytes` of the hour.
fn hourly(hours: i64, bytes: impl Fn(i64) -> u64) -> Vec<Bucket> {
    let bucket = |n| Bucket {
        at: hour(n),
        bytes: bytes(n),
    };
    (0..hours).map(bucket).collect()
}

fn written(buckets: &[Bucket]) -> Written<'_> {
    Written {
        buckets,
        width: Span::hours(1),
        unusual: &[],
        annotations: &[],
        free: None,
    }
}

fn end(buckets: &[Bucket]) -> Time {
    buckets.last().expect("some").at + Span::hours(1)
}

fn of(buckets: &[Bucket], held: Option<&Anomaly>) -> Verdict {
    judge(
        &written(buckets),
        held,
        end(buckets),
        &AnomalySettings::default(),
    )
}

fn anomaly(verdict: Verdict) -> Anomaly {
    match verdict {
        Verdict::Anomalous(anomaly) => anomaly,
        other => panic!("{other:?}"),
    }
}

/// About 30 MiB an hour, and 22 GB a day from hour 100 on.
fn case(hours: i64) -> Vec<Bucket> {
    hourly(hours, |n| {
        if n < 100 {
            (28 + n as u64 % 5) * MIB
        } else {
            22_000_000_000 / 24
        }
    })
}

#[test]
fn the_case_of_22_gb_a_day_is_found_after_two_hours_and_named_whole() {
    let annotation = |at, kind, what: &str| Annotation {
        at,
        kind,
        what: what.to_string(),
        event: None,
    };
    let annotations = [
        annotation(hour(60), AnnotationKind::Restart, "db"),
        annotation(
            Time(START + 100 * HOUR + 600_000),
            AnnotationKind::Deploy,
            "db 1.5.0",
        ),
        annotation(hour(101), AnnotationKind::Cleanup, "later"),
    ];
    let buckets = case(102);
    let given = Written {
        annotations: &annotations[..2],
        free: Some(88_000_000_000),
        ..written(&buckets)
    };
    let found = anomaly(judge(&given, None, hour(102), &AnomalySettings::default()));
    assert_eq!((found.since, found.usual), (hour(100), 30 * MIB));
    assert_eq!(
        found.before.as_ref().map(|a| a.what.as_str()),
        Some("db 1.5.0")
    );
    assert_eq!(
        found.full_in.map(|s| s.0 / HOUR as u64),
        Some(96),
        "88 GB at 22 GB a day"
    );
    assert_eq!(
        found.words(),
        "writes 874.2 MiB an hour, 29.1 times its usual 30 MiB an hour, since 2026-09-25T04:00:00.000Z; \
         before it: deploy db 1.5.0; at this rate the disk is full in 4 days"
    );
    let long_before = Written {
        annotations: &annotations[..1],
        ..given
    };
    let found = judge(&long_before, None, hour(102), &AnomalySettings::default());
    assert_eq!(
        anomaly(found).before,
        None,
        "what was 40 hours before is not named"
    );
    assert!(
        matches!(of(&case(101), None), Verdict::Usual { .. }),
        "one hour alone is a burst"
    );
}

#[test]
fn a_row_is_needed_and_the_floor_holds() {
    let burst = hourly(80, |n| if n % 30 == 29 { 5 * GIB } else { MIB });
    assert!(matches!(of(&burst[..60], None), Verdict::Usual { .. }));
    let small = hourly(80, |n| if n < 76 { 1000 } else { 255 * MIB });
    assert!(matches!(of(&small, None), Verdict::Usual { bound, .. } if bound == 256 * MIB));
    let above = hourly(80, |n| if n < 76 { 0 } else { 257 * MIB });
    let found = anomaly(of(&above, None));
    assert_eq!(
        (found.factor, found.usual, found.since),
        (None, 0, hour(76))
    );
    assert!(found.words().contains("where it usually writes nothing"));
}

#[test]
fn four_times_the_usual_and_eight_deviations_are_the_bound() {
    let steady = |newest| hourly(80, move |n| if n < 78 { GIB } else { newest });
    assert!(matches!(of(&steady(4 * GIB), None), Verdict::Usual { bound, .. } if bound == 4 * GIB));
    anomaly(of(&steady(4 * GIB + 1), None));
    // It writes between nothing and 2 GiB, all the time: its deviation is half a median and more.
    let restless = |newest| {
        hourly(82, move |n| {
            if n < 80 {
                (n as u64 * 7 % 10) * 2 * GIB / 9
            } else {
                newest
            }
        })
    };
    let Verdict::Usual { usual, bound, .. } = of(&restless(5 * GIB), None) else {
        panic!("five times its usual is nothing to it")
    };
    // Usually 8/9 GiB, the median distance 4/9: 8/9 + 8 × 1.4826 × 4/9.
    assert_eq!((usual / MIB, bound / MIB), (910, 6308));
    anomaly(of(&restless(bound + 1), None));
}

#[test]
fn what_was_not_read_parts_one_row_from_the_next() {
    let mut buckets = hourly(110, |n| if n < 100 { 30 * MIB } else { 2 * GIB });
    buckets.retain(|b| !(hour(104)..hour(107)).contains(&b.at));
    assert_eq!(anomaly(of(&buckets, None)).since, hour(107));
}

#[test]
fn a_nightly_backup_is_a_habit() {
    let night = |n: i64| matches!(n % 24, 3..=5);
    let nightly = hourly(7 * 24 + 6, |n| if night(n) { 5 * GIB } else { 10 * MIB });
    assert!(
        matches!(of(&nightly, None), Verdict::Usual { .. }),
        "the eighth night"
    );
    let second = hourly(24 + 6 + 24, |n| if night(n) { 5 * GIB } else { 10 * MIB });
    assert!(
        matches!(of(&second[..54], None), Verdict::Usual { .. }),
        "the most it ever did, in a short past"
    );
    let more = hourly(7 * 24 + 6, |n| match n {
        n if n >= 7 * 24 + 3 => 12 * GIB,
        n if night(n) => 5 * GIB,
        _ => 10 * MIB,
    });
    anomaly(of(&more, None));
}

#[test]
fn it_lasts_through_a_lull_ends_when_calm_and_never_becomes_its_own_excuse() {
    let began = anomaly(of(&case(102), None));
    let long = anomaly(of(&case(100 + 30 * 24), Some(&began)));
    assert_eq!(
        (long.since, long.usual, long.bound),
        (began.since, began.usual, began.bound)
    );
    let lull = hourly(106, |n| {
        if n < 103 {
            case(103)[n as usize].bytes
        } else {
            MIB
        }
    });
    anomaly(of(&lull, Some(&began)));
    let less = hourly(109, |n| {
        if n < 103 {
            case(103)[n as usize].bytes
        } else {
            began.bound / 2 + 1
        }
    });
    anomaly(of(&less, Some(&began)));
    let calm = hourly(107, |n| {
        if n < 103 {
            case(103)[n as usize].bytes
        } else {
            MIB
        }
    });
    assert!(
        matches!(of(&calm, Some(&began)), Verdict::Usual { usual, .. } if usual == began.usual)
    );
}

#[test]
fn it_does_not_flap_between_the_two_bounds() {
    let began = anomaly(of(&case(102), None));
    let between = hourly(120, |n| match n {
        0..102 => case(102)[n as usize].bytes,
        n if n % 2 == 0 => began.bound + 1,
        _ => began.bound / 2 + 1,
    });
    let mut held = Some(began.clone());
    for hours in 103..=120 {
        held = Some(anomaly(of(&between[..hours], held.as_ref())));
    }
    assert_eq!(held.map(|h| h.since), Some(began.since));
    assert!(
        matches!(of(&between, None), Verdict::Usual { .. }),
        "and it would not begin there"
    );
}

#[test]
fn an_earlier_anomaly_is_no_part_of_what_is_usual() {
    let twice = hourly(400, |n| match n {
        100..200 | 390.. => 2 * GIB,
        _ => 30 * MIB,
    });
    assert!(
        matches!(of(&twice, None), Verdict::Usual { .. }),
        "four days of it look like a habit"
    );
    let unusual = [(hour(100), hour(200))];
    let given = Written {
        unusual: &unusual,
        ..written(&twice)
    };
    let found = anomaly(judge(&given, None, hour(400), &AnomalySettings::default()));
    assert_eq!(found.since, hour(390));
}

#[test]
fn thin_pasts_gaps_and_silence_give_no_verdict() {
    let why = |verdict| match verdict {
        Verdict::Unjudged { why } => why.to_string(),
        other => panic!("{other:?}"),
    };
    let young = hourly(20, |_| GIB);
    assert_eq!(
        why(of(&young, None)),
        "its past is 18 hours long, and a verdict takes 24 hours"
    );
    let settings = AnomalySettings::default();
    assert!(matches!(
        judge(&written(&[]), None, hour(0), &settings),
        Verdict::Unjudged {
            why: Thin::Past { .. }
        }
    ));
    let old = case(102);
    assert_eq!(
        why(judge(&written(&old), None, hour(105), &settings)),
        "nothing was read of it for 3 hours"
    );
    let sparse: Vec<Bucket> = hourly(40, |_| MIB)
        .into_iter()
        .filter(|b| b.at < hour(5) || b.at >= hour(35))
        .collect();
    assert_eq!(
        why(of(&sparse, None)),
        "only 33 % of its past was read, and a verdict takes half of it"
    );
    // A gap right before the newest bucket: one is no row.
    let mut gap = case(103);
    gap.remove(101);
    assert!(matches!(of(&gap, None), Verdict::Usual { .. }));
}

#[test]
fn quarters_of_an_hour_are_judged_by_the_hour() {
    let quarter = |n: i64| Bucket {
        at: Time(START + n * HOUR / 4),
        bytes: if n < 400 { 8 * MIB } else { 230 * MIB },
    };
    let buckets: Vec<Bucket> = (0..402).map(quarter).collect();
    let given = Written {
        width: Span::mins(15),
        ..written(&buckets)
    };
    let found = anomaly(judge(
        &given,
        None,
        Time(START + 402 * HOUR / 4),
        &AnomalySettings::default(),
    ));
    assert_eq!((found.usual, found.rate), (32 * MIB, 920 * MIB));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn writing_less_never_begins_one(seed in prop::collection::vec(0u64..400 * MIB, 60..120), share in 0u64..100) {
        let full = hourly(seed.len() as i64, |n| seed[n as usize]);
        let mut less = full.clone();
        let newest = less.len() - 2;
        less[newest..].iter_mut().for_each(|b| b.bytes = b.bytes * share / 100);
        if matches!(of(&full, None), Verdict::Usual { .. }) {
            let usual = matches!(of(&less, None), Verdict::Usual { .. });
            prop_assert!(usual);
        }
    }

    #[test]
    fn whatever_was_written_the_verdict_is_sound(
        bytes in prop::collection::vec(any::<u64>(), 0..80), width in 0u64..10_000_000, free: Option<u64>
    ) {
        let buckets = hourly(bytes.len() as i64, |n| bytes[n as usize]);
        let given = Written { width: Span(width), free, ..written(&buckets) };
        let settings = AnomalySettings { least_past: Span::ZERO, ..AnomalySettings::default() };
        if let Verdict::Anomalous(found) = judge(&given, None, hour(bytes.len() as i64), &settings) {
            prop_assert!(found.rate > found.usual && found.since <= hour(bytes.len() as i64));
        }
    }
}
