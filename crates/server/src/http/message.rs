//! Alerts, the messages that told of them, and the channels they went through.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use stead_core::controller::Command;
use stead_core::event::Severity;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Body, Place, subject};
use super::guard::Caller;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Alerts of each sort in one answer: all that are remembered.
const ALERTS: usize = 500;
const MESSAGES: usize = 100;
const MESSAGES_MAX: usize = 1000;

/// Open alerts, worst first, and the latest that ended.
#[utoipa::path(get, path = "/api/v1/alerts", operation_id = "list_alerts", tag = "messages",
    responses((status = 200, body = api::Alerts)))]
pub async fn list_alerts(State(app): State<App>, when: When) -> Result<Json<api::Alerts>, Problem> {
    Ok(Json(when.look(&app, |look| present::alerts(look, ALERTS))))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    channel: Option<String>,
    /// `waiting`, `delivered`, `failed`.
    state: Option<String>,
    /// Of one alert.
    thread: Option<String>,
    /// At most this many, 100 unless told, never more than 1000.
    limit: Option<usize>,
}

/// The delivery log, newest first.
#[utoipa::path(get, path = "/api/v1/messages", operation_id = "list_messages", tag = "messages", params(Which),
    responses((status = 200, body = Vec<api::Message>)))]
pub async fn list_messages(
    State(app): State<App>,
    when: When,
    Ask(asked): Ask<Which>,
) -> Result<Json<Vec<api::Message>>, Problem> {
    let given = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
    let (channel, thread, state) = (
        given(&asked.channel),
        given(&asked.thread),
        given(&asked.state),
    );
    if let Some(word) = &state
        && !["waiting", "delivered", "failed"].contains(&word.as_str())
    {
        let detail = format!("{word:?} is no state of a message");
        return Err(Problem::new(
            "bad-query",
            detail,
            "use waiting, delivered or failed",
        ));
    }
    let mut messages = when.look(&app, |look| {
        present::messages(look, |m| {
            channel.as_ref().is_none_or(|c| *c == m.what.channel)
                && (thread.is_none() || thread == m.what.thread)
        })
    });
    messages.retain(|m| state.as_ref().is_none_or(|s| *s == m.state));
    messages.truncate(asked.limit.unwrap_or(MESSAGES).min(MESSAGES_MAX));
    Ok(Json(messages))
}

/// The channels that the fleet can use. Never their addresses or secrets.
#[utoipa::path(get, path = "/api/v1/channels", operation_id = "list_channels", tag = "messages",
    responses((status = 200, body = Vec<api::Channel>)))]
pub async fn list_channels(State(app): State<App>) -> Result<Json<Vec<api::Channel>>, Problem> {
    Ok(Json(app.look(present::channels)))
}

/// Send a message to one channel, to see that it arrives. Its delivery is in the log under the message's ID.
#[utoipa::path(post, path = "/api/v1/channels/{channel}/test", operation_id = "test_channel", tag = "messages",
    params(("channel" = String, Path)), responses((status = 202, body = api::Message)))]
pub async fn test_channel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(channel): Place<String>,
) -> Result<(StatusCode, Json<api::Message>), Problem> {
    let command = Command::TestMessage {
        channel: channel.clone(),
        by: caller.principal(),
    };
    let reply = app.handle.command(command).await?;
    let id = reply.id().to_string();
    let mut sent = app.look(|look| present::messages(look, |m| m.what.id == id));
    let sent = sent.pop().unwrap_or_else(|| api::Message {
        id,
        channel,
        sort: "test".to_string(),
        state: "waiting".to_string(),
        ..api::Message::default()
    });
    Ok((StatusCode::ACCEPTED, Json(sent)))
}

/// Where would this event go? What each route says, in the order of the files.
#[utoipa::path(post, path = "/api/v1/routes/simulate", operation_id = "simulate_routes", tag = "messages",
    request_body = api::RouteQuestion, responses((status = 200, body = Vec<api::RouteAnswer>)))]
pub async fn simulate_routes(
    State(app): State<App>,
    Body(asked): Body<api::RouteQuestion>,
) -> Result<Json<Vec<api::RouteAnswer>>, Problem> {
    let subject = subject(&app, &asked.subject)?;
    let severity = match asked.severity.as_deref().filter(|word| !word.is_empty()) {
        None => Severity::Warning,
        Some(word) => super::event::severity(word)?,
    };
    let kind = asked.kind.trim();
    if kind.is_empty() {
        let detail = "the kind of event is missing";
        return Err(Problem::new(
            "bad-json",
            detail,
            "give one, such as service_unhealthy",
        ));
    }
    Ok(Json(app.look(|look| {
        present::simulate(look, kind, &subject, severity)
    })))
}
