//! What a durable event costs, beside a raw `write` + `fdatasync` of the same bytes in the same groups, in the same
//! minutes: disks of shared machines swing by a factor of a hundred, so only ratios of one run mean anything.
//!
//! `cargo bench -p stead-store` prints one line of JSON and one for people per figure. Arguments (all optional):
//! `--rounds N` (5), `--seconds N` per measurement (2), `--dir PATH` (a temporary folder below the current one),
//! `--only single` (the first scenario alone, for profiling).

#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::frame::encoded_len;
use stead_ports::log::{EventLog, Filter, Record};
use stead_store::sqlite::{Options, SqliteLog};
use tokio::sync::{mpsc, oneshot};

const PRODUCERS: u64 = 64;
/// Events an agent hands over at a time, in the second scenario.
const BURST: u64 = 32;
/// Largest group commit; the bound of the engine's queue.
const QUEUE: usize = 4096;

fn record(producer: u64, n: u64) -> Record {
    let node = format!("node-{:03}", (producer * 7 + n) % 200);
    Record {
        seq: Seq::ZERO,
        id: String::from("0123456789abcdef0123456789abcdef-1234567"),
        at: Time(1_795_000_000_000 + n as i64),
        version: 1,
        subject: format!("service/{node}/svc-{}", n % 20),
        node,
        kind: ["service_unhealthy", "service_recovered", "container_changed", "disk_pressure"][(n % 4) as usize].into(),
        severity: n.is_multiple_of(17) as u8,
        body: format!(
            r#"{{"streak":{},"output":"GET /health: 503 Service Unavailable after {} ms","image":"registry/app@sha256:{:064x}"}}"#,
            n % 9, n % 997, n * 31
        )
        .into_bytes(),
    }
}

type Job = (Vec<Record>, oneshot::Sender<()>);

/// The engine's loop: takes what waits in the queue, numbers it, appends it, answers.
async fn commit_loop(log: Arc<SqliteLog>, mut queue: mpsc::Receiver<Job>, groups: Arc<AtomicU64>) {
    let head = log.head().await.expect("head");
    let (mut next, log_id) = (head.seq.next(), head.log_id);
    let mut jobs = Vec::with_capacity(QUEUE);
    while queue.recv_many(&mut jobs, QUEUE).await > 0 {
        let (mut batch, mut waiting) = (Vec::new(), Vec::with_capacity(jobs.len()));
        for (records, answer) in jobs.drain(..) {
            for mut record in records {
                record.seq = next;
                record.id = format!("{log_id}-{next}");
                next = next.next();
                batch.push(record);
            }
            waiting.push(answer);
        }
        log.append(batch).await.expect("append");
        groups.fetch_add(1, Ordering::Relaxed);
        for answer in waiting {
            answer.send(()).ok();
        }
    }
}

struct Measured {
    events: u64,
    groups: u64,
    seconds: f64,
}

