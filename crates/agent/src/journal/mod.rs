//! What the agent was told to do and how it ended, on disk before the effect and after it.
//!
//! One append-only file, synced at each line; a torn last line is dropped. Nothing is ever begun whose intent is not on
//! disk. When the file has grown, what still matters is written to a new one that takes its place.

pub mod evidence;
pub mod ledger;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stead_ports::disk::{self, Disk, File, Open};

use crate::clock::Stamp;
use crate::record::{self, Parsed};
use ledger::{Entry, Ledger};

/// Bytes after which the file is written anew.
const COMPACT: u64 = 4 * 1024 * 1024;
const MAGIC: &[u8; 8] = b"STDJRN01";

#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {what} the journal {}: {why}", path.display())]
pub struct Error {
    what: &'static str,
    path: PathBuf,
    why: String,
    full: bool,
}

impl Error {
    fn new(what: &'static str, path: &Path, error: &io::Error) -> Error {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        Error {
            what,
            path: path.to_owned(),
            why: error.to_string(),
            full,
        }
    }

    pub fn code(&self) -> &'static str {
        if self.full {
            "disk-full"
        } else {
            "journal-failed"
        }
    }

    pub fn remedy(&self) -> &'static str {
        if self.full {
            "Free some space in the agent's data directory."
        } else {
            "Look at the disk (dmesg), mend it, then restart the agent."
        }
    }
}

/// The journal of one agent.
#[derive(Debug)]
pub struct Journal {
    ledger: Mutex<Ledger>,
    /// Held while a line is written and synced: lines are in the order of their effects.
    file: tokio::sync::Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn File>,
    len: u64,
    seq: u64,
    /// This process wrote all that is in it. What an earlier one wrote can be read without being on disk: where its sync
    /// failed no later one mends that, and a power cut would take what stands behind it as well.
    secured: bool,
    /// A sync failed: nobody knows what is on disk, so nothing more is begun.
    broken: Option<Error>,
}

impl Journal {
    /// Opens the journal in `dir`; `true` if a torn line was dropped.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Journal, bool), Error> {
        let path = dir.join("journal.log");
        let open = || -> io::Result<(Journal, bool)> {
            disk.create_dir(dir)?;
            let bytes = match disk.read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                read => read?,
            };
            let begun = bytes.len() < MAGIC.len();
            if begun {
                disk::replace(&*disk, &path, MAGIC)?;
            } else if !bytes.starts_with(MAGIC) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is no journal, or one of a newer version",
                ));
            }
            let bytes = if begun { MAGIC } else { bytes.as_slice() };
            let (ledger, len, seq) = replay(bytes)?;
            let torn = len < bytes.len() as u64;
            let writer = Writer {
                file: disk.open(&path, Open::Existing)?,
                disk,
                path: path.clone(),
                len,
                seq,
                secured: begun,
                broken: None,
            };
            let journal = Journal {
                ledger: Mutex::new(ledger),
                file: tokio::sync::Mutex::new(writer),
            };
            Ok((journal, torn))
        };
        open().map_err(|error| Error::new("open", &path, &error))
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `entry` on disk and then into the ledger.
    pub async fn write(&self, entry: Entry, now: &Stamp) -> Result<(), Error> {
        let mut writer = self.file.lock().await;
        if !writer.secured {
            let entries = self.ledger().entries(now);
            writer.compact(entries).await?;
        }
        writer.put(&entry).await?;
        self.ledger().fold(entry);
        if writer.len > COMPACT {
            let entries = self.ledger().entries(now);
            // The old file is as good as the new one: trouble here can wait for the next line.
            if let Err(error) = writer.compact(entries).await {
                tracing::warn!(%error, "journal not compacted");
            }
        }
        Ok(())
    }
}

impl Writer {
    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let mut bytes = Vec::new();
        line(self.seq + 1, entry, &mut bytes);
        let (file, at, size) = (Arc::clone(&self.file), self.len, bytes.len() as u64);
        let written = move || {
            let written = file.write_at(&bytes, at);
            if written.is_err() {
                let _ = file.set_size(at);
            }
            written.map(|()| file.sync())
        };
        match disk::aside(&*self.disk, written).await {
            Ok(Ok(Ok(()))) => {
                self.len += size;
                self.seq += 1;
                Ok(())
            }
            Ok(Ok(Err(error))) => {
                let error = Error::new("sync", &self.path, &error);
                self.broken = Some(error.clone());
                Err(error)
            }
            Ok(Err(error)) | Err(error) => Err(Error::new("write", &self.path, &error)),
        }
    }

    async fn compact(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut bytes = MAGIC.to_vec();
        let mut seq = 0;
        for entry in &entries {
            seq += 1;
            line(seq, entry, &mut bytes);
        }
        let (disk, path, len) = (
            Arc::clone(&self.disk),
            self.path.clone(),
            bytes.len() as u64,
        );
        let replaced = disk::aside(&*self.disk, move || {
            let file = disk::swap(&*disk, &path, &bytes)?;
            let kept = path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir));
            io::Result::Ok((file, kept))
        });
        let (file, kept) = replaced
            .await
            .and_then(|replaced| replaced)
            .map_err(|error| Error::new("compact", &self.path, &error))?;
        (self.file, self.len, self.seq, self.secured) = (file, len, seq, true);
        kept.map_err(|error| {
            // A power cut may bring back the old file, without the lines that would come.
            let error = Error::new("sync", &self.path, &error);
            self.broken = Some(error.clone());
            error
        })
    }
}

