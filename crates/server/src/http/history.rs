//! The history of samples, by range.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stead_core::time::{Span, Time};
use stead_history::selector;
use stead_ports::history::{Range, Reader, Selector};
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::Ask;
use super::past::instant;
use super::problem::Problem;
use crate::history::fold;
use crate::history::reading::Reading;
use crate::history::seconds::{self, KEPT, Made, Seconds};
use crate::present;

/// What is asked about where nobody says since when.
const LATELY: Span = Span::hours(1);
/// Points of a series where nobody says how many.
const POINTS: u64 = 500;
/// Points of one answer: some 20 MB of JSON.
const POINTS_MAX: u64 = 500_000;
/// Points of a series of seconds that are asked of a node.
const SECONDS_MAX: u64 = 10_000;
/// Series of a list of names.
const NAMES: usize = 5_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Series, as in PromQL: `stead_node_cpu_percent{node="piha",mode=~"user|steal"}`.
    #[serde(rename = "match")]
    matching: Option<String>,
    /// Included: RFC 3339, a span ago (`2h`), or a time of day (`yesterday 03:00`). An hour before `to` unless told.
    from: Option<String>,
    /// Excluded; the same. Now unless told.
    to: Option<String>,
    /// Between two points: `1s`, `1m`, `1h`. As long as gives some 500 points unless told. Less than the server keeps is asked
    /// of the nodes themselves, which keep each second for a day.
    step: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Named {
    /// Series, as in PromQL; every one of a node unless told otherwise: `{node="piha"}`.
    #[serde(rename = "match")]
    matching: Option<String>,
    /// Only those with a sample since then: RFC 3339, a span ago (`2h`), or a time of day. A day ago unless told.
    from: Option<String>,
}

/// A stretch of time that is asked about, and the step of the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub from: Time,
    pub to: Time,
    pub step: Span,
}

impl Stretch {
    /// From `from` to `to` in some `points`, no finer than the server keeps.
    pub fn of(from: Time, to: Time, points: u64) -> Stretch {
        let fine = Stretch::fine(from, to, points);
        let step = fine.step.max(Span(fold::STEP as u64));
        Stretch { step, ..fine }
    }

    /// The same down to the seconds that nodes keep.
    fn fine(from: Time, to: Time, points: u64) -> Stretch {
        let step = nice(to.since(from).0.div_ceil(points));
        Stretch { from, to, step }
    }

    pub fn range(&self, selector: Selector) -> Range {
        Range {
            selector,
            from: self.from,
            to: self.to,
            step: self.step,
        }
    }
}

/// The shortest step people count in that is at least `ms`, and never finer than a second.
fn nice(ms: u64) -> Span {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const STEPS: [u64; 17] = [
        1_000,
        2_000,
        5_000,
        fold::STEP as u64,
        30_000,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        24 * HOUR,
        48 * HOUR,
    ];
    let fits = STEPS.into_iter().find(|step| *step >= ms);
    Span(fits.unwrap_or_else(|| ms.div_ceil(24 * HOUR) * 24 * HOUR))
}

/// Points of series between two instants, with what was lowest, average and highest in each step.
#[utoipa::path(get, path = "/api/v1/history", operation_id = "get_history", tag = "history", params(Asked),
    responses((status = 200, body = api::History)))]
pub async fn get_history(
    State(app): State<App>,
    Ask(asked): Ask<Asked>,
) -> Result<Json<api::History>, Problem> {
    let selector = read_selector(asked.matching.as_deref())?;
    let stretch = stretch(&app, &asked)?;
    let reader = reader(&app)?;
    let names = reader.series(&selector, stretch.from).await?.len() as u64;
    let now = app.handle.now().at;
    let kept = app.history.step();
    let own = Stretch {
        step: stretch.step.max(kept),
        ..stretch
    };
    bounded(names, &own)?;
    let finer = stretch.step < kept;
    let of_node = finer.then(|| of_node(&stretch, names, now)).flatten();
    let asked = stretch.range(selector);
    let own = own.range(asked.selector.clone());
    let (found, seconds) = tokio::join!(reader.range(&own), seconds(&app, &asked, of_node));
    let seconds = seconds?;
    let (found, made) = seconds::join(found?, seconds.series, kept.0 as i64);
    let step = if made.has_seconds() {
        asked.step
    } else {
        own.step
    };
    Ok(Json(api::History {
        from: stretch.from.to_string(),
        to: stretch.to.to_string(),
        step_ms: step.0,
        tiers: tiers(&app, &own, &made, step, now),
        limits: seconds.limits,
        series: found.iter().map(present::history_series).collect(),
    }))
}

