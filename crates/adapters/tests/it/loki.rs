//! Loki's adapter against a server that answers as the reference of its interface says. Needs no lab.
//!
//! Each answer of the stand-in must be valid by the published description, and each question may have only the parameters that
//! stand there. The stand-in does not understand LogQL: which streams a question means is told to it by the test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use stead_adapters::loki::{Answer, Error, Loki, Of, Wanted};
use stead_adapters::names::Names;
use stead_core::desired::{self, Door, LokiLabels};
use stead_core::ids::NodeName;
use stead_core::time::Time;
use stead_ports::clock::SystemClock;
use stead_ports::secrets::{Secret, Secrets, Unavailable};
use tokio::time::Instant;

use crate::published::{closed, fixture};

type Asked = BTreeMap<String, String>;

/// What the stand-in does instead of answering.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Mood {
    #[default]
    Answers,
    Hangs,
    Refuses(u16),
    Page,
    Floods,
    Metrics,
}

#[derive(Default)]
struct Inner {
    mood: Mood,
    streams: Arc<Vec<Value>>,
    asked: Vec<(String, Asked, HeaderMap)>,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Inner>>);

impl Server {
    async fn start(streams: Vec<Value>) -> (Server, String) {
        let server = Server::default();
        server.is(|s| s.streams = Arc::new(streams));
        let app = Router::new()
            .route("/loki/api/v1/labels", get(labels))
            .route("/loki/api/v1/label/{name}/values", get(values))
            .route("/loki/api/v1/query_range", get(lines))
            .with_state(server.clone());
        let url = crate::served(app).await;
        (server, url)
    }

    fn is(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.lock().expect("lock"));
    }

    fn asked(&self) -> Vec<(String, Asked, HeaderMap)> {
        self.0.lock().expect("lock").asked.clone()
    }

    /// The questions for lines.
    fn questions(&self) -> Vec<String> {
        let asked = self.asked();
        let asked = asked.iter().filter(|(path, ..)| path.ends_with("range"));
        asked.map(|(_, query, _)| query["query"].clone()).collect()
    }

    async fn enter(
        &self,
        path: &str,
        query: &Asked,
        headers: &HeaderMap,
    ) -> Result<Arc<Vec<Value>>, Response> {
        let published = fixture("loki/openapi.json");
        let known = published["paths"][path]["parameters"].clone();
        for name in query.keys() {
            assert!(
                known.as_array().expect(path).contains(&json!(name)),
                "{path}: {name}"
            );
        }
        let (mood, streams) = {
            let mut inner = self.0.lock().expect("lock");
            inner
                .asked
                .push((path.to_owned(), query.clone(), headers.clone()));
            (inner.mood, Arc::clone(&inner.streams))
        };
        match mood {
            Mood::Hangs => std::future::pending().await,
            Mood::Refuses(status) => {
                let status = StatusCode::from_u16(status).expect("a status");
                Err((status, "too many outstanding requests\n").into_response())
            }
            Mood::Page => Err(Html("<html><body>Sign in</body></html>").into_response()),
            Mood::Floods if path.ends_with("range") => Err("[".repeat(33 << 20).into_response()),
            Mood::Metrics if path.ends_with("range") => {
                let body =
                    json!({"status": "success", "data": {"resultType": "matrix", "result": []}});
                Err(Json(body).into_response())
            }
            _ => Ok(streams),
        }
    }
}

fn told(schema: &str, body: Value) -> Response {
    closed("loki/openapi.json").fits(schema, &body);
    Json(body).into_response()
}

fn all(streams: &[Value], pick: impl Fn(&str, &str) -> Option<String>) -> Value {
    let pairs = streams
        .iter()
        .filter_map(|s| s["stream"].as_object())
        .flatten();
    let found = pairs.filter_map(|(key, value)| pick(key, value.as_str()?));
    json!(found.collect::<BTreeSet<String>>())
}

async fn labels(
    State(server): State<Server>,
    Query(query): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    match server.enter("/loki/api/v1/labels", &query, &headers).await {
        Err(no) => no,
        Ok(streams) => {
            let names = all(&streams, |key, _| Some(key.to_owned()));
            told("Names", json!({"status": "success", "data": names}))
        }
    }
}

