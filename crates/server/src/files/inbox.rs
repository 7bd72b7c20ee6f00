//! Events that others leave as files: `inbox/*.json`, `inbox/*.jsonl`, and any file beside Stead's own in
//! `events/YYYY-MM-DD/`.
//!
//! A file is read once it has stopped changing. What is in it is recorded once, by its content. Inbox files then go to
//! `inbox/done`, or to `inbox/refused` with a `.why` beside them; files in `events/` stay where their writer has them,
//! and are followed as they grow.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use stead_core::time::{Span, Time};
use stead_engine::Handle;

use super::Error;
use super::journal::is_own;
use super::lines;
use super::offsets::{Offset, Offsets};
use super::record::record;
use super::tree::{self, READ_MAX, Tree, Unreadable};
use super::why::{Fault, explain_all, too_long, unread};

/// A file that ends in the middle of an event may still be written to for so long.
const TORN: Span = Span::secs(30);
/// One JSON value is written at once by nearly everybody; after so long it is not on its way any more.
const CUT_SHORT: Span = Span::secs(3);
/// Files of the inbox looked at in one round; the rest waits for the next.
const FILES: usize = 500;
/// Days whose folders are looked into every round; older ones now and then.
const DAYS: usize = 3;
/// Rounds between looks into every day's folder, and between clearing out.
const SELDOM: u64 = 60;
/// What was recorded is kept in `inbox/done` so long.
const DONE_KEPT: Span = Span::days(7);

/// What was seen of a file in the round before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(seen: &Metadata) -> Stamp {
        Stamp {
            inode: seen.ino(),
            len: seen.len(),
            changed: (seen.mtime(), seen.mtime_nsec()),
        }
    }
}

pub struct Inbox {
    tree: Tree,
    offsets: Option<Offsets>,
    /// By path: to see whether a file still changes. Holds only files that are there.
    seen: BTreeMap<String, Stamp>,
    rounds: u64,
}

impl Inbox {
    pub fn new(tree: Tree) -> Inbox {
        Inbox {
            tree,
            offsets: None,
            seen: BTreeMap::new(),
            rounds: 0,
        }
    }

    /// Looks at everything others wrote. One bad file does not keep the others from being read.
    pub async fn look(&mut self, handle: &Handle) -> Result<(), Error> {
        let mut stamps = BTreeMap::new();
        let mut first = Ok(());
        for name in self
            .tree
            .names("inbox")?
            .into_iter()
            .filter(|n| is_events(n))
            .take(FILES)
        {
            let done = self.inbox_file(handle, &name, &mut stamps).await;
            first = first.and(done);
        }
        let days = self.days()?;
        for path in days {
            let done = self.day_file(handle, &path, &mut stamps).await;
            first = first.and(done);
        }
        self.seen = stamps;
        if self.rounds.is_multiple_of(SELDOM) {
            self.clear_out(handle.now().at)?;
        }
        self.rounds += 1;
        let kept = self.offsets.as_mut().map_or(Ok(()), |o| o.keep(&self.tree));
        first.and(kept)
    }

    /// Files of others in the days' folders.
    fn days(&mut self) -> Result<Vec<String>, Error> {
        let mut days: Vec<String> = self
            .tree
            .names("events")?
            .into_iter()
            .filter(|d| is_day(d))
            .collect();
        if self.rounds.is_multiple_of(SELDOM) {
            self.offsets()
                .retain(|path| days.iter().any(|d| path.starts_with(d.as_str())));
        } else {
            days.drain(..days.len().saturating_sub(DAYS));
        }
        let mut files = Vec::new();
        for day in days {
            // A link to a folder elsewhere is no folder of ours.
            let is_dir = self
                .tree
                .path("events")
                .join(&day)
                .symlink_metadata()
                .is_ok_and(|s| s.is_dir());
            if is_dir {
                let names = self.tree.names(format!("events/{day}"))?;
                let others = names.into_iter().filter(|n| is_events(n) && !is_own(n));
                files.extend(others.map(|n| format!("{day}/{n}")));
            }
        }
        Ok(files)
    }

    fn offsets(&mut self) -> &mut Offsets {
        let tree = &self.tree;
        self.offsets.get_or_insert_with(|| Offsets::open(tree))
    }

