//! F1 on a real disk: a process that is killed while it appends, writes out and merges.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use stead_history::store::{Options, Store};
use stead_ports::clock::{Clock, SystemClock};
use stead_ports::disk::RealDisk;
use stead_ports::history::{Selector, Writer};

use crate::places::{entry, labels, plain, points, value};

/// Tells the child where to write; without it `child` does nothing.
const DATA: &str = "STEAD_HISTORY_KILL_DATA";

async fn open(dir: &Path) -> Store {
    let options = Options {
        head: 400,
        ..Options::server()
    };
    let (disk, clock) = (Arc::new(RealDisk), Arc::new(SystemClock::new()));
    Store::open(disk, clock, dir, options).await.unwrap()
}

/// The grid's place of the first sample: an hour ago.
fn first() -> i64 {
    SystemClock::new().wall().0 / 10_000 - 360
}

/// Not a test of its own: the process that the other one kills. It never ends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(data) = std::env::var(DATA) else {
        return;
    };
    let (dir, start) = data.split_once(':').unwrap();
    let start: i64 = start.parse().unwrap();
    let store = open(Path::new(dir)).await;
    let mut next = start + count(&store, start).await.0;
    loop {
        let batch = (0..5).map(|s| {
            entry(
                &labels("cpu", &s.to_string()),
                next * 10_000,
                value(s, next),
            )
        });
        store.append(batch.collect()).await.unwrap();
        println!("\naccepted {}", next - start + 1);
        std::io::stdout().flush().unwrap();
        next += 1;
        if next % 3 == 0 {
            store.flush().await.unwrap();
        }
        if next % 7 == 0 {
            store.merge().await.unwrap();
        }
    }
}

/// How many samples each series has, the fewest and the most; all of them as they were.
async fn count(store: &Store, start: i64) -> (i64, i64) {
    let mut counts = Vec::new();
    for s in 0..5 {
        let selector =
            Selector::metric("cpu").with("node", stead_ports::history::Op::Equal, &s.to_string());
        let found = points(
            store,
            &selector,
            start * 10_000,
            start * 10_000 + 36_000_000,
            10_000,
        )
        .await;
        let wanted = (start..)
            .map(|n| (n * 10_000, value(s, n)))
            .take(found.len());
        assert_eq!(plain(&found), wanted.collect::<Vec<_>>());
        let minutes = points(
            store,
            &selector,
            start * 10_000,
            start * 10_000 + 36_000_000,
            60_000,
        )
        .await;
        for point in minutes {
            let within = found
                .iter()
                .filter(|p| p.at.0 / 60_000 * 60_000 == point.at.0);
            let values: Vec<f64> = within.map(|p| p.avg).collect();
            assert!((point.avg - values.iter().sum::<f64>() / values.len() as f64).abs() < 1e-9);
        }
        counts.push(found.len() as i64);
    }
    let (fewest, most) = (counts.iter().min(), counts.iter().max());
    (*fewest.unwrap(), *most.unwrap())
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    accepted: i64,
}

impl Running {
    fn start(dir: &Path, start: i64) -> Running {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(DATA, format!("{}:{start}", dir.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running {
            child,
            lines,
            accepted: 0,
        }
    }

    /// The next acknowledgement, or `None` when the child is gone.
    fn next(&mut self) -> Option<i64> {
        loop {
            let line = self.lines.next()?.ok()?;
            if let Some(number) = line.strip_prefix("accepted ").and_then(|n| n.parse().ok()) {
                self.accepted = number;
                return Some(number);
            }
        }
    }

    /// `kill -9`, then everything it managed to say.
    fn kill(mut self) -> i64 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.next().is_some() {}
        self.accepted
    }
}

#[tokio::test]
async fn f1_twenty_kills_lose_nothing_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let start = first();
    let mut before = 0;
    for round in 0..20 {
        let mut child = Running::start(dir.path(), start);
        for _ in 0..(round * 7) % 23 {
            assert!(
                child.next().is_some(),
                "round {round}: the child died by itself"
            );
        }
        before = child.kill().max(before);
        let store = open(dir.path()).await;
        let (fewest, most) = count(&store, start).await;
        assert_eq!(fewest, most, "round {round}: a batch is there or not");
        assert!(
            fewest >= before,
            "round {round}: {before} were accepted, {fewest} are there"
        );
        assert_eq!(store.stats().damaged, 0);
        store.close().await.unwrap();
    }
}
