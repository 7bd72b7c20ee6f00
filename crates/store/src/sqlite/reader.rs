//! Reading the log without disturbing the writer: by position, whole, and by ID. Nothing here writes.

use std::collections::HashSet;

use futures::TryStreamExt;
use sha2::Digest;
use sqlx::{Connection, Row, SqliteConnection, SqlitePool};
use stead_core::ids::Seq;
use stead_ports::log::chain::Chain;
use stead_ports::log::{Error, Record};

use super::cache::Cache;
use super::fault::Fault;
use super::query::present;
use super::rows::{self, int};
use super::segment::unpack;

/// Up to `limit` records after `after`, their checksums and the chain between them verified. `head` was the end of the
/// log before the call: less than that is damage.
pub async fn read(
    log: &SqlitePool,
    head: Seq,
    after: Seq,
    limit: usize,
) -> Result<Vec<Record>, Error> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let near = |fault: Fault| fault.reading(after.next());
    let mut conn = log.acquire().await.map_err(|e| near(e.into()))?;
    // One statement is one moment of the database: compaction cannot come between its rows.
    let mut rows = sqlx::query(
        "SELECT first, frames, (SELECT seq FROM pruned) AS seq, (SELECT crc FROM pruned) AS crc,
             (SELECT kept FROM pruned) AS kept, (SELECT sum FROM pruned) AS sum, (SELECT seal FROM pruned) AS seal
         FROM segment WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?), 0) ORDER BY first",
    )
    .bind(int(after.next()))
    .fetch(&mut *conn);
    let mut records = Vec::with_capacity(limit.min(16_384));
    let mut chain = None;
    while let Some(row) = rows.try_next().await.map_err(|e| near(e.into()))? {
        let first = rows::seq(&row, "first").map_err(near)?;
        let bytes: &[u8] = row.try_get("frames").map_err(|e| near(e.into()))?;
        let chain = match &mut chain {
            Some(chain) => chain,
            None => {
                let pruned = rows::pruned_of(&row).map_err(near)?;
                let expected = after.max(pruned.to.seq).next();
                if first > expected && head >= expected {
                    return Err(missing(expected));
                }
                chain.insert(Chain::from_middle(pruned))
            }
        };
        for frame in unpack(first, bytes) {
            let frame = frame?;
            chain.push(&frame)?;
            if frame.view.seq > after && records.len() < limit {
                records.push(frame.view.to_record());
            }
        }
        if records.len() >= limit {
            return Ok(records);
        }
    }
    drop(rows);
    let pruned = rows::pruned(&mut conn).await.map_err(near)?;
    let reached = records.last().map_or(after, |r| r.seq).max(pruned.to.seq);
    if reached < head {
        return Err(missing(reached.next()));
    }
    Ok(records)
}

fn missing(seq: Seq) -> Error {
    Error::Corrupt {
        seq,
        why: "it is missing".to_owned(),
    }
}

/// Everything, once: each seal, each frame, the chain, what compaction kept, and SQLite's own structure.
pub async fn verify(log: &SqlitePool) -> Result<u64, Error> {
    let near = |fault: Fault| fault.reading(Seq::ZERO);
    let mut conn = log.acquire().await.map_err(|e| near(e.into()))?;
    let mut tx = conn.begin().await.map_err(|e| near(e.into()))?;
    let sound = verify_records(&mut tx).await?;
    rows::base(&mut tx).await.map_err(near)?;
    rows::lease(&mut tx).await.map_err(near)?;
    let mut documents = sqlx::query("SELECT digest, bytes, seal FROM document").fetch(&mut *tx);
    while let Some(row) = documents.try_next().await.map_err(|e| near(e.into()))? {
        rows::document_of(&row).map_err(near)?;
    }
    drop(documents);
    structure(&mut tx).await.map_err(near)?;
    tx.rollback().await.map_err(|e| near(e.into()))?;
    Ok(sound)
}

