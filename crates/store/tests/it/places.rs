//! Folders and records the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_core::ids::Seq;
use stead_ports::log::conformance::sample;
use stead_ports::log::{Error, EventLog, Record};
use stead_store::sqlite::{Options, SqliteLog};

pub async fn open(data: &Path) -> Result<SqliteLog, Error> {
    SqliteLog::open(data, Options::default()).await
}

/// A closed log of `records` under `data`.
pub async fn filled(data: &Path, records: u64) {
    let log = open(data).await.unwrap();
    let mut next = 1;
    while next <= records {
        let last = (next + next % 90).min(records);
        log.append((next..=last).map(sample).collect())
            .await
            .unwrap();
        next = last + 1;
    }
    log.close().await.unwrap();
}

pub fn file(data: &Path, name: &str) -> PathBuf {
    data.join("log").join(name)
}

/// Copies the log's files as they are now, as a crash would leave them. The lock stays behind.
pub fn copy_log(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for name in [
        "log.db",
        "log.db-wal",
        "cache.db",
        "cache.db-wal",
        "acknowledged",
    ] {
        if file(from, name).exists() {
            std::fs::copy(file(from, name), file(to, name)).unwrap();
        }
    }
}

pub async fn everything(log: &dyn EventLog) -> Result<Vec<Record>, Error> {
    log.read(Seq::ZERO, usize::MAX).await
}

pub fn shared(log: SqliteLog) -> Arc<dyn EventLog> {
    Arc::new(log)
}

/// Numbers that look random and are the same in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
