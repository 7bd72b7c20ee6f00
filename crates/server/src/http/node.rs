//! Nodes.

use axum::Json;
use axum::extract::State;
use stead_core::ids::NodeName;
use stead_ports::log::Filter;
use stead_protocol::api;

use super::App;
use super::container::write_anomalies;
use super::event::find;
use super::extract::{Place, name};
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Events shown with a node.
const EVENTS: usize = 30;

/// Every node, by name.
#[utoipa::path(get, path = "/api/v1/nodes", operation_id = "list_nodes", tag = "nodes",
    responses((status = 200, body = Vec<api::Node>)))]
pub async fn list_nodes(State(app): State<App>, when: When) -> Json<Vec<api::Node>> {
    Json(
        when.each_node(&app, |look, name| {
            present::node(look, name).into_iter().collect()
        })
        .await,
    )
}

/// One node with everything on it.
#[utoipa::path(get, path = "/api/v1/nodes/{node}", operation_id = "get_node", tag = "nodes",
    params(("node" = String, Path)), responses((status = 200, body = api::NodeDetail)))]
pub async fn get_node(
    State(app): State<App>,
    when: When,
    Place(asked): Place<String>,
) -> Result<Json<api::NodeDetail>, Problem> {
    let name = known(&app, &when, &asked)?;
    let latest = |kinds: Vec<String>| Filter {
        node: Some(name.to_string()),
        kinds,
        newest_first: true,
        limit: EVENTS,
        ..Filter::default()
    };
    let events = find(&app, when.bound(latest(Vec::new()))).await?;
    let reboots = find(&app, when.bound(latest(vec!["node_rebooted".to_string()]))).await?;
    let mut detail = when.look(&app, |look| {
        present::node_detail(look, &name, &events, &reboots)
    });
    if let Some(detail) = &mut detail {
        let mut all = write_anomalies(&app, &when);
        all.retain(|a| a.node == name.as_str());
        detail.write_anomalies = all;
    }
    detail
        .map(Json)
        .ok_or_else(|| Problem::unknown_node(&asked))
}

/// The last minutes, oldest first, one a second.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/samples", operation_id = "get_samples", tag = "nodes",
    params(("node" = String, Path)), responses((status = 200, body = api::Samples)))]
pub async fn get_samples(
    State(app): State<App>,
    Place(asked): Place<String>,
) -> Result<Json<api::Samples>, Problem> {
    let name = known(&app, &When::NOW, &asked)?;
    let samples = app
        .handle
        .read(|view| view.samples(&name).map(present::sample).collect());
    Ok(Json(api::Samples {
        node: name.to_string(),
        samples,
    }))
}

/// A node that a file names or an agent told of.
pub fn known(app: &App, when: &When, asked: &str) -> Result<NodeName, Problem> {
    let name = name::<NodeName>(asked)?;
    let known = when.look(app, |look| {
        let name = look.world.fleet.resolve(&name).clone();
        let known =
            look.world.nodes.contains_key(&name) || look.world.fleet.nodes.contains_key(&name);
        known.then_some(name)
    });
    known.ok_or_else(|| Problem::unknown_node(asked))
}
