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

/// A `stead.yaml` under which containers are restarted without asking.
const BOLD: &str = "fleet: home
policy:
  rules:
    - match: { action: container_restart }
      automatic: true
";

#[tokio::test]
async fn another_policy_is_tried_on_what_was_recorded() {
    let scene = Scene::well().await;
    let since = scene.get("/api/v1/past").await["earliest"]
        .as_str()
        .unwrap()
        .to_string();
    between(&scene).await;
    scene.fall_ill().await;
    between(&scene).await;
    scene.observe("z2m", running()).await;
    between(&scene).await;

    let asked = serde_json::json!({"policy": BOLD, "since": since});
    let (status, tested) = scene.post("/api/v1/policy/test", asked).await;
    assert_eq!(status, StatusCode::OK, "{tested}");
    assert_eq!(
        tested["summary"],
        "would have restarted 1, asked 0, paged 0, refused 0 by limit"
    );
    assert_eq!(tested["would"]["by_kind"]["container_restart"], 1);
    assert_eq!(tested["would"]["verified"], 1);
    assert_eq!(
        (&tested["was"]["asked"], &tested["was"]["automatic"]),
        (&1.into(), &0.into())
    );
    let row = &tested["would_list"][0];
    assert_eq!(row["subject"], "service/piha/z2m");
    assert_eq!(
        (&row["answer"], &row["rule"]),
        (&"ready".into(), &"policy.rules[0]".into())
    );
    assert_eq!(tested["was_list"][0]["answer"], "ask");
}

#[tokio::test]
async fn how_far_it_is_comes_line_by_line() {
    let scene = Scene::well().await;
    let since = scene.get("/api/v1/past").await["earliest"].to_string();
    between(&scene).await;
    scene.fall_ill().await;
    between(&scene).await;
    let body = format!("{{\"policy\": {:?}, \"since\": {since}}}", BOLD);
    let request = crate::scene::request("POST", "/api/v1/policy/test")
        .header("authorization", format!("Bearer {}", scene.token))
        .header("content-type", "application/json")
        .header("accept", "application/x-ndjson")
        .body(axum::body::Body::from(body))
        .unwrap();
    let answer = scene.send(request).await;
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let (_, text) = crate::scene::read(answer).await;
    let text = text
        .as_str()
        .map_or_else(|| text.to_string(), str::to_string);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(last["tested"]["summary"].is_string(), "{text}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_refused_with_its_place() {
    let scene = Scene::well().await;
    between(&scene).await;
    let wrong = "policy:\n  automatic:\n    max_level: 7\n";
    for (policy, since, until, status, code, says) in [
        ("", "now", None, 422, "policy-broken", "no `policy:`"),
        (
            "fleet: home\n",
            "now",
            None,
            422,
            "policy-broken",
            "no `policy:`",
        ),
        (wrong, "now", None, 422, "policy-broken", "stead.yaml:3:"),
        (BOLD, "soon", None, 400, "bad-query", "soon"),
        (BOLD, "30d", None, 410, "past-compacted", "begins at"),
        (BOLD, "now", Some("1h"), 400, "bad-period", "is empty"),
    ] {
        let asked = serde_json::json!({"policy": policy, "since": since, "until": until});
        let (found, body) = scene.post("/api/v1/policy/test", asked).await;
        assert_eq!(
            (found.as_u16(), body["code"].as_str()),
            (status, Some(code)),
            "{body}"
        );
        assert!(body["detail"].as_str().unwrap().contains(says), "{body}");
    }
}

#[tokio::test]
async fn the_verdict_on_one_subject_names_rule_and_limit() {
    let scene = Scene::well().await;
    let path = "/api/v1/policy/verdict?subject=service/node-1/z2m&action=container_restart";
    let verdict = scene.get(path).await;
    assert_eq!(verdict["answer"], "ask");
    assert!(
        verdict["rule"].as_str().unwrap().contains("max_level"),
        "{verdict}"
    );
    let wrong = path.replace("container_restart", "container_restrat");
    let (status, body) = scene.call("GET", &wrong, None).await;
    assert_eq!(
        (status.as_u16(), body["code"].as_str()),
        (400, Some("unknown-kind"))
    );
    assert!(
        body["remedy"]
            .as_str()
            .unwrap()
            .contains("container_restart"),
        "{body}"
    );
}
