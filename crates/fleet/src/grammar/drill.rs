//! `drill:` in `stead.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Duration, Schedule, Words};

/// A container that Stead owns, breaks on purpose and mends again, to prove that repairs and messages work.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Drill {
    /// The node it runs on; Stead must be allowed to repair there.
    #[schemars(extend("x-must" = true))]
    pub node: Option<String>,
    /// The image; anything that keeps running.
    #[schemars(extend("x-must" = true))]
    pub image: Option<String>,
    /// The command, as a list of words or as one text.
    pub command: Option<Words>,
    /// When it is done, in the calendar's time zone. Absent: only when somebody runs it.
    pub schedule: Option<Schedule>,
    /// Noticed, mended and said within this time. Default 60s.
    pub within: Option<Duration>,
}