async fn values(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(query): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let path = "/loki/api/v1/label/{name}/values";
    match server.enter(path, &query, &headers).await {
        Err(no) => no,
        Ok(streams) => {
            let values = all(&streams, |key, value| {
                (key == name).then(|| value.to_owned())
            });
            told("Names", json!({"status": "success", "data": values}))
        }
    }
}

/// As many lines as were asked for, over all streams.
async fn lines(
    State(server): State<Server>,
    Query(query): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    match server
        .enter("/loki/api/v1/query_range", &query, &headers)
        .await
    {
        Err(no) => no,
        Ok(streams) => {
            let mut left: usize = query["limit"].parse().expect("a number");
            let few = |stream: &Value| {
                let values = stream["values"].as_array().expect("values");
                let values: Vec<Value> = values.iter().take(left).cloned().collect();
                left -= values.len();
                json!({"stream": stream["stream"], "values": values})
            };
            let few: Vec<Value> = streams.iter().map(few).collect();
            let data = json!({"resultType": "streams", "result": few, "stats": {"summary": {"execTime": 0.1}}});
            told("Streams", json!({"status": "success", "data": data}))
        }
    }
}

#[derive(Debug)]
struct Known;

impl Secrets for Known {
    fn secret(&self, name: &str) -> Result<Secret, Unavailable> {
        match name {
            "loki" => Ok(Secret::new("hunter2")),
            _ => Err(Unavailable(format!("there is no secret {name:?}"))),
        }
    }
}

fn node(text: &str) -> NodeName {
    text.parse().expect("a node")
}

fn desired(url: &str) -> desired::Loki {
    desired::Loki {
        door: Door {
            url: url.to_owned(),
            token: None,
            username: None,
            password: None,
        },
        tenant: None,
        labels: LokiLabels::default(),
        nodes: BTreeMap::from([("nas.lan".to_owned(), node("attic"))]),
    }
}

fn loki(of: &desired::Loki) -> Loki {
    let names = Names::new(&[node("piha"), node("attic")], &BTreeMap::new(), &of.nodes);
    let clock = Arc::new(SystemClock::new());
    Loki::new(of, names, Arc::new(Known), clock).expect("an adapter")
}

fn wanted(text: &str) -> Wanted {
    Wanted {
        text: Some(text.to_owned()),
        nodes: [node("piha"), node("attic")].into(),
        containers: Some(vec![]),
        units: Some(vec![]),
        from: Time(1_795_000_000_000),
        to: Time(1_795_003_600_000),
        most: 100,
    }
}

fn stream(labels: Value, values: &[(&str, &str)]) -> Value {
    let values: Vec<Value> = values.iter().map(|(at, text)| json!([at, text])).collect();
    json!({"stream": labels, "values": values})
}

async fn searched(url: &str, text: &str) -> Result<Answer, Error> {
    loki(&desired(url)).search(&wanted(text)).await
}

#[tokio::test]
async fn lines_of_the_fleet_are_read_in_order_whatever_order_they_come_in() {
    let web = json!({"host": "piha", "container": "/web", "stream": "stderr"});
    let (server, url) = Server::start(vec![
        stream(web, &[("1795000003000000009", "refused three"), ("1795000001000000000", "refused one"), ("99999999999999999999999", "refused")]),
        stream(json!({"host": "nas.lan:9100", "unit": "ssh.service", "level": "info"}), &[("1795000002000000000", "Refused two password=hunter2")]),
        stream(json!({"host": "piha", "filename": "/var/log/x.log"}), &[("1795000004000000000", "refused four")]),
        stream(json!({"host": "a-stranger", "container": "x"}), &[("1795000005000000000", "refused of no node")]),
        json!({"stream": {"host": "piha", "container": "db"}, "values": [["1795000006000000000", "refused six", {"trace_id": "1"}]]}),
        stream(json!({"host": "piha", "container": "masked"}), &[("1795000007000000000", "token=refused")]),
    ])
    .await;
    let answer = searched(&url, "REFUSED").await.expect("an answer");
    let told: Vec<_> = answer
        .lines
        .iter()
        .map(|l| (l.node.as_str(), l.of.clone(), l.error, l.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("piha", Of::Container("web".into()), true, "refused one"),
            (
                "attic",
                Of::Unit("ssh.service".into()),
                false,
                "Refused two password=***"
            ),
            ("piha", Of::Container("web".into()), true, "refused three"),
            (
                "piha",
                Of::Other("/var/log/x.log".into()),
                false,
                "refused four"
            ),
            ("piha", Of::Container("db".into()), false, "refused six"),
        ],
        "a secret is not found by guessing at it"
    );
    assert_eq!(answer.lines[2].at, "2026-11-18T11:06:43.000000009Z");
    assert_eq!(answer.limits, Vec::<String>::new());
    let questions = server.questions();
    assert_eq!(
        questions,
        ["{host=~\"(?:nas\\\\.lan:9100|piha)\"} |~ \"(?i)REFUSED\""],
        "one question where everything is wanted"
    );
    let (_, query, _) = &server.asked()[2];
    assert_eq!(
        (query["start"].as_str(), query["direction"].as_str()),
        ("1795000000000000000", "backward")
    );
}