impl Measured {
    fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// 64 producers, each waiting until its `burst` is durable before it sends the next.
async fn stead(log: &Arc<SqliteLog>, burst: u64, length: Duration) -> Measured {
    let (send, receive) = mpsc::channel(QUEUE);
    let groups = Arc::new(AtomicU64::new(0));
    let events = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let base = log.head().await.expect("head").seq.0;
    let committer = tokio::spawn(commit_loop(Arc::clone(log), receive, Arc::clone(&groups)));
    let start = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (send, events, stop) = (send.clone(), Arc::clone(&events), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut n = base;
                while !stop.load(Ordering::Relaxed) {
                    let records = (n..n + burst).map(|n| record(producer, n)).collect();
                    n += burst;
                    let (answer, durable) = oneshot::channel();
                    send.send((records, answer))
                        .await
                        .expect("the committer lives");
                    durable.await.expect("an answer");
                    events.fetch_add(burst, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(length).await;
    let (events, seconds) = (
        events.load(Ordering::Relaxed),
        start.elapsed().as_secs_f64(),
    );
    let groups = groups.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.await.expect("producer");
    }
    drop(send);
    committer.await.expect("committer");
    Measured {
        events,
        groups,
        seconds,
    }
}

/// The controls: the same bytes per event, as many per group, one `write` and one `fdatasync` each. Appended to a file
/// that grows, as a plain log file is; or written over a file whose blocks are there already, which spares the file
/// system its journal (SQLite's write-ahead file is of that kind once it has been around).
fn raw(dir: &Path, group: u64, in_place: bool, length: Duration) -> Measured {
    let bytes: Vec<u8> = (0..group)
        .flat_map(|n| vec![b'x'; encoded_len(&record(n % PRODUCERS, n))])
        .collect();
    let path = dir.join("raw");
    let mut file = File::create(&path).expect("raw file");
    let room = (8 * 1024 * 1024 / bytes.len() as u64).max(1);
    if in_place {
        for _ in 0..room {
            file.write_all(&bytes).expect("write");
        }
        file.sync_all().expect("fsync");
    }
    let (start, mut groups) = (Instant::now(), 0);
    while start.elapsed() < length {
        if in_place && groups % room == 0 {
            file.rewind().expect("seek");
        }
        file.write_all(&bytes).expect("write");
        file.sync_data().expect("fdatasync");
        groups += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(path).expect("remove");
    Measured {
        events: groups * group,
        groups,
        seconds,
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn say(name: &str, unit: &str, value: f64, extra: &str) {
    println!(r#"{{"bench":"{name}","value":{value:.3},"unit":"{unit}"{extra}}}"#);
    println!("  {name}: {value:.2} {unit}");
}

async fn appends(dir: &Path, burst: u64, rounds: usize, length: Duration) {
    let name = if burst == 1 {
        "log_append_single"
    } else {
        "log_append_bursts"
    };
    let mut figures: [Vec<f64>; 5] = Default::default();
    let data = dir.join(name);
    let log = Arc::new(
        SqliteLog::open(&data, Options::default())
            .await
            .expect("open"),
    );
    for round in 0..rounds {
        let ours = stead(&log, burst, length).await;
        let group = (ours.events / ours.groups.max(1)).max(1);
        let (ours, grown, placed) = (
            ours.rate(),
            raw(dir, group, false, length).rate(),
            raw(dir, group, true, length).rate(),
        );
        println!(
            "  round {round}: {ours:.0} events/s in groups of {group}; raw {grown:.0}/s appending, {placed:.0}/s in place"
        );
        for (figure, value) in
            figures
                .iter_mut()
                .zip([ours, grown, placed, ours / grown, ours / placed])
        {
            figure.push(value);
        }
    }
    let extra = format!(r#","producers":{PRODUCERS},"burst":{burst},"rounds":{rounds}"#);
    let names = [
        "",
        "_raw_appending",
        "_raw_in_place",
        "_ratio_to_appending",
        "_ratio_to_in_place",
    ];
    for (i, (figure, end)) in figures.iter_mut().zip(names).enumerate() {
        let unit = if i < 3 { "events/s" } else { "x raw" };
        say(&format!("{name}{end}"), unit, median(figure), &extra);
    }
    log.close().await.expect("close");
}

/// One event at a time, as on a quiet night: how long until it is durable, beside one raw write and sync.
async fn latency(dir: &Path, length: Duration) {
    let log = SqliteLog::open(&dir.join("latency"), Options::default())
        .await
        .expect("open");
    let mut file = File::create(dir.join("raw")).expect("raw file");
    let bytes = vec![b'x'; encoded_len(&record(0, 0))];
    let (mut ours, mut raws) = (Vec::new(), Vec::new());
    let (start, mut seq) = (Instant::now(), Seq::ZERO);
    while start.elapsed() < length * 2 {
        seq = seq.next();
        let event = Record {
            seq,
            ..record(0, seq.0)
        };
        let before = Instant::now();
        log.append(vec![event]).await.expect("append");
        ours.push(before.elapsed().as_secs_f64() * 1000.0);
        let before = Instant::now();
        file.write_all(&bytes).expect("write");
        file.sync_data().expect("fdatasync");
        raws.push(before.elapsed().as_secs_f64() * 1000.0);
    }
    let extra = format!(r#","appends":{}"#, ours.len());
    for (name, times) in [
        ("log_latency", &mut ours),
        ("log_latency_raw_appending", &mut raws),
    ] {
        times.sort_by(f64::total_cmp);
        say(&format!("{name}_p50"), "ms", times[times.len() / 2], &extra);
        say(
            &format!("{name}_p99"),
            "ms",
            times[times.len() * 99 / 100],
            &extra,
        );
    }
    log.close().await.expect("close");
}

/// Drops the pages of the log's files from the page cache, so that the next read comes from the disk.
fn forget(dir: &Path) {
    for entry in std::fs::read_dir(dir.join("log"))
        .expect("log folder")
        .flatten()
    {
        if let Ok(file) = File::open(entry.path()) {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).ok();
        }
    }
}

async fn reads(data: &Path, rounds: usize) {
    let mut rates = Vec::new();
    let mut total = 0;
    for _ in 0..rounds {
        forget(data);
        let log = SqliteLog::open(data, Options::default())
            .await
            .expect("open");
        forget(data);
        let (start, mut at, mut seen) = (Instant::now(), Seq::ZERO, 0u64);
        loop {
            let records = log.read(at, 10_000).await.expect("read");
            let Some(last) = records.last() else { break };
            at = last.seq;
            seen += records.len() as u64;
            // Enough for a figure.
            if seen >= 1_000_000 {
                break;
            }
        }
        rates.push(seen as f64 / start.elapsed().as_secs_f64());
        total = seen;
        log.close().await.expect("close");
    }
    let extra = format!(r#","records":{total},"chunk":10000,"rounds":{rounds}"#);
    say("log_cold_read", "records/s", median(&mut rates), &extra);
}

async fn queries(data: &Path, rounds: usize) {
    let log = SqliteLog::open(data, Options::default())
        .await
        .expect("open");
    let head = log.head().await.expect("head").seq;
    let page = |filter: Filter| Filter {
        newest_first: true,
        limit: 50,
        ..filter
    };
    let shapes = [
        (
            "node",
            page(Filter {
                node: Some("node-042".into()),
                ..Filter::default()
            }),
        ),
        (
            "subject",
            page(Filter {
                subject: Some("service/node-042/svc-2".into()),
                ..Filter::default()
            }),
        ),
        (
            "severity",
            page(Filter {
                min_severity: 1,
                ..Filter::default()
            }),
        ),
        (
            "absent_node",
            page(Filter {
                node: Some("nobody".into()),
                ..Filter::default()
            }),
        ),
    ];
    for (name, filter) in shapes {
        let mut times = Vec::new();
        for _ in 0..rounds.max(5) {
            let start = Instant::now();
            log.query(filter.clone()).await.expect("query");
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let extra = format!(r#","records":{head}"#);
        say(
            &format!("log_query_{name}"),
            "ms",
            median(&mut times),
            &extra,
        );
    }
    let start = Instant::now();
    let sound = log.verify().await.expect("verify");
    say(
        "log_verify",
        "records/s",
        sound as f64 / start.elapsed().as_secs_f64(),
        "",
    );
    log.close().await.expect("close");
}

fn argument(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and(args.next())
}

fn main() {
    let number = |name: &str, default: u64| {
        argument(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let (rounds, length) = (
        number("--rounds", 5) as usize,
        Duration::from_secs(number("--seconds", 2)),
    );
    let parent = argument("--dir").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::Builder::new()
        .prefix("bench-log-")
        .tempdir_in(parent)
        .expect("a folder to write in");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        latency(dir.path(), length).await;
        let bursts = match argument("--only").as_deref() {
            Some("single") => vec![1],
            _ => vec![1, BURST],
        };
        for burst in &bursts {
            appends(dir.path(), *burst, rounds, length).await;
        }
        if bursts.len() == 1 {
            return;
        }
        let data = dir.path().join("log_append_bursts");
        reads(&data, rounds).await;
        queries(&data, rounds).await;
    });
}
