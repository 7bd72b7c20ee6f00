//! What the events of insight carry: numbers that left the ordinary, and came back. Transitions, never samples.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::insight::anomaly::Anomaly;
use crate::time::Time;

/// An image in use is older than the files allow. Said once of each image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageAged {
    /// As the creator of the container wrote it.
    pub image: String,
    pub image_id: String,
    pub created_at: Time,
    /// Whole days, its age and the bound.
    pub days: u64,
    pub bound: u64,
}

/// A container writes far above its own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WritesAnomalous {
    /// As it was when it began to be seen.
    #[serde(flatten)]
    pub anomaly: Anomaly,
}

/// …and does no more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WritesUsual {
    pub since: Time,
    /// Bytes an hour, now and usually.
    pub rate: u64,
    pub usual: u64,
    /// `calm`, or `gone`: the container is no more.
    pub reason: String,
}
