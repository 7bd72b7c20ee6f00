//! Logs where they lie: following one container, and searching all nodes. Nothing is kept here.
//!
//! A follow ends with its reader, its session or Stead. A search asks a few nodes at a time and keeps only the newest lines;
//! each agent bounds what it reads, and what could not be searched is said.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use stead_core::ids::{ContainerName, NodeName, UnitName};
use stead_core::time::{Span, Time};
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Place, name, node};
use super::feed::{ended, seat};
use super::guard::Caller;
use super::node::known;
use super::past::{When, instant};
use super::problem::Problem;
use super::service::{TAIL_MAX, escaped};
use crate::present;

/// Nodes that are asked at the same time.
const AT_ONCE: usize = 16;
/// Lines of an answer unless told, and at most.
const LINES: usize = 200;
const LINES_MAX: usize = 1000;
/// Sentences about what was left out.
const LIMITS: usize = 50;
/// How far back unless told.
const SINCE: Span = Span::hours(1);
/// Longest text looked for.
const TEXT: usize = 500;
const NDJSON: &str = "application/x-ndjson";

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
    let container = escaped(container.as_str());
    let path = format!("/v1/containers/{container}/logs?tail={tail}&follow=true");
    followed(&app, &caller, &node, &path).await
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
    let unit = escaped(unit.as_str());
    let path = format!("/v1/units/{unit}/logs?tail={tail}&follow=true");
    followed(&app, &caller, &node, &path).await
}

