//! The first page: what needs a person, and what was done while nobody looked.

use http::StatusCode;
use serde_json::{Value, json};

use crate::scene::{Scene, until};

const ID: &str = "container-restart-piha-z2m";

fn kinds(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one["kind"].as_str().expect("a kind"))
        .collect()
}

#[tokio::test]
async fn what_needs_a_person_says_what_to_do_next() {
    let scene = Scene::well().await;
    let calm = scene.get("/api/v1/overview").await;
    assert_eq!(calm["needs"], json!([]), "a quiet fleet needs nobody");

    scene.fall_ill().await;
    let ill = scene.get("/api/v1/overview").await;
    assert_eq!(kinds(&ill["needs"]), ["question"], "{}", ill["needs"]);
    let question = &ill["needs"][0];
    assert_eq!(question["page"], format!("/actions/{ID}"));
    assert_eq!(question["command"], format!("stead actions show {ID}"));
    assert_eq!(question["subject"], "service/piha/z2m");
    assert!(!question["next"].as_str().unwrap().is_empty());

    scene
        .post(
            &format!("/api/v1/actions/{ID}/reject"),
            json!({"note": "no"}),
        )
        .await;
    let left = scene.get("/api/v1/overview").await;
    assert_eq!(kinds(&left["needs"]), ["drift"], "{}", left["needs"]);
}

#[tokio::test]
async fn what_was_done_is_told_from_the_log_and_so_is_what_was_left_alone() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let reject = format!("/api/v1/actions/{ID}/reject");
    let (status, _) = scene.post(&reject, json!({"note": "not today"})).await;
    assert_eq!(status, StatusCode::OK);
    let did = until("the log has it", || async {
        let did = scene.get("/api/v1/overview?since=1h").await["did"].clone();
        (did["declined"] == 1).then_some(did)
    })
    .await;
    assert_eq!(did["left_alone"], 1, "{did}");
    assert_eq!(did["sentence"], "Stead left 1 thing alone.");
    let mut told = kinds(&did["entries"]);
    told.sort_unstable();
    assert_eq!(told, ["declined", "left_alone"]);
    let declined = did["entries"].as_array().unwrap().iter();
    let declined = declined.clone().find(|e| e["kind"] == "declined").unwrap();
    assert_eq!(declined["text"], "did not restart z2m on piha");
    assert_eq!(declined["why"], "admin said no: not today");
    assert_eq!(
        (declined["action"].as_str(), declined["occurrence"].as_u64()),
        (Some(ID), Some(1))
    );
    assert!(declined["seq"].as_u64().is_some());
}

#[tokio::test]
async fn the_time_is_chosen_by_instant_by_span_or_by_night() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    scene
        .post(&format!("/api/v1/actions/{ID}/reject"), json!({}))
        .await;
    let ahead = scene
        .get("/api/v1/overview?since=2099-01-01T00:00:00Z")
        .await;
    assert_eq!(
        (&ahead["did"]["declined"], &ahead["did"]["entries"]),
        (&json!(0), &json!([]))
    );
    let night = scene.get("/api/v1/overview?since=night").await["did"].clone();
    let since = night["since"].as_str().unwrap();
    assert!(
        since.ends_with("22:00:00.000Z") || since.contains(":00:00"),
        "{since}"
    );
    if let Some(end) = night["until"].as_str() {
        assert!(end > since, "{night}");
    }
    let (status, no) = scene
        .call("GET", "/api/v1/overview?since=often", None)
        .await;
    assert_eq!(
        (status, no["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("bad-query"))
    );
}
