//! Time travel and backtests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far back `?at=` can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastSpan {
    /// What the log keeps begins here; absent while it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    pub now: String,
}
