//! Samples on their way through: offered as sessions do, folded, stored, asked for.

use http::StatusCode;
use stead_core::event::{Body, NodeSynced};
use stead_core::facts::{ContainerFacts, Fact};
use stead_core::sample::{CpuShare, Filesystem, HostSample, Memory};
use stead_core::time::{Span, Time};
use stead_ports::clock::{Clock, SystemClock};
use stead_ports::history::{Entry, Labels, Sample, Writer};
use stead_server::http::Hosts;

use crate::scene::{Scene, fleet, node, running, until, written};

const CPU: &str =
    "/api/v1/history?match=stead_node_cpu_percent%7Bnode%3D%22piha%22%2Cmode%3D%22steal%22%7D";

fn sample(at: Time, steal: f32, used: f32) -> HostSample {
    HostSample {
        at,
        cpu: Some(CpuShare {
            steal,
            ..CpuShare::default()
        }),
        memory: Memory {
            total: 8 << 30,
            available: 7 << 30,
            ..Memory::default()
        },
        filesystems: vec![Filesystem {
            mount: "/srv".into(),
            fs: "ext4".into(),
            device: "vda".into(),
            total: 1000,
            used: 600,
            available: 400,
            used_percent: used,
            inodes_percent: None,
        }],
        ..HostSample::default()
    }
}

/// A scene whose history is open, with `count` samples, `apart`, the last one now; the disk fills by `growth` each.
async fn measured(count: i64, apart: Span, growth: f32) -> Scene {
    let scene = Scene::well().await;
    until("the history is open", async || {
        scene.history.reader().map(drop)
    })
    .await;
    let apart = apart.0 as i64;
    let now = scene.handle.now().at.0;
    for n in 0..=count {
        let at = Time(now - (count - n) * apart);
        let wave = if n % 2 == 0 { 0.2 } else { 0.0 };
        let sample = sample(at, 6.0, 50.0 + growth * n as f32 + wave);
        scene.history.offer(&node(), &sample, &[]);
        if n % 500 == 0 {
            drained(&scene).await;
        }
    }
    drained(&scene).await;
    scene
}

