//! A store on a disk in memory with a clock that goes as told, and what its answers should be.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stead_core::time::{Span, Time};
use stead_history::store::{Options, Store};
use stead_history::tier::Tiers;
use stead_ports::clock::ManualClock;
use stead_ports::disk::{Disk, MemoryDisk};
use stead_ports::history::{
    Accepted, Entry, Error, Labels, Point, Range, Reader, Sample, Selector, Writer,
};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// A multiple of every partition's length, so that tests know where partitions begin.
pub const START: i64 = 20_000 * DAY;

pub const DIR: &str = "/history";

pub struct Place {
    pub disk: MemoryDisk,
    pub clock: Arc<ManualClock>,
    pub options: Options,
}

impl Place {
    pub fn new(options: Options) -> Place {
        let disk = MemoryDisk::new();
        disk.mount().create_dir(Path::new(DIR)).unwrap();
        Place {
            disk,
            clock: Arc::new(ManualClock::at(Time(START))),
            options,
        }
    }

    pub fn server() -> Place {
        Place::new(Options {
            head: 2_000,
            ..Options::server()
        })
    }

    /// One tier of a second, kept for an hour.
    pub fn small() -> Place {
        let tier = stead_history::tier::Tier {
            step: Span::secs(1),
            keep: Span::hours(1),
        };
        Place::new(Options {
            tiers: Tiers::new(vec![tier]).unwrap(),
            head: 500,
            ..Options::node()
        })
    }

    pub async fn try_open(&self) -> Result<Store, Error> {
        let (disk, clock) = (self.disk.mount(), Arc::clone(&self.clock));
        Store::open(disk, clock, Path::new(DIR), self.options.clone()).await
    }

    pub async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    pub fn pass(&self, millis: i64) {
        self.clock.advance(Duration::from_millis(millis as u64));
    }
}

pub fn entry(labels: &Labels, at: i64, value: f64) -> Entry {
    Entry {
        labels: labels.clone(),
        sample: Sample {
            at: Time(at),
            value,
        },
    }
}

pub fn labels(metric: &str, node: &str) -> Labels {
    Labels::new(metric, [("node", node)])
}

pub async fn append(
    store: &Store,
    labels: &Labels,
    samples: impl IntoIterator<Item = (i64, f64)>,
) -> Accepted {
    let batch = samples
        .into_iter()
        .map(|(at, value)| entry(labels, at, value));
    store.append(batch.collect()).await.unwrap()
}

pub async fn points(
    store: &Store,
    selector: &Selector,
    from: i64,
    to: i64,
    step: i64,
) -> Vec<Point> {
    let range = Range {
        selector: selector.clone(),
        from: Time(from),
        to: Time(to),
        step: Span(step as u64),
    };
    let mut series = store.range(&range).await.unwrap();
    assert!(series.len() <= 1, "one series was meant");
    series.pop().map(|series| series.points).unwrap_or_default()
}

/// Times and averages.
pub fn plain(points: &[Point]) -> Vec<(i64, f64)> {
    points.iter().map(|point| (point.at.0, point.avg)).collect()
}

/// The nth sample of a series that is like no other.
pub fn value(series: u64, n: i64) -> f64 {
    let mixed = (series + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (n as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed >> 40) % 10_000) as f64 / 10.0
}