/// From when on nodes may have what is asked, if they may and may be asked for as much.
fn of_node(stretch: &Stretch, series: u64, now: Time) -> Option<Result<Time, String>> {
    let from = stretch.from.max(Time(now.0.saturating_sub(KEPT.0 as i64)));
    if from >= stretch.to {
        return None;
    }
    let points = stretch.to.since(from).0 / stretch.step.0.max(1);
    let much = points > SECONDS_MAX || series.saturating_mul(points) > POINTS_MAX;
    Some(if much {
        Err(format!(
            "Steps of {} are answered for shorter times only.",
            stretch.step
        ))
    } else {
        Ok(from)
    })
}

async fn seconds(
    app: &App,
    asked: &Range,
    from: Option<Result<Time, String>>,
) -> Result<Seconds, Problem> {
    let from = match from {
        None => return Ok(Seconds::default()),
        Some(Err(limit)) => {
            return Ok(Seconds {
                limits: vec![limit],
                ..Seconds::default()
            });
        }
        Some(Ok(from)) => from,
    };
    let all = app.look(|look| present::node_names(look).into_iter().cloned().collect());
    let nodes = seconds::nodes(&asked.selector, all)?;
    let range = Range {
        from,
        ..asked.clone()
    };
    Ok(seconds::ask(&*app.agents, nodes, &range).await)
}

/// Which stretch is how fine, the newest first.
fn tiers(app: &App, own: &Range, made: &Made, step: Span, now: Time) -> Vec<api::HistoryTier> {
    let tier = |from, to, step_ms, on_node| api::HistoryTier {
        from: Time(from).to_string(),
        to: Time(to).to_string(),
        step_ms,
        on_node,
    };
    let mut all = Vec::new();
    for (leg, step_ms) in app.history.legs(own.from, own.to, own.step.0, now) {
        if leg.tier > 0 || !made.has_seconds() {
            all.push(tier(leg.from, leg.to, step_ms, false));
            continue;
        }
        for (from, to, fine) in made.stretches(leg.from, leg.to) {
            let step_ms = if fine { step.0 } else { step_ms };
            all.push(tier(from, to, step_ms, fine));
        }
    }
    all
}

/// Which series there are.
#[utoipa::path(get, path = "/api/v1/history/series", operation_id = "list_history_series", tag = "history",
    params(Named), responses((status = 200, body = api::HistoryNames)))]
pub async fn list_history_series(
    State(app): State<App>,
    Ask(asked): Ask<Named>,
) -> Result<Json<api::HistoryNames>, Problem> {
    let selector = read_selector(asked.matching.as_deref())?;
    let from = told(asked.from.as_deref()).unwrap_or("24h");
    let from = instant(&app, from)?;
    let names = reader(&app)?.series(&selector, from).await?;
    Ok(Json(api::HistoryNames {
        total: names.len() as u64,
        series: names
            .iter()
            .take(NAMES)
            .map(present::history_name)
            .collect(),
    }))
}

/// Whoever reads the history, once it is open.
pub fn reader(app: &App) -> Result<Reading, Problem> {
    app.history.reader().ok_or_else(closed)
}

/// Why nothing can be read yet.
pub fn closed() -> Problem {
    Problem {
        retry_after: Some(5),
        ..Problem::new(
            "no-history",
            "the history is not open",
            "try again in a moment; if it stays, the overview shows why",
        )
    }
}

