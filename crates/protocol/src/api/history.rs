//! Samples over time, and where they lead.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One point of a series: milliseconds since 1970, then the lowest, the average and the highest value of the step that
/// begins there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint(pub i64, pub f64, pub f64, pub f64);

/// `GET /api/v1/history`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    pub from: String,
    pub to: String,
    /// Milliseconds between two points. Where a series has none, nothing was measured.
    pub step_ms: u64,
    /// How finely the history keeps what was asked for, the newest stretch first.
    pub tiers: Vec<HistoryTier>,
    /// Why a stretch is coarser than it could be, as sentences: a node that does not answer now.
    pub limits: Vec<String>,
    /// In the order of their labels.
    pub series: Vec<HistorySeries>,
}

/// A stretch of an answer, and the step at which it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryTier {
    pub from: String,
    pub to: String,
    pub step_ms: u64,
    /// Asked of the nodes themselves, which keep each second for a day.
    pub on_node: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistorySeries {
    /// `stead_node_cpu_percent`
    pub metric: String,
    /// The metric's name aside.
    pub labels: BTreeMap<String, String>,
    /// `percent`, `bytes`, `bytes_per_second`, `per_second`, `celsius`, `seconds` or `number`.
    pub unit: String,
    /// Each `[at, min, avg, max]`; `at` is in milliseconds since 1970.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub points: Vec<HistoryPoint>,
}

/// `GET /api/v1/history/series`: what could be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryNames {
    /// In the order of their labels, at most 5,000.
    pub series: Vec<HistoryName>,
    /// How many there are.
    pub total: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryName {
    pub metric: String,
    pub labels: BTreeMap<String, String>,
    pub unit: String,
    /// To be given as `match`: this series and no other.
    pub selector: String,
}

/// `GET /api/v1/trends/{metric}`: a trend for each node that has the metric, for disks one for each filesystem.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trends {
    /// `disk`, `memory`, `swap`, `steal`, `containers`, `io`, or the name of a metric.
    pub metric: String,
    pub title: String,
    pub unit: String,
    pub from: String,
    pub to: String,
    /// Milliseconds between two points.
    pub step_ms: u64,
    /// What calls for a look first comes first; at most 100.
    pub trends: Vec<Trend>,
    /// How many there are.
    pub total: u64,
}

/// One number over time, where it leads, and what happened meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trend {
    /// Null where the metric belongs to no node.
    pub node: Option<String>,
    /// What of the node it is, where there are several: `/srv`.
    pub name: Option<String>,
    /// To be given as `match` to `/api/v1/history`.
    pub selector: String,
    /// One sentence that says it all.
    pub sentence: String,
    /// The newest value.
    pub latest: Option<f64>,
    /// Each `[at, min, avg, max]`; `at` is in milliseconds since 1970.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub points: Vec<HistoryPoint>,
    /// Oldest first.
    pub annotations: Vec<Annotation>,
    /// Null where it cannot be told; then `refusal` says why.
    pub slope: Option<Slope>,
    pub refusal: Option<TrendRefusal>,
    /// For each bound of the node that matters here, the nearest first.
    pub projections: Vec<TrendProjection>,
}

/// What happened at an instant, to draw beside the numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Annotation {
    pub at: String,
    /// `deploy`, `restart`, `reboot`, `update`, `repair`, `cleanup`, `config`.
    pub kind: String,
    pub what: String,
    /// Null: it concerns the whole fleet.
    pub node: Option<String>,
    /// The event it is made from.
    pub event: Option<u64>,
}

/// How a number moves, in its unit per day. 95 % of such ranges hold the true slope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Slope {
    pub per_day: f64,
    pub low: f64,
    pub high: f64,
    /// `rising`, `falling` or `unclear`.
    pub direction: String,
    /// The value now, cleared of noise, and how far it may be off.
    pub level: f64,
    pub level_error: f64,
    /// Points it is made from, and the time they cover.
    pub points: u32,
    pub span_ms: u64,
    /// Changes that happened once and were left out.
    pub jumps: Vec<TrendJump>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrendJump {
    pub at: String,
    pub by: f64,
}

/// Why there is no answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrendRefusal {
    /// `too_few`, `too_short`, `too_short_for`, `too_noisy`, `stale`.
    pub why: String,
    pub text: String,
}

/// When a bound is reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrendProjection {
    pub bound: f64,
    /// The bound for people: `70 %`.
    pub label: String,
    /// What it means: `noted`, `warning`, `critical`.
    pub level: String,
    /// `within`, `reached`, `away`, `not_within` or `refused`.
    pub answer: String,
    /// Where it is `within`.
    pub earliest: Option<String>,
    pub latest: Option<String>,
    /// `reaches 70 % in 9 to 14 days`, or why nobody can say.
    pub text: String,
    /// Where it is `refused`.
    pub refusal: Option<TrendRefusal>,
}
