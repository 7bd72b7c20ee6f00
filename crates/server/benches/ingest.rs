//! The same samples given to Stead's store, to a Prometheus and to a VictoriaMetrics: what a core-second takes in.
//!
//! `cargo bench -p stead-server --bench ingest` prints one line of JSON and one for people per figure. Arguments (all
//! optional): `--hosts N` (40), `--minutes N` of samples at ten seconds (200), `--rounds N` (3), `--dir PATH`. Rounds are
//! interleaved, and the cheapest of each counts: other work on the machine only ever adds.
//!
//! Counted: processor time of the process that stores, until it has nothing left to do: a write-ahead file, memory, and
//! whatever is flushed, merged or compacted meanwhile. Stead's store is called in this process. The others run as they
//! come and are sent remote-write, so that theirs includes decoding it; what the sender spends is not counted. Beside
//! that, `promtool tsdb bench write` is Prometheus' storage alone, on as many series of the same labels; its values are its
//! own and easier (each is the one before and a thousand), and it profiles itself meanwhile.

#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_adapters::prometheus::Receiver;
use stead_core::desired::Door;
use stead_core::time::Time;
use stead_history::corpus::Corpus;
use stead_history::store::{Options, Store};
use stead_ports::clock::ManualClock;
use stead_ports::disk::RealDisk;
use stead_ports::history::Writer;
use stead_ports::secrets::NoSecrets;

const STEP: i64 = 10_000;
const SEED: u64 = 4;
/// Readings made at a time, before they are taken in: making them is not what is measured.
const AHEAD: usize = 30;
/// Samples a request: as many as Stead sends, and four times what Prometheus 2.42 does.
const BATCH: usize = 2_000;
/// A process that spent nothing for this long has nothing left to do.
const QUIET: Duration = Duration::from_secs(3);
const WITHIN: Duration = Duration::from_secs(120);

/// How much is taken in.
#[derive(Clone, Copy)]
struct Load {
    hosts: usize,
    minutes: i64,
}

impl Load {
    /// Now, less what is given: nobody has to take samples from the future, or to drop them as too old.
    fn start(self) -> i64 {
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).expect("a clock");
        (now.as_millis() as i64 - self.minutes * 60_000) / STEP * STEP
    }

    fn steps(self) -> i64 {
        self.minutes * 60_000 / STEP
    }
}

/// What a round found.
#[derive(Clone, Copy)]
struct Taken {
    samples: u64,
    seconds: f64,
    resident: f64,
}

impl Taken {
    fn rate(self) -> f64 {
        self.samples as f64 / self.seconds
    }
}

