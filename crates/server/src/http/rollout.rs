//! Rolling work, and drills.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use stead_core::action::ActionKind;
use stead_core::controller::{Command, workable};
use stead_core::ids::nearest;
use stead_core::selector::{self, Selector};
use stead_core::subject::Subject;
use stead_protocol::api;

use super::App;
use super::action::{action_kind, begin, tidy};
use super::extract::{Body, Place};
use super::guard::Caller;
use super::past::When;
use super::problem::Problem;
use crate::present;

/// Running and paused ones, newest first, then the latest that ended.
#[utoipa::path(get, path = "/api/v1/rollouts", operation_id = "list_rollouts", tag = "rollouts",
    responses((status = 200, body = Vec<api::Rollout>)))]
pub async fn list_rollouts(
    State(app): State<App>,
    when: When,
) -> Result<Json<Vec<api::Rollout>>, Problem> {
    Ok(Json(when.look(&app, present::rollouts)))
}

/// One action per target, a batch at a time, paused on failure. A dry run only says what it would touch.
#[utoipa::path(post, path = "/api/v1/rollouts", operation_id = "start_rollout", tag = "rollouts",
    request_body = api::NewRollout,
    responses((status = 200, body = api::RolloutPlan, description = "A dry run"),
        (status = 202, body = api::RolloutPlan)))]
pub async fn start_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<api::NewRollout>,
) -> Result<(StatusCode, Json<api::RolloutPlan>), Problem> {
    let kind = action_kind(&asked.kind)?;
    let selector: Selector = asked.selector.parse()?;
    let (subjects, targets) = app.look(|look| {
        let subjects = selector.select(look.world)?;
        let targets = subjects.iter().map(|s| planned(look, kind, s)).collect();
        Ok::<(Vec<Subject>, Vec<api::RolloutTarget>), selector::Problem>((subjects, targets))
    })?;
    let batch = at_once(&asked.batch, subjects.len())?;
    let max_failures = asked.max_failures.unwrap_or(1);
    let mut plan = api::RolloutPlan {
        id: None,
        kind: kind.word().to_string(),
        batch,
        max_failures,
        targets,
    };
    if asked.dry_run {
        return Ok((StatusCode::OK, Json(plan)));
    }
    let command = Command::Roll {
        kind,
        selector: asked.selector.trim().to_string(),
        targets: subjects,
        batch,
        max_failures,
        by: caller.principal(),
        note: tidy(asked.note),
    };
    let reply = app.handle.command(command).await?;
    plan.id = Some(reply.id().to_string());
    Ok((StatusCode::ACCEPTED, Json(plan)))
}

fn planned(look: present::Look<'_>, kind: ActionKind, subject: &Subject) -> api::RolloutTarget {
    let no = workable(look.world, kind, subject).err();
    api::RolloutTarget {
        subject: subject.to_string(),
        state: if no.is_some() { "skipped" } else { "waiting" }.to_string(),
        action: None,
        why: no.map(|no| no.detail).unwrap_or_default(),
    }
}

/// How many at once: a share is rounded up, so that a small one still does something.
fn at_once(batch: &api::Batch, targets: usize) -> Result<u32, Problem> {
    let bad = |text: &str| {
        let detail = format!("{text:?} is no batch");
        Problem::new(
            "bad-batch",
            detail,
            "write a number of 1 or more, or a share such as 25%",
        )
    };
    let text = match batch {
        api::Batch::Count(n) => return if *n > 0 { Ok(*n) } else { Err(bad("0")) },
        api::Batch::Share(text) => text.trim(),
    };
    let number = |t: &str| t.trim().parse::<u32>().ok().filter(|n| *n > 0);
    let Some(share) = text.strip_suffix('%') else {
        return number(text).ok_or_else(|| bad(text));
    };
    let share = number(share)
        .filter(|n| *n <= 100)
        .ok_or_else(|| bad(text))?;
    let of = u64::try_from(targets).unwrap_or(u64::MAX);
    let count = of.saturating_mul(u64::from(share)).div_ceil(100);
    Ok(u32::try_from(count).unwrap_or(u32::MAX).max(1))
}

/// One rollout with its targets, in the order they are worked on.
#[utoipa::path(get, path = "/api/v1/rollouts/{id}", operation_id = "get_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn get_rollout(
    State(app): State<App>,
    when: When,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    one(&app, &when, &id).map(Json)
}

fn one(app: &App, when: &When, id: &str) -> Result<api::Rollout, Problem> {
    let all = when.look(app, present::rollouts);
    let near = nearest(id, all.iter().map(|r| r.id.as_str())).map(|near| near.to_string());
    all.into_iter().find(|r| r.id == id).ok_or_else(|| {
        let remedy = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "see `stead rolls`".to_string(),
        };
        Problem::new(
            "unknown-rollout",
            format!("there is no rollout {id}"),
            remedy,
        )
    })
}

/// What works is brought to its end; nothing more is begun.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/pause", operation_id = "pause_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn pause_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    let by = caller.principal();
    turn(&app, id, |id| Command::PauseRoll { id, by }).await
}

/// Go on where it paused; what failed is tried again.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/resume", operation_id = "resume_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn resume_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    let by = caller.principal();
    turn(&app, id, |id| Command::ResumeRoll { id, by }).await
}

/// Begin nothing more, and end it.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/cancel", operation_id = "cancel_rollout", tag = "rollouts",
    params(("id" = String, Path)), responses((status = 200, body = api::Rollout)))]
pub async fn cancel_rollout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Place(id): Place<String>,
) -> Result<Json<api::Rollout>, Problem> {
    let by = caller.principal();
    turn(&app, id, |id| Command::CancelRoll { id, by }).await
}

async fn turn(
    app: &App,
    id: String,
    command: impl FnOnce(String) -> Command,
) -> Result<Json<api::Rollout>, Problem> {
    app.handle.command(command(id.clone())).await?;
    one(app, &When::NOW, &id).map(Json)
}

/// The canary, the drill that runs, and what earlier ones proved, newest first.
#[utoipa::path(get, path = "/api/v1/drills", operation_id = "list_drills", tag = "rollouts",
    responses((status = 200, body = api::Drills)))]
pub async fn list_drills(State(app): State<App>, when: When) -> Result<Json<api::Drills>, Problem> {
    Ok(Json(when.look(&app, present::drills)))
}

/// Break the canary: Stead must notice, mend and say so.
#[utoipa::path(post, path = "/api/v1/drills", operation_id = "start_drill", tag = "rollouts",
    responses((status = 202, body = api::Accepted)))]
pub async fn start_drill(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<(StatusCode, Json<api::Accepted>), Problem> {
    let subject = app.look(present::canary_node).ok_or_else(|| {
        Problem::new(
            "no-drill",
            "the fleet files name no drill",
            "add `drill: { node: NODE, image: IMAGE }` to stead.yaml",
        )
    })?;
    begin(&app, &caller, ActionKind::Drill, subject, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_number_or_a_share_rounded_up() {
        let of = |text: &str, targets| at_once(&api::Batch::Share(text.to_string()), targets).ok();
        assert_eq!(of("25%", 10), Some(3));
        assert_eq!(of("1%", 3), Some(1));
        assert_eq!(of("100%", 7), Some(7));
        assert_eq!(of("2", 7), Some(2));
        for bad in ["0", "0%", "101%", "many", "", "-1", "%"] {
            assert_eq!(of(bad, 10), None, "{bad}");
        }
        assert_eq!(at_once(&api::Batch::Count(4), 10).ok(), Some(4));
        assert!(at_once(&api::Batch::Count(0), 10).is_err());
    }
}
