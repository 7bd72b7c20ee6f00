//! `kill -9`, for real: this test binary runs itself as the one that is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_agent::clock::Stamp;
use stead_agent::journal::Journal;
use stead_agent::journal::ledger::{Entry, Intent, Key, Rules, Standing};
use stead_agent::spool::{Options, Position, Read, Spool};

use stead_core::command::{Command as Do, Order, Outcome};
use stead_core::time::Span;
use stead_ports::clock::SystemClock;
use stead_ports::disk::RealDisk;

use crate::server::order;

const DIR: &str = "STEAD_TEST_DIR";

/// A process that is killed, at the latest when its test is over.
pub struct Victim(Child);

impl Victim {
    /// What it says.
    pub fn output(&mut self) -> std::process::ChildStdout {
        self.0.stdout.take().expect("output")
    }

    pub fn kill(&mut self) {
        self.0.kill().expect("kill -9");
        self.0.wait().expect("it ended");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This binary again, running the one test that plays the victim.
pub fn victim(test: &str, envs: &[(&str, &str)]) -> Victim {
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .envs(envs.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the victim starts");
    Victim(child)
}

fn open(dir: &Path) -> Spool {
    let options = Options {
        bound: 1 << 26,
        segment: 64 * 1024,
    };
    Spool::open(Arc::new(RealDisk), dir, options, "boot", [3; 16])
        .expect("the spool opens")
        .0
}

/// Writes and syncs frames until it is killed; says what is safe.
#[test]
fn spool_victim() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let mut spool = open(&PathBuf::from(dir));
    for n in 0u64.. {
        let size = (n * 37 % 900) as usize;
        spool
            .append(|cursor| format!("{cursor}:{}\n", "x".repeat(size)).into_bytes())
            .expect("append");
        if n.is_multiple_of(7) {
            let synced = spool.take_dirty().sync();
            spool.note_synced(synced).expect("on disk");
            println!("safe {}", spool.synced());
        }
    }
}

#[test]
fn nothing_synced_is_lost_and_nothing_comes_twice_when_killed_at_any_point() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().to_str().expect("a path");
    let mut safe = 0;
    for round in 0..8u32 {
        let mut child = victim("kill::spool_victim", &[(DIR, path)]);
        let lines = BufReader::new(child.0.stdout.take().expect("output"))
            .lines()
            .map_while(Result::ok);
        let mut said = lines.filter_map(|line| {
            line.strip_prefix("safe ")
                .and_then(|n| n.parse::<u64>().ok())
        });
        safe = said.next().expect("it begins");
        let deadline = Instant::now() + Duration::from_millis(u64::from(round * 13 % 40));
        while Instant::now() < deadline {
            safe = said.next().expect("it goes on");
        }
        child.0.kill().expect("kill -9");
        safe = said.last().unwrap_or(safe);
        child.kill();
    }
    let (spool, mut position) = (open(dir.path()), Position::after(0));
    let mut cursors: Vec<u64> = Vec::new();
    loop {
        match spool.read(&mut position, 10_000, true).expect("read") {
            Read::Frames(bytes) => {
                let text = String::from_utf8(bytes).expect("whole frames");
                cursors.extend(text.lines().map(|l| {
                    l.split(':')
                        .next()
                        .and_then(|n| n.parse::<u64>().ok())
                        .expect("cursor")
                }));
            }
            Read::Gap(gap) => panic!("{gap:?}"),
            Read::End => break,
        }
    }
    assert!(cursors.len() as u64 >= safe, "{} of {safe}", cursors.len());
    assert!(
        cursors.iter().copied().eq(1..=cursors.len() as u64),
        "in order, none missing, none twice"
    );
}

fn intent(n: u32) -> Entry {
    let command = Do::DiskCleanup {
        build_cache: true,
        dangling_images: true,
    };
    let order = order(n, u64::from(n), "node/piha", command);
    Entry::Intent(Box::new(Intent {
        order,
        evidence: Default::default(),
        stamp: Stamp::of(&SystemClock::new()),
    }))
}

fn key(n: u32) -> Key {
    Key {
        action: "an-action".into(),
        occurrence: n,
        step: 0,
        attempt: 1,
    }
}

/// Journals orders until it is killed; says which intents and results are on disk.
#[test]
fn journal_victim() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let (journal, _) =
        Journal::open(Arc::new(RealDisk), &PathBuf::from(dir)).expect("the journal opens");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let begin = (0..)
            .find(|n| journal.ledger().standing(&key(*n)) == Standing::New)
            .unwrap_or(0);
        for n in begin.. {
            journal
                .write(intent(n), &Stamp::of(&SystemClock::new()))
                .await
                .expect("write");
            println!("safe {}", u64::from(n) * 2 + 1);
            let outcome = Outcome::Done {
                output: n.to_string(),
                freed: None,
            };
            journal
                .write(
                    Entry::Result {
                        key: key(n),
                        outcome,
                    },
                    &Stamp::of(&SystemClock::new()),
                )
                .await
                .expect("write");
            println!("safe {}", u64::from(n) * 2 + 2);
        }
    });
}

#[test]
fn no_intent_and_no_result_is_forgotten_when_killed_at_any_point() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().to_str().expect("a path");
    // What it said was on disk, of all rounds: 2n + 1 the intent of order n, 2n + 2 its result.
    let mut safe: Vec<u64> = Vec::new();
    for round in 0..8usize {
        let mut child = victim("kill::journal_victim", &[(DIR, path)]);
        let lines = BufReader::new(child.0.stdout.take().expect("output"))
            .lines()
            .map_while(Result::ok);
        let mut said = lines.filter_map(|line| {
            line.strip_prefix("safe ")
                .and_then(|n| n.parse::<u64>().ok())
        });
        // Not by the clock, but by what it said: on a slow disk it is killed at the same points.
        safe.extend(said.by_ref().take(1 + round * 7));
        child.0.kill().expect("kill -9");
        safe.extend(said);
        child.kill();

        let (journal, _) =
            Journal::open(Arc::new(RealDisk), dir.path()).expect("the journal opens");
        let ledger = journal.ledger();
        let kept = safe
            .len()
            .saturating_sub(stead_agent::journal::ledger::RESULTS);
        for said in &safe[kept..] {
            let n = u32::try_from((said - 1) / 2).expect("small");
            match ledger.standing(&key(n)) {
                Standing::Ended(Outcome::Done { output, .. }) => assert_eq!(output, n.to_string()),
                Standing::Open => assert!(said % 2 == 1, "the result of {n} is forgotten"),
                other => panic!("{n}: {other:?}"),
            }
        }
        let safe = *safe.last().expect("it said something");
        let newest = u32::try_from((safe - 1) / 2).expect("small");
        let late = order(
            newest + 10,
            u64::from(newest).saturating_sub(1),
            "node/piha",
            Do::DiskCleanup {
                build_cache: true,
                dangling_images: true,
            },
        );
        let rules = Rules {
            node: "piha".parse().expect("a name"),
            read_only: false,
        };
        let refused = ledger.admit(
            &Order {
                automatic: false,
                ..late
            },
            &rules,
            Span::ZERO,
            &Stamp::of(&SystemClock::new()),
        );
        assert!(
            newest == 0 || refused.is_err_and(|r| r.code == "stale-token"),
            "the highest token is forgotten"
        );
    }
}
