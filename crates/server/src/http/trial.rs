//! A policy on trial: what would it have done? Row R8.
//!
//! One at a time: it reads the whole period. Whoever asks for `application/x-ndjson` hears how far it is, and whoever
//! goes away ends it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use stead_core::desired::Policy;
use stead_core::time::Time;
use stead_engine::backtest::{self, Progress};
use stead_fleet::Problem as FileProblem;
use stead_protocol::api;
use tokio::sync::watch;

use super::App;
use super::extract::Body;
use super::past::instant;
use super::problem::Problem;
use crate::present;

const LINES: &str = "application/x-ndjson";
/// Problems of the file told in one answer.
const TOLD: usize = 20;

/// What another policy would have done with what was recorded.
#[utoipa::path(post, path = "/api/v1/policy/test", operation_id = "test_policy", tag = "policy",
    request_body = api::PolicyTest, responses((status = 200, body = api::PolicyTested)))]
pub async fn test_policy(
    State(app): State<App>,
    headers: HeaderMap,
    Body(asked): Body<api::PolicyTest>,
) -> Result<Response, Problem> {
    let run = prepare(&app, &asked)?;
    let lines = headers.get(ACCEPT).is_some_and(|v| v == LINES);
    if !lines {
        return Ok(Json(run.answer(None).await?).into_response());
    }
    let body = Answer::from_stream(told(run).map(Ok::<_, std::convert::Infallible>));
    Ok(([(CONTENT_TYPE, LINES)], body).into_response())
}

/// A run that may begin.
struct Run {
    app: App,
    policy: Policy,
    since: Time,
    until: Time,
    /// Held until it ends.
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

fn prepare(app: &App, asked: &api::PolicyTest) -> Result<Run, Problem> {
    let fleet = app.handle.read(|v| Arc::clone(&v.world().fleet));
    let policy = stead_fleet::trial(&asked.policy, &fleet).map_err(|found| broken(&found))?;
    let since = instant(app, &asked.since)?;
    let until = match &asked.until {
        Some(text) => instant(app, text)?,
        None => app.handle.now().at,
    };
    let turn = Arc::clone(&app.trials).try_lock_owned();
    let turn = turn.map_err(|_| {
        Problem::new(
            "trial-running",
            "another policy is being tried",
            "try again once it has ended; it takes seconds",
        )
    })?;
    Ok(Run {
        app: app.clone(),
        policy,
        since,
        until,
        _turn: turn,
    })
}

/// Every problem with its place, as `stead check` tells it.
fn broken(problems: &[FileProblem]) -> Problem {
    let lines: Vec<String> = problems
        .iter()
        .take(TOLD)
        .map(ToString::to_string)
        .collect();
    let help = problems.first().map(|p| p.help.clone()).unwrap_or_default();
    Problem::new("policy-broken", lines.join("\n"), help)
}

impl Run {
    async fn answer(
        self,
        progress: Option<watch::Sender<Progress>>,
    ) -> Result<api::PolicyTested, Problem> {
        let handle = &self.app.handle;
        let report = handle
            .backtest(self.policy, self.since, self.until, progress)
            .await?;
        Ok(present::tested(&report))
    }
}

/// How far it is, and then how it ended, a line each.
fn told(run: Run) -> impl Stream<Item = Bytes> {
    let (tell, heard) = watch::channel(Progress::default());
    let running = Box::pin(run.answer(Some(tell)));
    stream::unfold(Some((running, heard)), |state| async {
        let (mut running, mut heard) = state?;
        tokio::select! {
            biased;
            Ok(()) = heard.changed() => {
                let Progress { done, total, at } = *heard.borrow_and_update();
                let at = at.to_string();
                let line = api::PolicyTestLine::Progress { done, total, at };
                Some((written(&line), Some((running, heard))))
            }
            ended = &mut running => {
                let line = match ended {
                    Ok(tested) => api::PolicyTestLine::Tested(Box::new(tested)),
                    Err(problem) => api::PolicyTestLine::Problem(problem.body()),
                };
                Some((written(&line), None))
            }
        }
    })
}

fn written(line: &api::PolicyTestLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

impl From<backtest::Error> for Problem {
    fn from(error: backtest::Error) -> Problem {
        Problem::new(error.code(), error.to_string(), error.remedy())
    }
}
