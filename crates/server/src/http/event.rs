//! Events: the log as people read it, and what others report.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use stead_core::event::{Event, Severity, Source};
use stead_core::ids::Seq;
use stead_ports::log::{Filter, Record};
use stead_protocol::api;
use utoipa::IntoParams;

use super::App;
use super::extract::{Ask, Body, Place};
use super::past::{When, instant};
use super::problem::Problem;
use crate::{present, report};

const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;
/// How far back a chain of causes is followed.
const CAUSES: usize = 32;
/// Records after an event that are searched for its effects, and how many are shown.
const SEARCHED: usize = 5000;
const EFFECTS: usize = 100;

/// Events that match, decoded.
pub async fn find(app: &App, filter: Filter) -> Result<Vec<Event>, Problem> {
    let records = app.handle.log().query(filter).await?;
    records.into_iter().map(read).collect()
}

fn read(record: Record) -> Result<Event, Problem> {
    stead_engine::decode(record).map_err(Problem::from)
}

/// One event by its number; `None` where there is none (any more).
pub async fn numbered(app: &App, seq: Seq) -> Result<Option<Event>, Problem> {
    let Some(before) = seq.0.checked_sub(1) else {
        return Ok(None);
    };
    let records = app.handle.log().read(Seq(before), 1).await?;
    let found = records.into_iter().next().map(read).transpose()?;
    Ok(found.filter(|e| e.seq == seq))
}

/// A severity by its word.
pub fn severity(word: &str) -> Result<Severity, Problem> {
    Severity::from_word(word).ok_or_else(|| {
        let detail = format!("{word:?} is no severity");
        Problem::new("bad-query", detail, "use info, warning or critical")
    })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    node: Option<String>,
    /// `service/NODE/NAME`, …
    subject: Option<String>,
    /// One or more kinds, separated by commas.
    kind: Option<String>,
    /// At least this: `info`, `warning`, `critical`.
    severity: Option<String>,
    /// Text in kind, subject or data.
    q: Option<String>,
    /// Only events before this number.
    before: Option<u64>,
    /// Only events after this number.
    after: Option<u64>,
    /// At most this many, 100 unless told, never more than 1000.
    limit: Option<usize>,
    /// `desc` (newest first, unless told) or `asc`.
    order: Option<String>,
    /// Included: RFC 3339, a span ago (`2h`), or a time of day (`yesterday 03:00`).
    since: Option<String>,
    /// Excluded; the same.
    until: Option<String>,
}

impl Search {
    fn filter(&self, app: &App) -> Result<Filter, Problem> {
        let severity = self.severity.as_deref().filter(|s| !s.is_empty());
        let min_severity =
            severity.map_or(Ok(0), |word| self::severity(word).map(Severity::rank))?;
        let ascending = match self.order.as_deref() {
            None | Some("desc" | "") => false,
            Some("asc") => true,
            Some(other) => {
                return Err(Problem::new(
                    "bad-query",
                    format!("{other:?} is no order"),
                    "use asc or desc",
                ));
            }
        };
        let text = |given: &Option<String>| given.clone().filter(|t| !t.trim().is_empty());
        let node = text(&self.node)
            .map(|n| super::extract::node(app, &n))
            .transpose()?;
        let kinds = self
            .kind
            .as_deref()
            .unwrap_or("")
            .split(',')
            .map(str::trim)
            .filter(|k| !k.is_empty());
        Ok(Filter {
            after: self.after.map(Seq),
            before: self.before.map(Seq),
            since: text(&self.since).map(|t| instant(app, &t)).transpose()?,
            until: text(&self.until).map(|t| instant(app, &t)).transpose()?,
            node: node.map(|n| n.to_string()),
            subject: text(&self.subject),
            kinds: kinds.map(ToString::to_string).collect(),
            min_severity,
            text: text(&self.q),
            newest_first: !ascending,
            limit: self.limit.unwrap_or(PAGE).min(PAGE_MAX),
        })
    }
}

/// Events that match, newest first.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "list_events", tag = "events", params(Search),
    responses((status = 200, body = api::EventPage)))]
