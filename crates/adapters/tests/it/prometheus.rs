//! Prometheus' adapter against a server that answers what a test says, and remembers what it was asked. Needs no lab.
//!
//! That a real Prometheus and a real VictoriaMetrics understand the questions is tested with the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use stead_adapters::names::Names;
use stead_adapters::prometheus::{Prometheus, Receiver, Undelivered};
use stead_core::desired::{Door, Source};
use stead_core::ids::NodeName;
use stead_core::time::{Span, Time};
use stead_ports::clock::ManualClock;
use stead_ports::history::{
    Entry, Error, Labels, Op, Point, Range, Reader, Sample, Selector, Series,
};
use stead_ports::secrets::{Secret, Secrets, Unavailable};

const START: i64 = 1_795_000_000_000;

/// What is asked by a form.
type Asked = BTreeMap<String, String>;
type Answer = dyn Fn(&Asked) -> Response + Send + Sync;

struct Server {
    answer: Box<Answer>,
    asked: Mutex<Vec<Asked>>,
}

impl Server {
    async fn start(
        answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
    ) -> (Arc<Server>, Prometheus, Arc<ManualClock>) {
        let server = Arc::new(Server {
            answer: Box::new(answer),
            asked: Mutex::default(),
        });
        let ask = async |State(server): State<Arc<Server>>, Form(asked): Form<Asked>| {
            let answer = (server.answer)(&asked);
            server.asked.lock().expect("lock").push(asked);
            answer
        };
        let app = Router::new()
            .route("/api/v1/query_range", post(ask))
            .with_state(Arc::clone(&server));
        let source = Source {
            door: Door::open(crate::served(app).await),
            label: "instance".to_owned(),
            nodes: BTreeMap::new(),
        };
        let names = Names::new(
            &[node("piha"), node("attic")],
            &BTreeMap::new(),
            &source.nodes,
        );
        let clock = Arc::new(ManualClock::at(Time(START)));
        let theirs = Prometheus::new(&source, names, Arc::new(Nobody), clock.clone());
        (server, theirs.expect("an adapter"), clock)
    }

    fn queries(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("lock");
        asked.iter().map(|asked| asked["query"].clone()).collect()
    }
}

#[derive(Debug)]
struct Nobody;

impl Secrets for Nobody {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable> {
        Err(Unavailable(format!("there is no secret {name:?}")))
    }
}

fn node(text: &str) -> NodeName {
    text.parse().expect("a node")
}

/// An answer: series of labels, each with its values by second.
fn found(all: &[(Value, &[(i64, &str)])]) -> Response {
    let values = |values: &[(i64, &str)]| -> Vec<Value> {
        let value = |(at, text): &(i64, &str)| json!([at, text]);
        values.iter().map(value).collect()
    };
    let series = all
        .iter()
        .map(|(labels, of)| json!({"metric": labels, "values": values(of)}));
    let data = json!({"resultType": "matrix", "result": series.collect::<Vec<Value>>()});
    Json(json!({"status": "success", "data": data})).into_response()
}

fn refusal(status: u16, why: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(json!({"status": "error", "error": why}))).into_response()
}

/// A question about the ten minutes before the start.
fn range(selector: Selector, step: Span) -> Range {
    Range {
        selector,
        from: Time(START - 600_000),
        to: Time(START),
        step,
    }
}

fn labels(series: &[Series]) -> Vec<String> {
    series.iter().map(|s| s.labels.to_string()).collect()
}

