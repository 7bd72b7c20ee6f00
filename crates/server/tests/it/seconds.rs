//! A real agent over its real tunnel: its seconds are asked of it, and the server's steps stand in where it is not there.

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::Value;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_server::agents::Agents;
use stead_server::{FleetProblems, Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, WITHIN, node, until};

const LOAD: &str = "/api/v1/history?match=stead_node_load1%7Bnode%3D%22piha%22%7D";

/// A whole server on its own port, beside the scene's log.
struct Whole {
    address: SocketAddr,
    token: String,
    data: tempfile::TempDir,
    stop: CancellationToken,
    _scene: Scene,
}

impl Whole {
    /// With a minute of samples that no agent kept, until twenty seconds ago.
    async fn start() -> Whole {
        let (scene, data) = (Scene::well().await, tempfile::tempdir().unwrap());
        let agents = Agents::new(scene.handle.clone(), "agent".into());
        let history = agents.history().clone();
        let stop = CancellationToken::new();
        let options = Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            files: None,
            data: data.path().to_path_buf(),
            allow_hosts: Vec::new(),
        };
        let problems = FleetProblems::default();
        let handle = scene.handle.clone();
        let server = Server::start(options, handle, agents, problems, stop.clone());
        let address = server.await.unwrap().address();
        let reader = async || history.reader().map(drop);
        until("the history is open", reader).await;
        let now = scene.handle.now().at.0;
        for n in 2..8 {
            let at = Time(now - (10 - n) * 10_000);
            let sample = HostSample {
                at,
                load1: 9.0,
                ..HostSample::default()
            };
            history.offer(&node(), &sample, &[]);
        }
        let token = std::fs::read_to_string(data.path().join("admin.token")).unwrap();
        Whole {
            address,
            token: token.trim().to_string(),
            data,
            stop,
            _scene: scene,
        }
    }

    async fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (host, token) = (self.address, &self.token);
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(WITHIN, read)
            .await
            .expect("an answer")
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    fn agent(&self, stop: CancellationToken) -> tokio::task::JoinHandle<()> {
        let options = stead_agent::Options {
            node: node(),
            server: format!("http://{}", self.address),
            token: "agent".into(),
            data: self.data.path().join("node"),
            read_only: true,
            docker_host: Some(format!("unix://{}/no-engine", self.data.path().display())),
            patcher: None,
            history: 8 << 20,
        };
        tokio::spawn(async move { stead_agent::run(options, stop).await.unwrap() })
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn points(answer: &Value) -> Vec<(i64, f64)> {
    let points = answer["series"][0]["points"].as_array();
    let point = |p: &Value| (p[0].as_i64().unwrap(), p[2].as_f64().unwrap());
    points.map_or_else(Vec::new, |all| all.iter().map(point).collect())
}

#[tokio::test]
async fn seconds_come_from_the_node_and_steps_of_ten_where_it_is_not_there() {
    let whole = Whole::start().await;
    let stop = CancellationToken::new();
    let agent = whole.agent(stop.clone());
    let path = format!("{LOAD}&from=2m&step=1s");
    let answer = until("three seconds of the node", async || {
        let answer = whole.get(&path).await;
        let fine = answer["tiers"][0]["on_node"] == true;
        (fine && points(&answer).len() >= 8).then_some(answer)
    })
    .await;
    assert_eq!(answer["step_ms"], 1_000);
    assert_eq!(answer["limits"], serde_json::json!([]));
    assert_eq!(answer["tiers"][0]["step_ms"], 1_000);
    let before = &answer["tiers"][1];
    assert_eq!(
        (&before["step_ms"], &before["on_node"]),
        (&10_000.into(), &false.into())
    );
    let all = points(&answer);
    assert!(all.is_sorted_by(|a, b| a.0 < b.0), "{all:?}");
    assert!(
        all[..4]
            .iter()
            .all(|(at, load)| at % 10_000 == 0 && *load == 9.0)
    );
    let (a, b) = (all[all.len() - 2].0, all[all.len() - 1].0);
    assert!(b - a < 10_000, "seconds at the end: {all:?}");
    // Steps of ten are the server's alone, and two minutes are drawn from seconds by themselves.
    let steps = whole.get(&format!("{LOAD}&from=2m&step=10s")).await;
    assert_eq!(steps["tiers"][0]["on_node"], false);
    let drawn = whole.get(&format!("{LOAD}&from=2m")).await;
    assert_eq!(drawn["step_ms"], 1_000);

    stop.cancel();
    agent.await.unwrap();
    let answer = until("the node is away", async || {
        let answer = whole.get(&path).await;
        (answer["limits"] != serde_json::json!([])).then_some(answer)
    })
    .await;
    assert_eq!(answer["step_ms"], 10_000);
    let tiers = answer["tiers"].as_array().unwrap();
    assert!(tiers.iter().all(|tier| tier["on_node"] == false));
    let limit = answer["limits"][0].as_str().unwrap();
    assert!(limit.contains("piha"), "{limit}");
    assert!(points(&answer).iter().all(|(at, _)| at % 10_000 == 0));
}

/// An agent that has no such route answers 404: nothing is said, and the server's steps are answered.
#[tokio::test]
async fn an_older_agent_leads_to_the_servers_own_steps_silently() {
    let scene = Scene::well().await;
    until("the history is open", async || {
        scene.history.reader().map(drop)
    })
    .await;
    scene.agents.teach("/v1/hello", "{}");
    let (status, answer) = scene.call("GET", &format!("{LOAD}&step=1s"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["step_ms"], 10_000);
    assert_eq!(answer["limits"], serde_json::json!([]));
}
