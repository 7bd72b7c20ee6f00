//! The policy in force.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stead_core::action::{ActionKey, ActionKind};
use stead_core::ids::nearest;
use stead_protocol::api;

use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, subject};
use super::past::When;
use super::problem::Problem;
use crate::present;

/// What may happen without asking, now: every kind of action, the rules, the limits, the calendar.
#[utoipa::path(get, path = "/api/v1/policy", operation_id = "get_policy", tag = "policy",
    responses((status = 200, body = api::Policy)))]
pub async fn get_policy(State(app): State<App>, when: When) -> Result<Json<api::Policy>, Problem> {
    Ok(Json(when.look(&app, present::policy_in_force)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct On {
    /// `service/NODE/NAME`, …
    subject: String,
    /// A kind of action: `container_restart`, …
    action: String,
}

/// What policy says now of such an action on this subject.
#[utoipa::path(get, path = "/api/v1/policy/verdict", operation_id = "get_verdict", tag = "policy", params(On),
    responses((status = 200, body = api::Verdict)))]
pub async fn get_verdict(
    State(app): State<App>,
    when: When,
    Ask(asked): Ask<On>,
) -> Result<Json<api::Verdict>, Problem> {
    let kind = ActionKind::from_word(&asked.action).ok_or_else(|| {
        let known: Vec<&str> = ActionKind::ALL.iter().map(|k| k.word()).collect();
        let remedy = match nearest(&asked.action, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of {}", known.join(", ")),
        };
        let detail = format!("{:?} is no kind of action", asked.action);
        Problem::new("unknown-kind", detail, remedy)
    })?;
    let subject = subject(&app, &asked.subject)?;
    let key = ActionKey { kind, subject };
    Ok(Json(when.look(&app, |look| present::verdict_on(look, key))))
}
