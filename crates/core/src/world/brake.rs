//! The mass-drift brake as the log knows it.

use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::time::Time;

/// Whether automatic repair is stopped because too much drifts at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Brake {
    pub engaged: Option<Engaged>,
    /// A person let it go then: what drifted before does not engage it again.
    pub released_at: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Engaged {
    pub since: Time,
    pub seq: Seq,
    /// When it engaged.
    pub drifting: u32,
    pub fresh: u32,
    /// Share at which it engages, 0–100.
    pub limit: f64,
}
