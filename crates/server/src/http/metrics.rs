//! `/metrics`: Stead about itself, for Prometheus. Counts only, no names: it needs no token.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use stead_protocol::api;

use super::App;
use super::problem::Problem;
use crate::present;

type Labels = Vec<(&'static str, String)>;

/// What was answered since the start.
pub struct Traffic {
    requests: Family<Labels, Counter>,
    seconds: Histogram,
    /// Routes seen; the router bounds them, this bounds mistakes.
    routes: Mutex<std::collections::BTreeSet<String>>,
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traffic { … }")
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic {
            requests: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
            routes: Mutex::default(),
        }
    }
}

/// Routes counted by themselves; further ones are counted together.
const ROUTES: usize = 64;

impl Traffic {
    pub fn answered(&self, route: &str, status: StatusCode, took: Duration) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            routes.contains(route) || (routes.len() < ROUTES && routes.insert(route.to_string()));
        drop(routes);
        let route = if known { route } else { "other" };
        let labels = vec![
            ("route", route.to_string()),
            ("status", status.as_u16().to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
        // A live feed is no slow answer.
        if route != "/api/v1/feed" && !route.starts_with("/agent/") {
            self.seconds.observe(took.as_secs_f64());
        }
    }
}

/// As which text the counts go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OpenMetrics,
    /// Prometheus' older one: every scraper and person can read it.
    Plain,
}

impl Form {
    /// OpenMetrics where it is asked for by name, and not as the worst choice.
    fn wanted(headers: &HeaderMap) -> Form {
        let all = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|v| v.to_str().ok());
        let asked = all.flat_map(|line| line.split(',')).any(|part| {
            let mut words = part.split(';').map(str::trim);
            let named = words
                .next()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            named && !words.any(|word| matches!(word, "q=0" | "q=0.0"))
        });
        if asked {
            Form::OpenMetrics
        } else {
            Form::Plain
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// OpenMetrics in the older form: there a counter's description carries the whole name of its samples, and nothing marks the end.
fn plain(text: &str) -> String {
    let mut counters = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix("# TYPE ")
            .and_then(|l| l.strip_suffix(" counter"))
        {
            counters.insert(name);
        }
    }
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let described = line
            .strip_prefix("# HELP ")
            .map(|rest| ("# HELP ", rest))
            .or_else(|| line.strip_prefix("# TYPE ").map(|rest| ("# TYPE ", rest)));
        match described.and_then(|(mark, rest)| Some((mark, rest.split_once(' ')?))) {
            Some((mark, (name, rest))) if counters.contains(name) => {
                plain.extend([mark, name, "_total ", rest, "\n"]);
            }
            None if line == "# EOF" || line.starts_with("# UNIT ") => {}
            _ => plain.extend([line, "\n"]),
        }
    }
    plain
}

/// Stead about itself, for Prometheus; needs no token.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "fleet", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn get_metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = app.look_counted(|look, counted| Seen {
        outbox: look.world.alerts.outbox.len() as u64,
        rollouts: look.world.rollouts.open.len() as u64,
        deliveries: deliveries(look),
        summary: present::summary(look, counted),
        head: look.world.head.0,
        drift: look.drift.iter().count() as u64,
        troubles: look.live.troubles().len() as u64,
        connected: look
            .world
            .nodes
            .keys()
            .filter(|n| look.live.is_connected(n))
            .count() as u64,
    });
    let mut text = String::new();
    encode(&mut text, &registry(&app, &seen))
        .map_err(|e| Problem::new("internal", e.to_string(), "report this, with Stead's log"))?;
    let form = Form::wanted(&headers);
    if form == Form::Plain {
        text = plain(&text);
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(form.content_type())),
        (VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, text).into_response())
}

/// Messages remembered by how their delivery ended.
fn deliveries(look: present::Look<'_>) -> [(&'static str, u64); 2] {
    let log = &look.world.alerts.log;
    let failed = log.iter().filter(|m| !m.why.is_empty()).count() as u64;
    [("delivered", log.len() as u64 - failed), ("failed", failed)]
}

