//! The seconds this node kept, asked while somebody looks. Read only.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use stead_core::time::{Span, Time};
use stead_history::selector;
use stead_ports::history::Error;
use stead_protocol::agent::Kept;

use super::Agent;
use super::problem::Refused;
use crate::history::Question;

/// Where nobody says since when.
const LATELY: Span = Span::mins(5);

#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Series, as in PromQL.
    #[serde(rename = "match", default)]
    matching: String,
    /// Milliseconds since 1970, included; five minutes before `to` unless told.
    from: Option<i64>,
    /// The same, excluded; now unless told.
    to: Option<i64>,
    /// Milliseconds between two points; a second unless told.
    #[serde(default)]
    step: u64,
}

pub async fn kept(
    State(Agent(agent)): State<Agent>,
    Query(asked): Query<Asked>,
) -> Result<Json<Kept>, Refused> {
    let Some(history) = &agent.history else {
        return Err(
            closed("this agent keeps no seconds").with("start it without `--history-mib 0`")
        );
    };
    let selector = selector::read(&asked.matching).map_err(|error| {
        let why = error.to_string();
        Refused::new(StatusCode::BAD_REQUEST, "history-selector", why).with(
            "write it like stead_node_cpu_percent{mode=~\"user|steal\"}, escaped as an address wants it",
        )
    })?;
    let to = asked.to.map_or_else(|| Time(agent.now().0 + 1), Time);
    let from = asked
        .from
        .map_or(Time(to.0.saturating_sub(LATELY.0 as i64)), Time);
    if from >= to {
        let why = "`from` is not before `to`";
        return Err(Refused::new(StatusCode::BAD_REQUEST, "bad-period", why)
            .with("give both in milliseconds since 1970"));
    }
    let question = Question {
        selector,
        from,
        to,
        step: Span(asked.step),
    };
    match history.ask(&agent.name(), question).await {
        Some(Ok(kept)) => Ok(Json(kept)),
        Some(Err(error)) => Err(refused(&error)),
        None => {
            let limit = history.limit().unwrap_or_default();
            Err(closed(&limit.text).with(limit.remedy))
        }
    }
}

fn closed(why: &str) -> Refused {
    let why = if why.is_empty() {
        "the seconds of this node are not open yet"
    } else {
        why
    };
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "no-history", why)
}

fn refused(error: &Error) -> Refused {
    let (status, remedy) = match error {
        Error::Selector(_) => (StatusCode::BAD_REQUEST, "correct the selector"),
        Error::TooMuch { hint, .. } => (StatusCode::UNPROCESSABLE_ENTITY, *hint),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "look at the disk of the agent's data directory",
        ),
    };
    Refused::new(status, error.code(), error.to_string()).with(remedy)
}
