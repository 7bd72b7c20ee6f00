//! What people read and decide, through the routes.

use http::StatusCode;
use serde_json::json;
use stead_core::controller::Input;

use crate::scene::{Scene, node, running, until};

const ID: &str = "container-restart-piha-z2m";

#[tokio::test]
async fn the_summary_counts_what_is_watched_and_needs_no_token() {
    let scene = Scene::well().await;
    let request = crate::scene::request("GET", "/summary")
        .body(axum::body::Body::empty())
        .unwrap();
    let (status, summary) = crate::scene::read(scene.send(request).await).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(summary["fleet"], "home");
    assert_eq!(
        summary["nodes"],
        json!({"total": 1, "fresh": 1, "stale": 0, "unknown": 0})
    );
    assert_eq!(
        summary["services"]["total"], 2,
        "what nobody watches is not counted"
    );
    assert_eq!(summary["services"]["healthy"], 2);
    assert_eq!(summary["score"], json!(null));
}

#[tokio::test]
async fn all_well_then_one_thing_needs_you_then_it_is_approved() {
    let scene = Scene::well().await;
    let calm = scene.get("/api/v1/overview").await;
    assert_eq!(
        (calm["mood"].as_str(), calm["sentence"].as_str()),
        (Some("well"), Some("All 2 services on 1 node are well"))
    );

    scene.fall_ill().await;
    let ill = scene.get("/api/v1/overview").await;
    assert_eq!(
        (ill["mood"].as_str(), ill["sentence"].as_str()),
        (Some("trouble"), Some("1 thing needs you"))
    );
    let action = &ill["needs_you"][0];
    assert_eq!(
        (action["id"].as_str(), action["state"].as_str()),
        (Some(ID), Some("pending"))
    );
    assert!(
        action["waits_for"]
            .as_str()
            .unwrap()
            .contains("level 2 is above policy.automatic.max_level 1")
    );
    assert_eq!(
        action["steps"][0]["title"],
        "Restart container z2m (3f9c2b0d5e6a)"
    );
    assert_eq!(ill["recent"][0]["kind"], "action_proposed");

    let (status, refused) = scene
        .post(
            &format!("/api/v1/actions/{ID}/approve"),
            json!({"digest": "another"}),
        )
        .await;
    assert_eq!(
        (status, refused["code"].as_str()),
        (StatusCode::CONFLICT, Some("plan-changed"))
    );
    let read = json!({"digest": action["digest"], "note": "go on"});
    let (status, approved) = scene
        .post(&format!("/api/v1/actions/{ID}/approve"), read)
        .await;
    assert_eq!(status, StatusCode::OK, "{approved}");
    assert_eq!(approved["decided_by"], "admin");
    assert_eq!(approved["note"], "go on");
    let (status, again) = scene
        .post(&format!("/api/v1/actions/{ID}/approve"), json!({}))
        .await;
    assert_eq!(
        (status, again["code"].as_str()),
        (StatusCode::CONFLICT, Some("not-pending"))
    );
}

#[tokio::test]
async fn a_rejected_action_names_who_rejected_it_and_its_drift_says_why_nothing_is_done() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let (status, rejected) = scene
        .post(
            &format!("/api/v1/actions/{ID}/reject"),
            json!({"note": "not: now"}),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (rejected["state"].as_str(), rejected["decided_by"].as_str()),
        (Some("rejected"), Some("admin"))
    );
    let drift = scene.get("/api/v1/drift").await;
    assert_eq!(drift[0]["kind"], "unhealthy_service");
    assert_eq!(drift[0]["trigger"], "containers_not_running");
    assert!(
        drift[0]["why_not"].as_str().unwrap().contains("rejected"),
        "{drift}"
    );
    assert!(
        drift[0]["remedy"]
            .as_str()
            .unwrap()
            .contains("stead actions start container_restart")
    );
}

#[tokio::test]
async fn why_tells_the_chain_from_the_first_event_to_what_it_waits_for() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let why = scene.get(&format!("/api/v1/actions/{ID}/why")).await;
    let links = why["links"].as_array().unwrap();
    let stages: Vec<&str> = links.iter().map(|l| l["stage"].as_str().unwrap()).collect();
    assert_eq!(
        stages,
        ["event", "event", "drift", "policy", "message", "waiting"],
        "{why}"
    );
    assert_eq!(
        links[0]["event"]["kind"], "container_observed",
        "the first cause comes first"
    );
    assert_eq!(links[1]["event"]["kind"], "containers_not_running");
    assert_eq!(
        links[3]["rule"],
        "level 2 is above policy.automatic.max_level 1"
    );
    assert!(
        why["summary"]
            .as_str()
            .unwrap()
            .contains("waits for a person's decision")
    );
}

