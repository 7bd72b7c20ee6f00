//! From the page cache to the disk, and what follows when that fails.
//!
//! After a sync that failed nobody knows what is on disk, and no later sync of that file mends it: the kernel takes its pages for
//! written. Such a file takes no more frames, and what it holds is written anew until that succeeds. Until then none of it
//! counts as synced, nor anything behind it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use stead_ports::disk::{self, Disk, File};

use super::Spool;

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    OnDisk,
    Written,
    /// A sync of it failed, or an earlier process may have seen one fail.
    Unsure,
}

/// A file as it was when it was taken.
#[derive(Debug)]
struct Taken {
    path: PathBuf,
    file: Arc<dyn File>,
    len: u64,
    kept: Kept,
    /// What holds its bytes instead of `file`, on disk.
    anew: Option<Arc<dyn File>>,
}

/// Files to sync, outside of any lock.
#[derive(Debug)]
pub struct Dirty {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Whether the folder has names that are not durable.
    names: bool,
    files: Vec<Taken>,
    upto: u64,
}

/// What became of it.
#[derive(Debug)]
#[must_use = "the spool has to know"]
pub struct Synced {
    dirty: Dirty,
    result: io::Result<()>,
}

impl Dirty {
    /// Blocks until everything that was taken is on disk, or the first failure.
    pub fn sync(mut self) -> Synced {
        let result = self.write();
        Synced {
            dirty: self,
            result,
        }
    }

    /// The same, without holding up the thread. An error: nobody knows how far it came.
    pub async fn sync_aside(self) -> io::Result<Synced> {
        let disk = Arc::clone(&self.disk);
        disk::aside(&*disk, || self.sync()).await
    }

    fn write(&mut self) -> io::Result<()> {
        for taken in &mut self.files {
            if taken.kept == Kept::Unsure {
                taken.anew = Some(taken.write_anew(&*self.disk)?);
                self.names = true;
            } else {
                taken.file.sync()?;
            }
        }
        if self.names {
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }
}

impl Taken {
    fn write_anew(&self, disk: &dyn Disk) -> io::Result<Arc<dyn File>> {
        let mut bytes = vec![0; self.len as usize];
        if self.file.read_at(&mut bytes, 0)? < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        disk::swap(disk, &self.path, &bytes)
    }
}

impl Spool {
    /// What must be synced now.
    pub fn take_dirty(&mut self) -> Dirty {
        self.take(false)
    }

    /// `empty`: with the unsure file that has no frame. Only while nothing is appended, since it makes room for a file of the
    /// same name then.
    pub(super) fn take(&mut self, empty: bool) -> Dirty {
        let due = |s: &&super::Segment| match s.kept {
            Kept::OnDisk => false,
            Kept::Written => true,
            Kept::Unsure => empty || !s.is_empty(),
        };
        let files = self.segments.iter().filter(due).map(|s| Taken {
            path: s.path.clone(),
            file: Arc::clone(&s.file),
            len: s.len,
            kept: s.kept,
            anew: None,
        });
        Dirty {
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            names: std::mem::take(&mut self.dir_dirty),
            files: files.collect(),
            upto: self.last(),
        }
    }

    /// A sync ended. Whether everything that was taken is on disk.
    pub fn note_synced(&mut self, synced: Synced) -> io::Result<()> {
        let Synced { dirty, result } = synced;
        for taken in dirty.files {
            let same = |s: &&mut super::Segment| Arc::ptr_eq(&s.file, &taken.file);
            match (self.segments.iter_mut().find(same), taken.anew) {
                (Some(segment), anew) => {
                    segment.kept = match result {
                        Err(_) => Kept::Unsure,
                        Ok(()) if segment.len == taken.len => Kept::OnDisk,
                        Ok(()) => Kept::Written,
                    };
                    segment.file = anew.unwrap_or(taken.file);
                }
                // It was confirmed meanwhile and removed, and has come back.
                (None, Some(_)) => drop(self.disk.remove(&taken.path)),
                (None, None) => {}
            }
        }
        match result {
            Ok(()) => self.synced = self.synced.max(dirty.upto),
            Err(_) => self.seal(),
        }
        result
    }

    /// Nobody knows what became of a sync.
    pub fn note_unsynced(&mut self) {
        for segment in &mut self.segments {
            if segment.kept == Kept::Written {
                segment.kept = Kept::Unsure;
            }
        }
        self.seal();
    }

    /// What is appended from now on does not stand behind bytes of which nobody knows where they are.
    fn seal(&mut self) {
        self.sealed = true;
        self.dir_dirty = true;
    }
}
