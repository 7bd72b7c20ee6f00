//! The server's history of samples: what agents measured, recorded and read back.
//!
//! ```text
//! session ─ offer ─► queue (bounded) ─► fold (10 s a step) ─┬─► store ─┬─► reading ─► routes
//!                                                           │  a Prometheus of the owner's ─┘
//!                                                           └─► remote: queues (bounded) ─► receivers
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`series`] | which number of a sample has which name; pure, and the agent's too |
//! | [`about`] | what the metrics mean; pure |
//! | [`fold`] | the seconds of a node, as one step; pure |
//! | [`recorder`] | the task that keeps the store |
//! | [`reading`] | the store and, where the files name one, a Prometheus, as one |
//! | [`seconds`] | what nodes keep themselves, asked for and joined |
//! | [`remote`] | samples on their way to a receiver |
//! | [`settings`] | what the fleet's files say, followed |
//!
//! Nothing here slows a session: a reading that finds the queue full is dropped and counted. A store that cannot be opened or
//! written is a trouble that is shown and tried again, and everything else goes on. Only a server that leads gets samples, so
//! one on standby records nothing.

pub mod about;
pub mod fold;
pub mod reading;
pub mod recorder;
pub mod remote;
pub mod seconds;
mod settings;

pub use stead_history::series;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use stead_adapters::prometheus::Prometheus;
use stead_core::container_sample::ContainerSample;
use stead_core::ids::NodeName;
use stead_core::sample::HostSample;
use stead_core::time::{Span, Time};
use stead_history::store::{Stats, Store};
use stead_history::tier::{self, Leg, Tiers};
use stead_ports::history::Entry;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use reading::Reading;
use remote::Remote;

/// Readings that wait to be folded: four seconds of a thousand nodes.
const QUEUE: usize = 4_096;

/// Queries evaluated at a time: each takes a core and up to some hundred MiB. Others wait for their turn.
const QUERIES: usize = 4;

/// The history as routes and sessions see it. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Empty until the store could be opened.
    store: OnceLock<Store>,
    queue: OnceLock<mpsc::Sender<fold::Reading>>,
    counts: Counts,
    turns: Turns,
    /// Samples are not kept: the files say that somebody else does.
    discarding: AtomicBool,
    theirs: RwLock<Option<Arc<Prometheus>>>,
    remotes: RwLock<Vec<Remote>>,
    /// What became of samples that are sent.
    remote: Arc<remote::Counts>,
}

impl Inner {
    fn theirs(&self) -> Option<Arc<Prometheus>> {
        let theirs = self.theirs.read().unwrap_or_else(PoisonError::into_inner);
        theirs.clone()
    }

    fn set_theirs(&self, theirs: Option<Arc<Prometheus>>) {
        *self.theirs.write().unwrap_or_else(PoisonError::into_inner) = theirs;
    }

    fn set_remotes(&self, remotes: Vec<Remote>) {
        *self.remotes.write().unwrap_or_else(PoisonError::into_inner) = remotes;
    }

    /// Hands samples to every receiver.
    fn send(&self, entries: &[Entry]) {
        let remotes = self.remotes.read().unwrap_or_else(PoisonError::into_inner);
        remotes.iter().for_each(|remote| remote.offer(entries));
    }
}

/// Whose turn it is to be evaluated.
#[derive(Debug)]
struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Turns {
        Turns(Semaphore::new(QUERIES))
    }
}

/// What became of readings and samples since the start.
#[derive(Debug, Default)]
struct Counts {
    readings: AtomicU64,
    dropped: AtomicU64,
    crowded: AtomicU64,
    lost: AtomicU64,
}

/// The same, looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Readings that agents sent.
    pub readings: u64,
    /// Of those: dropped because the queue was full.
    pub dropped: u64,
    /// Numbers of nodes with too many series.
    pub crowded: u64,
    /// Samples that the store could not take.
    pub lost: u64,
}

/// Samples sent to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub receivers: u64,
    pub sent: u64,
    pub dropped: u64,
    pub refused: u64,
    pub waiting: u64,
}

impl History {
    /// Hands over what an agent said. Never waits.
    pub fn offer(&self, node: &NodeName, host: &HostSample, containers: &[ContainerSample]) {
        let Some(queue) = self.0.queue.get() else {
            return;
        };
        self.0.counts.readings.fetch_add(1, Ordering::Relaxed);
        let reading = fold::Reading {
            node: node.clone(),
            host: host.clone(),
            containers: containers.to_vec(),
        };
        if queue.try_send(reading).is_err() {
            self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whoever reads samples; `None` while the store is not open and nobody else is read.
    pub fn reader(&self) -> Option<Reading> {
        let own = self.0.store.get().cloned();
        let theirs = self.0.theirs();
        (own.is_some() || theirs.is_some()).then_some(Reading { own, theirs })
    }

    /// What became of samples that are sent to others; none where none are.
    pub fn sent(&self) -> Option<Sent> {
        let remotes = self
            .0
            .remotes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let receivers = remotes.len() as u64;
        let counts = &self.0.remote;
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let sent = Sent {
            receivers,
            sent: read(&counts.sent),
            dropped: read(&counts.dropped),
            refused: read(&counts.refused),
            waiting: read(&counts.waiting),
        };
        (receivers + sent.sent + sent.dropped + sent.refused > 0).then_some(sent)
    }

    /// The store itself, for those who ask in its own words; `None` while it is not open.
    pub fn store(&self) -> Option<&Store> {
        self.0.store.get()
    }

    /// Waits until one more query may be evaluated, which it may until this is dropped. `None` is never said: nobody closes
    /// the queue.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.0.turns.0.acquire().await.ok()
    }

    /// What the store holds; `None` while it is not open.
    pub fn stats(&self) -> Option<Stats> {
        self.0.store.get().map(Store::stats)
    }

    pub fn counted(&self) -> Counted {
        let counts = &self.0.counts;
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Counted {
            readings: read(&counts.readings),
            dropped: read(&counts.dropped),
            crowded: read(&counts.crowded),
            lost: read(&counts.lost),
        }
    }

    /// Which stretch of a question is kept how finely, the newest first.
    pub fn legs(&self, from: Time, to: Time, step: u64, now: Time) -> Vec<(Leg, u64)> {
        let tiers = self.tiers();
        let horizons: Vec<i64> = (0..tiers.len()).map(|n| tiers.horizon(n, now.0)).collect();
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let legs = tier::stitch(&tiers, &horizons, from.0, to.0, step);
        legs.into_iter()
            .map(|leg| (leg, tiers.get(leg.tier).step.0))
            .collect()
    }

    /// The finest step that is kept here.
    pub fn step(&self) -> Span {
        self.tiers().get(0).step
    }

    fn tiers(&self) -> Tiers {
        let store = self.0.store.get();
        store.map_or_else(Tiers::server, |store| store.options().tiers.clone())
    }
}
