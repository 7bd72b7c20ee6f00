//! Portainer's adapter against a server that speaks its published interface. Needs no lab.
//!
//! Each answer of the stand-in must be valid by the published description, with nothing added to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use stead_adapters::portainer::{self, Error, Options, Seen};
use stead_ports::secrets::Secret;

use crate::published::{Description, closed};

const KEY: &str = "ptr_hunter2hunter2";

fn published() -> Description {
    closed("portainer/openapi.json")
}

#[derive(Default)]
struct Inner {
    hangs: bool,
    floods: bool,
    broken_environment: bool,
    /// Its key is taken away after so many questions.
    revoked: Option<usize>,
    /// Each answer takes so long.
    takes: Duration,
    asked: Vec<String>,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Inner>>);

impl Server {
    async fn start() -> (Server, String) {
        let server = Server::default();
        let app = Router::new()
            .route("/api/endpoints", get(endpoints))
            .route("/api/stacks", get(stacks))
            .route(
                "/api/endpoints/{id}/docker/containers/json",
                get(containers),
            )
            .with_state(server.clone());
        let url = crate::served(app).await;
        (server, url)
    }

    fn is(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.lock().expect("lock"));
    }

    async fn enter(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Response> {
        let (hangs, floods, revoked, takes) = {
            let mut inner = self.0.lock().expect("lock");
            inner.asked.push(uri.to_string());
            let revoked = inner.revoked.is_some_and(|n| inner.asked.len() > n);
            (inner.hangs, inner.floods, revoked, inner.takes)
        };
        tokio::time::sleep(takes).await;
        if hangs {
            std::future::pending::<()>().await;
        }
        if floods {
            return Err("[".repeat(17 << 20).into_response());
        }
        if revoked || headers.get("x-api-key").is_none_or(|key| key != KEY) {
            let body = json!({ "message": "Invalid API key", "details": "Unauthorized" });
            return Err((StatusCode::UNAUTHORIZED, Json(body)).into_response());
        }
        Ok(())
    }
}

fn list(schema: &str, values: Vec<Value>) -> Response {
    let published = published();
    values
        .iter()
        .for_each(|value| published.fits(schema, value));
    Json(values).into_response()
}

async fn endpoints(State(server): State<Server>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(no) = server.enter(&uri, &headers).await {
        return no;
    }
    let one = |id: u64, name: &str, kind: u64, status: u64| {
        json!({
            "Id": id, "Name": name, "Type": kind, "Status": status, "URL": "unix:///var/run/docker.sock", "PublicURL": "",
            "Agent": {}, "ComposeSyntaxMaxVersion": "3.9", "ContainerEngine": "docker", "Edge": {}, "EdgeCheckinInterval": 5,
            "EdgeKey": "", "GroupId": 1, "Kubernetes": {}, "LastCheckInDate": 0, "SecuritySettings": {},
            "TLSConfig": { "TLS": false, "TLSSkipVerify": false }
        })
    };
    let all = vec![
        one(1, "attic", 1, 1),
        one(2, "cluster", 5, 1),
        one(3, "shed", 4, 2),
    ];
    list("portainer.Endpoint", all)
}

async fn stacks(State(server): State<Server>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(no) = server.enter(&uri, &headers).await {
        return no;
    }
    let media = json!({
        "Id": 1, "Name": "media", "Type": 2, "EndpointId": 1, "Status": 1, "EntryPoint": "docker-compose.yml", "SwarmId": "",
        "Env": [{ "name": "TOKEN", "value": "hunter2" }], "CreationDate": 1_587_399_600, "CreatedBy": "admin"
    });
    list("portainer.Stack", vec![media])
}

