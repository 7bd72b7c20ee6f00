//! F3: a disk that is really full. Needs the right to mount a tmpfs.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use stead_core::ids::Seq;
use stead_ports::log::conformance::{sample, samples};
use stead_ports::log::{Error, EventLog, Filter};
use stead_store::sqlite::{Options, SqliteLog};

use crate::places::everything;

struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, and a line that says so, where mounting is not permitted.
    fn mount(size: &str) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "stead-test"])
            .arg(dir.path())
            .output();
        match done {
            Ok(output) if output.status.success() => Some(SmallDisk { dir }),
            other => {
                eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs: {other:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all the space that is left.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [65_536, 4096, 512] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: dropped connections close in the background.
        Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status()
            .ok();
    }
}

/// Appends until the disk is full and returns the last acknowledged number.
async fn append_until_full(log: &SqliteLog, mut acknowledged: u64) -> u64 {
    for round in 0..10_000 {
        let last = acknowledged + 1 + round % 30;
        match log.append(samples(acknowledged + 1, last)).await {
            Ok(()) => acknowledged = last,
            Err(Error::Full) => return acknowledged,
            Err(error) => panic!("a full disk ends in Full, not in: {error}"),
        }
    }
    panic!("the disk never became full");
}

async fn intact(log: &SqliteLog, acknowledged: u64) {
    assert_eq!(
        log.head().await.unwrap().seq,
        Seq(acknowledged),
        "nothing half-written"
    );
    assert!(
        everything(log).await.unwrap() == samples(1, acknowledged),
        "reads live on"
    );
    let newest = Filter {
        node: Some("nas".into()),
        newest_first: true,
        limit: 5,
        ..Filter::default()
    };
    let found = log.query(newest).await.unwrap();
    assert!(
        !found.is_empty() && found.iter().all(|r| *r == sample(r.seq.0)),
        "so do queries"
    );
    let ids = [
        format!("event-{acknowledged}"),
        format!("event-{}", acknowledged + 1),
    ];
    assert_eq!(log.known_ids(&ids).await.unwrap(), &ids[..1]);
}

async fn fills_up_and_goes_on(options: Options, size: &str) {
    let Some(disk) = SmallDisk::mount(size) else {
        return;
    };
    let log = SqliteLog::open(disk.path(), options.clone()).await.unwrap();
    log.append(samples(1, 200)).await.unwrap();
    let mut acknowledged = 200;
    for _ in 0..3 {
        let ballast = disk.fill();
        acknowledged = append_until_full(&log, acknowledged).await;
        for _ in 0..5 {
            let again = log
                .append(samples(acknowledged + 1, acknowledged + 40))
                .await;
            assert!(matches!(again, Err(Error::Full)), "{again:?}");
            intact(&log, acknowledged).await;
        }
        assert!(
            log.put_document("d", &[1; 100_000]).await.is_err(),
            "nor is there space for anything else"
        );
        std::fs::remove_file(ballast).unwrap();
        log.append(samples(acknowledged + 1, acknowledged + 3))
            .await
            .expect("it goes on by itself");
        acknowledged += 3;
        intact(&log, acknowledged).await;
    }
    assert_eq!(log.verify().await.unwrap(), acknowledged);
    let ballast = disk.fill();
    log.close().await.unwrap();
    // A restart on the full disk: what was acknowledged can be read, or the reason is said.
    match SqliteLog::open(disk.path(), options.clone()).await {
        Ok(log) => {
            intact(&log, acknowledged).await;
            log.close().await.unwrap();
        }
        Err(error) => assert!(matches!(error, Error::Full), "{error}"),
    }
    std::fs::remove_file(ballast).unwrap();
    let log = SqliteLog::open(disk.path(), options).await.unwrap();
    assert_eq!(log.verify().await.unwrap(), acknowledged);
    log.append(samples(acknowledged + 1, acknowledged + 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn f3_a_full_disk_refuses_reads_live_on_and_appends_resume() {
    fills_up_and_goes_on(Options::default(), "2m").await;
}

#[tokio::test]
async fn f3_so_it_is_when_the_checkpoint_is_what_finds_no_space() {
    let options = Options {
        checkpoint_bytes: 50_000,
    };
    fills_up_and_goes_on(options, "3m").await;
}
