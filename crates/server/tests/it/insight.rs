//! What recorded numbers mean: a container that writes far above its own past, and which memory limit fits.

use http::StatusCode;
use serde_json::{Value, json};
use stead_core::container_sample::ContainerSample;
use stead_core::controller::{Change, Input, WritesTurn};
use stead_core::desired::{Fleet, Insight, WriteInsight};
use stead_core::event::{Kind, Severity};
use stead_core::facts::{ContainerFacts, ContainerState, Fact, FactKey, Health};
use stead_core::insight::anomaly::{Anomaly, AnomalySettings};
use stead_core::insight::memory_advice::MemorySettings;
use stead_core::sample::{Filesystem, HostSample};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_server::insight::writes;

use crate::scene::{Scene, container, fleet, node, running, until};

const MIB: u64 = 1 << 20;
const HOUR: i64 = 3_600_000;

fn used(memory_bytes: u64, block_write_per_s: f64) -> ContainerSample {
    ContainerSample {
        name: "web".parse().unwrap(),
        cpu_percent: 1.0,
        memory_bytes,
        memory_limit: 0,
        net_rx_per_s: None,
        net_tx_per_s: None,
        block_read_per_s: 0.0,
        block_write_per_s,
    }
}

fn host(at: Time) -> HostSample {
    let disk = |mount: &str, available| Filesystem {
        mount: mount.into(),
        fs: "ext4".into(),
        device: "vda".into(),
        total: 1 << 40,
        used: 0,
        available,
        used_percent: 1.0,
        inodes_percent: None,
    };
    HostSample {
        at,
        filesystems: vec![disk("/", 1 << 40), disk("/srv", 1)],
        ..HostSample::default()
    }
}

/// `web` was sampled every ten minutes for 40 hours, and `of` says what it did so many whole hours before this one.
async fn recorded(of: impl Fn(i64) -> ContainerSample) -> Scene {
    recorded_until(0, of).await
}

/// The same, but nothing of the last `quiet` hours.
async fn recorded_until(quiet: i64, of: impl Fn(i64) -> ContainerSample) -> Scene {
    let scene = Scene::well().await;
    let judged = AnomalySettings {
        least_past: Span::hours(20),
        floor_per_hour: MIB,
        end: 2,
        ..AnomalySettings::default()
    };
    let insight = Insight {
        writes: WriteInsight {
            bucket: Span::hours(1),
            judged,
        },
        memory: MemorySettings {
            least: Span::hours(20),
            ..MemorySettings::default()
        },
        ..Insight::default()
    };
    scene.desire(Fleet { insight, ..fleet() }).await;
    until("the history is open", async || {
        scene.history.reader().map(drop)
    })
    .await;
    let now = scene.handle.now().at;
    let last = 240 - quiet * 6;
    for n in 0..=last {
        let at = Time(now.0 - (240 - n) * 600_000);
        let hours = now.0.div_euclid(HOUR) - at.0.div_euclid(HOUR);
        scene.history.offer(&node(), &host(at), &[of(hours)]);
    }
    until("the steps are kept", async || {
        let stats = scene.history.stats().unwrap();
        (stats.samples > last as u64 * 5).then_some(())
    })
    .await;
    scene.handle.linked(&node(), 1);
    scene.handle.sample(&node(), host(now), Vec::new());
    scene
}

/// The anomalies of the list, once there are `count`.
async fn anomalies(scene: &Scene, count: usize) -> Vec<Value> {
    until("the list is so long", async || {
        writes::look(&scene.app).await.unwrap();
        let all = scene.get("/api/v1/containers").await;
        let all = all["write_anomalies"].as_array().unwrap().clone();
        (all.len() == count).then_some(all)
    })
    .await
}

#[tokio::test]
async fn a_container_that_writes_far_above_its_past_is_named_until_it_is_gone() {
    let fast = 8.0 * MIB as f64;
    let scene = recorded(|hours| used(MIB, if hours <= 2 { fast } else { 1024.0 })).await;
    let found = anomalies(&scene, 1).await.remove(0);
    assert_eq!(found["subject"], "container/piha/web");
    let rate = found["rate"].as_u64().unwrap();
    assert!(rate > 20 << 30, "bytes an hour: {found}");
    let full = found["full_in_ms"].as_u64().unwrap();
    let hours = (1_u64 << 40) as f64 / rate as f64;
    let days = full as f64 / (hours * 3_600_000.0);
    assert!((0.9..1.1).contains(&days), "of the disk of `/`: {found}");

    // Half of what was left is left: as it is now, not as it was when it began.
    let now = scene.handle.now().at;
    let mut fuller = host(now);
    fuller.filesystems[0].available /= 2;
    scene.handle.sample(&node(), fuller, Vec::new());
    let now = anomalies(&scene, 1).await.remove(0);
    assert_eq!(now["full_in_ms"].as_u64(), Some(full / 2), "{now}");
    let told = async |kind: &str| {
        let events = scene.get(&format!("/api/v1/events?kind={kind}")).await;
        events["events"].as_array().unwrap().clone()
    };
    assert_eq!(told("writes_anomalous").await.len(), 1, "said once");
    let web = scene.get("/api/v1/containers/piha/web").await;
    assert_eq!(web["write_anomaly"]["event"], found["event"]);
    let other = scene.get("/api/v1/containers/piha/z2m").await;
    assert_eq!(other["write_anomaly"], Value::Null);

    let web = FactKey::Container("web".parse().unwrap());
    scene.observed(vec![Change::Gone(web)]).await;
    anomalies(&scene, 0).await;
    assert_eq!(told("writes_usual").await.len(), 1);
}