    /// Whether a file looks as it did a round ago; notes how it looks now.
    fn rests(&self, path: &str, stamp: Stamp, stamps: &mut BTreeMap<String, Stamp>) -> bool {
        let rests = self.seen.get(path) == Some(&stamp);
        stamps.insert(path.to_string(), stamp);
        rests
    }

    async fn inbox_file(
        &self,
        handle: &Handle,
        name: &str,
        stamps: &mut BTreeMap<String, Stamp>,
    ) -> Result<(), Error> {
        let relative = format!("inbox/{name}");
        let path = self.tree.path(&relative);
        let Ok(seen) = fs::symlink_metadata(&path) else {
            return Ok(());
        };
        if seen.is_file()
            && seen.len() <= READ_MAX
            && !self.rests(&relative, Stamp::of(&seen), stamps)
        {
            return Ok(());
        }
        let bytes = match tree::read(&path) {
            Ok(bytes) => bytes,
            Err(Unreadable::Gone) => return Ok(()),
            Err(why) => return self.refuse(&relative, name, &[unread(&why)], None),
        };
        // It went on being written while it was read.
        if fs::symlink_metadata(&path).map(|now| Stamp::of(&now)).ok() != Some(Stamp::of(&seen)) {
            return Ok(());
        }
        let lined = name.ends_with(".jsonl");
        let found = if lined {
            lines::each(&bytes, 1)
        } else {
            lines::whole(&bytes)
        };
        let now = handle.now().at;
        let torn = found.is_empty()
            || found
                .last()
                .is_some_and(|l| l.value.as_ref().is_err_and(|b| b.torn));
        let patience = if lined || bytes.is_empty() {
            TORN
        } else {
            CUT_SHORT
        };
        if torn && age(&seen, now) < patience {
            return Ok(());
        }
        let outcome = record(handle, found, now).await;
        if outcome.again {
            return Ok(());
        }
        let faults = outcome.faults;
        if faults.is_empty() && outcome.good > 0 {
            return self.tree.move_into(&path, "inbox/done", name).map(drop);
        }
        if faults.is_empty() {
            let fault = Fault {
                place: "the whole file".into(),
                why: "there is no event in it".into(),
                remedy: "write one JSON object, or one a line in a .jsonl file".into(),
            };
            return self.refuse(&relative, name, &[fault], None);
        }
        self.refuse(
            &relative,
            name,
            &faults,
            (outcome.good > 0).then_some(outcome.good),
        )
    }

    /// Moves a file to where refused ones are, and says why.
    fn refuse(
        &self,
        relative: &str,
        name: &str,
        faults: &[Fault],
        recorded: Option<usize>,
    ) -> Result<(), Error> {
        let moved = self
            .tree
            .move_into(&self.tree.path(relative), "inbox/refused", name)?;
        self.tree.write(
            format!("inbox/refused/{moved}.why"),
            explain_all(relative, faults, recorded).as_bytes(),
        )
    }

    async fn day_file(
        &mut self,
        handle: &Handle,
        file: &str,
        stamps: &mut BTreeMap<String, Stamp>,
    ) -> Result<(), Error> {
        let relative = format!("events/{file}");
        let Ok(seen) = fs::symlink_metadata(self.tree.path(&relative)) else {
            return Ok(());
        };
        if !seen.is_file() {
            return Ok(());
        }
        let rests = self.rests(&relative, Stamp::of(&seen), stamps);
        let at = self.offsets().of(file, seen.ino(), seen.len());
        if at.bytes == seen.len() && at.bytes > 0 {
            return Ok(());
        }
        if file.ends_with(".jsonl") {
            return self.grown(handle, file, &seen, at, rests).await;
        }
        let name = file.replace('/', ".");
        if !rests {
            return Ok(());
        }
        let bytes = match tree::read(&self.tree.path(&relative)) {
            Ok(bytes) => bytes,
            Err(Unreadable::Gone) => return Ok(()),
            Err(why) => return self.refuse(&relative, &name, &[unread(&why)], None),
        };
        let found = lines::whole(&bytes);
        let now = handle.now().at;
        if found
            .iter()
            .any(|l| l.value.as_ref().is_err_and(|b| b.torn))
            && age(&seen, now) < TORN
        {
            return Ok(());
        }
        let outcome = record(handle, found, now).await;
        if outcome.again {
            return Ok(());
        }
        if !outcome.faults.is_empty() {
            let faults = outcome.faults;
            return self.refuse(
                &relative,
                &name,
                &faults,
                (outcome.good > 0).then_some(outcome.good),
            );
        }
        self.offsets().set(
            file,
            Offset {
                inode: seen.ino(),
                bytes: seen.len(),
                ..Offset::default()
            },
        );
        Ok(())
    }