async fn drained(scene: &Scene) {
    until("everything was folded", async || {
        let counted = scene.history.counted();
        assert_eq!((counted.dropped, counted.lost), (0, 0));
        let stats = scene.history.stats().unwrap();
        (stats.samples > 0 || counted.readings < 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_measured_is_answered_by_range() {
    let scene = measured(60, Span::secs(5), 0.0).await;
    let answer = until("the last step but one is there", async || {
        let answer = scene.get(&format!("{CPU}&from=10m&step=10s")).await;
        let points = answer["series"][0]["points"].as_array()?.len();
        (points >= 30).then_some(answer)
    })
    .await;
    let series = &answer["series"][0];
    assert_eq!(series["metric"], "stead_node_cpu_percent");
    assert_eq!(series["labels"]["mode"], "steal");
    assert_eq!(series["unit"], "percent");
    assert_eq!(answer["tiers"][0]["step_ms"], 10_000);
    let point = series["points"][3].as_array().unwrap();
    assert_eq!(point.len(), 4);
    assert_eq!(point[0].as_i64().unwrap() % 10_000, 0, "on the grid");
    assert!((point[2].as_f64().unwrap() - 6.0).abs() < 0.01);

    let names = scene
        .get("/api/v1/history/series?match=%7Bnode%3D%22piha%22%7D&from=1h")
        .await;
    let names: Vec<&str> = names["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["selector"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"stead_node_filesystem_used_percent{mount=\"/srv\",node=\"piha\"}"),
        "{names:?}"
    );
    assert!(
        names.contains(&"stead_node_unhealthy_services{node=\"piha\"}"),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_why() {
    let scene = measured(2, Span::secs(10), 0.0).await;
    for (path, status, code) in [
        ("/api/v1/history", 400, "bad-query"),
        ("/api/v1/history?match=%7B%7D", 400, "history-selector"),
        (
            "/api/v1/history?match=up%7Ba%3D~%22(%22%7D",
            400,
            "history-selector",
        ),
        ("/api/v1/history?match=up&step=often", 400, "bad-query"),
        ("/api/v1/history?match=up&from=soon", 400, "bad-query"),
        ("/api/v1/history?match=up&from=1h&to=2h", 400, "bad-period"),
        (
            "/api/v1/history?match=stead_node_load1&from=700d&step=10s",
            422,
            "history-too-much",
        ),
        ("/api/v1/history/series", 400, "bad-query"),
        ("/api/v1/trends/nonsense", 404, "unknown-metric"),
        ("/api/v1/trends/no_such_metric", 404, "unknown-metric"),
        ("/api/v1/trends/disk?range=1s", 400, "bad-query"),
        ("/api/v1/trends/disk?range=fast", 400, "bad-query"),
        ("/api/v1/trends/disk?node=nobody", 404, "unknown-node"),
        ("/api/v1/nodes/nobody/score", 404, "unknown-node"),
        ("/api/v1/score?at=2h", 400, "past-unknown"),
    ] {
        let (answered, body) = scene.call("GET", path, None).await;
        assert_eq!(
            (answered.as_u16(), body["code"].as_str()),
            (status, Some(code)),
            "{path}: {body}"
        );
    }
    let (status, empty) = scene
        .call("GET", "/api/v1/history?match=no_such_metric", None)
        .await;
    assert_eq!(
        (status, empty["series"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(0))
    );
}

#[tokio::test]
async fn a_disk_that_fills_has_a_trend_with_a_range() {
    // Two days, one sample every ten minutes: 288 of them, from 50 to 59.
    let scene = measured(288, Span::mins(10), 9.0 / 288.0).await;
    let answer = until("the trend is there", async || {
        let answer = scene.get("/api/v1/trends/disk?node=piha&range=3d").await;
        answer["trends"][0]["slope"].is_object().then_some(answer)
    })
    .await;
    let trend = &answer["trends"][0];
    assert_eq!(
        (trend["name"].as_str(), trend["node"].as_str()),
        (Some("/srv"), Some("piha"))
    );
    let per_day = trend["slope"]["per_day"].as_f64().unwrap();
    assert!((4.3..4.7).contains(&per_day), "{per_day}");
    assert_eq!(trend["slope"]["direction"], "rising");
    let answers: Vec<&str> = trend["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["answer"].as_str().unwrap())
        .collect();
    assert_eq!(answers, ["reached", "within", "within"]);
    let sentence = trend["sentence"].as_str().unwrap();
    assert!(sentence.contains("reaches 70 % in"), "{sentence}");

    let drawn = trend["annotations"].as_array().unwrap();
    assert!(
        drawn.iter().any(|a| a["kind"] == "config"),
        "the fleet's files concern every node: {drawn:?}"
    );
    let Fact::Container(facts) = running() else {
        unreachable!("it is a container")
    };
    let now = scene.handle.now().at;
    let anew = |id: &str, image: &str, created: Time| {
        Fact::Container(ContainerFacts {
            id: id.into(),
            image: image.into(),
            created_at: created,
            started_at: Some(now),
            ..facts.clone()
        })
    };
    let yesterday = Time(now.0 - 86_400_000);
    scene.observe("old", anew("a", "blog:1", yesterday)).await;
    scene.observe("web", anew("b", "shop:2", now)).await;
    let answer = scene.get("/api/v1/trends/disk?node=piha&range=3d").await;
    let drawn = answer["trends"][0]["annotations"].as_array().unwrap();
    let deploys: Vec<&str> = drawn
        .iter()
        .filter(|a| a["kind"] == "deploy")
        .map(|a| a["what"].as_str().unwrap())
        .collect();
    assert_eq!(deploys, ["web (shop:2)"], "whoever did it: {drawn:?}");
    let mut other = fleet();
    let own = &mut other.nodes.get_mut(&node()).unwrap().thresholds;
    own.disk_warn = 66.0;
    scene.desire(other).await;
    let answer = scene.get("/api/v1/trends/disk?node=piha&range=3d").await;
    assert_eq!(
        answer["trends"][0]["projections"][1]["label"], "66 %",
        "by the node's own bounds"
    );

    let thin = scene.get("/api/v1/trends/steal?range=1h").await;
    assert_eq!(thin["trends"][0]["refusal"]["why"], "too_few", "{thin}");
    let fleet = scene.get("/api/v1/trends/containers").await;
    assert_eq!(fleet["title"], "Unhealthy services");
}

#[tokio::test]
async fn the_score_is_read_from_what_is_measured_now() {
    let scene = Scene::well().await;
    let before = scene.get("/api/v1/score").await;
    assert_eq!(
        (before["score"].as_u64(), before["unscored"].as_u64()),
        (None, Some(1))
    );
    let (node, now) = (node(), scene.handle.now().at);
    scene.handle.linked(&node, 1);
    scene
        .handle
        .sample(&node, sample(now, 6.2, 60.0), Vec::new());
    let card = scene.get("/api/v1/nodes/piha/score").await;
    let dimension = |kind: &str| {
        let all = card["dimensions"].as_array().unwrap();
        all.iter().find(|d| d["kind"] == kind).unwrap().clone()
    };
    assert_eq!(
        dimension("cpu")["points"],
        10,
        "6.2 % is above 5 and below 10"
    );
    assert_eq!(dimension("memory")["points"], 20);
    assert_eq!(dimension("disk")["points"], 5);
    assert_eq!(dimension("services")["points"], 20);
    assert_eq!(dimension("maintenance")["points"], 0);
    assert_eq!(dimension("llm")["points"], 7);
    assert_eq!(
        (card["score"].as_u64(), card["partial"].as_bool()),
        (Some(62), Some(false))
    );
    assert_eq!(
        dimension("disk")["fix"]["command"],
        "stead actions start disk_cleanup node/piha"
    );
    let fleet = until("the fleet's score is made anew", async || {
        let fleet = scene.get("/api/v1/score").await;
        fleet["score"].is_u64().then_some(fleet)
    })
    .await;
    assert_eq!(scene.get("/summary").await["score"], 62.0);
    assert_eq!(
        scene.get("/api/v1/overview").await["summary"]["score"],
        62.0
    );
    assert_eq!(scene.get("/api/v1/nodes").await[0]["score"], 62.0);
    assert_eq!(fleet["worst"]["node"], "piha");
    assert_eq!(fleet["worst"]["most_lost"]["kind"], "maintenance");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_shown_and_all_else_runs() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("history"), "in the way").unwrap();
    let scene = Scene::on(Default::default(), Default::default(), data).await;
    scene.load().await;
    let health = until("the trouble is shown", async || {
        let health = scene.get("/healthz").await;
        let troubles = health["troubles"].as_array()?;
        let shown = troubles.iter().any(|t| t["code"] == "history-io");
        shown.then_some(health)
    })
    .await;
    assert_eq!(health["status"], "trouble");
    let (status, body) = scene
        .call("GET", "/api/v1/history?match=stead_node_load1", None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("no-history"))
    );
    scene
        .history
        .offer(&node(), &sample(Time(0), 0.0, 0.0), &[]);
    until("what nobody can keep is counted", async || {
        let metrics = scene.get("/metrics").await;
        let metrics = metrics.as_str()?.to_string();
        metrics
            .contains("stead_history_dropped_total 1")
            .then_some(())
    })
    .await;
    assert_eq!(scene.get("/summary").await["services"]["healthy"], 2);
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let scene = measured(60, Span::secs(10), 0.0).await;
    until("some steps are stored", async || {
        let stats = scene.history.stats()?;
        (stats.samples > 500).then_some(())
    })
    .await;
    // Nothing is closed: whatever was accepted is in the files, as after a kill.
    let copy = tempfile::tempdir().unwrap();
    let (from, to) = (
        scene.data.path().join("history"),
        copy.path().join("history"),
    );
    std::fs::create_dir(&to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    let again = Scene::on(Default::default(), Default::default(), copy).await;
    let answer = until("the history is open", async || {
        let (status, body) = again.call("GET", &format!("{CPU}&from=1h"), None).await;
        (status == StatusCode::OK).then_some(body)
    })
    .await;
    let points = answer["series"][0]["points"].as_array().map(Vec::len);
    assert!(points >= Some(40), "{points:?}");
    let metrics = scene.get("/metrics").await;
    let metrics = metrics.as_str().unwrap();
    assert!(
        metrics.contains("stead_history_readings_total 61"),
        "{metrics}"
    );
    assert!(
        metrics.contains("stead_history_refused_total{reason=\"future\"} 0"),
        "{metrics}"
    );
}

/// A counter of `/metrics`, by the beginning of its line.
async fn counted(scene: &Scene, name: &str) -> Option<u64> {
    let metrics = scene.get("/metrics").await;
    let line = metrics
        .as_str()?
        .lines()
        .find(|l| l.starts_with(name))?
        .to_owned();
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn samples_of_a_wrong_clock_are_refused_and_counted_and_the_right_ones_are_kept() {
    let scene = Scene::well().await;
    until("the history is open", async || {
        scene.history.store().map(drop)
    })
    .await;
    let now = scene.handle.now().at.0 / 10_000 * 10_000;
    let at = |at: i64| sample(Time(at), 1.0, 50.0);
    // Another node, so that each has a step of its own: one is a day ahead, one goes back an hour after it was right.
    let ahead = "attic".parse().unwrap();
    for n in 0..3 {
        scene
            .history
            .offer(&ahead, &at(now + 86_400_000 + n * 10_000), &[]);
        scene
            .history
            .offer(&node(), &at(now - 60_000 + n * 10_000), &[]);
    }
    for n in 0..3 {
        scene
            .history
            .offer(&node(), &at(now - 3_600_000 + n * 10_000), &[]);
    }
    scene.history.offer(&node(), &at(now - 20_000), &[]);
    scene.history.offer(&node(), &at(now - 10_000), &[]);
    until("both are counted", async || {
        let future = counted(&scene, "stead_history_refused_total{reason=\"future\"}").await?;
        let disorder = counted(&scene, "stead_history_refused_total{reason=\"disorder\"}").await?;
        (future > 10 && disorder > 10).then_some(())
    })
    .await;
    let steps = until(
        "what was right is kept, and what came after it",
        async || {
            let answer = scene.get(&format!("{CPU}&from=10m&step=10s")).await;
            let points = answer["series"][0]["points"].as_array()?.clone();
            (points.len() >= 4).then_some(points)
        },
    )
    .await;
    let last = steps.last().unwrap()[0].as_i64().unwrap();
    assert_eq!(last, now - 20_000, "{steps:?}");
    let none = scene
        .get("/api/v1/history?match=%7Bnode%3D%22attic%22%7D&from=10m")
        .await;
    assert_eq!(none["series"].as_array().map(Vec::len), Some(0), "{none}");
    assert_eq!(scene.get("/healthz").await["status"], "ok");
}

#[tokio::test]
async fn a_metric_with_a_million_series_takes_a_bounded_place_and_no_other() {
    let scene = Scene::well().await;
    let store = until("the history is open", async || {
        scene.history.store().cloned()
    })
    .await;
    let now = scene.handle.now().at.0 / 10_000 * 10_000;
    let entry = |metric: &str, n: u32, at: i64| Entry {
        labels: Labels::new(metric, [("node", "piha"), ("n", n.to_string().as_str())]),
        sample: Sample {
            at: Time(at),
            value: 1.0,
        },
    };
    // As a mistaken label would, in batches.
    for batch in 0..100_u32 {
        let many = (0..10_000).map(|n| entry("runaway", batch * 10_000 + n, now));
        store.append(many.collect()).await.unwrap();
    }
    let full = counted(
        &scene,
        "stead_history_refused_total{reason=\"metric_full\"}",
    )
    .await;
    assert_eq!(full, Some(950_000));
    assert_eq!(counted(&scene, "stead_history_series").await, Some(50_000));
    store.append(vec![entry("other", 1, now)]).await.unwrap();
    let other = scene.get("/api/v1/history?match=other&from=10m").await;
    assert_eq!(other["series"].as_array().map(Vec::len), Some(1));
    let (status, body) = scene
        .call("GET", "/api/v1/history?match=runaway&from=10m", None)
        .await;
    assert_eq!(
        (status.as_u16(), body["code"].as_str()),
        (422, Some("history-too-much"))
    );
    let query = "/prometheus/api/v1/query?query=count(runaway)";
    let (status, body) = scene.call("GET", query, None).await;
    assert_eq!(
        (status.as_u16(), &body["errorType"]),
        (422, &"execution".into())
    );
    let values = scene.get("/prometheus/api/v1/label/__name__/values").await;
    assert!(
        values["data"]
            .as_array()
            .unwrap()
            .contains(&"runaway".into())
    );
}

#[tokio::test]
async fn how_many_services_are_ill_is_not_recorded_of_a_node_that_was_not_heard() {
    // Stead starts again, and its agent says numbers before it says how everything is.
    let synced = Body::NodeSynced(NodeSynced::default());
    let before = Time(SystemClock::new().wall().0 - 3_600_000);
    let disk = written([(before, "node/piha", synced)]).await;
    let scene = Scene::on(Hosts::default(), disk, tempfile::tempdir().unwrap()).await;
    scene.desire(fleet()).await;
    let piha = scene.get("/api/v1/nodes/piha").await;
    assert_ne!(piha["node"]["evidence"], "fresh", "{piha}");
    until("the history is open", async || {
        scene.history.reader().map(drop)
    })
    .await;
    let now = scene.handle.now().at.0;
    for n in 0..4 {
        let at = Time(now - (4 - n) * 10_000);
        scene.history.offer(&node(), &sample(at, 1.0, 50.0), &[]);
    }
    let ill = "/api/v1/history/series?match=stead_node_unhealthy_services&from=1h";
    until("the steps are kept", async || {
        (scene.history.stats()?.samples > 20).then_some(())
    })
    .await;
    assert_eq!(scene.get(ill).await["series"], serde_json::json!([]));
    scene.load().await;
    for n in 1..4 {
        let at = Time(now + n * 10_000);
        scene.history.offer(&node(), &sample(at, 1.0, 50.0), &[]);
    }
    until("it is counted from then on", async || {
        let found = scene.get(ill).await["series"].clone();
        (found.as_array()?.len() == 1).then_some(())
    })
    .await;
}
