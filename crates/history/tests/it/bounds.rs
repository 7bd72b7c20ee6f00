//! Whatever comes in: bounded, refused by name and counted, nothing else hurt.

use stead_core::time::{Span, Time};
use stead_history::store::{Limits, Options};
use stead_ports::history::{Entry, Error, Range, Reader, Refused, Selector, Writer};

use crate::places::{
    DAY, HOUR, MINUTE, Place, SECOND, START, append, entry, labels, plain, points,
};

#[tokio::test]
async fn samples_of_no_possible_time_are_refused_by_name() {
    let place = Place::server();
    let store = place.open().await;
    let cpu = labels("cpu", "a");
    let done = append(
        &store,
        &cpu,
        [
            (START + 6 * MINUTE, 1.0),
            (START - 731 * DAY, 1.0),
            (START, 1.0),
        ],
    )
    .await;
    let refused = Refused {
        future: 1,
        old: 1,
        ..Refused::default()
    };
    assert_eq!((done.samples, done.refused), (1, refused));
    // A clock that went back, and what was said before.
    let done = append(
        &store,
        &cpu,
        [
            (START, 2.0),
            (START - HOUR, 3.0),
            (START + 10 * SECOND, 4.0),
        ],
    )
    .await;
    assert_eq!((done.samples, done.refused.disorder), (1, 2));
    let found = points(
        &store,
        &Selector::metric("cpu"),
        START - DAY,
        START + MINUTE,
        10 * SECOND,
    )
    .await;
    assert_eq!(plain(&found), [(START, 1.0), (START + 10 * SECOND, 4.0)]);
    assert_eq!(store.stats().refused.total(), 4);
    for extreme in [i64::MAX, i64::MIN] {
        assert_eq!(
            append(&store, &cpu, [(extreme, 1.0)]).await.refused.total(),
            1
        );
    }
}

#[tokio::test]
async fn what_was_said_before_is_refused_after_a_restart_too() {
    let place = Place::server();
    let store = place.open().await;
    let cpu = labels("cpu", "a");
    append(&store, &cpu, [(START - 20_000, 1.0)]).await;
    store.flush().await.unwrap();
    append(&store, &cpu, [(START - 10_000, 1.0)]).await;
    let store = place.open().await;
    let done = append(
        &store,
        &cpu,
        [(START - 20_000, 9.0), (START - 10_000, 9.0), (START, 1.0)],
    )
    .await;
    assert_eq!((done.samples, done.refused.disorder), (1, 2));
}

#[tokio::test]
async fn a_metric_with_a_million_series_takes_no_room_from_others() {
    let mut place = Place::server();
    place.options.metric = 100;
    place.options.series = 150;
    let store = place.open().await;
    append(&store, &labels("cpu", "a"), [(START - 10_000, 1.0)]).await;
    let batch: Vec<Entry> = (0..1_000_000)
        .map(|n| entry(&labels("requests", &n.to_string()), START, 1.0))
        .collect();
    let done = store.append(batch).await.unwrap();
    assert_eq!((done.samples, done.refused.metric_full), (100, 999_900));
    for n in 0..60 {
        append(&store, &labels(&format!("m{n}"), "a"), [(START, 1.0)]).await;
    }
    let stats = store.stats();
    assert_eq!((stats.series, stats.refused.series_full), (150, 11));
    assert_eq!(
        append(&store, &labels("cpu", "a"), [(START, 2.0)])
            .await
            .samples,
        1
    );
}

#[tokio::test]
async fn series_that_fell_silent_make_room_for_new_ones() {
    let mut place = Place::server();
    place.options.metric = 16;
    let store = place.open().await;
    let pod = |n: i64| labels("cpu", &format!("pod-{n}"));
    for n in 0..16 {
        append(&store, &pod(n), [(START + n * 10_000, n as f64)]).await;
    }
    store.flush().await.unwrap();
    assert_eq!(
        append(&store, &pod(16), [(START, 1.0)])
            .await
            .refused
            .metric_full,
        1
    );
    place.pass(2 * HOUR);
    let now = START + 2 * HOUR;
    assert_eq!(append(&store, &pod(16), [(now, 16.0)]).await.samples, 1);
    assert_eq!(store.stats().forgotten, 1);
    let selector = |n: i64| {
        Selector::metric("cpu").with("node", stead_ports::history::Op::Equal, &format!("pod-{n}"))
    };
    store.flush().await.unwrap();
    let mut store = store;
    for _ in 0..2 {
        assert!(
            points(&store, &selector(0), START, now + 1, MINUTE)
                .await
                .is_empty(),
            "forgotten"
        );
        assert_eq!(
            points(&store, &selector(1), START, now + 1, MINUTE)
                .await
                .len(),
            1
        );
        assert_eq!(
            points(&store, &selector(16), START, now + 1, MINUTE)
                .await
                .len(),
            1
        );
        store = place.open().await;
    }
    // One that comes again begins anew.
    place.pass(2 * MINUTE);
    assert_eq!(
        append(&store, &pod(0), [(now + MINUTE, 7.0)]).await.samples,
        1
    );
    store.flush().await.unwrap();
    let store = place.open().await;
    assert_eq!(
        plain(&points(&store, &selector(0), START, now + DAY, MINUTE).await),
        [(now + MINUTE, 7.0)]
    );
}

