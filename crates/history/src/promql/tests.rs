use std::path::Path;
use std::sync::Arc;

use stead_ports::clock::ManualClock;
use stead_ports::disk::{Disk, MemoryDisk};
use stead_ports::history::{Entry, Writer};

use super::*;
use crate::store::Options;

const START: i64 = 20_000 * 86_400_000;
const MINUTE: i64 = 60_000;

/// Two nodes with a counter that grows by one a second on a and by two on b, and a gauge of five, for `minutes`.
async fn store(minutes: i64) -> Store {
    let disk = MemoryDisk::new().mount();
    disk.create_dir(Path::new("/h")).unwrap();
    let clock = Arc::new(ManualClock::at(Time(START)));
    let store = Store::open(disk, clock, Path::new("/h"), Options::server());
    let store = store.await.unwrap();
    for (node, rate) in [("a", 1.0), ("b", 2.0)] {
        let requests = Labels::new("requests_total", [("node", node)]);
        let five = Labels::new("five", [("node", node)]);
        let batch = (0..minutes * 6).flat_map(|n| {
            let at = START - minutes * MINUTE + n * 10_000;
            let entry = |labels: &Labels, value| Entry {
                labels: labels.clone(),
                sample: sample(at, value),
            };
            [entry(&requests, n as f64 * 10.0 * rate), entry(&five, 5.0)]
        });
        store.append(batch.collect()).await.unwrap();
    }
    store
}

async fn vector(store: &Store, query: &str) -> Vec<(String, f64)> {
    match store.promql_instant(query, Time(START - 10_000)).await {
        Ok(Answer::Vector(all)) => all
            .into_iter()
            .map(|(labels, sample)| (labels.to_string(), sample.value))
            .collect(),
        other => panic!("{query}: {other:?}"),
    }
}

