//! Ollama's adapter against a server that speaks its published interface. Needs no lab.
//!
//! The stand-in is held to what Ollama publishes: each of its answers, and each question put to it, must be valid by the
//! published description with nothing added, and have the fields of the published example.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use stead_adapters::observation::{self, Observation, Receiver};
use stead_adapters::ollama::{Error, Ollama, Options};
use stead_core::command::Outcome;
use stead_core::desired;
use stead_core::facts::{Fact, FactKey, SourceState};
use stead_core::ids::ModelName;
use stead_core::time::Span;

use crate::published;

const LIMIT: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(30);
const SIZE: u64 = 4_109_865_159;
const LOADED: u64 = 5_137_025_024;

fn fixture(name: &str) -> Value {
    published::fixture(&format!("ollama/{name}"))
}

fn assert_published(schema: &str, value: &Value) {
    published::closed("ollama/openapi.json").fits(schema, value);
}

#[derive(Clone)]
struct Server(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Name → digest.
    disk: BTreeMap<String, String>,
    /// Name → minute at which it leaves.
    memory: BTreeMap<String, u32>,
    asked: Vec<Value>,
    way: Way,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Way {
    #[default]
    Well,
    Hangs,
    Refuses,
    Floods,
    Redirects,
    /// Its answers end before they say that it is done.
    Breaks,
}

impl Server {
    async fn start() -> (Server, String) {
        let server = Server(Arc::default());
        let app = Router::new()
            .route(
                "/api/version",
                get(|| async { answer("VersionResponse", fixture("version.json")) }),
            )
            .route("/api/tags", get(tags))
            .route("/api/ps", get(running))
            .route("/api/generate", post(generate))
            .with_state(server.clone());
        let url = crate::served(app).await;
        (server, url)
    }

    fn pull(&self, name: &str, digest: &str) {
        self.inner().disk.insert(name.into(), digest.into());
    }

    fn goes(&self, way: Way) {
        self.inner().way = way;
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("lock")
    }
}

fn answer(schema: &str, value: Value) -> Response {
    assert_published(schema, &value);
    Json(value).into_response()
}

async fn odd(way: Way) -> Option<Response> {
    match way {
        Way::Well | Way::Breaks => None,
        Way::Hangs => std::future::pending().await,
        Way::Refuses => Some(
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                Json(json!({"error": "no space: token=hunter2secret"})),
            )
                .into_response(),
        ),
        Way::Floods => Some("[".repeat(5 << 20).into_response()),
        Way::Redirects => {
            Some(axum::response::Redirect::temporary("http://127.0.0.1:1/").into_response())
        }
    }
}

async fn tags(State(server): State<Server>) -> Response {
    let way = server.inner().way;
    if let Some(response) = odd(way).await {
        return response;
    }
    let inner = server.inner();
    let example = fixture("tags.json")["models"][0].clone();
    let models: Vec<Value> = inner
        .disk
        .iter()
        .map(|(name, digest)| {
            let mut model = example.clone();
            model["name"] = name.as_str().into();
            model["model"] = name.as_str().into();
            model["digest"] = digest.as_str().into();
            model["size"] = SIZE.into();
            model
        })
        .collect();
    answer("ListResponse", json!({ "models": models }))
}

async fn running(State(server): State<Server>) -> Response {
    let inner = server.inner();
    let example = fixture("ps.json")["models"][0].clone();
    let models: Vec<Value> = inner
        .memory
        .iter()
        .map(|(name, minute)| {
            let mut model = example.clone();
            model["name"] = name.as_str().into();
            model["model"] = name.as_str().into();
            model["size"] = LOADED.into();
            model["size_vram"] = 0.into();
            model["expires_at"] = format!("2026-11-26T12:{minute:02}:00.5Z").into();
            model
        })
        .collect();
    answer("PsResponse", json!({ "models": models }))
}

