//! Other people's stores of samples: read as Stead's own, written to, gone, slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::handler::Handler;
use http::StatusCode;
use serde_json::Value;
use stead_core::desired::{Door, Fleet, Metrics, Source};
use stead_core::sample::{CpuShare, HostSample, Memory};
use stead_core::time::Time;

use crate::peer::{Peer, there};
use crate::scene::{Scene, fleet, node, read, request, until};

/// A door with a name and the secret `prom`.
fn locked(url: String) -> Door {
    Door {
        username: Some("stead".to_owned()),
        password: Some("secret:prom".to_owned()),
        ..Door::open(url)
    }
}

/// A door with a token, the secret `prom`.
fn bearing(url: String) -> Door {
    Door {
        token: Some("secret:prom".to_owned()),
        ..Door::open(url)
    }
}

/// The fleet with a source that knows the node `piha` as `instance`.
fn reading(url: String, instance: &str) -> Fleet {
    let source = Source {
        door: Door::open(url),
        label: "instance".to_owned(),
        nodes: [(instance.to_owned(), node())].into(),
    };
    Fleet {
        metrics: Metrics {
            read: Some(source),
            ..Metrics::default()
        },
        ..fleet()
    }
}

fn sending(urls: &[String]) -> Fleet {
    Fleet {
        metrics: Metrics {
            remote_write: urls.iter().cloned().map(Door::open).collect(),
            ..Metrics::default()
        },
        ..fleet()
    }
}

fn asked(selector: &str) -> String {
    let escaped: String = selector.bytes().map(|b| format!("%{b:02X}")).collect();
    format!("/api/v1/history?match={escaped}&from=10m")
}

fn scrape(exporter: &Peer) -> String {
    format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: node\n  static_configs:\n  - targets: [\"127.0.0.1:{}\"]\n",
        exporter.port
    )
}

/// Points of the first series that the selector means; nothing where there is none yet.
async fn points(scene: &Scene, selector: &str) -> Option<Vec<Value>> {
    let (status, body) = scene.call("GET", &asked(selector), None).await;
    assert_eq!(status, StatusCode::OK, "{selector}: {body}");
    let points = body["series"][0]["points"].as_array()?;
    (!points.is_empty()).then(|| points.clone())
}

/// What node-exporter says of this machine must arrive under Stead's names and in its units.
async fn read_as_own(scene: &Scene, peer: &Peer) {
    let theirs = async |query: &str| {
        let path = format!("/api/v1/query?query={query}");
        let answer = peer.get(&path).await;
        let value = answer["data"]["result"][0]["value"][1].as_str()?;
        value.parse::<f64>().ok()
    };
    let total = until("a scrape", async || {
        theirs("node_memory_MemTotal_bytes").await
    })
    .await;
    for selector in [
        "stead_node_cpu_percent{node=\"piha\",mode=\"idle\"}",
        "stead_node_load1{node=\"piha\"}",
        "stead_node_memory_available_bytes{node=\"piha\"}",
        "stead_node_memory_used_bytes{node=\"piha\"}",
        "stead_node_swap_used_bytes{node=\"piha\"}",
        "stead_node_filesystem_used_percent{node=\"piha\",mount=\"/\"}",
        "stead_node_filesystem_inodes_percent{node=\"piha\",mount=\"/\"}",
        "stead_node_uptime_seconds{node=\"piha\"}",
        "stead_node_network_receive_bytes_per_second{node=\"piha\"}",
        "stead_node_disk_write_bytes_per_second{node=\"piha\"}",
        "stead_node_threads_running{node=~\"pi.*\"}",
        "node_load1{node=\"piha\"}",
    ] {
        until(selector, async || points(scene, selector).await).await;
    }
    let last = |points: Vec<Value>| points.last().unwrap()[2].as_f64().unwrap();
    let memory = points(scene, "stead_node_memory_total_bytes{node=\"piha\"}").await;
    assert_eq!(memory.map(last), Some(total));
    let share = "stead_node_filesystem_used_percent{node=\"piha\",mount=\"/\"}";
    let used = last(points(scene, share).await.unwrap());
    assert!((0.5..100.0).contains(&used), "{used}");
    let (_, modes) = scene
        .call("GET", &asked("stead_node_cpu_percent{node=\"piha\"}"), None)
        .await;
    let modes = modes["series"].as_array().unwrap();
    let sum: f64 = modes
        .iter()
        .map(|mode| last(mode["points"].as_array().unwrap().clone()))
        .sum();
    assert!(
        modes.len() >= 7 && (sum - 100.0).abs() < 1.0,
        "{sum} of {modes:?}"
    );
    let names = scene
        .get("/api/v1/history/series?match=stead_node_load1&from=1h")
        .await;
    assert_eq!(
        names["series"][0]["selector"],
        "stead_node_load1{node=\"piha\"}"
    );
    let trends = scene.get("/api/v1/trends/memory?node=piha&range=1h").await;
    assert_eq!(trends["trends"][0]["node"], "piha", "{trends}");
    let none = points(scene, "stead_node_load1{node=\"attic\"}").await;
    assert_eq!(none, None, "what is of no node of the fleet is left out");
}

