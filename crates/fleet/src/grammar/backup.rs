//! `backups:` in `jobs.yaml`: what must exist, whoever makes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Duration, Size};

/// A backup that must exist.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Files that must be there; the newest is judged.
    #[schemars(extend("x-must" = true))]
    pub files: Option<BackupFiles>,
}

/// Files that must be there; the newest is judged.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackupFiles {
    /// Absolute path on the node; may contain `*` and `?`.
    #[schemars(extend("x-must" = true))]
    pub path: Option<String>,
    /// Oldest the newest may be.
    pub max_age: Option<Duration>,
    /// Smallest it may be.
    pub min_size: Option<Size>,
}
