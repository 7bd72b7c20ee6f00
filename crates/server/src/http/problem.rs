//! Errors as RFC 9457 problem details. Every code has a title, a status and a page under `docs/errors/`.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use stead_core::controller::Refusal;
use stead_engine as engine;
use stead_ports::{history, log};
use stead_protocol::api;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::proxy::ProxyError;

/// Every code an answer can carry: status, and a title that is the same for all errors of that code.
pub const CODES: &[(&str, u16, &str)] = &[
    // Asked wrongly.
    (
        "bad-json",
        400,
        "The body is not the JSON this route expects",
    ),
    ("bad-query", 400, "A query parameter cannot be read"),
    ("bad-event", 422, "The event cannot be recorded"),
    ("bad-name", 400, "A name in the address is no name"),
    ("bad-subject", 400, "The subject cannot be read"),
    ("unknown-kind", 400, "There is no such kind of action"),
    ("not-json", 415, "The body must be JSON"),
    ("too-large", 413, "The body is too large"),
    ("not-found", 404, "There is nothing at this address"),
    (
        "method-not-allowed",
        405,
        "The address exists, the method does not",
    ),
    ("unknown-node", 404, "There is no such node"),
    ("unknown-service", 404, "There is no such service"),
    ("unknown-container", 404, "There is no such container"),
    ("ollama-not-named", 404, "No file names an Ollama there"),
    ("unknown-event", 404, "There is no such event"),
    ("unknown-action", 404, "There is no such action"),
    ("unknown-target", 404, "There is no such target"),
    ("unknown-rollout", 404, "There is no such rollout"),
    ("unknown-channel", 404, "There is no such channel"),
    ("unknown-lock", 400, "There is no such kind of lock"),
    (
        "bad-lock-time",
        400,
        "The lock would never hold, or for too long",
    ),
    ("no-lock", 404, "There is no lock to release"),
    ("no-brake", 409, "The brake is not engaged"),
    ("no-drill", 404, "The fleet files name no drill"),
    ("bad-selector", 400, "The selector cannot be read"),
    ("bad-rollout", 400, "The rollout cannot be read"),
    ("bad-batch", 400, "The batch cannot be read"),
    ("rollout-state", 409, "The rollout is in another state"),
    ("already-rolling", 409, "The same rollout is open"),
    ("too-many-rollouts", 409, "Too many rollouts are open"),
    ("drill-refused", 409, "No drill now"),
    ("no-targets", 422, "Nothing is selected"),
    // Not allowed.
    ("not-signed-in", 401, "Nobody is signed in"),
    ("bad-secret", 401, "The secret is not accepted"),
    ("wrong-token", 403, "This token does not open this door"),
    ("foreign-origin", 403, "The request comes from another site"),
    (
        "host-not-allowed",
        421,
        "Stead does not answer to this host name",
    ),
    ("too-many-tries", 429, "Too many failed tries"),
    ("too-many-feeds", 429, "Too many live feeds are open"),
    // Refused by the core.
    ("not-pending", 409, "The action waits for no decision"),
    ("plan-changed", 409, "The plan changed after it was read"),
    ("already-running", 409, "The action is running"),
    ("no-plan", 422, "Nothing says how to do this"),
    ("no-estimate", 422, "There is nothing to estimate"),
    ("no-advice", 422, "Nothing is proposed"),
    // Time travel.
    (
        "past-compacted",
        410,
        "The log does not reach back that far",
    ),
    ("bad-period", 400, "The period is empty"),
    ("nothing-recorded", 404, "Nothing was recorded then"),
    ("policy-broken", 422, "The policy cannot be used"),
    ("trial-running", 429, "Another policy is being tried"),
    ("past-future", 400, "That has not been yet"),
    ("past-readonly", 409, "The past cannot be changed"),
    ("past-unknown", 400, "This route tells of the present only"),
    // The history of samples.
    ("history-selector", 400, "The series cannot be told"),
    ("history-query", 400, "The query cannot be answered"),
    ("history-too-much", 422, "The answer would be too large"),
    (
        "history-away",
        503,
        "The Prometheus that is read does not answer",
    ),
    ("history-slow", 503, "The query takes too long"),
    ("unknown-metric", 404, "There is no such metric"),
    ("no-history", 503, "There is no history for now"),
    (
        "history-full",
        503,
        "The disk that holds the history is full",
    ),
    (
        "history-newer",
        500,
        "The history was written by a newer Stead",
    ),
    ("history-damaged", 500, "The history is damaged"),
    ("history-io", 503, "The history cannot be read"),
    // Not now.
    (
        "agent-not-connected",
        503,
        "No agent of the node is connected",
    ),
    ("agent-timeout", 504, "The agent did not answer in time"),
    ("agent-failed", 502, "The agent could not answer"),
    ("timeout", 504, "The request took too long"),
    ("storage", 503, "The event log cannot be written"),
    ("stopping", 503, "Stead is stopping"),
    ("internal", 500, "Something is wrong inside Stead"),
    (
        "log-disk-full",
        503,
        "The disk that holds the event log is full",
    ),
    ("log-write-failed", 503, "Writing the event log failed"),
    ("log-damaged", 500, "The event log is damaged"),
    (
        "log-newer",
        500,
        "The event log was written by a newer Stead",
    ),
    ("log-gap", 500, "The event log was continued wrongly"),
    ("log-locked", 503, "Another Stead uses the event log"),
    ("log-unreadable", 503, "The event log cannot be read"),
];

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    pub code: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    pub detail: String,
    pub remedy: String,
    /// Seconds, for `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// `code` is one of [`CODES`].
    pub fn new(
        code: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let known = CODES.iter().find(|(known, _, _)| *known == code);
        // What the core refuses with a code this table does not have is a conflict with how things stand.
        let (_, status, title) = known.copied().unwrap_or((code, 409, "It was refused"));
        Problem {
            code,
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            title,
            detail: detail.into(),
            remedy: remedy.into(),
            retry_after: None,
        }
    }

    pub fn unknown_node(node: &str) -> Problem {
        let detail = format!("there is no node {node}");
        Problem::new(
            "unknown-node",
            detail,
            "see `stead nodes` for those that Stead knows",
        )
    }

    pub fn body(&self) -> api::Problem {
        api::Problem {
            kind: format!("/errors/{}", self.code),
            title: self.title.to_string(),
            status: self.status.as_u16(),
            code: self.code.to_string(),
            detail: self.detail.clone(),
            remedy: self.remedy.clone(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For those who answer in another form.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::new(refusal.code, refusal.detail, refusal.remedy)
    }
}

impl From<stead_core::selector::Problem> for Problem {
    fn from(problem: stead_core::selector::Problem) -> Problem {
        Problem::new(problem.code, problem.detail, problem.remedy)
    }
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Problem {
        let detail = error.to_string();
        match error {
            engine::Error::Refused(refusal) => refusal.into(),
            engine::Error::Storage(_) => {
                let remedy =
                    "look at the disk of the data directory and at Stead's own log, then try again";
                Problem {
                    retry_after: Some(5),
                    ..Problem::new("storage", detail, remedy)
                }
            }
            engine::Error::Stopped => {
                let remedy = "try again once it runs again";
                Problem {
                    retry_after: Some(5),
                    ..Problem::new("stopping", detail, remedy)
                }
            }
        }
    }
}

impl From<log::Error> for Problem {
    fn from(error: log::Error) -> Problem {
        Problem::new(error.code(), error.to_string(), error.remedy())
    }
}

impl From<history::Error> for Problem {
    fn from(error: history::Error) -> Problem {
        let remedy = match &error {
            history::Error::Selector(_) => "name a metric or a label; write it as in PromQL",
            history::Error::Query(_) => "correct the query; it is PromQL",
            history::Error::TooMuch { hint, .. } => hint,
            history::Error::Away(_) => {
                "look at that Prometheus, at the network and at `prometheus.read` in stead.yaml; it goes on by itself"
            }
            history::Error::Slow(_) => {
                "ask with a longer step, for a shorter time, or for fewer series"
            }
            history::Error::Full => "free some space on the disk of the data directory",
            history::Error::Newer(_) => "start the newer Stead again",
            history::Error::Damaged(_) => {
                "move the folder `history` of the data directory away and restart Stead"
            }
            history::Error::Io(_) => "look at the disk of the data directory, then try again",
        };
        Problem::new(error.code(), error.to_string(), remedy)
    }
}

impl From<ProxyError> for Problem {
    fn from(error: ProxyError) -> Problem {
        let detail = error.to_string();
        match error {
            ProxyError::NotConnected(node) => {
                let remedy = format!(
                    "check that the agent runs on {node} and reaches this server; it dials by itself"
                );
                Problem::new("agent-not-connected", detail, remedy)
            }
            ProxyError::TimedOut(_) => Problem::new(
                "agent-timeout",
                detail,
                "try again; if it stays, look at the machine",
            ),
            ProxyError::Answered { status: 404, .. } => Problem::new(
                "not-found",
                detail,
                "check the name: the node knows nothing by it",
            ),
            ProxyError::Answered { remedy, .. } if !remedy.is_empty() => {
                Problem::new("agent-failed", detail, remedy)
            }
            ProxyError::Answered { .. } | ProxyError::Failed { .. } => Problem::new(
                "agent-failed",
                detail,
                "the agent's own log says more: journalctl -u stead-agent",
            ),
        }
    }
}

/// Adds to every operation of the description how its errors look.
pub fn describe(api: &mut OpenApi) {
    let (name, schema) = (api::Problem::name().into_owned(), api::Problem::schema());
    api.components
        .get_or_insert_default()
        .schemas
        .insert(name, schema);
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let response = ResponseBuilder::new()
        .description("An error: what happened, and what to do next")
        .content("application/problem+json", content)
        .build();
    for item in api.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in operations.into_iter().flatten() {
            operation
                .responses
                .responses
                .insert("default".to_string(), response.clone().into());
        }
    }
}
