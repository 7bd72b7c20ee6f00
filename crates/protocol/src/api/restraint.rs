//! What keeps Stead from acting by itself: verdicts of the policy, locks, the brake.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What policy says about an action, and what decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// `ready` (it may run without asking), `ask` (a person decides), `refused` (a rule lets it, a limit does not now).
    pub answer: String,
    /// `policy.rules[2]`, or a built-in rule in words.
    pub rule: String,
    /// What holds it although the rule lets it.
    pub limit: Option<String>,
    /// The whole of it, for people.
    pub text: String,
}

/// A lock: a mark that keeps repairs off a target for a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lock {
    /// `fleet`, `node/NAME`, `service/NODE/NAME`, …
    pub target: String,
    /// `maintenance` and `window` keep Stead from acting by itself; `backup` and `restore` keep off everybody.
    pub lock: String,
    pub by: String,
    pub why: String,
    pub since: String,
    /// It ends by itself then.
    pub until: String,
    /// Its holder gives a sign at least this often; null: it needs none.
    pub heartbeat_ms: Option<u64>,
    /// Nobody has given a sign since then.
    pub stale: Option<String>,
    /// The event that took it.
    pub seq: u64,
    /// For people.
    pub text: String,
}

/// `POST /api/v1/locks`: keep repairs off `target`. The same again extends it. Either `for` or `until`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewLock {
    /// `fleet`, `node/NAME`, `service/NODE/NAME`, `container/NODE/NAME` or `unit/NODE/NAME`.
    pub target: String,
    /// `maintenance` (unless told), `backup` or `restore`.
    #[serde(default)]
    pub lock: Option<String>,
    /// `2h`, `90m`, `3d`.
    #[serde(default, rename = "for")]
    pub lasts: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub until: Option<String>,
    /// For people: what goes on there.
    #[serde(default)]
    pub why: String,
    /// `30s`: the holder promises a sign at least this often; without one the lock becomes stale.
    #[serde(default)]
    pub heartbeat: Option<String>,
}

/// `POST /api/v1/locks/beat`: the holder of a lock with a heartbeat gives a sign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Beat {
    pub target: String,
    /// As in [`NewLock`].
    #[serde(default)]
    pub lock: Option<String>,
}

/// A lock that holds something, as its row shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// What is locked: the thing itself, its node, or the fleet.
    pub target: String,
    pub lock: String,
    pub by: String,
    pub why: String,
    pub until: String,
    /// For people.
    pub text: String,
}

/// `GET /api/v1/brake`: when much drifts at once, the fault is probably not theirs, and all automatic repair stops.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Brake {
    pub engaged: bool,
    pub since: Option<String>,
    /// Services that drifted at once when it engaged.
    pub drifting: u32,
    /// Services that could be judged then.
    pub fresh: u32,
    /// Share of the fleet at which it engages now, 0–100.
    pub limit: f64,
    /// Fewer services than this never engage it.
    pub at_least: u32,
    /// It looks at drift that began within this time.
    pub window_ms: u64,
    /// A person let it go then: what drifted before does not engage it again.
    pub released_at: Option<String>,
    /// The event that engaged it.
    pub seq: Option<u64>,
    /// For people.
    pub text: String,
    /// What to do; null where there is nothing to do.
    pub remedy: Option<String>,
}
