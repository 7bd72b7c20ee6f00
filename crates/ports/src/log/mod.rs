//! The event log: the only truth. Append-only, checksummed, durable when `append` returns.
//!
//! One writer (the control loop) numbers the records; the log refuses a gap. Snapshots and documents live beside it:
//! snapshots are disposable caches, documents are content-addressed and never change.

use async_trait::async_trait;
use stead_core::ids::Seq;
use stead_core::time::Time;

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
}

#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    async fn head(&self) -> Result<Head, Error>;

    /// Appends all of `records` or none. They are durable when it returns. `records[0].seq` must be `head.seq + 1`,
    /// and each next one higher. An empty list is a no-op.
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

    /// Writes `base` and removes the records up to `base.seq`, except those whose kind is in `keep_kinds`.
    async fn compact(&self, base: Base, keep_kinds: &[String]) -> Result<Compacted, Error>;
    async fn base(&self) -> Result<Option<Base>, Error>;

    /// Reads everything once and checks every checksum and the chain. `Ok(n)`: n records are sound.
    async fn verify(&self) -> Result<u64, Error>;
}
