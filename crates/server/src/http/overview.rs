//! The first page in one answer: is all well, what needs a person, what was done while nobody looked.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stead_core::event::Event;
use stead_core::time::{Span, Time};
use stead_ports::log::Filter;
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::event::find;
use super::extract::Ask;
use super::past::{When, instant};
use super::problem::Problem;
use crate::present::{self, DID, STARTED_BEFORE, Told};

/// Warnings and criticals on the first page.
const RECENT: usize = 20;
/// What counts as lately where nobody says since when.
const LATELY: Span = Span::hours(24);
/// Ends and starts of actions read for one answer: beyond this the sums say that there is more.
const ACTIONS: usize = 4_000;
/// A night, by the owner's clock.
const NIGHT: (&str, &str) = ("yesterday 22:00", "today 07:00");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// When you last looked: RFC 3339, a span ago (`8h`), a time of day (`yesterday 22:00`), or `night`: the last one,
    /// from 22:00 to 07:00 where the owner lives. Absent: a day ago.
    since: Option<String>,
}

/// The first page in one answer.
#[utoipa::path(get, path = "/api/v1/overview", operation_id = "get_overview", tag = "fleet", params(Since),
    responses((status = 200, body = api::Overview)))]
pub async fn get_overview(
    State(app): State<App>,
    when: When,
    Ask(asked): Ask<Since>,
) -> Result<Json<api::Overview>, Problem> {
    let (since, until) = window(&app, asked.since.as_deref())?;
    let recent = recent(&app, &when).await?;
    let (events, truncated) = ended(&app, &when, since, until).await?;
    let told = Told {
        since,
        until,
        events: &events,
        truncated,
    };
    let mut overview = when.look_counted(&app, |look, counted| {
        present::overview(look, counted, told, &recent)
    });
    overview.write_anomalies = super::container::write_anomalies(&app, &when);
    // Samples of the past are not looked through: then there was no score.
    if when.is_now() {
        overview.summary.score = app.score().await.score.map(f64::from);
    }
    Ok(Json(overview))
}

/// The time somebody asks about, and its end where it is over.
fn window(app: &App, asked: Option<&str>) -> Result<(Time, Option<Time>), Problem> {
    let now = app.handle.now().at;
    let asked = asked.map(str::trim).filter(|text| !text.is_empty());
    Ok(match asked {
        None => (Time(now.0 - LATELY.0 as i64), None),
        Some("night") => {
            let morning = instant(app, NIGHT.1)?;
            (
                instant(app, NIGHT.0)?,
                Some(morning).filter(|end| *end < now),
            )
        }
        Some(text) => (instant(app, text)?, None),
    })
}

async fn recent(app: &App, when: &When) -> Result<Vec<Event>, Problem> {
    let filter = Filter {
        min_severity: 1,
        newest_first: true,
        limit: RECENT * 3,
        ..Filter::default()
    };
    let mut recent = find(app, when.bound(filter)).await?;
    // Alerts have their own place on that page.
    recent.retain(|e| !e.kind().as_str().starts_with("alert_"));
    recent.truncate(RECENT);
    Ok(recent)
}

/// How actions ended in that time, newest first, and whether there is more than was read.
async fn ended(
    app: &App,
    when: &When,
    since: Time,
    until: Option<Time>,
) -> Result<(Vec<Event>, bool), Problem> {
    let started = i64::try_from(STARTED_BEFORE.0).unwrap_or(i64::MAX);
    let filter = Filter {
        kinds: DID.map(str::to_string).into(),
        since: Some(Time(since.0.saturating_sub(started))),
        until,
        newest_first: true,
        limit: ACTIONS,
        ..Filter::default()
    };
    let events = find(app, when.bound(filter)).await?;
    // Only what reaches back to the beginning is all of it.
    let short = events.len() == ACTIONS && events.last().is_some_and(|e| e.at >= since);
    Ok((events, short))
}
