//! Bytes a sample: the same corpus kept by Stead's store, by a VictoriaMetrics and by a Prometheus, all at full precision.
//!
//! `cargo bench -p stead-history --bench sizes` prints one line of JSON and one for people per figure. Arguments (all
//! optional): `--hosts N` (20), `--hours N` at ten seconds (24), `--minutes N` at one second (60), `--dir PATH`.
//!
//! Each has merged as far as it goes. Stead's is its finest tier: the others keep no second one. VictoriaMetrics takes the
//! samples by its import and is told to merge; Prometheus' own tool writes the block that a server would have compacted to.
//! *Samples* are parts, data and chunks; *whole* is with names and index, without which nothing is found.

#![allow(clippy::disallowed_methods, reason = "waiting for another's process")]

use std::io::{BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_core::time::Time;
use stead_history::corpus::Corpus;
use stead_history::store::{Options, Store};
use stead_ports::clock::ManualClock;
use stead_ports::disk::RealDisk;
use stead_ports::history::{Labels, NAME, Writer};

const DAY: i64 = 86_400_000;
const START: i64 = 1_795_000_000_000 / DAY * DAY;
const SEED: u64 = 4;
const WITHIN: Duration = Duration::from_secs(300);

/// So many machines, measured at this step for this long, in milliseconds.
#[derive(Clone, Copy)]
struct Span {
    name: &'static str,
    hosts: usize,
    step: i64,
    length: i64,
}

impl Span {
    fn times(self) -> impl Iterator<Item = i64> {
        (START..START + self.length).step_by(self.step as usize)
    }

    fn seconds(self) -> f64 {
        self.step as f64 / 1000.0
    }
}

/// Bytes on disk.
#[derive(Clone, Copy)]
struct Kept {
    samples: u64,
    whole: u64,
}

fn say(of: Span, who: &str, taken: u64, kept: Kept) {
    for (what, bytes) in [("samples", kept.samples), ("whole", kept.whole)] {
        let name = format!("sizes_{}_{who}_{what}", of.name);
        let value = bytes as f64 / taken as f64;
        println!(
            r#"{{"bench":"{name}","unit":"bytes/sample","value":{value:.4},"bytes":{bytes},"samples":{taken}}}"#
        );
        eprintln!("{name}: {value:.4} bytes/sample");
    }
}

async fn stead(dir: &Path, of: Span, options: Options) -> (u64, Kept) {
    let options = Options {
        bound: 8 << 30,
        head: 1_000_000,
        ..options
    };
    let clock = Arc::new(ManualClock::at(Time(START)));
    let (disk, told) = (Arc::new(RealDisk), Arc::clone(&clock));
    let store = Store::open(disk, told, dir, options).await.expect("open");
    let mut corpus = Corpus::new(of.hosts, SEED);
    let mut taken = 0;
    for at in of.times() {
        clock.set_wall(Time(at + 1));
        clock.advance(Duration::from_millis(of.step as u64));
        let batch = corpus.read(Time(at), of.seconds());
        taken += store.append(batch).await.expect("append").samples;
        store.keep().await.expect("keep");
    }
    store.flush().await.expect("flush");
    // The last partition is as it is while it is written to; once time has passed it is merged like the others.
    clock.set_wall(Time(START + of.length + DAY / 4));
    clock.advance(Duration::from_secs(3600));
    while store.merge().await.expect("merge") {}
    let (finest, all) = store.sizes();
    let names = store.stats().bytes - all;
    let kept = Kept {
        samples: finest,
        whole: finest + names,
    };
    (taken, kept)
}

/// One sample a line, with its time in milliseconds or, as OpenMetrics has it, in seconds.
fn export(path: &Path, of: Span, open_metrics: bool) {
    let mut file = BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut corpus = Corpus::new(of.hosts, SEED);
    for at in of.times() {
        for entry in corpus.read(Time(at), of.seconds()) {
            let (name, value) = (line(&entry.labels), entry.sample.value);
            if open_metrics {
                let (whole, rest) = (at / 1000, at % 1000);
                writeln!(file, "{name} {value} {whole}.{rest:03}").expect("written");
            } else {
                writeln!(file, "{name} {value} {at}").expect("written");
            }
        }
    }
    if open_metrics {
        writeln!(file, "# EOF").expect("written");
    }
    file.flush().expect("written");
}

fn line(labels: &Labels) -> String {
    let pairs = labels.iter().filter(|(name, _)| *name != NAME);
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{}{{{}}}", labels.metric(), pairs.join(","))
}

/// Bytes of the files below `dir` whose path within it `counts`.
fn bytes(dir: &Path, counts: &dyn Fn(&Path) -> bool) -> u64 {
    let (mut folders, mut sum) = (vec![dir.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let about = entry.metadata().expect("about a file");
            let path = entry.path();
            if about.is_dir() {
                folders.push(path);
            } else if counts(path.strip_prefix(dir).unwrap_or(&path)) {
                sum += about.len();
            }
        }
    }
    sum
}

fn done(command: &mut Command) {
    let said = command.output().expect("a program");
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{command:?}: {text}");
}

fn victoria_metrics(dir: &Path, of: Span) -> Kept {
    let file = dir.join("samples.txt");
    export(&file, of, false);
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = socket.local_addr().expect("a port");
    drop(socket);
    let data = dir.join("data");
    let mut child = Command::new("victoria-metrics")
        .arg(format!("-storageDataPath={}", data.display()))
        .arg(format!("-httpListenAddr={at}"))
        .arg("-retentionPeriod=100y")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("victoria-metrics");
    let begun = Instant::now();
    while TcpStream::connect(at).is_err() {
        assert!(begun.elapsed() < WITHIN, "victoria-metrics does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    let ask = |path: &str, body: Option<&Path>| {
        let mut command = Command::new("curl");
        command.args(["--fail", "--silent", "--show-error"]);
        if let Some(body) = body {
            command
                .args(["--request", "POST", "--upload-file"])
                .arg(body);
        }
        done(command.arg(format!("http://{at}{path}")));
    };
    ask("/api/v1/import/prometheus", Some(&file));
    std::fs::remove_file(&file).expect("removed");
    ask("/internal/force_flush", None);
    ask("/internal/force_merge", None);
    // It merges in the background and says nothing of it: done is what does not get smaller any more.
    let samples = |path: &Path| path.starts_with("data");
    let (mut size, mut since) = (u64::MAX, Instant::now());
    while since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(500));
        let now = bytes(&data, &samples);
        if now != size {
            (size, since) = (now, Instant::now());
        }
    }
    done(Command::new("kill").arg(child.id().to_string()));
    child.wait().expect("ended");
    Kept {
        samples: bytes(&data, &samples),
        whole: bytes(&data, &|_| true),
    }
}