async fn generate(State(server): State<Server>, Json(asked): Json<Value>) -> Response {
    assert_published("GenerateRequest", &asked);
    let way = server.inner().way;
    if let Some(response) = odd(way).await {
        return response;
    }
    let name = asked["model"].as_str().expect("a model").to_owned();
    let mut inner = server.inner();
    inner.asked.push(asked.clone());
    if !inner.disk.contains_key(&name) {
        let error = json!({ "error": format!("model '{name}' not found") });
        assert_published("ErrorResponse", &error);
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    }
    let unload = asked["keep_alive"] == json!(0);
    if unload {
        inner.memory.remove(&name);
    } else {
        inner.memory.insert(name.clone(), 5);
    }
    let mut done = fixture(if unload { "unload.json" } else { "load.json" });
    done["model"] = name.into();
    done["done"] = (way != Way::Breaks).into();
    answer("GenerateResponse", done)
}

fn ollama(url: &str, keep_loaded: Option<Span>) -> Ollama {
    let ollama = Ollama::new(Options {
        connect_limit: Duration::from_secs(1),
        call_limit: Duration::from_secs(3),
        look_every: Duration::from_millis(40),
    });
    ollama.set_server(Some(desired::Ollama {
        url: url.to_owned(),
        keep_loaded,
    }));
    ollama
}

fn model(name: &str) -> ModelName {
    name.parse().expect("a name")
}

