use super::*;
use alloc::string::ToString;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const START: i64 = 1_790_000_000_000;

/// Noise that is the same on every machine: the sum of twelve even draws has a deviation of one.
struct Noise(u64);

impl Noise {
    fn even(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn draw(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

/// One point an hour for `days`; `value` of the day since the start.
fn hourly(days: u32, mut value: impl FnMut(f64) -> f64) -> Vec<Point> {
    let point = |hour: u32| Point {
        at: Time(START + i64::from(hour) * HOUR),
        value: value(f64::from(hour) / 24.0),
    };
    (0..days * 24).map(point).collect()
}

fn newest(points: &[Point]) -> Time {
    points.iter().map(|p| p.at).max().expect("points")
}

fn of(points: &[Point]) -> Result<Trend, Refusal> {
    trend(points, newest(points), &TrendSettings::default())
}

fn ask(points: &[Point], bound: f64, horizon: Span) -> Result<Projection, Refusal> {
    let now = newest(points);
    project(
        points,
        Bound::RisesTo(bound),
        horizon,
        now,
        &TrendSettings::default(),
    )
    .map(|(_, p)| p)
}

const YEAR: Span = Span::days(365);

#[test]
fn a_straight_line_is_found_exactly_and_projected_to_the_day() {
    let points = hourly(10, |day| 40.0 + day);
    let trend = of(&points).expect("a trend");
    assert!(
        (trend.per_day - 1.0).abs() < 1e-9 && trend.jumps.is_empty(),
        "{trend:?}"
    );
    assert!((trend.level - (40.0 + 239.0 / 24.0)).abs() < 1e-9);
    assert_eq!(trend.direction(), Direction::Rising);
    let projection = ask(&points, 55.0, YEAR).expect("a projection");
    assert_eq!(projection.words("55 %"), "reaches 55 % in 5 to 6 days");
}

#[test]
fn the_worked_example_of_the_documentation() {
    let mut noise = Noise(21);
    let points = hourly(14, |day| {
        44.0 + day - if day >= 6.5 { 12.0 } else { 0.0 } + 0.6 * noise.draw()
    });
    let settings = TrendSettings::default();
    let (trend, projection) = project(
        &points,
        Bound::RisesTo(55.0),
        YEAR,
        newest(&points),
        &settings,
    )
    .expect("a projection");
    let tenths = |x: f64| (x * 100.0).round() / 100.0;
    assert_eq!(
        [trend.per_day, trend.low, trend.high].map(tenths),
        [1.0, 0.96, 1.04]
    );
    assert_eq!(
        [trend.level, trend.level_error, trend.jumps[0].by].map(tenths),
        [46.18, 0.5, -12.54]
    );
    assert_eq!(projection.words("55 %"), "reaches 55 % in 7 to 10 days");
}

#[test]
fn noise_gives_a_range_that_holds_the_truth() {
    let mut noise = Noise(7);
    let points = hourly(14, |day| 40.0 + 0.5 * day + 0.8 * noise.draw());
    let (trend, projection) = project(
        &points,
        Bound::RisesTo(55.0),
        YEAR,
        newest(&points),
        &TrendSettings::default(),
    )
    .expect("a projection");
    assert!(
        trend.low < 0.5 && 0.5 < trend.high && trend.high - trend.low < 0.1,
        "{trend:?}"
    );
    let Projection::Within { earliest, latest } = projection else {
        panic!("{projection:?}")
    };
    let truth = Span::days(16);
    assert!(earliest < truth && truth < latest, "{projection:?}");
}

#[test]
fn the_range_of_the_slope_holds_the_true_one_about_as_often_as_it_says() {
    let mut held = 0;
    for seed in 0..300 {
        let mut noise = Noise(seed);
        let trend = of(&hourly(4, |day| 0.3 * day + noise.draw())).expect("a trend");
        held += u32::from(trend.low <= 0.3 && 0.3 <= trend.high);
    }
    assert!((276..=300).contains(&held), "{held} of 300");
}

#[test]
fn neighbours_that_move_together_widen_the_range() {
    let mut held = 0;
    for seed in 0..200 {
        let (mut noise, mut last) = (Noise(seed), 0.0);
        let points = hourly(10, |day| {
            last = 0.8 * last + noise.draw();
            0.3 * day + last
        });
        let trend = of(&points).expect("a trend");
        held += u32::from(trend.low <= 0.3 && 0.3 <= trend.high);
    }
    assert!(held >= 180, "{held} of 200");
}

#[test]
fn one_outlier_does_not_hide_that_neighbours_move_together() {
    let width = |spike: f64| {
        let (mut noise, mut last) = (Noise(3), 0.0);
        let points = hourly(10, |day| {
            last = 0.8 * last + noise.draw();
            let out = (day * 24.0) as u32 == 100;
            0.3 * day + last + if out { spike } else { 0.0 }
        });
        let trend = of(&points).expect("a trend");
        trend.high - trend.low
    };
    let (with, without) = (width(500.0), width(0.0));
    assert!(with > 0.8 * without, "{with} of {without}");
}

#[test]
fn a_cleanup_does_not_turn_the_slope_round() {
    let mut noise = Noise(3);
    let points = hourly(14, |day| {
        let freed = if day >= 7.0 { 20.0 } else { 0.0 };
        60.0 + 0.5 * day - freed + 0.2 * noise.draw()
    });
    let trend = of(&points).expect("a trend");
    assert!(
        (0.47..0.53).contains(&trend.per_day) && trend.low > 0.45,
        "{trend:?}"
    );
    assert!(
        (trend.level - 47.0).abs() < 0.5,
        "the level is the one after the cleanup: {trend:?}"
    );
    let [jump] = trend.jumps[..] else {
        panic!("{trend:?}")
    };
    assert!(
        (jump.by + 20.0).abs() < 1.0 && jump.at.since(Time(START + 7 * 24 * HOUR)) < Span::hours(2),
        "{jump:?}"
    );
    // Without the cut the same points fall.
    let all = slope::slope(&[&sampled::sampled(&sampled::clean(&points, newest(&points)))])
        .expect("pairs");
    assert!(all.middle < 0.0, "{all:?}");
}

#[test]
fn a_cleanup_minutes_ago_counts_at_once() {
    let points = hourly(30, |day| {
        60.0 + 0.5 * day - if day >= 29.87 { 25.0 } else { 0.0 }
    });
    let trend = of(&points).expect("a trend");
    assert!((trend.level - 50.0).abs() < 0.5, "three points: {trend:?}");
    assert!((trend.per_day - 0.5).abs() < 0.02, "{trend:?}");
}

#[test]
fn a_restored_backup_and_two_cleanups_are_cut_too() {
    let mut noise = Noise(4);
    let points = hourly(20, |day| {
        let at = |when: f64, by: f64| if day >= when { by } else { 0.0 };
        100.0 + 2.0 * day + at(4.0, 60.0) + at(11.0, -50.0) + at(19.5, -40.0) + 0.3 * noise.draw()
    });
    let trend = of(&points).expect("a trend");
    assert_eq!(trend.jumps.len(), 3, "{trend:?}");
    assert!((1.9..2.1).contains(&trend.per_day), "{trend:?}");
    assert!((trend.level - 110.0).abs() < 2.0, "{trend:?}");
}

#[test]
fn what_jumps_often_is_how_it_moves() {
    // Grows by 5 a day and is cleaned up each third day: it goes nowhere.
    let saw = hourly(24, |day| 30.0 + 5.0 * (day % 3.0));
    let trend = of(&saw).expect("a trend");
    assert!(
        trend.jumps.is_empty() && trend.per_day.abs() < 0.5,
        "{trend:?}"
    );
    // Two releases of 5 GB and nothing else: that is the growth.
    let stairs = hourly(30, |day| 5.0 * f64::from((day / 10.0) as u32));
    let trend = of(&stairs).expect("a trend");
    assert!(
        trend.jumps.is_empty() && (0.3..0.7).contains(&trend.per_day),
        "{trend:?}"
    );
}

#[test]
fn spikes_move_nothing() {
    let points = hourly(10, |day| {
        if (day * 24.0) as u32 % 40 == 20 {
            100.0
        } else {
            20.0 + day
        }
    });
    let trend = of(&points).expect("a trend");
    assert!(
        (trend.per_day - 1.0).abs() < 0.01 && trend.jumps.is_empty(),
        "{trend:?}"
    );
}

#[test]
fn a_spike_noise_and_a_small_step_are_no_jumps() {
    let spike = hourly(10, |day| {
        if (4.99..5.01).contains(&day) {
            100.0
        } else {
            20.0 + day
        }
    });
    assert_eq!(of(&spike).expect("a trend").jumps, []);
    for seed in 0..100 {
        let mut noise = Noise(seed);
        let short: Vec<Point> = hourly(2, |day| day + noise.draw()).split_off(20);
        assert_eq!(of(&short).expect("a trend").jumps, [], "seed {seed}");
    }
    // Far outside the noise, and nothing beside all it did: ranks pass over it.
    let step = hourly(30, |day| day + if day >= 12.0 { 3.0 } else { 0.0 });
    let trend = of(&step).expect("a trend");
    assert!(
        trend.jumps.is_empty() && (1.0..1.15).contains(&trend.per_day),
        "{trend:?}"
    );
}

#[test]
fn the_error_of_the_level_widens_the_range_at_both_ends() {
    let trend = Trend {
        per_day: 1.0,
        low: 1.0,
        high: 1.0,
        level: 50.0,
        level_error: 1.0,
        at: Time(START),
        points: 100,
        span: Span::days(7),
        jumps: Vec::new(),
    };
    let settings = TrendSettings::default();
    let reaches = |bound| trend.reaches(Bound::RisesTo(bound), YEAR, &settings);
    assert_eq!(
        reaches(55.0),
        Ok(Projection::Within {
            earliest: Span::days(4),
            latest: Span::days(6)
        })
    );
    let near = reaches(50.5).expect("near, so its ends may be far apart");
    assert_eq!(
        near,
        Projection::Within {
            earliest: Span::ZERO,
            latest: Span::hours(36)
        }
    );
    assert_eq!(near.words("50.5 %"), "reaches 50.5 % within 36 hours");
    let wide = Trend {
        low: 0.1,
        ..trend.clone()
    };
    let refusal = wide
        .reaches(Bound::RisesTo(55.0), YEAR, &settings)
        .expect_err("4 to 60 days");
    assert_eq!(
        refusal.to_string(),
        "too noisy: it could be reached in 4 days or in 2 months"
    );
}

#[test]
fn whole_percents_are_no_jumps() {
    let points = hourly(20, |day| f64::from((40.0 + 0.4 * day) as u32));
    let trend = of(&points).expect("a trend");
    assert!(
        (0.3..0.5).contains(&trend.per_day) && trend.jumps.is_empty(),
        "{trend:?}"
    );
}

#[test]
fn what_is_there_falls_or_stays_is_said_so() {
    let rising = hourly(40, |day| 40.0 + day);
    assert_eq!(ask(&rising, 50.0, YEAR), Ok(Projection::Reached));
    let falling = hourly(10, |day| 40.0 - day);
    let answer = ask(&falling, 55.0, YEAR).expect("an answer");
    assert_eq!(answer.words("55 %"), "falling, away from 55 %");
    let mut noise = Noise(1);
    let flat = hourly(60, |_| 40.0 + 0.1 * noise.draw());
    let answer = ask(&flat, 55.0, YEAR).expect("an answer");
    assert_eq!(answer, Projection::NotWithin { horizon: YEAR });
    assert_eq!(answer.words("55 %"), "does not reach 55 % within 12 months");
}

#[test]
fn memory_that_runs_out_is_asked_from_above() {
    let points = hourly(10, |day| 8.0 - 0.25 * day);
    let now = newest(&points);
    let settings = TrendSettings::default();
    let (_, answer) =
        project(&points, Bound::FallsTo(1.0), YEAR, now, &settings).expect("an answer");
    assert!(
        matches!(answer, Projection::Within { earliest, .. } if earliest.0 / 86_400_000 == 18),
        "{answer:?}"
    );
    let (_, answer) =
        project(&points, Bound::FallsTo(6.0), YEAR, now, &settings).expect("an answer");
    assert_eq!(answer, Projection::Reached);
    let rising = hourly(10, |day| 1.0 + day);
    let (_, answer) = project(
        &rising,
        Bound::FallsTo(0.5),
        YEAR,
        newest(&rising),
        &settings,
    )
    .expect("an answer");
    assert_eq!(answer.words("0.5 GiB"), "rising, away from 0.5 GiB");
}

#[test]
fn each_kind_of_thin_data_is_refused_by_name() {
    let line = hourly(10, |day| 40.0 + day);
    let refusal = of(&line[..11]).expect_err("eleven points");
    assert_eq!(refusal, Refusal::TooFew { have: 11, need: 12 });
    assert_eq!(
        trend(&[], Time(0), &TrendSettings::default()),
        Err(Refusal::TooFew { have: 0, need: 12 })
    );

    let dense: Vec<Point> = (0..100)
        .map(|n| Point {
            at: Time(START + n * 60_000),
            value: n as f64,
        })
        .collect();
    let refusal = of(&dense).expect_err("99 minutes");
    assert_eq!(
        refusal.to_string(),
        "too short a time: 99 minutes of data, and it takes 6 hours"
    );

    let slow = hourly(7, |day| 30.0 + 0.1 * day);
    let refusal = ask(&slow, 55.0, YEAR).expect_err("a week says nothing of a year");
    assert_eq!(refusal.word(), "too_short_for");
    assert_eq!(
        refusal.to_string(),
        "not within 2 months, and 6 days of data say nothing of 12 months: that takes 37 days of data"
    );
    assert_eq!(
        ask(&slow, 55.0, Span::days(60)),
        Ok(Projection::NotWithin {
            horizon: Span::days(60)
        })
    );

    let mut noise = Noise(5);
    let wild = hourly(10, |day| 40.0 + 0.01 * day + 6.0 * noise.draw());
    let refusal = ask(&wild, 55.0, Span::days(90)).expect_err("noise");
    assert_eq!(refusal.word(), "too_noisy", "{refusal}");
    assert!(refusal.to_string().ends_with("or never"), "{refusal}");

    let minutes: Vec<Point> = (0..500)
        .map(|n| Point {
            at: Time(START + n * 60_000),
            value: n as f64,
        })
        .collect();
    let half = Time(newest(&minutes).0 + HOUR / 2);
    assert!(
        trend(&minutes, half, &TrendSettings::default()).is_ok(),
        "what is measured each minute is not old after half an hour"
    );

    let late = Time(newest(&line).0 + 5 * HOUR);
    let refusal = trend(&line, late, &TrendSettings::default()).expect_err("old");
    assert_eq!(
        refusal,
        Refusal::Stale {
            age: Span::hours(5)
        }
    );
}

#[test]
fn points_that_are_no_numbers_or_lie_ahead_are_left_out() {
    let mut points = hourly(10, |day| 40.0 + day);
    let now = newest(&points);
    let plain = trend(&points, now, &TrendSettings::default());
    points.push(Point {
        at: now,
        value: f64::NAN,
    });
    points.push(Point {
        at: Time(START + 1),
        value: f64::INFINITY,
    });
    points.push(Point {
        at: Time(now.0 + HOUR),
        value: -1e9,
    });
    assert_eq!(trend(&points, now, &TrendSettings::default()), plain);
}

#[test]
fn a_year_of_points_is_sampled_down_and_keeps_slope_and_jump() {
    let mut noise = Noise(9);
    let points: Vec<Point> = (0..35_040i64)
        .map(|n| {
            let day = n as f64 / 96.0;
            let freed = if day >= 200.0 { 40.0 } else { 0.0 };
            Point {
                at: Time(START + n * 15 * 60_000),
                value: 20.0 + 0.2 * day - freed + noise.draw(),
            }
        })
        .collect();
    let samples = sampled::sampled(&sampled::clean(&points, newest(&points)));
    assert_eq!(samples.len(), sampled::MOST);
    let trend = of(&points).expect("a trend");
    assert!(
        (0.19..0.21).contains(&trend.per_day) && trend.jumps.len() == 1,
        "{trend:?}"
    );
    assert_eq!(trend.points, 35_040);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_known_slope_is_found_whatever_its_size_and_place(
        slope in -50.0f64..50.0, level in -1e6f64..1e6, spread in 0.0f64..2.0, days in 3u32..30, seed: u64
    ) {
        let mut noise = Noise(seed);
        let trend = of(&hourly(days, |day| level + slope * day + spread * noise.draw())).expect("a trend");
        // Eight times the error that least squares would have.
        let n = f64::from(days * 24);
        let allowed = 8.0 * spread * (12.0 / n).sqrt() / f64::from(days) + 1e-6;
        prop_assert!((trend.per_day - slope).abs() <= allowed, "{} for {slope}, ± {allowed}", trend.per_day);
        prop_assert!(trend.low <= trend.per_day && trend.per_day <= trend.high);
    }

    #[test]
    fn one_jump_leaves_slope_and_level_where_they_are(
        slope in -2.0f64..2.0, by in prop_oneof![-60.0f64..-30.0, 30.0f64..60.0], when in 2.0f64..11.0, seed: u64
    ) {
        let mut noise = Noise(seed);
        let points = hourly(14, |day| slope * day + 0.3 * noise.draw() + if day >= when { by } else { 0.0 });
        let trend = of(&points).expect("a trend");
        prop_assert!((trend.per_day - slope).abs() < 0.15, "{trend:?}");
        let truth = slope * 335.0 / 24.0 + by;
        prop_assert!((trend.level - truth).abs() < 1.5, "{trend:?} for {truth}");
    }

    #[test]
    fn the_order_of_the_points_does_not_matter(seed: u64, turn in 1usize..200) {
        let mut noise = Noise(seed);
        let mut points = hourly(10, |day| day + noise.draw());
        let plain = of(&points);
        points.rotate_left(turn);
        prop_assert_eq!(of(&points), plain);
    }

    #[test]
    fn nothing_given_makes_it_panic_or_lie_about_its_order(
        points in prop::collection::vec((0i64..10_000_000_000, prop::num::f64::ANY), 0..300), bound: f64
    ) {
        let points: Vec<Point> = points.into_iter().map(|(at, value)| Point { at: Time(at), value }).collect();
        let settings = TrendSettings { least_span: Span::ZERO, ..TrendSettings::default() };
        let answer = project(&points, Bound::RisesTo(bound), YEAR, Time(10_000_000_000), &settings);
        if let Ok((trend, _)) = &answer {
            prop_assert!([trend.per_day, trend.low, trend.high, trend.level, trend.level_error].iter().all(|x| x.is_finite()));
        }
        if let Ok((_, Projection::Within { earliest, latest })) = answer {
            prop_assert!(earliest <= latest);
        }
    }
}