struct Seen {
    outbox: u64,
    rollouts: u64,
    deliveries: [(&'static str, u64); 2],
    summary: api::Summary,
    head: u64,
    drift: u64,
    troubles: u64,
    connected: u64,
}

/// What keeps Stead from acting, and what it told.
fn restraint(r: &mut Registry, seen: &Seen) {
    let gauge = |n: u64| ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX));
    let s = &seen.summary;
    r.register(
        "brake_engaged",
        "Whether the mass-drift brake stops all automatic repair",
        gauge(u64::from(s.brake)),
    );
    r.register("locks", "Locks that hold", gauge(s.locks));
    r.register("alerts_open", "Alerts that are open", gauge(s.alerts));
    r.register(
        "rollouts_open",
        "Rollouts that run or are paused",
        gauge(seen.rollouts),
    );
    r.register(
        "outbox",
        "Messages that wait to be delivered",
        gauge(seen.outbox),
    );
    let ended = by_state(&seen.deliveries);
    r.register(
        "messages",
        "Messages remembered, by how their delivery ended",
        ended,
    );
}

fn registry(app: &App, seen: &Seen) -> Registry {
    let mut r = Registry::with_prefix("stead");
    let gauge = |n: u64| ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX));
    let s = &seen.summary;
    r.register(
        "events",
        "Events ever recorded",
        ConstCounter::new(seen.head),
    );
    r.register(
        "drift",
        "Differences between world and desired state",
        gauge(seen.drift),
    );
    r.register("troubles", "Troubles of Stead itself", gauge(seen.troubles));
    r.register(
        "agents_connected",
        "Agents linked now",
        gauge(seen.connected),
    );
    r.register(
        "feeds_open",
        "Live feeds open now",
        gauge(app.feeds.open() as u64),
    );
    r.register(
        "queue",
        "Actions that wait for a decision",
        gauge(s.actions.pending),
    );
    by_states(&mut r, s);
    restraint(&mut r, seen);
    history(&mut r, app);
    if let Some(bytes) = resident() {
        r.register(
            "resident_memory_bytes",
            "Memory this process holds",
            gauge(bytes),
        );
    }
    r.register(
        "http_requests",
        "Requests answered",
        app.traffic.requests.clone(),
    );
    r.register(
        "http_request_seconds",
        "How long answers took, live feeds aside",
        app.traffic.seconds.clone(),
    );
    r
}

/// The history of samples.
fn history(r: &mut Registry, app: &App) {
    let counted = app.history.counted();
    let counter = ConstCounter::new;
    for (name, help, n) in [
        (
            "history_readings",
            "Readings that agents sent",
            counted.readings,
        ),
        (
            "history_dropped",
            "Readings dropped because the recorder was busy or its store not open",
            counted.dropped,
        ),
        (
            "history_crowded",
            "Numbers not kept because their node has too many series",
            counted.crowded,
        ),
        (
            "history_lost",
            "Samples that the store could not take",
            counted.lost,
        ),
    ] {
        r.register(name, help, counter(n));
    }
    if let Some(sent) = app.history.sent() {
        remote_write(r, &sent);
    }
    let Some(stats) = app.history.stats() else {
        return;
    };
    let gauge = |n: u64| ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX));
    r.register("history_series", "Series kept", gauge(stats.series));
    r.register(
        "history_bytes",
        "Bytes of the history on disk",
        gauge(stats.bytes),
    );
    r.register("history_parts", "Parts of the history", gauge(stats.parts));
    r.register(
        "history_samples",
        "Samples accepted",
        counter(stats.samples),
    );
    r.register(
        "history_damaged",
        "Pieces that could not be read and were passed over",
        counter(stats.damaged),
    );
    let refused = Family::<Labels, Counter>::default();
    for (reason, n) in stats.refused.reasons() {
        let labels = vec![("reason", reason.to_string())];
        refused.get_or_create(&labels).inc_by(n);
    }
    r.register("history_refused", "Samples not taken, by reason", refused);
}

