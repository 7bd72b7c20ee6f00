//! The addresses that scripts written for a VM dashboard know, with the field names they know. Row S10.
//!
//! What they answer is what the other routes say of the same node, under other names; nothing here knows more, and what
//! they do ([`act`]) is an action like any other. Without `?node=` they are about the machine the server runs on.

pub mod act;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use stead_core::ids::NodeName;
use stead_core::time::Span;
use stead_protocol::api;
use utoipa::IntoParams;

use crate::http::App;
use crate::http::extract::{Ask, Place};
use crate::http::node::known;
use crate::http::past::When;
use crate::http::problem::Problem;
use crate::http::trend::{range, trends};
use crate::present::{self, Metric};

/// Runs of a cleanup told unless more are asked for.
const RUNS: usize = 50;
const RUNS_MOST: usize = 200;
/// The words of this family of routes; other metrics have `/api/v1/trends`.
const METRICS: [&str; 5] = ["disk", "memory", "steal", "containers", "io"];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Absent: the machine the server runs on.
    node: Option<String>,
    /// Runs told, at most 200; absent: 50.
    limit: Option<usize>,
    /// How far back: `24h`, `7d` (unless told), `30d`, `365d`.
    range: Option<String>,
}

/// How a node is, in one answer.
#[utoipa::path(get, path = "/api/vm/health", operation_id = "get_vm_health", tag = "vm", params(Which),
    responses((status = 200, body = Value)))]
pub async fn get_health(
    State(app): State<App>,
    Ask(which): Ask<Which>,
) -> Result<Json<Value>, Problem> {
    let name = node(&app, which.node.as_deref())?;
    let score = app.look(|look| present::score_card(look, &name).score);
    let (node, containers) = seen(&app, &name)?;
    let count =
        |wanted: fn(&api::Container) -> bool| containers.iter().filter(|c| wanted(c)).count();
    let sample = node.sample.as_ref();
    let ill = node.services.unhealthy + node.services.missing;
    let status = match node.evidence.as_str() {
        "fresh" if ill > 0 || count(is_unhealthy) > 0 => "degraded",
        "fresh" => "ok",
        other => other,
    };
    let disks: Vec<Value> = sample
        .into_iter()
        .flat_map(|s| &s.filesystems)
        .map(|f| json!({"mount": f.mount, "totalBytes": f.total, "usedBytes": f.used, "usedPercent": f.used_percent}))
        .collect();
    Ok(Json(json!({
        "status": status,
        "node": node.name,
        "hostname": node.hostname,
        "timestamp": app.handle.now().at.to_string(),
        "evidence": node.evidence,
        "lastSeen": node.last_seen,
        "bootedAt": node.booted_at,
        "score": score,
        "cpu": sample.map(|s| json!({"usedPercent": s.cpu_percent, "stealPercent": s.steal_percent, "load1": s.load1})),
        "memory": sample.map(|s| json!({"totalBytes": s.memory_total, "availableBytes": s.memory_available, "swapUsedBytes": s.swap_used})),
        "disks": disks,
        "containers": {
            "total": containers.len(),
            "running": count(|c| c.state == "running"),
            "unhealthy": count(is_unhealthy),
        },
        "services": node.services,
    })))
}

/// What a cleanup script told of its runs, newest first: `{timestamp, mode, diskBefore, diskAfter, freedMB, steps, success}`
/// as its `vm-cleanup.log` has them.
#[utoipa::path(get, path = "/api/vm/cleanup-log", operation_id = "get_vm_cleanup_log", tag = "vm", params(Which),
    responses((status = 200, body = Vec<Value>)))]
pub async fn get_cleanup_log(
    State(app): State<App>,
    Ask(which): Ask<Which>,
) -> Result<Json<Vec<Value>>, Problem> {
    let log = asked(
        &app,
        &node(&app, which.node.as_deref())?,
        "/v1/chores/cleanup-log",
    )
    .await?;
    let mut runs = match log.get("runs") {
        Some(Value::Array(runs)) => runs.clone(),
        _ => Vec::new(),
    };
    runs.truncate(which.limit.unwrap_or(RUNS).min(RUNS_MOST));
    Ok(Json(runs))
}

/// The jobs of a node's crontabs, and the files that were not read with the reason.
#[utoipa::path(get, path = "/api/vm/cron-status", operation_id = "get_vm_cron_status", tag = "vm", params(Which),
    responses((status = 200, body = Value)))]
pub async fn get_cron_status(
    State(app): State<App>,
    Ask(which): Ask<Which>,
) -> Result<Json<Value>, Problem> {
    let name = node(&app, which.node.as_deref())?;
    let mut told = asked(&app, &name, "/v1/chores/crontabs").await?;
    if let Value::Object(told) = &mut told {
        told.insert("node".into(), json!(name.to_string()));
    }
    Ok(Json(told))
}

