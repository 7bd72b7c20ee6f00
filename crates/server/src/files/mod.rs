use std::path::PathBuf;
use stead_engine::Handle;
use tokio_util::sync::CancellationToken;
pub async fn run(_dir: PathBuf, _handle: Handle, stop: CancellationToken) { stop.cancelled().await }
