//! The live feed: what happens is told, what was missed is told again, and nobody can make Stead hold it for them.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use http::StatusCode;
use serde_json::{Value, json};
use stead_core::sample::HostSample;

use crate::scene::{Scene, WITHIN, node, read, request, running};

/// One message: its tag, its ID, its data.
type Message = (String, u64, Value);

struct Reader {
    stream: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(scene: &Scene, path: &str, last: Option<u64>) -> Reader {
        let asked = request("GET", path).header("authorization", format!("Bearer {}", scene.token));
        let asked = match last {
            Some(last) => asked.header("last-event-id", last.to_string()),
            None => asked,
        };
        let response = scene.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/event-stream")
        );
        Reader {
            stream: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// `None`: the feed ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = message
                        .lines()
                        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
                    found.unwrap_or("").trim().to_string()
                };
                let data = serde_json::from_str(&field("data")).unwrap();
                let told = (field("event"), field("id").parse().unwrap(), data);
                self.text = rest.to_string();
                return Some(told);
            }
            let chunk = tokio::time::timeout(WITHIN, self.stream.next())
                .await
                .expect("the feed is silent")?;
            self.text
                .push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// The next event of a kind; others are passed over.
    async fn event(&mut self, kind: &str) -> Message {
        loop {
            let message = self.next().await.expect("the feed ended");
            if message.2["event"]["kind"] == kind {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn what_happens_is_told_at_once_with_the_number_to_resume_from() {
    let scene = Scene::well().await;
    let mut reader = Reader::open(&scene, "/api/v1/feed", None).await;
    let (tag, id, alive) = reader.next().await.unwrap();
    assert_eq!(
        (tag.as_str(), alive["type"].as_str(), alive["head"].as_u64()),
        ("alive", Some("alive"), Some(id))
    );
    scene.fall_ill().await;
    let (tag, seen, message) = reader.event("containers_not_running").await;
    assert_eq!(
        (tag.as_str(), message["event"]["seq"].as_u64()),
        ("event", Some(seen))
    );
    assert!(seen > id);
    // The same as by asking.
    let asked = scene.get(&format!("/api/v1/events/{seen}")).await;
    assert_eq!(asked["event"], message["event"]);

    // Away for a while, then resumed: nothing is missing, nothing comes twice.
    drop(reader);
    scene.observe("z2m", running()).await;
    let mut resumed = Reader::open(&scene, "/api/v1/feed", Some(seen)).await;
    resumed.next().await.unwrap();
    let (_, first, _) = resumed.next().await.unwrap();
    assert_eq!(first, seen + 1);
    let (_, recovered, _) = resumed.event("service_recovered").await;
    scene.fall_ill().await;
    let (_, again, _) = resumed.event("containers_not_running").await;
    assert!(again > recovered);
}

#[tokio::test]
async fn live_numbers_are_told_of_the_nodes_that_were_asked_for() {
    let scene = Scene::well().await;
    let mut all = Reader::open(&scene, "/api/v1/feed", None).await;
    let mut none = Reader::open(&scene, "/api/v1/feed?samples=none", None).await;
    all.next().await.unwrap();
    none.next().await.unwrap();
    scene.handle.sample(
        &node(),
        HostSample {
            load1: 1.5,
            ..HostSample::default()
        },
        Vec::new(),
    );
    scene.fall_ill().await;
    let (tag, _, sample) = all.next().await.unwrap();
    assert_eq!(
        (tag.as_str(), sample["sample"]["load1"].as_f64()),
        ("sample", Some(1.5))
    );
    assert_eq!(none.next().await.unwrap().0, "event");
}

#[tokio::test]
async fn a_reader_from_another_log_or_too_far_behind_is_told_to_load_anew() {
    let scene = Scene::well().await;
    let head = scene.get("/api/v1/events?limit=1").await["head"]
        .as_u64()
        .unwrap();
    let mut reader = Reader::open(&scene, "/api/v1/feed", Some(head + 1000)).await;
    assert_eq!(reader.next().await.unwrap().0, "alive");
    let (tag, _, resync) = reader.next().await.unwrap();
    assert_eq!(
        (tag.as_str(), resync["head"].as_u64()),
        ("resync", Some(head))
    );
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_told_to_load_anew_and_holds_nothing() {
    let scene = Scene::well().await;
    let mut slow = Reader::open(&scene, "/api/v1/feed", None).await;
    slow.next().await.unwrap();
    // More than its channel holds, while it reads nothing.
    for i in 0..5000 {
        let sample = HostSample {
            load1: i as f32,
            ..HostSample::default()
        };
        scene.handle.sample(&node(), sample, Vec::new());
    }
    for round in 0..1100 {
        let fact = if round % 2 == 0 {
            crate::scene::container(
                stead_core::facts::ContainerState::Exited,
                stead_core::facts::Health::None,
            )
        } else {
            running()
        };
        scene.observe("stray", fact.clone()).await;
        scene.observe("web", fact).await;
    }
    let head = scene.get("/api/v1/events?limit=1").await["head"]
        .as_u64()
        .unwrap();
    assert!(head > 2100);
    loop {
        let (tag, id, _) = slow.next().await.unwrap();
        if tag == "resync" {
            assert!(id <= head);
            break;
        }
        assert_eq!(
            tag, "sample",
            "events it cannot follow are not told one by one"
        );
    }
}

#[tokio::test]
async fn feeds_are_capped_and_end_with_the_session_and_with_stead() {
    let scene = Scene::well().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Reader::open(&scene, "/api/v1/feed", None).await);
    }
    let asked =
        request("GET", "/api/v1/feed").header("authorization", format!("Bearer {}", scene.token));
    let (status, body) = read(scene.send(asked.body(Body::empty()).unwrap()).await).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::TOO_MANY_REQUESTS, Some("too-many-feeds"))
    );
    // A search of all logs takes a place as well.
    let (status, body) = scene.call("GET", "/api/v1/logs/search?q=x", None).await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::TOO_MANY_REQUESTS, Some("too-many-feeds"))
    );
    drop(open);
    scene.get("/api/v1/logs/search?q=x").await;

    let signed = request("POST", "/api/v1/session").header("content-type", "application/json");
    let signed = scene
        .send(
            signed
                .body(Body::from(json!({"secret": scene.token}).to_string()))
                .unwrap(),
        )
        .await;
    let cookie = signed.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_string();
    let by_cookie = request("GET", "/api/v1/feed")
        .header("cookie", &cookie)
        .body(Body::empty())
        .unwrap();
    let response = scene.send(by_cookie).await;
    let mut reader = Reader {
        stream: response.into_body().into_data_stream(),
        text: String::new(),
    };
    reader.next().await.unwrap();
    let mut other = Reader::open(&scene, "/api/v1/feed", None).await;
    other.next().await.unwrap();
    let out = request("DELETE", "/api/v1/session")
        .header("cookie", &cookie)
        .header("origin", "http://127.0.0.1:18180");
    scene.send(out.body(Body::empty()).unwrap()).await;
    assert!(
        reader.next().await.is_none(),
        "signing out ends what the session has open (S11)"
    );
    scene.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        while other.next().await.is_some() {}
    })
    .await;
    assert!(ended.is_ok());
}