fn say(name: &str, rounds: &[Taken]) {
    let Some(best) = rounds.iter().max_by(|a, b| a.rate().total_cmp(&b.rate())) else {
        return;
    };
    let worst = rounds.iter().map(|r| r.rate()).fold(f64::MAX, f64::min);
    for (what, unit, value) in [
        ("", "samples/core-s", best.rate()),
        ("_worst", "samples/core-s", worst),
        ("_resident", "MiB", best.resident),
    ] {
        println!(r#"{{"bench":"{name}{what}","unit":"{unit}","value":{value:.1}}}"#);
        eprintln!("{name}{what}: {value:.1} {unit}");
    }
}

/// Processor time of a process, in seconds, without its children; or that of its children that ended.
fn processor(pid: &str, children: bool) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let from = if children { 13 } else { 11 };
    let ticks = fields.split_whitespace().skip(from).take(2);
    ticks.filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Resident now, in MiB.
fn resident(pid: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

async fn stead(dir: &Path, load: Load) -> Taken {
    let start = load.start();
    let clock = Arc::new(ManualClock::at(Time(start)));
    let (disk, of) = (Arc::new(RealDisk), Arc::clone(&clock));
    let store = Store::open(disk, of, dir, Options::server())
        .await
        .expect("open");
    let mut corpus = Corpus::new(load.hosts, SEED);
    let (mut seconds, mut samples) = (0.0, 0);
    for steps in (0..load.steps()).collect::<Vec<_>>().chunks(AHEAD) {
        let at = steps.iter().map(|n| start + n * STEP);
        let readings: Vec<_> = at.map(|at| (at, corpus.read(Time(at), 10.0))).collect();
        let before = processor("self", false);
        for (at, batch) in readings {
            clock.set_wall(Time(at + 1));
            clock.advance(Duration::from_millis(STEP as u64));
            samples += store.append(batch).await.expect("append").samples;
            store.keep().await.expect("keep");
        }
        seconds += processor("self", false) - before;
    }
    Taken {
        samples,
        seconds,
        resident: resident("self"),
    }
}

/// A server of others that runs until this is dropped.
struct Peer {
    child: Child,
    port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    fn start(program: &str, args: impl Fn(u16) -> Vec<String>) -> Peer {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("a port").port();
        drop(socket);
        let mut command = Command::new(program);
        command
            .args(args(port))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect(program);
        let peer = Peer { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < WITHIN, "{program} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        peer
    }

    fn prometheus(dir: &Path) -> Peer {
        let config = dir.join("prometheus.yml");
        std::fs::create_dir_all(dir).expect("a folder");
        std::fs::write(&config, "scrape_configs: []\n").expect("prometheus.yml");
        Peer::start("prometheus", |port| {
            vec![
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}/data", dir.display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--web.enable-remote-write-receiver".to_owned(),
            ]
        })
    }

    fn victoria_metrics(dir: &Path) -> Peer {
        Peer::start("victoria-metrics", |port| {
            vec![
                format!("-storageDataPath={}", dir.display()),
                format!("-httpListenAddr=127.0.0.1:{port}"),
            ]
        })
    }

    /// Everything, batch by batch, then waits until it has nothing left to do.
    async fn take(self, load: Load) -> Taken {
        let door = Door::open(format!("http://127.0.0.1:{}/api/v1/write", self.port));
        let receiver = Receiver::new(door, Arc::new(NoSecrets)).expect("a receiver");
        let pid = self.child.id().to_string();
        let before = processor(&pid, false);
        let (mut corpus, start, mut samples) = (Corpus::new(load.hosts, SEED), load.start(), 0);
        for n in 0..load.steps() {
            let readings = corpus.read(Time(start + n * STEP), 10.0);
            for batch in readings.chunks(BATCH) {
                receiver.send(batch).await.expect("taken");
                samples += batch.len() as u64;
            }
        }
        let mut spent = processor(&pid, false);
        let mut since = Instant::now();
        // It is never quite at rest: a hundredth or two a second is its idling.
        while since.elapsed() < QUIET {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = processor(&pid, false);
            if now - spent > 0.03 {
                (spent, since) = (now, Instant::now());
            }
        }
        Taken {
            samples,
            seconds: spent - before,
            resident: resident(&pid),
        }
    }
}

/// Prometheus' storage by its own benchmark.
fn promtool(dir: &Path, load: Load) -> Option<Taken> {
    let mut corpus = Corpus::new(load.hosts, SEED);
    let mut names = String::new();
    for entry in corpus.read(Time(0), 10.0) {
        let pairs = entry
            .labels
            .iter()
            .map(|(name, value)| format!("{name:?}:{value:?}"));
        let _ = writeln!(names, "{{{}}}", pairs.collect::<Vec<_>>().join(","));
    }
    let file = dir.join("series.json");
    std::fs::create_dir_all(dir).ok()?;
    std::fs::write(&file, names).ok()?;
    let before = processor("self", true);
    let said = Command::new("promtool")
        .args(["tsdb", "bench", "write"])
        .arg(format!("--out={}/out", dir.display()))
        .arg(format!("--metrics={}", corpus.series()))
        .arg(format!("--scrapes={}", load.steps()))
        .arg(&file)
        .output()
        .ok()?;
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    Some(Taken {
        samples: corpus.series() as u64 * load.steps() as u64,
        seconds: processor("self", true) - before,
        resident: 0.0,
    })
}

fn argument(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and(args.next())
}

fn main() {
    let number = |name: &str, default: i64| {
        let given = argument(name).and_then(|n| n.parse().ok());
        given.unwrap_or(default)
    };
    let load = Load {
        hosts: number("--hosts", 40) as usize,
        minutes: number("--minutes", 200),
    };
    let parent = argument("--dir").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::Builder::new()
        .prefix("bench-ingest-")
        .tempdir_in(parent)
        .expect("a folder to write in");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let [mut ours, mut prometheus, mut victoria, mut storage] = [const { Vec::new() }; 4];
    for round in 0..number("--rounds", 3) {
        let at = |name: &str| dir.path().join(format!("{name}-{round}"));
        runtime.block_on(async {
            ours.push(stead(&at("stead"), load).await);
            prometheus.push(Peer::prometheus(&at("prometheus")).take(load).await);
            victoria.push(Peer::victoria_metrics(&at("victoria")).take(load).await);
        });
        storage.extend(promtool(&at("promtool"), load));
        eprintln!(
            "round {round}: {:.0}, {:.0}, {:.0}",
            ours[ours.len() - 1].rate(),
            prometheus[prometheus.len() - 1].rate(),
            victoria[victoria.len() - 1].rate()
        );
    }
    say("ingest_stead", &ours);
    say("ingest_prometheus", &prometheus);
    say("ingest_victoria_metrics", &victoria);
    say("ingest_prometheus_storage", &storage);
}
