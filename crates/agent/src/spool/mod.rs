//! What the server has not confirmed yet, on disk, in order, within a bound.
//!
//! Append-only files; a torn tail is dropped, whole files are deleted once they are confirmed. When the bound is reached
//! the oldest files go and a [`Gap`] remembers how much that was. Cursors never go back and are never given twice, not
//! even after a power cut. Samples never enter, and nothing here knows what a frame says.
//!
//! Bounds: `Options::bound` bytes on disk; no frame is kept in memory.

mod gap;
mod read;
mod segment;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_ports::disk::{self, Disk, File};

use crate::record;
use segment::{Found, Segment};

pub use gap::Gap;
pub use read::{Position, Read};

/// After an unclean end of the machine itself, cursors jump by this: more than can have been sent and not yet synced.
const JUMP: u64 = 1 << 20;
/// A confirmed file is kept for more frames until it is this large.
const SMALL: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct Error {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk-full",
            _ => "spool-io",
        }
    }
}

fn wrap<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error {
        what,
        path: path.to_owned(),
        source,
    }
}

/// How large it may grow.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes on disk.
    pub bound: u64,
    /// Bytes of one file.
    pub segment: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bound: 64 * 1024 * 1024,
            segment: 4 * 1024 * 1024,
        }
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// A half-written frame at the end was dropped.
    pub torn: bool,
    /// Something in the middle could not be read; a gap tells how much.
    pub damaged: bool,
    /// The machine ended unexpectedly since.
    pub power_cut: bool,
}

/// Files to sync, outside of any lock.
#[derive(Debug)]
pub struct Dirty {
    disk: Arc<dyn Disk>,
    files: Vec<Arc<dyn File>>,
    dir: Option<PathBuf>,
    upto: u64,
}

impl Dirty {
    /// Blocks until everything up to the returned cursor is on disk.
    pub fn sync(self) -> io::Result<u64> {
        for file in &self.files {
            file.sync()?;
        }
        if let Some(dir) = &self.dir {
            self.disk.sync_dir(dir)?;
        }
        Ok(self.upto)
    }

    /// The same, without holding up the thread.
    pub async fn sync_aside(self) -> io::Result<u64> {
        let disk = Arc::clone(&self.disk);
        disk::aside(&*disk, || self.sync()).await?
    }
}

#[derive(Debug)]
pub struct Spool {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: Options,
    id: [u8; 16],
    /// Oldest first; the last one is appended to. Empty only while no file can be made.
    segments: VecDeque<Segment>,
    /// Cursor of the next frame.
    next: u64,
    acked: u64,
    synced: u64,
    gap: Option<Gap>,
    dirty: Vec<Arc<dyn File>>,
    dir_dirty: bool,
    sealed: bool,
    buffer: Vec<u8>,
}

