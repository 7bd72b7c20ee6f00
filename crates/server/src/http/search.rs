//! Searching the logs of all nodes: the question, and the answer whole or as it comes.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use stead_core::ids::NodeName;
use stead_core::time::{Span, Time};
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, name};
use super::feed::seat;
use super::guard::Caller;
use super::node::known;
use super::past::{When, instant};
use super::problem::Problem;
use crate::logs::{self, Search};
use crate::present;

/// Lines of an answer unless told, and at most.
const LINES: usize = 200;
const LINES_MAX: usize = 1000;
/// How far back unless told.
const SINCE: Span = Span::hours(1);
/// Longest text looked for.
const TEXT: usize = 500;
const NDJSON: &str = "application/x-ndjson";

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Sought {
    /// Plain text; case does not matter.
    q: String,
    /// Only on these nodes, separated by commas; absent: on all.
    nodes: Option<String>,
    /// Only in these containers, separated by commas.
    containers: Option<String>,
    /// Only in these units, separated by commas: `ssh.service`.
    units: Option<String>,
    /// `container` or `unit`: only in those; absent: in what is named, or in everything.
    kind: Option<String>,
    /// Only lines from then on: RFC 3339, a span ago (`2h`), or a time of day. An hour ago unless told.
    since: Option<String>,
    /// The newest lines, 200 unless told, never more than 1000.
    limit: Option<usize>,
}

/// Lines that hold a text, in the logs of containers and the journals of units on all nodes. With
/// `accept: application/x-ndjson` nodes are told of as they answer.
#[utoipa::path(get, path = "/api/v1/logs/search", operation_id = "search_logs", tag = "containers", params(Sought),
    responses((status = 200, content((api::LogSearch = "application/json"), (api::LogSearchLine = "application/x-ndjson")))))]
pub async fn search_logs(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Ask(sought): Ask<Sought>,
) -> Result<Response, Problem> {
    let search = read(&app, &sought)?;
    // A search keeps every node busy: it takes a place like whatever else lasts.
    let seat = seat(&app, &caller)?;
    let lines = logs::search(app, search).map(move |line| {
        let _held = &seat;
        line
    });
    let asked = headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    if asked.is_some_and(|accept| accept.contains(NDJSON)) {
        let lines = lines.map(|line| Ok::<_, std::convert::Infallible>(written(&line)));
        return Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response());
    }
    let mut found = api::LogSearch::default();
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.next().await {
        if let api::LogSearchLine::Found(whole) = line {
            found = whole;
        }
    }
    Ok(Json(found).into_response())
}

fn written(line: &api::LogSearchLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn read(app: &App, sought: &Sought) -> Result<Search, Problem> {
    let bad = |detail: &str, remedy: &str| Problem::new("bad-query", detail, remedy);
    let text = sought.q.trim();
    if text.is_empty() || text.len() > TEXT {
        return Err(bad(
            "an empty text would find everything, and a very long one nothing",
            "name a text of 1 to 500 letters in `q`",
        ));
    }
    let since = match sought
        .since
        .as_deref()
        .map(str::trim)
        .filter(|t| !t.is_empty())
    {
        Some(text) => instant(app, text)?,
        None => Time(app.handle.now().at.0 - SINCE.0 as i64),
    };
    let containers = listed(&sought.containers)
        .map(name)
        .collect::<Result<Vec<_>, _>>()?;
    let units = listed(&sought.units)
        .map(name)
        .collect::<Result<Vec<_>, _>>()?;
    let (in_containers, in_units) = match sought.kind.as_deref() {
        None | Some("") if containers.is_empty() && units.is_empty() => (true, true),
        None | Some("") => (!containers.is_empty(), !units.is_empty()),
        Some("container") if units.is_empty() => (true, false),
        Some("unit") if containers.is_empty() => (false, true),
        Some(_) => {
            return Err(bad(
                "`kind` is neither `container` nor `unit`, or something else is named",
                "leave `kind` out, or name only what is of that kind",
            ));
        }
    };
    let nodes: Vec<NodeName> = match listed(&sought.nodes).next() {
        Some(_) => listed(&sought.nodes)
            .map(|n| known(app, &When::NOW, n))
            .collect::<Result<_, _>>()?,
        None => app.look(|look| present::node_names(look).into_iter().cloned().collect()),
    };
    Ok(Search {
        text: text.to_owned(),
        nodes,
        containers: in_containers.then_some(containers),
        units: in_units.then_some(units),
        since,
        most: sought.limit.unwrap_or(LINES).clamp(1, LINES_MAX),
    })
}

fn listed(text: &Option<String>) -> impl Iterator<Item = &str> {
    let parts = text.as_deref().unwrap_or("").split(',');
    parts.map(str::trim).filter(|part| !part.is_empty())
}
