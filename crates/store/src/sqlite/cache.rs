//! `cache.db`: the search index and the snapshots. Everything in it can be made anew from the log, so it is never
//! synced for its own sake, and when it is damaged Stead does without it until the next start, which builds another.
//!
//! The index lags behind the log by at most [`MAX_LAG`] records: appending does not wait for it, looking things up
//! reads the rest from the log.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::pool::PoolOptions;
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};
use stead_core::ids::Seq;
use stead_ports::log::chain::Tip;
use stead_ports::log::{Error, Record, Snapshot};
use tokio::sync::Notify;

use super::fault::Fault;
use super::lock::Places;
use super::plan::note_terms;
use super::rows::{self, HeadRow, int, seq};
use super::schema;
use super::segment::{Segment, unpack};

/// How many acknowledged records may wait to be indexed. More: the next append indexes first.
pub const MAX_LAG: u64 = 65_536;
/// While events keep coming, so many are indexed together: sorted by term, each page of the index is then written once
/// for many of them.
pub const WORTH_A_STEP: u64 = 8192;
/// Bytes of segments indexed in one transaction: some ten thousand records.
const STEP: usize = 4 * 1024 * 1024;
/// Rows per `INSERT`.
const ROWS: usize = 256;

/// How far the index goes.
#[derive(Debug, Clone, Copy)]
pub struct Indexed {
    pub tip: Tip,
    /// The newest time seen.
    top: i64,
}

#[derive(Debug)]
pub struct Cache {
    places: Places,
    /// `None` once closed, or when it could not be opened.
    writer: tokio::sync::Mutex<Option<SqliteConnection>>,
    pub readers: SqlitePool,
    indexed: Mutex<Indexed>,
    recent: Mutex<Recent>,
    degraded: AtomicBool,
    pub wake: Notify,
}

/// IDs the index does not have yet; at most [`MAX_LAG`] and one append more.
#[derive(Debug, Default)]
struct Recent {
    ids: HashSet<String>,
    by_append: BTreeMap<Seq, Vec<String>>,
}

impl Cache {
    /// Opens the cache of the log with `head`, building an empty one where there is none that fits.
    pub async fn open(places: &Places, log: &mut SqliteConnection, head: &HeadRow) -> Cache {
        let mut opened = existing(places, log, head).await;
        if let Err(why) = &opened {
            if places.cache.exists() {
                tracing::warn!("the search index is built anew: {why:?}");
            }
            opened = create(places, head).await;
        }
        let degraded = opened.is_err();
        let (writer, indexed) = match opened {
            Ok((conn, indexed)) => (Some(conn), indexed),
            Err(why) => {
                tracing::warn!(
                    "working without a search index, queries read the whole log: {why:?}"
                );
                (None, NOTHING)
            }
        };
        Cache {
            places: places.clone(),
            writer: tokio::sync::Mutex::new(writer),
            readers: pool(schema::reader(&places.cache)),
            indexed: Mutex::new(indexed),
            recent: Mutex::default(),
            degraded: AtomicBool::new(degraded),
            wake: Notify::new(),
        }
    }

    pub fn indexed(&self) -> Indexed {
        *locked(&self.indexed)
    }

