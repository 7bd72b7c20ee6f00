//! What is asked is answered, wherever the samples are: in memory, in parts, merged, folded, before and after a restart.

use stead_core::time::Time;
use stead_ports::history::{Op, Range, Reader, Selector};

use crate::places::{
    DAY, HOUR, MINUTE, Place, SECOND, START, append, labels, plain, points, value,
};

/// Samples of ten seconds over a stretch before the start.
fn samples(series: u64, from: i64, to: i64) -> Vec<(i64, f64)> {
    (from / 10_000..to / 10_000)
        .map(|n| (n * 10_000, value(series, n)))
        .collect()
}

/// Lowest, highest and average of what lies within.
fn folded(samples: &[(i64, f64)], from: i64, to: i64) -> (f64, f64, f64) {
    let within = samples.iter().filter(|(at, _)| (from..to).contains(at));
    let values: Vec<f64> = within.map(|(_, value)| *value).collect();
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (
        lowest,
        highest,
        values.iter().sum::<f64>() / values.len() as f64,
    )
}

#[tokio::test]
async fn an_answer_is_the_same_before_and_after_flush_merge_and_restart() {
    let place = Place::server();
    let mut store = place.open().await;
    let cpu = labels("cpu", "a");
    let all = samples(1, START - 3 * HOUR, START);
    let selector = Selector::metric("cpu");
    for piece in all.chunks(97) {
        append(&store, &cpu, piece.iter().copied()).await;
        append(&store, &labels("cpu", "b"), piece.iter().copied()).await;
    }
    let one = selector.clone().with("node", Op::Equal, "a");
    for step in [
        10 * SECOND,
        30 * SECOND,
        MINUTE,
        7 * MINUTE,
        15 * MINUTE,
        HOUR,
    ] {
        let (from, to) = (START - 2 * HOUR, START);
        let mut seen = Vec::new();
        seen.push(points(&store, &one, from, to, step).await);
        store.flush().await.unwrap();
        seen.push(points(&store, &one, from, to, step).await);
        while store.merge().await.unwrap() {}
        seen.push(points(&store, &one, from, to, step).await);
        store = place.open().await;
        seen.push(points(&store, &one, from, to, step).await);
        for points in &seen {
            assert_eq!(points, &seen[0], "step {step}");
            for point in points {
                let (low, high, average) =
                    folded(&all, point.at.0.max(from / step * step), point.at.0 + step);
                assert_eq!(
                    (point.min, point.max),
                    (low, high),
                    "step {step} at {}",
                    point.at.0 - START
                );
                assert!((point.avg - average).abs() < 1e-9);
            }
        }
        assert!(!seen[0].is_empty());
    }
}

#[tokio::test]
async fn a_question_over_all_tiers_has_no_seam() {
    let place = Place::server();
    let store = place.open().await;
    let cpu = labels("cpu", "a");
    let begin = START - 40 * DAY;
    let mut all: Vec<(i64, f64)> = Vec::new();
    for n in 0..(40 * DAY / MINUTE) {
        let at = begin + n * MINUTE;
        place.clock.set_wall(Time(at));
        all.push((at, value(1, n)));
        if all.len().is_multiple_of(600) {
            append(&store, &cpu, all[all.len() - 600..].iter().copied()).await;
            store.flush().await.unwrap();
            store.keep().await.unwrap();
        }
    }
    place.clock.set_wall(Time(START));
    store.keep().await.unwrap();
    let selector = Selector::metric("cpu");
    let day = points(&store, &selector, begin, START, DAY).await;
    assert_eq!(day.len(), 40);
    for point in &day {
        let (low, high, average) = folded(&all, point.at.0, point.at.0 + DAY);
        assert_eq!((point.min, point.max), (low, high));
        assert!(
            (point.avg - average).abs() < 1e-6,
            "{} {average}",
            point.avg
        );
    }
    // Finer than what is kept of most of it: every stretch with what there is, none twice, none missing.
    let fine = points(&store, &selector, begin, START, 10 * MINUTE).await;
    assert!(fine.windows(2).all(|pair| pair[0].at < pair[1].at));
    let gaps = fine.windows(2).map(|pair| pair[1].at.0 - pair[0].at.0);
    assert!(gaps.max().unwrap() <= 20 * MINUTE);
    let minutes = points(&store, &selector, START - DAY, START, MINUTE).await;
    assert_eq!(plain(&minutes), all[all.len() - 1440..]);
    assert!(store.stats().parts < 150, "{:?}", store.stats());
}

#[tokio::test]
async fn series_are_listed_by_name_and_by_when_they_were_last_seen() {
    let place = Place::server();
    let store = place.open().await;
    append(&store, &labels("cpu", "b"), [(START, 1.0)]).await;
    append(&store, &labels("cpu", "a"), [(START - HOUR, 1.0)]).await;
    append(&store, &labels("load", "a"), [(START, 1.0)]).await;
    let any = Selector::default().with("node", Op::Matches, ".+");
    let list = async |from: i64| {
        let found = store.series(&any, Time(from)).await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = [r#"cpu{node="a"}"#, r#"cpu{node="b"}"#, r#"load{node="a"}"#];
    assert_eq!(list(0).await, all);
    assert_eq!(list(START - MINUTE).await, all[1..]);
    let range = Range {
        selector: Selector::default().with("node", Op::Differs, "b"),
        from: Time(START - DAY),
        to: Time(START + 1),
        step: stead_core::time::Span::hours(1),
    };
    let series = store.range(&range).await.unwrap();
    assert_eq!(series.len(), 2);
    assert_eq!(series[0].labels, labels("cpu", "a"));
}

#[tokio::test]
async fn late_samples_go_where_they_are_still_kept() {
    let place = Place::server();
    let store = place.open().await;
    let old = samples(3, START - 60 * DAY, START - 60 * DAY + HOUR);
    append(&store, &labels("load", "a"), [(START, 1.0)]).await;
    store.flush().await.unwrap();
    let before = store.stats().parts;
    append(&store, &labels("cpu", "a"), old.iter().copied()).await;
    store.flush().await.unwrap();
    let found = points(
        &store,
        &Selector::metric("cpu"),
        START - 61 * DAY,
        START - 59 * DAY,
        15 * MINUTE,
    )
    .await;
    assert_eq!(found.len(), 4);
    let (low, high, _) = folded(&old, found[0].at.0, found[0].at.0 + 15 * MINUTE);
    assert_eq!((found[0].min, found[0].max), (low, high));
    assert_eq!(
        store.stats().parts,
        before + 1,
        "the finer tiers do not go back that far"
    );
}
