//! Containers across nodes: the list, one in detail, and the restart of those that are unhealthy.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use stead_core::action::ActionKind;
use stead_core::controller::Command;
use stead_core::event::Event;
use stead_core::ids::{ContainerName, NodeName, nearest};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_ports::log::Filter;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::action::tidy;
use super::event::find;
use super::extract::{Ask, Body, Place, name};
use super::guard::Caller;
use super::node::known;
use super::past::When;
use super::problem::Problem;
use super::service::changed_before;
use crate::present::{self, ContainerFilter};

/// Events shown with a container.
const EVENTS: usize = 30;
/// Events a strip of health is made from, the newest of the time asked for.
const STRIP: usize = 2000;
/// The time a strip covers unless told, and at most.
const RANGE: Span = Span::days(1);
const RANGE_MOST: Span = Span::days(31);
/// Restarts at once; the policy's own limits of concurrency hold beside it.
const BATCH: u32 = 4;
/// Failures that make the rest wait, unless told: where several do not come back the fault may be elsewhere.
const FAILURES: u32 = 3;
/// Targets of one restart.
const TARGETS: usize = 1000;
/// What tells how sure a node's state was.
const HEARD: [&str; 5] = [
    "node_stale",
    "node_offline",
    "node_synced",
    "node_up",
    "server_started",
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only of this node.
    node: Option<String>,
    /// Only of this compose project or swarm stack.
    stack: Option<String>,
    /// `running`, `exited`, `restarting`, `paused`, `created`, `dead`.
    state: Option<String>,
    /// `none`, `starting`, `healthy`, `failing`, `unhealthy`.
    health: Option<String>,
    /// `true`: only those a person should look at.
    unhealthy: Option<bool>,
    /// `true`: only those that run without a memory limit.
    no_limit: Option<bool>,
    /// Text in name, image, stack, ports or labels.
    q: Option<String>,
}

impl Which {
    fn filter(&self, app: &App, when: &When) -> Result<ContainerFilter, Problem> {
        const STATES: [&str; 7] = [
            "created",
            "running",
            "paused",
            "restarting",
            "removing",
            "exited",
            "dead",
        ];
        const HEALTHS: [&str; 5] = ["none", "starting", "healthy", "failing", "unhealthy"];
        let node = told(&self.node).map(|n| known(app, when, &n)).transpose()?;
        Ok(ContainerFilter {
            node,
            stack: told(&self.stack),
            state: one_of("state", &self.state, &STATES)?,
            health: one_of("health", &self.health, &HEALTHS)?,
            unhealthy: self.unhealthy.unwrap_or(false),
            no_limit: self.no_limit.unwrap_or(false),
            text: told(&self.q),
        })
    }
}

fn told(text: &Option<String>) -> Option<String> {
    let text = text.as_deref().map(str::trim).filter(|t| !t.is_empty());
    text.map(ToString::to_string)
}

/// A misspelt word would leave nothing, and nothing looks like all is well.
fn one_of(what: &str, text: &Option<String>, words: &[&str]) -> Result<Option<String>, Problem> {
    let Some(word) = told(text) else {
        return Ok(None);
    };
    if words.contains(&word.as_str()) {
        return Ok(Some(word));
    }
    let remedy = match nearest(&word, words.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use one of {}", words.join(", ")),
    };
    let detail = format!("{word:?} is no {what} of a container");
    Err(Problem::new("bad-query", detail, remedy))
}

/// Containers of all nodes, unhealthy ones first.
#[utoipa::path(get, path = "/api/v1/containers", operation_id = "list_containers", tag = "containers", params(Which),
    responses((status = 200, body = api::Containers)))]
pub async fn list_containers(
    State(app): State<App>,
    when: When,
    Ask(which): Ask<Which>,
) -> Result<Json<api::Containers>, Problem> {
    let filter = which.filter(&app, &when)?;
    let mut all = when.each_node(&app, present::containers_of).await;
    let (counts, stacks) = (present::container_counts(&all), present::stacks(&all));
    all.retain(|c| filter.fits(c));
    present::arrange(&mut all);
    let write_anomalies = write_anomalies(&app, &when);
    Ok(Json(api::Containers {
        containers: all,
        counts,
        stacks,
        write_anomalies,
    }))
}