impl Spool {
    /// Opens what is in `dir`, or begins anew with `fresh_id`. `boot` identifies this run of the machine's kernel.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        boot: &str,
        fresh_id: [u8; 16],
    ) -> Result<(Spool, Opened), Error> {
        disk.create_dir(dir).map_err(wrap("create", dir))?;
        let mut opened = Opened::default();
        let mut segments = VecDeque::new();
        let mut holes = Vec::new();
        let paths = listed(&*disk, dir)?;
        for (n, path) in paths.iter().enumerate() {
            let newest = n + 1 == paths.len();
            match Segment::open(&*disk, path).map_err(wrap("read", path))? {
                Found::Whole(segment) => segments.push_back(segment),
                Found::Torn(segment) => {
                    opened.torn |= newest;
                    opened.damaged |= !newest;
                    if !newest {
                        holes.push(segment.last + 1);
                    }
                    segments.push_back(segment);
                }
                Found::Nothing => {
                    opened.torn |= newest;
                    opened.damaged |= !newest;
                    if !newest {
                        holes.extend(named(path));
                    }
                    disk.remove(path).map_err(wrap("remove", path))?;
                }
            }
        }
        let id = segments.back().map_or(fresh_id, |s: &Segment| s.id);
        segments.retain(|s| s.id == id);
        let next = segments.back().map_or(1, |s| s.last + 1);
        let (acked, synced) = (0, next - 1);
        let mut spool = Spool {
            disk,
            dir: dir.to_owned(),
            options,
            id,
            segments,
            next,
            acked,
            synced,
            gap: None,
            dirty: Vec::new(),
            dir_dirty: false,
            sealed: false,
            buffer: Vec::new(),
        };
        spool.gap = spool.saved_gap();
        for from in holes {
            let to = spool
                .segments
                .iter()
                .map(|s| s.first)
                .find(|first| *first > from)
                .map_or(from, |f| f - 1);
            spool.lost(Gap {
                from,
                to: to.max(from),
                dropped: (to + 1).saturating_sub(from).max(1),
            });
        }
        opened.power_cut = spool.note_boot(boot)?;
        if opened.power_cut {
            spool.next += JUMP;
        }
        if opened.power_cut {
            // On disk before anything is given: the next power cut must jump from here, not from where this one did.
            spool
                .roll()
                .and_then(|()| spool.take_dirty().sync().map(drop))
                .map_err(wrap("create a file in", dir))?;
        } else if spool.segments.is_empty() {
            spool.roll().map_err(wrap("create a file in", dir))?;
        } else if let Err(error) = spool.secure_newest() {
            tracing::warn!(%error, "the newest file of the spool takes nothing more");
            spool.sealed = true;
        }
        Ok((spool, opened))
    }

    /// What is appended must not stand behind bytes that a power cut takes away.
    fn secure_newest(&mut self) -> io::Result<()> {
        if let Some(newest) = self.segments.back_mut() {
            newest.secure(&*self.disk)?;
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Whether the machine ended since the spool was last open without having been closed.
    fn note_boot(&self, boot: &str) -> Result<bool, Error> {
        let path = self.dir.join("boot");
        let before = self.disk.read(&path).unwrap_or_default();
        let before = before.trim_ascii();
        if before != boot.as_bytes() {
            // A power cut must never leave it empty: that says that the end was in order.
            disk::replace(&*self.disk, &path, boot.as_bytes()).map_err(wrap("write", &path))?;
        }
        Ok(!before.is_empty() && before != boot.as_bytes())
    }

    /// Syncs everything and says so: nothing is missing after a reboot.
    pub fn close(&mut self) -> io::Result<()> {
        self.take_dirty().sync()?;
        match self.disk.remove(&self.dir.join("boot")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub fn id(&self) -> String {
        self.id.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Cursor of the oldest frame it can still give; one beyond the newest if there is none.
    pub fn first(&self) -> u64 {
        let first = self
            .segments
            .iter()
            .find(|s| s.last > self.acked)
            .map_or(self.next, |s| s.first);
        first.max(self.acked + 1).min(self.next)
    }

    /// Cursor of the newest frame; 0 before the first.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Everything up to here is known to be on disk.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|s| s.len).sum()
    }

    /// Appends the frame that `payload` makes of its cursor. On an error the frame is lost and a gap remembers it.
    pub fn append(&mut self, payload: impl FnOnce(u64) -> Vec<u8>) -> Result<u64, Error> {
        let cursor = self.next;
        self.next += 1;
        let payload = payload(cursor);
        self.put(cursor, &payload).map_err(|source| {
            self.lost(Gap {
                from: cursor,
                to: cursor,
                dropped: 1,
            });
            Error {
                what: "append to",
                path: self.dir.clone(),
                source,
            }
        })?;
        Ok(cursor)
    }

    /// Gives away a cursor without keeping a frame for it.
    pub fn reserve(&mut self) -> u64 {
        let cursor = self.next;
        self.next += 1;
        // If it cannot be noted, a later append fails just so and leaves a gap there.
        let _ = self.put(cursor, &[]);
        cursor
    }

    fn put(&mut self, cursor: u64, payload: &[u8]) -> io::Result<()> {
        if payload.len() > record::MOST {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the frame is too large",
            ));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        record::encode(cursor, payload, &mut buffer);
        let result = self.put_bytes(cursor, &buffer);
        buffer.shrink_to(SMALL as usize);
        self.buffer = buffer;
        result
    }

    fn put_bytes(&mut self, cursor: u64, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        let full = |s: &Segment| s.len > segment::HEADER && s.len + size > self.options.segment;
        if self.sealed || self.segments.back().is_none_or(full) {
            self.roll_at(cursor)?;
        }
        while self.segments.len() > 1 && self.size() + size > self.options.bound {
            self.drop_oldest();
        }
        let Some(active) = self.segments.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let before = active.len;
        if let Err(error) = active.append(bytes, cursor) {
            self.sealed = active.file.set_size(before).is_err();
            return Err(error);
        }
        let file = Arc::clone(&active.file);
        if !self.dirty.iter().any(|f| Arc::ptr_eq(f, &file)) {
            self.dirty.push(file);
        }
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        self.roll_at(self.next)
    }

    fn roll_at(&mut self, first: u64) -> io::Result<()> {
        // A file without a frame makes room for its successor, which may have the same name.
        if self.segments.back().is_some_and(|s| s.last < s.first)
            && let Some(empty) = self.segments.pop_back()
        {
            self.remove(&empty);
        }
        let segment = Segment::create(&*self.disk, &self.dir, self.id, first)?;
        self.dirty.push(Arc::clone(&segment.file));
        self.dir_dirty = true;
        self.sealed = false;
        self.segments.push_back(segment);
        Ok(())
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.segments.pop_front() else {
            return;
        };
        let dropped = oldest
            .unacked(self.acked)
            .unwrap_or(oldest.last + 1 - oldest.first);
        self.remove(&oldest);
        if dropped > 0 {
            let from = oldest.first.max(self.acked + 1);
            self.lost(Gap {
                from,
                to: oldest.last,
                dropped,
            });
        }
    }

    fn remove(&mut self, segment: &Segment) {
        self.dirty.retain(|f| !Arc::ptr_eq(f, &segment.file));
        let _ = self.disk.remove(&segment.path);
    }

    /// The server keeps everything up to `cursor`; it may go.
    pub fn ack(&mut self, cursor: u64) {
        self.acked = self.acked.max(cursor.min(self.last()));
        if self.gap.is_some_and(|gap| gap.to <= self.acked) {
            self.gap = None;
            self.save_gap();
        }
        let whole = |s: &Segment| s.last <= self.acked && s.len > SMALL;
        if self.segments.len() == 1 && self.segments.front().is_some_and(whole) {
            // The new file carries the next cursor. Should a power cut lose both, a new spool ID says so.
            if self.roll().is_err() {
                return;
            }
        }
        while self.segments.len() > 1 && self.segments.front().is_some_and(|s| s.last <= self.acked)
        {
            if let Some(segment) = self.segments.pop_front() {
                self.remove(&segment);
            }
        }
    }

    /// The server has seen cursors that this spool has not given yet (its directory was put back from a copy): go on
    /// behind them.
    pub fn skip_to(&mut self, cursor: u64) -> Result<(), Error> {
        if cursor < self.next {
            return Ok(());
        }
        self.next = cursor + 1;
        self.acked = self.acked.max(cursor);
        let dir = self.dir.clone();
        self.roll().map_err(wrap("create a file in", &dir))
    }

    /// What must be synced now.
    pub fn take_dirty(&mut self) -> Dirty {
        let dir = std::mem::take(&mut self.dir_dirty).then(|| self.dir.clone());
        Dirty {
            disk: Arc::clone(&self.disk),
            files: std::mem::take(&mut self.dirty),
            dir,
            upto: self.last(),
        }
    }

    /// A sync ended. After one that failed nobody knows what is on disk: that file takes nothing more.
    pub fn note_synced(&mut self, result: &io::Result<u64>) {
        match result {
            Ok(upto) => self.synced = self.synced.max(*upto),
            Err(_) => self.sealed = true,
        }
    }
}

/// The first cursor of a file, by its name.
fn named(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn listed(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = disk.list(dir).map_err(wrap("list", dir))?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "spool"));
    Ok(paths)
}