async fn verify_records(conn: &mut SqliteConnection) -> Result<u64, Error> {
    let head = rows::head(conn)
        .await
        .map_err(|fault| fault.reading(Seq::ZERO))?
        .tip;
    let pruned = rows::pruned(conn)
        .await
        .map_err(|fault| fault.reading(Seq::ZERO))?;
    let mut chain = Chain::from_start(pruned);
    let mut last = Seq::ZERO;
    let mut rows = sqlx::query("SELECT first, frames FROM segment ORDER BY first").fetch(conn);
    while let Some(row) = rows
        .try_next()
        .await
        .map_err(|e| Fault::from(e).reading(last.next()))?
    {
        let first = rows::seq(&row, "first").map_err(|fault| fault.reading(last.next()))?;
        let bytes: &[u8] = row
            .try_get("frames")
            .map_err(|e| Fault::from(e).reading(first))?;
        for frame in unpack(first, bytes) {
            let frame = frame?;
            chain.push(&frame)?;
            last = frame.view.seq;
        }
    }
    chain.finish(head, true)
}

/// SQLite's own check of pages and indexes.
pub async fn structure(conn: &mut SqliteConnection) -> Result<(), Fault> {
    let row = sqlx::query("PRAGMA integrity_check(1)")
        .fetch_one(conn)
        .await?;
    let text: String = row.try_get(0)?;
    if text == "ok" {
        return Ok(());
    }
    Err(Fault::Damaged(text))
}

/// Which of `ids` were ever in the log, in the order asked. `pruned`: some may have been removed.
pub async fn known_ids(
    log: &SqlitePool,
    cache: &Cache,
    pruned: bool,
    ids: &[String],
) -> Result<Vec<String>, Error> {
    let near = |fault: Fault| fault.reading(Seq::ZERO);
    // Waiting ones first: an ID moves from there into the index, never back.
    let mut known: HashSet<String> = cache.recent(ids);
    let wanted = |known: &HashSet<String>| -> Vec<String> {
        ids.iter()
            .filter(|id| !known.contains(*id))
            .cloned()
            .collect()
    };
    let mut log = log.acquire().await.map_err(|e| near(e.into()))?;
    let rest = wanted(&known);
    let indexed = match cache.is_degraded() {
        true => None,
        false => indexed_ids(cache, &rest)
            .await
            .inspect_err(|why| cache.note_failure(why))
            .ok(),
    };
    known.extend(match indexed {
        Some(found) => found,
        None => ids_in_log(&mut log, &rest).await?,
    });
    if pruned {
        let rest = wanted(&known);
        let hashes: Vec<Vec<u8>> = rest.iter().map(|id| past_id(id)).collect();
        let past: HashSet<Vec<u8>> = present(&mut log, "SELECT id FROM past_id WHERE id", &hashes)
            .await
            .map_err(near)?
            .into_iter()
            .collect();
        known.extend(
            rest.into_iter()
                .zip(hashes)
                .filter(|(_, hash)| past.contains(hash))
                .map(|(id, _)| id),
        );
    }
    Ok(ids
        .iter()
        .filter(|id| known.contains(*id))
        .cloned()
        .collect())
}

async fn indexed_ids(cache: &Cache, ids: &[String]) -> Result<Vec<String>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut conn = cache.readers.acquire().await?;
    present(&mut conn, "SELECT id FROM id WHERE id", ids).await
}

/// Without an index: looks at every record.
async fn ids_in_log(log: &mut SqliteConnection, ids: &[String]) -> Result<Vec<String>, Error> {
    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    let mut rows = sqlx::query("SELECT first, frames FROM segment ORDER BY first").fetch(log);
    while let Some(row) = rows
        .try_next()
        .await
        .map_err(|e| Fault::from(e).reading(Seq::ZERO))?
    {
        let segment = rows::segment_of(&row).map_err(|fault| fault.reading(Seq::ZERO))?;
        for frame in unpack(segment.first, &segment.frames) {
            let id = frame?.view.id;
            if ids.contains(id) {
                found.push(id.to_owned());
            }
        }
    }
    Ok(found)
}

/// How the ID of a removed record is remembered: 16 bytes of its SHA-256. Two IDs in a log of a trillion share them
/// with a chance of one in a trillion.
pub fn past_id(id: &str) -> Vec<u8> {
    sha2::Sha256::digest(id.as_bytes())[..16].to_vec()
}