#[tokio::test]
async fn advice_is_for_what_runs_and_was_measured_and_its_patch_is_made_on_the_node() {
    let scene = recorded(|_| used(100 * MIB, 0.0)).await;
    let told = |advice: &Value| -> Vec<(String, String)> {
        let all = advice["containers"].as_array().unwrap().iter();
        all.map(|a| {
            let word = |key: &str| a[key].as_str().unwrap().to_owned();
            (word("container"), word("advice"))
        })
        .collect()
    };
    let row = |name: &str, advice: &str| (name.to_owned(), advice.to_owned());
    let advice = scene.get("/api/v1/advice/memory").await;
    let (web, stray, z2m) = (
        row("web", "change"),
        row("stray", "refused"),
        row("z2m", "refused"),
    );
    assert_eq!(
        told(&advice),
        [web.clone(), stray, z2m.clone()],
        "what can be done comes first"
    );
    let exited = container(ContainerState::Exited, Health::None);
    scene.observe("stray", exited).await;
    let advice = scene.get("/api/v1/advice/memory").await;
    assert_eq!(told(&advice), [web, z2m]);
    let all = advice["containers"].as_array().unwrap();
    assert_eq!(all[0]["peak"], 100 * MIB);
    assert_eq!(all[0]["lines"], "mem_limit: 144m\nmem_reservation: 112m");
    assert_eq!(all[0]["watch"], Value::Null);
    let patch = |name: &str| format!("/api/v1/advice/memory/piha/{name}/patch");
    let (status, no) = scene.call("GET", &patch("z2m"), None).await;
    assert!(status.is_client_error(), "{no}");
    assert_eq!(no["code"], "no-advice");
    let (_, no) = scene.call("GET", &patch("stray"), None).await;
    assert_eq!(no["code"], "unknown-container");
    let asked = format!(
        "/v1/containers/web/memory-patch?limit={}&reservation={}",
        144 * MIB,
        112 * MIB
    );
    let made =
        json!({"file": "/srv/compose.yml", "service": "web", "diff": "+x", "why": "", "put": ""});
    scene.agents.teach(&asked, &made.to_string());
    let (status, made) = scene.call("GET", &patch("web"), None).await;
    assert_eq!((status, &made["diff"]), (StatusCode::OK, &json!("+x")));
    let mut larger = fleet();
    larger
        .nodes
        .insert("attic".parse().unwrap(), Default::default());
    scene.desire(larger).await;
    let elsewhere = scene.get("/api/v1/advice/memory?node=attic").await;
    assert_eq!(elsewhere["containers"], json!([]), "only of that node");
}

#[tokio::test]
async fn a_kill_at_a_new_limit_raises_it_and_ends_its_watch() {
    let scene = recorded(|_| used(100 * MIB, 0.0)).await;
    let Fact::Container(facts) = running() else {
        unreachable!("it is a container")
    };
    let limited = ContainerFacts {
        memory_limit: 160 * MIB,
        ..facts
    };
    scene.observe("web", Fact::Container(limited)).await;
    let web = async || {
        let advice = scene.get("/api/v1/advice/memory?node=piha").await;
        let all = advice["containers"].as_array().unwrap().clone();
        let found = all.into_iter().find(|a| a["container"] == "web");
        found.expect("it runs")
    };
    let fits = web().await;
    assert_eq!(fits["advice"], "fits", "{fits}");
    assert_eq!(fits["watch"]["verdict"], "watching", "{fits}");
    let kill = |id: &str, limit: bool| Change::Note {
        id: id.to_string(),
        kind: Kind::new("oom_kill").unwrap(),
        subject: "container/piha/web".parse().unwrap(),
        severity: Severity::Warning,
        data: json!({"count": 1, "limit": limit}),
    };
    scene.observed(vec![kill("k1", false)]).await;
    assert_eq!(web().await["advice"], "fits", "the machine ran out, not it");
    scene.observed(vec![kill("k2", true)]).await;
    let raised = web().await;
    assert_eq!(
        (raised["advice"].as_str(), raised["limit"].as_u64()),
        (Some("change"), Some(240 * MIB)),
        "half as much again: {raised}"
    );
    assert_eq!(raised["watch"]["verdict"], "killed");
}

#[tokio::test]
async fn a_container_that_was_stopped_long_ago_is_anomalous_no_more() {
    let scene = recorded_until(5, |_| used(MIB, 1024.0)).await;
    let subject: Subject = "container/piha/web".parse().unwrap();
    let now = scene.handle.now().at;
    let begun = Anomaly {
        since: Time(now.0 - 30 * HOUR),
        rate: 9 * MIB,
        usual: MIB,
        bound: 4 * MIB,
        factor: Some(9.0),
        before: None,
        full_in: None,
    };
    let turn = WritesTurn::Began(begun);
    scene.input(Input::Writes { subject, turn }).await;
    // Nothing was read of it for a while; whether it is over nobody can say while it may run.
    assert_eq!(anomalies(&scene, 1).await.len(), 1);
    let Fact::Container(facts) = container(ContainerState::Exited, Health::None) else {
        unreachable!("it is a container")
    };
    let stopped = ContainerFacts {
        finished_at: Some(Time(now.0 - 5 * HOUR)),
        ..facts
    };
    scene.observe("web", Fact::Container(stopped)).await;
    anomalies(&scene, 0).await;
}
