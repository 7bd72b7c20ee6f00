//! The addresses of a VM dashboard: the field names scripts know, of the local node or of a named one.

use http::StatusCode;
use serde_json::json;
use stead_core::facts::{ContainerState, Health};

use crate::scene::{Scene, container, read, request};

#[tokio::test]
async fn a_cleanup_run_keeps_the_names_its_script_gave_it() {
    let scene = Scene::well().await;
    let run = json!({"timestamp": "2026-11-25T04:00:00Z", "mode": "standard", "diskBefore": "71%", "diskAfter": "64%",
        "freedMB": 3072, "steps": [{"name": "apt"}], "success": true});
    let log = json!({"runs": [run, run, run], "unread": 1, "path": "/var/log/vm-cleanup.log"});
    scene
        .agents
        .teach("/v1/chores/cleanup-log", &log.to_string());
    assert_eq!(
        scene.get("/api/vm/cleanup-log?limit=2").await,
        json!([run, run])
    );
    assert_eq!(
        scene.get("/api/vm/cleanup-log?node=piha").await[0],
        run,
        "by name as well"
    );
    let (status, no) = scene
        .call("GET", "/api/vm/cleanup-log?node=nobody", None)
        .await;
    assert_eq!(
        (status, no["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("unknown-node"))
    );
}

#[tokio::test]
async fn crontabs_are_told_with_what_was_refused() {
    let scene = Scene::well().await;
    let told = json!({"jobs": [{"schedule": "@daily", "user": "ann", "command": "backup", "source": "/etc/cron.d/backup", "enabled": true}],
        "refused": [{"source": "/etc/cron.d/link", "why": "it is a symbolic link"}], "unread": 0});
    scene.agents.teach("/v1/chores/crontabs", &told.to_string());
    let status = scene.get("/api/vm/cron-status").await;
    assert_eq!(status["node"], "piha");
    assert_eq!(status["jobs"], told["jobs"]);
    assert_eq!(status["refused"], told["refused"]);
}

#[tokio::test]
async fn containers_and_health_are_those_of_the_other_routes() {
    let scene = Scene::well().await;
    let names = |list: &serde_json::Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|c| c["name"].as_str().unwrap().to_string())
            .collect()
    };
    let all = scene.get("/api/vm/containers").await;
    assert_eq!(names(&all), ["stray", "web", "z2m"]);
    assert_eq!(scene.get("/api/vm/containers/unhealthy").await, json!([]));
    assert_eq!(scene.get("/api/vm/health").await["status"], "ok");

    scene
        .observe("web", container(ContainerState::Running, Health::Unhealthy))
        .await;
    assert_eq!(
        names(&scene.get("/api/vm/containers/unhealthy").await),
        ["web"]
    );
    let health = scene.get("/api/vm/health?node=piha").await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(
        health["containers"],
        json!({"total": 3, "running": 3, "unhealthy": 1})
    );
}

#[tokio::test]
async fn trends_are_those_of_the_dashboard_and_no_others() {
    let scene = Scene::well().await;
    for metric in ["disk", "memory", "steal", "containers", "io"] {
        let path = format!("/api/vm/metrics/trend/{metric}?range=7d");
        let (status, body) = scene.call("GET", &path, None).await;
        let opening = body["code"] == "no-history";
        assert!(
            opening || (status == StatusCode::OK && body["metric"] == metric),
            "{metric}: {body}"
        );
    }
    let (status, no) = scene.call("GET", "/api/vm/metrics/trend/swap", None).await;
    assert_eq!(
        (status, no["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("unknown-metric"))
    );
}

#[tokio::test]
async fn strangers_are_told_nothing() {
    let scene = Scene::well().await;
    for path in [
        "health",
        "cleanup-log",
        "cron-status",
        "containers",
        "containers/unhealthy",
        "metrics/trend/disk",
    ] {
        let asked = request("GET", &format!("/api/vm/{path}"));
        let answer = scene
            .send(asked.body(axum::body::Body::empty()).unwrap())
            .await;
        assert_eq!(read(answer).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn what_they_do_is_an_action_like_any_other() {
    let scene = Scene::well().await;
    let (status, told) = scene
        .call("POST", "/api/vm/containers/web/restart", None)
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    assert_eq!(told["success"], true, "{told}");
    let id = told["action"].as_str().unwrap();
    let action = scene.get(&format!("/api/v1/actions/{id}")).await;
    assert_eq!(action["subject"], "container/piha/web");
    let (status, told) = scene.call("POST", "/api/vm/cleanup?node=piha", None).await;
    assert_eq!(
        (status, told["action"].as_str()),
        (StatusCode::ACCEPTED, Some("disk-cleanup-piha"))
    );
    let no = scene
        .call("POST", "/api/vm/containers/nobody/restart", None)
        .await;
    assert!(no.0.is_client_error(), "{}", no.1);
}

#[tokio::test]
async fn models_without_an_ollama_say_what_to_add() {
    let scene = Scene::well().await;
    let (status, no) = scene.call("GET", "/api/vm/ollama/models", None).await;
    assert!(status.is_client_error());
    assert_eq!(no["code"], "ollama-not-named");
    let asked = json!({"model": "llama3.2:3b"});
    for (method, path) in [("POST", "load"), ("DELETE", "unload")] {
        let path = format!("/api/vm/ollama/{path}");
        let (status, no) = scene.call(method, &path, Some(asked.clone())).await;
        assert!(status.is_client_error(), "{no}");
    }
}
