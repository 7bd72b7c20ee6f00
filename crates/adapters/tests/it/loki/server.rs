//! The stand-in for Loki: it answers as the published description says, or as its mood is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::published::{closed, fixture};

pub type Asked = BTreeMap<String, String>;

/// What the stand-in does instead of answering.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub enum Mood {
    #[default]
    Answers,
    Hangs,
    Refuses(u16),
    Page,
    /// Each answer takes so many seconds.
    Slow(u64),
    Floods,
    /// Where more lines than so many are asked for.
    FloodsBeyond(usize),
    Metrics,
}

#[derive(Default)]
pub struct Inner {
    pub mood: Mood,
    pub streams: Arc<Vec<Value>>,
    asked: Vec<(String, Asked, HeaderMap)>,
}

#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<Inner>>);

impl Server {
    pub async fn start(streams: Vec<Value>) -> (Server, String) {
        let server = Server::default();
        server.is(|s| s.streams = Arc::new(streams));
        let app = Router::new()
            .route("/loki/api/v1/labels", get(labels))
            .route("/loki/api/v1/label/{name}/values", get(values))
            .route("/loki/api/v1/query_range", get(lines).post(posted))
            .with_state(server.clone());
        let url = crate::served(app).await;
        (server, url)
    }

    pub fn is(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.lock().expect("lock"));
    }

    pub fn asked(&self) -> Vec<(String, Asked, HeaderMap)> {
        self.0.lock().expect("lock").asked.clone()
    }

    /// The questions for lines.
    pub fn questions(&self) -> Vec<String> {
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
            Mood::FloodsBeyond(few)
                if query.get("limit").is_some_and(|n| *n != few.to_string()) =>
            {
                Err("[".repeat(33 << 20).into_response())
            }
            Mood::Slow(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(streams)
            }
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

/// Whether a stream has every label that the question names.
fn is_named(stream: &Value, question: &str) -> bool {
    let mut parts: Vec<&str> = question.split("=~\"").collect();
    parts.pop();
    parts.iter().all(|part| {
        let label = part.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        stream["stream"]
            .get(label.into_iter().next().unwrap_or_default())
            .is_some()
    })
}

/// As many lines as were asked for, over all streams with those labels.
async fn lines(
    State(server): State<Server>,
    Query(query): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    some(server, query, headers).await
}

/// The same, asked by a form.
async fn posted(
    State(server): State<Server>,
    headers: HeaderMap,
    Form(query): Form<Asked>,
) -> Response {
    some(server, query, headers).await
}

async fn some(server: Server, query: Asked, headers: HeaderMap) -> Response {
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
            let named = streams.iter().filter(|s| is_named(s, &query["query"]));
            let few: Vec<Value> = named.map(few).collect();
            let data = json!({"resultType": "streams", "result": few, "stats": {"summary": {"execTime": 0.1}}});
            told("Streams", json!({"status": "success", "data": data}))
        }
    }
}