#[tokio::test]
async fn labels_without_a_name_or_without_an_end_are_refused() {
    let place = Place::server();
    let store = place.open().await;
    let long = "<script>".repeat(500);
    let batch = vec![
        entry(&labels("", "a"), START, 1.0),
        entry(&labels("cpu", &long), START, 1.0),
        entry(&labels("cpu", "<b>\"\n\u{0}"), START, 1.0),
    ];
    let done = store.append(batch).await.unwrap();
    assert_eq!((done.samples, done.refused.labels), (1, 2));
}

#[tokio::test]
async fn what_is_too_much_to_answer_names_the_limit() {
    let mut place = Place::server();
    place.options.limits = Limits {
        series: 3,
        points: 100,
        rows: 500,
        names: 2,
    };
    let store = place.open().await;
    let batch = (0..600).map(|n| (START - 6000 * SECOND + n * 10 * SECOND, 1.0));
    append(&store, &labels("cpu", "0"), batch).await;
    for n in 1..5 {
        append(&store, &labels("cpu", &n.to_string()), [(START, 1.0)]).await;
    }
    store.flush().await.unwrap();
    let ask = async |selector: &Selector, from: i64, step: Span| {
        let range = Range {
            selector: selector.clone(),
            from: Time(from),
            to: Time(START + 1),
            step,
        };
        store.range(&range).await
    };
    let limit = |result: Result<_, Error>| match result {
        Err(Error::TooMuch { limit, what, .. }) => (limit, what),
        other => panic!("{other:?}"),
    };
    let all = Selector::metric("cpu");
    let one = all
        .clone()
        .with("node", stead_ports::history::Op::Equal, "0");
    assert_eq!(limit(ask(&all, START - HOUR, Span::hours(1)).await).0, 3);
    assert_eq!(limit(ask(&one, START - HOUR, Span::secs(10)).await).0, 100);
    assert_eq!(limit(ask(&one, i64::MIN, Span::days(1)).await).0, 100);
    assert_eq!(
        limit(ask(&one, START - 6001 * SECOND, Span::secs(59)).await).0,
        100
    );
    assert_eq!(
        limit(ask(&one, START - 5800 * SECOND, Span::secs(59)).await).0,
        500
    );
    assert!(ask(&one, START - HOUR, Span::hours(1)).await.is_ok());
    assert!(ask(&one, START - HOUR, Span(u64::MAX)).await.is_ok());
    assert!(ask(&one, i64::MAX, Span(0)).await.unwrap().is_empty());
    assert_eq!(
        limit(store.series(&all, Time(0)).await.map(|_| Vec::new())).0,
        2
    );
    let values = store.label_values("node", &[], Time(0));
    assert_eq!(limit(values.map(|_| Vec::new())), (2, "names"));
    let empty = ask(&Selector::default(), START - HOUR, Span::hours(1)).await;
    assert!(
        matches!(empty, Err(Error::Selector(_))),
        "an empty selector is not everything"
    );
}

#[tokio::test]
async fn memory_holds_no_more_than_it_may() {
    let place = Place::server();
    let store = place.open().await;
    for n in 0..40 {
        let cpu = labels("cpu", &n.to_string());
        append(
            &store,
            &cpu,
            (0..1000).map(|n| (START - DAY + n * 10_000, 1.0)),
        )
        .await;
        assert!(store.stats().head <= place.options.head as u64 + 4096);
    }
    assert_eq!(store.stats().samples, 40_000);
}

