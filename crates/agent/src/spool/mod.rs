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
mod sync;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_ports::disk::{self, Disk};

use crate::record;
use segment::{Found, Segment};
use sync::Kept;

pub use gap::Gap;
pub use read::{Position, Read};
pub use sync::{Dirty, Synced};

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
        let mut spool = Spool {
            disk,
            dir: dir.to_owned(),
            options,
            id,
            segments,
            next,
            acked: 0,
            synced: 0,
            gap: None,
            dir_dirty: false,
            sealed: false,
            buffer: Vec::new(),
        };
        spool.gap = spool.saved_gap();
        spool.tell_holes(holes);
        opened.power_cut = spool.note_boot(boot)?;
        if opened.power_cut {
            spool.next += JUMP;
            // What is read now was on disk.
            for segment in &mut spool.segments {
                segment.kept = Kept::Written;
            }
        }
        if opened.power_cut || spool.segments.is_empty() {
            spool.roll().map_err(wrap("create a file in", dir))?;
        }
        // Before anything is given: the next power cut must jump from here, not from where this one did, and what is
        // appended must not stand behind bytes that it takes away.
        let secured = spool.take(true).sync();
        match spool.note_synced(secured) {
            Err(error) if opened.power_cut => return Err(wrap("sync", dir)(error)),
            Err(error) => tracing::warn!(%error, "the spool could not be synced; tried again"),
            Ok(()) => {}
        }
        Ok((spool, opened))
    }

    /// Frames that are missing behind `holes` and between files: a gap says how many, unless one does already. What a power
    /// cut took before it was synced leaves no trace but the jump.
    fn tell_holes(&mut self, mut holes: Vec<u64>) {
        let pairs = self.segments.iter().zip(self.segments.iter().skip(1));
        let between = pairs.map(|(a, b)| (a.last + 1, b.first));
        let missing = between.filter(|(from, next)| from < next && next - from < JUMP);
        holes.extend(missing.map(|(from, _)| from));
        holes.sort_unstable();
        holes.dedup();
        for from in holes {
            let next = self.segments.iter().map(|s| s.first).find(|f| *f > from);
            let to = next.map_or(from, |f| f - 1);
            let told = |gap: Gap| gap.from <= from && to <= gap.to;
            if !self.gap.is_some_and(told) {
                let missing = to + 1 - from;
                // Behind a jump nobody knows how many there were.
                let dropped = if missing < JUMP { missing } else { 1 };
                self.lost(Gap { from, to, dropped });
            }
        }
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
        let synced = self.take_dirty().sync();
        self.note_synced(synced)?;
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
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        self.roll_at(self.next)
    }

    fn roll_at(&mut self, first: u64) -> io::Result<()> {
        // A file without a frame makes room for its successor, which may have the same name.
        if self.segments.back().is_some_and(Segment::is_empty)
            && let Some(empty) = self.segments.pop_back()
        {
            self.remove(&empty);
        }
        let segment = Segment::create(&*self.disk, &self.dir, self.id, first)?;
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
