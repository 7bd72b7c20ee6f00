//! What scripts written for a VM dashboard ask to be done. Each is an action as if asked for by hand: in the log before it
//! happens, bounded like any other, verified after. None waits for its end: `/api/v1/actions/{id}` tells it.

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use stead_core::action::ActionKind;
use stead_core::ids::{ContainerName, ModelName};
use stead_core::subject::Subject;
use stead_protocol::api;
use utoipa::{IntoParams, ToSchema};

use super::node;
use crate::http::App;
use crate::http::action::begin;
use crate::http::extract::{Ask, Body, Place, name};
use crate::http::guard::Caller;
use crate::http::models::{OnNode, list_models};
use crate::http::problem::Problem;
use crate::http::service::{Tail, container_logs};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Where {
    /// Absent: the machine the server runs on.
    node: Option<String>,
}

/// Which model.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ModelNamed {
    model: String,
}

type Answer = Result<(StatusCode, Json<Value>), Problem>;

/// Free space on a node's disk: the action `disk_cleanup`.
#[utoipa::path(post, path = "/api/vm/cleanup", operation_id = "start_vm_cleanup", tag = "vm", params(Where),
    responses((status = 202, body = Value)))]
pub async fn cleanup(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Ask(place): Ask<Where>,
) -> Answer {
    let node = node(&app, place.node.as_deref())?;
    start(&app, &caller, ActionKind::DiskCleanup, Subject::Node(node)).await
}

/// Restart one container.
#[utoipa::path(post, path = "/api/vm/containers/{name}/restart", operation_id = "restart_vm_container", tag = "vm",
    params(("name" = String, Path), Where), responses((status = 202, body = Value)))]
pub async fn restart(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(container): Place<String>,
    Ask(place): Ask<Where>,
) -> Answer {
    let node = node(&app, place.node.as_deref())?;
    let container: ContainerName = name(&container)?;
    let subject = Subject::Container(node, container);
    start(&app, &caller, ActionKind::ContainerRestart, subject).await
}

/// The last lines of one container's log.
#[utoipa::path(get, path = "/api/vm/containers/{name}/logs", operation_id = "get_vm_logs", tag = "vm",
    params(("name" = String, Path), Where, Tail), responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn logs(
    State(app): State<App>,
    Place(container): Place<String>,
    Ask(place): Ask<Where>,
    Ask(tail): Ask<Tail>,
) -> Result<Response, Problem> {
    let node = node(&app, place.node.as_deref())?;
    container_logs(&app, &node, &container, &tail).await
}

/// The language models of a node.
#[utoipa::path(get, path = "/api/vm/ollama/models", operation_id = "list_vm_models", tag = "vm", params(Where),
    responses((status = 200, body = Value)))]
pub async fn models(
    State(app): State<App>,
    Ask(place): Ask<Where>,
) -> Result<Json<Value>, Problem> {
    let node = node(&app, place.node.as_deref())?;
    let asked = OnNode {
        node: Some(node.to_string()),
    };
    let Json(mut found) = list_models(State(app), Ask(asked)).await?;
    let Some(here) = found.nodes.pop() else {
        return Err(Problem::new(
            "ollama-not-named",
            format!("no file names an Ollama on {node}"),
            format!("add `ollama:` to hosts/{node}/node.yaml"),
        ));
    };
    let all: Vec<Value> = here.models.iter().map(model).collect();
    Ok(Json(json!({
        "node": here.node,
        "state": here.state,
        "detail": here.detail,
        "version": here.version,
        "models": all,
    })))
}

fn model(m: &api::Model) -> Value {
    json!({
        "name": m.name,
        "size": m.size,
        "digest": m.digest,
        "modifiedAt": m.modified_at,
        "loaded": m.loaded.is_some(),
        "ramBytes": m.loaded.as_ref().map(|l| l.ram),
        "vramBytes": m.loaded.as_ref().map(|l| l.vram),
        "expiresAt": m.loaded.as_ref().and_then(|l| l.expires_at.clone()),
        "leaves": m.fit.as_ref().map(|f| f.text.clone()),
    })
}

/// Bring a model into memory.
#[utoipa::path(post, path = "/api/vm/ollama/load", operation_id = "load_vm_model", tag = "vm", params(Where),
    request_body = ModelNamed, responses((status = 202, body = Value)))]
pub async fn load(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Ask(place): Ask<Where>,
    Body(named): Body<ModelNamed>,
) -> Answer {
    about_model(&app, &caller, ActionKind::ModelLoad, place, &named).await
}

/// Take a model out of memory.
#[utoipa::path(delete, path = "/api/vm/ollama/unload", operation_id = "unload_vm_model", tag = "vm", params(Where),
    request_body = ModelNamed, responses((status = 202, body = Value)))]
pub async fn unload(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Ask(place): Ask<Where>,
    Body(named): Body<ModelNamed>,
) -> Answer {
    about_model(&app, &caller, ActionKind::ModelUnload, place, &named).await
}

async fn about_model(
    app: &App,
    caller: &Caller,
    kind: ActionKind,
    place: Where,
    named: &ModelNamed,
) -> Answer {
    let node = node(app, place.node.as_deref())?;
    let model: ModelName = name(&named.model)?;
    start(app, caller, kind, Subject::Model(node, model)).await
}

async fn start(app: &App, caller: &Caller, kind: ActionKind, subject: Subject) -> Answer {
    let (status, Json(begun)) = begin(app, caller, kind, subject, None).await?;
    let told = json!({
        "success": true,
        "action": begun.id,
        "occurrence": begun.occurrence,
        "state": begun.state,
    });
    Ok((status, Json(told)))
}