fn named(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

#[tokio::test]
async fn selectors_rates_sums_and_arithmetic_come_out_right() {
    let store = store(60).await;
    let a = r#"five{node="a"}"#;
    assert_eq!(vector(&store, a).await, named(&[(a, 5.0)]));
    assert_eq!(
        vector(&store, "five{node=~'a|x'}").await,
        named(&[(a, 5.0)])
    );
    assert_eq!(
        vector(&store, r#"{__name__="five",node!="b"}"#).await,
        named(&[(a, 5.0)])
    );
    let rates = vector(&store, "rate(requests_total[5m])").await;
    assert_eq!(
        rates,
        named(&[(r#"{node="a"}"#, 1.0), (r#"{node="b"}"#, 2.0)])
    );
    assert_eq!(
        vector(&store, "sum(rate(requests_total{node=~\".+\"}[5m])) * 10").await,
        named(&[("", 30.0)])
    );
    assert_eq!(vector(&store, "topk(1, requests_total)").await.len(), 1);
    assert_eq!(vector(&store, "five / on (node) five").await.len(), 2);
    assert_eq!(
        vector(&store, "count(five) + count(five offset 10m)").await,
        named(&[("", 4.0)])
    );
    assert_eq!(
        vector(
            &store,
            "max_over_time(rate(requests_total{node='b'}[5m])[10m:1m])"
        )
        .await[0]
            .1,
        2.0
    );
    assert!(vector(&store, "nothing").await.is_empty());
    let scalar = store.promql_instant("1 + 2", Time(START)).await.unwrap();
    assert_eq!(scalar, Answer::Scalar(sample(START, 3.0)));
}

#[tokio::test]
async fn a_selector_may_mean_several_metrics_and_each_stays_itself() {
    let store = store(60).await;
    let both = vector(&store, r#"{__name__=~"five|requests_total",node="a"}"#).await;
    let names: Vec<&str> = both.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [r#"five{node="a"}"#, r#"requests_total{node="a"}"#]);
    let count = "count({__name__=~\"five|requests_total\"})";
    assert_eq!(vector(&store, count).await, named(&[("", 4.0)]));
    for refused in [
        r#"rate({__name__=~"five|requests_total"}[5m])"#,
        r#"{__name__=~"five|requests_total"} / five"#,
        r#"sum without (node) ({__name__=~"five|requests_total"})"#,
    ] {
        let error = store.promql_instant(refused, Time(START - 10_000)).await;
        assert_eq!(error.unwrap_err().code(), "history-query", "{refused}");
    }
}

#[tokio::test]
async fn a_range_has_a_value_at_every_step() {
    let store = store(60).await;
    let (from, to) = (Time(START - 30 * MINUTE), Time(START - MINUTE));
    let query = "rate(requests_total{node=\"a\"}[5m])";
    let answer = store
        .promql_range(query, from, to, Span::mins(1))
        .await
        .unwrap();
    let Answer::Matrix(series) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(series.len(), 1);
    let values: Vec<f64> = series[0].1.iter().map(|s| s.value).collect();
    assert_eq!(values, vec![1.0; 30]);
    assert_eq!(series[0].1[1].at, Time(START - 29 * MINUTE));
    let named = store
        .promql_range("five{node=\"a\"}", from, to, Span::mins(1))
        .await
        .unwrap();
    let Answer::Matrix(series) = named else {
        panic!("{named:?}")
    };
    assert_eq!(series[0].0.to_string(), "five{node=\"a\"}");
}

#[tokio::test]
async fn a_rate_works_on_what_is_only_kept_by_the_quarter_of_an_hour() {
    let disk = MemoryDisk::new().mount();
    disk.create_dir(Path::new("/h")).unwrap();
    let clock = Arc::new(ManualClock::at(Time(START)));
    let store = Store::open(disk, clock, Path::new("/h"), Options::server());
    let store = store.await.unwrap();
    let requests = Labels::new("requests_total", [("node", "a")]);
    let entry = |at, value| Entry {
        labels: requests.clone(),
        sample: sample(at, value),
    };
    // Newer ones first make the older too old for the finer tiers.
    let now = Labels::new("now", []);
    let new = Entry {
        labels: now,
        sample: sample(START, 1.0),
    };
    store.append(vec![new]).await.unwrap();
    let begin = START - 100 * 86_400_000;
    let old = (0..720).map(|n| entry(begin + n * 10_000, n as f64 * 10.0));
    store.append(old.collect()).await.unwrap();
    store.flush().await.unwrap();
    let (from, to) = (Time(begin + 40 * MINUTE), Time(begin + 100 * MINUTE));
    let answer = store
        .promql_range("rate(requests_total[5m])", from, to, Span::mins(1))
        .await
        .unwrap();
    let Answer::Matrix(series) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(series[0].1.len(), 61);
    assert!(
        series[0].1.iter().all(|s| (s.value - 1.0).abs() < 0.02),
        "{:?}",
        series[0].1
    );
}

#[tokio::test]
async fn nonsense_is_told_and_no_query_takes_the_server_down() {
    let store = store(5).await;
    let ask = async |query: &str| store.promql_instant(query, Time(START)).await.map(|_| ());
    let deep = [
        "(".repeat(4000),
        "-".repeat(4000) + "1",
        "1".to_owned() + &"+1".repeat(2000),
        "1".to_owned() + &"^1".repeat(2000),
        "abs(".repeat(1000) + "five" + &")".repeat(1000),
        "x".repeat(5000),
    ];
    for query in deep.iter().map(String::as_str).chain([
        "sum(",
        "nosuch(five)",
        "five{node=~\"(\"}",
        "rate(five)",
        "",
    ]) {
        match ask(query).await {
            Ok(()) => assert!(query.starts_with(['1', '-', 'a']), "{query:.20}"),
            Err(error) => assert!(
                ["history-query", "history-selector"].contains(&error.code()),
                "{query:.20}: {error}"
            ),
        }
    }
    let much = ask("max_over_time(rate(five[5m])[1000d:1s])")
        .await
        .unwrap_err();
    assert_eq!(much.code(), "history-too-much");
    let range = store
        .promql_range("five", Time(0), Time(START), Span::secs(1))
        .await;
    assert_eq!(range.unwrap_err().code(), "history-too-much");
}

#[tokio::test]
async fn a_text_has_a_length_a_range_its_steps_and_an_answer_its_values() {
    let store = store(5).await;
    let long = |more: usize| "1".to_owned() + &"+1".repeat(2_047) + &" ".repeat(more);
    let at = Time(START);
    assert!(store.promql_instant(&long(1), at).await.is_ok());
    let why = store.promql_instant(&long(2), at).await.unwrap_err();
    assert!(why.to_string().contains("longer than 4096 bytes"), "{why}");

    let steps = async |count: i64| {
        let to = Time(START + (count - 1) * 1_000);
        store.promql_range("1", at, to, Span::secs(1)).await
    };
    assert!(steps(11_000).await.is_ok());
    let what = |error: Error| match error {
        Error::TooMuch { what, limit, .. } => (what, limit),
        other => panic!("{other}"),
    };
    assert_eq!(what(steps(11_001).await.unwrap_err()), ("steps", 11_000));
    let back = store.promql_range("1", at, Time(START - 1), Span::secs(1));
    let why = back.await.unwrap_err();
    assert!(why.to_string().contains("ends before it begins"), "{why}");

    let many = (0..1_900).map(|n: i32| Entry {
        labels: Labels::new("many", [("n", n.to_string().as_str())]),
        sample: sample(START - 10_000, 1.0),
    });
    store.append(many.collect()).await.unwrap();
    let to = Time(START + 270_000);
    let all = store.promql_range("many", at, to, Span::secs(1)).await;
    assert_eq!(what(all.unwrap_err()), ("values or more", 500_000));
}

#[tokio::test]
async fn what_is_too_much_as_fine_as_it_is_kept_is_read_as_the_query_needs() {
    let store = store(120).await;
    store.flush().await.unwrap();
    let demand = |spacing| Demand {
        metric: "five".to_owned(),
        named: true,
        selector: stead_ports::history::Selector::metric("five"),
        from: START - 120 * MINUTE,
        to: START,
        spacing,
        window: 0,
        times: 1,
    };
    let rows = async |spacing, most| {
        let found = store.read_one(&demand(spacing), most).await;
        found.map(|all| all.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>())
    };
    assert_eq!(rows(15 * MINUTE, 2_000).await, Ok(vec![720, 720]));
    assert_eq!(rows(15 * MINUTE, 1_000).await, Ok(vec![8, 8]));
    let fine = rows(0, 1_000).await.unwrap_err();
    assert_eq!(fine.code(), "history-too-much", "nothing coarser would do");
}

#[test]
fn an_evaluation_ends_at_the_next_step_once_it_is_late() {
    let when = When {
        from: START,
        to: START + 9_000,
        step: 1_000,
    };
    let query = rewrite::rewrite("1", when).unwrap();
    let memory = Arc::new(Memory::default());
    let engine = Engine::with_precision(memory, TimestampPrecision::Milliseconds);
    let evaluated = |late_after: usize| {
        let asked = std::cell::Cell::new(0);
        let late = || asked.replace(asked.get() + 1) >= late_after;
        let values = evaluate(&engine, &query, when, true, late);
        (values.map(|all| all.len()), asked.get())
    };
    assert_eq!(evaluated(10), (Ok(10), 10));
    assert_eq!(evaluated(3), (Err(Error::Slow(30)), 4));
}