/// Those that go on, with what is read of them now; of the past, as they were stated.
pub fn write_anomalies(app: &App, when: &When) -> Vec<api::WriteAnomaly> {
    let latest = when.live(|| app.latest.get()).unwrap_or_default();
    when.look(app, |look| present::write_anomalies(look, &latest))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Stretch {
    /// How far back the history of its health goes: `24h` (unless told), `7d`, at most 31 days.
    range: Option<String>,
}

/// One container with everything that explains its state, and how it was.
#[utoipa::path(get, path = "/api/v1/containers/{node}/{container}", operation_id = "get_container", tag = "containers",
    params(("node" = String, Path), ("container" = String, Path), Stretch),
    responses((status = 200, body = api::ContainerDetail)))]
pub async fn get_container(
    State(app): State<App>,
    when: When,
    Place((node, container)): Place<(String, String)>,
    Ask(stretch): Ask<Stretch>,
) -> Result<Json<api::ContainerDetail>, Problem> {
    let node = known(&app, &when, &node)?;
    let container: ContainerName = name(&container)?;
    let range = range(stretch.range.as_deref())?;
    let subject = Subject::Container(node.clone(), container.clone());
    let now = when.look(&app, |look| look.now.at);
    let history = history(&app, &when, &node, &subject, (now, range)).await?;
    let latest = Filter {
        subject: Some(subject.to_string()),
        newest_first: true,
        limit: EVENTS,
        ..Filter::default()
    };
    let events = find(&app, when.bound(latest)).await?;
    let ill = history.last().filter(|span| span.state == "unhealthy");
    let changes = match ill.and_then(|span| span.from.parse::<Time>().ok()) {
        Some(since) => changed_before(&app, &when, &node, &[subject], since).await?,
        None => Vec::new(),
    };
    let mut detail = when.look(&app, |look| {
        present::container_detail(look, &node, &container, &events, history, &changes)
    });
    if let Some(detail) = &mut detail {
        let all = write_anomalies(&app, &when);
        let own = format!("container/{node}/{container}");
        detail.write_anomaly = all.into_iter().find(|a| a.subject == own);
    }
    detail
        .map(Json)
        .ok_or_else(|| unknown(&app, &when, &node, &container))
}

fn range(text: Option<&str>) -> Result<Span, Problem> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
        return Ok(RANGE);
    };
    let range: Span = text.parse().map_err(|e: stead_core::time::InvalidSpan| {
        Problem::new("bad-query", e.to_string(), "ask for 24h, 7d or 31d")
    })?;
    Ok(range.clamp(Span::mins(1), RANGE_MOST))
}

fn unknown(app: &App, when: &When, node: &NodeName, container: &ContainerName) -> Problem {
    let names: Vec<String> = when.look(app, |look| {
        let state = look.world.node(node);
        let names = state.into_iter().flat_map(|s| s.containers());
        names.map(|(name, _, _)| name.to_string()).collect()
    });
    let remedy = match nearest(container.as_str(), names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "see `stead containers` for those that Stead knows".to_string(),
    };
    let detail = format!("there is no container {container} on {node}");
    Problem::new("unknown-container", detail, remedy)
}

/// How it was over a stretch of time, from what the log says of it and of its node.
async fn history(
    app: &App,
    when: &When,
    node: &NodeName,
    subject: &Subject,
    (now, range): (Time, Span),
) -> Result<Vec<api::HealthSpan>, Problem> {
    let from = Time(now.0.saturating_sub(range.0 as i64));
    let own = ["container_observed", "container_gone"];
    let asked = |subject: Option<&Subject>, kinds: &[&str], before: bool| Filter {
        since: (!before).then_some(from),
        until: before.then_some(from),
        subject: subject.map(ToString::to_string),
        kinds: kinds.iter().map(ToString::to_string).collect(),
        newest_first: true,
        limit: if before { 1 } else { STRIP },
        ..Filter::default()
    };
    let of_node = Subject::Node(node.clone());
    let (heard, started) = (&HEARD[..4], &HEARD[4..]);
    let mut events: Vec<Event> = Vec::new();
    let mut cut = from;
    for before in [true, false] {
        for (subject, kinds) in [
            (Some(subject), &own[..]),
            (Some(&of_node), heard),
            (None, started),
        ] {
            let found = find(app, when.bound(asked(subject, kinds, before))).await?;
            // What came before the oldest that was read is not known.
            if found.len() == STRIP
                && let Some(oldest) = found.last()
            {
                cut = cut.max(oldest.at);
            }
            events.extend(found);
        }
    }
    events.retain(|e| e.at >= cut || cut == from);
    events.sort_by_key(|e| e.seq);
    // What happened this very millisecond is part of it.
    Ok(present::health_history(&events, from, Time(now.0 + 1)))
}

