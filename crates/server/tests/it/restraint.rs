//! Locks and the brake, through the routes, in the files and in the numbers.

use http::StatusCode;
use serde_json::{Value, json};
use stead_core::controller::Input;
use stead_core::desired::{Fleet, Node};
use stead_core::facts::{ContainerState, Fact, FactKey, Facts, Health, HostFacts};
use stead_core::facts::{SourceFacts, SourceKind, SourceState};

use crate::scene::{Scene, container, fleet, node, running, service, until};

const ID: &str = "container-restart-piha-z2m";

/// A rule lets containers be restarted without asking.
fn automatic() -> Fleet {
    use stead_core::desired::{Match, Rule, Says};
    let mut fleet = fleet();
    fleet.policy.rules.push(Rule {
        matches: Match {
            action: Some("container_restart".to_string()),
            ..Match::default()
        },
        says: Says::Automatic(true),
        between: None,
        days: None,
        hours: None,
    });
    fleet
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or(""))
}

#[tokio::test]
async fn a_lock_is_shown_with_everything_it_holds_and_is_released() {
    let scene = Scene::well().await;
    let asked = json!({"target": "node/piha", "for": "2h", "why": "new disk"});
    let (status, lock) = scene.post("/api/v1/locks", asked).await;
    assert_eq!(status, StatusCode::CREATED, "{lock}");
    assert_eq!(lock["target"], "node/piha");
    assert_eq!(lock["lock"], "maintenance");
    assert_eq!(lock["by"], "admin");
    assert!(
        lock["text"].as_str().unwrap().contains("new disk"),
        "{lock}"
    );

    assert_eq!(scene.get("/api/v1/locks").await[0], lock);
    let held = |row: &Value| row["held"]["target"].as_str().map(str::to_string);
    let services = scene.get("/api/v1/services").await;
    for row in services.as_array().unwrap() {
        assert_eq!(held(row).as_deref(), Some("node/piha"), "{row}");
    }
    assert_eq!(
        held(&scene.get("/api/v1/nodes").await[0]).as_deref(),
        Some("node/piha")
    );
    let overview = scene.get("/api/v1/overview").await;
    assert_eq!(overview["locks"][0]["why"], "new disk");
    assert_eq!(overview["summary"]["locks"], 1);

    let (status, still) = scene.call("DELETE", "/api/v1/locks/node/piha", None).await;
    assert_eq!((status, still), (StatusCode::OK, json!([])));
    assert_eq!(scene.get("/api/v1/locks").await, json!([]));
    let services = scene.get("/api/v1/services").await;
    assert_eq!(services[0]["held"], json!(null));
    let events = scene
        .get("/api/v1/events?kind=lock_taken,lock_released")
        .await;
    let texts: Vec<&str> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts[0], "admin released the maintenance lock on piha");
    assert!(
        texts[1].starts_with("admin locked piha until "),
        "{texts:?}"
    );
}

