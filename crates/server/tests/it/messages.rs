//! Alerts, messages, channels and routes, through the routes of the API. Delivery itself is tested where it lives.

use http::StatusCode;
use serde_json::json;
use stead_core::controller::Input;
use stead_core::desired::{Channel, Fleet, Ping, Route, RouteMatch, Webhook};
use stead_core::event::Severity;

use crate::scene::{Scene, fleet, until};

/// One channel with secrets, and a route for what is critical.
fn telling() -> Fleet {
    let hook = Webhook {
        url: "https://hooks.example.org/secret-path".to_string(),
        secret: Some("secret:hook".to_string()),
        ..Webhook::default()
    };
    let mut fleet = fleet();
    fleet
        .channels
        .insert("ops".to_string(), Channel::Webhook(hook));
    fleet.routes.push(Route {
        name: "everything-ill".to_string(),
        matches: RouteMatch {
            severity: Some(Severity::Warning),
            ..RouteMatch::default()
        },
        to: vec!["ops".to_string()],
        ping: Ping::Always,
    });
    fleet
}

#[tokio::test]
async fn a_channel_is_tested_and_its_delivery_is_in_the_log() {
    let scene = Scene::well().await;
    scene.desire(telling()).await;
    let channels = scene.get("/api/v1/channels").await;
    assert_eq!(channels[0]["name"], "ops");
    assert_eq!(channels[0]["routes"], json!(["everything-ill"]));
    let text = channels.to_string();
    assert!(
        !text.contains("secret"),
        "addresses and secrets are never shown: {text}"
    );

    let (status, sent) = scene.post("/api/v1/channels/ops/test", json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{sent}");
    assert_eq!(
        (&sent["state"], &sent["sort"]),
        (&json!("waiting"), &json!("test"))
    );
    let id = sent["id"].as_str().unwrap().to_string();
    let waiting = scene
        .get("/api/v1/messages?state=waiting&channel=ops")
        .await;
    assert_eq!(waiting[0]["id"], sent["id"]);

    scene
        .input(Input::Delivered {
            id,
            attempts: 2,
            why: "the receiver answered 500".to_string(),
        })
        .await;
    let failed = scene.get("/api/v1/messages?state=failed").await;
    assert_eq!(failed[0]["attempts"], 2);
    assert_eq!(failed[0]["why"], "the receiver answered 500");
    let channels = scene.get("/api/v1/channels").await;
    assert_eq!(channels[0]["last"]["state"], "failed");
    assert_eq!(scene.get("/api/v1/messages?state=waiting").await, json!([]));
}

#[tokio::test]
async fn an_unknown_channel_and_a_bad_question_say_what_to_do() {
    let scene = Scene::well().await;
    scene.desire(telling()).await;
    let (status, no) = scene.post("/api/v1/channels/opps/test", json!({})).await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::NOT_FOUND, &json!("unknown-channel"))
    );
    assert_eq!(no["remedy"], "did you mean ops?");
    let (status, no) = scene.call("GET", "/api/v1/messages?state=lost", None).await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad-query"))
    );
    let asked = json!({"kind": "service_unhealthy", "subject": "z2m"});
    let (status, no) = scene.post("/api/v1/routes/simulate", asked).await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad-subject"))
    );
}

#[tokio::test]
async fn the_simulator_says_of_each_route_whether_it_takes_an_event_and_what_is_against_it() {
    let scene = Scene::well().await;
    scene.desire(telling()).await;
    let ask = async |severity: &str| {
        let asked = json!({"kind": "service_unhealthy", "subject": "service/piha/z2m", "severity": severity});
        scene.post("/api/v1/routes/simulate", asked).await.1
    };
    let taken = ask("critical").await;
    assert_eq!(taken[0]["takes"], true, "{taken}");
    assert_eq!(
        (&taken[0]["to"], &taken[0]["ping"]),
        (&json!(["ops"]), &json!(true))
    );
    let left = ask("info").await;
    assert_eq!(
        (&left[0]["takes"], &left[0]["against"]),
        (&json!(false), &json!("severity"))
    );
}

#[tokio::test]
async fn what_falls_ill_is_an_open_alert_and_why_tells_who_is_told() {
    let scene = Scene::well().await;
    scene.desire(telling()).await;
    scene.fall_ill().await;
    let alert = until("an alert", async || {
        let alerts = scene.get("/api/v1/alerts").await;
        alerts["open"].get(0).cloned()
    })
    .await;
    assert_eq!(alert["subject"], "service/piha/z2m");
    assert_eq!(scene.get("/api/v1/overview").await["alerts_open"], 1);
    let why = scene.get("/api/v1/why/container-restart-piha-z2m").await;
    let links = why["links"].as_array().unwrap();
    // Its time to be told has not come, or it is on its way: the chain says which.
    assert!(
        links.iter().any(|l| l["stage"] == "message"),
        "what was told belongs to the chain: {why}"
    );
}
