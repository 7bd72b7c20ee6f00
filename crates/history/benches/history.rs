//! What samples cost: taking them in, reading them back. What they take on disk is in `sizes.rs`.
//!
//! `cargo bench -p stead-history` prints one line of JSON and one for people per figure. Arguments (all optional):
//! `--hosts N` (150), `--minutes N` of ingest (60), `--days N` of the long read (30), `--dir PATH` (a temporary folder
//! below the current one), `--only ingest|read`.

#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_core::time::{Span, Time};
use stead_history::corpus::Corpus;
use stead_history::store::{Options, Store};
use stead_ports::clock::ManualClock;
use stead_ports::disk::RealDisk;
use stead_ports::history::{Op, Range, Reader, Selector, Writer};

const START: i64 = 1_795_000_000_000 / 86_400_000 * 86_400_000;
const SEED: u64 = 4;
const DAY: i64 = 86_400_000;

fn say(name: &str, unit: &str, value: f64, extra: &str) {
    println!(r#"{{"bench":"{name}","unit":"{unit}","value":{value}{extra}}}"#);
    eprintln!("{name}: {value:.3} {unit} {extra}");
}

/// Processor time of this process, in seconds.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Resident now, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

async fn open(dir: &Path, options: Options) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Time(START)));
    let (disk, of) = (Arc::new(RealDisk), Arc::clone(&clock));
    let store = Store::open(disk, of, dir, options).await.expect("open");
    (store, clock)
}

/// Takes readings in every `step` until `end`, with the upkeep that goes with it. Returns the processor time of the store
/// alone, and how many samples it took.
async fn fill(
    store: &Store,
    clock: &ManualClock,
    corpus: &mut Corpus,
    step: i64,
    end: i64,
) -> (f64, u64) {
    let (mut spent, mut taken) = (0.0, 0);
    let mut at = START;
    let mut batches = Vec::new();
    while at < end {
        // Making samples is not what is measured: many are made, then taken in.
        while at < end && batches.len() < 30 {
            batches.push((at, corpus.read(Time(at), step as f64 / 1000.0)));
            at += step;
        }
        let before = processor();
        for (when, batch) in batches.drain(..) {
            clock.set_wall(Time(when + 1));
            clock.advance(Duration::from_millis(step as u64));
            taken += store.append(batch).await.expect("append").samples;
            store.keep().await.expect("keep");
        }
        spent += processor() - before;
    }
    (spent, taken)
}

async fn ingest(dir: &Path, hosts: usize, minutes: i64) {
    let (store, clock) = open(&dir.join("ingest"), Options::server()).await;
    let mut corpus = Corpus::new(hosts, SEED);
    let start = Instant::now();
    let (spent, taken) = fill(
        &store,
        &clock,
        &mut corpus,
        10_000,
        START + minutes * 60_000,
    )
    .await;
    let extra = format!(
        r#","series":{},"samples":{taken},"wall":{:.1}"#,
        corpus.series(),
        start.elapsed().as_secs_f64()
    );
    say(
        "history_ingest",
        "samples/core-s",
        taken as f64 / spent,
        &extra,
    );
    say("history_resident", "MiB", resident(), "");
}

/// Merged as far as it goes once time has passed.
async fn settle(store: &Store, clock: &ManualClock, end: i64) {
    store.flush().await.expect("flush");
    clock.set_wall(Time(end));
    clock.advance(Duration::from_secs(3600));
    while store.merge().await.expect("merge") {}
}

async fn read(dir: &Path, days: i64) {
    let (store, clock) = open(&dir.join("read"), Options::server()).await;
    let mut corpus = Corpus::new(4, SEED);
    let end = START + days * DAY;
    fill(&store, &clock, &mut corpus, 60_000, end).await;
    settle(&store, &clock, end).await;
    let selector = Selector::metric("stead_cpu_percent")
        .with("node", Op::Equal, "node-0002")
        .with("mode", Op::Equal, "user");
    for (name, step) in [("wide", Span::mins(45)), ("fine", Span::mins(5))] {
        let range = Range {
            selector: selector.clone(),
            from: Time(START),
            to: Time(end),
            step,
        };
        let mut times = Vec::new();
        let mut points = 0;
        for _ in 0..200 {
            let start = Instant::now();
            let series = store.range(&range).await.expect("range");
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            points = series.first().map_or(0, |series| series.points.len());
        }
        times.sort_by(f64::total_cmp);
        let extra = format!(r#","p99":{:.3},"points":{points}"#, times[198]);
        say(&format!("history_30_days_{name}"), "ms", times[100], &extra);
    }
}

fn argument(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and(args.next())
}

fn main() {
    let number = |name: &str, default: i64| {
        argument(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let parent = argument("--dir").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::Builder::new()
        .prefix("bench-history-")
        .tempdir_in(parent)
        .expect("a folder to write in");
    let only = argument("--only");
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        if wanted("ingest") {
            ingest(
                dir.path(),
                number("--hosts", 150) as usize,
                number("--minutes", 60),
            )
            .await;
        }
        if wanted("read") {
            read(dir.path(), number("--days", 30)).await;
        }
    });
}