#[tokio::test]
async fn an_action_is_found_by_its_occurrence_open_or_ended_and_a_slip_gets_a_hint() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    scene.observe("z2m", running()).await;
    scene.fall_ill().await;
    let open = scene.get(&format!("/api/v1/actions/{ID}")).await;
    assert_eq!(
        (open["occurrence"].as_u64(), open["state"].as_str()),
        (Some(2), Some("pending"))
    );
    for first in [
        format!("/api/v1/actions/{ID}%231"),
        format!("/api/v1/actions/{ID}?occurrence=1"),
    ] {
        let ended = scene.get(&first).await;
        assert_eq!(
            (ended["occurrence"].as_u64(), ended["outcome"].as_str()),
            (Some(1), Some("drift_resolved_auto"))
        );
    }
    let pending = scene.get("/api/v1/actions?state=pending").await;
    assert_eq!(pending.as_array().unwrap().len(), 1);
    assert_eq!(
        scene.get("/api/v1/actions").await.as_array().unwrap().len(),
        2
    );
    let (status, body) = scene
        .call("GET", "/api/v1/actions/container-restart-piha-z2n", None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("unknown-action"))
    );
    assert!(body["remedy"].as_str().unwrap().contains(ID));
    let (status, body) = scene
        .call("GET", "/api/v1/actions?state=pendign", None)
        .await;
    assert_eq!(
        (status, body["remedy"].as_str()),
        (StatusCode::BAD_REQUEST, Some("did you mean pending?"))
    );
}

#[tokio::test]
async fn starting_directly_answers_202_and_is_approved_by_who_asked() {
    let scene = Scene::well().await;
    let asked =
        json!({"kind": "container_restart", "subject": "service/node-1/web", "note": "try"});
    let (status, accepted) = scene.post("/api/v1/actions", asked).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    assert_eq!(
        accepted["id"], "container-restart-piha-web",
        "an alias is followed"
    );
    let action = scene
        .get("/api/v1/actions/container-restart-piha-web")
        .await;
    assert_eq!(action["decided_by"], "admin");
    let (status, body) = scene
        .post(
            "/api/v1/actions",
            json!({"kind": "redeploy", "subject": "service/piha/web"}),
        )
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("no-plan"))
    );
    assert!(
        body["remedy"].as_str().unwrap().contains("image:"),
        "{body}"
    );
    let (_, body) = scene
        .post(
            "/api/v1/actions",
            json!({"kind": "container_restat", "subject": "x"}),
        )
        .await;
    assert_eq!(body["remedy"], "did you mean container_restart?");
    let (_, body) = scene
        .post(
            "/api/v1/actions",
            json!({"kind": "redeploy", "subject": "x"}),
        )
        .await;
    assert_eq!(body["code"], "bad-subject");
}

#[tokio::test]
async fn services_show_what_is_named_and_what_runs_beside_it() {
    let scene = Scene::well().await;
    let all = scene.get("/api/v1/services").await;
    let row = |name: &str| {
        all.as_array()
            .unwrap()
            .iter()
            .find(|s| s["name"] == name)
            .cloned()
            .unwrap()
    };
    assert_eq!(row("z2m")["state"], "healthy");
    assert_eq!(
        (
            row("stray")["managed"].as_bool(),
            row("stray")["state"].as_str()
        ),
        (Some(false), Some("healthy"))
    );
    assert_eq!(
        (
            row("quiet")["monitored"].as_bool(),
            row("quiet")["state"].as_str()
        ),
        (Some(false), Some("unknown"))
    );
    let named = scene.get("/api/v1/services?all=false").await;
    assert_eq!(named.as_array().unwrap().len(), 3);
    assert_eq!(
        scene.get("/api/v1/drift").await,
        json!([]),
        "what runs beside is no drift"
    );
}