/// Samples sent to others.
fn remote_write(r: &mut Registry, sent: &crate::history::Sent) {
    let counter = ConstCounter::new;
    for (name, help, n) in [
        (
            "remote_write_sent",
            "Samples that receivers took",
            sent.sent,
        ),
        (
            "remote_write_dropped",
            "Samples dropped because too many waited for a receiver, or at a stop",
            sent.dropped,
        ),
        (
            "remote_write_refused",
            "Samples that a receiver refused for good",
            sent.refused,
        ),
    ] {
        r.register(name, help, counter(n));
    }
    let gauge = |n: u64| ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX));
    r.register(
        "remote_write_waiting",
        "Samples that wait for a receiver",
        gauge(sent.waiting),
    );
    r.register(
        "remote_write_receivers",
        "Receivers that the fleet's files name",
        gauge(sent.receivers),
    );
}

/// What is counted state by state.
fn by_states(r: &mut Registry, s: &api::Summary) {
    let n = s.nodes;
    let nodes = [
        ("fresh", n.fresh),
        ("stale", n.stale),
        ("unknown", n.unknown),
    ];
    r.register("nodes", "Nodes by evidence", by_state(&nodes));
    let v = s.services;
    let services = [
        ("healthy", v.healthy),
        ("unhealthy", v.unhealthy),
        ("missing", v.missing),
        ("starting", v.starting),
        ("stale", v.stale),
        ("unknown", v.unknown),
    ];
    r.register("services", "Watched services by state", by_state(&services));
    let a = s.actions;
    let actions = [
        ("pending", a.pending),
        ("approved", a.approved),
        ("running", a.running),
        ("completed", a.completed),
        ("failed", a.failed),
        ("rejected", a.rejected),
        ("cancelled", a.cancelled),
    ];
    r.register(
        "actions",
        "Open actions by state, and those that ended in the last 24 hours",
        by_state(&actions),
    );
}

fn by_state(counts: &[(&str, u64)]) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    for (state, n) in counts {
        let labels = vec![("state", (*state).to_string())];
        family
            .get_or_create(&labels)
            .set(i64::try_from(*n).unwrap_or(i64::MAX));
    }
    family
}

/// `VmRSS` of this process.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_goes_to_those_who_ask_for_it() {
        let wanted = |accept: &str| {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            }
            Form::wanted(&headers)
        };
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(wanted(prometheus), Form::OpenMetrics);
        for accept in ["", "*/*", "text/plain", "application/openmetrics-text;q=0"] {
            assert_eq!(wanted(accept), Form::Plain, "{accept}");
        }
    }

    #[test]
    fn the_older_form_calls_a_counter_by_its_whole_name() {
        let text = "# HELP a_b All.\n# TYPE a_b counter\na_b_total{x=\"# EOF\"} 1\n# HELP c A c.\n# TYPE c gauge\n\
            # UNIT c seconds\nc 2\n# EOF\n";
        assert_eq!(
            plain(text),
            "# HELP a_b_total All.\n# TYPE a_b_total counter\na_b_total{x=\"# EOF\"} 1\n# HELP c A c.\n# TYPE c gauge\nc 2\n"
        );
    }

    fn told(traffic: &Traffic) -> String {
        let mut registry = Registry::default();
        registry.register("requests", "All", traffic.requests.clone());
        registry.register("seconds", "How long", traffic.seconds.clone());
        let mut text = String::new();
        encode(&mut text, &registry).expect("a text");
        text
    }

    #[test]
    fn what_lasts_as_long_as_somebody_listens_is_no_slow_answer() {
        let traffic = Traffic::default();
        for route in ["/api/v1/feed", "/agent/v1", "/api/v1/nodes"] {
            traffic.answered(route, StatusCode::OK, Duration::from_secs(1));
        }
        let text = told(&traffic);
        assert!(text.contains("seconds_count 1\n"), "{text}");
        assert!(text.contains("route=\"/api/v1/feed\""), "{text}");
    }

    #[test]
    fn routes_beyond_the_bound_are_counted_together() {
        let traffic = Traffic::default();
        for n in 0..ROUTES + 3 {
            traffic.answered(&format!("/r{n}"), StatusCode::OK, Duration::ZERO);
        }
        traffic.answered("/r0", StatusCode::OK, Duration::ZERO);
        let text = told(&traffic);
        for (route, count) in [("/r0", 2), ("/r63", 1), ("other", 3)] {
            let line = format!("requests_total{{route=\"{route}\",status=\"200\"}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