    /// Whether look-ups must do without the index.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Acquire)
    }

    /// Says whether a failed look-up means damage; if so, the next ones do without the index. A disk that is full or a
    /// pool that is busy passes.
    pub fn note_failure(&self, why: &Fault) {
        match why {
            Fault::Damaged(_) | Fault::Io(_) => self.degrade(why),
            other => tracing::warn!("this time without the search index: {other:?}"),
        }
    }

    /// Goes on without the cache; the next start builds another.
    pub fn degrade(&self, why: &Fault) {
        if !self.degraded.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "the search index cannot be kept, queries read the whole log until a restart: {why:?}"
            );
            if let Err(e) = self.places.remove_cache() {
                tracing::warn!("{}: {e}", self.places.cache.display());
            }
            *locked(&self.recent) = Recent::default();
        }
    }

    /// Remembers the IDs of an append until they are indexed.
    pub fn note(&self, last: Seq, records: Vec<Record>) {
        if !self.is_degraded() {
            let ids: Vec<String> = records.into_iter().map(|record| record.id).collect();
            let mut recent = locked(&self.recent);
            recent.ids.extend(ids.iter().cloned());
            recent.by_append.insert(last, ids);
        }
    }

    /// Which of `ids` wait to be indexed.
    pub fn recent(&self, ids: &[String]) -> HashSet<String> {
        let recent = locked(&self.recent);
        ids.iter()
            .filter(|id| recent.ids.contains(*id))
            .cloned()
            .collect()
    }

    /// Indexes the next segments; `Ok(false)` when there were none. `head` must have been read before the call.
    pub async fn step(&self, log: &SqlitePool, head: Tip) -> Result<bool, Fault> {
        let mut writer = self.writer.lock().await;
        let Some(conn) = writer.as_mut() else {
            return Ok(false);
        };
        let before = self.indexed();
        let segments = {
            let mut log = log.acquire().await?;
            rows::run_of_segments(&mut log, before.tip.seq.next(), STEP).await?
        };
        let mut batch = Batch::new(before);
        for segment in &segments {
            batch.add(segment)?;
        }
        if segments.is_empty() {
            if before.tip.seq >= head.seq {
                return Ok(false);
            }
            // Compaction removed what was left to index.
            batch.after.tip = head;
        }
        batch.write(conn).await?;
        *locked(&self.indexed) = batch.after;
        self.forget_recent(batch.after.tip.seq);
        Ok(!segments.is_empty())
    }

    fn forget_recent(&self, indexed: Seq) {
        let mut recent = locked(&self.recent);
        let later = recent.by_append.split_off(&indexed.next());
        for id in std::mem::replace(&mut recent.by_append, later)
            .into_values()
            .flatten()
        {
            recent.ids.remove(&id);
        }
    }

    /// Indexes everything up to `head`.
    pub async fn catch_up(&self, log: &SqlitePool, head: Tip) -> Result<(), Fault> {
        while self.step(log, head).await? {}
        Ok(())
    }

    /// Drops the entries of segments up to `base` that are not in `left`.
    pub async fn forget(&self, base: Seq, left: &[Seq]) -> Result<(), Fault> {
        let mut writer = self.writer.lock().await;
        let Some(conn) = writer.as_mut() else {
            return Ok(());
        };
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(
            "CREATE TEMP TABLE IF NOT EXISTS kept (first INTEGER PRIMARY KEY); DELETE FROM kept",
        )
        .execute(&mut *tx)
        .await?;
        insert(
            &mut tx,
            "INSERT INTO kept (first) ",
            left,
            |values, first| {
                values.push_bind(int(*first));
            },
        )
        .await?;
        for sql in [
            "DELETE FROM term WHERE first <= ? AND first NOT IN (SELECT first FROM kept)",
            "DELETE FROM span WHERE first <= ? AND first NOT IN (SELECT first FROM kept)",
        ] {
            sqlx::query(sql).bind(int(base)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Replaces all snapshots. `chain` is the checksum of the record each was taken at.
    pub async fn put_snapshots(
        &self,
        snapshots: Vec<(Snapshot, Option<u32>)>,
    ) -> Result<(), Fault> {
        if self.is_degraded() {
            return Err(Fault::Other(
                "their file is damaged; the next start makes a new one".to_owned(),
            ));
        }
        let mut writer = self.writer.lock().await;
        let Some(conn) = writer.as_mut() else {
            return Err(Fault::Other(
                "the snapshots' file could not be opened at start".to_owned(),
            ));
        };
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM snapshot")
            .execute(&mut *tx)
            .await?;
        for (snapshot, chain) in snapshots {
            sqlx::query(
                "INSERT INTO snapshot (shard, seq, chain, seal, bytes) VALUES (?, ?, ?, ?, ?)",
            )
            .bind(snapshot.shard.clone())
            .bind(int(snapshot.seq))
            .bind(chain.map(i64::from))
            .bind(snapshot_seal(&snapshot))
            .bind(snapshot.bytes)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// All snapshots with the checksum of their record; `None` when one of them is damaged.
    pub async fn snapshots(&self) -> Result<Option<Vec<(Snapshot, Option<i64>)>>, Fault> {
        let mut conn = self.readers.acquire().await?;
        let rows =
            sqlx::query("SELECT shard, seq, chain, seal, bytes FROM snapshot ORDER BY shard")
                .fetch_all(&mut *conn)
                .await?;
        let mut snapshots = Vec::with_capacity(rows.len());
        for row in &rows {
            let snapshot = Snapshot {
                shard: row.try_get("shard")?,
                seq: seq(row, "seq")?,
                bytes: row.try_get("bytes")?,
            };
            if row.try_get::<i64, _>("seal")? != snapshot_seal(&snapshot) {
                return Ok(None);
            }
            snapshots.push((snapshot, row.try_get("chain")?));
        }
        Ok(Some(snapshots))
    }

    /// Looks whether the file is intact.
    pub async fn check(&self) -> Result<(), Fault> {
        let mut conn = self.readers.acquire().await?;
        super::reader::structure(&mut conn).await
    }

    pub async fn close(&self) {
        let writer = self.writer.lock().await.take();
        self.readers.close().await;
        if let Some(conn) = writer
            && let Err(e) = conn.close().await
        {
            tracing::warn!("closing {}: {e}", self.places.cache.display());
        }
    }
}

const NOTHING: Indexed = Indexed {
    tip: Tip::EMPTY,
    top: i64::MIN,
};

/// Opens the cache that is there, if it belongs to this log and is not ahead of it.
async fn existing(
    places: &Places,
    log: &mut SqliteConnection,
    head: &HeadRow,
) -> Result<(SqliteConnection, Indexed), Fault> {
    let options = schema::cache_writer(&places.cache).create_if_missing(false);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let version: i64 = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut conn)
        .await?
        .try_get(0)?;
    if version != schema::CACHE_SCHEMA {
        return Err(Fault::Other(format!("it has version {version}")));
    }
    let row = sqlx::query("SELECT log_id, indexed, crc, top FROM state")
        .fetch_one(&mut conn)
        .await?;
    let tip = Tip {
        seq: seq(&row, "indexed")?,
        crc: row.try_get::<i64, _>("crc")? as u32,
    };
    let top = row.try_get("top")?;
    if row.try_get::<String, _>("log_id")? != head.log_id || tip.seq > head.tip.seq {
        return Err(Fault::Other("it belongs to another log".to_owned()));
    }
    if rows::crc_at(log, tip.seq)
        .await?
        .is_some_and(|crc| crc != tip.crc)
    {
        return Err(Fault::Other("it was made from other records".to_owned()));
    }
    Ok((conn, Indexed { tip, top }))
}

async fn create(places: &Places, head: &HeadRow) -> Result<(SqliteConnection, Indexed), Fault> {
    places
        .remove_cache()
        .map_err(|e| Fault::Io(format!("{}: {e}", places.cache.display())))?;
    let mut conn = SqliteConnection::connect_with(&schema::cache_writer(&places.cache)).await?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(schema::CACHE).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO state (one, log_id, indexed, crc, top) VALUES (1, ?, 0, ?, ?)")
        .bind(head.log_id.clone())
        .bind(i64::from(NOTHING.tip.crc))
        .bind(NOTHING.top)
        .execute(&mut *tx)
        .await?;
    let stamp = format!("PRAGMA user_version = {}", schema::CACHE_SCHEMA);
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((conn, NOTHING))
}

/// What one transaction adds to the index.
struct Batch {
    terms: BTreeSet<(String, Seq)>,
    ids: BTreeSet<String>,
    spans: Vec<(Seq, i64)>,
    after: Indexed,
}

impl Batch {
    fn new(before: Indexed) -> Batch {
        Batch {
            terms: BTreeSet::new(),
            ids: BTreeSet::new(),
            spans: Vec::new(),
            after: before,
        }
    }

    fn add(&mut self, segment: &Segment) -> Result<(), Fault> {
        let mut terms = BTreeSet::new();
        let newest_before = self.after.top;
        for frame in unpack(segment.first, &segment.frames) {
            let frame = frame.map_err(|e: Error| Fault::Damaged(e.to_string()))?;
            note_terms(&frame.view, newest_before, &mut terms);
            self.ids.insert(frame.view.id.to_owned());
            self.after = Indexed {
                tip: Tip {
                    seq: frame.view.seq,
                    crc: frame.crc,
                },
                top: self.after.top.max(frame.view.at.0),
            };
        }
        self.terms
            .extend(terms.into_iter().map(|term| (term, segment.first)));
        self.spans.push((segment.first, self.after.top));
        Ok(())
    }

    /// Sorted, so that each page of the index is touched once.
    async fn write(&self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        let terms: Vec<&(String, Seq)> = self.terms.iter().collect();
        let ids: Vec<&String> = self.ids.iter().collect();
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        insert(
            &mut tx,
            "INSERT OR IGNORE INTO term (term, first) ",
            &terms,
            |values, row| {
                values.push_bind(row.0.clone()).push_bind(int(row.1));
            },
        )
        .await?;
        insert(
            &mut tx,
            "INSERT OR IGNORE INTO id (id) ",
            &ids,
            |values, id| {
                values.push_bind((*id).clone());
            },
        )
        .await?;
        insert(
            &mut tx,
            "INSERT OR REPLACE INTO span (first, top) ",
            &self.spans,
            |values, span| {
                values.push_bind(int(span.0)).push_bind(span.1);
            },
        )
        .await?;
        sqlx::query("UPDATE state SET indexed = ?, crc = ?, top = ?")
            .bind(int(self.after.tip.seq))
            .bind(i64::from(self.after.tip.crc))
            .bind(self.after.top)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Inserts `all`, many rows a statement. Full statements have one text and stay prepared.
pub async fn insert<T>(
    conn: &mut SqliteConnection,
    into: &str,
    all: &[T],
    mut bind: impl FnMut(&mut sqlx::query_builder::Separated<'_, Sqlite, &'static str>, &T),
) -> Result<(), Fault> {
    for part in all.chunks(ROWS) {
        let mut builder = QueryBuilder::<Sqlite>::new(into);
        builder.push_values(part, |mut values, row| bind(&mut values, row));
        builder
            .build()
            .persistent(part.len() == ROWS)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Connections for reading, made when they are first needed; eight pages or events feeds at a time.
pub fn pool(options: sqlx::sqlite::SqliteConnectOptions) -> SqlitePool {
    PoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false)
        .connect_lazy_with(options.row_buffer_size(8))
}

fn snapshot_seal(snapshot: &Snapshot) -> i64 {
    let seq = snapshot.seq.0.to_le_bytes();
    rows::seal(&[snapshot.shard.as_bytes(), &seq, &snapshot.bytes])
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
