//! Chores that other programs run on this machine, read as they lie. Read only.

use std::path::Path;

use axum::Json;
use axum::http::StatusCode;
use stead_adapters::chores::{self, CleanupLog, Crontabs};

use super::problem::Refused;

/// Where the files of this machine lie.
const ROOT: &str = "/";

/// What a cleanup script tells of its runs, newest first.
pub async fn cleanup_log() -> Result<Json<CleanupLog>, Refused> {
    let log = aside(|| chores::cleanup_log(Path::new(ROOT))).await?;
    log.map(Json).map_err(|(file, why)| {
        Refused::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "file-refused",
            format!("{file} is not read: {why}"),
        )
        .with("put a regular text file there, a JSON object a line")
    })
}

/// Lines of crontabs.
pub async fn crontabs() -> Result<Json<Crontabs>, Refused> {
    aside(|| chores::crontabs(Path::new(ROOT))).await.map(Json)
}

/// Files are read on a thread that may wait.
async fn aside<T: Send + 'static>(work: fn() -> T) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            error.to_string(),
        )
    })
}
