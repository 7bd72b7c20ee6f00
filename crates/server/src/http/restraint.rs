//! What keeps Stead from acting by itself: locks and the brake.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use stead_core::controller::Command;
use stead_core::ids::nearest;
use stead_core::lock::LockKind;
use stead_core::time::{Span, Time};
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Body, Place, subject};
use super::guard::Caller;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Longest reason kept with a lock.
const WHY: usize = 500;
/// What a person or a script may take; windows come from the files.
const KINDS: [LockKind; 3] = [LockKind::Maintenance, LockKind::Backup, LockKind::Restore];

/// Every lock that holds, the soonest to end first.
#[utoipa::path(get, path = "/api/v1/locks", operation_id = "list_locks", tag = "restraint",
    responses((status = 200, body = Vec<api::Lock>)))]
pub async fn list_locks(
    State(app): State<App>,
    when: When,
) -> Result<Json<Vec<api::Lock>>, Problem> {
    Ok(Json(when.look(&app, present::locks)))
}

/// Keep repairs off a target for a time. The same again extends it.
#[utoipa::path(post, path = "/api/v1/locks", operation_id = "take_lock", tag = "restraint",
    request_body = api::NewLock, responses((status = 201, body = api::Lock)))]
pub async fn take_lock(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<api::NewLock>,
) -> Result<(StatusCode, Json<api::Lock>), Problem> {
    let target = subject(&app, &asked.target)?;
    let lock = kind(asked.lock.as_deref())?.unwrap_or(LockKind::Maintenance);
    let until = until(app.handle.now().at, &asked)?;
    let heartbeat = asked.heartbeat.as_deref().map(length).transpose()?;
    let why = asked.why.trim().chars().take(WHY).collect();
    let command = Command::Lock {
        target: target.clone(),
        lock,
        until,
        why,
        by: caller.principal(),
        heartbeat: heartbeat.filter(|every| !every.is_zero()),
    };
    app.handle.command(command).await?;
    let (target, lock) = (target.to_string(), lock.word());
    let mut taken = app.look(present::locks).into_iter();
    let taken = taken.find(|l| l.target == target && l.lock == lock);
    // It may have ended already where it was short.
    let taken = taken.unwrap_or_else(|| api::Lock {
        target,
        lock: lock.to_string(),
        until: until.to_string(),
        ..api::Lock::default()
    });
    Ok((StatusCode::CREATED, Json(taken)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfKind {
    /// Only the lock of this kind; absent: every lock on the target.
    lock: Option<String>,
}

/// Release the locks on a target. The answer is what still holds it: locks on its node or on the fleet.
#[utoipa::path(delete, path = "/api/v1/locks/{*target}", operation_id = "release_lock", tag = "restraint",
    params(("target" = String, Path), OfKind), responses((status = 200, body = Vec<api::Lock>)))]
pub async fn release_lock(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(target): Place<String>,
    Ask(asked): Ask<OfKind>,
) -> Result<Json<Vec<api::Lock>>, Problem> {
    let target = subject(&app, &target)?;
    let lock = match asked.lock.as_deref().filter(|word| !word.is_empty()) {
        Some("window") => Some(LockKind::Window),
        word => kind(word)?,
    };
    let command = Command::Unlock {
        target: target.clone(),
        lock,
        by: caller.principal(),
    };
    app.handle.command(command).await?;
    Ok(Json(app.look(|look| present::locks_on(look, &target))))
}

/// The holder of a lock with a heartbeat gives a sign.
#[utoipa::path(post, path = "/api/v1/locks/beat", operation_id = "beat_lock", tag = "restraint",
    request_body = api::Beat, responses((status = 200, body = Vec<api::Lock>)))]
pub async fn beat_lock(
    State(app): State<App>,
    Body(asked): Body<api::Beat>,
) -> Result<Json<Vec<api::Lock>>, Problem> {
    let target = subject(&app, &asked.target)?;
    let lock = kind(asked.lock.as_deref())?.unwrap_or(LockKind::Maintenance);
    let command = Command::Beat {
        target: target.clone(),
        lock,
    };
    app.handle.command(command).await?;
    Ok(Json(app.look(|look| present::locks_on(look, &target))))
}

/// Whether all automatic repair is stopped because much drifts at once.
#[utoipa::path(get, path = "/api/v1/brake", operation_id = "get_brake", tag = "restraint",
    responses((status = 200, body = api::Brake)))]
pub async fn get_brake(State(app): State<App>, when: When) -> Result<Json<api::Brake>, Problem> {
    Ok(Json(when.look(&app, present::brake)))
}

/// Let automatic repair go on. What drifts now does not engage the brake again.
#[utoipa::path(post, path = "/api/v1/brake/release", operation_id = "release_brake", tag = "restraint",
    responses((status = 200, body = api::Brake)))]
pub async fn release_brake(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<api::Brake>, Problem> {
    let by = caller.principal();
    app.handle.command(Command::ReleaseBrake { by }).await?;
    Ok(Json(app.look(present::brake)))
}

fn kind(word: Option<&str>) -> Result<Option<LockKind>, Problem> {
    let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    if let Some(kind) = KINDS.into_iter().find(|k| k.word() == word) {
        return Ok(Some(kind));
    }
    let known = KINDS.map(LockKind::word);
    let remedy = match nearest(word, known) {
        Some(near) => format!("did you mean {near}?"),
        None if word == "window" => {
            "windows come from `maintenance:` in node.yaml; take a maintenance lock".to_string()
        }
        None => format!("use one of {}", known.join(", ")),
    };
    Err(Problem::new(
        "unknown-lock",
        format!("{word:?} is no kind of lock"),
        remedy,
    ))
}

fn length(text: &str) -> Result<Span, Problem> {
    text.trim()
        .parse()
        .map_err(|e: stead_core::time::InvalidSpan| bad_time(e.to_string()))
}

fn bad_time(detail: impl Into<String>) -> Problem {
    Problem::new(
        "bad-lock-time",
        detail,
        "give it a time to come: \"for\": \"2h\", or an RFC 3339 \"until\"",
    )
}

/// When a lock ends: a length from now, or an instant. Without either it would be forgotten.
fn until(now: Time, asked: &api::NewLock) -> Result<Time, Problem> {
    let given = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
    match (given(&asked.lasts), given(&asked.until)) {
        (Some(lasts), None) => Ok(now + length(&lasts)?),
        // A `+` of an offset arrives as a space where somebody forgot to escape it.
        (None, Some(until)) => until
            .trim()
            .replace(' ', "+")
            .parse()
            .map_err(|e: stead_core::time::InvalidTime| bad_time(e.to_string())),
        (None, None) => Err(bad_time("a lock without an end would be forgotten")),
        (Some(_), Some(_)) => Err(bad_time("a lock has one end: `for` or `until`, not both")),
    }
}
