//! The one connection that changes the log.
//!
//! Nothing is acknowledged before SQLite has synced it. After an error that leaves the disk's state unknown nothing is
//! acknowledged any more until a restart.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Connection, Row, Sqlite, SqliteConnection};
use stead_core::ids::Seq;
use stead_ports::log::Error;
use stead_ports::log::chain::Tip;

use super::fault::Fault;
use super::lock::{Mark, Places};
use super::rows::{self, HeadRow, int};
use super::segment::Segment;

/// Rows per `INSERT`.
const ROWS: usize = 64;
/// What a commit writes beside the frames: the head's page and the partly filled last ones.
const COMMIT_BYTES: u64 = 16 * 1024;

#[derive(Debug)]
pub struct Writer {
    pub conn: SqliteConnection,
    pub head: HeadRow,
    pub mark: Option<Mark>,
    /// What it leads with; 0 where it never led.
    pub epoch: u64,
    /// Estimate of what was written since the last checkpoint.
    wal_bytes: u64,
}

impl Writer {
    pub fn new(conn: SqliteConnection, head: HeadRow, mark: Option<Mark>) -> Writer {
        Writer {
            conn,
            head,
            mark,
            epoch: 0,
            wal_bytes: 0,
        }
    }

    /// Writes `segments` and the head they end in, in one transaction, synced when it returns; unless somebody else
    /// leads, which the same transaction finds out.
    pub async fn insert(&mut self, segments: Vec<Segment>, tip: Tip) -> Result<(), Fault> {
        let head = HeadRow {
            log_id: self.head.log_id.clone(),
            tip,
        };
        let bytes: usize = segments.iter().map(|s| s.frames.len()).sum();
        let sql = insert_sql(segments.len());
        // One round trip to the connection's thread: the statements run one after the other and stop at the first
        // that fails. Only the commonest text is kept prepared.
        let mut query: Query<'_, Sqlite, SqliteArguments> =
            sqlx::query(AssertSqlSafe(sql)).persistent(segments.len() == 1);
        query = query.bind(int(Seq(self.epoch)));
        for segment in segments {
            query = query.bind(int(segment.first)).bind(segment.frames);
        }
        query = query
            .bind(int(tip.seq))
            .bind(i64::from(tip.crc))
            .bind(head.seal());
        query.execute(&mut self.conn).await?;
        self.head = head;
        self.wal_bytes += bytes as u64 + COMMIT_BYTES;
        if let Some(mark) = &self.mark {
            mark.write(tip);
        }
        Ok(())
    }

    /// After a failed transaction: undoes it and finds out what the log is now.
    pub async fn settle(&mut self, fault: Fault, places: &Places) -> Error {
        if fault == Fault::Fenced {
            return self.fenced().await;
        }
        let error = fault.writing(self.head.tip.seq.next(), places.no_space());
        if !matches!(error, Error::Full | Error::Locked(_)) {
            return error;
        }
        // SQLite has often rolled back by itself; then this says so, and that is fine.
        sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await.ok();
        match rows::head(&mut self.conn).await {
            Ok(head) if head == self.head => error,
            Ok(head) => Error::Fatal(format!("a refused append left the log at {}", head.tip.seq)),
            Err(fault) => fault.writing(self.head.tip.seq, false),
        }
    }

    /// Undoes what the fence stopped, and says who leads instead.
    async fn fenced(&mut self) -> Error {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await.ok();
        match rows::lease(&mut self.conn).await {
            Ok(lease) => Error::Fenced {
                epoch: self.epoch,
                newer: lease.epoch,
            },
            Err(fault) => fault.reading(self.head.tip.seq),
        }
    }

    pub fn wants_checkpoint(&self, limit: u64) -> bool {
        self.wal_bytes >= limit
    }

    /// Moves what the write-ahead file holds into the database, so that the file can start over.
    pub async fn checkpoint(&mut self, limit: u64) -> Result<(), Fault> {
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_one(&mut self.conn)
            .await;
        match row.map_err(Fault::from) {
            Ok(row) => {
                let (all, moved): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
                // A reader may hold the rest back for a moment: soon again.
                self.wal_bytes = if all == moved { 0 } else { limit / 2 };
                Ok(())
            }
            // The records are safe where they are.
            Err(Fault::Full | Fault::Index(_) | Fault::Busy(_)) => {
                self.wal_bytes = limit / 2;
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// Keeps a document; the first bytes under a digest stay.
    pub async fn put_document(&mut self, digest: &str, bytes: &[u8]) -> Result<(), Fault> {
        sqlx::query("INSERT INTO document (digest, bytes, seal) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING")
            .bind(digest.to_owned())
            .bind(bytes.to_vec())
            .bind(rows::document_seal(digest, bytes))
            .execute(&mut self.conn)
            .await?;
        self.wal_bytes += bytes.len() as u64 + COMMIT_BYTES;
        Ok(())
    }

    pub async fn close(mut self) -> Result<(), Fault> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut self.conn)
            .await?;
        self.conn.close().await?;
        Ok(())
    }

    /// Counts what a transaction outside [`Writer::insert`] wrote.
    pub fn wrote(&mut self, bytes: u64) {
        self.wal_bytes += bytes + COMMIT_BYTES;
    }
}

fn insert_sql(segments: usize) -> String {
    let mut sql = String::from("BEGIN IMMEDIATE; INSERT INTO fence (epoch) VALUES (?); ");
    let mut left = segments;
    while left > 0 {
        let rows = left.min(ROWS);
        sql.push_str("INSERT INTO segment (first, frames) VALUES (?, ?)");
        sql.push_str(&", (?, ?)".repeat(rows - 1));
        sql.push_str("; ");
        left -= rows;
    }
    sql.push_str("UPDATE head SET seq = ?, crc = ?, seal = ?; COMMIT");
    sql
}

#[cfg(test)]
mod tests {
    use super::insert_sql;

    #[test]
    fn every_segment_gets_its_row_in_one_transaction() {
        for segments in [1, 2, ROWS, ROWS + 1, 3 * ROWS] {
            let sql = insert_sql(segments);
            assert_eq!(sql.matches("(?, ?)").count(), segments);
            assert!(sql.starts_with("BEGIN IMMEDIATE;") && sql.ends_with("COMMIT"));
        }
    }

    use super::ROWS;
}
