//! `kill -9`, for real: this test binary runs itself as the one that is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stead_agent::spool::{Options, Position, Read, Spool};

const DIR: &str = "STEAD_TEST_DIR";

/// This binary again, running the one test that plays the victim.
pub fn victim(test: &str, envs: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .envs(envs.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the victim starts")
}

fn open(dir: &Path) -> Spool {
    let options = Options {
        bound: 1 << 26,
        segment: 64 * 1024,
    };
    Spool::open(dir, options, "boot", [3; 16])
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
            let result = spool.take_dirty().sync();
            spool.note_synced(&result);
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
        let lines = BufReader::new(child.stdout.take().expect("output"))
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
        child.kill().expect("kill -9");
        safe = said.last().unwrap_or(safe);
        child.wait().expect("it ended");
    }
    let (spool, mut position) = (open(dir.path()), Position::after(0));
    let mut cursors: Vec<u64> = Vec::new();
    loop {
        match spool.read(&mut position, 10_000).expect("read") {
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
