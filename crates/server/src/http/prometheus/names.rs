//! Which labels, series and metrics there are.
//!
//! A list takes in what had a sample at `start` or later; what began after `end` may stand in it too, as in Prometheus what
//! is near the seam may.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use stead_core::time::{Span, Time};
use stead_history::store::Store;
use stead_ports::history::Reader;

use super::answer::{Named, Refusal, found};
use super::ask::Asked;
use crate::history::about;
use crate::http::App;
use crate::http::history::closed;

/// Since when, where nobody says.
const LATELY: Span = Span::hours(12);
/// Whose API this is: what it is tested against. Grafana chooses by it what it asks for.
const LIKE: &str = "2.42.0";

/// Names of labels.
pub async fn labels(State(app): State<App>, asked: Asked) -> Result<Response, Refusal> {
    let from = since(&app, &asked)?;
    let mut names = store(&app)?.label_names(&asked.selectors()?, from)?;
    names.truncate(asked.limit()?);
    Ok(found(names))
}

/// Values of one label.
pub async fn values(
    State(app): State<App>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(usable) {
        let name: String = name.chars().take(80).collect();
        return Err(Refusal::bad_data(format!("{name:?} is no name of a label")));
    }
    let from = since(&app, &asked)?;
    let mut values = store(&app)?.label_values(&name, &asked.selectors()?, from)?;
    values.truncate(asked.limit()?);
    Ok(found(values))
}

/// Series that one of the selectors fits, each once.
pub async fn series(State(app): State<App>, asked: Asked) -> Result<Response, Refusal> {
    let selectors = asked.selectors()?;
    if selectors.is_empty() {
        return Err(Refusal::bad_data("no match[] parameter is given"));
    }
    let from = since(&app, &asked)?;
    let store = store(&app)?;
    let mut all = BTreeSet::new();
    for selector in &selectors {
        all.extend(store.series(selector, from).await?);
    }
    let limit = asked.limit()?;
    Ok(found(
        all.into_iter().take(limit).map(Named).collect::<Vec<_>>(),
    ))
}

/// What a metric is.
#[derive(Serialize)]
struct About {
    #[serde(rename = "type")]
    kind: &'static str,
    help: &'static str,
    unit: &'static str,
}

/// What the metrics are that Stead records: each with its kind, unit and meaning.
pub async fn metadata(asked: Asked) -> Result<Response, Refusal> {
    let wanted = asked.get("metric");
    let limit = asked.limit()?;
    let known = about::METRICS
        .iter()
        .filter(|m| wanted.is_none_or(|w| m.name == w));
    let entry = |m: &about::Metric| {
        let about = About {
            kind: m.kind(),
            help: m.help,
            unit: m.unit(),
        };
        (m.name, [about])
    };
    let all: BTreeMap<&str, [About; 1]> = known.take(limit).map(entry).collect();
    Ok(found(all))
}

/// Whose API this is, and what answers.
pub async fn build() -> Response {
    found(BTreeMap::from([
        ("version", LIKE),
        ("revision", concat!("stead-", env!("CARGO_PKG_VERSION"))),
        ("branch", "stead"),
        ("buildUser", ""),
        ("buildDate", ""),
        ("goVersion", ""),
    ]))
}

fn since(app: &App, asked: &Asked) -> Result<Time, Refusal> {
    let now = app.handle.now().at;
    let from = asked.time("start")?;
    if let (Some(from), Some(to)) = (from, asked.time("end")?)
        && to < from
    {
        return Err(Refusal::bad_data("the range ends before it begins"));
    }
    Ok(from.unwrap_or(Time(now.0.saturating_sub(LATELY.0 as i64))))
}

fn store(app: &App) -> Result<&Store, Refusal> {
    app.history.store().ok_or_else(not_open)
}

/// As the other routes say it.
pub(super) fn not_open() -> Refusal {
    Refusal::from(closed())
}