fn prometheus(dir: &Path, of: Span) -> Kept {
    let file = dir.join("samples.txt");
    export(&file, of, true);
    let data = dir.join("data");
    done(
        Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
            .arg("--max-block-duration=24h")
            .args([&file, &data]),
    );
    std::fs::remove_file(&file).expect("removed");
    Kept {
        samples: bytes(&data, &|path| {
            path.components().any(|part| part.as_os_str() == "chunks")
        }),
        whole: bytes(&data, &|_| true),
    }
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
    let hosts = number("--hosts", 20) as usize;
    let parent = argument("--dir").map_or_else(|| ".".into(), std::path::PathBuf::from);
    let dir = tempfile::Builder::new()
        .prefix("bench-sizes-")
        .tempdir_in(parent)
        .expect("a folder to write in");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let spans = [
        (
            "10s",
            10_000,
            number("--hours", 24) * 3_600_000,
            Options::server(),
        ),
        (
            "1s",
            1_000,
            number("--minutes", 60) * 60_000,
            Options::node(),
        ),
    ];
    for (name, step, length, options) in spans {
        let of = Span {
            name,
            hosts,
            step,
            length,
        };
        let at = |who: &str| {
            let folder = dir.path().join(format!("{name}-{who}"));
            std::fs::create_dir_all(&folder).expect("a folder");
            folder
        };
        let (taken, kept) = runtime.block_on(stead(&at("stead"), of, options));
        say(of, "stead", taken, kept);
        say(
            of,
            "victoria_metrics",
            taken,
            victoria_metrics(&at("victoria"), of),
        );
        say(of, "prometheus", taken, prometheus(&at("prometheus"), of));
    }
}
