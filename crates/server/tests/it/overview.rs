//! The first page: what needs a person, and what was done while nobody looked.

use http::StatusCode;
use serde_json::{Value, json};
use stead_core::action::Principal;
use stead_core::event::{ActionEnded, Body, Rejected, Started};
use stead_core::time::{Span, Time};
use stead_ports::clock::{Clock, SystemClock};
use stead_server::http::Hosts;

use crate::scene::{Scene, fleet, until, written};

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

/// Where it is `hour` o'clock now, as far as whole hours go.
fn zone(scene: &Scene, hour: i64) -> String {
    let now = scene.handle.now().at.0.div_euclid(3_600_000).rem_euclid(24);
    let ahead = (hour - now + 36).rem_euclid(24) - 12;
    // These names count the other way around.
    format!("Etc/GMT{:+}", -ahead)
}

#[tokio::test]
async fn a_night_ends_in_the_morning_and_one_that_lasts_ends_now() {
    let scene = Scene::well().await;
    for (hour, over) in [(12, true), (3, false)] {
        let mut there = fleet();
        let zone = zone(&scene, hour);
        there.policy.calendar.timezone = Some(zone.clone());
        scene.desire(there).await;
        until("its clock is that of the files", || async {
            (scene.handle.zone().iana_name() == Some(&zone)).then_some(())
        })
        .await;
        let night = scene.get("/api/v1/overview?since=night").await["did"].clone();
        assert_eq!(night["until"].is_string(), over, "{night}");
        let at = |key: &str| night[key].as_str().map(|at| at.parse::<Time>().unwrap());
        let since = at("since").unwrap();
        if let Some(end) = at("until") {
            assert_eq!(end, since + Span::hours(9), "{night}");
        }
        let ago = scene.handle.now().at.since(since);
        assert!(ago > Span::hours(4) && ago < Span::hours(16), "{night}");
    }
}

/// A scene whose log has this of the actions of `z2m`: minutes ago, and what.
async fn told(of_z2m: impl Iterator<Item = (i64, Body)>) -> Scene {
    let now = SystemClock::new().wall().0;
    let of_z2m =
        of_z2m.map(|(minutes, body)| (Time(now - minutes * 60_000), "service/piha/z2m", body));
    let disk = written(of_z2m).await;
    Scene::on(Hosts::default(), disk, tempfile::tempdir().unwrap()).await
}

#[tokio::test]
async fn who_let_it_start_is_known_though_it_started_before() {
    let started = Started {
        action: ID.into(),
        occurrence: 7,
        automatic: true,
    };
    let completed = |occurrence| {
        Body::ActionCompleted(ActionEnded {
            action: ID.into(),
            occurrence,
            code: String::new(),
            detail: String::new(),
            freed: None,
        })
    };
    let all = [
        (120, Body::ActionStarted(started)),
        (30, completed(7)),
        (30, completed(8)),
    ];
    let scene = told(all.into_iter()).await;
    let did = scene.get("/api/v1/overview?since=1h").await["did"].clone();
    assert_eq!(
        (&did["mended"], &did["done_for_people"]),
        (&json!(1), &json!(1)),
        "{did}"
    );
}

#[tokio::test]
async fn sums_say_where_the_log_has_more_than_was_read() {
    let rejected = |occurrence| {
        let rejected = Rejected {
            action: ID.into(),
            occurrence,
            by: Principal::User("admin".into()),
            note: None,
        };
        (30, Body::ActionRejected(rejected))
    };
    let scene = told((0..4_001).map(rejected)).await;
    for (since, declined, truncated) in [("1h", 4_000, true), ("10m", 0, false)] {
        let path = format!("/api/v1/overview?since={since}");
        let did = scene.get(&path).await["did"].clone();
        assert_eq!(
            (&did["declined"], &did["truncated"]),
            (&json!(declined), &json!(truncated)),
            "{since}"
        );
    }
}
