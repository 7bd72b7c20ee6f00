//! Other people's servers, beside Stead: the real Prometheus, VictoriaMetrics and node-exporter of Debian, on ports of their
//! own, ended by their process.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::scene::{read, until};

/// Whether peers can be had. Outside the lab they may be absent; in the lab they may not.
pub fn there(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    assert!(
        found || std::env::var_os("STEAD_LAB").is_none(),
        "{program} is not installed"
    );
    if !found {
        eprintln!("needs {program}: run `cargo xtask test`");
    }
    found
}

/// A server that runs until this is dropped.
pub struct Peer {
    child: Child,
    pub port: u16,
    /// What opens it.
    opens: Option<&'static str>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has.
pub fn port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// `stead:hunter2`, as requests show it.
const OPENS: &str = "Basic c3RlYWQ6aHVudGVyMg==";
/// `hunter2`, as Prometheus wants it hashed.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";

impl Peer {
    /// Prometheus on the data in `dir`, which scrapes what `scrape` says.
    pub async fn prometheus(dir: &Path, scrape: &str) -> Peer {
        Peer::prometheus_with(dir, scrape, None).await
    }

    /// The same behind a name and a password: `stead` and `hunter2`.
    pub async fn guarded_prometheus(dir: &Path, scrape: &str) -> Peer {
        let users = format!("basic_auth_users:\n  stead: {HASH}\n");
        let config = dir.join("web.yml");
        std::fs::write(&config, users).unwrap();
        Peer::prometheus_with(dir, scrape, Some(&config)).await
    }

    async fn prometheus_with(dir: &Path, scrape: &str, web: Option<&Path>) -> Peer {
        let config = dir.join("prometheus.yml");
        std::fs::write(&config, scrape).unwrap();
        let port = port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--storage.tsdb.retention.time=10y");
        if let Some(web) = web {
            command.arg(format!("--web.config.file={}", web.display()));
        }
        let opens = web.map(|_| OPENS);
        Peer::open(command, port, "/-/ready", opens).await
    }

    /// VictoriaMetrics on the data in `dir`, which scrapes what `scrape` says.
    pub async fn victoria_metrics(dir: &Path, scrape: &str) -> Peer {
        let config = dir.join("scrape.yml");
        std::fs::write(&config, scrape).unwrap();
        let port = port();
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-promscrape.config={}", config.display()))
            .arg(format!("-storageDataPath={}/data", dir.display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg("-search.latencyOffset=0s")
            .arg("-retentionPeriod=10y");
        Peer::start(command, port, "/health").await
    }

    pub async fn node_exporter() -> Peer {
        let port = port();
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Peer::start(command, port, "/metrics").await
    }

    async fn start(command: Command, port: u16, ready: &str) -> Peer {
        Peer::open(command, port, ready, None).await
    }

    async fn open(
        mut command: Command,
        port: u16,
        ready: &str,
        opens: Option<&'static str>,
    ) -> Peer {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let peer = Peer { child, port, opens };
        until("the peer is ready", async || {
            let (status, _) = peer.ask("GET", ready, "").await?;
            (status == StatusCode::OK).then_some(())
        })
        .await;
        peer
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it answers; nothing where it does not.
    pub async fn ask(&self, method: &str, path: &str, form: &str) -> Option<(StatusCode, Value)> {
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(opens) = self.opens {
            request = request.header("authorization", opens);
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), client.request(request));
        let answer = answer.await.ok()?.ok()?;
        Some(read(answer.map(Body::new)).await)
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "").await.expect("an answer");
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }
}