/// What an agent tells line by line, until its reader, the session or Stead ends it.
async fn followed(
    app: &App,
    caller: &Caller,
    node: &NodeName,
    path: &str,
) -> Result<Response, Problem> {
    let seat = seat(app, caller)?;
    let chunks = app.agents.stream(node, path).await?;
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
    Ok(response)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Sought {
    /// Plain text; case does not matter.
    q: String,
    /// Only on these nodes, separated by commas; absent: on all.
    nodes: Option<String>,
    /// Only in these containers, separated by commas; absent: in all.
    containers: Option<String>,
    /// Only lines from then on: RFC 3339, a span ago (`2h`), or a time of day. An hour ago unless told.
    since: Option<String>,
    /// The newest lines, 200 unless told, never more than 1000.
    limit: Option<usize>,
}

/// What is looked for, and where.
#[derive(Debug, Clone)]
struct Search {
    path: String,
    most: usize,
    nodes: Vec<NodeName>,
}

/// Lines that hold a text, in the logs of containers on all nodes. With `accept: application/x-ndjson` nodes are told of as
/// they answer.
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
    let lines = told(app, search).map(move |line| {
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
    let bad = |detail: &str, remedy: &str| Err(Problem::new("bad-query", detail, remedy));
    let text = sought.q.trim();
    if text.is_empty() || text.len() > TEXT {
        return bad(
            "an empty text would find everything, and a very long one nothing",
            "name a text of 1 to 500 letters in `q`",
        );
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
    let containers: Vec<ContainerName> = listed(&sought.containers)
        .map(name)
        .collect::<Result<_, _>>()?;
    let containers: Vec<String> = containers.iter().map(|c| escaped(c.as_str())).collect();
    let nodes: Vec<NodeName> = match listed(&sought.nodes).next() {
        Some(_) => listed(&sought.nodes)
            .map(|n| known(app, &When::NOW, n))
            .collect::<Result<_, _>>()?,
        None => app.look(|look| present::node_names(look).into_iter().cloned().collect()),
    };
    let most = sought.limit.unwrap_or(LINES).clamp(1, LINES_MAX);
    let path = format!(
        "/v1/logs/search?text={}&containers={}&since={}&most={most}",
        escaped(text),
        containers.join(","),
        since.0
    );
    Ok(Search { path, most, nodes })
}

fn listed(text: &Option<String>) -> impl Iterator<Item = &str> {
    let parts = text.as_deref().unwrap_or("").split(',');
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// An agent's answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    found: Vec<Line>,
    containers: u32,
    of: u32,
    lines: u64,
    bytes: u64,
    limits: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    container: String,
    at: String,
    error: bool,
    text: String,
}

/// Each node as it answers, then the whole.
fn told(app: App, search: Search) -> impl Stream<Item = api::LogSearchLine> {
    let Search { path, most, nodes } = search;
    let of = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let answers = stream::iter(nodes).map(move |node| {
        let (app, path) = (app.clone(), path.clone());
        async move {
            let answer = app.agents.get(&node, &path).await;
            let answer = answer.map_err(|e| e.to_string()).and_then(|bytes| {
                serde_json::from_slice::<Answer>(&bytes)
                    .map_err(|e| format!("its agent answered something else: {e}"))
            });
            (node, answer)
        }
    });
    let answers = Box::pin(answers.buffer_unordered(AT_ONCE));
    let state = Some((answers, api::LogSearch::default(), 0_u32));
    stream::unfold(state, move |state| async move {
        let (mut answers, mut whole, done) = state?;
        let Some((node, answer)) = answers.next().await else {
            whole.nodes.sort_by(|a, b| a.node.cmp(&b.node));
            return Some((api::LogSearchLine::Found(whole), None));
        };
        let node = merged(&mut whole, &node, answer, most);
        let done = done + 1;
        let line = api::LogSearchLine::Progress { done, of, node };
        Some((line, Some((answers, whole, done))))
    })
}

/// Takes a node's answer into the whole: the newest `most` lines stay.
fn merged(
    whole: &mut api::LogSearch,
    node: &NodeName,
    answer: Result<Answer, String>,
    most: usize,
) -> api::LogSearched {
    let mut searched = api::LogSearched {
        node: node.to_string(),
        ..api::LogSearched::default()
    };
    match answer {
        Err(problem) => searched.problem = Some(problem),
        Ok(answer) => {
            searched.containers = answer.containers;
            searched.of = answer.of;
            searched.found = answer.found.len() as u64;
            whole.looked_at += answer.lines;
            whole.bytes += answer.bytes;
            let limits = answer.limits.into_iter().map(|l| format!("{node}: {l}"));
            whole.limits.extend(limits);
            let lines = answer.found.into_iter().map(|line| api::LogFound {
                at: line.at,
                node: node.to_string(),
                container: line.container,
                error: line.error,
                text: line.text,
            });
            whole.lines.extend(lines);
            whole
                .lines
                .sort_by(|a, b| (&a.at, &a.node).cmp(&(&b.at, &b.node)));
            let over = whole.lines.len().saturating_sub(most);
            whole.lines.drain(..over);
            if over > 0 {
                whole
                    .limits
                    .push(format!("{over} older lines were found and left out"));
            }
            whole.limits.truncate(LIMITS);
        }
    }
    whole.nodes.push(searched.clone());
    searched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ats: &[&str]) -> Result<Answer, String> {
        let line = |at: &&str| Line {
            container: "web".to_string(),
            at: at.to_string(),
            text: "<b>bold</b>".to_string(),
            error: false,
        };
        Ok(Answer {
            found: ats.iter().map(line).collect(),
            lines: 10,
            ..Answer::default()
        })
    }

    #[test]
    fn answers_are_merged_by_time_and_the_newest_stay() {
        let mut whole = api::LogSearch::default();
        let node = |text: &str| text.parse::<NodeName>().unwrap();
        merged(&mut whole, &node("b"), answer(&["1", "4"]), 3);
        merged(&mut whole, &node("a"), answer(&["2", "3"]), 3);
        merged(&mut whole, &node("c"), Err("not connected".to_string()), 3);
        let order: Vec<(&str, &str)> = whole
            .lines
            .iter()
            .map(|l| (l.at.as_str(), l.node.as_str()))
            .collect();
        assert_eq!(order, [("2", "a"), ("3", "a"), ("4", "b")]);
        assert_eq!(whole.lines[0].text, "<b>bold</b>", "as it was written");
        assert_eq!(whole.limits, ["1 older lines were found and left out"]);
        assert_eq!(whole.looked_at, 20);
        assert_eq!(whole.nodes[2].problem.as_deref(), Some("not connected"));
    }
}
