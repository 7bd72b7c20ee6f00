//! The score card of the fleet and of a node.

use axum::Json;
use axum::extract::State;
use stead_protocol::api;

use super::App;
use super::extract::Place;
use super::node::known;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// The fleet's score: the mean of its nodes, with the lowest of them.
#[utoipa::path(get, path = "/api/v1/score", operation_id = "get_score", tag = "score",
    responses((status = 200, body = api::FleetScore)))]
pub async fn get_score(State(app): State<App>) -> Json<api::FleetScore> {
    Json(app.score().await)
}

/// The score of a node, with what every lost point is about and what to do.
#[utoipa::path(get, path = "/api/v1/nodes/{node}/score", operation_id = "get_node_score", tag = "score",
    params(("node" = String, Path)), responses((status = 200, body = api::NodeScore)))]
pub async fn get_node_score(
    State(app): State<App>,
    Place(asked): Place<String>,
) -> Result<Json<api::NodeScore>, Problem> {
    let name = known(&app, &When::NOW, &asked)?;
    Ok(Json(app.look(|look| present::node_score(look, &name))))
}