fn line(seq: u64, entry: &Entry, out: &mut Vec<u8>) {
    let payload = serde_json::to_vec(entry).unwrap_or_default();
    record::encode(seq, &payload, out);
}

/// Folds the lines of a file; returns the length of what is whole, and the number of the last line.
fn replay(bytes: &[u8]) -> io::Result<(Ledger, u64, u64)> {
    let (mut ledger, mut at, mut last) = (Ledger::default(), MAGIC.len(), 0);
    while let Parsed::Record { cursor, payload } = record::parse(&bytes[at..]) {
        if cursor != last + 1 {
            break;
        }
        let entry = serde_json::from_slice(payload).map_err(|error| {
            let what = format!(
                "line {cursor} was written by another version and is not understood: {error}"
            );
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        ledger.fold(entry);
        last = cursor;
        at += record::HEADER + payload.len();
    }
    Ok((ledger, at as u64, last))
}

#[cfg(test)]
mod tests {
    use super::ledger::{Intent, Key, Standing};
    use super::*;
    use std::fs;
    use stead_core::command::{Command, Order, Outcome};
    use stead_ports::disk::RealDisk;

    fn stamp() -> Stamp {
        Stamp {
            at: stead_core::time::Time(0),
            boot: "b".into(),
            up: 1,
        }
    }
    fn order(n: u32) -> Order {
        Order {
            action: "disk-cleanup-piha".into(),
            occurrence: n,
            step: 0,
            attempt: 1,
            token: u64::from(n),
            epoch: 0,
            lease_ms: 1,
            timeout_ms: 1,
            target: "node/piha".parse().expect("subject"),
            automatic: false,
            per_hour: 3,
            command: Command::DiskCleanup {
                build_cache: true,
                dangling_images: false,
            },
        }
    }
    fn intent(n: u32) -> Entry {
        Entry::Intent(Box::new(Intent {
            order: order(n),
            evidence: Default::default(),
            stamp: stamp(),
        }))
    }
    fn result(n: u32, size: usize) -> Entry {
        Entry::Result {
            key: Key::of(&order(n)),
            outcome: Outcome::Done {
                output: "x".repeat(size),
                freed: None,
            },
        }
    }
    fn standing(journal: &Journal, n: u32) -> Standing {
        journal.ledger().standing(&Key::of(&order(n)))
    }

    #[tokio::test]
    async fn what_was_written_is_known_after_opening_again_and_a_torn_line_is_not() {
        let dir = tempfile::tempdir().expect("dir");
        let (journal, _) = Journal::open(Arc::new(RealDisk), dir.path()).expect("open");
        for entry in [intent(1), result(1, 3), intent(2)] {
            journal.write(entry, &stamp()).await.expect("write");
        }
        drop(journal);
        let path = dir.path().join("journal.log");
        let whole = fs::read(&path).expect("read");
        fs::write(&path, &whole[..whole.len() - 1]).expect("tear");
        let (journal, torn) = Journal::open(Arc::new(RealDisk), dir.path()).expect("open");
        assert!(torn);
        assert!(matches!(standing(&journal, 1), Standing::Ended(_)));
        assert_eq!(standing(&journal, 2), Standing::New);
        journal.write(intent(2), &stamp()).await.expect("write");
        drop(journal);
        let (journal, torn) = Journal::open(Arc::new(RealDisk), dir.path()).expect("open");
        assert!(!torn);
        assert_eq!(standing(&journal, 2), Standing::Open);
    }

    #[tokio::test]
    async fn a_long_journal_is_written_anew_and_says_the_same() {
        let dir = tempfile::tempdir().expect("dir");
        let (journal, _) = Journal::open(Arc::new(RealDisk), dir.path()).expect("open");
        journal.write(intent(9999), &stamp()).await.expect("write");
        for n in 0..1200 {
            journal
                .write(result(n, 7000), &stamp())
                .await
                .expect("write");
        }
        drop(journal);
        let size = fs::metadata(dir.path().join("journal.log"))
            .expect("file")
            .len();
        assert!(size < 2 * COMPACT, "{size}");
        let (journal, torn) = Journal::open(Arc::new(RealDisk), dir.path()).expect("open");
        assert!(!torn);
        assert_eq!(standing(&journal, 9999), Standing::Open);
        assert!(matches!(standing(&journal, 1199), Standing::Ended(_)));
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("dir");
        fs::write(dir.path().join("journal.log"), "something else").expect("write");
        let error = Journal::open(Arc::new(RealDisk), dir.path()).expect_err("no journal");
        assert_eq!(error.code(), "journal-failed");
        assert_eq!(
            fs::read(dir.path().join("journal.log")).expect("read"),
            b"something else"
        );
    }
}