pub async fn list_events(
    State(app): State<App>,
    when: When,
    Ask(asked): Ask<Search>,
) -> Result<Json<api::EventPage>, Problem> {
    let filter = when.bound(asked.filter(&app)?);
    let limit = filter.limit;
    let head = app.handle.log().head().await?.seq;
    let events = find(&app, filter).await?;
    let next = events
        .last()
        .filter(|_| events.len() == limit)
        .map(|e| e.seq.0);
    Ok(Json(api::EventPage {
        events: events.iter().map(present::event).collect(),
        next,
        head: head.0,
    }))
}

/// One event, what led to it (nearest first) and what it led to (oldest first).
#[utoipa::path(get, path = "/api/v1/events/{seq}", operation_id = "get_event", tag = "events",
    params(("seq" = u64, Path)), responses((status = 200, body = api::EventDetail)))]
pub async fn get_event(
    State(app): State<App>,
    when: When,
    Place(seq): Place<u64>,
) -> Result<Json<api::EventDetail>, Problem> {
    let known = numbered(&app, Seq(seq)).await?;
    let event = known.filter(|e| when.knows(e.seq)).ok_or_else(|| {
        let detail = format!("there is no event {seq}");
        Problem::new(
            "unknown-event",
            detail,
            "see `stead events`; very old ones may have been compacted away",
        )
    })?;
    let mut causes = Vec::new();
    let mut cause = event.cause;
    while let Some(before) = cause.filter(|_| causes.len() < CAUSES) {
        let Some(found) = numbered(&app, before).await? else {
            break;
        };
        cause = found.cause.filter(|c| *c < found.seq);
        causes.push(present::event(&found));
    }
    let mut effects = effects(&app, &event).await?;
    effects.retain(|e| when.knows(e.seq));
    Ok(Json(api::EventDetail {
        event: present::event(&event),
        causes,
        effects: effects.iter().map(present::event).collect(),
    }))
}

/// What followed from an event: what names it, or an effect of it, as its cause soon after; and, where an action came
/// of it, the whole story of that action, however late.
async fn effects(app: &App, event: &Event) -> Result<Vec<Event>, Problem> {
    let mut family = std::collections::BTreeSet::from([event.seq]);
    let mut found = Vec::new();
    let mut actions: std::collections::BTreeSet<(String, u32)> = event
        .body
        .action()
        .map(|(id, n)| (id.to_string(), n))
        .into_iter()
        .collect();
    for record in app.handle.log().read(event.seq, SEARCHED).await? {
        let later = read(record)?;
        if later.cause.is_some_and(|cause| family.contains(&cause)) && found.len() < EFFECTS {
            family.insert(later.seq);
            actions.extend(later.body.action().map(|(id, n)| (id.to_string(), n)));
            found.push(later);
        }
    }
    for (id, occurrence) in actions.into_iter().take(4) {
        let filter = Filter {
            after: Some(event.seq),
            text: Some(format!("\"{id}\"")),
            limit: EFFECTS,
            ..Filter::default()
        };
        let story = find(app, filter).await?.into_iter();
        found.extend(story.filter(|e| e.body.action() == Some((id.as_str(), occurrence))));
    }
    found.sort_by_key(|e| e.seq);
    found.dedup_by_key(|e| e.seq);
    found.truncate(EFFECTS);
    Ok(found)
}

/// Report an event. The same content is recorded once.
#[utoipa::path(post, path = "/api/v1/events", operation_id = "record_event", tag = "events",
    request_body = api::NewEvent, responses((status = 200, body = api::Recorded), (status = 201, body = api::Recorded)))]
pub async fn record_event(
    State(app): State<App>,
    Body(value): Body<Value>,
) -> Result<(StatusCode, Json<api::Recorded>), Problem> {
    let event = report::read(&value, Source::Api, app.handle.now().at)
        .map_err(|e| Problem::new("bad-event", e.detail, e.remedy))?;
    let recorded = app.handle.foreign(event).await?;
    let status = if recorded.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((
        status,
        Json(api::Recorded {
            recorded: recorded.new,
            seq: recorded.seq.0,
        }),
    ))
}