#[tokio::test]
async fn what_is_left_after_a_release_is_what_holds_it_still() {
    let scene = Scene::well().await;
    for target in ["fleet", "service/piha/z2m"] {
        let asked = json!({"target": target, "for": "1h"});
        assert_eq!(
            scene.post("/api/v1/locks", asked).await.0,
            StatusCode::CREATED
        );
    }
    // Its slashes escaped, as a client writes one segment.
    let path = "/api/v1/locks/service%2Fpiha%2Fz2m";
    let (status, still) = scene.call("DELETE", path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(still[0]["target"], "fleet");
    assert_eq!(
        code(&scene.call("DELETE", path, None).await),
        (404, "no-lock")
    );
}

#[tokio::test]
async fn a_lock_that_would_hold_nothing_or_never_is_refused_with_what_to_do() {
    let scene = Scene::well().await;
    let refused = async |asked: Value| scene.post("/api/v1/locks", asked).await;
    let unknown = refused(json!({"target": "service/piha/z3m", "for": "1h"})).await;
    assert_eq!(code(&unknown), (404, "unknown-target"));
    assert_eq!(unknown.1["remedy"], "did you mean service/piha/z2m?");
    for (why, asked) in [
        (
            "in the past",
            json!({"target": "node/piha", "until": "2020-01-01T00:00:00Z"}),
        ),
        ("no end", json!({"target": "node/piha"})),
        (
            "two ends",
            json!({"target": "node/piha", "for": "1h", "until": "2099-01-01T00:00:00Z"}),
        ),
        ("no length", json!({"target": "node/piha", "for": "soon"})),
        ("nothing", json!({"target": "node/piha", "for": "0s"})),
        ("too long", json!({"target": "node/piha", "for": "60d"})),
        (
            "no time",
            json!({"target": "node/piha", "until": "tomorrow"}),
        ),
    ] {
        let answer = refused(asked).await;
        assert_eq!(code(&answer), (400, "bad-lock-time"), "{why}: {}", answer.1);
    }
    let kind = refused(json!({"target": "node/piha", "for": "1h", "lock": "backups"})).await;
    assert_eq!(code(&kind), (400, "unknown-lock"));
    assert_eq!(kind.1["remedy"], "did you mean backup?");
    let window = refused(json!({"target": "node/piha", "for": "1h", "lock": "window"})).await;
    assert_eq!(code(&window), (400, "unknown-lock"));
    let subject = refused(json!({"target": "piha", "for": "1h"})).await;
    assert_eq!(code(&subject), (400, "bad-subject"));
    assert_eq!(
        scene.get("/api/v1/locks").await,
        json!([]),
        "nothing of it was taken"
    );
}

#[tokio::test]
async fn a_heartbeat_is_heard_and_a_lock_that_is_not_there_has_none() {
    let scene = Scene::well().await;
    let asked = json!({"target": "node/piha", "for": "1h", "lock": "backup", "heartbeat": "5m"});
    let (_, lock) = scene.post("/api/v1/locks", asked).await;
    assert_eq!(lock["heartbeat_ms"], 300_000);
    let beat = json!({"target": "node/node-1", "lock": "backup"});
    let node = json!({"target": "node/piha", "lock": "backup"});
    let (status, held) = scene.post("/api/v1/locks/beat", beat).await;
    assert_eq!(
        (status, &held[0]["lock"]),
        (StatusCode::OK, &json!("backup")),
        "by its alias"
    );
    assert_eq!(
        scene.post("/api/v1/locks/beat", node).await.0,
        StatusCode::OK
    );
    let none = scene
        .post("/api/v1/locks/beat", json!({"target": "fleet"}))
        .await;
    assert_eq!(code(&none), (404, "no-lock"));
}

#[tokio::test]
async fn a_rule_that_lets_it_and_a_lock_that_holds_it_are_both_named() {
    let scene = Scene::well().await;
    scene.desire(automatic()).await;
    let lock = json!({"target": "service/piha/z2m", "for": "1h", "why": "firmware"});
    scene.post("/api/v1/locks", lock).await;
    scene.fall_ill().await;
    let action = scene.get(&format!("/api/v1/actions/{ID}")).await;
    assert_eq!(action["state"], "pending");
    assert_eq!(action["verdict"]["answer"], "refused");
    assert_eq!(action["verdict"]["rule"], "policy.rules[0]");
    let limit = action["verdict"]["limit"].as_str().unwrap();
    assert!(
        limit.contains("maintenance lock on service/piha/z2m"),
        "{limit}"
    );
    assert_eq!(action["held"]["why"], "firmware");

    scene
        .call("DELETE", "/api/v1/locks/service/piha/z2m", None)
        .await;
    let action = scene.get(&format!("/api/v1/actions/{ID}")).await;
    assert_eq!(action["state"], "running", "{action}");
    assert_eq!(action["verdict"]["answer"], "ready", "what was said then");
    assert_eq!(action["decided_by"], "policy");
}

/// Nine services of one node, so that there is a mass.
async fn many() -> Scene {
    let scene = Scene::new().await;
    let mut fleet = automatic();
    let mut many = Node::default();
    let mut facts = Facts::new();
    facts.insert(FactKey::Host, Fact::Host(HostFacts::default()));
    let docker = SourceFacts {
        state: SourceState::Up,
        version: "29".into(),
        detail: String::new(),
    };
    facts.insert(FactKey::Source(SourceKind::Docker), Fact::Source(docker));
    for n in 0..9 {
        let name = format!("s{n}");
        many.services.insert(name.parse().unwrap(), service(&name));
        facts.insert(FactKey::Container(name.parse().unwrap()), running());
    }
    fleet.nodes.insert(node(), many);
    scene.desire(fleet).await;
    let at = scene.handle.now().at;
    scene
        .input(Input::Snapshot {
            node: node(),
            at,
            facts,
            spool: "s1".to_string(),
            cursor: 1,
            digest: "d1".to_string(),
        })
        .await;
    scene
}

#[tokio::test]
async fn the_brake_is_one_event_is_shown_everywhere_and_is_released_once() {
    let scene = many().await;
    let calm = scene.get("/api/v1/brake").await;
    assert_eq!(
        (&calm["engaged"], &calm["limit"]),
        (&json!(false), &json!(55.0))
    );
    let early = scene.post("/api/v1/brake/release", json!({})).await;
    assert_eq!(code(&early), (409, "no-brake"));

    let ill: Vec<_> = (0..9)
        .map(|n| {
            let key = FactKey::Container(format!("s{n}").parse().unwrap());
            let fact = container(ContainerState::Exited, Health::None);
            stead_core::controller::Change::Seen(key, fact)
        })
        .collect();
    let at = scene.handle.now().at;
    let observed = Input::Observed {
        node: node(),
        at,
        cursor: 2,
        changes: ill,
    };
    scene.input(observed).await;

    let brake = scene.get("/api/v1/brake").await;
    assert_eq!(brake["engaged"], true, "{brake}");
    assert!(
        brake["remedy"]
            .as_str()
            .unwrap()
            .contains("stead brake release")
    );
    let overview = scene.get("/api/v1/overview").await;
    assert_eq!(overview["brake"]["engaged"], true);
    assert_eq!(overview["summary"]["brake"], true);
    assert_eq!(overview["mood"], "trouble");
    let events = scene.get("/api/v1/events?kind=brake_engaged").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    let text = events["events"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("The brake stops all automatic repair: "),
        "{text}"
    );
    let why = scene.get("/api/v1/why/service/piha/s8").await;
    let brake = row(&why, "brake");
    assert_eq!(brake["passes"], false, "{why}");

    let metrics = crate::scene::request("GET", "/metrics")
        .body(axum::body::Body::empty())
        .unwrap();
    let (_, text) = crate::scene::read(scene.send(metrics).await).await;
    let text = text.as_str().unwrap();
    for wanted in ["stead_brake_engaged 1", "stead_locks 0", "stead_outbox 0"] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }

    let (status, released) = scene.post("/api/v1/brake/release", json!({})).await;
    assert_eq!(
        (status, &released["engaged"]),
        (StatusCode::OK, &json!(false))
    );
    assert!(released["released_at"].is_string());
    let again = scene.post("/api/v1/brake/release", json!({})).await;
    assert_eq!(code(&again), (409, "no-brake"));
}

