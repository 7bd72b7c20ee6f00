//! Actions: reading them, deciding on them, starting them.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use stead_core::action::{Action, ActionKind, State as ActionState};
use stead_core::controller::{Command, Reply};
use stead_core::event::Body as EventBody;
use stead_core::ids::nearest;
use stead_core::subject::Subject;
use stead_core::world::World;
use stead_ports::log::Filter;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::event::find;
use super::extract::{Ask, Body, Place, subject};
use super::guard::Caller;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Events read at a time when an old action is looked for in the log, and how many times.
const PAGE: usize = 500;
const PAGES: usize = 100;
/// Actions in one answer: the open ones of a very large fleet in great trouble, and all that are remembered.
const LISTED: usize = 5000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InState {
    /// One or more states, separated by commas: `pending`, `approved`, `running`, `completed`, `failed`, `rejected`,
    /// `cancelled`. Absent: all.
    state: Option<String>,
}

/// Open actions, newest first, then the latest that ended.
#[utoipa::path(get, path = "/api/v1/actions", operation_id = "list_actions", tag = "actions", params(InState),
    responses((status = 200, body = Vec<api::Action>)))]
pub async fn list_actions(
    State(app): State<App>,
    when: When,
    Ask(asked): Ask<InState>,
) -> Result<Json<Vec<api::Action>>, Problem> {
    let words = asked
        .state
        .as_deref()
        .unwrap_or("")
        .split(',')
        .map(str::trim)
        .filter(|w| !w.is_empty());
    let states = words.map(|word| {
        ActionState::from_word(word).ok_or_else(|| {
            let known: Vec<&str> = ActionState::ALL.iter().map(|s| s.word()).collect();
            let remedy = match nearest(word, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use one of {}", known.join(", ")),
            };
            Problem::new(
                "bad-query",
                format!("{word:?} is no state of an action"),
                remedy,
            )
        })
    });
    let states: Vec<ActionState> = states.collect::<Result<_, _>>()?;
    Ok(Json(when.look(&app, |look| {
        present::actions(look, &states, LISTED)
    })))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Occurrence {
    /// Which time this repair was raised; absent: the open one, else the latest. `ID#3` in the address says the same.
    occurrence: Option<u32>,
}

fn label(id: &str, asked: &Occurrence) -> String {
    match asked.occurrence {
        Some(n) if !id.contains('#') => format!("{id}#{n}"),
        _ => id.to_string(),
    }
}

/// One action.
#[utoipa::path(get, path = "/api/v1/actions/{id}", operation_id = "get_action", tag = "actions",
    params(("id" = String, Path), Occurrence), responses((status = 200, body = api::Action)))]
pub async fn get_action(
    State(app): State<App>,
    when: When,
    Place(id): Place<String>,
    Ask(asked): Ask<Occurrence>,
) -> Result<Json<api::Action>, Problem> {
    let found = any(&app, &when, &label(&id, &asked)).await?;
    let mut shown = when.look(&app, |look| present::action(look, &found));
    if when.is_now()
        && found.key.kind == ActionKind::DiskCleanup
        && found.state == ActionState::Pending
        && let Subject::Node(node) = &found.key.subject
    {
        shown.would_free = app
            .estimate_soon(node)
            .await
            .map(|e| e.build_cache + e.dangling_images);
    }
    Ok(Json(shown))
}

/// Why it was raised, decided, done, or waits: the whole chain.
#[utoipa::path(get, path = "/api/v1/actions/{id}/why", operation_id = "get_why", tag = "actions",
    params(("id" = String, Path), Occurrence), responses((status = 200, body = api::Why)))]
pub async fn get_why(
    State(app): State<App>,
    when: When,
    Place(id): Place<String>,
    Ask(asked): Ask<Occurrence>,
) -> Result<Json<api::Why>, Problem> {
    let found = any(&app, &when, &label(&id, &asked)).await?;
    super::why::of_action(&app, &when, &found).await.map(Json)
}

