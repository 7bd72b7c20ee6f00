//! Advice on memory limits, and the patch that carries it out.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stead_core::ids::ContainerName;
use stead_protocol::agent::ComposePatch;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Place, name};
use super::node::known;
use super::past::When;
use super::problem::Problem;
use super::service::escaped;
use crate::insight::memory;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only of this node.
    node: Option<String>,
}

/// Which memory limit fits each running container, with reasons; what is thin or excluded says so.
#[utoipa::path(get, path = "/api/v1/advice/memory", operation_id = "get_memory_advice", tag = "containers",
    params(Which), responses((status = 200, body = api::MemoryAdvices)))]
pub async fn get_memory_advice(
    State(app): State<App>,
    Ask(which): Ask<Which>,
) -> Result<Json<api::MemoryAdvices>, Problem> {
    let node = which
        .node
        .as_deref()
        .map(str::trim)
        .filter(|n| !n.is_empty());
    let node = node.map(|n| known(&app, &When::NOW, n)).transpose()?;
    memory::advise_all(&app, node.as_ref()).await.map(Json)
}

/// The proposed limit as a change to the container's compose file, made on its node. Nothing is written.
#[utoipa::path(get, path = "/api/v1/advice/memory/{node}/{container}/patch", operation_id = "get_memory_patch",
    tag = "containers", params(("node" = String, Path), ("container" = String, Path)),
    responses((status = 200, body = ComposePatch)))]
pub async fn get_memory_patch(
    State(app): State<App>,
    Place((node, container)): Place<(String, String)>,
) -> Result<Json<ComposePatch>, Problem> {
    let node = known(&app, &When::NOW, &node)?;
    let container: ContainerName = name(&container)?;
    let all = memory::advise_all(&app, Some(&node)).await?;
    let mut found = all.containers.into_iter();
    let advice = found.find(|a| a.container == container.as_str());
    let Some(advice) = advice else {
        let detail = format!("no container {container} runs on {node}");
        return Err(Problem::new(
            "unknown-container",
            detail,
            "see `stead advise memory` for those that are looked at",
        ));
    };
    if advice.advice != "change" {
        let why = advice.why.first().cloned().unwrap_or_default();
        return Err(Problem::new(
            "no-advice",
            format!("nothing is proposed for {container} on {node}: {why}"),
            "see `stead advise memory` for what is",
        ));
    }
    let path = format!(
        "/v1/containers/{}/memory-patch?limit={}&reservation={}",
        escaped(container.as_str()),
        advice.limit,
        advice.reservation
    );
    let answer = app.agents.get(&node, &path).await?;
    serde_json::from_slice(&answer).map(Json).map_err(|e| {
        Problem::new(
            "agent-failed",
            format!("the agent of {node} answered something else: {e}"),
            "upgrade the agent to this server's version",
        )
    })
}
