//! The event log: the only truth. Append-only, checksummed, durable when `append` returns.
//!
//! One writer (the control loop) numbers the records; the log refuses a gap. Snapshots and documents live beside it:
//! snapshots are disposable caches, documents are content-addressed and never change.
//!
//! | module | its noun |
//! |---|---|
//! | [`frame`] | the bytes of one record and what ties it to the one before |
//! | [`chain`] | whether a log is whole |
//! | [`lead`] | who may write: the lease and its epoch |
//! | [`memory`] | the fake, with faults |
//! | [`conformance`] | what every engine must do |

pub mod chain;
pub mod conformance;
pub mod frame;
pub mod lead;
pub mod memory;

use async_trait::async_trait;
use stead_core::ids::Seq;
use stead_core::time::Time;

pub use lead::{Claim, Lease};

/// One event as the log keeps it: the columns that are searched, and the body as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub seq: Seq,
    /// Unique in the log.
    pub id: String,
    pub at: Time,
    /// Schema version of `body`; readers upcast older ones.
    pub version: u16,
    /// Name of the node, or empty.
    pub node: String,
    /// `service/NODE/NAME`, …
    pub subject: String,
    pub kind: String,
    /// 0 info, 1 warning, 2 critical.
    pub severity: u8,
    /// JSON: whatever the columns do not say.
    pub body: Vec<u8>,
}

/// Where the log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Random, made once when the log is created.
    pub log_id: String,
    /// Last durable record; zero when empty.
    pub seq: Seq,
    /// First record still kept (after compaction); `Seq(1)` otherwise.
    pub first: Seq,
}

/// Which records a query returns. Every given field must match.
///
/// `after` and `before` exclude the record they name; `since` includes its instant, `until` excludes it. Without
/// `newest_first` the oldest come first, by `seq`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub after: Option<Seq>,
    pub before: Option<Seq>,
    pub since: Option<Time>,
    pub until: Option<Time>,
    pub node: Option<String>,
    pub subject: Option<String>,
    /// Any of these; empty: all.
    pub kinds: Vec<String>,
    pub min_severity: u8,
    /// Text that must occur in kind, subject or body, ignoring ASCII case.
    pub text: Option<String>,
    pub newest_first: bool,
    /// At most this many; 0 means none.
    pub limit: usize,
}

impl Filter {
    /// Whether `record` matches, whatever the order and the limit.
    pub fn matches(&self, record: &frame::View<'_>) -> bool {
        self.after.is_none_or(|after| record.seq > after)
            && self.before.is_none_or(|before| record.seq < before)
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
            && record.severity >= self.min_severity
            && self.node.as_deref().is_none_or(|node| record.node == node)
            && self
                .subject
                .as_deref()
                .is_none_or(|subject| record.subject == subject)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| record.kind == kind))
            && self.text.as_deref().is_none_or(|text| {
                let text = text.as_bytes();
                contains(record.kind.as_bytes(), text)
                    || contains(record.subject.as_bytes(), text)
                    || contains(record.body, text)
            })
    }
}

/// Whether `needle` occurs in `hay`, ignoring ASCII case. Nothing in it is special, not even `%` and `_`.
fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some((first, _)) = needle.split_first() else {
        return true;
    };
    let Some(last) = hay.len().checked_sub(needle.len()) else {
        return false;
    };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    (0..=last).any(|at| {
        (hay[at] == lower || hay[at] == upper)
            && hay[at..at + needle.len()].eq_ignore_ascii_case(needle)
    })
}

/// A cached fold of the log up to `seq`, one shard of it (a node, or the rest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub shard: String,
    pub seq: Seq,
    pub bytes: Vec<u8>,
}

/// What replay starts from once older records are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The fold includes records up to and including this one.
    pub seq: Seq,
    pub bytes: Vec<u8>,
}

/// What compaction removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compacted {
    pub removed: u64,
    pub kept: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// F3. Nothing was written; the same append may be tried again.
    #[error("the disk that holds the event log is full")]
    Full,
    /// F2. A write or sync failed and nobody knows what reached the disk: stop, never acknowledge, restart and replay.
    #[error("writing the event log failed and its state on disk is unknown: {0}")]
    Fatal(String),
    /// F4.
    #[error("the event log is damaged at record {seq}: {why}")]
    Corrupt { seq: Seq, why: String },
    #[error("the event log was written by a newer Stead (schema {found}, this one knows {known})")]
    Newer { found: u32, known: u32 },
    #[error("records must continue the log: expected {expected}, got {got}")]
    Gap { expected: Seq, got: Seq },
    /// Another process has the log open for writing.
    #[error("another Stead is using this event log: {0}")]
    Locked(String),
    #[error("reading the event log failed: {0}")]
    Read(String),
    /// F8. Nothing was written, and nothing will be by this handle.
    #[error(
        "another Stead took over this event log: this one leads with epoch {epoch}, the log has seen {newer}"
    )]
    Fenced { epoch: u64, newer: u64 },
}

