//! `/status`: the page for everybody, where the fleet file enables it. No script, no token, nothing but what it names.
//!
//! It is made at most every [`KEPT`], whoever asks and however often: its readers cost nothing.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use stead_core::desired::StatusPage;
use stead_ports::log::Filter;
use stead_protocol::api;
use tokio::time::Instant;

use super::App;
use super::event::find;
use super::problem::Problem;
use crate::present::{self, STATUS, escape};

/// How long an answer is given again.
const KEPT: Duration = Duration::from_secs(30);
/// The same, told to caches on the way.
const CACHED: &str = "public, max-age=30";
/// Events read for it: of a fleet with more, the earlier days are not known.
const EVENTS: usize = 20_000;

/// The last answer, and for which settings it was made.
pub type Cache = tokio::sync::Mutex<Option<(Instant, StatusPage, Arc<api::StatusPage>)>>;

/// The status page as JSON; needs no token. 404 unless `status_page:` is enabled.
#[utoipa::path(get, path = "/status.json", operation_id = "get_status_page", tag = "fleet", security(()),
    responses((status = 200, body = api::StatusPage)))]
pub async fn get_status(State(app): State<App>) -> Result<Response, Problem> {
    let page = page(&app).await?;
    Ok(([(CACHE_CONTROL, CACHED)], Json(&*page)).into_response())
}

/// The same for people.
pub async fn show(State(app): State<App>) -> Result<Response, Problem> {
    let page = page(&app).await?;
    Ok(([(CACHE_CONTROL, CACHED)], Html(document(&page))).into_response())
}

/// How it looks; the page is readable without.
pub async fn style() -> Response {
    let css = include_str!("status.css");
    let kind = (CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, (CACHE_CONTROL, "public, max-age=3600")], css).into_response()
}

async fn page(app: &App) -> Result<Arc<api::StatusPage>, Problem> {
    let named = app.look(|look| look.world.fleet.status_page.clone());
    let Some(named) = named else {
        return Err(Problem::new(
            "not-found",
            "nothing answers here",
            "/api/docs lists what does",
        ));
    };
    // Whoever comes meanwhile waits for the same answer.
    let mut kept = app.status.lock().await;
    if let Some((at, of, page)) = &*kept
        && at.elapsed() < KEPT
        && *of == named
    {
        return Ok(Arc::clone(page));
    }
    let mut events = find(
        app,
        Filter {
            kinds: STATUS.map(str::to_string).into(),
            newest_first: true,
            limit: EVENTS,
            ..Filter::default()
        },
    )
    .await?;
    events.reverse();
    let page = Arc::new(app.look(|look| present::status_page(look, &named, &events)));
    *kept = Some((Instant::now(), named, Arc::clone(&page)));
    Ok(page)
}

fn document(page: &api::StatusPage) -> String {
    let mut out = String::with_capacity(4096 + page.services.len() * 6000);
    let title = escape(&page.title);
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><link rel=\"icon\" href=\"/favicon.svg\"><link rel=\"stylesheet\" href=\"/status.css\"></head>\
         <body><main><h1>{title}</h1><p class=\"sum {}\">{}</p>",
        escape(&page.state),
        escape(&page.sentence)
    );
    if !page.services.is_empty() {
        out.push_str("<section><h2>Services</h2><ul class=\"services\">");
        for service in &page.services {
            row(&mut out, service);
        }
        out.push_str(
            "</ul><p class=\"scale\"><span>90 days ago</span><span>today</span></p></section>",
        );
    }
    out.push_str("<section><h2>Incidents</h2>");
    if page.incidents.is_empty() {
        out.push_str("<p>None in the last 90 days.</p>");
    } else {
        out.push_str("<ul class=\"incidents\">");
        for incident in &page.incidents {
            out.push_str(&line(incident));
        }
        out.push_str("</ul>");
    }
    let _ = write!(
        out,
        "</section><footer>As of {}. Days are of UTC.</footer></main></body></html>",
        minute(&page.at)
    );
    out
}

fn row(out: &mut String, service: &api::StatusService) {
    let state = escape(&service.state);
    let uptime = service
        .uptime
        .map_or_else(|| "not known yet".to_string(), |p| format!("{p:.2} %"));
    let _ = write!(
        out,
        "<li><div><strong>{}</strong> <span class=\"state {state}\">{state}</span> <span class=\"uptime\">{uptime}</span></div>\
         <div class=\"days\" role=\"img\" aria-label=\"Uptime over 90 days: {uptime}\">",
        escape(&service.name)
    );
    for day in &service.days {
        let (class, title) = match day {
            None => ("none", "not known".to_string()),
            Some(percent) => (shade(*percent), format!("{percent:.2} %")),
        };
        let _ = write!(out, "<i class=\"{class}\" title=\"{title}\"></i>");
    }
    out.push_str("</div></li>");
}

fn shade(percent: f64) -> &'static str {
    match percent {
        p if p >= 99.9 => "well",
        p if p >= 95.0 => "dent",
        _ => "bad",
    }
}

fn line(incident: &api::StatusIncident) -> String {
    let name = escape(&incident.name);
    let since = minute(&incident.since);
    let length = match incident.minutes {
        m @ 0..120 => format!("{m} min"),
        m => format!("{} h {} min", m / 60, m % 60),
    };
    match incident.until {
        None => {
            format!("<li class=\"now\"><strong>{name}</strong> down since {since} ({length})</li>")
        }
        Some(_) => format!("<li><strong>{name}</strong> was down for {length}, from {since}</li>"),
    }
}

/// `2026-11-26 03:14 UTC`.
fn minute(at: &str) -> String {
    let at = at.get(..16).unwrap_or(at).replace('T', " ");
    format!("{} UTC", escape(&at))
}
