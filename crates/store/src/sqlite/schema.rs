//! The tables, how a database is brought forward, and how connections are set up.
//!
//! `log.db` is the truth. `cache.db` can be deleted at any time: it holds the search index and the snapshots, and is
//! made anew from the log.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::fault::Fault;

/// What this build writes. A database with a higher number is refused.
pub const SCHEMA: u32 = MIGRATIONS.len() as u32;

/// `STLG`: tells the log from any other SQLite file.
const APPLICATION: i64 = 0x5354_4C47;

/// `fence` holds nothing: inserting an epoch into it fails unless that one leads. A statement among others, it refuses a
/// deposed writer within the transaction that would have written, and costs no page.
///
/// The step from version `n` to `n + 1` is at `n`. Never change one that was released; add one.
const MIGRATIONS: [&str; 2] = [
    r"
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), log_id TEXT NOT NULL, seq INTEGER NOT NULL,
    crc INTEGER NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE segment (first INTEGER PRIMARY KEY, frames BLOB NOT NULL);
CREATE TABLE pruned (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, crc INTEGER NOT NULL,
    kept INTEGER NOT NULL, sum INTEGER NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE base (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, bytes BLOB NOT NULL,
    seal INTEGER NOT NULL);
CREATE TABLE document (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE past_id (id BLOB PRIMARY KEY) WITHOUT ROWID;
",
    r"
CREATE TABLE lease (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, holder TEXT NOT NULL,
    beat INTEGER NOT NULL, seal INTEGER NOT NULL);
CREATE VIEW fence AS SELECT epoch FROM lease;
CREATE TRIGGER fenced INSTEAD OF INSERT ON fence WHEN NEW.epoch <> coalesce((SELECT epoch FROM lease), 0)
    BEGIN SELECT RAISE(ABORT, 'another leader has the log'); END;
",
];

/// Another number here makes every `cache.db` be built anew.
pub const CACHE_SCHEMA: i64 = 1;

pub const CACHE: &str = r"
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), log_id TEXT NOT NULL, indexed INTEGER NOT NULL,
    crc INTEGER NOT NULL, top INTEGER NOT NULL);
CREATE TABLE term (term TEXT NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (term, first)) WITHOUT ROWID;
CREATE TABLE id (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE span (first INTEGER PRIMARY KEY, top INTEGER NOT NULL);
CREATE INDEX span_top ON span (top, first);
CREATE TABLE snapshot (shard TEXT PRIMARY KEY, seq INTEGER NOT NULL, chain INTEGER, bytes BLOB NOT NULL,
    seal INTEGER NOT NULL);
";

/// For the one connection that writes the log. Checkpoints are asked for, so that their errors are seen.
pub fn writer(file: &Path) -> SqliteConnectOptions {
    options(file, "log-writer")
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "0")
}

/// For the one connection that writes the cache: consistent after a crash, but no sync at each commit.
pub fn cache_writer(file: &Path) -> SqliteConnectOptions {
    options(file, "log-indexer")
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-16384")
}

pub fn reader(file: &Path) -> SqliteConnectOptions {
    options(file, "log-reader").read_only(true)
}

fn options(file: &Path, thread: &'static str) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .thread_name(move |n| format!("{thread}-{n}"))
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

/// The version of the open database; 0 when it is empty.
pub async fn version(conn: &mut SqliteConnection) -> Result<u32, Fault> {
    let row = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut *conn)
        .await?;
    let version: i64 = row.try_get(0)?;
    let row = sqlx::query("PRAGMA application_id")
        .fetch_one(&mut *conn)
        .await?;
    let application: i64 = row.try_get(0)?;
    if version != 0 && application != APPLICATION {
        return Err(Fault::Damaged(
            "it is a database, but not an event log of Stead".to_owned(),
        ));
    }
    u32::try_from(version).map_err(|_| Fault::Damaged("its schema version is negative".to_owned()))
}

/// Whether nothing was ever created in the open database.
pub async fn is_empty(conn: &mut SqliteConnection) -> Result<bool, Fault> {
    let row = sqlx::query("SELECT count(*) FROM sqlite_master")
        .fetch_one(conn)
        .await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

/// Applies the steps that are missing, each as a whole.
pub async fn migrate(conn: &mut SqliteConnection, from: u32) -> Result<(), Fault> {
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(from as usize) {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*sql).execute(&mut *tx).await?;
        let stamp = format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};",
            step + 1
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(stamp))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_writer_syncs_each_commit_and_checkpoints_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = SqliteConnection::connect_with(&writer(&dir.path().join("log.db")))
            .await
            .unwrap();
        for (pragma, wanted) in [("synchronous", 2), ("wal_autocheckpoint", 0)] {
            let sql = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
            let row = sqlx::query(sql).fetch_one(&mut conn).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), wanted, "{pragma}");
        }
        let row = sqlx::query("PRAGMA journal_mode")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(row.get::<String, _>(0), "wal");
    }
}
