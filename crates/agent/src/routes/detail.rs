//! Asked for while somebody looks: health, logs, what a cleanup would free. Read only.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use stead_adapters::docker::{self, Docker, HealthDetail, Searched};
use stead_adapters::systemd::{self, Systemd};
use stead_core::ids::{ContainerName, UnitName};
use stead_core::time::Time;
use stead_protocol::agent::CleanupEstimate;

use super::problem::Refused;
use super::{Agent, Parties};

/// Lines where no number is asked for.
const TAIL: u32 = 100;
/// Counting what could be freed takes an engine long.
const ESTIMATE_WITHIN: Duration = Duration::from_secs(14);
/// A server waits for an answer some seconds longer.
const SEARCH_WITHIN: Duration = Duration::from_secs(10);
/// Found lines handed out at most.
const FOUND: usize = 500;
const JOURNAL_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn engine(error: docker::Error) -> Refused {
    let status = match error.code() {
        "container-not-found" => StatusCode::NOT_FOUND,
        "bad-target" => StatusCode::BAD_REQUEST,
        "engine-hangs" => StatusCode::GATEWAY_TIMEOUT,
        "engine-absent" | "engine-not-running" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Refused::new(status, error.code(), error.to_string()).with(error.remedy())
}

fn absent(code: &str, detail: &str) -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
}

pub(super) fn docker(agent: &Parties) -> Result<&Docker, Refused> {
    let why = "this agent has no container engine to ask";
    agent
        .docker
        .as_ref()
        .ok_or_else(|| absent("engine-absent", why))
}

pub(super) fn name<T: std::str::FromStr>(text: &str) -> Result<T, Refused>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| {
        Refused::new(StatusCode::BAD_REQUEST, "bad-name", error.to_string())
    })
}

pub async fn estimate(State(Agent(agent)): State<Agent>) -> Result<Json<CleanupEstimate>, Refused> {
    let estimate = docker(&agent)?
        .cleanup_estimate(ESTIMATE_WITHIN)
        .await
        .map_err(engine)?;
    let docker::Estimate {
        build_cache,
        dangling_images,
        images,
    } = estimate;
    Ok(Json(CleanupEstimate {
        build_cache,
        dangling_images,
        images,
    }))
}

pub async fn health(
    State(Agent(agent)): State<Agent>,
    Path(container): Path<String>,
) -> Result<Json<HealthDetail>, Refused> {
    let container: ContainerName = name(&container)?;
    docker(&agent)?
        .health_detail(&container)
        .await
        .map(Json)
        .map_err(engine)
}

#[derive(Deserialize)]
pub struct Wanted {
    tail: Option<u32>,
    #[serde(default)]
    follow: bool,
}

/// Text, a line each. Following ends when the one who asked goes away.
pub async fn container_logs(
    State(Agent(agent)): State<Agent>,
    Path(container): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refused> {
    let container: ContainerName = name(&container)?;
    let tail = wanted.tail.unwrap_or(TAIL);
    let lines = docker(&agent)?
        .logs(&container, tail, wanted.follow)
        .await
        .map_err(engine)?;
    let stop = agent.stop.clone();
    let lines = lines.map(|line| line.map(|line| Bytes::from(line.text + "\n")));
    Ok(text(Body::from_stream(
        lines.take_until(stop.cancelled_owned()),
    )))
}

#[derive(Deserialize)]
pub struct Sought {
    text: String,
    /// Names, separated by commas; absent: all.
    #[serde(default)]
    containers: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    since: i64,
    most: Option<usize>,
}

/// Lines of this node's containers that hold a text.
pub async fn search_logs(
    State(Agent(agent)): State<Agent>,
    Query(sought): Query<Sought>,
) -> Result<Json<Searched>, Refused> {
    let text = sought_text(sought.text)?;
    let names = sought.containers.split(',').filter(|n| !n.is_empty());
    let wanted = docker::Wanted {
        text,
        containers: names.map(name).collect::<Result<_, _>>()?,
        since: Time(sought.since),
        most: sought.most.unwrap_or(FOUND).min(FOUND),
        within: SEARCH_WITHIN,
    };
    docker(&agent)?
        .search(&wanted)
        .await
        .map(Json)
        .map_err(engine)
}

#[derive(Deserialize)]
pub struct SoughtInUnits {
    text: String,
    /// Names, separated by commas; absent: all.
    #[serde(default)]
    units: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    since: i64,
    most: Option<usize>,
}

/// Lines of this node's units that hold a text.
pub async fn search_units(
    State(Agent(agent)): State<Agent>,
    Query(sought): Query<SoughtInUnits>,
) -> Result<Json<systemd::Searched>, Refused> {
    let text = sought_text(sought.text)?;
    let names = sought.units.split(',').filter(|n| !n.is_empty());
    let wanted = systemd::Wanted {
        text,
        units: names.map(name).collect::<Result<_, _>>()?,
        since: Time(sought.since),
        most: sought.most.unwrap_or(FOUND).min(FOUND),
        within: SEARCH_WITHIN,
    };
    let systemd = systemd(&agent)?;
    systemd.search(&wanted).await.map(Json).map_err(journal)
}

fn sought_text(text: String) -> Result<String, Refused> {
    if text.trim().is_empty() {
        let why = "an empty text would find everything";
        return Err(Refused::new(StatusCode::BAD_REQUEST, "bad-query", why));
    }
    Ok(text)
}

fn systemd(agent: &Parties) -> Result<&Systemd, Refused> {
    let why = "this agent has no systemd to ask";
    agent
        .systemd
        .as_ref()
        .ok_or_else(|| absent("systemd-absent", why))
}

fn journal(error: systemd::Error) -> Refused {
    Refused::new(StatusCode::BAD_GATEWAY, error.code(), error.to_string()).with(error.remedy())
}

pub async fn unit_logs(
    State(Agent(agent)): State<Agent>,
    Path(unit): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refused> {
    let unit: UnitName = name(&unit)?;
    let systemd = systemd(&agent)?;
    let tail = wanted.tail.unwrap_or(TAIL);
    if wanted.follow {
        let lines = systemd.journal(&unit, tail, true).map_err(journal)?;
        let stop = agent.stop.clone();
        let lines = lines.map(|line| line.map(|l| Bytes::from(format!("{} {}\n", l.at, l.text))));
        return Ok(text(Body::from_stream(
            lines.take_until(stop.cancelled_owned()),
        )));
    }
    let lines = systemd.logs(&unit, tail, JOURNAL_WITHIN).await;
    let lines = lines.map_err(journal)?;
    let mut out = String::new();
    for line in lines {
        out.push_str(&format!("{} {}\n", line.at, line.text));
    }
    Ok(text(Body::from(out)))
}

fn text(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