/// The observations until one that `wanted` takes.
async fn until<T>(seen: &mut Receiver, mut wanted: impl FnMut(&Observation) -> Option<T>) -> T {
    let looking = async {
        while let Some(observation) = seen.recv().await {
            if let Some(found) = wanted(&observation) {
                return found;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(DEADLINE, looking)
        .await
        .expect("in time")
}

fn source(observation: &Observation) -> Option<(SourceState, String, String)> {
    match observation {
        Observation::Put(FactKey::Source(_), fact) => match &**fact {
            Fact::Source(s) => Some((s.state, s.version.clone(), s.detail.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn in_memory(name: &str) -> impl FnMut(&Observation) -> Option<Option<u64>> {
    let wanted = model(name);
    move |observation| match observation {
        Observation::Put(FactKey::Model(name), fact) if *name == wanted => match &**fact {
            Fact::Model(facts) => Some(facts.loaded.map(|l| l.size)),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn the_published_examples_fit_the_published_description() {
    for (schema, name) in [
        ("ListResponse", "tags.json"),
        ("PsResponse", "ps.json"),
        ("VersionResponse", "version.json"),
        ("GenerateResponse", "load.json"),
        ("GenerateResponse", "unload.json"),
    ] {
        assert_published(schema, &fixture(name));
    }
}

#[tokio::test]
async fn models_are_told_loaded_and_unloaded() {
    let (server, url) = Server::start().await;
    server.pull("team/mistral:7b", "aaa");
    let ollama = ollama(&url, Some(Span::mins(30)));
    let (out, mut seen) = observation::channel();
    let watch = tokio::spawn({
        let ollama = ollama.clone();
        async move { ollama.watch(out).await }
    });
    let (state, version, _) = until(&mut seen, source).await;
    assert_eq!((state, version.as_str()), (SourceState::Up, "0.12.6"));
    let name = model("team/mistral:7b");
    assert_eq!(until(&mut seen, in_memory("team/mistral:7b")).await, None);
    until(&mut seen, |o| {
        matches!(o, Observation::Synced(_)).then_some(())
    })
    .await;

    let loaded = ollama.load(&name, "aaa", LIMIT).await;
    assert!(matches!(loaded, Outcome::Done { .. }), "{loaded:?}");
    assert_eq!(
        until(&mut seen, in_memory("team/mistral:7b")).await,
        Some(LOADED)
    );
    let asked = server.inner().asked.clone();
    assert_eq!(
        asked,
        [json!({"model": "team/mistral:7b", "stream": false, "keep_alive": "1800s"})]
    );
    let now = ollama.in_memory().await.expect("an answer");
    assert_eq!(
        now[0].expires_at.map(|at| at.to_string()).as_deref(),
        Some("2026-11-26T12:05:00.500Z")
    );
    let first = now[0].last_used.expect("used");
    // Nobody asks it anything: its last use stays. Somebody does: what puts off its end was a use.
    assert_eq!(
        ollama.in_memory().await.expect("an answer")[0].last_used,
        Some(first)
    );
    server.inner().memory.insert(name.to_string(), 9);
    assert!(ollama.in_memory().await.expect("an answer")[0].last_used >= Some(first));

    let unloaded = ollama.unload(&name, LIMIT).await;
    assert!(matches!(unloaded, Outcome::Done { .. }), "{unloaded:?}");
    assert_eq!(until(&mut seen, in_memory("team/mistral:7b")).await, None);
    assert!(ollama.last_used().contains_key(&name));

    server.inner().disk.clear();
    until(&mut seen, |o| {
        (*o == Observation::Gone(FactKey::Model(name.clone()))).then_some(())
    })
    .await;
    drop(seen);
    tokio::time::timeout(DEADLINE, watch)
        .await
        .expect("it ends")
        .expect("well");
}

#[tokio::test]
async fn another_model_by_the_same_name_is_not_loaded_and_one_that_is_not_there_is_a_failure() {
    let (server, url) = Server::start().await;
    server.pull("gemma3:4b", "new");
    let ollama = ollama(&url, None);
    let changed = ollama.load(&model("gemma3:4b"), "old", LIMIT).await;
    assert!(
        matches!(&changed, Outcome::Refused { code, .. } if code == "model-changed"),
        "{changed:?}"
    );
    let none = ollama.load(&model("none"), "old", LIMIT).await;
    assert!(
        matches!(&none, Outcome::Failed { code, .. } if code == "model-not-found"),
        "{none:?}"
    );
    let none = ollama.unload(&model("none"), LIMIT).await;
    assert!(
        matches!(&none, Outcome::Failed { code, .. } if code == "model-not-found"),
        "{none:?}"
    );
    assert_eq!(server.inner().asked.len(), 1, "nothing was loaded");
    ollama.set_server(None);
    let named = ollama.load(&model("gemma3:4b"), "new", LIMIT).await;
    assert!(
        matches!(&named, Outcome::Failed { code, .. } if code == "ollama-not-named"),
        "{named:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_away_hangs_refuses_or_floods_is_down_and_comes_back() {
    let (server, url) = Server::start().await;
    server.pull("gemma3:4b", "aaa");
    let ollama = ollama(&url, None);
    let (out, mut seen) = observation::channel();
    tokio::spawn({
        let ollama = ollama.clone();
        async move { ollama.watch(out).await }
    });
    let up = |o: &Observation| source(o).filter(|s| s.0 == SourceState::Up);
    let down = |o: &Observation| source(o).filter(|s| s.0 == SourceState::Down);
    until(&mut seen, up).await;
    for (way, says) in [
        (Way::Hangs, "did not answer"),
        (Way::Refuses, "status 500"),
        (Way::Floods, "more than 4096 KiB"),
        (Way::Redirects, "status 307"),
    ] {
        server.goes(way);
        let (_, _, detail) = until(&mut seen, down).await;
        assert!(detail.contains(says), "{detail}");
        assert!(!detail.contains("hunter2secret"), "{detail}");
        server.goes(Way::Well);
        until(&mut seen, up).await;
    }
    server.goes(Way::Hangs);
    let limit = Duration::from_millis(200);
    let hung = ollama.unload(&model("gemma3:4b"), limit).await;
    assert!(
        matches!(&hung, Outcome::Unknown { .. }),
        "it may have had an effect: {hung:?}"
    );
    server.goes(Way::Breaks);
    for broken in [
        ollama.unload(&model("gemma3:4b"), LIMIT).await,
        ollama.load(&model("gemma3:4b"), "aaa", LIMIT).await,
    ] {
        let Outcome::Unknown { why } = broken else {
            panic!("nobody said that it is done: {broken:?}")
        };
        assert!(why.contains("without saying that it is done"), "{why}");
    }
    server.goes(Way::Well);

    // Another address: what the first one told is gone.
    ollama.set_server(Some(desired::Ollama {
        url: "http://127.0.0.1:1".into(),
        keep_loaded: None,
    }));
    let gone = Observation::Gone(FactKey::Model(model("gemma3:4b")));
    until(&mut seen, |o| (*o == gone).then_some(())).await;
    let (_, _, detail) = until(&mut seen, down).await;
    assert!(
        detail.contains("cannot be reached at http://127.0.0.1:1"),
        "{detail}"
    );
    let error = ollama.in_memory().await.expect_err("nobody there");
    assert!(matches!(error, Error::Unreachable { .. }) && error.certain());
}
