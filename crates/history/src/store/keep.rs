//! What is done without being asked: syncs, flushes, merges, drops. One round at a time; the rest of the store does not
//! wait for it.

use std::sync::Arc;
use std::time::Duration;

use stead_ports::disk::aside;
use stead_ports::history::Error;

use super::{Store, fault};

/// Between rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Write-ahead files that may lie there: each start begins one.
const FILES: u64 = 8;
/// Merges in one round: what waits longer is done in the next.
const MERGES: usize = 32;

impl Store {
    /// Keeps the store in order until it is dropped. What goes wrong is in [`super::Stats::trouble`], and is tried again.
    pub async fn run(&self) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.keep().await.ok();
        }
    }

    /// One round of that: everything that is due. The first error ends nothing else.
    pub async fn keep(&self) -> Result<(), Error> {
        let synced = self.sync_due().await;
        let flushed = if self.flush_is_due() {
            self.flush().await
        } else {
            Ok(())
        };
        let dropped = self.drop_old().await.map(|_| ());
        let mut merged = Ok(true);
        for _ in 0..MERGES {
            if merged != Ok(true) {
                break;
            }
            merged = self.merge().await;
        }
        let result = synced.and(flushed).and(dropped).and(merged.map(|_| ()));
        self.0.state().stats.trouble = result.clone().err();
        result
    }

    fn flush_is_due(&self) -> bool {
        let (up, options) = (self.0.clock.awake(), &self.0.options);
        let state = self.0.state();
        let aged = !state.head.is_empty() && up.saturating_sub(state.begun) >= options.flush.0;
        let files = state.wal.number.saturating_sub(state.ledger.wal);
        let full = state.head.len() >= options.head / 2 || files >= FILES;
        state.frozen.is_some() || aged || full && !state.head.is_empty()
    }

    async fn sync_due(&self) -> Result<(), Error> {
        let up = self.0.clock.awake();
        let since = self.0.state().wal.since;
        match since {
            Some(since) if up.saturating_sub(since) >= self.0.options.sync.0 => self.sync().await,
            _ => Ok(()),
        }
    }

    /// Makes durable what was accepted. Where that fails nobody knows what is on the disk: what is in memory is written
    /// out anew, to other files.
    pub async fn sync(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        let work = move || {
            let dirty = inner.state().wal.take_dirty();
            dirty.iter().try_for_each(|file| file.sync())?;
            inner.disk.sync_dir(&inner.places.0)
        };
        match aside(&*self.0.disk, work).await.and_then(|synced| synced) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Twice where a frozen head waited: then this one is behind it.
                self.flush().await?;
                self.flush().await?;
                Err(fault(error))
            }
        }
    }

    /// Syncs, and waits for what is being done. Nothing is lost without it but what a power cut would take.
    pub async fn close(&self) -> Result<(), Error> {
        let synced = self.sync().await;
        let _idle = self.0.work.lock().await;
        synced
    }
}
