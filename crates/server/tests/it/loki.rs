//! A Loki beside the nodes, through the routes: lines of nodes that are away, none twice, and its own silence.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use stead_core::desired::{Door, Fleet, Loki, LokiLabels};

use crate::scene::{Scene, fleet, read, request};

/// What it refuses with, if it does, and the questions for lines.
#[derive(Clone, Default)]
struct Server(
    Arc<Mutex<Option<StatusCode>>>,
    Arc<Mutex<Vec<BTreeMap<String, String>>>>,
);

/// One container and one unit of `piha`, a line each hour of one morning.
async fn start() -> (Server, String) {
    let server = Server::default();
    let names = async |State(server): State<Server>| {
        let refuses = *server.0.lock().unwrap();
        refuses.map_or_else(
            || {
                Ok(Json(
                    json!({"status": "success", "data": ["container", "host", "unit"]}),
                ))
            },
            Err,
        )
    };
    let values = async || Json(json!({"status": "success", "data": ["piha"]}));
    let app = Router::new()
        .route("/loki/api/v1/labels", get(names))
        .route("/loki/api/v1/label/host/values", get(values))
        .route("/loki/api/v1/query_range", get(lines))
        .with_state(server.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (server, url)
}

async fn lines(
    State(server): State<Server>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    server.1.lock().unwrap().push(query.clone());
    let asked = &query["query"];
    let mut streams = Vec::new();
    if !asked.contains("unit=~") {
        // 08:30:00 and 09:30:00 on 21 November 2026.
        let values = [
            ["1795253400000000000", "<b>no</b> later"],
            ["1795249800100000000", "<b>no</b>"],
        ];
        streams.push(json!({"stream": {"host": "piha", "container": "web"}, "values": values}));
    }
    if !asked.contains("container=~") {
        let values = [["1795249900000000000", "<b>no</b> password=hunter2"]];
        streams.push(json!({"stream": {"host": "piha", "unit": "ssh.service"}, "values": values}));
    }
    Json(json!({"status": "success", "data": {"resultType": "streams", "result": streams}}))
}

fn reading(url: &str) -> Fleet {
    let loki = Loki {
        door: Door::open(url.to_owned()),
        tenant: None,
        labels: LokiLabels::default(),
        nodes: BTreeMap::new(),
    };
    Fleet {
        loki: Some(loki),
        ..fleet()
    }
}

const ASKED: &str = "/api/v1/logs/search?q=%3Cb%3E&since=2026-11-21T00:00:00Z&limit=20";

fn texts(found: &Value) -> Vec<(&str, &str, &str)> {
    let lines = found["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let word = |key: &str| line[key].as_str().unwrap();
            let of = match word("unit") {
                "" => word("container"),
                unit => unit,
            };
            (word("from"), of, word("text"))
        })
        .collect()
}

