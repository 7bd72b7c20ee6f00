//! A Prometheus of the owner's that knows machines by name: whose series those are changes with the fleet.

use std::collections::BTreeMap;

use axum::extract::Form;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use stead_core::desired::{Door, Fleet, Metrics, Source};

use crate::scene::{Scene, fleet, until};

/// One that answers every question with a value of the machine `attic` at its end.
async fn start() -> String {
    let range = async |Form(asked): Form<BTreeMap<String, String>>| {
        let end: f64 = asked["end"].parse().unwrap();
        let series = json!({"metric": {"instance": "attic:9100"}, "values": [[end, "0.5"]]});
        let data = json!({"resultType": "matrix", "result": [series]});
        Json(json!({"status": "success", "data": data}))
    };
    let app = Router::new().route("/api/v1/query_range", post(range));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn reading(url: &str) -> Fleet {
    let door = Door::open(url.to_owned());
    let source = Source {
        door,
        label: "instance".to_owned(),
        nodes: BTreeMap::new(),
    };
    Fleet {
        metrics: Metrics {
            read: Some(source),
            ..Metrics::default()
        },
        ..fleet()
    }
}

/// The series of a metric that there are.
async fn series(scene: &Scene) -> Option<Value> {
    let path = "/api/v1/history/series?match=stead_node_load1&from=1h";
    let (status, body) = scene.call("GET", path, None).await;
    status.is_success().then(|| body["series"].clone())
}

#[tokio::test]
async fn a_machine_is_read_once_the_files_name_it_and_no_more_once_they_do_not() {
    let url = start().await;
    let scene = Scene::well().await;
    scene.desire(reading(&url)).await;
    let theirs = async |count: usize| {
        until("its series are so many", async || {
            let found = series(&scene).await?;
            (found.as_array()?.len() == count).then_some(found)
        })
        .await
    };
    theirs(0).await;
    let mut larger = reading(&url);
    larger
        .nodes
        .insert("attic".parse().unwrap(), Default::default());
    scene.desire(larger).await;
    let found = theirs(1).await;
    assert_eq!(found[0]["selector"], "stead_node_load1{node=\"attic\"}");
    scene.desire(reading(&url)).await;
    theirs(0).await;
}
