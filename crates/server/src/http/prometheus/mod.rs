//! Prometheus' own query API over the history, so that Grafana and whatever else speaks it reads Stead.
//!
//! ```text
//! /prometheus ─► ask: parameters of address and form ─► query | names ─► history ─► answer: Prometheus' envelope
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`ask`] | parameters, times, steps |
//! | [`query`] | PromQL at an instant and over a range |
//! | [`names`] | labels, series, what metrics are |
//! | [`answer`] | the envelope, and errors in it |
//!
//! Shapes, times and kinds of errors are Prometheus'; nothing is added to them, so these routes stand in no description of
//! ours. The same token as everywhere opens them. Nothing is written through here.

mod answer;
mod ask;
mod names;
mod query;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;

use super::{App, guard};
use answer::Refusal;

/// Under `/prometheus`: what a data source is given as its address.
pub fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/labels", get(names::labels).post(names::labels))
        .route("/api/v1/label/{name}/values", get(names::values))
        .route("/api/v1/series", get(names::series).post(names::series))
        .route("/api/v1/metadata", get(names::metadata))
        .route("/api/v1/status/buildinfo", get(names::build))
        .fallback(nothing_here)
        .layer(from_fn(guard::in_time))
        .layer(from_fn_with_state(app.clone(), guard::private))
        .layer(from_fn(answer::enveloped))
}

async fn nothing_here(request: Request) -> Refusal {
    let why = format!(
        "Stead does not answer {}: query, query_range, labels, label/…/values, series, metadata and \
         status/buildinfo are there",
        request.uri().path()
    );
    Refusal::not_found(why)
}
