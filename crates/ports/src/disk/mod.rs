//! The disk, as far as spool, journal and bundle need one: files written at places, made durable when that is asked for,
//! and folders that are files of names.
//!
//! What is promised: bytes are durable once a sync of their file returned, names once a sync of their folder did; a
//! rename replaces whole or not at all; after a sync that failed, nobody knows what is there, and a second one that
//! succeeds says nothing about the first. Everything else may be gone after a power cut.
//!
//! Work that waits for the platter goes through [`aside`]: the real disk leaves the thread for it, the fake does not,
//! since threads have no place where time is pretended. Nothing here retries.

pub mod conformance;
mod held;
pub mod memory;
mod real;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

pub use held::{HeldDisk, Hold};
pub use memory::MemoryDisk;
pub use real::RealDisk;

/// Something that [`Disk::aside`] does.
pub type Work = Box<dyn FnOnce() + Send>;

/// What to do about a file that is there, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It must be there.
    Existing,
    /// As it is; made where it is not there.
    OrCreate,
    /// Emptied; made where it is not there.
    Empty,
    /// It must not be there (`AlreadyExists`).
    New,
}

/// Folders and the names in them. Files that are made belong to this user alone (mode 0600).
#[async_trait]
pub trait Disk: Debug + Send + Sync + 'static {
    /// Makes a folder and those above it; durable when it returns. One that is there is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Paths of what is in `dir`, in order.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;

    /// All of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Gives `from` the name `to`, in place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away. Whoever has it open goes on.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in `dir` durable. Blocks.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Does `work`, which may block, without holding up whoever else runs on this thread. Work that was begun ends even
    /// if nobody waits for it any more. An error: it was not done, or not to its end.
    async fn aside(&self, work: Work) -> io::Result<()>;
}

/// An open file. Reading and writing at places needs no position, and so no lock.
pub trait File: Debug + Send + Sync + 'static {
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with what is at `at`, as far as the file goes; how much that was.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of `bytes`. After an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes what was written durable, and the file's size. Blocks.
    fn sync(&self) -> io::Result<()>;
}

/// [`Disk::aside`], with what the work returns.
pub async fn aside<T: Send + 'static>(
    disk: &dyn Disk,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || drop(done.send(work()));
    disk.aside(Box::new(work)).await?;
    result
        .await
        .map_err(|_| io::Error::other("the work did not come to its end"))
}

/// Puts `bytes` in place of what `path` holds: whole or not at all. Which of the two a power cut leaves, only a sync of the
/// folder decides. Blocks.
pub fn swap(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<Arc<dyn File>> {
    let new = path.with_extension("new");
    let written = disk.open(&new, Open::Empty).and_then(|file| {
        file.write_at(bytes, 0)?;
        file.sync()?;
        disk.rename(&new, path)?;
        Ok(file)
    });
    written.inspect_err(|_| drop(disk.remove(&new)))
}

/// As [`swap`], and durable when it returns.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    swap(disk, path, bytes)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}