#[tokio::test]
async fn nothing_is_green_once_its_node_is_silent() {
    let scene = Scene::well().await;
    scene
        .input(Input::Started {
            version: "test".into(),
        })
        .await;
    for service in scene.get("/api/v1/services").await.as_array().unwrap() {
        assert_eq!(service["state"], "unknown", "{service}");
    }
    let overview = scene.get("/api/v1/overview").await;
    assert_eq!(overview["mood"], "unknown");
    assert_eq!(overview["summary"]["services"]["healthy"], 0);
    assert_eq!(overview["summary"]["services"]["unknown"], 2);
}

#[tokio::test]
async fn a_service_explains_itself() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let detail = scene.get("/api/v1/services/node-1/z2m").await;
    assert_eq!(
        (detail["node"].as_str(), detail["state"].as_str()),
        (Some("piha"), Some("unhealthy"))
    );
    assert_eq!(detail["detail"], "z2m exited (137)");
    assert_eq!(detail["containers"][0]["state"], "exited");
    assert_eq!(detail["drift_list"][0]["action"], ID);
    assert_eq!(detail["actions"][0]["id"], ID);
    assert!(detail["health"]["unhealthy_since"].is_string());
    assert!(
        detail["changed_before"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["kind"] == "desired_loaded")
    );
    let kinds: Vec<_> = detail["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].clone())
        .collect();
    assert!(
        kinds.contains(&json!("container_observed"))
            && kinds.contains(&json!("containers_not_running"))
    );
    let (status, body) = scene
        .call("GET", "/api/v1/services/piha/nothing", None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("unknown-service"))
    );
    let stray = scene.get("/api/v1/services/piha/stray").await;
    assert_eq!(
        (stray["managed"].as_bool(), stray["desired"].is_null()),
        (Some(false), true)
    );
}

#[tokio::test]
async fn a_node_shows_everything_on_it() {
    let scene = Scene::well().await;
    let list = scene.get("/api/v1/nodes").await;
    assert_eq!(
        (list[0]["name"].as_str(), list[0]["evidence"].as_str()),
        (Some("piha"), Some("fresh"))
    );
    let detail = scene.get("/api/v1/nodes/piha").await;
    assert_eq!(detail["containers_list"].as_array().unwrap().len(), 3);
    assert_eq!(detail["sources"][0]["state"], "up");
    assert_eq!(detail["services"]["total"], 2);
    let owner = |name: &str| {
        let all = detail["containers_list"].as_array().unwrap();
        all.iter().find(|c| c["name"] == name).unwrap()["service"].clone()
    };
    assert_eq!((owner("z2m"), owner("stray")), (json!("z2m"), json!(null)));
    let sample = stead_core::sample::HostSample {
        at: scene.handle.now().at,
        load1: 0.5,
        ..Default::default()
    };
    scene.handle.sample(&node(), sample, Vec::new());
    assert_eq!(
        scene.get("/api/v1/nodes/piha/samples").await["samples"][0]["load1"],
        0.5
    );
    let (status, body) = scene.call("GET", "/api/v1/nodes/nowhere", None).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("unknown-node"))
    );
}

