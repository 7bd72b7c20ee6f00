//! `?at=`: pages as they were.

use http::StatusCode;
use stead_core::time::Time;

use crate::scene::{Scene, running, until};

const ID: &str = "container-restart-piha-z2m";

/// An instant after everything that was recorded so far and before everything to come.
async fn between(scene: &Scene) -> Time {
    let last = scene.handle.read(|v| v.world().at);
    until("the clock to move on", || async {
        (scene.handle.now().at.0 > last.0 + 1).then_some(())
    })
    .await;
    let at = Time(last.0 + 1);
    until("the clock to move on", || async {
        (scene.handle.now().at > at).then_some(())
    })
    .await;
    at
}

#[tokio::test]
async fn every_page_is_shown_as_it_was() {
    let scene = Scene::well().await;
    let calm = between(&scene).await;
    scene.fall_ill().await;
    let ill = between(&scene).await;
    scene.observe("z2m", running()).await;
    until("it to recover", || async {
        let now = scene.get("/api/v1/services/piha/z2m").await;
        (now["state"] == "healthy").then_some(())
    })
    .await;

    for (at, state, sentence, pending) in [
        (calm, "healthy", "All 2 services on 1 node are well", 0),
        (ill, "unhealthy", "1 thing needs you", 1),
    ] {
        let get = |path: &str| {
            let joint = if path.contains('?') { '&' } else { '?' };
            format!("/api/v1/{path}{joint}at={at}")
        };
        let overview = scene.get(&get("overview")).await;
        assert_eq!(overview["sentence"], sentence);
        assert_eq!(overview["summary"]["at"], at.to_string());
        let actions = scene.get(&get("actions?state=pending")).await;
        assert_eq!(actions.as_array().map(Vec::len), Some(pending));
        let service = scene.get(&get("services/piha/z2m")).await;
        assert_eq!(service["state"], state);
        let last = service["events"][0]["at"].as_str().unwrap_or_default();
        assert!(
            last <= at.to_string().as_str(),
            "{last} was not known at {at}"
        );
        let services = scene.get(&get("services?node=node-1")).await;
        let z2m = services
            .as_array()
            .and_then(|all| all.iter().find(|s| s["name"] == "z2m"));
        assert_eq!(z2m.map(|s| &s["state"]), Some(&state.into()));
        let drift = scene.get(&get("drift")).await;
        assert_eq!(drift.as_array().map(Vec::len), Some(pending));
        let node = scene.get(&get("nodes/piha")).await;
        assert_eq!(
            (node["evidence"].as_str(), &node["sample"]),
            (Some("fresh"), &serde_json::Value::Null)
        );
        let (status, action) = scene
            .call("GET", &get(&format!("actions/{ID}")), None)
            .await;
        assert_eq!(status == StatusCode::OK, pending == 1, "{action}");
        let events = scene.get(&get("events?limit=1")).await;
        let newest = events["events"][0]["at"]
            .as_str()
            .unwrap_or_default()
            .to_string();
        assert!(newest <= at.to_string(), "{newest}");
        assert_eq!(scene.get(&get("desired")).await["source"], "/srv/fleet");
    }
    let why = scene
        .get(&format!("/api/v1/actions/{ID}/why?at={ill}"))
        .await;
    assert!(why.to_string().contains("max_level"), "{why}");
    assert!(
        !why.to_string().contains("drift_resolved_auto"),
        "that was not known then: {why}"
    );
}

#[tokio::test]
async fn the_answer_names_the_instant_and_refusals_name_the_bounds() {
    let scene = Scene::well().await;
    let at = between(&scene).await;
    let request = crate::scene::request("GET", &format!("/api/v1/nodes?at={at}"))
        .header("authorization", format!("Bearer {}", scene.token))
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = scene.send(request).await;
    assert_eq!(answer.headers()["stead-at"], at.to_string().as_str());

    let span = scene.get("/api/v1/past").await;
    let earliest = span["earliest"].as_str().unwrap().to_string();
    scene.get(&format!("/api/v1/overview?at={earliest}")).await;

    for (method, path, status, code) in [
        (
            "GET",
            "/api/v1/overview?at=2h",
            StatusCode::GONE,
            "past-compacted",
        ),
        (
            "GET",
            "/api/v1/overview?at=2099-01-01T00:00:00Z",
            StatusCode::BAD_REQUEST,
            "past-future",
        ),
        (
            "GET",
            "/api/v1/overview?at=soon",
            StatusCode::BAD_REQUEST,
            "bad-query",
        ),
        (
            "GET",
            "/api/v1/nodes/piha/samples?at=now",
            StatusCode::BAD_REQUEST,
            "past-unknown",
        ),
        (
            "GET",
            "/api/v1/feed?at=now",
            StatusCode::BAD_REQUEST,
            "past-unknown",
        ),
        (
            "POST",
            "/api/v1/actions?at=now",
            StatusCode::CONFLICT,
            "past-readonly",
        ),
    ] {
        let (found, body) = scene.call(method, path, None).await;
        assert_eq!(
            (found, body["code"].as_str()),
            (status, Some(code)),
            "{path}: {body}"
        );
    }
    let (_, body) = scene.call("GET", "/api/v1/drift?at=30d", None).await;
    assert!(
        body["remedy"].as_str().unwrap().contains(&earliest),
        "{body}"
    );
}

#[tokio::test]
async fn the_past_is_behind_the_token() {
    let scene = Scene::well().await;
    for path in ["/api/v1/overview?at=now", "/api/v1/past"] {
        let request = crate::scene::request("GET", path);
        let answer = scene
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}
