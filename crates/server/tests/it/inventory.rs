//! The inventory and the language models through the routes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use stead_core::controller::{Change, Input};
use stead_core::desired::{Fleet, Inventory, Ollama, Portainer};
use stead_core::facts::{
    ContainerFacts, Fact, FactKey, LoadedModel, ModelFacts, SourceFacts, SourceKind, SourceState,
};
use stead_core::time::{Span, Time};

use crate::scene::{Scene, fleet, node, read, request, running};

const GIB: u64 = 1 << 30;

/// `z2m` with an old image and a label that a spreadsheet would compute.
async fn labelled() -> Scene {
    let scene = Scene::well().await;
    let Fact::Container(facts) = running() else {
        unreachable!("it is a container")
    };
    let labels = [("team", "=SUM(A1)"), ("com.docker.compose.project", "home")];
    let old = ContainerFacts {
        image_id: "sha256:old".into(),
        image_created_at: Some(Time(1_700_000_000_000)),
        labels: labels.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        ..facts
    };
    scene.observe("z2m", Fact::Container(old)).await;
    let mut desired = fleet();
    desired.inventory = Inventory {
        image_max_age: Span::days(60),
        cost_label: "team".into(),
    };
    desired.portainers.insert(
        "attic".into(),
        Portainer {
            url: "http://127.0.0.1:1".into(),
            key: "secret:portainer".into(),
        },
    );
    scene.desire(desired).await;
    scene
}

fn of_kind<'a>(inventory: &'a Value, kind: &str) -> Vec<&'a str> {
    let items = inventory["items"].as_array().unwrap();
    let wanted = items.iter().filter(|item| item["kind"] == kind);
    wanted.map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn everything_there_is_stands_in_one_table() {
    let scene = labelled().await;
    let inventory = scene.get("/api/v1/inventory").await;
    assert_eq!(of_kind(&inventory, "machine"), ["piha"]);
    assert_eq!(of_kind(&inventory, "stack"), ["home"]);
    assert_eq!(of_kind(&inventory, "container"), ["stray", "web", "z2m"]);
    let items = inventory["items"].as_array().unwrap();
    let z2m = items.iter().find(|i| i["name"] == "z2m").unwrap();
    assert_eq!(
        (z2m["version"].as_str(), z2m["product"].as_str()),
        (Some("1"), Some("=SUM(A1)"))
    );
    assert_eq!(
        (z2m["service"].as_str(), z2m["stack"].as_str()),
        (Some("z2m"), Some("home"))
    );
    let old = &inventory["images"][0];
    assert_eq!(
        (old["image_id"].as_str(), old["stale"].as_bool()),
        (Some("sha256:old"), Some(true))
    );
    assert_eq!(
        inventory["images"][1]["age_days"],
        Value::Null,
        "nobody can say"
    );
    let costs = inventory["costs"].as_array().unwrap();
    let values: Vec<_> = costs
        .iter()
        .map(|c| (c["value"].as_str(), c["containers"].as_u64()))
        .collect();
    assert_eq!(values, [(Some(""), Some(2)), (Some("=SUM(A1)"), Some(1))]);
    // A Portainer whose secret is not there hurts nothing else, and says what to do.
    let source = &inventory["sources"][0];
    assert_eq!(
        (source["name"].as_str(), source["state"].as_str()),
        (Some("portainer:attic"), Some("down"))
    );
    assert!(
        source["detail"].as_str().unwrap().contains("chmod 600"),
        "{source}"
    );
}

#[tokio::test]
async fn an_old_image_is_an_event_once() {
    let scene = labelled().await;
    let aged = || async {
        let events = scene.get("/api/v1/events?kind=image_aged").await;
        events["events"].as_array().unwrap().clone()
    };
    let first = aged().await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["subject"], "container/piha/z2m");
    scene.load().await;
    assert_eq!(aged().await.len(), 1, "not again after another snapshot");
}

#[tokio::test]
async fn a_young_image_is_no_event_beside_an_old_one() {
    let scene = Scene::well().await;
    let Fact::Container(facts) = running() else {
        unreachable!("it is a container")
    };
    let now = scene.handle.now().at.0;
    for (name, days) in [("web", 29), ("z2m", 31)] {
        let made = ContainerFacts {
            image_id: format!("sha256:{days}"),
            image_created_at: Some(Time(now - days * 86_400_000)),
            ..facts.clone()
        };
        scene.observe(name, Fact::Container(made)).await;
    }
    let events = scene.get("/api/v1/events?kind=image_aged").await;
    let events = events["events"].as_array().unwrap();
    let told: Vec<_> = events.iter().map(|e| e["subject"].as_str()).collect();
    assert_eq!(told, [Some("container/piha/z2m")]);
}