fn row<'a>(why: &'a Value, what: &str) -> &'a Value {
    let rows = why["considered"].as_array().unwrap();
    rows.iter()
        .find(|r| r["what"] == what)
        .unwrap_or(&Value::Null)
}

#[tokio::test]
async fn the_policy_in_force_says_what_is_automatic_and_by_which_rule() {
    let scene = Scene::well().await;
    let kind = |policy: &Value, word: &str| {
        let kinds = policy["kinds"].as_array().unwrap();
        kinds.iter().find(|k| k["kind"] == word).unwrap().clone()
    };
    let policy = scene.get("/api/v1/policy").await;
    assert_eq!(
        kind(&policy, "container_restart")["verdict"]["answer"],
        "ask"
    );
    assert_eq!(kind(&policy, "lock_clear")["verdict"]["answer"], "ready");
    assert_eq!(kind(&policy, "destroy")["risk"], "destructive");
    assert_eq!(policy["limits"]["per_target_per_hour"], 3);
    assert_eq!(policy["calendar"]["business"], "Mon-Fri 09:00-17:00");

    scene.desire(automatic()).await;
    let policy = scene.get("/api/v1/policy").await;
    let restart = kind(&policy, "container_restart");
    assert_eq!(restart["verdict"]["answer"], "ready");
    assert_eq!(restart["verdict"]["rule"], "policy.rules[0]");
    assert_eq!(restart["rules"], json!([0]));
    assert_eq!(policy["rules"][0]["text"], "container_restart is automatic");
    assert_eq!(policy["rules"][0]["holds_now"], true);
}

#[tokio::test]
async fn the_files_mirror_locks_brake_alerts_and_rollouts() {
    let scene = Scene::well().await;
    let mirror = tokio::spawn(stead_server::files::run(
        scene.files(),
        scene.handle.clone(),
        scene.stop.clone(),
    ));
    let asked = json!({"target": "node/piha", "for": "2h", "why": "new disk"});
    scene.post("/api/v1/locks", asked).await;
    let read = |name: &str| {
        let path = scene.files().join("world").join(name);
        let text = std::fs::read_to_string(path).ok()?;
        serde_json::from_str::<Value>(&text).ok()
    };
    until("the lock in its file", async || {
        read("locks.json").filter(|l| l[0]["why"] == "new disk")
    })
    .await;
    assert_eq!(read("brake.json").unwrap()["engaged"], false);
    assert!(read("alerts.json").unwrap()["open"].is_array());
    assert_eq!(read("rollouts.json").unwrap(), json!([]));
    mirror.abort();
}