async fn containers(
    State(server): State<Server>,
    Path(id): Path<u64>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(no) = server.enter(&uri, &headers).await {
        return no;
    }
    assert_eq!(id, 1, "only what is up and has an engine is asked");
    if server.0.lock().expect("lock").broken_environment {
        let body = json!({ "message": "Unable to proxy", "details": "no route" });
        return (StatusCode::BAD_GATEWAY, Json(body)).into_response();
    }
    let jellyfin = json!({
        "Id": "abc", "Names": ["/jellyfin"], "Image": "jellyfin:10.9", "ImageID": "sha256:1", "Command": "run", "Created": 1,
        "Ports": [], "Labels": { "com.docker.compose.project": "media", "product": "films" }, "State": "running",
        "Status": "Up 2 days", "HostConfig": {}, "NetworkSettings": {}, "Mounts": []
    });
    list("ContainerSummary", vec![jellyfin])
}

fn options() -> Options {
    Options {
        connect_limit: Duration::from_secs(1),
        call_limit: Duration::from_secs(3),
        whole_limit: Duration::from_secs(20),
    }
}

async fn read(url: &str, key: &str) -> Result<Seen, Error> {
    portainer::read(url, &Secret::new(key), &options()).await
}

#[tokio::test]
async fn what_a_portainer_manages_is_read_and_nothing_is_changed() {
    let (server, url) = Server::start().await;
    let seen = read(&url, KEY).await.expect("an answer");
    let attic = &seen.environments[0];
    assert_eq!(
        (attic.name.as_str(), attic.kind, attic.state),
        ("attic", "docker", "up")
    );
    assert_eq!(attic.stacks[0].name, "media");
    let jellyfin = &attic.containers[0];
    assert_eq!(
        (jellyfin.name.as_str(), jellyfin.image.as_str()),
        ("jellyfin", "jellyfin:10.9")
    );
    assert_eq!(
        (jellyfin.stack.as_str(), jellyfin.state.as_str()),
        ("media", "running")
    );
    assert_eq!(seen.environments[1].kind, "kubernetes");
    assert_eq!(seen.environments[2].state, "down");
    assert!(
        !format!("{seen:?}").contains("hunter2"),
        "no environment leaves here"
    );
    let asked = server.0.lock().expect("lock").asked.clone();
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[tokio::test]
async fn a_portainer_that_is_away_refuses_hangs_or_floods_is_an_error_that_says_what_to_do() {
    let (server, url) = Server::start().await;
    let wrong = read(&url, "other").await.expect_err("a wrong key");
    assert_eq!(wrong, Error::Key);
    let odd = read(&url, "no\nkey").await.expect_err("no key");
    assert_eq!(odd, Error::Key);
    server.is(|s| s.broken_environment = true);
    let seen = read(&url, KEY).await.expect("the rest");
    assert!(seen.environments[0].problem.contains("502"), "{seen:?}");
    assert_eq!(seen.environments[0].stacks.len(), 1);
    server.is(|s| s.floods = true);
    let flood = read(&url, KEY).await.expect_err("too much");
    assert_eq!(flood.code(), "portainer-answer");
    server.is(|s| s.hangs = true);
    let hangs = read(&url, KEY).await.expect_err("silence");
    assert_eq!(hangs.code(), "portainer-hangs");
    let away = read("http://127.0.0.1:1", KEY).await.expect_err("nobody");
    assert_eq!(away.code(), "portainer-unreachable");
    for error in [wrong, flood, hangs, away] {
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(!error.remedy().is_empty());
    }
}

#[tokio::test]
async fn a_key_that_is_taken_away_meanwhile_is_no_matter_of_one_environment() {
    let (server, url) = Server::start().await;
    server.is(|s| s.revoked = Some(2));
    let revoked = read(&url, KEY).await.expect_err("no key any more");
    assert_eq!(revoked, Error::Key);
    assert_eq!(server.0.lock().expect("lock").asked.len(), 3);
}

#[tokio::test]
async fn all_questions_together_have_a_limit_of_their_own() {
    let (server, url) = Server::start().await;
    server.is(|s| s.takes = Duration::from_millis(600));
    let limits = Options {
        whole_limit: Duration::from_secs(1),
        ..options()
    };
    let slow = portainer::read(&url, &Secret::new(KEY), &limits).await;
    let slow = slow.expect_err("too slow");
    assert_eq!(slow, Error::Hangs(Duration::from_secs(1)));
}
