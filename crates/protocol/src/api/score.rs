//! The score card.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/score`: the mean of the nodes, with the lowest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetScore {
    /// 0–100; null while no node has one.
    pub score: Option<u8>,
    /// Something about some node is not known.
    pub partial: bool,
    pub worst: Option<ScoredNode>,
    /// Nodes in the mean.
    pub nodes: u32,
    /// Nodes of which nothing fresh is known.
    pub unscored: u32,
    /// The lowest first, those without a score last; at most 500.
    pub cards: Vec<ScoredNode>,
    pub at: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScoredNode {
    pub node: String,
    pub score: Option<u8>,
    pub partial: bool,
    /// Points lost, of the dimension that lost most; null where none is lost.
    pub most_lost: Option<LostPoints>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LostPoints {
    pub kind: String,
    pub title: String,
    pub lost: u8,
    pub measured: String,
}

/// `GET /api/v1/nodes/{node}/score`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeScore {
    pub node: String,
    /// 0–100; null where nothing fresh is known.
    pub score: Option<u8>,
    /// Points reached, of `weight`.
    pub points: u32,
    pub weight: u32,
    /// Some dimension has no data; the others were scaled to 100.
    pub partial: bool,
    pub dimensions: Vec<ScoreDimension>,
    pub at: String,
}

/// One dimension of a card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreDimension {
    /// `cpu`, `memory`, `disk`, `services`, `maintenance`, `llm`.
    pub kind: String,
    pub title: String,
    /// The most it gives.
    pub weight: u8,
    /// Null: no data, left out of the total.
    pub points: Option<u8>,
    pub lost: u8,
    /// Percent, bytes, a number or days, by kind.
    pub value: Option<f64>,
    /// The reading for people.
    pub measured: String,
    /// What would give more.
    pub next: Option<ScoreNext>,
    /// There exactly where points are lost.
    pub fix: Option<ScoreFix>,
    /// The trend of this dimension: the last part of `/api/v1/trends/…`; null where there is none.
    pub trend: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScoreNext {
    pub points: u8,
    pub wants: String,
}

/// What to do about lost points.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScoreFix {
    pub what: String,
    /// The page that shows it.
    pub page: String,
    /// To run as it stands.
    pub command: Option<String>,
}
