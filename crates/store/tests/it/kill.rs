//! F1: a process that is killed while it appends, compacts and snapshots; and one that merely holds the log.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use stead_core::ids::Seq;
use stead_ports::log::conformance::{sample, samples};
use stead_ports::log::{Base, Error, EventLog, Snapshot};

use crate::places::{Dice, everything, open};

/// Tells the child where to write; without it `child` does nothing.
const DATA: &str = "STEAD_STORE_KILL_DATA";

/// Not a test of its own: the process that the others kill. It never ends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(data) = std::env::var(DATA) else {
        return;
    };
    let log = open(Path::new(&data)).await.unwrap();
    let mut acknowledged = log.head().await.unwrap().seq.0;
    let mut dice = Dice(acknowledged ^ u64::from(std::process::id()));
    say(acknowledged);
    loop {
        let most = if dice.roll(10) == 0 { 600 } else { 20 };
        let last = acknowledged + 1 + dice.roll(most);
        log.append(samples(acknowledged + 1, last)).await.unwrap();
        acknowledged = last;
        say(acknowledged);
        match dice.roll(20) {
            0 => log
                .put_document(&format!("d{last}"), b"document")
                .await
                .unwrap(),
            1 => {
                let bytes = vec![7; 20_000];
                let snapshot = Snapshot {
                    shard: "x".into(),
                    seq: Seq(last),
                    bytes,
                };
                log.put_snapshots(vec![snapshot]).await.unwrap();
            }
            2 => {
                let base = Base {
                    seq: Seq(last.saturating_sub(300).max(1)),
                    bytes: b"fold".to_vec(),
                };
                match log.compact(base, &["action_completed".to_owned()]).await {
                    Ok(_) | Err(Error::Gap { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            _ => {}
        }
    }
}

fn say(acknowledged: u64) {
    println!("\nacknowledged {acknowledged}");
    std::io::stdout().flush().unwrap();
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    last: u64,
}

impl Running {
    fn start(data: &Path) -> Running {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(DATA, data)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running {
            child,
            lines,
            last: 0,
        }
    }

    /// The next acknowledgement, or `None` when the child is gone.
    fn next(&mut self) -> Option<u64> {
        loop {
            let line = self.lines.next()?.ok()?;
            if let Some(number) = line
                .strip_prefix("acknowledged ")
                .and_then(|n| n.parse().ok())
            {
                self.last = number;
                return Some(number);
            }
        }
    }

    /// `kill -9`, then everything it managed to say.
    fn kill(mut self) -> u64 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.next().is_some() {}
        self.last
    }
}

#[tokio::test]
async fn f1_fifty_kills_lose_nothing_acknowledged() {
    let mut dice = Dice(1);
    let mut data = tempfile::tempdir().unwrap();
    for round in 0..50 {
        if round % 12 == 0 {
            data = tempfile::tempdir().unwrap();
        }
        let mut child = Running::start(data.path());
        // From before the log exists to some way into it.
        for _ in 0..dice.roll(40) {
            assert!(
                child.next().is_some(),
                "round {round}: the child died by itself"
            );
        }
        let acknowledged = child.kill();
        let log = open(data.path())
            .await
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
        let head = log.head().await.unwrap().seq.0;
        assert!(
            head >= acknowledged,
            "round {round}: {acknowledged} was acknowledged, the log ends at {head}"
        );
        log.verify()
            .await
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
        let records = everything(&log).await.unwrap();
        assert!(
            records.iter().all(|r| *r == sample(r.seq.0)),
            "round {round}: records are as they were"
        );
        let base = log.base().await.unwrap().map_or(0, |base| base.seq.0);
        let after: Vec<u64> = records
            .iter()
            .map(|r| r.seq.0)
            .filter(|seq| *seq > base)
            .collect();
        assert!(
            after == (base + 1..=head).collect::<Vec<u64>>(),
            "round {round}: no gap after the base"
        );
        let ids: Vec<String> = (head.saturating_sub(700)..=head + 1)
            .map(|seq| format!("event-{seq}"))
            .collect();
        let known = log.known_ids(&ids).await.unwrap();
        let wanted = ids[..ids.len() - 1].iter().filter(|id| *id != "event-0");
        assert!(known.iter().eq(wanted), "round {round}: IDs are known");
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_log() {
    let data = tempfile::tempdir().unwrap();
    let mut child = Running::start(data.path());
    assert!(child.next().is_some());
    let error = open(data.path()).await.unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "{error}");
    let pid = child.child.id().to_string();
    assert!(
        error.to_string().contains(&format!("process {pid}")),
        "{error}"
    );
    child.kill();
    let log = open(data.path())
        .await
        .expect("the lock dies with its holder");
    let error = open(data.path()).await.unwrap_err();
    assert!(
        matches!(error, Error::Locked(_)),
        "within one process as well: {error}"
    );
    log.close().await.unwrap();
}
