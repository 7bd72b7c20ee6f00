//! The fleet as a whole: counts, drift, desired state, the table of repairs, Stead's own health.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use stead_protocol::api;

use super::App;
use super::past::When;
use crate::present;

/// Counts only; needs no token.
#[utoipa::path(get, path = "/summary", operation_id = "get_summary", tag = "fleet", security(()),
    responses((status = 200, body = api::Summary)))]
pub async fn get_summary(State(app): State<App>) -> Json<api::Summary> {
    let score = app.score().await.score.map(f64::from);
    let summary = app.look_counted(present::summary);
    Json(api::Summary { score, ..summary })
}

/// Whether Stead itself is well; needs no token.
#[utoipa::path(get, path = "/healthz", operation_id = "get_health", tag = "fleet", security(()),
    responses((status = 200, body = api::HealthStatus), (status = 503, body = api::HealthStatus)))]
pub async fn get_health(State(app): State<App>) -> Response {
    let mut health = app.look(|look| api::HealthStatus {
        status: "ok".to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        head: look.world.head.0,
        at: look.now.at.to_string(),
        troubles: present::troubles(look),
    });
    let cannot_write = health.troubles.iter().any(|t| t.code.starts_with("log-"));
    if !health.troubles.is_empty() {
        health.status = "trouble".to_string();
    }
    let status = if cannot_write {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(health)).into_response()
}

/// Which Stead this is.
#[utoipa::path(get, path = "/api/v1/version", operation_id = "get_version", tag = "fleet",
    responses((status = 200, body = api::Version)))]
pub async fn get_version() -> Json<api::Version> {
    Json(api::Version {
        version: env!("CARGO_PKG_VERSION").to_string(),
        protocol: stead_protocol::agent::VERSION,
        schema: u32::from(stead_core::event::VERSION),
        commit: option_env!("STEAD_COMMIT").map(ToString::to_string),
    })
}

/// Where world and desired state differ.
#[utoipa::path(get, path = "/api/v1/drift", operation_id = "list_drift", tag = "fleet",
    responses((status = 200, body = Vec<api::Drift>)))]
pub async fn list_drift(State(app): State<App>, when: When) -> Json<Vec<api::Drift>> {
    Json(when.look(&app, |look| {
        look.drift.iter().map(|d| present::drift(look, d)).collect()
    }))
}

/// Where the desired state comes from, and how its last reading went.
#[utoipa::path(get, path = "/api/v1/desired", operation_id = "get_desired", tag = "fleet",
    responses((status = 200, body = api::DesiredInfo)))]
pub async fn get_desired(State(app): State<App>, when: When) -> Json<api::DesiredInfo> {
    let problems = when.live(|| app.problems.get()).unwrap_or_default();
    Json(when.look(&app, |look| present::desired_info(look, problems)))
}

/// Which trouble is answered by which action. The first line that fits decides.
#[utoipa::path(get, path = "/api/v1/table", operation_id = "get_table", tag = "fleet",
    responses((status = 200, body = Vec<api::RepairLine>)))]
pub async fn get_table(State(app): State<App>, when: When) -> Json<Vec<api::RepairLine>> {
    Json(when.look(&app, |look| present::repair_table(look.world)))
}
