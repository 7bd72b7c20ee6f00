//! Services, their containers and units, and the live details that only their agent can tell.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use stead_core::assess;
use stead_core::desired::ServiceKind;
use stead_core::event::{Body, Event};
use stead_core::facts::Fact;
use stead_core::ids::{ContainerName, NodeName, ServiceName, UnitName};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_ports::log::Filter;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::event::find;
use super::extract::{Ask, Place, name, node};
use super::logs;
use super::node::known;
use super::past::When;
use super::problem::Problem;
pub use crate::present::segment as escaped;
use crate::present::{self, Look};

/// Events shown with a service.
const EVENTS: usize = 30;
/// Containers of a service whose own events are shown with it.
const PARTS: usize = 4;
/// What changed this long before a service fell ill may be why.
const BEFORE: Span = Span::hours(1);
/// Changes shown.
const CHANGES: usize = 10;
/// Lines of a log asked for at most.
pub const TAIL_MAX: u32 = 2000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `false`: only what the fleet files name. Absent or `true`: also what runs beside it.
    all: Option<bool>,
    /// Only of this node.
    node: Option<String>,
}

/// Every service: those of the files first on each node, then what runs beside them (`managed: false`).
#[utoipa::path(get, path = "/api/v1/services", operation_id = "list_services", tag = "services", params(Which),
    responses((status = 200, body = Vec<api::Service>)))]
pub async fn list_services(
    State(app): State<App>,
    when: When,
    Ask(which): Ask<Which>,
) -> Result<Json<Vec<api::Service>>, Problem> {
    let only = which
        .node
        .as_deref()
        .map(|n| known(&app, &when, n))
        .transpose()?;
    let beside = which.all.unwrap_or(true);
    let wanted = |n: &NodeName| only.as_ref().is_none_or(|only| only == n);
    let rows = |look: Look<'_>, n: &NodeName| {
        if wanted(n) {
            present::services_of(look, n, beside)
        } else {
            Vec::new()
        }
    };
    let mut list = when.each_node(&app, rows).await;
    list.sort_by_key(|s| !s.managed);
    Ok(Json(list))
}

/// One service with everything that explains its state.
#[utoipa::path(get, path = "/api/v1/services/{node}/{service}", operation_id = "get_service", tag = "services",
    params(("node" = String, Path), ("service" = String, Path)),
    responses((status = 200, body = api::ServiceDetail)))]
pub async fn get_service(
    State(app): State<App>,
    when: When,
    Place((node, service)): Place<(String, String)>,
) -> Result<Json<api::ServiceDetail>, Problem> {
    let node = known(&app, &when, &node)?;
    let service: ServiceName = name(&service)?;
    let (subjects, ill_since) = when.look(&app, |look| {
        (
            subjects(look, &node, &service),
            ill_since(look, &node, &service),
        )
    });
    let mut events = Vec::new();
    for subject in &subjects {
        let subject = Some(subject.to_string());
        events.extend(
            find(
                &app,
                when.bound(Filter {
                    subject,
                    newest_first: true,
                    limit: EVENTS,
                    ..Filter::default()
                }),
            )
            .await?,
        );
    }
    newest_first(&mut events, EVENTS);
    let before = match ill_since {
        Some(since) => changed_before(&app, &when, &node, &subjects, since).await?,
        None => Vec::new(),
    };
    let detail = when.look(&app, |look| {
        present::service_detail(look, &node, &service, &events, &before)
    });
    detail.map(Json).ok_or_else(|| {
        let detail = format!("there is no service {service} on {node}");
        Problem::new(
            "unknown-service",
            detail,
            "see `stead services` for those that Stead knows",
        )
    })
}

/// Whose events belong to a service: its own, and its containers' or unit's.
fn subjects(look: Look<'_>, node: &NodeName, service: &ServiceName) -> Vec<Subject> {
    let mut subjects = vec![Subject::Service(node.clone(), service.clone())];
    let state = look.world.node(node);
    match (look.world.fleet.service(node, service), state) {
        (Some(desired), Some(state)) => {
            let containers = assess::containers(state, service, desired);
            subjects.extend(
                containers
                    .iter()
                    .take(PARTS)
                    .map(|(c, _, _)| Subject::Container(node.clone(), (*c).clone())),
            );
            if let ServiceKind::Systemd { unit } = &desired.kind {
                subjects.push(Subject::Unit(node.clone(), unit.clone()));
            }
        }
        // Unmanaged: the name is a container's or a unit's.
        (None, Some(_)) => {
            subjects.extend(
                ContainerName::new(service.as_str()).map(|c| Subject::Container(node.clone(), c)),
            );
            subjects
                .extend(UnitName::new(service.as_str()).map(|u| Subject::Unit(node.clone(), u)));
        }
        _ => {}
    }
    subjects
}

fn ill_since(look: Look<'_>, node: &NodeName, service: &ServiceName) -> Option<Time> {
    let desired = look.world.fleet.service(node, service)?;
    let health = present::health(look, node, service, desired);
    health
        .since
        .filter(|_| matches!(health.state, "unhealthy" | "missing"))
}

