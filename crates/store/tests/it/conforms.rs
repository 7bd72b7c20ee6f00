//! SQLite keeps the port's promises.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::poll;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::conformance::{self, sample, samples};
use stead_ports::log::frame::Frames;
use stead_ports::log::{Claim, Error, EventLog};
use stead_store::sqlite::SCHEMA;

use crate::places::{everything, file, filled, open, shared};

struct Folder(tempfile::TempDir);

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .unwrap()
}

#[async_trait]
impl conformance::Engine for Folder {
    async fn open(&self, place: &str) -> Result<Arc<dyn EventLog>, Error> {
        Ok(shared(open(&self.0.path().join(place)).await?))
    }

    async fn second(&self, place: &str) -> Result<Arc<dyn EventLog>, Error> {
        let data = self.0.path().join(place);
        let locked = open(&data).await.unwrap_err();
        assert!(matches!(locked, Error::Locked(_)), "{locked}");
        // Somebody in a hurry: the lock is gone, its holder is not.
        std::fs::remove_file(file(&data, "lock")).unwrap();
        Ok(shared(open(&data).await?))
    }

    async fn damage_snapshot(&self, place: &str) {
        let mut conn = raw(&file(&self.0.path().join(place), "cache.db")).await;
        let done =
            sqlx::query("UPDATE snapshot SET bytes = zeroblob(length(bytes)) WHERE shard = 'nas'")
                .execute(&mut conn)
                .await
                .unwrap();
        assert_eq!(done.rows_affected(), 1);
        conn.close().await.unwrap();
    }

    async fn damage_record(&self, place: &str, seq: Seq) {
        let mut conn = raw(&file(&self.0.path().join(place), "log.db")).await;
        let row = sqlx::query(
            "SELECT first, frames FROM segment WHERE first <= ? ORDER BY first DESC LIMIT 1",
        )
        .bind(seq.0 as i64)
        .fetch_one(&mut conn)
        .await
        .unwrap();
        let mut frames: Vec<u8> = row.get("frames");
        let before = Frames::new(&frames)
            .map(|frame| frame.unwrap())
            .take_while(|frame| frame.view.seq < seq)
            .map(|frame| frame.bytes.len())
            .sum::<usize>();
        frames[before + 40] ^= 2;
        sqlx::query("UPDATE segment SET frames = ? WHERE first = ?")
            .bind(frames)
            .bind(row.get::<i64, _>("first"))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    conformance::run(&Folder(tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    filled(data.path(), 100).await;
    let path = file(data.path(), "log.db");
    let mut conn = raw(&path).await;
    sqlx::query("PRAGMA user_version = 99")
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open(data.path()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Newer {
                found: 99,
                known: SCHEMA
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), "log-newer");
    assert!(
        std::fs::read(&path).unwrap() == before,
        "not a byte was changed"
    );
}

#[tokio::test]
async fn a_database_of_version_zero_is_brought_forward() {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(data.path().join("log")).unwrap();
    let path = file(data.path(), "log.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("VACUUM").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let log = open(data.path()).await.unwrap();
    log.append(samples(1, 3)).await.unwrap();
    log.close().await.unwrap();
    let mut conn = raw(&path).await;
    let version: i64 = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut conn)
        .await
        .unwrap()
        .get(0);
    assert_eq!(version, i64::from(SCHEMA));
}

#[tokio::test]
async fn some_other_database_is_not_taken_for_a_log() {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(data.path().join("log")).unwrap();
    let path = file(data.path(), "log.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE cats (name TEXT)")
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    let error = open(data.path()).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn an_append_nobody_waits_for_is_all_there_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path()).await.unwrap();
    for round in 0..20 {
        let next = log.head().await.unwrap().seq.0 + 1;
        {
            let mut append = log.append(samples(next, next + round));
            assert!(poll!(&mut append).is_pending());
        }
        // The writer is one: this append waits for the abandoned one.
        let follows = next + round + 1;
        log.append(vec![sample(follows)]).await.unwrap();
        assert_eq!(log.head().await.unwrap().seq, Seq(follows));
    }
    let records = everything(&log).await.unwrap();
    assert!(records == samples(1, records.len() as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_lets_appends_and_reads_through() {
    let data = tempfile::tempdir().unwrap();
    let log = shared(open(data.path()).await.unwrap());
    log.append(samples(1, 30_000)).await.unwrap();
    let compaction = tokio::spawn({
        let log = Arc::clone(&log);
        async move {
            let base = stead_ports::log::Base {
                seq: Seq(29_000),
                bytes: vec![1; 1000],
            };
            log.compact(base, &["disk_pressure".to_owned()]).await
        }
    });
    let mut next = 30_001;
    while !compaction.is_finished() {
        log.append(vec![sample(next)]).await.unwrap();
        next += 1;
        let tail = log.read(Seq(29_990), 5).await.unwrap();
        assert!(
            tail == samples(29_991, 29_995),
            "a reader never sees half a compaction"
        );
        let first = log.read(Seq::ZERO, 400).await.unwrap();
        assert!(first.iter().all(|record| *record == sample(record.seq.0)));
    }
    let done = compaction.await.unwrap().unwrap();
    assert_eq!(done.removed + done.kept, 29_000);
    assert_eq!(log.verify().await.unwrap(), done.kept + (next - 1 - 29_000));
}

/// `tests/golden/schema-N` was written by the release with that schema and never changes: 60 records, compacted at 40
/// keeping `disk_pressure`, one document; from schema 2 on a leader wrote it and gave the lead back.
#[tokio::test]
async fn the_logs_of_every_release_can_still_be_read() {
    for schema in 1..=SCHEMA {
        let golden =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/schema-{schema}"));
        let data = tempfile::tempdir().unwrap();
        crate::places::copy_log(&golden, data.path());
        let log = open(data.path()).await.unwrap();
        let mut wanted = samples(1, 60);
        wanted.retain(|record| record.seq > Seq(40) || record.kind == "disk_pressure");
        assert!(everything(&log).await.unwrap() == wanted, "schema {schema}");
        assert_eq!(log.verify().await.unwrap(), wanted.len() as u64);
        assert_eq!(
            log.base().await.unwrap().map(|base| base.bytes),
            Some(b"fold".to_vec())
        );
        assert_eq!(
            log.get_document("d").await.unwrap().as_deref(),
            Some(&b"document"[..])
        );
        let ids = [
            "event-1".to_owned(),
            "event-60".to_owned(),
            "event-61".to_owned(),
        ];
        assert_eq!(log.known_ids(&ids).await.unwrap(), &ids[..2]);
        let before = log.lease().await.unwrap();
        assert_eq!(before.epoch > 0, schema >= 2, "schema {schema}: {before:?}");
        let claim = log.lead("golden", Time(0), None).await.unwrap();
        assert!(matches!(claim, Claim::Leads { epoch } if epoch > before.epoch));
        log.append(samples(61, 62)).await.unwrap();
        log.close().await.unwrap();
    }
}
