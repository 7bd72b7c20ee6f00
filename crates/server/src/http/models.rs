//! Language models: reading them, loading and unloading them.
//!
//! Loading is an action like any other: born approved by whoever asks, in the log before it happens, verified after.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use futures::StreamExt;
use http::StatusCode;
use serde::Deserialize;
use stead_core::action::ActionKind;
use stead_core::ids::{ModelName, NodeName};
use stead_core::subject::Subject;
use stead_protocol::{agent, api};
use utoipa::IntoParams;

use super::App;
use super::action::begin;
use super::extract::{Ask, Body, name};
use super::guard::Caller;
use super::node::known;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Agents asked at once.
const AT_ONCE: usize = 16;
/// When models leave memory is an ornament of the list: it waits no longer for it.
const WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OnNode {
    /// Only this node; absent: every node whose file names an Ollama.
    pub node: Option<String>,
}

/// The language models of each node: on disk, in memory, and what loading one would leave.
#[utoipa::path(get, path = "/api/v1/models", operation_id = "list_models", tag = "models", params(OnNode),
    responses((status = 200, body = api::Models)))]
pub async fn list_models(
    State(app): State<App>,
    Ask(asked): Ask<OnNode>,
) -> Result<Json<api::Models>, Problem> {
    let mut nodes = app.look(present::asked_for_models);
    if let Some(node) = asked.node.as_deref().filter(|n| !n.is_empty()) {
        let wanted = known(&app, &When::NOW, node)?;
        nodes.retain(|name| *name == wanted);
    }
    let asking = futures::stream::iter(nodes.clone()).map(|node| {
        let app = app.clone();
        async move {
            let now = now(&app, &node).await;
            (node, now)
        }
    });
    let now = asking.buffer_unordered(AT_ONCE).collect().await;
    Ok(Json(app.look(|look| present::models(look, &nodes, &now))))
}

async fn now(app: &App, node: &NodeName) -> Result<agent::ModelsNow, String> {
    let asked = app.agents.get(node, "/v1/models");
    let answer = match tokio::time::timeout(WITHIN, asked).await {
        Ok(answer) => answer.map_err(|error| said(&error))?,
        Err(_) => return Err(format!("the agent of {node} did not answer in time")),
    };
    serde_json::from_slice(&answer)
        .map_err(|_| format!("the agent of {node} is older than this server"))
}

/// An agent's own problem in its own words.
fn said(error: &crate::proxy::ProxyError) -> String {
    let text = error.to_string();
    let problem = serde_json::from_str::<api::Problem>(&text).ok();
    problem.map_or(text, |problem| problem.detail)
}

/// Bring a model into memory. What it would leave free is in the list; nothing is refused for that.
#[utoipa::path(post, path = "/api/v1/models/load", operation_id = "load_model", tag = "models",
    request_body = api::ModelOrder, responses((status = 202, body = api::Accepted)))]
pub async fn load_model(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<api::ModelOrder>,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    start(&app, &caller, ActionKind::ModelLoad, asked).await
}

/// Take a model out of memory.
#[utoipa::path(post, path = "/api/v1/models/unload", operation_id = "unload_model", tag = "models",
    request_body = api::ModelOrder, responses((status = 202, body = api::Accepted)))]
pub async fn unload_model(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<api::ModelOrder>,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    start(&app, &caller, ActionKind::ModelUnload, asked).await
}

async fn start(
    app: &App,
    caller: &Caller,
    kind: ActionKind,
    asked: api::ModelOrder,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    let node = known(app, &When::NOW, &asked.node)?;
    let model: ModelName = name(&asked.model)?;
    begin(app, caller, kind, Subject::Model(node, model), asked.note).await
}
