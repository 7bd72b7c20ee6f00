//! Alerts, and the messages that told of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One trouble and what was told of it: one cause, one thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The thread's name.
    pub id: String,
    pub subject: String,
    pub node: Option<String>,
    pub service: Option<String>,
    /// The kind of event that began it: what routes match.
    pub kind: String,
    /// `info`, `warning`, `critical`.
    pub severity: String,
    pub title: String,
    pub text: String,
    pub opened_at: String,
    pub updated_at: String,
    /// Null while it is open.
    pub closed_at: Option<String>,
    /// How it ended: `recovered`, `absorbed`, `removed`; empty while it is open.
    pub reason: String,
    /// The event that opened it.
    pub seq: u64,
    /// Subjects that belong to it beside its own.
    pub joined: Vec<String>,
    /// Its cause has been over since then; it closes when that has held for a while.
    pub well_since: Option<String>,
    /// Its service flaps: it stays open until that is steady.
    pub flapping: bool,
    /// Stead mended it, and nothing came after.
    pub repaired: bool,
    /// Messages that told of it, oldest first, as far as they are remembered.
    pub messages: Vec<Message>,
}

/// `GET /api/v1/alerts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// Worst first, then newest.
    pub open: Vec<Alert>,
    /// Newest first.
    pub ended: Vec<Alert>,
}

/// A message and how its delivery stands: `GET /api/v1/messages`, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The receiver may see it twice and knows it by this.
    pub id: String,
    /// The alert it belongs to; null for a test message.
    pub thread: Option<String>,
    pub channel: String,
    /// The route that sent it there; empty for a test.
    pub route: String,
    /// `opened`, `changed`, `closed`, `test`.
    pub sort: String,
    pub severity: String,
    pub subject: String,
    pub title: String,
    pub text: String,
    /// It was to make a noise.
    pub ping: bool,
    /// `waiting`, `delivered`, `failed`.
    pub state: String,
    pub queued_at: String,
    pub ended_at: Option<String>,
    pub attempts: u32,
    /// Why it was given up; empty where it was not.
    pub why: String,
}

/// `GET /api/v1/channels`: a way to reach people. Never an address, never a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Channel {
    pub name: String,
    /// `webhook`.
    pub kind: String,
    /// Routes that lead to it.
    pub routes: Vec<String>,
    /// Messages that wait to be delivered there.
    pub waiting: u64,
    /// The latest message whose delivery ended.
    pub last: Option<Message>,
}

/// `POST /api/v1/routes/simulate`: where would this event go?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteQuestion {
    /// The kind of event: `service_unhealthy`, `node_offline`, …
    pub kind: String,
    pub subject: String,
    /// `info`, `warning` (unless told), `critical`.
    #[serde(default)]
    pub severity: Option<String>,
}

/// What one route says about it, in the order of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteAnswer {
    pub route: String,
    /// The route takes it.
    pub takes: bool,
    /// What does not match: a field of the route's `match`; null where it takes it.
    pub against: Option<String>,
    pub to: Vec<String>,
    /// It would make a noise now.
    pub ping: bool,
}