#[tokio::test]
async fn node_exporters_series_are_read_from_a_real_prometheus_until_it_is_gone() {
    if !there("prometheus") || !there("prometheus-node-exporter") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let exporter = Peer::node_exporter().await;
    let peer = Peer::prometheus(dir.path(), &scrape(&exporter)).await;
    let scene = Scene::well().await;
    let instance = format!("127.0.0.1:{}", exporter.port);
    scene.desire(reading(peer.url(), &instance)).await;
    read_as_own(&scene, &peer).await;

    // Gone: said where its data would be, and nothing else is hurt.
    let own = scene.handle.now().at.0 / 10_000 * 10_000;
    let address = peer.url();
    drop(peer);
    let (status, body) = scene
        .call("GET", &asked("stead_node_load1{node=\"piha\"}"), None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("history-away")),
        "{body}"
    );
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.contains(&address) && detail.contains("does not answer since"),
        "{detail}"
    );
    until("its absence is shown on every page", async || {
        let health = scene.get("/healthz").await;
        let troubles = health["troubles"].as_array()?;
        troubles
            .iter()
            .any(|t| t["code"] == "history-away")
            .then_some(())
    })
    .await;
    for n in 0..3 {
        let sample = HostSample {
            at: Time(own + n * 10_000 - 20_000),
            load1: 3.0,
            ..HostSample::default()
        };
        scene.history.offer(&node(), &sample, &[]);
    }
    until("what Stead has itself is answered", async || {
        let selector = "stead_node_load1{node=\"piha\"}";
        let (status, body) = scene.call("GET", &asked(selector), None).await;
        (status == StatusCode::OK && body["series"][0]["points"][0][2] == 3.0).then_some(())
    })
    .await;
    assert_eq!(scene.get("/api/v1/nodes").await[0]["name"], "piha");

    // No longer wanted: no trouble.
    scene.desire(fleet()).await;
    until("the trouble is over", async || {
        let health = scene.get("/healthz").await;
        health["troubles"].as_array()?.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn node_exporters_series_are_read_from_a_real_victoria_metrics() {
    if !there("victoria-metrics") || !there("prometheus-node-exporter") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let exporter = Peer::node_exporter().await;
    let peer = Peer::victoria_metrics(dir.path(), &scrape(&exporter)).await;
    let scene = Scene::well().await;
    let instance = format!("127.0.0.1:{}", exporter.port);
    scene.desire(reading(peer.url(), &instance)).await;
    read_as_own(&scene, &peer).await;
}

#[tokio::test]
async fn a_prometheus_that_hangs_holds_nobody_up_twice() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = socket.accept().await {
            open.push(connection);
        }
    });
    let scene = Scene::well().await;
    scene.desire(reading(url, "x")).await;
    let selector = asked("stead_node_load1{node=\"piha\"}");
    let body = until("its silence is told", async || {
        let (status, body) = scene.call("GET", &selector, None).await;
        (status == StatusCode::SERVICE_UNAVAILABLE && body["code"] == "history-away")
            .then_some(body)
    })
    .await;
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("no answer within 10 s"),
        "{body}"
    );
    let before = tokio::time::Instant::now();
    let (status, _) = scene.call("GET", &selector, None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        before.elapsed().as_secs() < 5,
        "it is not waited for again at once"
    );
    assert_eq!(scene.get("/summary").await["services"]["healthy"], 2);
}

