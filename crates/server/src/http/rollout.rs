//! Rolling work, and drills.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use stead_core::action::ActionKind;
use stead_core::controller::Command;
use stead_core::ids::nearest;
use stead_protocol::api;

use super::App;
use super::action::of_action;
use super::extract::Place;
use super::guard::Caller;
use super::problem::Problem;
use crate::present;

/// Running and paused ones, newest first, then the latest that ended.
#[utoipa::path(get, path = "/api/v1/rollouts", operation_id = "list_rollouts", tag = "rollouts",
    responses((status = 200, body = Vec<api::Rollout>)))]
pub async fn list_rollouts(State(app): State<App>) -> Result<Json<Vec<api::Rollout>>, Problem> {
    Ok(Json(app.look(present::rollouts)))
}

/// One rollout with its targets, in the order they are worked on.
#[utoipa::path(get, path = "/api/v1/rollouts/{id}", operation_id = "get_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn get_rollout(
    State(app): State<App>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    one(&app, &id).map(Json)
}

fn one(app: &App, id: &str) -> Result<api::Rollout, Problem> {
    let all = app.look(present::rollouts);
    let near = nearest(id, all.iter().map(|r| r.id.as_str())).map(|near| near.to_string());
    all.into_iter().find(|r| r.id == id).ok_or_else(|| {
        let remedy = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "see `stead rolls`".to_string(),
        };
        Problem::new(
            "unknown-rollout",
            format!("there is no rollout {id}"),
            remedy,
        )
    })
}

/// What works is brought to its end; nothing more is begun.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/pause", operation_id = "pause_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn pause_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    let by = caller.principal();
    turn(&app, id, |id| Command::PauseRoll { id, by }).await
}

/// Go on where it paused; what failed is tried again.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/resume", operation_id = "resume_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn resume_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    let by = caller.principal();
    turn(&app, id, |id| Command::ResumeRoll { id, by }).await
}

/// Begin nothing more, and end it.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/cancel", operation_id = "cancel_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn cancel_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    let by = caller.principal();
    turn(&app, id, |id| Command::CancelRoll { id, by }).await
}

async fn turn(
    app: &App,
    id: String,
    command: impl FnOnce(String) -> Command,
) -> Result<Json<api::Rollout>, Problem> {
    one(app, &id)?;
    app.handle.command(command(id.clone())).await?;
    one(app, &id).map(Json)
}

/// The canary, the drill that runs, and what earlier ones proved, newest first.
#[utoipa::path(get, path = "/api/v1/drills", operation_id = "list_drills", tag = "rollouts",
    responses((status = 200, body = api::Drills)))]
pub async fn list_drills(State(app): State<App>) -> Result<Json<api::Drills>, Problem> {
    Ok(Json(app.look(present::drills)))
}

/// Break the canary: Stead must notice, mend and say so.
#[utoipa::path(post, path = "/api/v1/drills", operation_id = "start_drill", tag = "rollouts",
    responses((status = 202, body = api::Accepted)))]
pub async fn start_drill(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    let subject = app.look(present::canary_node).ok_or_else(|| {
        Problem::new(
            "no-drill",
            "the fleet files name no drill",
            "add `drill: { node: NODE, image: IMAGE }` to stead.yaml",
        )
    })?;
    let command = Command::Start {
        kind: ActionKind::Drill,
        subject,
        by: caller.principal(),
        note: None,
    };
    let (id, occurrence, state) = of_action(app.handle.command(command).await?)?;
    let accepted = api::Accepted {
        id,
        occurrence,
        state: state.word().to_string(),
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}
