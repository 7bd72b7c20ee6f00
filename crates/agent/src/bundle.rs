//! The last bundle, on disk: what to look at, and by which patience, before the server is reached and without it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_core::desired::Bundle;

#[derive(Debug, Clone)]
pub struct Store(PathBuf);

impl Store {
    pub fn at(path: PathBuf) -> Store {
        Store(path)
    }

    /// The last one kept. One that cannot be read is as none: the server hands out another.
    pub fn load(&self) -> Bundle {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Bundle::default(),
            Err(error) => {
                tracing::warn!(%error, "the last bundle cannot be read");
                return Bundle::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the last bundle is not understood");
            Bundle::default()
        })
    }

    /// Keeps `bundle` in place of the last one.
    pub async fn save(&self, bundle: Arc<Bundle>) -> io::Result<()> {
        let path = self.0.clone();
        let saved = tokio::task::spawn_blocking(move || {
            let text = serde_json::to_vec(&*bundle)?;
            replace(&path, &text)
        });
        saved
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// It may hold passwords of checks and definitions: for the agent's user alone.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn the_last_bundle_is_there_again_and_a_broken_one_is_none() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("bundle.json");
        let store = Store::at(path.clone());
        assert_eq!(store.load(), Bundle::default());
        let bundle = Bundle {
            digest: "abc".into(),
            ..Default::default()
        };
        store.save(Arc::new(bundle.clone())).await.expect("save");
        assert_eq!(store.load(), bundle);
        assert_eq!(
            fs::metadata(&path).expect("file").permissions().mode() & 0o777,
            0o600
        );
        fs::write(&path, "{").expect("write");
        assert_eq!(store.load(), Bundle::default());
    }
}