impl Error {
    /// Stable, for scripts and for the page under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Full => "log-disk-full",
            Error::Fatal(_) => "log-write-failed",
            Error::Corrupt { .. } => "log-damaged",
            Error::Newer { .. } => "log-newer",
            Error::Gap { .. } => "log-gap",
            Error::Locked(_) => "log-locked",
            Error::Read(_) => "log-unreadable",
            Error::Fenced { .. } => "log-fenced",
        }
    }

    /// What the person who reads the error does next.
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Full => {
                "free space on the disk that holds the data directory; Stead goes on by itself"
            }
            Error::Fatal(_) => {
                "check the disk (dmesg, smartctl), then restart Stead: it replays what had reached the disk"
            }
            Error::Corrupt { .. } => {
                "stop Stead, keep a copy of the `log` folder in the data directory, check the disk and restore the \
                 newest backup of that folder"
            }
            Error::Newer { .. } => {
                "start the Stead that wrote it, or a newer one; an older one never opens it"
            }
            Error::Gap { .. } => {
                "this is a fault in Stead: restart it and report what the message says"
            }
            Error::Locked(_) => {
                "stop the other Stead, or give this one a data directory of its own with --data"
            }
            Error::Read(_) => {
                "check that the data directory is there and readable by Stead, then try again"
            }
            Error::Fenced { .. } => {
                "nothing: the other Stead goes on; start this one again to have it wait until it is needed"
            }
        }
    }

    /// Whether the same call may work later without a restart.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Full | Error::Locked(_) | Error::Read(_))
    }
}

/// What an engine promises. A call that changes something runs to its end even when its caller stops waiting.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    async fn head(&self) -> Result<Head, Error>;

    /// Who leads, or led last.
    async fn lease(&self) -> Result<Lease, Error>;

    /// Tries to take the lead under a higher epoch than any before; `now` is the wall clock. A lease that somebody holds
    /// is taken only when it still is exactly `lapsed`, or when the engine knows that its holder is gone. Durable when it
    /// returns.
    async fn lead(&self, holder: &str, now: Time, lapsed: Option<&Lease>) -> Result<Claim, Error>;

    /// Says that this handle still leads, so that nobody takes over. `Fenced` when somebody did.
    async fn renew(&self) -> Result<(), Error>;

    /// Gives the lead back: the next candidate need not wait. Nothing happens where this handle does not lead.
    async fn resign(&self) -> Result<(), Error>;

    /// Appends all of `records` or none. They are durable when it returns. `records[0].seq` must be `head.seq + 1`,
    /// and each next one one higher. An empty list is a no-op. Once there has been a leader, only a handle that leads
    /// with the highest epoch may append; any other is `Fenced`.
    async fn append(&self, records: Vec<Record>) -> Result<(), Error>;

    /// Up to `limit` records after `after`, oldest first, their checksums verified.
    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Error>;

    async fn query(&self, filter: Filter) -> Result<Vec<Record>, Error>;

    /// Which of `ids` are in the log already (compacted ones count: their IDs are remembered).
    async fn known_ids(&self, ids: &[String]) -> Result<Vec<String>, Error>;

    /// Keeps `bytes` under their digest. Durable when it returns; keeping the same again is a no-op.
    async fn put_document(&self, digest: &str, bytes: &[u8]) -> Result<(), Error>;
    async fn get_document(&self, digest: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Replaces all snapshots by `snapshots` in one transaction. An empty list removes them.
    async fn put_snapshots(&self, snapshots: Vec<Snapshot>) -> Result<(), Error>;
    /// Snapshots whose checksum holds; a damaged one makes the whole set empty (it is only a cache).
    async fn snapshots(&self) -> Result<Vec<Snapshot>, Error>;

    /// Writes `base` and removes the records up to `base.seq`, except those whose kind is in `keep_kinds`. A base
    /// beyond the head or before the present base is refused as a gap. Fenced as appending is.
    async fn compact(&self, base: Base, keep_kinds: &[String]) -> Result<Compacted, Error>;
    async fn base(&self) -> Result<Option<Base>, Error>;

    /// Reads everything once and checks every checksum and the chain. `Ok(n)`: n records are sound.
    async fn verify(&self) -> Result<u64, Error>;

    /// Finishes what is under way and lets another process open the log. Later calls fail.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