/// The containers of a node.
#[utoipa::path(get, path = "/api/vm/containers", operation_id = "list_vm_containers", tag = "vm", params(Which),
    responses((status = 200, body = Vec<Value>)))]
pub async fn list_containers(
    State(app): State<App>,
    Ask(which): Ask<Which>,
) -> Result<Json<Vec<Value>>, Problem> {
    let (_, containers) = seen(&app, &node(&app, which.node.as_deref())?)?;
    Ok(Json(containers.iter().map(container).collect()))
}

/// Those of them that are not as they should be: unhealthy by their own check.
#[utoipa::path(get, path = "/api/vm/containers/unhealthy", operation_id = "list_vm_unhealthy", tag = "vm", params(Which),
    responses((status = 200, body = Vec<Value>)))]
pub async fn list_unhealthy(
    State(app): State<App>,
    Ask(which): Ask<Which>,
) -> Result<Json<Vec<Value>>, Problem> {
    let (_, containers) = seen(&app, &node(&app, which.node.as_deref())?)?;
    let ill = containers.iter().filter(|c| is_unhealthy(c));
    Ok(Json(ill.map(container).collect()))
}

/// Where a number of a node leads: as `/api/v1/trends`, of one node.
#[utoipa::path(get, path = "/api/vm/metrics/trend/{metric}", operation_id = "get_vm_trend", tag = "vm",
    params(("metric" = String, Path, description = "`disk`, `memory`, `steal`, `containers`, `io`"), Which),
    responses((status = 200, body = api::Trends)))]
pub async fn get_trend(
    State(app): State<App>,
    Place(word): Place<String>,
    Ask(which): Ask<Which>,
) -> Result<Json<api::Trends>, Problem> {
    let metric = Some(word.as_str())
        .filter(|word| METRICS.contains(word))
        .and_then(Metric::read);
    let Some(metric) = metric else {
        let word: String = word.chars().take(80).collect();
        let detail = format!("there is no trend called {word} here");
        let remedy = format!("ask for one of {}", METRICS.join(", "));
        return Err(Problem::new("unknown-metric", detail, remedy));
    };
    let range: Span = range(which.range.as_deref())?;
    let node = node(&app, which.node.as_deref())?;
    Ok(Json(trends(&app, metric, Some(node), range).await?))
}

/// The node that is meant: named, or the one this server runs on.
fn node(app: &App, named: Option<&str>) -> Result<NodeName, Problem> {
    if let Some(named) = named.map(str::trim).filter(|n| !n.is_empty()) {
        return known(app, &When::NOW, named);
    }
    let own = rustix::system::uname();
    let own = own.nodename().to_string_lossy().into_owned();
    let local = app.look(|look| {
        let names = present::node_names(look);
        if names.len() == 1 {
            return names.first().map(|n| (*n).clone());
        }
        let mut here = names.into_iter().filter(|name| {
            let host = look.world.node(name).and_then(|state| state.host());
            host.is_some_and(|host| host.hostname == own)
        });
        // Two machines of one name: neither is taken for the other.
        here.next().filter(|_| here.next().is_none()).cloned()
    });
    local.ok_or_else(|| {
        Problem::new(
            "bad-query",
            "which node is meant is not clear: none has this machine's name, or several have",
            "say it: ?node=NAME; `stead nodes` lists them",
        )
    })
}

fn seen(app: &App, name: &NodeName) -> Result<(api::Node, Vec<api::Container>), Problem> {
    let found = app.look(|look| present::node_detail(look, name, &[], &[]));
    let detail = found.ok_or_else(|| Problem::unknown_node(name.as_str()))?;
    Ok((detail.node, detail.containers_list))
}

fn is_unhealthy(c: &api::Container) -> bool {
    c.health == "unhealthy"
}

fn container(c: &api::Container) -> Value {
    json!({
        "name": c.name,
        "id": c.id,
        "image": c.image,
        "stack": c.stack,
        "state": c.state,
        "status": c.state,
        "health": c.health,
        "startedAt": c.started_at,
        "restarts": c.restart_count,
        "cpuPercent": c.cpu_percent,
        "memoryBytes": c.memory_bytes,
        "memoryLimitBytes": (c.memory_limit > 0).then_some(c.memory_limit),
        "blockWriteBytesPerSecond": c.block_write_bytes,
        "ports": c.ports,
    })
}

/// What the agent of a node reads.
async fn asked(app: &App, node: &NodeName, path: &str) -> Result<Value, Problem> {
    let answer = app.agents.get(node, path).await?;
    serde_json::from_slice(&answer).map_err(|e| {
        Problem::new(
            "agent-failed",
            format!("the agent of {node} answered something else: {e}"),
            "upgrade the agent to this server's version",
        )
    })
}
