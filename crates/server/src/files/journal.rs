//! `events/YYYY-MM-DD/stead.jsonl`: every event of the log once, on the day it happened.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use stead_core::event::Event;
use stead_core::ids::{Seq, digest};
use stead_engine::Handle;
use stead_ports::log::Head;

use super::state::Touched;
use super::tree::{self, Tree};
use super::{Error, blocking};
use crate::present;

/// Stead's own file of a day. Names that start with `stead.` are Stead's and never read as somebody else's.
const OWN: &str = "stead.jsonl";
/// Events appended at a time.
const PAGE: usize = 1000;
/// Before the checkpoint, what a power cut may have taken: the files are not synced.
const OVERLAP: u64 = 10_000;
/// How much of a day's file is searched for events that are in it already.
const TAIL: u64 = 32 << 20;

/// Whether a name in a day's folder is Stead's own.
pub fn is_own(name: &str) -> bool {
    name.starts_with("stead.")
}

/// How far the files go.
#[derive(Debug)]
pub struct Journal {
    /// Last event in the files.
    pub told: Seq,
    /// Of that event.
    pub digest: String,
    /// Where telling began; what the log has up to here may be in the files already.
    overlap: Seq,
    /// Days looked at since the start → what is in their files already.
    known: BTreeMap<String, HashSet<u64>>,
    /// What happened since somebody asked.
    touched: Touched,
}

impl Journal {
    /// Goes on after `from`; `None`: nobody knows how far the files go.
    pub fn open(tree: &Tree, head: &Head, from: Option<(Seq, String)>) -> Result<Journal, Error> {
        let told = match &from {
            Some((seq, _)) => Seq(seq.0.saturating_sub(OVERLAP)),
            None => Seq::ZERO,
        };
        let digest = from.map(|(_, digest)| digest).unwrap_or_default();
        put_aside(tree, &head.log_id)?;
        Ok(Journal {
            told,
            digest,
            overlap: head.seq,
            known: BTreeMap::new(),
            touched: Touched {
                all: true,
                ..Touched::default()
            },
        })
    }

    /// The nodes something happened to since this was asked last.
    pub fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// Whether something happened to an action since this was asked last.
    pub fn take_actions(&mut self) -> bool {
        std::mem::take(&mut self.touched.actions)
    }

    /// They are still to be looked at.
    pub fn put_back(&mut self, touched: Touched) {
        self.touched.all |= touched.all;
        self.touched.nodes.extend(touched.nodes);
    }

    /// Appends everything the log has beyond.
    pub async fn follow(mut self, handle: &Handle, tree: &Tree) -> (Journal, Result<(), Error>) {
        loop {
            let records = match handle.log().read(self.told, PAGE).await {
                Ok(records) => records,
                Err(error) => return (self, Err(error.into())),
            };
            let more = records.len() == PAGE;
            if records.is_empty() {
                return (self, Ok(()));
            }
            let events: Result<Vec<Event>, _> =
                records.into_iter().map(stead_engine::decode).collect();
            let events = match events {
                Ok(events) => events,
                Err(error) => return (self, Err(error.into())),
            };
            let tree = tree.clone();
            let before = (self.told, self.digest.clone(), self.overlap);
            let appended = blocking(move || {
                let done = self.append(&tree, &events);
                Ok((self, done))
            })
            .await;
            match appended {
                Ok((journal, Ok(()))) if more => self = journal,
                Ok((journal, done)) => return (journal, done),
                Err(error) => {
                    let (told, digest, overlap) = before;
                    return (
                        Journal {
                            told,
                            digest,
                            overlap,
                            known: BTreeMap::new(),
                            touched: Touched {
                                all: true,
                                ..Touched::default()
                            },
                        },
                        Err(error),
                    );
                }
            }
        }
    }

