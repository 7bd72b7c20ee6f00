//! Containers across nodes, through the routes: the list, one in detail, the restart of unhealthy ones, logs.

use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};
use stead_core::event::{Body as Event, NodeSynced};
use stead_core::facts::{ContainerFacts, ContainerState, Fact, FactKey, Health};
use stead_core::time::{Span, Time};
use stead_ports::clock::{Clock, SystemClock};
use stead_server::http::Hosts;

use crate::scene::{Scene, container, fleet, read, request, running, until, written};

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or(""))
}

fn names(answer: &Value) -> Vec<&str> {
    let list = answer["containers"].as_array().unwrap();
    list.iter().map(|c| c["name"].as_str().unwrap()).collect()
}

fn unhealthy() -> Fact {
    container(ContainerState::Running, Health::Unhealthy)
}

/// `web`, of the fleet, and `stray`, of no file, are unhealthy; `stray` is of a stack and has a limit and a wicked label.
async fn ill() -> Scene {
    let scene = Scene::well().await;
    scene.observe("web", unhealthy()).await;
    let Fact::Container(facts) = unhealthy() else {
        unreachable!("it is a container")
    };
    let labels = [
        ("com.docker.compose.project", "shop"),
        ("note", "<img src=x onerror=alert(1)>"),
    ];
    let stray = ContainerFacts {
        memory_limit: 64 << 20,
        failing_streak: 4,
        labels: labels.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        ..facts
    };
    scene.observe("stray", Fact::Container(stray)).await;
    scene
}

#[tokio::test]
async fn containers_are_listed_unhealthy_first_and_filtered() {
    let scene = ill().await;
    let all = scene.get("/api/v1/containers").await;
    assert_eq!(names(&all), ["stray", "web", "z2m"]);
    let counts =
        json!({"total": 3, "unhealthy": 2, "not_running": 0, "no_limit": 2, "not_fresh": 0});
    assert_eq!(all["counts"], counts);
    assert_eq!(
        all["stacks"],
        json!([{"name": "shop", "total": 1, "unhealthy": 1}])
    );
    let stray = &all["containers"][0];
    assert_eq!(stray["labels"]["note"], "<img src=x onerror=alert(1)>");
    assert_eq!(stray["restarts_as"], "container/piha/stray");
    assert_eq!(all["containers"][1]["restarts_as"], "service/piha/web");
    for (query, expected) in [
        ("unhealthy=true", vec!["stray", "web"]),
        ("no_limit=true", vec!["web", "z2m"]),
        ("stack=shop", vec!["stray"]),
        ("stack=nothing", vec![]),
        ("health=none", vec!["z2m"]),
        ("state=exited", vec![]),
        ("node=node-1&q=ZIGBEE", vec!["stray", "web", "z2m"]),
        ("q=onerror", vec!["stray"]),
    ] {
        let found = scene.get(&format!("/api/v1/containers?{query}")).await;
        assert_eq!(names(&found), expected, "{query}");
        assert_eq!(found["counts"]["total"], 3, "of all: {query}");
    }
    for query in ["state=runing", "health=ill", "node=nobody"] {
        let (status, body) = scene
            .call("GET", &format!("/api/v1/containers?{query}"), None)
            .await;
        assert!(status.is_client_error(), "{query}: {body}");
    }
}