#[tokio::test]
async fn events_are_filtered_paged_and_lead_from_cause_to_effect() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let newest = scene.get("/api/v1/events?limit=2").await;
    let (events, head) = (
        newest["events"].as_array().unwrap(),
        newest["head"].as_u64().unwrap(),
    );
    assert_eq!((events.len(), events[0]["seq"].as_u64()), (2, Some(head)));
    let next = newest["next"].as_u64().unwrap();
    let older = scene
        .get(&format!("/api/v1/events?limit=2&before={next}"))
        .await;
    assert_eq!(older["events"][0]["seq"].as_u64(), Some(next - 1));
    let first = scene.get("/api/v1/events?order=asc&limit=1").await;
    assert_eq!(first["events"][0]["kind"], "server_started");
    let bad = scene
        .get("/api/v1/events?severity=warning&node=node-1")
        .await;
    assert!(
        bad["events"]
            .as_array()
            .unwrap()
            .iter()
            .all(|e| e["severity"] == "warning")
    );
    assert_eq!(bad["next"], json!(null));
    let found = scene
        .get("/api/v1/events?kind=containers_not_running,mqtt_unreachable")
        .await;
    let ill = &found["events"][0];
    assert_eq!(
        (ill["subject"].as_str(), ill["text"].as_str()),
        (
            Some("service/piha/z2m"),
            Some("z2m does not run: z2m exited (137)")
        )
    );
    assert!(
        !scene.get("/api/v1/events?q=EXITED").await["events"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let detail = scene.get(&format!("/api/v1/events/{}", ill["seq"])).await;
    assert_eq!(detail["causes"][0]["kind"], "container_observed");
    assert_eq!(detail["effects"][0]["kind"], "action_proposed");
    let (status, body) = scene.call("GET", "/api/v1/events/99999", None).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("unknown-event"))
    );
    for bad in ["severity=awful", "order=up", "limit=x", "since=someday"] {
        let (status, body) = scene
            .call("GET", &format!("/api/v1/events?{bad}"), None)
            .await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad-query")),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_reported_event_is_recorded_once_under_the_fleets_own_name() {
    let scene = Scene::well().await;
    let report = json!({"node": "node-1", "kind": "tea_is_ready", "data": {"cups": 2}});
    let (status, first) = scene.post("/api/v1/events", report.clone()).await;
    assert_eq!(
        (status, first["recorded"].as_bool()),
        (StatusCode::CREATED, Some(true))
    );
    let (status, again) = scene.post("/api/v1/events", report).await;
    assert_eq!(
        (status, again["recorded"].as_bool()),
        (StatusCode::OK, Some(false))
    );
    let found = scene.get("/api/v1/events?kind=tea_is_ready").await;
    assert_eq!(found["events"].as_array().unwrap().len(), 1);
    assert_eq!(found["events"][0]["node"], "piha");
    assert_eq!(found["events"][0]["source"], "api");
    let (status, body) = scene.post("/api/v1/events", json!({"kind": "x"})).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("bad-event"))
    );
}

#[tokio::test]
async fn a_report_of_trouble_raises_an_action() {
    let scene = Scene::well().await;
    let report = json!({"node": "piha", "kind": "mqtt_unreachable", "service": "web"});
    assert_eq!(
        scene.post("/api/v1/events", report).await.0,
        StatusCode::CREATED
    );
    let action = until("an action", || async {
        let (status, body) = scene
            .call("GET", "/api/v1/actions/container-restart-piha-web", None)
            .await;
        (status == StatusCode::OK).then_some(body)
    })
    .await;
    assert_eq!(action["trigger"], "mqtt_unreachable");
}

#[tokio::test]
async fn live_details_come_from_the_agent_and_its_absence_is_said() {
    let scene = Scene::well().await;
    let (status, body) = scene
        .call("GET", "/api/v1/containers/piha/z2m/logs", None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("agent-not-connected"))
    );
    scene
        .agents
        .teach("/v1/containers/z2m/logs?tail=7", "line\n");
    scene
        .agents
        .teach("/v1/units/getty%40tty1.service/logs?tail=50", "unit\n");
    assert_eq!(
        scene.get("/api/v1/containers/node-1/z2m/logs?tail=7").await,
        json!("line\n")
    );
    assert_eq!(
        scene
            .get("/api/v1/units/piha/getty@tty1.service/logs")
            .await,
        json!("unit\n")
    );
    let (status, body) = scene
        .call("GET", "/api/v1/containers/piha/other/health", None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("not-found"))
    );
    // S4: nothing of a name can leave its place in the agent's address.
    for name in ["..%2F..%2Fetc", "a%2Fb", "%2E%2E", "-x"] {
        let (status, body) = scene
            .call("GET", &format!("/api/v1/containers/piha/{name}/logs"), None)
            .await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad-name")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_cleanup_shows_what_it_would_free() {
    let scene = Scene::well().await;
    scene.agents.teach(
        "/v1/estimate/cleanup",
        r#"{"build_cache": 1000, "dangling_images": 24, "images": 3}"#,
    );
    let asked = json!({"kind": "disk_cleanup", "subject": "node/piha"});
    assert_eq!(
        scene.post("/api/v1/actions", asked).await.0,
        StatusCode::ACCEPTED
    );
    let estimate = scene
        .get("/api/v1/actions/disk-cleanup-piha/estimate")
        .await;
    assert_eq!(
        (estimate["would_free"].as_u64(), estimate["images"].as_u64()),
        (Some(1024), Some(3))
    );
    scene.fall_ill().await;
    let (status, body) = scene
        .call("GET", &format!("/api/v1/actions/{ID}/estimate"), None)
        .await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("no-estimate"))
    );
}

