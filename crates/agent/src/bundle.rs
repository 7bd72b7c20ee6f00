//! The last bundle, on disk: what to look at, and by which patience, before the server is reached and without it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use stead_core::desired::Bundle;
use stead_ports::disk::{self, Disk};

/// It may hold passwords of checks and definitions: its file is for the agent's user alone.
#[derive(Debug, Clone)]
pub struct Store {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Store {
    pub fn at(disk: Arc<dyn Disk>, path: PathBuf) -> Store {
        Store { disk, path }
    }

    /// The last one kept. One that cannot be read is as none: the server hands out another.
    pub fn load(&self) -> Bundle {
        let text = match self.disk.read(&self.path) {
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
        let Store { disk, path } = self.clone();
        let saved = move || {
            let text = serde_json::to_vec(&*bundle)?;
            disk::replace(&*disk, &path, &text).map(drop)
        };
        disk::aside(&*self.disk, saved).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use stead_ports::disk::RealDisk;

    #[tokio::test]
    async fn the_last_bundle_is_there_again_and_a_broken_one_is_none() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("bundle.json");
        let store = Store::at(Arc::new(RealDisk), path.clone());
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
