//! A running server without a network: engine on a log in memory, router, data directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stead_core::controller::{Change, Input};
use stead_core::desired::{Fleet, Node, Patience, Service, ServiceKind};
use stead_core::event::{Body, DesiredLoaded, Event, Severity, Source};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, SourceFacts,
    SourceKind, SourceState,
};
use stead_core::ids::{NodeName, Seq, ServiceName};
use stead_core::time::Time;
use stead_engine::{Engine, Handle};
use stead_ports::clock::SystemClock;
use stead_ports::log::EventLog;
use stead_ports::log::memory::{Disk, Faults, MemoryLog};
use stead_server::access::Tokens;
use stead_server::history::History;
use stead_server::http::{App, FleetProblems, Hosts, Parts, router};
use stead_server::{AgentProxy, ProxyError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub const WITHIN: Duration = Duration::from_secs(20);

/// Waits until `look` gives something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + WITHIN;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Agents that answer what they were taught.
#[derive(Default)]
pub struct Agents(Mutex<BTreeMap<String, Bytes>>);

impl Agents {
    pub fn teach(&self, path: &str, answer: &str) {
        self.0
            .lock()
            .unwrap()
            .insert(path.to_string(), Bytes::from(answer.to_string()));
    }
}

#[async_trait]
impl AgentProxy for Agents {
    async fn get(&self, node: &NodeName, path: &str) -> Result<Bytes, ProxyError> {
        if path.contains("hang") {
            std::future::pending::<()>().await;
        }
        let known = self.0.lock().unwrap();
        if known.is_empty() {
            return Err(ProxyError::NotConnected(node.clone()));
        }
        let nothing = format!("nothing at {path}");
        let known = known.get(path).cloned();
        known.ok_or_else(|| ProxyError::answered(404, nothing.as_bytes()))
    }
}

pub struct Scene {
    pub handle: Handle,
    pub router: Router,
    pub agents: Arc<Agents>,
    pub data: TempDir,
    pub stop: CancellationToken,
    pub token: String,
    pub faults: Faults,
    pub history: History,
    pub app: App,
    /// Next place in the agent's spool; the snapshot has the first.
    cursor: AtomicU64,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A log that has this already: when, about what, what.
pub async fn written(told: impl IntoIterator<Item = (Time, &'static str, Body)>) -> Disk {
    let disk = Disk::default();
    let log = MemoryLog::open(&disk, &Faults::default()).unwrap();
    let event = |(n, (at, subject, body)): (u64, (Time, &str, Body))| Event {
        seq: Seq(n),
        id: format!("w{n}"),
        at,
        subject: subject.parse().unwrap(),
        severity: Severity::Info,
        source: Source::Server,
        cause: None,
        cursor: 0,
        body,
    };
    let events = (1..).zip(told).map(event);
    let records = events.map(|event| stead_engine::encode(&event));
    log.append(records.collect()).await.unwrap();
    disk
}

pub fn node() -> NodeName {
    "piha".parse().unwrap()
}

pub fn service(container: &str) -> Service {
    Service {
        kind: ServiceKind::Container {
            container: container.parse().unwrap(),
            definition: None,
        },
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience {
            failures: 0,
            ..Patience::default()
        },
        checks: Vec::new(),
    }
}

/// One node `piha` with the services `z2m` and `web`, an alias `node-1`, and one service nobody watches.
pub fn fleet() -> Fleet {
    let mut node = Node::default();
    for name in ["z2m", "web"] {
        node.services
            .insert(name.parse::<ServiceName>().unwrap(), service(name));
    }
    node.services.insert(
        "quiet".parse().unwrap(),
        Service {
            monitor: false,
            ..service("quiet")
        },
    );
    Fleet {
        name: "home".to_string(),
        nodes: BTreeMap::from([(self::node(), node)]),
        aliases: BTreeMap::from([("node-1".parse().unwrap(), self::node())]),
        ..Fleet::default()
    }
}

pub fn container(state: ContainerState, health: Health) -> Fact {
    Fact::Container(ContainerFacts {
        id: "3f9c2b0d5e6a".repeat(5),
        image: "koenkk/zigbee2mqtt:1".to_string(),
        state,
        health,
        started_at: Some(Time(1_790_000_000_000)),
        exit_code: Some(137),
        ..ContainerFacts::default()
    })
}

pub fn running() -> Fact {
    container(ContainerState::Running, Health::None)
}

impl Scene {
    pub async fn new() -> Scene {
        Scene::with(Hosts::default()).await
    }

    pub async fn with(hosts: Hosts) -> Scene {
        Scene::on(hosts, Disk::default(), tempfile::tempdir().unwrap()).await
    }

    pub async fn on(hosts: Hosts, disk: Disk, data: TempDir) -> Scene {
        let faults = Faults::default();
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::open(&disk, &faults).unwrap());
        let head = log.head().await.unwrap();
        let world = stead_engine::replay(&*log, true).await.unwrap().world;
        let (engine, handle, mut effects) = Engine::new(
            log,
            Arc::new(SystemClock::new()),
            &head.log_id,
            world,
            stead_engine::Options::default(),
        );
        let stop = CancellationToken::new();
        tokio::spawn(engine.run(stop.clone()));
        tokio::spawn(async move { while effects.recv().await.is_some() {} });
        let agents = Arc::new(Agents::default());
        let history = History::default();
        tokio::spawn(history.clone().record(
            data.path().to_path_buf(),
            handle.clone(),
            stop.clone(),
        ));
        let app = App::new(Parts {
            handle: handle.clone(),
            agents: agents.clone(),
            tokens: Tokens::open(data.path()).unwrap(),
            data: data.path().to_path_buf(),
            hosts,
            problems: FleetProblems::default(),
            history: history.clone(),
            stop: stop.clone(),
        });
        let token = std::fs::read_to_string(data.path().join("admin.token"))
            .unwrap()
            .trim()
            .to_string();
        Scene {
            handle,
            router: router(app.clone(), Router::new()),
            agents,
            data,
            stop,
            token,
            faults,
            history,
            app,
            cursor: AtomicU64::new(2),
        }
    }

    /// With the fleet loaded and both containers seen running.
    pub async fn well() -> Scene {
        let scene = Scene::new().await;
        scene.load().await;
        scene
    }

    /// Another desired state takes effect.
    pub async fn desire(&self, fleet: Fleet) {
        let fleet = Arc::new(fleet);
        let loaded = DesiredLoaded {
            digest: fleet.digest(),
            origin: "/srv/fleet".to_string(),
            nodes: 1,
            services: 3,
            ..DesiredLoaded::default()
        };
        let bytes = serde_json::to_vec(&*fleet).unwrap();
        self.handle
            .log()
            .put_document(&fleet.digest(), &bytes)
            .await
            .unwrap();
        self.input(Input::Desired { loaded, fleet }).await;
    }

    pub async fn load(&self) {
        self.desire(fleet()).await;
        let docker = SourceFacts {
            state: SourceState::Up,
            version: "29".into(),
            detail: String::new(),
        };
        let host = HostFacts {
            hostname: "piha".into(),
            boot_id: "b1".into(),
            cpus: 4,
            ..HostFacts::default()
        };
        let mut facts = Facts::new();
        facts.insert(FactKey::Host, Fact::Host(host));
        facts.insert(FactKey::Source(SourceKind::Docker), Fact::Source(docker));
        for name in ["z2m", "web", "stray"] {
            facts.insert(FactKey::Container(name.parse().unwrap()), running());
        }
        let at = self.handle.now().at;
        let (spool, digest) = ("s1".to_string(), "d1".to_string());
        self.input(Input::Snapshot {
            node: node(),
            at,
            facts,
            spool,
            cursor: 1,
            digest,
        })
        .await;
    }

    /// Hands in an input and waits until it is durable.
    pub async fn input(&self, input: Input) {
        self.handle.send(input).await.unwrap().await.unwrap();
    }

    pub async fn observe(&self, name: &str, fact: Fact) {
        let key = FactKey::Container(name.parse().unwrap());
        self.observed(vec![Change::Seen(key, fact)]).await;
    }

    /// The agent tells what changed.
    pub async fn observed(&self, changes: Vec<Change>) {
        let at = self.handle.now().at;
        let cursor = self.cursor.fetch_add(1, Ordering::Relaxed);
        self.input(Input::Observed {
            node: node(),
            at,
            cursor,
            changes,
        })
        .await;
    }

    /// `z2m` stops: an action waits for a decision.
    pub async fn fall_ill(&self) {
        self.observe("z2m", container(ContainerState::Exited, Health::None))
            .await;
    }

    /// As a person puts a secret down.
    pub fn keep_secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.data.path().join("secrets");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn files(&self) -> std::path::PathBuf {
        self.data.path().join("files")
    }

    pub async fn send(&self, request: Request<axum::body::Body>) -> Response<axum::body::Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// With the admin token.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:18180")
            .header("authorization", format!("Bearer {}", self.token));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(axum::body::Body::from(body.to_string()))
                .unwrap(),
            None => request.body(axum::body::Body::empty()).unwrap(),
        };
        read(self.send(request).await).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call("POST", path, Some(body)).await
    }
}

/// Status and body: JSON, or a text.
pub async fn read(response: Response<axum::body::Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(json!(text)),
    )
}

pub fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:18180")
}

pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
