//! The task that keeps the store: opens it, appends each second, keeps it in order, says what is wrong.
//!
//! A card of flash wears by what is written to it, so a second is written ahead without a sync, a sync comes once a minute,
//! and the rest is done in rounds of ten seconds. It never ends the agent.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stead_core::facts::Limit;
use stead_history::store::{Options, Store};
use stead_ports::clock::Clock;
use stead_ports::disk::Disk;
use stead_ports::history::{Error, Writer};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::take::Taker;
use super::{History, Reading};

/// Between two attempts to open the store.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two rounds of syncs, flushes, merges and drops, as far as they are due.
const ROUND: Duration = Duration::from_secs(10);

/// Keeps a [`History`]. Run it, or nothing is kept.
#[derive(Debug)]
pub struct Recorder {
    history: History,
    readings: mpsc::Receiver<Reading>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    dir: PathBuf,
    options: Options,
    taker: Taker,
}

impl Recorder {
    pub(super) fn new(
        history: History,
        readings: mpsc::Receiver<Reading>,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: Options,
    ) -> Recorder {
        Recorder {
            history,
            readings,
            disk,
            clock,
            dir: dir.to_owned(),
            options,
            taker: Taker::default(),
        }
    }

    /// Keeps until `stop`, then makes durable what it has.
    pub async fn run(mut self, stop: CancellationToken) {
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            store = self.open() => Some(store),
        };
        let Some(store) = opened else { return };
        // Whoever set it before would have taken the readings before.
        let _ = self.history.0.store.set(store.clone());
        let keeper = tokio::spawn(keep(store.clone(), self.history.clone(), stop.clone()));
        loop {
            let reading = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                reading = self.readings.recv() => reading,
            };
            let Some(reading) = reading else { break };
            self.append(&store, reading).await;
        }
        self.readings.close();
        while let Some(reading) = self.readings.recv().await {
            self.append(&store, reading).await;
        }
        keeper.abort();
        if let Err(error) = store.close().await {
            tracing::warn!(%error, "the newest seconds may not be on the disk");
        }
    }

    /// Opens the store, as often as it takes; what is measured meanwhile is dropped.
    async fn open(&mut self) -> Store {
        loop {
            let (disk, clock) = (Arc::clone(&self.disk), Arc::clone(&self.clock));
            match Store::open(disk, clock, &self.dir, self.options.clone()).await {
                Ok(store) => {
                    say(&self.history, None);
                    return store;
                }
                Err(error) => say(&self.history, Some(&error)),
            }
            let again = tokio::time::sleep(AGAIN);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    Some(_) = self.readings.recv() => {
                        self.history.0.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    async fn append(&mut self, store: &Store, reading: Reading) {
        let entries = self.taker.take(reading.host, &reading.containers);
        if entries.is_empty() {
            return;
        }
        match store.append(entries).await {
            Err(error) => say(&self.history, Some(&error)),
            Ok(_) if store.stats().trouble.is_none() => say(&self.history, None),
            Ok(_) => {}
        }
    }
}

/// Does what is due, round after round.
async fn keep(store: Store, history: History, stop: CancellationToken) {
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = round.tick() => {}
        }
        if let Err(error) = store.keep().await {
            say(&history, Some(&error));
        }
    }
}

/// Tells what is wrong, or that nothing is. In the log once, not each second.
fn say(history: &History, error: Option<&Error>) {
    let limit = error.map(limit);
    if history.limit() == limit {
        return;
    }
    match &limit {
        Some(limit) => tracing::warn!(code = limit.code, why = limit.text, "seconds are not kept"),
        None => tracing::info!("seconds are kept"),
    }
    history.set_limit(limit);
}

fn limit(error: &Error) -> Limit {
    let remedy = match error {
        Error::Full => {
            "Free some space on the disk of the agent's data directory; it goes on by itself."
        }
        Error::Newer(_) => "Start the newer Stead again, or move `agent/history` away.",
        Error::Damaged(_) => {
            "Move `agent/history` of the agent's data directory away: it begins a new one."
        }
        _ => "Look at the disk and at who owns the agent's data directory; it goes on by itself.",
    };
    Limit {
        code: error.code().to_owned(),
        text: format!("Seconds are not kept on the node: {error}."),
        remedy: remedy.to_owned(),
    }
}
