//! A disk in memory that tells written from durable, and breaks on request. It outlives the process on it, so that a test
//! can kill that process, cut the power, flip a bit, and start another. No clock and no randomness of its own: whoever
//! tests says what happens, and the same script ends in the same bytes. It never leaves the thread.

mod platter;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Disk, File, Open, Work};
use platter::{Node, Platter};

/// Where in a change the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Nothing happened.
    Before,
    /// Of a write, this many bytes were written; any other change had happened.
    Within(usize),
    /// It had happened, for a sync on the platter as well; only the answer is missing.
    After,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// F1: the process is killed at its next change.
    Kill(Boundary),
    /// F2: the next sync returns an I/O error, and what it was about never gets to the platter.
    SyncError,
    /// The next write returns an I/O error after this many of its bytes.
    WriteError(usize),
}

/// What a power cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All that was not synced.
    Unsynced,
    /// Of the last write all but this many bytes, unless it was synced; nothing else.
    Torn(usize),
    /// Of what was not synced, some pages and some names, drawn from this seed.
    Pages(u64),
}

#[derive(Debug, Default)]
struct State {
    platter: Platter,
    fault: Option<Fault>,
    skip: u64,
    /// Bytes it still takes; absent: no end.
    room: Option<u64>,
    slow: Duration,
    /// Which process may use it: mounts of earlier ones are dead.
    life: u64,
    killed: bool,
    changes: u64,
}

/// The disk. Clones are the same disk. A process uses it through a [`Mount`].
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

impl MemoryDisk {
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// A panicking test must not hide behind a poisoned lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process starts: what there was of the one before is dead from now on.
    pub fn mount(&self) -> Arc<Mount> {
        let mut state = self.state();
        state.end_life();
        state.killed = false;
        Arc::new(Mount {
            disk: self.clone(),
            life: state.life,
        })
    }

    /// The next change that `fault` is about meets it, once.
    pub fn arm(&self, fault: Fault) {
        self.arm_after(0, fault);
    }

    /// The one after `skip` good ones meets it, once.
    pub fn arm_after(&self, skip: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.skip = skip;
    }

    /// No fault waits any more.
    pub fn disarm(&self) {
        self.state().fault = None;
    }

    /// F3: it takes `bytes` more; nothing: as many as come. What is removed makes room again.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// Work that goes aside takes this long, by tokio's clock.
    pub fn set_slow(&self, by: Duration) {
        self.state().slow = by;
    }

    /// F1: the process dies now. What it had written stays.
    pub fn kill(&self) {
        self.state().end_life();
    }

    /// F5: the power goes, and with it what `loss` says.
    pub fn cut_power(&self, loss: Loss) {
        let mut state = self.state();
        state.end_life();
        state.platter.cut_power(loss);
    }

    /// F4: turns one bit of a file around; whether there is such a one.
    pub fn flip(&self, path: &Path, byte: usize, bit: u8) -> bool {
        let mut state = self.state();
        let file = state.platter.file(path);
        file.is_ok_and(|file| state.platter.flip(file, byte, bit))
    }

    /// Whether a [`Fault::Kill`] struck since the last mount. From then on nothing of that process may be seen outside.
    pub fn was_killed(&self) -> bool {
        self.state().killed
    }

    /// Changes and syncs so far: where faults can strike.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// What a file holds now, for a look from outside.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let file = state.platter.file(path).ok()?;
        Some(state.platter.bytes(file).to_vec())
    }
}

fn killed() -> io::Error {
    io::Error::other("the process was killed")
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

/// What kind of change asks whether it meets a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Write,
    Sync,
    Other,
}

impl State {
    fn end_life(&mut self) {
        self.life += 1;
        self.platter.sweep();
    }

    fn die(&mut self) -> io::Error {
        self.end_life();
        self.killed = true;
        killed()
    }

    /// The fault this change meets. Killed before it, it does not happen.
    fn meet(&mut self, change: Change) -> io::Result<Option<Fault>> {
        self.changes += 1;
        let meant = match self.fault {
            None => false,
            Some(Fault::Kill(_)) => true,
            Some(Fault::SyncError) => change == Change::Sync,
            Some(Fault::WriteError(_)) => change == Change::Write,
        };
        if !meant {
            return Ok(None);
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(None);
        }
        match self.fault.take() {
            Some(Fault::Kill(Boundary::Before)) => Err(self.die()),
            met => Ok(met),
        }
    }

    /// After a change that happened.
    fn end<T>(&mut self, met: Option<Fault>, value: T) -> io::Result<T> {
        match met {
            Some(Fault::Kill(_)) => Err(self.die()),
            _ => Ok(value),
        }
    }

    fn change<T>(
        &mut self,
        change: Change,
        make: impl FnOnce(&mut Platter) -> io::Result<T>,
    ) -> io::Result<T> {
        let met = self.meet(change)?;
        let value = make(&mut self.platter)?;
        self.end(met, value)
    }

