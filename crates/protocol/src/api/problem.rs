//! Errors as RFC 9457 problem details.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error answer, `application/problem+json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/errors/<code>`: the page that explains it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short text, the same for every error of this code.
    pub title: String,
    pub status: u16,
    /// Stable code, kebab-case.
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// What to do next.
    pub remedy: String,
}