#[tokio::test]
async fn only_what_is_named_is_asked_for_and_a_stream_with_two_names_is_told_once() {
    let web =
        json!({"host": "piha", "hostname": "piha", "container": "web", "container_name": "web"});
    let (server, url) = Server::start(vec![stream(web, &[("1795000001000000000", "tick")])]).await;
    let mut wanted = wanted("tick");
    wanted.containers = Some(vec!["web".parse().expect("a name")]);
    wanted.units = None;
    let answer = loki(&desired(&url))
        .search(&wanted)
        .await
        .expect("an answer");
    assert_eq!(answer.lines.len(), 1);
    let questions = server.questions();
    assert_eq!(questions.len(), 4, "{questions:?}");
    assert_eq!(
        questions[0],
        "{host=~\"(?:piha)\",container=~\"/?(?:web)\"} |~ \"(?i)tick\""
    );
    // Last lines, where no text is looked for.
    wanted.text = None;
    loki(&desired(&url))
        .search(&wanted)
        .await
        .expect("an answer");
    assert!(server.questions()[4].ends_with("container=~\"/?(?:web)\"}"));
}

#[tokio::test]
async fn credentials_tenant_and_labels_are_those_of_the_files() {
    let own = json!({"machine": "piha", "svc": "ssh.service"});
    let (server, url) = Server::start(vec![stream(own, &[("1795000001000000000", "tick")])]).await;
    let mut of = desired(&url);
    of.tenant = Some("home|work".to_owned());
    of.door.username = Some("stead".to_owned());
    of.door.password = Some("secret:loki".to_owned());
    of.labels = LokiLabels {
        node: Some("machine".to_owned()),
        container: None,
        unit: Some("svc".to_owned()),
    };
    let answer = loki(&of).search(&wanted("tick")).await.expect("an answer");
    assert_eq!(answer.lines[0].of, Of::Unit("ssh.service".into()));
    for (path, _, headers) in server.asked() {
        assert_eq!(headers["x-scope-orgid"], "home|work", "{path}");
        assert_eq!(
            headers["authorization"], "Basic c3RlYWQ6aHVudGVyMg==",
            "{path}"
        );
    }
    of.door.username = None;
    of.door.token = Some("secret:loki".to_owned());
    loki(&of).search(&wanted("tick")).await.expect("an answer");
    let (_, _, headers) = server.asked().pop().expect("asked");
    assert_eq!(headers["authorization"], "Bearer hunter2");
    of.door.token = Some("secret:other".to_owned());
    let absent = loki(&of)
        .search(&wanted("tick"))
        .await
        .expect_err("no secret");
    assert!(absent.to_string().contains("no secret"), "{absent}");
    assert!(!format!("{absent:?} {of:?}").contains("hunter2"));
}