/// What a cleanup would free now.
#[utoipa::path(get, path = "/api/v1/actions/{id}/estimate", operation_id = "get_estimate", tag = "actions",
    params(("id" = String, Path), Occurrence), responses((status = 200, body = api::Estimate)))]
pub async fn get_estimate(
    State(app): State<App>,
    Place(id): Place<String>,
    Ask(asked): Ask<Occurrence>,
) -> Result<Json<api::Estimate>, Problem> {
    let found = any(&app, &When::NOW, &label(&id, &asked)).await?;
    let (ActionKind::DiskCleanup, Subject::Node(node)) = (found.key.kind, &found.key.subject)
    else {
        let detail = format!("{} frees no space", found.label());
        return Err(Problem::new(
            "no-estimate",
            detail,
            "only disk_cleanup has an estimate",
        ));
    };
    let e = app.estimate(node).await?;
    Ok(Json(api::Estimate {
        would_free: e.build_cache + e.dangling_images,
        build_cache: e.build_cache,
        dangling_images: e.dangling_images,
        images: e.images,
    }))
}

/// Approve the plan that was read.
#[utoipa::path(post, path = "/api/v1/actions/{id}/approve", operation_id = "approve_action", tag = "actions",
    params(("id" = String, Path), Occurrence), request_body = api::Decision,
    responses((status = 200, body = api::Action)))]
pub async fn approve_action(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
    Ask(asked): Ask<Occurrence>,
    Body(decision): Body<api::Decision>,
) -> Result<Json<api::Action>, Problem> {
    let api::Decision { digest, note } = decision;
    let id = label(&id, &asked);
    let command = Command::Approve {
        id,
        digest,
        by: caller.principal(),
        note: tidy(note),
    };
    decide(&app, command).await
}

/// Reject it. That holds until the trouble clears or changes.
#[utoipa::path(post, path = "/api/v1/actions/{id}/reject", operation_id = "reject_action", tag = "actions",
    params(("id" = String, Path), Occurrence), request_body = api::Decision,
    responses((status = 200, body = api::Action)))]
pub async fn reject_action(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
    Ask(asked): Ask<Occurrence>,
    Body(decision): Body<api::Decision>,
) -> Result<Json<api::Action>, Problem> {
    let command = Command::Reject {
        id: label(&id, &asked),
        by: caller.principal(),
        note: tidy(decision.note),
    };
    decide(&app, command).await
}

/// Take back what has not begun.
#[utoipa::path(post, path = "/api/v1/actions/{id}/cancel", operation_id = "cancel_action", tag = "actions",
    params(("id" = String, Path), Occurrence), responses((status = 200, body = api::Action)))]
pub async fn cancel_action(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
    Ask(asked): Ask<Occurrence>,
) -> Result<Json<api::Action>, Problem> {
    decide(
        &app,
        Command::Cancel {
            id: label(&id, &asked),
            by: caller.principal(),
        },
    )
    .await
}

/// Start something directly: the same action, approved by whoever asks.
#[utoipa::path(post, path = "/api/v1/actions", operation_id = "start_action", tag = "actions",
    request_body = api::StartAction, responses((status = 202, body = api::Accepted)))]
pub async fn start_action(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<api::StartAction>,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    let kind = action_kind(&asked.kind)?;
    let subject = subject(&app, &asked.subject)?;
    begin(&app, &caller, kind, subject, asked.note).await
}

/// Begins an action that somebody asks for by hand, and says where it is found.
pub async fn begin(
    app: &App,
    caller: &Caller,
    kind: ActionKind,
    subject: Subject,
    note: Option<String>,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    let command = Command::Start {
        kind,
        subject,
        by: caller.principal(),
        note: tidy(note),
    };
    let (id, occurrence, state) = of_action(app.handle.command(command).await?)?;
    let accepted = api::Accepted {
        id,
        occurrence,
        state: state.word().to_string(),
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

/// A kind of action by its word.
pub fn action_kind(word: &str) -> Result<ActionKind, Problem> {
    ActionKind::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = ActionKind::ALL.iter().map(|k| k.word()).collect();
        let remedy = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of {}", known.join(", ")),
        };
        let detail = format!("{word:?} is no kind of action");
        Problem::new("unknown-kind", detail, remedy)
    })
}