/// Twenty steps of a node, as its agent would say them.
async fn measure(scene: &Scene) -> i64 {
    let now = scene.handle.now().at.0 / 10_000 * 10_000;
    for n in 0..=20 {
        let sample = HostSample {
            at: Time(now - (20 - n) * 10_000),
            cpu: Some(CpuShare {
                steal: n as f32 / 4.0,
                ..CpuShare::default()
            }),
            memory: Memory {
                total: 8 << 30,
                available: (n as u64) << 28,
                ..Memory::default()
            },
            load1: 0.25 * n as f32,
            ..HostSample::default()
        };
        scene.history.offer(&node(), &sample, &[]);
    }
    now
}

/// A counter of `/metrics`.
async fn counted(scene: &Scene, name: &str) -> Option<u64> {
    let plain = request("GET", "/metrics").body(Body::empty()).unwrap();
    let (_, text) = read(scene.send(plain).await).await;
    let line = text.as_str()?.lines().find(|l| l.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn what_is_recorded_arrives_at_prometheus_and_at_victoria_metrics_unchanged() {
    if !there("prometheus") || !there("victoria-metrics") {
        return;
    }
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let prometheus = Peer::prometheus(one.path(), "").await;
    let victoria = Peer::victoria_metrics(other.path(), "").await;
    let scene = Scene::well().await;
    until("the history is open", async || {
        scene.history.store().map(drop)
    })
    .await;
    let urls = [&prometheus, &victoria].map(|peer| format!("{}/api/v1/write", peer.url()));
    scene.desire(sending(&urls)).await;
    until("the receivers are known", async || {
        (scene.history.sent()?.receivers == 2).then_some(())
    })
    .await;
    let now = measure(&scene).await;
    until("all of it arrived", async || {
        let sent = scene.history.sent()?;
        let stored = scene.history.stats()?.samples;
        (stored > 300 && sent.waiting == 0 && sent.sent == 2 * stored).then_some(())
    })
    .await;
    let sent = scene.history.sent().unwrap();
    assert_eq!((sent.dropped, sent.refused), (0, 0));
    assert_eq!(
        counted(&scene, "stead_remote_write_sent_total").await,
        Some(sent.sent)
    );
    for metric in ["stead_node_load1", "stead_node_memory_available_bytes"] {
        let (from, to) = ((now - 190_000) / 1_000, (now - 10_000) / 1_000);
        let path = format!("/api/v1/query_range?query={metric}&start={from}&end={to}&step=10s");
        let ours = scene.get(&format!("/prometheus{path}")).await;
        let ours = &ours["data"]["result"][0];
        assert_eq!(ours["values"].as_array().unwrap().len(), 19);
        for peer in [&prometheus, &victoria] {
            let theirs = until("it can be read", async || {
                let answer = peer.get(&path).await;
                let found = answer["data"]["result"][0].clone();
                (found["values"].as_array()?.len() == 19).then_some(found)
            })
            .await;
            assert_eq!(&theirs, ours, "{metric}");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_shown_and_gets_what_waited_once_it_is() {
    if !there("prometheus") {
        return;
    }
    // Somebody else has its place, and refuses everything for now.
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let answer = {
        let taken = std::sync::Arc::clone(&taken);
        async move || match taken.load(std::sync::atomic::Ordering::Relaxed) {
            true => StatusCode::NO_CONTENT,
            false => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    let url = receiver(answer).await;
    let scene = sends(&url, true).await;
    measure(&scene).await;
    let shown = until("its absence is shown", async || {
        let health = scene.get("/healthz").await;
        let troubles = health["troubles"].as_array()?.clone();
        troubles.into_iter().find(|t| t["code"] == "remote-write")
    })
    .await;
    assert!(shown["text"].as_str().unwrap().contains(&url), "{shown}");
    until("Stead's own history has all of it", async || {
        (scene.history.stats()?.samples > 300).then_some(())
    })
    .await;
    let sent = scene.history.sent().unwrap();
    assert!(sent.waiting > 300 && sent.sent == 0, "{sent:?}");
    taken.store(true, std::sync::atomic::Ordering::Relaxed);
    until("what waited arrives", async || {
        let sent = scene.history.sent()?;
        (sent.waiting == 0 && sent.sent > 300 && sent.dropped == 0).then_some(())
    })
    .await;
    let health = scene.get("/healthz").await;
    assert_eq!(
        health["troubles"].as_array().map(Vec::len),
        Some(0),
        "{health}"
    );
}

/// Somebody who takes samples, or does not, as `answer` says; where that is.
async fn receiver<T: 'static>(answer: impl Handler<T, ()>) -> String {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/write", socket.local_addr().unwrap());
    let router = axum::Router::new().route("/api/v1/write", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(socket, router).await });
    url
}

/// A scene whose samples go to `url`, and whether it keeps them itself.
async fn sends(url: &str, record: bool) -> Scene {
    let scene = Scene::well().await;
    until("the history is open", async || {
        scene.history.store().map(drop)
    })
    .await;
    let mut wanted = sending(&[url.to_owned()]);
    wanted.metrics.record = record;
    scene.desire(wanted).await;
    until("the receiver is known", async || {
        (scene.history.sent()?.receivers == 1).then_some(())
    })
    .await;
    scene
}

#[tokio::test]
async fn where_somebody_else_keeps_samples_none_are_kept_here() {
    let scene = sends(&receiver(async || StatusCode::NO_CONTENT).await, false).await;
    measure(&scene).await;
    until("they arrived there", async || {
        let sent = scene.history.sent()?;
        (sent.waiting == 0 && sent.sent > 300).then_some(())
    })
    .await;
    assert_eq!(scene.history.stats().unwrap().samples, 0);
}

#[tokio::test]
async fn a_receiver_that_is_no_longer_wanted_gets_nothing_and_is_no_trouble() {
    let scene = sends(
        &receiver(async || StatusCode::SERVICE_UNAVAILABLE).await,
        true,
    )
    .await;
    measure(&scene).await;
    troubled(&scene, "remote-write").await;
    scene.desire(fleet()).await;
    until("what waited is given up", async || {
        let sent = scene.history.sent()?;
        (sent.receivers == 0 && sent.waiting == 0).then_some(())
    })
    .await;
    let health = scene.get("/healthz").await;
    assert_eq!(health["troubles"].as_array().map(Vec::len), Some(0));
    assert_eq!(scene.history.sent().unwrap().sent, 0);
}

#[tokio::test]
async fn a_batch_that_is_refused_for_good_is_halved_until_what_is_taken_is_taken() {
    // Nothing but small requests is taken.
    let url = receiver(async |body: bytes::Bytes| match body.len() {
        0..=600 => StatusCode::NO_CONTENT,
        _ => StatusCode::BAD_REQUEST,
    })
    .await;
    let scene = sends(&url, true).await;
    measure(&scene).await;
    let sent = until("each of them arrived or was refused", async || {
        let sent = scene.history.sent()?;
        let all = sent.sent + sent.refused;
        (sent.waiting == 0 && all > 300 && all == scene.history.stats()?.samples).then_some(sent)
    })
    .await;
    assert_eq!((sent.refused, sent.dropped), (0, 0));
}

/// What the trouble `code` says, once there is one.
async fn troubled(scene: &Scene, code: &str) -> String {
    until(code, async || {
        let health = scene.get("/healthz").await;
        let troubles = health["troubles"].as_array()?.clone();
        let found = troubles.into_iter().find(|t| t["code"] == code)?;
        Some(found["text"].as_str()?.to_owned())
    })
    .await
}

#[tokio::test]
async fn a_prometheus_behind_a_password_is_read_and_written_to_with_the_right_one_only() {
    if !there("prometheus") || !there("prometheus-node-exporter") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let exporter = Peer::node_exporter().await;
    let peer = Peer::guarded_prometheus(dir.path(), &scrape(&exporter)).await;
    let scene = Scene::well().await;
    let instance = format!("127.0.0.1:{}", exporter.port);
    let mut wanted = reading(peer.url(), &instance);
    let source = wanted.metrics.read.as_mut().unwrap();
    source.door = locked(peer.url());
    wanted.metrics.remote_write = vec![locked(format!("{}/api/v1/write", peer.url()))];

    scene.keep_secret("prom", "wrong");
    scene.desire(wanted).await;
    let said = troubled(&scene, "history-away").await;
    assert!(said.contains("401") && !said.contains("wrong"), "{said}");
    until("the history is open", async || {
        scene.history.store().map(drop)
    })
    .await;
    let now = measure(&scene).await;
    let said = troubled(&scene, "remote-write").await;
    assert!(said.contains("401") && !said.contains("wrong"), "{said}");

    // The secret is read anew: no restart.
    scene.keep_secret("prom", "hunter2");
    let selector = "node_load1{node=\"piha\"}";
    until("it is read", async || {
        let (status, body) = scene.call("GET", &asked(selector), None).await;
        let points = body["series"][0]["points"].as_array()?.len();
        (status == StatusCode::OK && points > 0).then_some(())
    })
    .await;
    until("what waited arrives", async || {
        let sent = scene.history.sent()?;
        (sent.waiting == 0 && sent.sent > 300 && sent.dropped == 0).then_some(())
    })
    .await;
    let (from, to) = ((now - 190_000) / 1_000, (now - 10_000) / 1_000);
    let path = format!("/api/v1/query_range?query=stead_node_load1&start={from}&end={to}&step=10s");
    until("it can be read there", async || {
        let answer = peer.get(&path).await;
        (answer["data"]["result"][0]["values"].as_array()?.len() == 19).then_some(())
    })
    .await;
    until("all trouble is over", async || {
        let health = scene.get("/healthz").await;
        health["troubles"].as_array()?.is_empty().then_some(())
    })
    .await;
}

/// A gate before `peer` that a token opens, as proxies do; what comes to be written it takes itself, and counts.
async fn gate(peer: Peer, taken: Arc<AtomicU64>) -> String {
    let peer = Arc::new(peer);
    let pass = move |request: axum::extract::Request| {
        let (peer, taken) = (Arc::clone(&peer), Arc::clone(&taken));
        async move {
            let shown = request.headers().get("authorization").cloned();
            if shown.is_none_or(|shown| shown != "Bearer hunter2") {
                return Err(StatusCode::FORBIDDEN);
            }
            let path = request.uri().path().to_owned();
            if path == "/api/v1/write" {
                taken.fetch_add(1, Ordering::Relaxed);
                return Err(StatusCode::NO_CONTENT);
            }
            let form = axum::body::to_bytes(request.into_body(), 1 << 20)
                .await
                .unwrap();
            let form = String::from_utf8(form.to_vec()).unwrap();
            let answer = peer.ask("POST", &path, &form).await;
            answer
                .map(|(_, body)| axum::Json(body))
                .ok_or(StatusCode::BAD_GATEWAY)
        }
    };
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let router = axum::Router::new().fallback(pass);
    tokio::spawn(async move { axum::serve(socket, router).await });
    url
}

#[tokio::test]
async fn a_prometheus_behind_a_token_is_read_and_written_to_with_it() {
    if !there("prometheus") || !there("prometheus-node-exporter") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let exporter = Peer::node_exporter().await;
    let peer = Peer::prometheus(dir.path(), &scrape(&exporter)).await;
    let taken = Arc::new(AtomicU64::new(0));
    let url = gate(peer, Arc::clone(&taken)).await;
    let scene = Scene::well().await;
    let mut wanted = reading(url.clone(), &format!("127.0.0.1:{}", exporter.port));
    wanted.metrics.read.as_mut().unwrap().door = bearing(url.clone());
    wanted.metrics.remote_write = vec![bearing(format!("{url}/api/v1/write"))];
    scene.desire(wanted).await;
    // No such secret yet.
    let said = troubled(&scene, "history-away").await;
    assert!(said.contains("there is no secret \"prom\""), "{said}");
    scene.keep_secret("prom", "hunter2");
    until("it is read", async || {
        let (status, body) = scene
            .call("GET", &asked("node_load1{node=\"piha\"}"), None)
            .await;
        let points = body["series"][0]["points"].as_array()?.len();
        (status == StatusCode::OK && points > 0).then_some(())
    })
    .await;
    until("the history is open", async || {
        scene.history.store().map(drop)
    })
    .await;
    measure(&scene).await;
    until("what is recorded is sent", async || {
        let sent = scene.history.sent()?;
        (sent.waiting == 0 && sent.sent > 300).then_some(())
    })
    .await;
    assert!(taken.load(Ordering::Relaxed) > 0);
}
