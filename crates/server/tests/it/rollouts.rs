//! Rolling work and drills, through the routes.

use http::StatusCode;
use serde_json::{Value, json};

use crate::scene::{Scene, until};

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or(""))
}

#[tokio::test]
async fn a_dry_run_lists_its_targets_in_order_and_touches_nothing() {
    let scene = Scene::well().await;
    let asked = json!({"kind": "container_restart", "selector": "service/piha/z*, service/*/web",
        "batch": "50%", "dry_run": true});
    let (status, plan) = scene.post("/api/v1/rollouts", asked).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    let subjects: Vec<&str> = plan["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["service/piha/z2m", "service/piha/web"]);
    assert_eq!((&plan["batch"], &plan["id"]), (&json!(1), &json!(null)));
    assert_eq!(scene.get("/api/v1/rollouts").await, json!([]));
    assert_eq!(scene.get("/api/v1/actions").await, json!([]));
}

#[tokio::test]
async fn a_rollout_works_a_batch_at_a_time_and_is_paused_resumed_and_cancelled() {
    let scene = Scene::well().await;
    let asked = json!({"kind": "container_restart", "selector": "service/piha/*", "batch": 1,
        "max_failures": 2, "note": "new image"});
    let (status, started) = scene.post("/api/v1/rollouts", asked).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{started}");
    let id = started["id"].as_str().unwrap().to_string();
    let path = format!("/api/v1/rollouts/{id}");
    let rollout = until("its first target to work", async || {
        let rollout = scene.get(&path).await;
        (rollout["counts"]["working"] == 1).then_some(rollout)
    })
    .await;
    assert_eq!(rollout["state"], "running");
    assert_eq!(rollout["counts"]["waiting"], 1);
    assert_eq!(rollout["max_failures"], 2);
    assert_eq!(rollout["by"], "admin");
    assert_eq!(
        scene.get("/api/v1/overview").await["rollouts"][0]["id"],
        *id
    );

    let post = async |word: &str| scene.post(&format!("{path}/{word}"), json!({})).await;
    assert_eq!(post("pause").await.1["state"], "paused");
    assert_eq!(code(&post("pause").await), (409, "rollout-state"));
    assert_eq!(post("resume").await.1["state"], "running");
    assert_eq!(post("cancel").await.1["state"], "cancelled");
    assert_eq!(code(&post("resume").await), (409, "rollout-state"));
    assert_eq!(scene.get("/api/v1/rollouts").await[0]["state"], "cancelled");
}

#[tokio::test]
async fn nothing_selected_is_nothing_done() {
    let scene = Scene::well().await;
    let ask = async |body: Value| scene.post("/api/v1/rollouts", body).await;
    let roll = |selector: &str| json!({"kind": "container_restart", "selector": selector});
    assert_eq!(code(&ask(roll("")).await), (422, "no-targets"));
    let none = ask(roll("service/*/z3*")).await;
    assert_eq!(code(&none), (422, "no-targets"), "{}", none.1);
    assert_eq!(
        code(&ask(roll("services/*/z2m")).await),
        (400, "bad-selector")
    );
    let kind = ask(json!({"kind": "restart", "selector": "service/*/z2m"})).await;
    assert_eq!(code(&kind), (400, "unknown-kind"));
    for batch in [json!(0), json!("0%"), json!("many")] {
        let body =
            json!({"kind": "container_restart", "selector": "service/*/z2m", "batch": batch});
        assert_eq!(code(&ask(body).await), (400, "bad-batch"));
    }
    let (status, no) = scene.call("GET", "/api/v1/rollouts/roll-9", None).await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::NOT_FOUND, &json!("unknown-rollout"))
    );
    let unknown = scene.post("/api/v1/rollouts/roll-9/pause", json!({})).await;
    assert_eq!(code(&unknown), (404, "unknown-rollout"));
    assert_eq!(scene.get("/api/v1/rollouts").await, json!([]));
}

#[tokio::test]
async fn a_fleet_without_a_drill_says_how_to_get_one() {
    let scene = Scene::well().await;
    let drills = scene.get("/api/v1/drills").await;
    assert_eq!(
        (&drills["canary"], &drills["drills"]),
        (&json!(null), &json!([]))
    );
    let no = scene.post("/api/v1/drills", json!({})).await;
    assert_eq!(code(&no), (404, "no-drill"));
    assert!(no.1["remedy"].as_str().unwrap().contains("stead.yaml"));
}

#[tokio::test]
async fn a_drill_needs_a_canary_that_is_well() {
    let scene = Scene::well().await;
    let mut fleet = crate::scene::fleet();
    let drill = stead_core::desired::Drill {
        node: crate::scene::node(),
        image: "busybox".to_string(),
        command: None,
        schedule: None,
        within: stead_core::time::Span::secs(60),
    };
    let (name, service) = drill.service().unwrap();
    let node = fleet.nodes.get_mut(&crate::scene::node()).unwrap();
    node.services.insert(name, service);
    fleet.drill = Some(drill);
    scene.desire(fleet).await;
    let drills = scene.get("/api/v1/drills").await;
    assert_eq!(drills["canary"]["subject"], "service/piha/stead-canary");
    assert_eq!(drills["canary"]["within_ms"], 60_000);
    let (status, no) = scene.post("/api/v1/drills", json!({})).await;
    assert!(matches!(status.as_u16(), 409 | 422), "{no}");
    assert!(!no["remedy"].as_str().unwrap().is_empty(), "{no}");
}
