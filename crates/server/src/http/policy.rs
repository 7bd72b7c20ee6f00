//! The policy in force.

use axum::Json;
use axum::extract::State;
use stead_protocol::api;

use super::App;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// What may happen without asking, now: every kind of action, the rules, the limits, the calendar.
#[utoipa::path(get, path = "/api/v1/policy", operation_id = "get_policy", tag = "policy",
    responses((status = 200, body = api::Policy)))]
pub async fn get_policy(State(app): State<App>, when: When) -> Result<Json<api::Policy>, Problem> {
    Ok(Json(when.look(&app, present::policy_in_force)))
}