    fn append(&mut self, tree: &Tree, events: &[Event]) -> Result<(), Error> {
        let mut days: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for event in events {
            self.touched.note(event);
            let day = event.at.day();
            if event.seq <= self.overlap && self.is_known(tree, &day, event.seq)? {
                continue;
            }
            let text = days.entry(day).or_default();
            serde_json::to_writer(&mut *text, &present::event(event)).unwrap_or_default();
            text.push(b'\n');
        }
        for (day, text) in days {
            let path = own_file(tree, &day);
            append(&path, &text).map_err(|source| Error::Io { path, source })?;
        }
        if let Some(last) = events.last() {
            self.told = last.seq;
            self.digest = digest(format!("{} {}", last.id, last.body.data()).as_bytes());
        }
        if self.told >= self.overlap {
            self.known.clear();
        }
        Ok(())
    }

    fn is_known(&mut self, tree: &Tree, day: &str, seq: Seq) -> Result<bool, Error> {
        if !self.known.contains_key(day) {
            let path = own_file(tree, day);
            let known = in_file(&path).map_err(|source| Error::Io { path, source })?;
            self.known.insert(day.to_string(), known);
        }
        Ok(self
            .known
            .get(day)
            .is_some_and(|known| known.contains(&seq.0)))
    }
}

fn own_file(tree: &Tree, day: &str) -> PathBuf {
    tree.path("events").join(day).join(OWN)
}

/// Appends all of `text` or nothing of it.
fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    if fs::symlink_metadata(path).is_ok_and(|seen| !seen.is_file()) {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let before = file.metadata()?.len();
    let written = file.write_all(text);
    if written.is_err() {
        // Half a line would be there for ever.
        let _ = file.set_len(before);
    }
    written
}

/// The numbers in the last part of a file; a torn last line is cut off.
fn in_file(path: &Path) -> io::Result<HashSet<u64>> {
    let mut known = HashSet::new();
    let (file, seen) = match tree::open(path) {
        Ok(opened) => opened,
        Err(tree::Unreadable::Io(error)) => return Err(error),
        Err(_) => return Ok(known),
    };
    let mut file = cut_torn_line(path, file, seen.len())?;
    let from = seen.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    for line in BufReader::new(file.take(TAIL)).split(b'\n') {
        let line = line?;
        // Written by `append`: the number comes first.
        let number = line
            .strip_prefix(b"{\"seq\":")
            .and_then(|rest| rest.split(|b| *b == b',').next());
        let number = number
            .and_then(|n| std::str::from_utf8(n).ok())
            .and_then(|n| n.parse::<u64>().ok());
        known.extend(number);
    }
    Ok(known)
}

fn cut_torn_line(path: &Path, mut file: File, len: u64) -> io::Result<File> {
    let look = len.min(1 << 20);
    let mut end = vec![0; usize::try_from(look).unwrap_or(0)];
    file.seek(SeekFrom::Start(len - look))?;
    file.read_exact(&mut end)?;
    let whole = end
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at as u64 + 1);
    if whole != look {
        OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(len - look + whole)?;
    }
    Ok(file)
}

/// Files of another log (the data directory was begun anew) are kept under another name: their numbers are not ours.
fn put_aside(tree: &Tree, log_id: &str) -> Result<(), Error> {
    let owner = tree.path("state/events_of.json");
    let before = tree::read(&owner)
        .ok()
        .and_then(|b| serde_json::from_slice::<String>(&b).ok());
    if before.as_deref() == Some(log_id) {
        return Ok(());
    }
    if let Some(before) = before {
        let mark: String = before
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        for day in tree.names("events")? {
            let (own, aside) = (
                own_file(tree, &day),
                tree.path("events")
                    .join(&day)
                    .join(format!("stead.{mark}.jsonl")),
            );
            match fs::rename(&own, &aside) {
                Err(e)
                    if e.kind() != io::ErrorKind::NotFound
                        && e.kind() != io::ErrorKind::NotADirectory =>
                {
                    return Err(Error::Io {
                        path: own,
                        source: e,
                    });
                }
                _ => {}
            }
        }
    }
    tree.write(
        "state/events_of.json",
        serde_json::json!(log_id).to_string().as_bytes(),
    )
}
