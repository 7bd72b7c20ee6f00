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

#[cfg(test)]
mod tests {
    use stead_core::sample::HostSample;
    use stead_core::time::{Span, Time};
    use stead_core::world::World;
    use stead_engine::Engine;
    use stead_ports::clock::ManualClock;
    use stead_ports::disk::MemoryDisk;
    use stead_ports::disk::memory::Loss;
    use stead_ports::history::{Range, Reader, Selector};
    use stead_ports::log::EventLog;
    use stead_ports::log::memory::{Disk, Faults, MemoryLog};

    use super::*;

    const START: i64 = 20_000 * 86_400_000;

    /// A recorder on a disk in memory.
    struct Place {
        disk: MemoryDisk,
        clock: Arc<ManualClock>,
        handle: Handle,
    }

    impl Place {
        fn new() -> Place {
            let log = MemoryLog::open(&Disk::default(), &Faults::default()).unwrap();
            let log: Arc<dyn EventLog> = Arc::new(log);
            let clock = Arc::new(ManualClock::at(Time(START)));
            let options = stead_engine::Options::default();
            let (_, handle, _) = Engine::new(log, clock.clone(), "l", World::default(), options);
            Place {
                disk: MemoryDisk::new(),
                clock,
                handle,
            }
        }

        async fn store(&self) -> Store {
            let (disk, clock) = (self.disk.mount(), self.clock.clone());
            let options = Options::server();
            let store = Store::open(disk, clock, Path::new("/history"), options);
            store.await.unwrap()
        }

        async fn recorder(&self) -> Recorder {
            Recorder {
                history: Arc::default(),
                store: self.store().await,
                handle: self.handle.clone(),
                clock: self.clock.clone(),
                folds: Folds::default(),
                raised: None,
            }
        }

        fn troubles(&self) -> Vec<String> {
            let code = |t: &stead_engine::Trouble| t.code.clone();
            self.handle.read(|view| view.troubles().map(code).collect())
        }
    }

    fn steps(from: i64, count: i64) -> Vec<Entry> {
        let entry = |n: i64| Entry {
            labels: Labels::new("load", [("node", "piha")]),
            sample: Sample {
                at: Time(START + (from + n) * 10_000),
                value: 1.0,
            },
        };
        (0..count).map(entry).collect()
    }

    async fn kept(store: &Store, metric: &str) -> usize {
        let range = Range {
            selector: Selector::metric(metric),
            from: Time(START),
            to: Time(START + 3_600_000),
            step: Span::secs(10),
        };
        let found = store.range(&range).await.unwrap();
        found.iter().map(|series| series.points.len()).sum()
    }

    #[tokio::test]
    async fn what_the_store_cannot_take_is_counted_and_told_until_it_can() {
        let place = Place::new();
        let mut recorder = place.recorder().await;
        recorder.append(steps(0, 2), &[]).await;
        place.disk.set_room(Some(0));
        recorder.append(steps(2, 3), &[]).await;
        let lost = || recorder.history.counts.lost.load(Ordering::Relaxed);
        assert_eq!(
            (lost(), place.troubles()),
            (3, vec!["history-full".to_owned()])
        );
        place.disk.set_room(None);
        recorder.append(steps(5, 1), &[]).await;
        assert_eq!(place.troubles(), Vec::<String>::new());
        assert_eq!(kept(&recorder.store, "load").await, 3);
    }

    #[tokio::test]
    async fn what_the_store_cannot_do_by_itself_is_told_until_it_can() {
        let place = Place::new();
        let mut recorder = place.recorder().await;
        recorder.append(steps(0, 2), &[]).await;
        recorder.watch();
        assert_eq!(place.troubles(), Vec::<String>::new());
        place.clock.advance(Duration::from_secs(660));
        place.disk.set_room(Some(0));
        recorder.store.keep().await.unwrap_err();
        recorder.watch();
        assert_eq!(place.troubles(), ["history-full"]);
        // What is written ahead fits again, but it was not tried yet whether the rest does.
        place.disk.set_room(Some(10_000));
        recorder.append(steps(60, 1), &[]).await;
        assert_eq!(place.troubles(), ["history-full"]);
        place.disk.set_room(None);
        recorder.store.keep().await.unwrap();
        recorder.append(steps(61, 1), &[]).await;
        assert_eq!(place.troubles(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_agents_said_until_the_stop_outlives_the_power() {
        let place = Place::new();
        let recorder = place.recorder().await;
        let (queue, readings) = mpsc::channel(8);
        for n in 0..5 {
            let host = HostSample {
                at: Time(START + n * 10_000),
                load1: 0.5,
                ..HostSample::default()
            };
            let reading = Reading {
                node: "piha".parse().unwrap(),
                host,
                containers: Vec::new(),
            };
            queue.send(reading).await.unwrap();
        }
        let stop = CancellationToken::new();
        stop.cancel();
        recorder.run(readings, stop).await;
        place.disk.cut_power(Loss::Unsynced);
        assert_eq!(kept(&place.store().await, "stead_node_load1").await, 5);
    }
}
