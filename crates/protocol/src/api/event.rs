//! Events as people see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One event: a line of `stead events --json`, of `events/*.jsonl`, and a message of the live feed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    pub seq: u64,
    pub id: String,
    /// RFC 3339, UTC, milliseconds.
    pub at: String,
    pub node: Option<String>,
    pub subject: String,
    pub kind: String,
    /// `info`, `warning`, `critical`.
    pub severity: String,
    pub data: serde_json::Value,
    /// `seq` of the event that caused it.
    pub cause: Option<u64>,
    /// `agent`, `server`, `inbox`, `api`.
    pub source: String,
    /// One line for people.
    pub text: String,
}

/// `GET /api/v1/events`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// Newest first unless `order=asc`.
    pub events: Vec<Event>,
    /// Pass as `before` (or `after` with `order=asc`) for the next page; null at the end.
    pub next: Option<u64>,
    /// Sequence of the newest event in the log.
    pub head: u64,
}

/// `GET /api/v1/events/{seq}`: an event, what led to it (nearest first) and what it led to (oldest first).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventDetail {
    pub event: Event,
    pub causes: Vec<Event>,
    pub effects: Vec<Event>,
}

/// `POST /api/v1/events` and one inbox file (or one line of it).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewEvent {
    pub node: String,
    pub kind: String,
    pub service: Option<String>,
    pub at: Option<String>,
    pub severity: Option<String>,
    pub data: Option<serde_json::Value>,
}

/// Answer to `POST /api/v1/events`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// False: the same event (by content) was there already.
    pub recorded: bool,
    pub seq: u64,
}

/// `GET /api/v1/feed` (SSE). `event:` is the tag, `id:` the log sequence (resume by `Last-Event-ID`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Feed {
    /// Something was logged. Queries about its subject are out of date.
    Event { event: Event },
    /// Live numbers of one node, at most one a second and node.
    Sample { node: String, sample: super::Sample },
    /// Sent at the start and every 15 s.
    Alive {
        head: u64,
        at: String,
        version: String,
    },
    /// The reader was too slow or asked for what is gone: load everything anew.
    Resync { head: u64 },
}
