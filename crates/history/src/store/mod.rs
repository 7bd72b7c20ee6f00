//! The embedded store: what [`Store::append`] accepted survives a kill, what is read is bounded, and nothing waits for a
//! sync.
//!
//! | module | its noun |
//! |---|---|
//! | [`append`] | admitting samples, and the write-ahead file |
//! | [`flush`] | the head written out, as readings and as folds for every tier |
//! | [`merge`], [`drop`] | small parts into larger ones, old ones away |
//! | [`read`] | ranges, names |
//! | [`open`] | what is found at the start |
//! | [`ledger`], [`part`], [`record`], [`frame`] | the files |
//! | [`keep`] | who does all that is not asked for |
//!
//! A kill loses nothing that was accepted. A power cut loses what was accepted within [`Options::sync`] and however long
//! that sync took. One process at a time: whoever opens it has the data directory's lock.

mod append;
mod drop;
mod flush;
mod frame;
mod keep;
mod ledger;
mod merge;
mod open;
mod part;
pub(crate) mod read;
mod record;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stead_core::time::Span;
use stead_ports::clock::Clock;
use stead_ports::disk::Disk;
use stead_ports::history::{Error, Refused};

use crate::catalogue::Catalogue;
use crate::head::Head;
use crate::tier::Tiers;

use append::Wal;
use ledger::{Ledger, Places};

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub tiers: Tiers,
    /// Samples held in memory, of some 20 bytes each; while they are written out, as many again.
    pub head: usize,
    /// Bytes on disk. What is oldest goes first.
    pub bound: u64,
    /// Series of one metric.
    pub metric: usize,
    /// Series of all metrics, of some 150 bytes of memory each.
    pub series: usize,
    pub limits: Limits,
    /// How long accepted samples may wait for a sync: what a power cut takes.
    pub sync: Span,
    /// How long samples stay in memory alone.
    pub flush: Span,
}

/// What one question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub series: usize,
    /// Of one series.
    pub points: usize,
    /// Rows looked at for one answer.
    pub rows: u64,
    /// Series of a list of names.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            series: 2_000,
            points: 11_000,
            rows: 50_000_000,
            names: 50_000,
        }
    }
}

impl Options {
    /// For an agent: each second for a day, in a MiB of memory and 64 MiB of disk. It syncs once a minute, since the disk may
    /// be a card that wears, and small answers are read with little memory.
    pub fn node() -> Options {
        Options {
            tiers: Tiers::node(),
            head: 32 * 1024,
            bound: 64 << 20,
            metric: 2_000,
            series: 4_000,
            limits: Limits {
                series: 1_000,
                points: 11_000,
                rows: 5_000_000,
                names: 4_000,
            },
            sync: Span::mins(1),
            flush: Span::mins(10),
        }
    }

    /// For a server of some hundred nodes.
    pub fn server() -> Options {
        Options {
            tiers: Tiers::server(),
            head: 1_000_000,
            bound: 8 << 30,
            metric: 50_000,
            series: 300_000,
            limits: Limits::default(),
            sync: Span::secs(5),
            flush: Span::mins(10),
        }
    }
}

/// What it holds, and what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    pub series: u64,
    /// Accepted since it was opened.
    pub samples: u64,
    pub refused: Refused,
    /// Series that were silent for longest, and made room for new ones.
    pub forgotten: u64,
    /// Pieces that could not be read and were passed over.
    pub damaged: u64,
    /// Parts of steps that no tier has any more, left out when it was opened.
    pub retired: u64,
    /// Samples in memory.
    pub head: u64,
    pub parts: u64,
    /// On disk, write-ahead files included.
    pub bytes: u64,
    /// Why the last attempt to write out, merge or drop failed; none once one succeeded.
    pub trouble: Option<Error>,
}

/// The open store. Clones are the same.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    places: Places,
    options: Options,
    state: Mutex<State>,
    /// Held by whoever changes files other than the write-ahead one.
    work: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State {
    catalogue: Catalogue,
    head: Head,
    /// What is being written out.
    frozen: Option<Arc<Frozen>>,
    /// When the head got its first sample, by the clock that timers count by.
    begun: u64,
    /// Time of the newest sample of all.
    newest: i64,
    wal: Wal,
    ledger: Ledger,
    /// When room was last sought by forgetting series.
    sought: Option<u64>,
    /// How many series were forgotten when the list of names was last written.
    listed: u64,
    stats: Stats,
}

/// A head that takes no more.
#[derive(Debug)]
struct Frozen {
    head: Head,
    /// Write-ahead files below this one hold nothing else.
    wal: u64,
}

impl Store {
    /// Opens the history in `dir`, a folder of its own, made where it is not there.
    pub async fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: Options,
    ) -> Result<Store, Error> {
        let places = Places(dir.to_owned());
        let there = Arc::clone(&disk);
        let work = move || Inner::open(there, clock, places, options);
        let inner = stead_ports::disk::aside(&*disk, work)
            .await
            .map_err(fault)??;
        Ok(Store(Arc::new(inner)))
    }

    pub fn stats(&self) -> Stats {
        let state = self.0.state();
        let frozen = state.frozen.as_ref().map_or(0, |frozen| frozen.head.len());
        Stats {
            series: state.catalogue.len() as u64,
            head: (state.head.len() + frozen) as u64,
            parts: state.ledger.parts.len() as u64,
            bytes: state.bytes(),
            ..state.stats.clone()
        }
    }

    /// Bytes of the finest tier's parts, and of all parts.
    pub fn sizes(&self) -> (u64, u64) {
        let ledger = self.0.state().ledger.clone();
        let step = self.0.options.tiers.step(0);
        let finest = ledger.parts.iter().filter(|part| part.about.step == step);
        (finest.map(|part| part.about.size).sum(), ledger.size())
    }

    #[cfg(feature = "promql")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }
}

impl State {
    /// On disk.
    fn bytes(&self) -> u64 {
        self.ledger.size() + self.ledger.names.size + self.wal.bytes()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.wall().0
    }

    /// Until when time is known to have come: what is too old is judged by it. A clock that is set a year ahead by mistake
    /// drops nothing, since no sample is of that time.
    fn era(&self) -> i64 {
        let newest = self.state().newest;
        self.now().min(newest)
    }

    /// Does `work`, which blocks, to its end, with the right to change files, even if nobody waits for it any more.
    async fn alone<T: Send + 'static>(
        self: &Arc<Inner>,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let right = Arc::clone(&self.work).lock_owned().await;
        let inner = Arc::clone(self);
        let work = move || {
            let result = work(&inner);
            ::std::mem::drop(right);
            result
        };
        stead_ports::disk::aside(&*self.disk, work)
            .await
            .map_err(fault)?
    }

    /// Makes `ledger` the one that counts, and with it changes whatever else must change in the same instant. Blocks; only
    /// with the right to change files.
    fn commit(&self, ledger: Ledger, also: impl FnOnce(&mut State)) -> Result<(), Error> {
        ledger.write(&*self.disk, &self.places.0).map_err(fault)?;
        let mut state = self.state();
        state.ledger = ledger;
        also(&mut state);
        Ok(())
    }
}

fn fault(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Io(error.to_string()),
    }
}