/// What happened on the node, or to the fleet files, shortly before.
pub async fn changed_before(
    app: &App,
    when: &When,
    node: &NodeName,
    subjects: &[Subject],
    since: Time,
) -> Result<Vec<Event>, Problem> {
    let from = Time(since.0 - BEFORE.0 as i64);
    let window = |node: Option<String>, kinds: &[&str]| Filter {
        node,
        kinds: kinds.iter().map(ToString::to_string).collect(),
        since: Some(from),
        until: Some(Time(since.0 + 1)),
        newest_first: true,
        limit: 200,
        ..Filter::default()
    };
    let here = [
        "action_completed",
        "node_rebooted",
        "oom_kill",
        "disk_pressure",
        "level_raised",
        "container_observed",
    ];
    let mut changes = find(app, when.bound(window(Some(node.to_string()), &here))).await?;
    changes.extend(find(app, when.bound(window(None, &["desired_loaded"]))).await?);
    // The first that is seen of a container is its making; what follows is how it fared.
    changes.sort_by_key(|e| e.seq);
    let mut created = std::collections::BTreeSet::new();
    changes.retain(|event| match &event.body {
        // Of a container's many states only its making is a change: it was deployed.
        Body::Observed(_, fact) => match &**fact {
            Fact::Container(c) => {
                subjects.contains(&event.subject)
                    && c.created_at >= from
                    && created.insert(c.id.clone())
            }
            _ => true,
        },
        _ => true,
    });
    newest_first(&mut changes, CHANGES);
    Ok(changes)
}

fn newest_first(events: &mut Vec<Event>, most: usize) {
    events.sort_by_key(|e| std::cmp::Reverse(e.seq));
    events.dedup_by_key(|e| e.seq);
    events.truncate(most);
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Tail {
    /// Lines, at most 2000; absent: 50.
    tail: Option<u32>,
}

/// The last lines of a container's log, from its agent; where that has none, from Loki (header `x-stead-from: loki`).
#[utoipa::path(get, path = "/api/v1/containers/{node}/{container}/logs", operation_id = "get_logs", tag = "services",
    params(("node" = String, Path), ("container" = String, Path), Tail),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_logs(
    State(app): State<App>,
    Place((asked, container)): Place<(String, String)>,
    Ask(tail): Ask<Tail>,
) -> Result<Response, Problem> {
    let node = node(&app, &asked)?;
    container_logs(&app, &node, &container, &tail).await
}

pub async fn container_logs(
    app: &App,
    node: &NodeName,
    container: &str,
    tail: &Tail,
) -> Result<Response, Problem> {
    let container: ContainerName = name(container)?;
    let lines = tail.tail.unwrap_or(50).min(TAIL_MAX);
    let path = format!(
        "/v1/containers/{}/logs?tail={lines}",
        escaped(container.as_str())
    );
    match app.agents.get(node, &path).await {
        Ok(text) => Ok(plain(text)),
        Err(error) => logs::elsewhere(app, node, Some(&container), None, lines, error).await,
    }
}

/// The last outputs of a container's own health check, from its agent.
#[utoipa::path(get, path = "/api/v1/containers/{node}/{container}/health", operation_id = "get_container_health",
    tag = "services", params(("node" = String, Path), ("container" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_health(
    State(app): State<App>,
    Place((asked, container)): Place<(String, String)>,
) -> Result<Response, Problem> {
    let node = node(&app, &asked)?;
    let container: ContainerName = name(&container)?;
    let path = format!("/v1/containers/{}/health", escaped(container.as_str()));
    Ok(plain(app.agents.get(&node, &path).await?))
}

/// The last lines of a unit's journal, from its agent; where that has none, from Loki (header `x-stead-from: loki`).
#[utoipa::path(get, path = "/api/v1/units/{node}/{unit}/logs", operation_id = "get_unit_logs", tag = "services",
    params(("node" = String, Path), ("unit" = String, Path), Tail),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_unit_logs(
    State(app): State<App>,
    Place((asked, unit)): Place<(String, String)>,
    Ask(tail): Ask<Tail>,
) -> Result<Response, Problem> {
    let node = node(&app, &asked)?;
    let unit: UnitName = name(&unit)?;
    let lines = tail.tail.unwrap_or(50).min(TAIL_MAX);
    let path = format!("/v1/units/{}/logs?tail={lines}", escaped(unit.as_str()));
    match app.agents.get(&node, &path).await {
        Ok(text) => Ok(plain(text)),
        Err(error) => logs::elsewhere(&app, &node, None, Some(&unit), lines, error).await,
    }
}

fn plain(text: Bytes) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(escaped("getty@tty1.service"), "getty%40tty1.service");
        assert_eq!(escaped("a?b#c%d"), "a%3Fb%23c%25d");
        assert!(name::<ContainerName>("../etc").is_err());
        assert!(name::<ContainerName>("a/b").is_err());
    }
}