#[tokio::test]
async fn what_it_cannot_say_is_said() {
    let (_, url) = Server::start(vec![]).await;
    let empty = searched(&url, "x").await.expect("an answer");
    assert_eq!(empty, Answer::default());
    let (server, url) = Server::start(vec![stream(json!({"app": "x"}), &[("1", "x")])]).await;
    let answer = searched(&url, "x").await.expect("an answer");
    assert!(
        answer.limits[0].contains("no label of it says which machine"),
        "{answer:?}"
    );
    server.is(|s| s.streams = Arc::new(vec![stream(json!({"host": "nas"}), &[("1", "x")])]));
    let answer = searched(&url, "x").await.expect("an answer");
    assert!(
        answer.limits[0].contains("if one of nas is a node"),
        "{answer:?}"
    );
    assert_eq!(
        server.questions(),
        Vec::<String>::new(),
        "nothing is asked for in vain"
    );
}

#[tokio::test]
async fn a_million_lines_and_a_line_of_ten_megabytes_are_bounded() {
    let many: Vec<Value> = (0..1_000_000_u64)
        .map(|n| json!([(1_795_000_000_000_000_000 + n).to_string(), "x"]))
        .collect();
    let piha = json!({"host": "piha", "container": "web"});
    let (server, url) = Server::start(vec![json!({"stream": piha.clone(), "values": many})]).await;
    let answer = searched(&url, "x").await.expect("an answer");
    assert_eq!(answer.lines.len(), 100);
    assert!(
        answer.limits[0].contains("only the newest 100 lines"),
        "{:?}",
        answer.limits
    );
    let long = "x".repeat(10 << 20);
    let few: Vec<(&str, &str)> = vec![("1795000000000000000", &long), ("1795000001000000000", "x")];
    server.is(|s| s.streams = Arc::new(vec![stream(piha.clone(), &few)]));
    let answer = searched(&url, "x").await.expect("an answer");
    assert!(
        answer.lines[0].text.len() < 2200,
        "{}",
        answer.lines[0].text.len()
    );
    assert!(
        answer.lines[0]
            .text
            .ends_with("(cut: the line has 10485760 bytes)")
    );
    assert_eq!(answer.lines[1].text, "x");
    // More than is taken at once: not even a few fit.
    server.is(|s| s.mood = Mood::Floods);
    let flood = searched(&url, "x").await.expect_err("too much");
    assert_eq!(flood.code(), "loki-answer");
    assert!(flood.sentence().contains("more than 32 MiB"), "{flood}");
}

#[tokio::test]
async fn one_that_refuses_or_answers_something_else_says_so_in_a_sentence() {
    let (server, url) = Server::start(vec![]).await;
    for (mood, code, says) in [
        (Mood::Refuses(401), "loki-refused", "401"),
        (
            Mood::Refuses(429),
            "loki-refused",
            "too many outstanding requests",
        ),
        (Mood::Refuses(400), "loki-refused", "400"),
        (Mood::Refuses(503), "loki-away", "503"),
        (Mood::Page, "loki-answer", "cannot be read"),
    ] {
        server.is(|s| s.mood = mood);
        let error = searched(&url, "x").await.expect_err("no answer");
        assert_eq!(error.code(), code, "{mood:?}");
        let sentence = error.sentence();
        assert!(
            sentence.contains(says) && sentence.contains(&url),
            "{sentence}"
        );
        assert!(
            sentence.len() < 400 && !sentence.contains('\n'),
            "{sentence}"
        );
    }
    server.is(|s| {
        s.mood = Mood::Metrics;
        s.streams = Arc::new(vec![stream(json!({"host": "piha"}), &[])]);
    });
    let other = searched(&url, "x").await.expect_err("no lines");
    assert!(other.to_string().contains("\"matrix\""), "{other}");
    let nobody = searched("http://127.0.0.1:1", "x")
        .await
        .expect_err("nobody");
    assert_eq!(nobody.code(), "loki-away");
}

#[tokio::test]
async fn one_that_hangs_is_waited_for_once() {
    let (server, url) = Server::start(vec![]).await;
    server.is(|s| s.mood = Mood::Hangs);
    let loki = loki(&desired(&url));
    let begun = Instant::now();
    let error = loki.search(&wanted("x")).await.expect_err("silence");
    assert!(
        error.to_string().contains("no answer within 10 s"),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(13));
    let again = Instant::now();
    let error = loki.search(&wanted("x")).await.expect_err("silence");
    assert_eq!(error.code(), "loki-away");
    assert!(
        again.elapsed() < Duration::from_secs(1),
        "nobody waits again at once"
    );
    assert_eq!(server.asked().len(), 1);
}