/// Restart unhealthy containers: a dry run lists exactly what it would touch, a restart takes that list.
#[utoipa::path(post, path = "/api/v1/containers/restart", operation_id = "restart_containers", tag = "containers",
    request_body = api::RestartContainers,
    responses((status = 200, body = api::RestartPlan, description = "A dry run"),
        (status = 202, body = api::RestartPlan)))]
pub async fn restart_containers(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<api::RestartContainers>,
) -> Result<(StatusCode, Json<api::RestartPlan>), Problem> {
    if asked.dry_run {
        return dry_run(&app, &asked).await;
    }
    if asked.targets.is_empty() {
        return Err(nothing());
    }
    if asked.targets.len() > TARGETS {
        let detail = format!("{TARGETS} targets may be restarted at once");
        return Err(Problem::new("too-large", detail, "restart fewer at a time"));
    }
    let mut subjects = Vec::new();
    for target in &asked.targets {
        subjects.push((
            super::extract::subject(&app, &target.subject)?,
            &target.digest,
        ));
    }
    let targets: Vec<api::PlannedRestart> = app.look(|look| {
        let planned = |(subject, digest): &(Subject, &String)| {
            present::planned_restart(look, subject, Some(digest.as_str()))
        };
        subjects.iter().map(planned).collect()
    });
    let kept = subjects.iter().zip(&targets);
    let kept: BTreeSet<Subject> = kept
        .filter(|(_, planned)| planned.left_out.is_none())
        .map(|((subject, _), _)| subject.clone())
        .collect();
    if kept.is_empty() {
        let first = targets.first().and_then(|t| t.left_out.clone());
        let detail = format!("nothing is restarted: {}", first.unwrap_or_default());
        return Err(Problem::new(
            "no-targets",
            detail,
            "look again at what is unhealthy: stead containers --unhealthy",
        ));
    }
    let count = kept.len();
    let command = Command::Roll {
        kind: ActionKind::ContainerRestart,
        selector: "unhealthy containers".to_string(),
        targets: kept.into_iter().collect(),
        batch: BATCH,
        max_failures: asked.max_failures.unwrap_or(FAILURES).max(1),
        by: caller.principal(),
        note: tidy(asked.note),
    };
    let reply = app.handle.command(command).await?;
    let plan = api::RestartPlan {
        rollout: Some(reply.id().to_string()),
        sentence: format!("{} of {} are restarted", count, targets.len()),
        targets,
    };
    Ok((StatusCode::ACCEPTED, Json(plan)))
}

fn nothing() -> Problem {
    Problem::new(
        "no-targets",
        "no target is named, and nothing means nothing: it never means everything",
        "ask with `dry_run` first, and send back the targets it lists",
    )
}

async fn dry_run(
    app: &App,
    asked: &api::RestartContainers,
) -> Result<(StatusCode, Json<api::RestartPlan>), Problem> {
    let only = told(&asked.node)
        .map(|n| known(app, &When::NOW, &n))
        .transpose()?;
    let stack = told(&asked.stack);
    let targets = app
        .each_node(|look, node| {
            if only.as_ref().is_some_and(|only| only != node) {
                return Vec::new();
            }
            let subjects = present::unhealthy_subjects(look, node, stack.as_deref());
            let planned = |subject: &Subject| present::planned_restart(look, subject, None);
            subjects.iter().map(planned).collect()
        })
        .await;
    let touched = targets.iter().filter(|t| t.left_out.is_none());
    let containers: usize = touched.map(|t| t.containers.len()).sum();
    let sentence = match containers {
        0 => "No container is unhealthy that could be restarted: nothing would be done".to_string(),
        1 => "1 container would be restarted".to_string(),
        n => format!("{n} containers would be restarted"),
    };
    let plan = api::RestartPlan {
        rollout: None,
        sentence,
        targets,
    };
    Ok((StatusCode::OK, Json(plan)))
}