#[tokio::test]
async fn the_table_of_repairs_and_the_desired_state_can_be_read() {
    let scene = Scene::well().await;
    let table = scene.get("/api/v1/table").await;
    let restart = json!({"drift": "unhealthy_service", "trigger": "mqtt_unreachable", "kind": null,
        "action": "container_restart", "from": "built-in"});
    assert!(table.as_array().unwrap().contains(&restart), "{table}");
    let desired = scene.get("/api/v1/desired").await;
    assert_eq!(
        (desired["source"].as_str(), desired["problems"].clone()),
        (Some("/srv/fleet"), json!([]))
    );
    assert_eq!(scene.get("/api/v1/version").await["protocol"], 1);
}

#[tokio::test]
async fn an_approved_action_can_be_taken_back_before_it_begins() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let (status, action) = scene
        .post(&format!("/api/v1/actions/{ID}/cancel"), json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{action}");
    assert_eq!(
        (action["state"].as_str(), action["outcome"].as_str()),
        (Some("cancelled"), Some("cancelled_by_person"))
    );
}

#[tokio::test]
async fn health_and_metrics_need_no_token() {
    let scene = Scene::well().await;
    let (status, health) = open(&scene, "/healthz").await;
    assert_eq!(
        (status, health["status"].as_str()),
        (StatusCode::OK, Some("ok"))
    );
    let (_, metrics) = open(&scene, "/metrics").await;
    let text = metrics.as_str().unwrap();
    for line in [
        "stead_services{state=\"healthy\"} 2",
        "stead_nodes{state=\"fresh\"} 1",
        "stead_events_total",
        "stead_resident_memory_bytes",
        "stead_brake_engaged 0",
        "stead_messages{state=\"failed\"} 0",
        "# TYPE stead_events_total counter",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("piha"), "counts only, no names");
}

async fn open(scene: &Scene, path: &str) -> (StatusCode, serde_json::Value) {
    let request = crate::scene::request("GET", path)
        .body(axum::body::Body::empty())
        .unwrap();
    crate::scene::read(scene.send(request).await).await
}

/// F3.
#[tokio::test(start_paused = true)]
async fn a_full_disk_is_said_reads_live_on_and_it_resumes() {
    let scene = Scene::well().await;
    let report = json!({"node": "piha", "kind": "tea_is_ready"});
    scene.faults.set_full(true);
    let (status, body) = scene.post("/api/v1/events", report.clone()).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("storage")),
        "{body}"
    );
    let (status, health) = open(&scene, "/healthz").await;
    assert_eq!(
        (status, health["troubles"][0]["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("log-full"))
    );
    assert_eq!(
        scene
            .get("/api/v1/services")
            .await
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(scene.get("/api/v1/overview").await["mood"], "trouble");
    scene.faults.set_full(false);
    until("it is well again", || async {
        (open(&scene, "/healthz").await.0 == StatusCode::OK).then_some(())
    })
    .await;
    let (status, _) = scene.post("/api/v1/events", report).await;
    assert!(status.is_success());
    assert_eq!(
        scene.get("/api/v1/events?kind=tea_is_ready").await["events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn an_action_the_world_forgot_is_read_back_from_the_log() {
    let scene = Scene::well().await;
    for _ in 0..=stead_core::world::Actions::MAX_ENDED {
        scene.fall_ill().await;
        scene.observe("z2m", running()).await;
    }
    let remembered = scene.handle.read(|v| {
        let first = v.world().actions.ended.front().map(|a| a.occurrence);
        (v.world().actions.ended.len(), first)
    });
    assert_eq!(remembered, (stead_core::world::Actions::MAX_ENDED, Some(2)));
    let old = scene
        .get(&format!("/api/v1/actions/{ID}?occurrence=1"))
        .await;
    assert_eq!(
        (old["occurrence"].as_u64(), old["state"].as_str()),
        (Some(1), Some("cancelled"))
    );
    assert_eq!(
        old["steps"][0]["title"],
        "Restart container z2m (3f9c2b0d5e6a)"
    );
    let why = scene.get(&format!("/api/v1/actions/{ID}%231/why")).await;
    let links = why["links"].as_array().unwrap();
    let stages: Vec<&str> = links.iter().map(|l| l["stage"].as_str().unwrap()).collect();
    assert!(stages.ends_with(&["outcome", "message"]), "{stages:?}");
    let (status, _) = scene
        .call(
            "GET",
            &format!("/api/v1/actions/{ID}?occurrence=9999"),
            None,
        )
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
