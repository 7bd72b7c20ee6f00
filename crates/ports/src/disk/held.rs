//! Another disk whose waiting waits for more: for a process that is stopped, for a platter that takes its time.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Disk, File, Open, Work};

/// What holds up [`Disk::aside`].
#[async_trait]
pub trait Hold: Debug + Send + Sync + 'static {
    /// Waited for before the work.
    async fn before(&self);

    /// Waited for after work that was done.
    async fn after(&self) {}
}

/// The disk `inner`, held up by `hold`.
#[derive(Debug)]
pub struct HeldDisk<H> {
    pub inner: Arc<dyn Disk>,
    pub hold: H,
}

#[async_trait]
impl<H: Hold> Disk for HeldDisk<H> {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(dir)
    }
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        self.inner.open(path, how)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    async fn aside(&self, work: Work) -> io::Result<()> {
        self.hold.before().await;
        self.inner.aside(work).await?;
        self.hold.after().await;
        Ok(())
    }
}
