//! The page for everybody: off unless enabled, and then nothing but what it names.

use std::collections::BTreeMap;

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;
use stead_core::desired::{Fleet, StatusPage};

use crate::scene::{Scene, fleet, read, request};

/// Asked without a token.
async fn stranger(scene: &Scene, path: &str) -> (StatusCode, Value) {
    let asked = request("GET", path).body(Body::empty()).unwrap();
    read(scene.send(asked).await).await
}

async fn with(page: Option<StatusPage>) -> Scene {
    let scene = Scene::well().await;
    scene
        .desire(Fleet {
            status_page: page,
            ..fleet()
        })
        .await;
    scene
}

fn page(services: &str, names: &[(&str, &str)]) -> StatusPage {
    let owned = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
    StatusPage {
        title: "Ann's things".into(),
        services: services.into(),
        names: names.iter().map(owned).collect::<BTreeMap<_, _>>(),
    }
}

#[tokio::test]
async fn there_is_no_page_unless_the_files_enable_it() {
    let scene = with(None).await;
    for path in ["/status", "/status.json"] {
        assert_eq!(
            stranger(&scene, path).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn it_shows_what_it_names_and_nothing_else() {
    let scene = with(Some(page("service/*/web", &[]))).await;
    scene.fall_ill().await;
    let (status, body) = stranger(&scene, "/status.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["sentence"], "The service is up.");
    assert_eq!(body["services"][0]["name"], "web");
    assert_eq!(body["services"][0]["uptime"], 100.0);
    assert_eq!(body["services"][0]["days"].as_array().unwrap().len(), 90);
    let (_, html) = stranger(&scene, "/status").await;
    let html = html.as_str().unwrap();
    assert!(html.contains("The service is up."), "{html}");
    assert!(!html.contains("<script"), "{html}");
    for text in [html.to_string(), body.to_string()] {
        let version = env!("CARGO_PKG_VERSION");
        for secret in [
            "piha",
            "z2m",
            "quiet",
            "home",
            "koenkk",
            "3f9c2b",
            "127.0.0.1",
            version,
        ] {
            assert!(!text.contains(secret), "{secret} leaks: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_down_is_said_with_when_and_not_why() {
    let scene = with(Some(page("service/*/z2m", &[("z2m", "<Lights>")]))).await;
    scene.fall_ill().await;
    let (_, body) = stranger(&scene, "/status.json").await;
    assert_eq!(
        (body["state"].as_str(), body["sentence"].as_str()),
        (Some("outage"), Some("1 service is down."))
    );
    assert_eq!(body["services"][0]["name"], "<Lights>");
    let incident = &body["incidents"][0];
    assert_eq!(
        (incident["name"].as_str(), &incident["until"]),
        (Some("<Lights>"), &Value::Null)
    );
    assert_eq!(incident.as_object().unwrap().len(), 4, "{incident}");
    let (_, html) = stranger(&scene, "/status").await;
    let html = html.as_str().unwrap();
    assert!(
        html.contains("&lt;Lights&gt;") && !html.contains("<Lights>"),
        "{html}"
    );
    assert!(!html.contains("137"), "no exit code: {html}");
}

#[tokio::test]
async fn a_part_that_matches_nothing_leaves_the_others_and_unwatched_ones_are_not_named() {
    let scene = with(Some(page(
        "service/*/gone, service/*/quiet, service/*/web",
        &[],
    )))
    .await;
    let (_, body) = stranger(&scene, "/status.json").await;
    assert_eq!(body["services"].as_array().unwrap().len(), 1, "{body}");
}

#[tokio::test]
async fn it_is_made_anew_now_and_then_and_at_once_where_the_files_change() {
    let scene = with(Some(page("service/*/z2m", &[]))).await;
    let (_, before) = stranger(&scene, "/status.json").await;
    scene.fall_ill().await;
    let (_, again) = stranger(&scene, "/status.json").await;
    assert_eq!(again, before, "whoever asks costs nothing");
    let other = StatusPage {
        title: "Other".into(),
        ..page("service/*/z2m", &[])
    };
    scene
        .desire(Fleet {
            status_page: Some(other),
            ..fleet()
        })
        .await;
    let (_, anew) = stranger(&scene, "/status.json").await;
    assert_eq!(
        (anew["title"].as_str(), anew["state"].as_str()),
        (Some("Other"), Some("outage"))
    );
}
