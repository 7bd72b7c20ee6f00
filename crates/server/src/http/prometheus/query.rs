//! PromQL, at an instant and over a range.

use axum::extract::State;
use axum::response::Response;
use stead_core::time::Span;
use stead_history::promql::Answer;
use stead_ports::history::Error;

use super::answer::{Refusal, found, result};
use super::ask::Asked;
use crate::http::App;

/// Steps of a range: as in Prometheus.
const STEPS: u64 = 11_000;

/// What the query comes to at `time`; now unless told.
pub async fn instant(State(app): State<App>, asked: Asked) -> Result<Response, Refusal> {
    let query = asked.must("query")?;
    let at = asked.time("time")?.unwrap_or_else(|| app.handle.now().at);
    let answer = evaluated(&app, &asked, async |history| {
        history.promql_instant(query, at).await
    })
    .await?;
    Ok(found(result(answer, at.0)))
}

/// What it comes to at every `step` from `start` to `end`.
pub async fn range(State(app): State<App>, asked: Asked) -> Result<Response, Refusal> {
    let query = asked.must("query")?;
    let missing = |name: &str| Refusal::bad_data(format!("the parameter {name:?} is missing"));
    let from = asked.time("start")?.ok_or_else(|| missing("start"))?;
    let to = asked.time("end")?.ok_or_else(|| missing("end"))?;
    let step = asked.span("step")?.ok_or_else(|| missing("step"))?;
    if step == Span::ZERO {
        return Err(Refusal::bad_data("the step must be longer than nothing"));
    }
    if to.since(from).0 / step.0 > STEPS {
        return Err(Refusal::bad_data(format!(
            "more than {STEPS} steps: ask with a longer step or for a shorter time"
        )));
    }
    let answer = evaluated(&app, &asked, async |history| {
        history.promql_range(query, from, to, step).await
    })
    .await?;
    Ok(found(result(answer, to.0)))
}

/// Evaluates once it is its turn, within the time that was asked for.
async fn evaluated(
    app: &App,
    asked: &Asked,
    evaluate: impl AsyncFnOnce(&stead_history::store::Store) -> Result<Answer, Error>,
) -> Result<Answer, Refusal> {
    let timeout = asked.timeout()?;
    let work = async {
        let store = app.history.store().ok_or_else(super::names::not_open)?;
        let _turn = app.history.turn().await;
        Ok(evaluate(store).await?)
    };
    let Some(timeout) = timeout else {
        return work.await;
    };
    let late = |_| Refusal::timeout(format!("it took longer than {} s", timeout.as_secs_f64()));
    tokio::time::timeout(timeout, work).await.map_err(late)?
}
