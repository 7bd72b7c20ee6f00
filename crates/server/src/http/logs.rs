//! Following the log of a container or a unit where it lies, and the last lines of it that Loki has where its node does not tell
//! them. Nothing is kept here.
//!
//! A follow ends with its reader, its session or Stead.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::HeaderName;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use stead_core::ids::{ContainerName, NodeName, UnitName};
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Place, name, node};
use super::feed::{ended, seat};
use super::guard::Caller;
use super::problem::Problem;
use super::service::{TAIL_MAX, escaped};
use crate::logs;
use crate::proxy::ProxyError;

/// Tells that lines are not from the node itself.
const FROM: HeaderName = HeaderName::from_static("x-stead-from");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Tail {
    /// Lines before those that come, at most 2000; absent: 50.
    tail: Option<u32>,
}

/// A container's log as it is written, a line each, after its last lines.
#[utoipa::path(get, path = "/api/v1/containers/{node}/{container}/logs/follow", operation_id = "follow_logs",
    tag = "containers", params(("node" = String, Path), ("container" = String, Path), Tail),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn follow_logs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place((asked, container)): Place<(String, String)>,
    Ask(tail): Ask<Tail>,
) -> Result<Response, Problem> {
    let node = node(&app, &asked)?;
    let container: ContainerName = name(&container)?;
    let tail = tail.tail.unwrap_or(50).min(TAIL_MAX);
    let escaped = escaped(container.as_str());
    let path = format!("/v1/containers/{escaped}/logs?tail={tail}&follow=true");
    match followed(&app, &caller, &node, &path).await? {
        Ok(response) => Ok(response),
        Err(error) => elsewhere(&app, &node, Some(&container), None, tail, error).await,
    }
}

/// A unit's journal as it is written, a line each, after its last lines.
#[utoipa::path(get, path = "/api/v1/units/{node}/{unit}/logs/follow", operation_id = "follow_unit_logs",
    tag = "services", params(("node" = String, Path), ("unit" = String, Path), Tail),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn follow_unit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place((asked, unit)): Place<(String, String)>,
    Ask(tail): Ask<Tail>,
) -> Result<Response, Problem> {
    let node = node(&app, &asked)?;
    let unit: UnitName = name(&unit)?;
    let tail = tail.tail.unwrap_or(50).min(TAIL_MAX);
    let escaped = escaped(unit.as_str());
    let path = format!("/v1/units/{escaped}/logs?tail={tail}&follow=true");
    match followed(&app, &caller, &node, &path).await? {
        Ok(response) => Ok(response),
        Err(error) => elsewhere(&app, &node, None, Some(&unit), tail, error).await,
    }
}

/// What an agent tells line by line, until its reader, the session or Stead ends it.
async fn followed(
    app: &App,
    caller: &Caller,
    node: &NodeName,
    path: &str,
) -> Result<Result<Response, ProxyError>, Problem> {
    let seat = seat(app, caller)?;
    let chunks = match app.agents.stream(node, path).await {
        Ok(chunks) => chunks,
        Err(error) => return Ok(Err(error)),
    };
    // The place is given back with the stream.
    let chunks = chunks.map(move |chunk| {
        let _held = &seat;
        chunk
    });
    let body = Body::from_stream(chunks.take_until(ended(app, caller)));
    let mut response = ([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response();
    let headers = response.headers_mut();
    // Some proxies hold back what they think is a page.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(Ok(response))
}

/// The last lines that Loki has of what a node does not tell, or why there are none.
pub async fn elsewhere(
    app: &App,
    node: &NodeName,
    container: Option<&ContainerName>,
    unit: Option<&UnitName>,
    tail: u32,
    error: ProxyError,
) -> Result<Response, Problem> {
    match logs::last(app, node, container, unit, tail).await {
        None => Err(error.into()),
        Some(Ok(text)) => {
            let plain = (
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            let from = (FROM, HeaderValue::from_static("loki"));
            Ok(([plain, from], text).into_response())
        }
        Some(Err(theirs)) => {
            let mut problem = Problem::from(error);
            problem.detail = format!("{}; {theirs}", problem.detail);
            Err(problem)
        }
    }
}