/// Longest note kept with a decision.
const NOTE: usize = 2000;

pub fn tidy(note: Option<String>) -> Option<String> {
    let note: String = note?.trim().chars().take(NOTE).collect();
    (!note.is_empty()).then_some(note)
}

/// What became of a command about an action.
fn of_action(reply: Reply) -> Result<(String, u32, ActionState), Problem> {
    match reply {
        Reply::Action {
            id,
            occurrence,
            state,
        } => Ok((id, occurrence, state)),
        Reply::Done { id } => Err(Problem::new(
            "internal",
            format!("the answer is about {id}, which is no action"),
            "report this with the server's log",
        )),
    }
}

async fn decide(app: &App, command: Command) -> Result<Json<api::Action>, Problem> {
    let reply = app.handle.command(command).await?;
    let (id, occurrence, _) = of_action(reply)?;
    let found = any(app, &When::NOW, &format!("{id}#{occurrence}")).await?;
    Ok(Json(app.look(|look| present::action(look, &found))))
}

/// An action by its label: from the world, else from the log.
pub async fn any(app: &App, when: &When, label: &str) -> Result<Action, Problem> {
    if let Some(found) = when.look(app, |l| l.world.actions.any_by_id(label).cloned()) {
        return Ok(found);
    }
    if let Some(old) = from_log(app, when, label).await? {
        return Ok(old);
    }
    let known: Vec<String> = when.look(app, |look| {
        let actions = &look.world.actions;
        actions
            .open
            .values()
            .chain(&actions.ended)
            .map(Action::id)
            .collect()
    });
    let remedy = match nearest(label, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "see `stead actions`".to_string(),
    };
    Err(Problem::new(
        "unknown-action",
        format!("there is no action {label}"),
        remedy,
    ))
}

/// One that ended so long ago that the world forgot it: folded anew from its own events.
async fn from_log(app: &App, when: &When, label: &str) -> Result<Option<Action>, Problem> {
    let (id, occurrence) = match label.rsplit_once('#').map(|(id, n)| (id, n.parse::<u32>())) {
        Some((id, Ok(n))) => (id, Some(n)),
        _ => (label, None),
    };
    let kinds = EventBody::KINDS.iter().filter(|k| k.starts_with("action_"));
    let kinds: Vec<String> = kinds.map(ToString::to_string).collect();
    let (mut story, mut before) = (Vec::new(), None);
    'pages: for _ in 0..PAGES {
        let filter = Filter {
            before,
            kinds: kinds.clone(),
            text: Some(format!("\"{id}\"")),
            newest_first: true,
            limit: PAGE,
            ..Filter::default()
        };
        let page = find(app, when.bound(filter)).await?;
        let last = page.len() < PAGE;
        before = page.last().map(|e| e.seq);
        for event in page {
            let of = event.body.action().map(|(i, n)| (i.to_string(), n));
            // The latest occurrence is found first.
            let wanted = |n: u32| {
                occurrence
                    .or(story.first().map(|(n, _)| *n))
                    .is_none_or(|o| o == n)
            };
            if let Some((_, n)) = of.filter(|(i, n)| i == id && wanted(*n)) {
                let begins = matches!(event.body, EventBody::ActionProposed(_));
                story.push((n, event));
                if begins {
                    break 'pages;
                }
            }
        }
        if last {
            break;
        }
    }
    let mut world = World::default();
    for (_, event) in story.iter().rev() {
        world.apply(event);
    }
    Ok(world.actions.any_by_id(label).cloned())
}