#[tokio::test]
async fn as_a_file_it_holds_no_formula() {
    let scene = labelled().await;
    let (status, csv) = scene
        .call("GET", "/api/v1/inventory?format=csv", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    let csv = csv.as_str().unwrap();
    assert!(csv.starts_with("kind,node,name,"), "{csv}");
    assert!(csv.contains(",'=SUM(A1),"), "{csv}");
    let (_, report) = scene
        .call("GET", "/api/v1/inventory?format=markdown", None)
        .await;
    assert!(
        report.as_str().unwrap().contains("## Containers (3)"),
        "{report}"
    );
    for part in ["## Images (2)", "| stale |", "## Cost (2)"] {
        assert!(report.as_str().unwrap().contains(part), "{part}: {report}");
    }
    let (status, no) = scene
        .call("GET", "/api/v1/inventory?format=cvs", None)
        .await;
    assert_eq!(
        (status.as_u16(), no["code"].as_str()),
        (400, Some("bad-query"))
    );
    assert_eq!(no["remedy"], "did you mean csv?");
}

/// An Ollama with a model on disk and one in memory; the machine was not measured.
async fn models() -> Scene {
    let scene = Scene::well().await;
    let mut desired = fleet();
    desired.nodes.get_mut(&node()).unwrap().ollama = Some(Ollama {
        url: "http://127.0.0.1:11434".into(),
        keep_loaded: None,
    });
    scene.desire(desired).await;
    let up = SourceFacts {
        state: SourceState::Up,
        version: "0.12.6".into(),
        detail: String::new(),
    };
    let model = |loaded| {
        Fact::Model(ModelFacts {
            digest: "d".into(),
            size: 4 * GIB,
            loaded,
            ..ModelFacts::default()
        })
    };
    let loaded = LoadedModel {
        size: 5 * GIB,
        vram: GIB,
        context: 4096,
    };
    let key = |name: &str| FactKey::Model(name.parse().unwrap());
    let changes = vec![
        Change::Seen(FactKey::Source(SourceKind::Ollama), Fact::Source(up)),
        Change::Seen(key("team/gemma3:4b"), model(None)),
        Change::Seen(key("mistral:7b"), model(Some(loaded))),
    ];
    let at = scene.handle.now().at;
    let (node, cursor) = (node(), 2);
    scene
        .input(Input::Observed {
            node,
            at,
            cursor,
            changes,
        })
        .await;
    scene
}

#[tokio::test]
async fn models_are_listed_and_what_is_not_known_is_said_to_be_so() {
    let scene = models().await;
    let models = scene.get("/api/v1/models").await;
    let piha = &models["nodes"][0];
    assert_eq!(
        (piha["state"].as_str(), piha["version"].as_str()),
        (Some("up"), Some("0.12.6"))
    );
    assert_eq!(piha["gpu_text"], "none: inference will be slow");
    assert!(
        piha["live_problem"]
            .as_str()
            .unwrap()
            .contains("no agent of piha")
    );
    let names: Vec<_> = piha["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].clone())
        .collect();
    assert_eq!(names, ["mistral:7b", "team/gemma3:4b"]);
    let inventory = scene.get("/api/v1/inventory").await;
    assert_eq!(
        of_kind(&inventory, "model"),
        ["mistral:7b", "team/gemma3:4b"]
    );
    let mistral = &piha["models"][0]["loaded"];
    assert_eq!(
        (mistral["ram"].as_u64(), mistral["cpu_percent"].as_u64()),
        (Some(4 * GIB), Some(80))
    );
    assert_eq!(
        piha["models"][1]["fit"],
        Value::Null,
        "its memory was not measured"
    );
    let now = json!({
        "in_memory": [{ "name": "mistral:7b", "loaded": { "size": 1, "vram": 0, "context": 0 }, "expires_at": "2026-11-26T12:05:00Z" }],
        "last_used": { "mistral:7b": "2026-11-26T12:00:00Z" }
    });
    scene.agents.teach("/v1/models", &now.to_string());
    let models = scene.get("/api/v1/models?node=node-1").await;
    let mistral = &models["nodes"][0]["models"][0];
    assert_eq!(mistral["loaded"]["expires_at"], "2026-11-26T12:05:00.000Z");
    assert_eq!(mistral["last_used"], "2026-11-26T12:00:00.000Z");
    assert_eq!(models["nodes"][0]["live_problem"], Value::Null);
}

#[tokio::test]
async fn loading_is_an_action_of_a_person_and_nothing_else_starts_one() {
    let scene = models().await;
    let order = |model: &str| json!({ "node": "node-1", "model": model, "note": "for tonight" });
    let (status, accepted) = scene
        .post("/api/v1/models/load", order("team/gemma3:4b"))
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let id = "model-load-piha-team~gemma3@4b";
    assert_eq!(accepted["id"], id);
    let action = scene.get(&format!("/api/v1/actions/{id}")).await;
    assert_eq!(
        (action["subject"].as_str(), action["kind"].as_str()),
        (Some("model/piha/team/gemma3:4b"), Some("model_load"))
    );
    assert_eq!(action["decided_by"], "admin");
    let list = scene.get("/api/v1/models").await;
    assert_eq!(list["nodes"][0]["models"][1]["action"], id);

    let refused = async |path: &str, body: Value| {
        let (status, no) = scene.post(path, body).await;
        (
            status.as_u16(),
            no["code"].as_str().unwrap_or("").to_string(),
        )
    };
    let load = "/api/v1/models/load";
    assert_eq!(refused(load, order("none")).await, (422, "no-plan".into()));
    assert_eq!(refused(load, order("../x")).await, (400, "bad-name".into()));
    let elsewhere = json!({ "node": "mars", "model": "x" });
    assert_eq!(refused(load, elsewhere).await, (404, "unknown-node".into()));
    let unload = "/api/v1/models/unload";
    assert_eq!(
        refused(unload, order("team/gemma3:4b")).await,
        (422, "no-plan".into())
    );

    for path in [load, unload] {
        let body = Body::from(order("mistral:7b").to_string());
        let bare = request("POST", path).header("content-type", "application/json");
        let (status, _) = read(scene.send(bare.body(body).unwrap()).await).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/api/v1/models", "/api/v1/inventory"] {
        let bare = request("GET", path).body(Body::empty()).unwrap();
        assert_eq!(
            read(scene.send(bare).await).await.0,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
}

/// A Portainer with one environment whose containers it cannot list; how often it was asked, and whether it works.
#[derive(Clone, Default)]
struct Manager(Arc<Mutex<(usize, bool)>>);

impl Manager {
    async fn start() -> (Manager, String) {
        let manager = Manager(Arc::new(Mutex::new((0, true))));
        let endpoints = async |State(manager): State<Manager>| {
            let (asked, works) = &mut *manager.0.lock().unwrap();
            *asked += 1;
            let attic = json!([{"Id": 1, "Name": "attic", "Type": 1, "Status": 1}]);
            works.then_some(Json(attic)).ok_or(StatusCode::BAD_GATEWAY)
        };
        let stacks = json!([{"Id": 1, "Name": "media", "Type": 2, "EndpointId": 1, "Status": 1}]);
        let app = Router::new()
            .route("/api/endpoints", get(endpoints))
            .route("/api/stacks", get(async move || Json(stacks)))
            .with_state(manager.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (manager, url)
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().0
    }
}

fn managed(url: &str) -> Fleet {
    let home = Portainer {
        url: url.to_owned(),
        key: "secret:portainer".into(),
    };
    Fleet {
        portainers: [("home".to_owned(), home)].into(),
        ..fleet()
    }
}

#[tokio::test]
async fn a_portainer_is_asked_once_a_minute_and_what_it_told_stays_while_it_is_away() {
    let scene = Scene::well().await;
    scene.keep_secret("portainer", "ptr_x");
    let (manager, url) = Manager::start().await;
    scene.desire(managed(&url)).await;
    let stacks = |inventory: &Value| {
        let items = inventory["items"].as_array().unwrap().iter();
        let theirs = items.filter(|i| i["source"] == "portainer:home" && i["kind"] == "stack");
        theirs.count()
    };
    let first = scene.get("/api/v1/inventory").await;
    let source = &first["sources"][0];
    assert_eq!(
        (&source["state"], &source["detail"], stacks(&first)),
        (
            &json!("up"),
            &json!("the containers of attic are not known"),
            1
        )
    );
    scene.get("/api/v1/inventory").await;
    assert_eq!(manager.asked(), 1, "not again at once");

    manager.0.lock().unwrap().1 = false;
    let later = async |seconds: u64| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        scene.get("/api/v1/inventory").await
    };
    let away = later(61).await;
    let told = &away["sources"][0];
    assert_eq!(
        (&told["state"], &told["read_at"], stacks(&away)),
        (&json!("down"), &source["read_at"], 1),
        "what it told last: {told}"
    );
    later(5).await;
    assert_eq!(manager.asked(), 2);
    later(11).await;
    assert_eq!(manager.asked(), 3, "sooner than one that answers");

    // Of the past only the log tells.
    let at = scene.handle.now().at;
    let past = scene.get(&format!("/api/v1/inventory?at={at}")).await;
    assert_eq!((&past["sources"], stacks(&past)), (&json!([]), 0));

    // Another one by the same name: it is asked at once, and nothing of the first one stays.
    let (other, elsewhere) = Manager::start().await;
    scene.desire(managed(&elsewhere)).await;
    let moved = scene.get("/api/v1/inventory").await;
    let told = &moved["sources"][0];
    assert_eq!(
        (&told["url"], &told["state"], other.asked()),
        (&json!(elsewhere), &json!("up"), 1)
    );
}