    /// Reads on in a file of lines, up to a bound a round. It stays where it is, so its faults are only named.
    async fn grown(
        &mut self,
        handle: &Handle,
        file: &str,
        seen: &Metadata,
        mut at: Offset,
        rests: bool,
    ) -> Result<(), Error> {
        let path = self.tree.path(format!("events/{file}"));
        let chunk = match chunk(&path, at.bytes) {
            Ok(chunk) => chunk,
            Err(_) => return Ok(()),
        };
        let now = handle.now().at;
        let mut faults = Vec::new();
        let at_end = at.bytes + chunk.len() as u64 >= seen.len();
        let mut part = lines::whole_lines(&chunk);
        if part.is_empty() && chunk.len() as u64 == READ_MAX {
            faults.push(too_long(at.lines + 1));
            at.skipping = true;
            at.bytes += chunk.len() as u64;
            self.offsets().set(file, at);
            return self.name_faults(file, &faults);
        }
        // A last line without its end counts once nobody has added to it for a while.
        if at_end && part.len() < chunk.len() && rests && age(seen, now) >= TORN {
            part = &chunk;
        }
        let skipped = match (at.skipping, part.iter().position(|b| *b == b'\n')) {
            (true, Some(end)) => end + 1,
            (true, None) => return Ok(()),
            (false, _) => 0,
        };
        at.lines += usize::from(at.skipping);
        let outcome = record(handle, lines::each(&part[skipped..], at.lines + 1), now).await;
        if outcome.again {
            return Ok(());
        }
        faults.extend(outcome.faults);
        at.skipping = false;
        at.lines += part[skipped..].iter().filter(|b| **b == b'\n').count();
        at.bytes += part.len() as u64;
        self.offsets().set(file, at);
        self.name_faults(file, &faults)
    }

    fn name_faults(&self, file: &str, faults: &[Fault]) -> Result<(), Error> {
        if faults.is_empty() {
            return Ok(());
        }
        let why = explain_all(&format!("events/{file}"), faults, None);
        self.tree.write(
            format!("inbox/refused/{}.why", file.replace('/', ".")),
            why.as_bytes(),
        )
    }

    /// Removes what was recorded long ago: the log has it.
    fn clear_out(&self, now: Time) -> Result<(), Error> {
        for name in self.tree.names("inbox/done")? {
            let relative = format!("inbox/done/{name}");
            // When it came here; its own age says nothing about that.
            let moved = fs::symlink_metadata(self.tree.path(&relative))
                .map(|s| Time(s.ctime().saturating_mul(1000)));
            if moved.is_ok_and(|at| now.since(at) >= DONE_KEPT) {
                self.tree.remove(relative)?;
            }
        }
        Ok(())
    }
}

fn chunk(path: &std::path::Path, from: u64) -> Result<Vec<u8>, Unreadable> {
    let (mut file, _) = tree::open(path)?;
    file.seek(SeekFrom::Start(from)).map_err(Unreadable::Io)?;
    let mut bytes = Vec::new();
    file.take(READ_MAX)
        .read_to_end(&mut bytes)
        .map_err(Unreadable::Io)?;
    Ok(bytes)
}

fn is_events(name: &str) -> bool {
    name.ends_with(".json") || name.ends_with(".jsonl")
}

/// `YYYY-MM-DD`
fn is_day(name: &str) -> bool {
    let shape = |(i, b): (usize, u8)| {
        if i == 4 || i == 7 {
            b == b'-'
        } else {
            b.is_ascii_digit()
        }
    };
    name.len() == 10 && name.bytes().enumerate().all(shape)
}

/// Since it was last written to.
fn age(seen: &Metadata, now: Time) -> Span {
    now.since(Time(seen.mtime().saturating_mul(1000)))
}