#[tokio::test]
async fn lowest_mean_and_highest_stand_where_their_step_begins() {
    let end = START / 1_000;
    let (server, theirs, _) = Server::start(move |asked| {
        let value = match &asked["query"] {
            query if query.contains("min_over_time") => "1",
            query if query.contains("max_over_time") => "3",
            _ => "2",
        };
        found(&[(json!({"instance": "piha:9100"}), &[(end, value)])])
    })
    .await;
    let answer = theirs
        .range(&range(Selector::metric("stead_node_load1"), Span::mins(2)))
        .await;
    let answer = answer.expect("an answer");
    assert_eq!(labels(&answer), [r#"stead_node_load1{node="piha"}"#]);
    let point = Point {
        at: Time(START - 120_000),
        min: 1.0,
        avg: 2.0,
        max: 3.0,
    };
    assert_eq!(answer[0].points, [point]);
    let asked = server.asked.lock().expect("lock")[0].clone();
    let from = START / 120_000 * 120 - 480;
    assert_eq!(
        asked["start"],
        from.to_string(),
        "the end of its first step"
    );
    assert_eq!(server.queries().len(), 3);
}

#[tokio::test]
async fn only_nodes_that_are_meant_are_asked_about_and_only_real_disks() {
    let (server, theirs, _) = Server::start(|_| found(&[])).await;
    let used = Selector::metric("stead_node_filesystem_used_percent");
    let used = used.with("node", Op::Matches, "att.*");
    let none = theirs.range(&range(used, Span::secs(10))).await;
    assert_eq!(none, Ok(Vec::new()));
    let query = server.queries().remove(0);
    assert!(
        query.contains("attic") && !query.contains("piha"),
        "{query}"
    );
    let disks = query.matches("node_filesystem_").count();
    assert_eq!(
        query.matches(r#"{fstype!~"tmpfs|"#).count(),
        disks,
        "{query}"
    );
    let load = Selector::metric("stead_node_load1");
    let nobody = load.with("node", Op::Equal, "mars");
    let none = theirs.range(&range(nobody, Span::secs(10))).await;
    assert_eq!((none, server.queries().len()), (Ok(Vec::new()), 1));
}

#[tokio::test]
async fn a_metric_that_is_none_of_steads_is_read_as_it_is() {
    let at = START / 1_000;
    let (server, theirs, _) = Server::start(move |_| {
        let zigbee = json!({"__name__": "zigbee_linkquality", "instance": "piha:9100", "node": "theirs", "device": "lamp"});
        found(&[(zigbee, &[(at, "80"), (at + 10, "NaN"), (at + 20, "+Inf")])])
    })
    .await;
    let asked = Selector::metric("zigbee_linkquality").with("device", Op::Equal, "lamp");
    let answer = theirs
        .range(&range(asked, Span::secs(10)))
        .await
        .expect("an answer");
    assert_eq!(
        labels(&answer),
        [r#"zigbee_linkquality{device="lamp",instance="piha:9100",node="piha"}"#]
    );
    let values: Vec<(i64, f64)> = answer[0].points.iter().map(|p| (p.at.0, p.avg)).collect();
    assert_eq!(values, [(START - 10_000, 80.0)], "what is a number");
    let query = server.queries().remove(0);
    assert!(
        query.starts_with("zigbee_linkquality{instance=~"),
        "{query}"
    );
    assert!(query.ends_with(r#",device="lamp"}"#), "{query}");
}

#[tokio::test]
async fn what_is_too_much_names_the_limit() {
    let limit = |result: Result<Vec<Series>, Error>| match result {
        Err(Error::TooMuch { limit, what, .. }) => (limit, what),
        other => panic!("{other:?}"),
    };
    let many = |count: usize| {
        let one = |n: usize| json!({"metric": {"instance": "piha", "n": n.to_string()}, "values": [[START / 1_000, "1"]]});
        let all: Vec<Value> = (0..count).map(one).collect();
        Json(json!({"data": {"result": all}})).into_response()
    };
    let (server, theirs, _) = Server::start(move |asked| match &asked["query"] {
        query if query.starts_with("flood") => "[".repeat(33 << 20).into_response(),
        query if query.starts_with("most") => many(2_000),
        _ => many(2_001),
    })
    .await;
    let lately = |metric: &str| range(Selector::metric(metric), Span::secs(10));
    let ask = async |metric: &str| theirs.range(&lately(metric)).await;
    assert_eq!(ask("most").await.expect("as many as may be").len(), 2_000);
    assert_eq!(limit(ask("many").await), (2_000, "series"));
    let load = ask("stead_node_load1").await;
    assert_eq!(limit(load), (2_000, "series"), "whatever becomes of them");
    assert_eq!(limit(ask("flood").await).0, 32, "MiB");
    let asked = server.queries().len();
    let long = Range {
        from: Time(START - 11_001_000),
        step: Span::secs(1),
        ..lately("many")
    };
    assert_eq!(limit(theirs.range(&long).await).0, 11_000);
    assert_eq!(server.queries().len(), asked, "and is not asked for");
}

#[tokio::test]
async fn who_refuses_one_question_is_asked_the_next_and_who_is_ill_is_left_in_peace() {
    let mood = Arc::new(Mutex::new(400));
    let (server, theirs, clock) = {
        let mood = Arc::clone(&mood);
        Server::start(move |_| match *mood.lock().expect("lock") {
            200 => found(&[]),
            413 => "[".repeat(33 << 20).into_response(),
            status => refusal(status, "many-to-many matching"),
        })
        .await
    };
    let up = range(Selector::metric("up"), Span::secs(10));
    let ask = async || theirs.range(&up).await;
    let is = |status: u16| *mood.lock().expect("lock") = status;
    for (status, asked) in [(400, 1), (422, 2)] {
        is(status);
        let why = ask().await.expect_err("refused").to_string();
        assert!(why.contains("many-to-many matching"), "{why}");
        assert_eq!(server.queries().len(), asked);
    }
    is(503);
    let away = ask().await;
    assert!(matches!(away, Err(Error::Away(_))), "{away:?}");
    is(200);
    assert_eq!(ask().await, away, "as it was told");
    assert_eq!(server.queries().len(), 3, "and not asked anew");
    clock.advance(Duration::from_secs(5));
    assert_eq!(ask().await, Ok(Vec::new()));
    assert_eq!(ask().await, Ok(Vec::new()));
    assert_eq!(server.queries().len(), 5);
    // One that answers too much is there: what comes later is not since before.
    for (status, seconds) in [(503, 5), (413, 5), (503, 0)] {
        is(status);
        ask().await.expect_err("no answer");
        clock.advance(Duration::from_secs(seconds));
    }
    let since = format!("does not answer since {}", Time(START + 15_000));
    let why = ask().await.expect_err("away").to_string();
    assert!(why.contains(&since), "{since}: {why}");
}

#[tokio::test]
async fn samples_are_sent_as_the_protocol_says_and_what_may_pass_is_sent_again() {
    let status = Arc::new(Mutex::new(204));
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let take = {
        let (status, seen) = (Arc::clone(&status), Arc::clone(&seen));
        async move |headers: HeaderMap, body: Bytes| {
            assert!(!body.is_empty());
            *seen.lock().expect("lock") = headers;
            StatusCode::from_u16(*status.lock().expect("lock")).expect("a status")
        }
    };
    let app = Router::new().route("/api/v1/write", post(take));
    let url = format!("{}/api/v1/write", crate::served(app).await);
    let receiver = Receiver::new(Door::open(url), Arc::new(Nobody)).expect("a receiver");
    let sample = Entry {
        labels: Labels::new("up", [("node", "piha")]),
        sample: Sample {
            at: Time(START),
            value: 1.0,
        },
    };
    let batch = [sample];
    assert_eq!(receiver.send(&batch).await, Ok(()));
    for (name, value) in [
        ("content-encoding", "snappy"),
        ("content-type", "application/x-protobuf"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ] {
        assert_eq!(seen.lock().expect("lock")[name], value);
    }
    for (answered, again) in [
        (400, false),
        (404, false),
        (413, false),
        (401, true),
        (403, true),
        (408, true),
        (429, true),
        (500, true),
        (503, true),
    ] {
        *status.lock().expect("lock") = answered;
        let why = receiver.send(&batch).await.expect_err("refused");
        assert_eq!(
            matches!(why, Undelivered::Later(_)),
            again,
            "{answered}: {why}"
        );
        assert!(why.to_string().contains(&answered.to_string()), "{why}");
    }
}