#[tokio::test]
async fn a_node_that_is_away_is_searched_in_loki_and_no_line_is_told_twice() {
    let (server, url) = start().await;
    let scene = Scene::well().await;
    scene.desire(reading(&url)).await;
    let found = scene.get(ASKED).await;
    assert_eq!(
        texts(&found),
        [
            ("loki", "web", "<b>no</b>"),
            ("loki", "ssh.service", "<b>no</b> password=***"),
            ("loki", "web", "<b>no</b> later"),
        ]
    );
    assert!(
        found["nodes"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("no agent")
    );
    assert_eq!(
        (&found["loki"]["url"], &found["loki"]["found"]),
        (&json!(url), &json!(3))
    );

    // The node is back: what both have is told by the node.
    let since = "since=1795219200000&most=20";
    let line = json!({"container": "web", "at": "2026-11-21T08:30:00.100000000Z", "error": true, "text": "<b>no</b>"});
    let answer = json!({"found": [line], "containers": 1, "of": 1, "lines": 9}).to_string();
    scene.agents.teach(
        &format!("/v1/logs/search?text=%3Cb%3E&containers=&{since}"),
        &answer,
    );
    let found = scene.get(ASKED).await;
    assert_eq!(texts(&found)[0], ("node", "web", "<b>no</b>"), "{found}");
    assert_eq!(
        (texts(&found).len(), &found["loki"]["found"]),
        (3, &json!(2))
    );

    // Loki refuses: one sentence, and the node's lines all the same.
    *server.0.lock().unwrap() = Some(StatusCode::TOO_MANY_REQUESTS);
    let found = scene.get(ASKED).await;
    assert_eq!(texts(&found), [("node", "web", "<b>no</b>")]);
    let problem = found["loki"]["problem"].as_str().unwrap();
    assert!(
        problem.contains("429") && problem.contains(&url),
        "{problem}"
    );
    assert_eq!(found["loki"]["code"], "loki-refused");

    // Another one: asked at once, though the first one refused.
    let (other, elsewhere) = start().await;
    scene.desire(reading(&elsewhere)).await;
    let found = scene.get(ASKED).await;
    assert_eq!(
        (&found["loki"]["url"], &found["loki"]["problem"]),
        (&json!(elsewhere), &Value::Null)
    );
    assert!(!other.1.lock().unwrap().is_empty());

    // No longer named: not asked.
    scene.desire(fleet()).await;
    assert_eq!(scene.get(ASKED).await["loki"], Value::Null);
}

#[tokio::test]
async fn last_lines_of_what_its_node_does_not_tell_are_lokis() {
    let (server, url) = start().await;
    let scene = Scene::well().await;
    scene.desire(reading(&url)).await;
    for (path, expected) in [
        (
            "/api/v1/containers/piha/web/logs",
            "2026-11-21T08:30:00.100000000Z <b>no</b>\n2026-11-21T09:30:00.000000000Z <b>no</b> later\n",
        ),
        (
            "/api/v1/containers/piha/web/logs/follow?tail=5",
            "2026-11-21T08:30:00.100000000Z <b>no</b>\n2026-11-21T09:30:00.000000000Z <b>no</b> later\n",
        ),
        (
            "/api/v1/units/piha/ssh.service/logs",
            "2026-11-21T08:31:40.000000000Z <b>no</b> password=***\n",
        ),
    ] {
        let asked = request("GET", path)
            .header("authorization", format!("Bearer {}", scene.token))
            .body(axum::body::Body::empty());
        let answer = scene.send(asked.unwrap()).await;
        assert_eq!(answer.headers()["x-stead-from"], "loki", "{path}");
        let (status, text) = read(answer).await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::OK, Some(expected)),
            "{path}"
        );
    }
    // What it has no line of is as it was without it.
    let (status, body) = scene
        .call("GET", "/api/v1/containers/piha/other/logs", None)
        .await;
    assert_eq!(
        (status.as_u16(), body["code"].as_str()),
        (503, Some("agent-not-connected")),
        "{body}"
    );
    *server.0.lock().unwrap() = Some(StatusCode::UNAUTHORIZED);
    let (_, body) = scene
        .call("GET", "/api/v1/containers/piha/web/logs", None)
        .await;
    assert_eq!(body["code"], "agent-not-connected");
    assert!(body["detail"].as_str().unwrap().contains("401"), "{body}");
}

#[tokio::test]
async fn an_hour_is_searched_unless_told_and_a_clock_that_is_ahead_is_allowed_for() {
    let (server, url) = start().await;
    let scene = Scene::well().await;
    scene.desire(reading(&url)).await;
    let before = scene.handle.now().at.0;
    scene.get("/api/v1/logs/search?q=no").await;
    let after = scene.handle.now().at.0;
    let asked = server.1.lock().unwrap()[0].clone();
    let at = |key: &str| asked[key].parse::<i64>().unwrap() / 1_000_000;
    for (key, off) in [("start", -3_600_000), ("end", 60_000)] {
        let within = before + off..=after + off;
        assert!(within.contains(&at(key)), "{key}: {asked:?}");
    }
}