fn read_selector(text: Option<&str>) -> Result<Selector, Problem> {
    let Some(text) = told(text) else {
        return Err(Problem::new(
            "bad-query",
            "`match` is missing",
            "name series: match=stead_node_cpu_percent{node=\"piha\"}; /api/v1/history/series lists them",
        ));
    };
    selector::read(text).map_err(|e| {
        Problem::new(
            "history-selector",
            e.to_string(),
            "write it like stead_node_cpu_percent{node=\"piha\",mode=~\"user|steal\"}",
        )
    })
}

fn told(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn stretch(app: &App, asked: &Asked) -> Result<Stretch, Problem> {
    let now = app.handle.now().at;
    let to = told(asked.to.as_deref()).map_or(Ok(now), |text| instant(app, text))?;
    let before = Time(to.0.saturating_sub(LATELY.0 as i64));
    let from = told(asked.from.as_deref()).map_or(Ok(before), |text| instant(app, text))?;
    if from >= to {
        let detail = format!("from {from} to {to} there is no time");
        return Err(Problem::new(
            "bad-period",
            detail,
            "give a `from` that is before `to`",
        ));
    }
    let Some(step) = told(asked.step.as_deref()) else {
        return Ok(Stretch::fine(from, to, POINTS));
    };
    let step: Span = step.parse().map_err(|e: stead_core::time::InvalidSpan| {
        Problem::new("bad-query", e.to_string(), "correct the step")
    })?;
    let step = step.max(Span::secs(1));
    Ok(Stretch { from, to, step })
}

/// The whole answer is bounded, not only each series of it.
fn bounded(series: u64, stretch: &Stretch) -> Result<(), Problem> {
    let points = stretch.to.since(stretch.from).0 / stretch.step.0.max(1) + 1;
    let all = series.saturating_mul(points);
    if all <= POINTS_MAX {
        return Ok(());
    }
    Err(stead_ports::history::Error::TooMuch {
        what: "points",
        asked: all,
        limit: POINTS_MAX,
        hint: "ask with a longer step, for a shorter time, or for fewer series",
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_people_count_in() {
        let steps = |ms| nice(ms).to_string();
        assert_eq!(steps(1), "1s");
        assert_eq!(steps(1_001), "2s");
        assert_eq!(steps(2_400), "5s");
        assert_eq!(steps(10_001), "30s");
        assert_eq!(steps(7_200), "10s");
        assert_eq!(steps(61_000), "2m");
        assert_eq!(steps(172_800_001), "3d");
    }

    #[test]
    fn nodes_are_asked_for_what_they_may_have_and_not_for_too_much() {
        const HOUR: i64 = 3_600_000;
        let now = Time(1_000 * HOUR);
        let asked = |from, to, step| {
            let (from, to) = (Time(now.0 - from * HOUR), Time(now.0 - to * HOUR));
            let step = Span::secs(step);
            of_node(&Stretch { from, to, step }, 8, now)
        };
        assert_eq!(asked(40, 30, 1), None, "they keep a day");
        assert_eq!(asked(1, 0, 1), Some(Ok(Time(now.0 - HOUR))));
        assert!(asked(3, 0, 1).unwrap().unwrap_err().contains("1s"));
        let kept = now.0 - KEPT.0 as i64;
        assert_eq!(asked(48, 25, 1), Some(Ok(Time(kept))), "the part they have");
        let many = Stretch::fine(Time(now.0 - HOUR), now, 3_600);
        assert!(of_node(&many, 200, now).unwrap().is_err());
    }

    #[test]
    fn an_answer_is_bounded_as_a_whole() {
        let day = Stretch::of(Time(0), Time(86_400_000), POINTS);
        assert_eq!(day.step, Span::mins(5));
        assert!(bounded(100, &day).is_ok());
        let problem = bounded(2_000, &day).unwrap_err();
        assert_eq!(problem.code, "history-too-much");
        assert!(problem.detail.contains("500000"), "{}", problem.detail);
    }
}
