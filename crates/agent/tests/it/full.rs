//! A disk that is full, for real: a file system of one megabyte.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use stead_agent::clock::Stamp;
use stead_agent::journal::Journal;
use stead_agent::journal::ledger::{Entry, Key, Standing};
use stead_agent::spool::{Options, Position, Read, Spool};
use stead_core::command::Outcome;
use stead_ports::clock::SystemClock;
use stead_ports::disk::RealDisk;

/// Mounted for as long as it lives.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Small> {
        if std::env::var_os("STEAD_LAB").is_none() {
            eprintln!("needs the lab: make test");
            return None;
        }
        let dir = tempfile::tempdir().expect("dir");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(dir.path())
            .status();
        assert!(mount.expect("mount").success(), "the lab may mount");
        Some(Small(dir))
    }

    fn fill(&self) {
        let mut size = 1 << 20;
        let mut text = Vec::new();
        while size > 0 {
            text.resize(text.len() + size, b'x');
            if fs::write(self.filler(), &text).is_err() {
                text.truncate(text.len() - size);
                size /= 2;
            }
        }
        // Whatever is left after the last try that failed.
        let _ = fs::write(self.filler(), vec![b'x'; 1 << 20]);
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.path().join("filler")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_the_spool_leaves_a_gap_and_goes_on_when_there_is_room() {
    let Some(small) = Small::mount() else { return };
    let (mut spool, _) = Spool::open(
        Arc::new(RealDisk),
        &small.path().join("spool"),
        Options::default(),
        "b",
        [1; 16],
    )
    .expect("open");
    let frame = |cursor: u64| format!("{cursor}:{}\n", "x".repeat(3000)).into_bytes();
    spool.append(frame).expect("there is room");
    small.fill();
    let mut lost = 0;
    for _ in 0..5 {
        if let Err(error) = spool.append(frame) {
            assert_eq!(error.code(), "disk-full");
            lost += 1;
        }
    }
    assert!(lost > 0);
    fs::remove_file(small.filler()).expect("room");
    let last = spool.append(frame).expect("there is room again");
    let (mut position, mut read, mut dropped) = (Position::after(0), Vec::new(), 0);
    loop {
        match spool.read(&mut position, 64 * 1024, true).expect("read") {
            Read::Frames(bytes) => {
                let text = String::from_utf8(bytes).expect("whole frames");
                read.extend(
                    text.lines()
                        .map(|l| l.split(':').next().unwrap_or_default().to_owned()),
                );
            }
            Read::Gap(gap) => dropped += gap.dropped,
            Read::End => break,
        }
    }
    assert_eq!(dropped, lost, "what could not be kept is counted");
    assert_eq!(
        read.len() as u64 + dropped,
        last,
        "and nothing else is missing"
    );
}

#[tokio::test]
async fn on_a_full_disk_the_journal_refuses_and_says_so_and_works_when_there_is_room() {
    let Some(small) = Small::mount() else { return };
    let (journal, _) =
        Journal::open(Arc::new(RealDisk), &small.path().join("journal")).expect("open");
    let key = |n: u32| Key {
        action: "a".into(),
        occurrence: n,
        step: 0,
        attempt: 1,
    };
    let entry = |n: u32| Entry::Result {
        key: key(n),
        outcome: Outcome::Done {
            output: "x".repeat(8000),
            freed: None,
        },
    };
    journal
        .write(entry(1), &Stamp::of(&SystemClock::new()))
        .await
        .expect("there is room");
    small.fill();
    let error = journal
        .write(entry(2), &Stamp::of(&SystemClock::new()))
        .await
        .expect_err("full");
    assert_eq!(error.code(), "disk-full");
    assert!(error.remedy().contains("space"));
    assert_eq!(
        journal.ledger().standing(&key(2)),
        Standing::New,
        "what is not on disk is not believed"
    );
    fs::remove_file(small.filler()).expect("room");
    journal
        .write(entry(3), &Stamp::of(&SystemClock::new()))
        .await
        .expect("there is room again");
    drop(journal);
    let (journal, torn) =
        Journal::open(Arc::new(RealDisk), &small.path().join("journal")).expect("open");
    assert!(!torn);
    assert_eq!(journal.ledger().standing(&key(2)), Standing::New);
    assert!(matches!(
        journal.ledger().standing(&key(3)),
        Standing::Ended(_)
    ));
}