    fn sync(
        &mut self,
        make: impl FnOnce(&mut Platter) -> io::Result<()>,
        forget: impl FnOnce(&mut Platter),
    ) -> io::Result<()> {
        match self.meet(Change::Sync)? {
            Some(Fault::SyncError) => {
                forget(&mut self.platter);
                Err(io_error())
            }
            // Killed while the platter was at work: what was written is written, and not yet durable.
            Some(Fault::Kill(Boundary::Within(_))) => Err(self.die()),
            met => {
                make(&mut self.platter)?;
                self.end(met, ())
            }
        }
    }

    fn write(&mut self, file: u64, at: u64, bytes: &[u8]) -> io::Result<()> {
        let met = self.meet(Change::Write)?;
        let taken = match met {
            Some(Fault::Kill(Boundary::Within(n)) | Fault::WriteError(n)) => n.min(bytes.len()),
            _ => bytes.len(),
        };
        let size = self.platter.bytes(file).len() as u64;
        let fits = self
            .room
            .map_or(u64::MAX, |room| (size + room).saturating_sub(at));
        let fitting = usize::try_from(fits).unwrap_or(usize::MAX).min(taken);
        self.platter.write(file, at, &bytes[..fitting]);
        let grown = (self.platter.bytes(file).len() as u64).saturating_sub(size);
        self.room = self.room.map(|room| room.saturating_sub(grown));
        match met {
            Some(Fault::WriteError(_)) => Err(io_error()),
            Some(Fault::Kill(_)) => Err(self.die()),
            _ if fitting < taken => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn freed(&mut self, bytes: u64) {
        self.room = self.room.map(|room| room.saturating_add(bytes));
    }
}

/// The disk as one process has it, until that process ends.
#[derive(Debug)]
pub struct Mount {
    disk: MemoryDisk,
    life: u64,
}

impl Mount {
    /// Whether the process that uses it still lives.
    pub fn is_alive(&self) -> bool {
        self.disk.state().life == self.life
    }

    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life == self.life {
            Ok(state)
        } else {
            Err(killed())
        }
    }
}

#[async_trait]
impl Disk for Mount {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        if state.platter.has_dir(dir) {
            return Ok(());
        }
        state.change(Change::Other, |platter| platter.create_dir(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.state()?.platter.list(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.state()?;
        let there = match state.platter.node(path) {
            Some(Node::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(_)) if how == Open::New => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Some(Node::File(file)) => Some(file),
            None if how == Open::Existing => return Err(io::ErrorKind::NotFound.into()),
            None => None,
        };
        let file = match there {
            Some(file) => {
                let size = state.platter.bytes(file).len() as u64;
                if how == Open::Empty && size > 0 {
                    state.freed(size);
                    state.change(Change::Other, |platter| {
                        platter.set_size(file, 0);
                        Ok(())
                    })?;
                }
                file
            }
            None if state.room == Some(0) => return Err(io::ErrorKind::StorageFull.into()),
            None => state.change(Change::Other, |platter| platter.create(path))?,
        };
        Ok(Arc::new(Handle {
            disk: self.disk.clone(),
            life: self.life,
            file,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state()?;
        let file = state.platter.file(path)?;
        Ok(state.platter.bytes(file).to_vec())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let replaced = state.platter.file(to).ok();
        let size = replaced.map_or(0, |file| state.platter.bytes(file).len() as u64);
        state.change(Change::Other, |platter| platter.rename(from, to))?;
        state.freed(size);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        let file = state.platter.file(path)?;
        let size = state.platter.bytes(file).len() as u64;
        state.change(Change::Other, |platter| platter.remove(path))?;
        state.freed(size);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let sync = |platter: &mut Platter| platter.sync_dir(dir);
        self.state()?.sync(sync, |_| {})
    }

    /// On this thread. Who dies in it never hears of it, as the one who waits would be dead as well.
    async fn aside(&self, work: Work) -> io::Result<()> {
        let slow = self.disk.state().slow;
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        work();
        if !self.is_alive() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Handle {
    disk: MemoryDisk,
    life: u64,
    file: u64,
}

impl Handle {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life == self.life {
            Ok(state)
        } else {
            Err(killed())
        }
    }
}

impl File for Handle {
    fn size(&self) -> io::Result<u64> {
        Ok(self.state()?.platter.bytes(self.file).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state()?;
        let bytes = state.platter.bytes(self.file);
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        buffer[..got].copy_from_slice(&rest[..got]);
        Ok(got)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.state()?.write(self.file, at, bytes)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let before = state.platter.bytes(self.file).len() as u64;
        state.change(Change::Other, |platter| {
            platter.set_size(self.file, size);
            Ok(())
        })?;
        state.freed(before.saturating_sub(size));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let file = self.file;
        let sync = |platter: &mut Platter| {
            platter.sync(file);
            Ok(())
        };
        self.state()?.sync(sync, |platter| platter.forget(file))
    }
}