#[tokio::test]
async fn one_container_says_since_when_it_is_ill_and_how_it_was() {
    let scene = ill().await;
    let stray = scene.get("/api/v1/containers/piha/stray?range=1h").await;
    assert_eq!(stray["health_detail"]["failing_streak"], 4);
    assert!(
        stray["health_detail"]["unhealthy_since"].is_string(),
        "{stray}"
    );
    let history = stray["health_history"].as_array().unwrap();
    let words: Vec<&str> = history
        .iter()
        .map(|h| h["state"].as_str().unwrap())
        .collect();
    // All of it may have happened within one millisecond, and then only the end of it shows.
    assert_eq!(words.first(), Some(&"unknown"), "{stray}");
    assert_eq!(words.last(), Some(&"unhealthy"), "{stray}");
    assert!(!stray["events"].as_array().unwrap().is_empty());
    let long = scene.get("/api/v1/containers/piha/stray?range=400d").await;
    let from: Time = long["health_history"][0]["from"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let month = scene.handle.now().at.since(from);
    assert!(month < Span::days(32), "no further back than a month");
    let well = scene.get("/api/v1/containers/piha/z2m").await;
    assert_eq!(well["health_detail"]["unhealthy_since"], Value::Null);
    let none = scene
        .call("GET", "/api/v1/containers/piha/stra", None)
        .await;
    assert_eq!(code(&none), (404, "unknown-container"));
    assert_eq!(none.1["remedy"], "did you mean stray?");
}

/// How `web` was within the last hour: minutes ago, and the word.
async fn was(scene: &Scene) -> Vec<(i64, String)> {
    let web = scene.get("/api/v1/containers/piha/web?range=1h").await;
    let spans = web["health_history"].as_array().unwrap().iter();
    spans
        .map(|span| {
            let from: Time = span["from"].as_str().unwrap().parse().unwrap();
            let minutes = scene.handle.now().at.since(from).0 as f64 / 60_000.0;
            (
                minutes.round() as i64,
                span["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn word(minutes: i64, state: &str) -> (i64, String) {
    (minutes, state.to_owned())
}

/// A scene that was told of `web` before it was: minutes ago, and what was seen of it.
async fn told(of_web: Vec<(i64, Option<Fact>)>) -> Scene {
    let now = SystemClock::new().wall().0;
    let ago = |minutes: i64| Time(now - minutes * 60_000);
    let web = || FactKey::Container("web".parse().unwrap());
    let synced = (
        ago(120),
        "node/piha",
        Event::NodeSynced(NodeSynced::default()),
    );
    let of_web = of_web.into_iter().map(|(minutes, fact)| {
        let body = match fact {
            Some(fact) => Event::Observed(web(), fact.into()),
            None => Event::Gone(web()),
        };
        (ago(minutes), "container/piha/web", body)
    });
    let disk = written([synced].into_iter().chain(of_web)).await;
    let scene = Scene::on(Hosts::default(), disk, tempfile::tempdir().unwrap()).await;
    scene.desire(fleet()).await;
    scene
}

#[tokio::test]
async fn a_strip_begins_with_what_was_and_shows_that_it_was_gone() {
    let scene = told(vec![
        (120, Some(running())),
        (40, None),
        (20, Some(unhealthy())),
    ])
    .await;
    let words = [
        word(60, "running"),
        word(40, "absent"),
        word(20, "unhealthy"),
        word(0, "unknown"),
    ];
    assert_eq!(was(&scene).await, words, "since it started nobody knows");
}

#[tokio::test]
async fn a_strip_says_nothing_of_the_time_whose_events_were_not_read() {
    let exited = || Some(container(ContainerState::Exited, Health::None));
    let many = (0..1_000).flat_map(|_| [(30, Some(running())), (30, exited())]);
    let before = [(120, Some(running())), (50, exited())];
    let scene = told(before.into_iter().chain(many).collect()).await;
    let words = [word(60, "unknown"), word(30, "exited"), word(0, "unknown")];
    assert_eq!(was(&scene).await, words);
}

#[tokio::test]
async fn a_restart_touches_what_was_read_and_nothing_else() {
    let scene = ill().await;
    let post = async |body: Value| scene.post("/api/v1/containers/restart", body).await;
    let (status, plan) = post(json!({"dry_run": true})).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert_eq!(plan["sentence"], "2 containers would be restarted");
    let targets = plan["targets"].as_array().unwrap();
    let subjects: Vec<&str> = targets
        .iter()
        .map(|t| t["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["service/piha/web", "container/piha/stray"]);
    assert_eq!(targets[1]["containers"][0]["name"], "stray");
    assert_eq!(
        targets[1]["why"],
        "its health check failed 4 times in a row"
    );
    assert_eq!(
        scene.get("/api/v1/rollouts").await,
        json!([]),
        "nothing yet"
    );
    let narrowed = post(json!({"dry_run": true, "stack": "shop"})).await.1;
    assert_eq!(narrowed["targets"].as_array().unwrap().len(), 1);
    let mut larger = fleet();
    larger
        .nodes
        .insert("attic".parse().unwrap(), Default::default());
    scene.desire(larger).await;
    let elsewhere = post(json!({"dry_run": true, "node": "attic"})).await.1;
    assert_eq!(elsewhere["targets"], json!([]), "only of that node");

    // It was made anew after it was read.
    let Fact::Container(facts) = unhealthy() else {
        unreachable!("it is a container")
    };
    let anew = ContainerFacts {
        id: "0123456789ab".repeat(5),
        ..facts
    };
    scene.observe("stray", Fact::Container(anew)).await;
    let read = |n: usize| json!({"subject": targets[n]["subject"], "digest": targets[n]["digest"]});
    let (status, begun) =
        post(json!({"targets": [read(0), read(1)], "note": "morning", "max_failures": 2})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    assert_eq!(begun["targets"][0]["left_out"], Value::Null);
    assert_eq!(
        begun["targets"][1]["left_out"],
        "what a restart of it touches changed after it was read"
    );
    let id = begun["rollout"].as_str().unwrap();
    let rollout = until("its target to work", async || {
        let rollout = scene.get(&format!("/api/v1/rollouts/{id}")).await;
        (rollout["counts"]["working"] == 1).then_some(rollout)
    })
    .await;
    assert_eq!(rollout["counts"]["total"], 1);
    assert_eq!(
        (&rollout["batch"], &rollout["max_failures"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(rollout["by"], "admin");
    let action = &scene.get("/api/v1/actions").await[0];
    assert_eq!(action["kind"], "container_restart");
    assert_eq!(
        action["decided_by"], "admin",
        "born approved by that person"
    );
}

#[tokio::test]
async fn nothing_is_nothing() {
    let scene = Scene::well().await;
    let post = async |body: Value| scene.post("/api/v1/containers/restart", body).await;
    let (status, plan) = post(json!({"dry_run": true})).await;
    assert_eq!((status, &plan["targets"]), (StatusCode::OK, &json!([])));
    assert!(
        plan["sentence"]
            .as_str()
            .unwrap()
            .starts_with("No container is unhealthy")
    );
    let none = post(json!({})).await;
    assert_eq!(code(&none), (422, "no-targets"));
    let why = none.1["detail"].as_str().unwrap();
    assert!(why.starts_with("no target is named"), "{why}");
    let healthy = json!({"targets": [{"subject": "service/piha/web", "digest": "x"}]});
    let answer = post(healthy).await;
    assert_eq!(code(&answer), (422, "no-targets"));
    assert!(
        answer.1["detail"]
            .as_str()
            .unwrap()
            .contains("not unhealthy any more")
    );
    assert_eq!(code(&post(json!({"all": true})).await), (400, "bad-json"));
    assert_eq!(scene.get("/api/v1/rollouts").await, json!([]));
}

#[tokio::test]
async fn logs_of_all_nodes_are_searched_and_a_silent_one_is_named() {
    let scene = Scene::well().await;
    let path = "/api/v1/logs/search?q=%3Cb%3E&since=2026-11-21T00:00:00Z&containers=web&limit=20";
    let silent = scene.get(path).await;
    assert_eq!(silent["lines"], json!([]));
    assert!(
        silent["nodes"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("no agent")
    );
    let asked = "/v1/logs/search?text=%3Cb%3E&containers=web&since=1795219200000&most=20";
    let line = json!({"container": "web", "at": "2026-11-21T08:30:00.1Z", "error": true, "text": "<b>no</b>"});
    let answer = json!({"found": [line], "containers": 1, "of": 1, "lines": 9, "bytes": 90, "limits": ["web: cut"]});
    scene.agents.teach(asked, &answer.to_string());
    let found = scene.get(path).await;
    assert_eq!(found["lines"][0]["text"], "<b>no</b>");
    assert_eq!(found["lines"][0]["node"], "piha");
    assert_eq!(found["lines"][0]["error"], true);
    let many = "/v1/logs/search?text=%3Cb%3E&containers=web&since=1795219200000&most=1000";
    scene.agents.teach(many, &answer.to_string());
    let all = scene.get(&path.replace("limit=20", "limit=9999")).await;
    assert_eq!(all["looked_at"], 9, "no more than a thousand are asked for");
    let each = request("GET", path)
        .header("authorization", format!("Bearer {}", scene.token))
        .header("accept", "application/x-ndjson");
    let (_, told) = read(scene.send(each.body(Body::empty()).unwrap()).await).await;
    let told = told.as_str().expect("a line each").lines().count();
    assert_eq!(told, 2, "how far it is, then the whole");
    assert_eq!(found["limits"], json!(["piha: web: cut"]));
    assert_eq!(found["nodes"][0]["problem"], Value::Null);
    for bad in [
        "q=",
        "q=%20",
        "x=1",
        "q=a&nodes=nobody",
        "q=a&since=soon",
        "q=a&containers=../x",
        "q=a&units=..%2Fx",
        "q=a&kind=files",
        "q=a&kind=unit&containers=web",
    ] {
        let (status, body) = scene
            .call("GET", &format!("/api/v1/logs/search?{bad}"), None)
            .await;
        assert!(status.is_client_error(), "{bad}: {body}");
    }
}

#[tokio::test]
async fn units_are_searched_beside_containers_and_an_agent_that_cannot_is_named() {
    let scene = Scene::well().await;
    let since = "since=2026-11-21T00:00:00Z&limit=20";
    let asked = |route: &str, key: &str, names: &str| {
        format!("/v1/{route}/search?text=no&{key}={names}&since=1795219200000&most=20")
    };
    let line =
        json!({"container": "web", "at": "2026-11-21T08:30:00.100000000Z", "text": "no web"});
    let answer = json!({"found": [line], "containers": 1, "of": 1, "lines": 9});
    scene
        .agents
        .teach(&asked("logs", "containers", ""), &answer.to_string());
    // An agent of before knows nothing of units.
    let older = scene
        .get(&format!("/api/v1/logs/search?q=no&{since}"))
        .await;
    assert_eq!(older["lines"].as_array().unwrap().len(), 1);
    assert_eq!(
        older["limits"],
        json!(["piha: its agent is older and does not search units: update it"])
    );
    assert_eq!(older["nodes"][0]["units"], false);
    let line = json!({"unit": "ssh.service", "at": "2026-11-21T08:29:00.000001000Z", "error": true, "text": "no ssh"});
    let answer = json!({"found": [line], "lines": 4}).to_string();
    scene.agents.teach(&asked("units", "units", ""), &answer);
    scene
        .agents
        .teach(&asked("units", "units", "ssh.service"), &answer);
    let both = scene
        .get(&format!("/api/v1/logs/search?q=no&{since}"))
        .await;
    assert_eq!(both["lines"][0]["unit"], "ssh.service");
    assert_eq!(both["lines"][1]["container"], "web");
    assert_eq!(both["looked_at"], 13);
    assert_eq!(
        (&both["limits"], &both["nodes"][0]["units"]),
        (&json!([]), &json!(true))
    );
    for only in ["kind=unit", "units=ssh.service"] {
        let path = format!("/api/v1/logs/search?q=no&{only}&{since}");
        let found = scene.get(&path).await;
        assert_eq!(found["lines"].as_array().unwrap().len(), 1, "{only}");
        assert_eq!(found["looked_at"], 4, "no container was asked: {only}");
    }
    let path = format!("/api/v1/logs/search?q=no&kind=container&{since}");
    assert_eq!(scene.get(&path).await["looked_at"], 9, "no unit was asked");
    let none = scene.get("/api/v1/logs/search?q=no&kind=unit").await;
    let problem = none["nodes"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("older"), "{problem}");
}

#[tokio::test]
async fn a_followed_log_is_passed_on_as_it_comes() {
    let scene = Scene::well().await;
    scene
        .agents
        .teach("/v1/containers/web/logs?tail=5&follow=true", "one\ntwo\n");
    let text = scene
        .get("/api/v1/containers/piha/web/logs/follow?tail=5")
        .await;
    assert_eq!(text, json!("one\ntwo\n"));
}
