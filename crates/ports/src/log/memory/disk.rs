//! A disk in memory that tells written from synced, and breaks on request. It outlives the log on it, so that a test
//! can kill the log, cut the power, flip a bit and open it again. No clock and no randomness: a test says what happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::Error;

/// Where in a write the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Nothing was written.
    BeforeWrite,
    /// This many bytes of the write were; all of them where there are fewer.
    TornWrite(usize),
    /// Everything was written, nothing synced.
    BeforeSync,
    /// Everything is durable; only the answer is missing.
    BeforeAcknowledge,
}

/// What goes wrong with the next change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// F1: the process dies here. Every later call of that log fails.
    Crash(Boundary),
    /// F2: the bytes were written, the sync returns an I/O error.
    SyncError,
}

/// What goes wrong, set by a test, looked at by the log at each change.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    next: Option<Fault>,
    skip: u64,
    full: bool,
}

impl Faults {
    /// The next change meets `fault`, once.
    pub fn arm(&self, fault: Fault) {
        self.arm_after(0, fault);
    }

    /// The change after `skip` good ones meets `fault`, once.
    pub fn arm_after(&self, skip: u64, fault: Fault) {
        let mut plan = locked(&self.0);
        plan.next = Some(fault);
        plan.skip = skip;
    }

    /// F3: while full, every change is refused and nothing is written.
    pub fn set_full(&self, full: bool) {
        locked(&self.0).full = full;
    }

    fn take(&self) -> Result<Option<Fault>, Error> {
        let mut plan = locked(&self.0);
        if plan.full {
            return Err(Error::Full);
        }
        if plan.skip > 0 {
            plan.skip -= 1;
            return Ok(None);
        }
        Ok(plan.next.take())
    }
}

/// What the disk holds at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    /// The batches, one after the other.
    pub(super) log: Vec<u8>,
    /// Everything else, each replaced as a whole.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// One change: all of it happens or nothing, but for a torn `append`.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) append: Vec<u8>,
    pub(super) replace_log: Option<Vec<u8>>,
    pub(super) files: Vec<(String, Option<Vec<u8>>)>,
}

impl Change {
    /// One file beside the log.
    pub(super) fn file(name: &str, bytes: Option<Vec<u8>>) -> Change {
        Change {
            files: vec![(name.to_owned(), bytes)],
            ..Change::default()
        }
    }

    fn apply(&self, image: &mut Image) {
        if let Some(log) = &self.replace_log {
            image.log.clone_from(log);
        }
        image.log.extend_from_slice(&self.append);
        for (name, bytes) in &self.files {
            match bytes {
                Some(bytes) => image.files.insert(name.clone(), bytes.clone()),
                None => image.files.remove(name),
            };
        }
    }
}

#[derive(Debug, Default)]
struct Platter {
    /// What a power cut leaves.
    durable: Image,
    /// What a killed process leaves: also what was not synced.
    written: Image,
    /// Grows with each change of the log itself: how a log on this disk sees that another one wrote.
    generation: u64,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// F5: what was not synced is gone, except the first `keep` bytes of what was being appended to the log.
    pub fn cut_power(&self, keep: usize) {
        let mut platter = locked(&self.0);
        let mut image = platter.durable.clone();
        if let Some(tail) = platter.written.log.get(image.log.len()..) {
            image.log.extend_from_slice(&tail[..keep.min(tail.len())]);
        }
        platter.durable = image.clone();
        platter.written = image;
    }

    /// F4: turns one bit of the log around.
    pub fn flip(&self, byte: usize, bit: u8) {
        let mut platter = locked(&self.0);
        let Platter {
            durable, written, ..
        } = &mut *platter;
        for image in [durable, written] {
            if let Some(byte) = image.log.get_mut(byte) {
                *byte ^= 1 << (bit & 7);
            }
        }
    }

    /// F4: cuts the log off after `len` bytes.
    pub fn truncate(&self, len: usize) {
        let mut platter = locked(&self.0);
        platter.durable.log.truncate(len);
        platter.written.log.truncate(len);
    }

    /// F4: turns one bit of a file beside the log around; `false` where there is no such file.
    pub fn flip_file(&self, name: &str, byte: usize, bit: u8) -> bool {
        let mut platter = locked(&self.0);
        let Platter {
            durable, written, ..
        } = &mut *platter;
        let mut found = false;
        for image in [durable, written] {
            if let Some(byte) = image
                .files
                .get_mut(name)
                .and_then(|bytes| bytes.get_mut(byte))
            {
                *byte ^= 1 << (bit & 7);
                found = true;
            }
        }
        found
    }

    /// Length of the log in bytes.
    pub fn len(&self) -> usize {
        locked(&self.0).written.log.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn look<T>(&self, at: impl FnOnce(&Image) -> T) -> T {
        at(&locked(&self.0).written)
    }

    /// What is there, and of which generation it is.
    pub(super) fn look_at<T>(&self, at: impl FnOnce(&Image) -> T) -> (T, u64) {
        let platter = locked(&self.0);
        (at(&platter.written), platter.generation)
    }

    pub(super) fn generation(&self) -> u64 {
        locked(&self.0).generation
    }

    /// Drops what follows the last whole batch and makes what was found durable: what a log believes in after it was
    /// opened must not vanish later.
    pub(super) fn settle(&self, len: usize) {
        let mut platter = locked(&self.0);
        platter.written.log.truncate(len);
        platter.durable = platter.written.clone();
    }

    /// Written after the sync, and therefore never ahead of the log.
    pub(super) fn write_mark(&self, bytes: Vec<u8>) {
        let mut platter = locked(&self.0);
        platter
            .durable
            .files
            .insert(super::MARK.to_owned(), bytes.clone());
        platter.written.files.insert(super::MARK.to_owned(), bytes);
    }

    /// Writes and syncs the change that `make` wants in view of what is there; nothing comes between the two. Returns
    /// the generation after it. `Err(Fatal)` means that nobody knows what of it is there.
    pub(super) fn commit(
        &self,
        faults: &Faults,
        make: impl FnOnce(&Image) -> Result<Option<Change>, Error>,
    ) -> Result<u64, Error> {
        let mut platter = locked(&self.0);
        let Some(change) = make(&platter.written)? else {
            return Ok(platter.generation);
        };
        let fault = faults.take()?;
        if change.replace_log.is_some() || !change.append.is_empty() {
            platter.generation += 1;
        }
        let crashed = |text: &str| Err(Error::Fatal(text.to_owned()));
        match fault {
            Some(Fault::Crash(Boundary::BeforeWrite)) => return crashed("killed before the write"),
            Some(Fault::Crash(Boundary::TornWrite(n))) => {
                let part = &change.append[..n.min(change.append.len())];
                if change.replace_log.is_none() {
                    platter.written.log.extend_from_slice(part);
                }
                return crashed("killed within the write");
            }
            Some(Fault::Crash(Boundary::BeforeSync)) => {
                change.apply(&mut platter.written);
                return crashed("killed before the sync");
            }
            Some(Fault::SyncError) => {
                change.apply(&mut platter.written);
                return crashed("fsync: Input/output error");
            }
            Some(Fault::Crash(Boundary::BeforeAcknowledge)) | None => {
                change.apply(&mut platter.written);
                change.apply(&mut platter.durable);
            }
        }
        match fault {
            Some(_) => crashed("killed before the answer"),
            None => Ok(platter.generation),
        }
    }
}

/// A panicking test must not hide behind a poisoned lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
