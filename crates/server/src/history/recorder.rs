//! The task that keeps the store: opens it, folds what comes, appends what is over, says what is wrong.
//!
//! It waits for the disk where it must; what comes meanwhile waits in the queue, and is dropped and counted once that is
//! full. It never ends Stead.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stead_core::world::{EvidenceState, NodeState};
use stead_engine::Handle;
use stead_history::store::{Options, Store};
use stead_ports::clock::Clock;
use stead_ports::disk::RealDisk;
use stead_ports::history::{Entry, Error, Labels, Sample, Writer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fold::{Folds, Over, Reading};
use super::{History, Inner, QUEUE, series, settings};
use crate::present;

/// Where the history lies in the data directory.
const FOLDER: &str = "history";
/// Between two attempts to open it.
const AGAIN: Duration = Duration::from_secs(30);
/// How often quiet nodes are settled and the store's own trouble is looked at.
const ROUND: Duration = Duration::from_secs(2);
/// Readings folded before what is over is appended.
const AT_ONCE: usize = 1_024;
/// Codes of the troubles it raises: those of [`Error::code`].
const TROUBLES: [&str; 4] = [
    "history-full",
    "history-io",
    "history-damaged",
    "history-newer",
];

impl History {
    /// Records under `data` until `stop`.
    pub async fn record(self, data: PathBuf, handle: Handle, stop: CancellationToken) {
        let (queue, mut readings) = mpsc::channel(QUEUE);
        if self.0.queue.set(queue).is_err() {
            return;
        }
        let clock = handle.source();
        let dir = data.join(FOLDER);
        let following = tokio::spawn({
            let (history, handle) = (Arc::clone(&self.0), handle.clone());
            let (clock, stop) = (Arc::clone(&clock), stop.clone());
            async move { settings::follow(history, &data, handle, clock, stop).await }
        });
        let opened = tokio::select! {
            store = open(&dir, &clock, &handle) => Some(store),
            () = discard(&mut readings, &self) => None,
            () = stop.cancelled() => None,
        };
        let Some(store) = opened else {
            following.abort();
            return;
        };
        // Whoever set it before would have set the queue before.
        let _ = self.0.store.set(store.clone());
        let keeper = tokio::spawn({
            let store = store.clone();
            async move { store.run().await }
        });
        let recorder = Recorder {
            history: self.0,
            folds: Folds::of(store.options().tiers.step(0)),
            store,
            handle,
            clock,
            raised: None,
        };
        recorder.run(readings, stop).await;
        keeper.abort();
        following.abort();
    }
}

/// Opens the store, as often as it takes.
async fn open(dir: &Path, clock: &Arc<dyn Clock>, handle: &Handle) -> Store {
    loop {
        let disk = Arc::new(RealDisk);
        let options = Options {
            tiers: settings::tiers(handle),
            ..Options::server()
        };
        match Store::open(disk, Arc::clone(clock), dir, options).await {
            Ok(store) => {
                TROUBLES.iter().for_each(|code| handle.relieved(code));
                return store;
            }
            Err(error) => {
                tracing::warn!(%error, "no history for now");
                tell(handle, &error);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Counts what comes while there is nowhere to put it.
async fn discard(readings: &mut mpsc::Receiver<Reading>, history: &History) {
    while readings.recv().await.is_some() {
        history.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn tell(handle: &Handle, error: &Error) {
    let text = format!("Samples are not recorded: {error}.");
    let remedy = match error {
        Error::Full => "Free some space on the disk of the data directory; it goes on by itself.",
        Error::Newer(_) => "Start the newer Stead again, or move the folder `history` away.",
        Error::Damaged(_) => {
            "Move the folder `history` of the data directory away, and restart Stead."
        }
        _ => "Look at the disk and at who owns the data directory; it goes on by itself.",
    };
    handle.trouble(error.code(), text, remedy);
}

struct Recorder {
    history: Arc<Inner>,
    store: Store,
    handle: Handle,
    clock: Arc<dyn Clock>,
    folds: Folds,
    /// The trouble that is shown now.
    raised: Option<&'static str>,
}

impl Recorder {
    async fn run(mut self, mut readings: mpsc::Receiver<Reading>, stop: CancellationToken) {
        let mut round = tokio::time::interval(ROUND);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut waiting = Vec::with_capacity(AT_ONCE);
        loop {
            let mut out = Vec::new();
            let over = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = round.tick() => {
                    self.watch();
                    self.folds.settle(self.clock.awake(), &mut out)
                }
                _ = readings.recv_many(&mut waiting, AT_ONCE) => self.fold(&mut waiting, &mut out),
            };
            self.append(out, &over).await;
        }
        // What agents said until now is kept too.
        readings.close();
        while readings.recv_many(&mut waiting, AT_ONCE).await > 0 {
            let mut out = Vec::new();
            let over = self.fold(&mut waiting, &mut out);
            self.append(out, &over).await;
        }
        let mut out = Vec::new();
        let over = self.folds.end(&mut out);
        self.append(out, &over).await;
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the end of the history may not be on the disk");
        }
    }

    fn fold(&mut self, waiting: &mut Vec<Reading>, out: &mut Vec<Entry>) -> Vec<Over> {
        let up = self.clock.awake();
        let readings = waiting.drain(..);
        let over = readings.filter_map(|reading| self.folds.take(reading, up, out));
        let over = over.collect();
        let crowded = self.folds.crowded;
        self.history
            .counts
            .crowded
            .store(crowded, Ordering::Relaxed);
        over
    }

    async fn append(&mut self, mut out: Vec<Entry>, over: &[Over]) {
        out.extend(over.iter().filter_map(|step| unhealthy(&self.handle, step)));
        if out.is_empty() {
            return;
        }
        self.history.send(&out);
        if self.history.discarding.load(Ordering::Relaxed) {
            return;
        }
        let count = out.len() as u64;
        if let Err(error) = self.store.append(out).await {
            // Some of it may have been taken: as many were lost at most.
            self.history.counts.lost.fetch_add(count, Ordering::Relaxed);
            self.raise(&error);
        } else if self.store.stats().trouble.is_none() {
            self.relieve();
        }
    }

    /// Shows what the store could not do by itself.
    fn watch(&mut self) {
        if let Some(error) = self.store.stats().trouble {
            self.raise(&error);
        }
    }

    fn raise(&mut self, error: &Error) {
        if self.raised != Some(error.code()) {
            self.relieve();
            tracing::warn!(%error, "samples are not recorded");
        }
        tell(&self.handle, error);
        self.raised = Some(error.code());
    }

    fn relieve(&mut self) {
        if let Some(code) = self.raised.take() {
            self.handle.relieved(code);
        }
    }
}

/// How many services of a node were unhealthy or missing when a step of it was over. Stale evidence is no number.
fn unhealthy(handle: &Handle, step: &Over) -> Option<Entry> {
    let count = handle.read(|view| {
        let world = view.world();
        let fresh = |state: &&NodeState| state.evidence.state == EvidenceState::Fresh;
        let state = world.node(&step.node).filter(fresh)?;
        let counts = present::counts(Some(state), world.fleet.nodes.get(&step.node));
        Some(counts.unhealthy + counts.missing)
    })?;
    Some(Entry {
        labels: Labels::new(series::UNHEALTHY, [(series::NODE, step.node.as_str())]),
        sample: Sample {
            at: step.at,
            value: count as f64,
        },
    })
}