#[tokio::test]
async fn what_is_too_old_goes_and_the_rest_stays() {
    let place = Place::small();
    let store = place.open().await;
    let cpu = labels("cpu", "a");
    for minute in 0..180 {
        let from = START + minute * MINUTE;
        place.clock.set_wall(Time(from + MINUTE));
        append(&store, &cpu, (0..60).map(|n| (from + n * SECOND, n as f64))).await;
        store.keep().await.unwrap();
    }
    let now = START + 180 * MINUTE;
    let kept = points(&store, &Selector::metric("cpu"), START, now, MINUTE).await;
    assert!((60..=66).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().unwrap().at.0, now - MINUTE);
    assert!(store.stats().bytes < 30_000, "{:?}", store.stats());
}

#[tokio::test]
async fn the_bound_on_disk_holds_and_the_oldest_goes_first() {
    let mut place = Place::server();
    place.options.bound = 150_000;
    let store = place.open().await;
    // Noise, so that it is large.
    let noise = |n: i64| ((n as f64) * 12.9898).sin() * 43_758.5;
    for hour in 0..72 {
        let from = START + hour * HOUR;
        place.clock.set_wall(Time(from + HOUR));
        append(
            &store,
            &labels("cpu", "a"),
            (0..360).map(|n| (from + n * 10_000, noise(hour * 360 + n))),
        )
        .await;
        store.flush().await.unwrap();
        store.keep().await.unwrap();
        assert!(store.stats().bytes <= 150_000, "{:?}", store.stats());
    }
    // What was only written ahead takes its place too.
    let now = START + 72 * HOUR;
    for n in 0..900 {
        append(&store, &labels("cpu", "b"), [(now + n * 100, noise(n))]).await;
    }
    store.keep().await.unwrap();
    assert!(store.stats().head > 0, "none of it was written out");
    assert!(store.stats().bytes <= 150_000, "{:?}", store.stats());
    let selector = Selector::metric("cpu").with("node", stead_ports::history::Op::Equal, "a");
    assert!(
        points(&store, &selector, START, START + HOUR, 10_000)
            .await
            .len()
            < 360
    );
    let last = points(&store, &selector, now - HOUR, now, 10_000).await;
    assert_eq!(last.len(), 360, "what is new stays");
    for hour in 0..72 {
        let from = START + hour * HOUR;
        let found = points(&store, &selector, from, from + HOUR, 10_000).await;
        assert!(found.len() >= 4, "of hour {hour} what is coarse stays");
    }
}

#[tokio::test]
async fn other_tiers_leave_out_what_no_tier_has() {
    let mut place = Place::server();
    let store = place.open().await;
    append(
        &store,
        &labels("cpu", "a"),
        (0..100).map(|n| (START - HOUR + n * 10_000, 1.0)),
    )
    .await;
    store.flush().await.unwrap();
    place.options = Options {
        tiers: stead_history::tier::Tiers::node(),
        ..place.options
    };
    let store = place.open().await;
    assert_eq!(store.stats().retired, 3);
    assert_eq!(
        append(&store, &labels("cpu", "a"), [(START, 1.0)])
            .await
            .samples,
        1
    );
}

#[tokio::test]
async fn a_clock_that_is_years_ahead_drops_nothing() {
    let place = Place::server();
    let store = place.open().await;
    let cpu = labels("cpu", "a");
    append(&store, &cpu, [(START - HOUR, 1.0)]).await;
    store.flush().await.unwrap();
    place.clock.set_wall(Time(START + 4_000 * DAY));
    store.keep().await.unwrap();
    let late = append(&store, &cpu, [(START, 1.0)]).await;
    assert_eq!(late.refused.old, 1, "by that clock it is too old");
    place.clock.set_wall(Time(START));
    append(&store, &cpu, [(START, 2.0)]).await;
    let selector = Selector::metric("cpu");
    let found = points(&store, &selector, START - DAY, START + 1, 10_000).await;
    assert_eq!(plain(&found), [(START - HOUR, 1.0), (START, 2.0)]);
}

#[tokio::test]
async fn a_name_is_written_ahead_once() {
    let place = Place::server();
    let store = place.open().await;
    let cpu = labels("cpu", &"x".repeat(1_000));
    for n in 0..50 {
        append(&store, &cpu, [(START - HOUR + n * 10_000, 1.0)]).await;
    }
    assert!(store.stats().bytes < 5_000, "{:?}", store.stats());
    let store = place.open().await;
    let cpu = Selector::metric("cpu");
    let found = points(&store, &cpu, START - HOUR, START, 10_000).await;
    assert_eq!(found.len(), 50);
}
