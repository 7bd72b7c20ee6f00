//! Trends: numbers over days and weeks, where they lead, and what happened meanwhile.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use stead_core::ids::NodeName;
use stead_core::time::{Span, Time};
use stead_core::world::NodeState;
use stead_ports::history::{Reader, Series};
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Place};
use super::history::{Stretch, reader};
use super::node::known;
use super::past::When;
use super::problem::Problem;
use crate::history::series;
use crate::insight::past::of_fleet;
use crate::present::{self, About, Metric};

/// Points of one trend.
const POINTS: u64 = 360;
/// Trends of one answer.
const TRENDS: usize = 100;
/// What is asked about where nobody says.
const RANGE: Span = Span::days(7);
const RANGE_LEAST: Span = Span::hours(1);
const RANGE_MOST: Span = Span::days(2 * 366);
/// A projection looks so many times as far ahead as it looked back, and never further than a year.
const AHEAD: u64 = 8;
const AHEAD_MOST: Span = Span::days(365);

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Of this node only.
    node: Option<String>,
    /// How far back: `24h`, `7d` (unless told), `30d`, `365d`.
    range: Option<String>,
}

/// Where a number leads: for each node that has it, the points, what happened, the slope, and when bounds are reached.
#[utoipa::path(get, path = "/api/v1/trends/{metric}", operation_id = "get_trends", tag = "history",
    params(("metric" = String, Path,
        description = "`disk`, `memory`, `swap`, `steal`, `containers`, `io`, or a metric's name"), Asked),
    responses((status = 200, body = api::Trends)))]
pub async fn get_trends(
    State(app): State<App>,
    Place(word): Place<String>,
    Ask(asked): Ask<Asked>,
) -> Result<Json<api::Trends>, Problem> {
    let metric = Metric::read(&word).ok_or_else(|| unknown(&word))?;
    let range = range(asked.range.as_deref())?;
    let text = asked.node.as_deref().map(str::trim);
    let node = text
        .filter(|n| !n.is_empty())
        .map(|n| known(&app, &When::NOW, n))
        .transpose()?;
    Ok(Json(trends(&app, metric, node, range).await?))
}

/// The trends of a metric, of one node or of all.
pub async fn trends(
    app: &App,
    metric: Metric,
    node: Option<NodeName>,
    range: Span,
) -> Result<api::Trends, Problem> {
    let now = app.handle.now().at;
    let from = Time(now.0.saturating_sub(range.0 as i64));
    let stretch = Stretch::of(from, now, POINTS);
    let asked = stretch.range(metric.selector(node.as_ref()));
    let mut found = reader(app)?.range(&asked).await?;
    if found.is_empty() && matches!(metric, Metric::Named(_)) {
        return Err(unknown(metric.word()));
    }
    let total = found.len() as u64;
    present::rank_trends(&metric, &mut found);
    found.truncate(TRENDS);
    let about = about(app, &found);
    let annotations = of_fleet(app, node.as_ref(), from).await?;
    let horizon = Span(range.0.saturating_mul(AHEAD)).min(AHEAD_MOST);
    let (measured, trends) = aside(move || {
        let trend = |s: &Series| {
            let about = s.labels.get(series::NODE).and_then(|n| about.get(n));
            let about = about.copied().unwrap_or_default();
            let mut trend = present::trend(&metric, s, &about, horizon, now);
            trend.annotations = concerning(&annotations, trend.node.as_deref());
            trend
        };
        let trends: Vec<api::Trend> = found.iter().map(trend).collect();
        (metric, trends)
    })
    .await?;
    Ok(api::Trends {
        metric: measured.word().to_string(),
        title: measured.title().to_string(),
        unit: measured.unit().to_string(),
        from: from.to_string(),
        to: now.to_string(),
        step_ms: stretch.step.0,
        trends,
        total,
    })
}

/// Slopes of many series take a while: not on a thread that answers others.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Problem::new("internal", e.to_string(), "report this, with Stead's log"))
}

fn unknown(word: &str) -> Problem {
    let word: String = word.chars().take(80).collect();
    Problem::new(
        "unknown-metric",
        format!("there is nothing measured called {word}"),
        format!(
            "ask for one of {}, or for a metric of /api/v1/history/series",
            Metric::WORDS.join(", ")
        ),
    )
}

/// How far back is meant.
pub fn range(text: Option<&str>) -> Result<Span, Problem> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
        return Ok(RANGE);
    };
    let range: Span = text.parse().map_err(|e: stead_core::time::InvalidSpan| {
        Problem::new("bad-query", e.to_string(), "ask for 24h, 7d, 30d or 365d")
    })?;
    if !(RANGE_LEAST..=RANGE_MOST).contains(&range) {
        let detail = format!("a trend is of {RANGE_LEAST} at least and of {RANGE_MOST} at most");
        return Err(Problem::new(
            "bad-query",
            detail,
            "ask for 24h, 7d, 30d or 365d",
        ));
    }
    Ok(range)
}

/// What bounds the nodes of these series have.
fn about(app: &App, found: &[Series]) -> BTreeMap<String, About> {
    let names = found.iter().filter_map(|s| s.labels.get(series::NODE));
    let names: std::collections::BTreeSet<&str> = names.collect();
    app.look(|look| {
        let of = |name: &str| {
            let node: NodeName = name.parse().ok()?;
            let host = look.world.node(&node).and_then(NodeState::host);
            let desired = look.world.fleet.nodes.get(&node);
            let about = About {
                thresholds: desired.map(|d| d.thresholds).unwrap_or_default(),
                memory: host.map_or(0, |h| h.memory_bytes),
            };
            Some((name.to_string(), about))
        };
        names.into_iter().filter_map(of).collect()
    })
}

fn concerning(all: &[api::Annotation], node: Option<&str>) -> Vec<api::Annotation> {
    let here = |a: &&api::Annotation| a.node.is_none() || a.node.as_deref() == node;
    all.iter().filter(here).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_elsewhere_is_not_drawn() {
        let of = |node: Option<&str>| api::Annotation {
            node: node.map(str::to_string),
            ..api::Annotation::default()
        };
        let all = [of(None), of(Some("attic")), of(Some("piha"))];
        let nodes = concerning(&all, Some("piha"));
        let nodes: Vec<Option<&str>> = nodes.iter().map(|a| a.node.as_deref()).collect();
        assert_eq!(nodes, [None, Some("piha")]);
    }
}
