//! `/why`: what was done explains itself as a chain, and what is not done by all that was considered.

use http::StatusCode;
use serde_json::{Value, json};
use stead_core::facts::{ContainerState, Health};

use crate::scene::{Scene, container, fleet, node};

const ID: &str = "container-restart-piha-z2m";

/// What stands in the way: the first row that does not pass.
fn reason(why: &Value) -> (&str, &str) {
    let rows = why["considered"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|r| r["passes"] == false)
        .unwrap_or(&Value::Null);
    (
        row["what"].as_str().unwrap_or(""),
        row["text"].as_str().unwrap_or(""),
    )
}

#[tokio::test]
async fn an_action_is_found_by_its_id_and_tells_the_same_chain() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let why = scene.get(&format!("/api/v1/why/{ID}")).await;
    let old = scene.get(&format!("/api/v1/actions/{ID}/why")).await;
    assert_eq!(why, old);
    assert_eq!(why["subject"], "service/piha/z2m");
    assert_eq!(why["state"], "pending");
    assert_eq!(why["considered"], json!([]));
}

#[tokio::test]
async fn what_is_well_says_that_nothing_is_to_be_done() {
    let scene = Scene::well().await;
    let why = scene.get("/api/v1/why/service/piha/z2m").await;
    assert_eq!(why["state"], "healthy");
    assert_eq!(reason(&why).0, "drift");
    assert_eq!(
        why["summary"],
        "Nothing is to be done about service/piha/z2m: it is well, nothing differs from the files."
    );
    // By its name alone, as long as there is one of it; by its node's other name too.
    assert_eq!(
        scene.get("/api/v1/why/z2m").await["subject"],
        "service/piha/z2m"
    );
    assert_eq!(scene.get("/api/v1/why/piha").await["subject"], "node/piha");
    let other = scene.get("/api/v1/why/service/node-1/z2m").await;
    assert_eq!(other["subject"], "service/piha/z2m");
}

#[tokio::test]
async fn an_ill_service_names_the_rule_that_asks_and_how_to_decide() {
    let scene = Scene::well().await;
    scene.fall_ill().await;
    let why = scene.get("/api/v1/why/service/piha/z2m").await;
    let (what, text) = reason(&why);
    assert_eq!(what, "policy", "{why}");
    assert!(
        text.contains("level 2 is above policy.automatic.max_level 1"),
        "{text}"
    );
    let rows = why["considered"].as_array().unwrap();
    let order: Vec<&str> = rows.iter().map(|r| r["what"].as_str().unwrap()).collect();
    assert_eq!(
        order,
        [
            "known",
            "monitored",
            "evidence",
            "patience",
            "drift",
            "repair",
            "brake",
            "policy",
            "lock",
            "flapping",
            "limit",
            "ready"
        ]
    );
    let policy = rows.iter().find(|r| r["what"] == "policy").unwrap();
    assert_eq!(
        policy["remedy"],
        format!("decide: stead actions approve {ID}")
    );
    assert_eq!(why["actions"][0]["id"], ID);
    assert_eq!(why["drift"][0]["kind"], "unhealthy_service");
    let links = why["links"].as_array().unwrap();
    assert_eq!(links.last().unwrap()["stage"], "waiting");
    assert!(
        why["summary"]
            .as_str()
            .unwrap()
            .starts_with("container-restart-piha-z2m waits: ")
    );
}

#[tokio::test]
async fn each_thing_in_the_way_is_the_reason_while_it_is_there() {
    let scene = Scene::well().await;
    // Nobody watches it.
    let why = scene.get("/api/v1/why/service/piha/quiet").await;
    assert_eq!(reason(&why).0, "monitored");
    // No file names it.
    let why = scene.get("/api/v1/why/container/piha/stray").await;
    assert_eq!(reason(&why).0, "known");
    // It is a part of something else.
    let why = scene.get("/api/v1/why/container/piha/z2m").await;
    let known = &why["considered"][0];
    assert_eq!(known["remedy"], "stead why service/piha/z2m");
    // A rejection holds.
    scene.fall_ill().await;
    scene
        .post(&format!("/api/v1/actions/{ID}/reject"), json!({}))
        .await;
    let why = scene.get("/api/v1/why/service/piha/z2m").await;
    let (what, text) = reason(&why);
    assert_eq!(what, "memory", "{why}");
    assert!(text.contains("rejected"), "{text}");
    // Approved, but a backup runs there.
    let asked = json!({"kind": "container_restart", "subject": "service/piha/web"});
    let lock = json!({"target": "node/piha", "for": "1h", "lock": "backup"});
    scene.post("/api/v1/locks", lock).await;
    scene
        .observe("web", container(ContainerState::Exited, Health::None))
        .await;
    scene.post("/api/v1/actions", asked).await;
    let why = scene.get("/api/v1/why/service/piha/web").await;
    let (what, text) = reason(&why);
    assert_eq!(what, "lock", "{why}");
    assert!(text.contains("backup lock on node/piha"), "{text}");
}

#[tokio::test]
async fn a_silent_node_is_the_first_reason() {
    let scene = Scene::new().await;
    scene.desire(fleet()).await;
    let why = scene.get("/api/v1/why/service/piha/z2m").await;
    assert_eq!(reason(&why).0, "evidence");
    let row = &why["considered"][2];
    assert!(
        row["remedy"]
            .as_str()
            .unwrap()
            .contains("start the agent on piha"),
        "{row}"
    );
    assert_eq!(why["state"], "unknown", "never shown as well");
    let why = scene.get(&format!("/api/v1/why/node/{}", node())).await;
    assert_eq!(reason(&why).0, "evidence");
    assert_eq!(scene.get("/api/v1/why/fleet").await["subject"], "fleet");
}

#[tokio::test]
async fn what_is_not_there_names_the_nearest() {
    let scene = Scene::well().await;
    let (status, no) = scene
        .call("GET", "/api/v1/why/service/piha/z3m", None)
        .await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::NOT_FOUND, &json!("unknown-target"))
    );
    assert_eq!(no["remedy"], "did you mean service/piha/z2m?");
    let (status, no) = scene
        .call("GET", "/api/v1/why/container-restart-piha-x", None)
        .await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::NOT_FOUND, &json!("unknown-action"))
    );
    let (status, no) = scene.call("GET", "/api/v1/why/pod/a/b", None).await;
    assert_eq!(
        (status, &no["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad-subject"))
    );
}

#[tokio::test]
async fn the_reasons_of_a_past_instant_are_those_of_then() {
    let scene = Scene::well().await;
    let before = scene.handle.now().at.to_string();
    // The log counts in milliseconds.
    crate::scene::until("the clock to go on", async || {
        (scene.handle.now().at.to_string() > before).then_some(())
    })
    .await;
    scene.fall_ill().await;
    let why = scene
        .get(&format!("/api/v1/why/service/piha/z2m?at={before}"))
        .await;
    assert_eq!(why["state"], "healthy", "{why}");
    let locks = scene.get(&format!("/api/v1/locks?at={before}")).await;
    assert_eq!(locks, json!([]));
}
