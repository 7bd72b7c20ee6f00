//! The event log of a simulated server: the fake of `stead-ports`, slow and breaking as the plan says, and watched: what
//! is durable is written down in the truth, and every commit is a moment the invariants are asked about.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use stead_core::event::{Body, Event};
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_engine::Handle;
use stead_ports::log::memory::{Disk, Faults, MemoryLog};
use stead_ports::log::{
    Base, Claim, Compacted, Error, EventLog, Filter, Head, Lease, Record, Snapshot,
};

use crate::invariant::{Breach, Finding};
use crate::life::Life;
use crate::truth::Truth;

/// Where the log lies: it outlives the servers on it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    pub disk: Disk,
    pub faults: Faults,
    /// Milliseconds a sync takes, and how much longer it takes now.
    pub sync: Arc<AtomicU64>,
    pub slower: Arc<AtomicU64>,
}

/// One server's way to its log.
#[derive(Debug)]
pub struct WatchedLog {
    inner: MemoryLog,
    shelf: Shelf,
    truth: Truth,
    life: Life,
    /// Set once the engine runs: what is live is compared after each commit.
    live: OnceLock<Handle>,
}

impl WatchedLog {
    /// Opens what is there.
    pub fn open(shelf: &Shelf, truth: &Truth, life: &Life) -> Result<WatchedLog, Error> {
        Ok(WatchedLog {
            inner: MemoryLog::open(&shelf.disk, &shelf.faults)?,
            shelf: shelf.clone(),
            truth: truth.clone(),
            life: life.clone(),
            live: OnceLock::new(),
        })
    }

    /// Takes note of what became durable without anybody having been told: what a crash left unclear is clear now.
    pub async fn settle(&self) -> Result<(), Error> {
        let known = self.truth.look(|h| h.world.head);
        let head = self.inner.head().await?.seq;
        if head < known {
            self.truth.fail(Finding {
                name: "acknowledged-is-kept".to_string(),
                sentence: "What was durable stays.".to_string(),
                breach: Breach::new(
                    format!("the log ends at {known}"),
                    format!("it ends at {head}"),
                ),
            });
        }
        let records = self.inner.read(known, usize::MAX).await?;
        if !records.is_empty() {
            self.durable(&records).await?;
        }
        Ok(())
    }

    async fn durable(&self, records: &[Record]) -> Result<(), Error> {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            events.push(self.read_back(record).await?);
        }
        self.truth.durable(records, &events);
        Ok(())
    }

    /// The event as a replay will read it.
    async fn read_back(&self, record: &Record) -> Result<Event, Error> {
        let mut event = stead_engine::decode(record.clone())?;
        if let Body::DesiredLoaded(loaded) = &mut event.body
            && let Some(bytes) = self.inner.get_document(&loaded.digest).await?
        {
            loaded.fleet = serde_json::from_slice(&bytes).ok().map(Arc::new);
        }
        Ok(event)
    }

    pub fn watch(&self, handle: Handle) {
        let _ = self.live.set(handle);
    }

    async fn wait(&self, share: u64) {
        let sync =
            self.shelf.sync.load(Ordering::Relaxed) + self.shelf.slower.load(Ordering::Relaxed);
        if sync * share > 1 {
            tokio::time::sleep(Duration::from_millis(sync * share / 2)).await;
        }
        self.life.gate().await;
    }
}

#[async_trait]
impl EventLog for WatchedLog {
    async fn head(&self) -> Result<Head, Error> {
        self.inner.head().await
    }

    async fn lease(&self) -> Result<Lease, Error> {
        self.life.gate().await;
        self.inner.lease().await
    }

    async fn lead(&self, holder: &str, now: Time, lapsed: Option<&Lease>) -> Result<Claim, Error> {
        self.wait(2).await;
        self.inner.lead(holder, now, lapsed).await
    }

    async fn renew(&self) -> Result<(), Error> {
        self.wait(2).await;
        self.inner.renew().await
    }

    async fn resign(&self) -> Result<(), Error> {
        self.wait(2).await;
        self.inner.resign().await
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        self.wait(1).await;
        self.inner.append(records.clone()).await?;
        self.durable(&records).await?;
        if let Some(handle) = self.live.get() {
            handle.read(|v| self.truth.committed(v.world(), v.drift()));
        }
        self.wait(1).await;
        Ok(())
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Error> {
        self.inner.read(after, limit).await
    }

    async fn query(&self, filter: Filter) -> Result<Vec<Record>, Error> {
        self.inner.query(filter).await
    }

    async fn known_ids(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        self.life.gate().await;
        self.inner.known_ids(ids).await
    }

    async fn put_document(&self, digest: &str, bytes: &[u8]) -> Result<(), Error> {
        self.wait(2).await;
        self.inner.put_document(digest, bytes).await
    }

    async fn get_document(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        self.inner.get_document(digest).await
    }

    async fn put_snapshots(&self, snapshots: Vec<Snapshot>) -> Result<(), Error> {
        self.wait(2).await;
        self.inner.put_snapshots(snapshots).await
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.inner.snapshots().await
    }

    async fn compact(&self, base: Base, keep_kinds: &[String]) -> Result<Compacted, Error> {
        self.wait(2).await;
        self.inner.compact(base, keep_kinds).await
    }

    async fn base(&self) -> Result<Option<Base>, Error> {
        self.inner.base().await
    }

    async fn verify(&self) -> Result<u64, Error> {
        self.inner.verify().await
    }
}
