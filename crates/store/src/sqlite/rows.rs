//! The single rows of `log.db` (head, pruned, base) and its segments, read and sealed. A seal is the CRC-32 of what the
//! row says: a row that is not as it was written is damage, not another truth.

use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use stead_core::ids::Seq;
use stead_ports::log::chain::{Pruned, Tip};
use stead_ports::log::{Base, Lease};

use super::fault::Fault;
use super::segment::Segment;

/// Where the log ends, and which log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    pub log_id: String,
    pub tip: Tip,
}

pub fn int(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub fn seq(row: &SqliteRow, column: &str) -> Result<Seq, Fault> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number)
        .map(Seq)
        .map_err(|_| Fault::Damaged(format!("{column} is negative: {number}")))
}

fn crc(row: &SqliteRow) -> Result<u32, Fault> {
    let number: i64 = row.try_get("crc")?;
    u32::try_from(number).map_err(|_| Fault::Damaged(format!("{number} is no checksum")))
}

fn sealed(row: &SqliteRow, what: &str, seal: i64) -> Result<(), Fault> {
    if row.try_get::<i64, _>("seal")? == seal {
        return Ok(());
    }
    Err(Fault::Damaged(format!(
        "the checksum of its {what} does not match"
    )))
}

/// CRC-32 over the parts and their lengths.
pub fn seal(parts: &[&[u8]]) -> i64 {
    let mut hash = crc32fast::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    i64::from(hash.finalize())
}

impl HeadRow {
    pub fn seal(&self) -> i64 {
        let (seq, crc) = (self.tip.seq.0.to_le_bytes(), self.tip.crc.to_le_bytes());
        seal(&[self.log_id.as_bytes(), &seq, &crc])
    }
}

pub async fn head(conn: &mut SqliteConnection) -> Result<HeadRow, Fault> {
    let row = sqlx::query("SELECT log_id, seq, crc, seal FROM head")
        .fetch_one(conn)
        .await?;
    let head = HeadRow {
        log_id: row.try_get("log_id")?,
        tip: Tip {
            seq: seq(&row, "seq")?,
            crc: crc(&row)?,
        },
    };
    sealed(&row, "head", head.seal())?;
    Ok(head)
}

fn lease_seal(lease: &Lease) -> i64 {
    seal(&[
        &lease.epoch.to_le_bytes(),
        lease.holder.as_bytes(),
        &lease.beat.to_le_bytes(),
    ])
}

pub async fn lease(conn: &mut SqliteConnection) -> Result<Lease, Fault> {
    let row = sqlx::query("SELECT epoch, holder, beat, seal FROM lease")
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(Lease::default());
    };
    let lease = Lease {
        epoch: seq(&row, "epoch")?.0,
        holder: row.try_get("holder")?,
        beat: seq(&row, "beat")?.0,
    };
    sealed(&row, "lease", lease_seal(&lease))?;
    Ok(lease)
}

pub async fn set_lease(conn: &mut SqliteConnection, lease: &Lease) -> Result<(), Fault> {
    sqlx::query(
        "INSERT OR REPLACE INTO lease (one, epoch, holder, beat, seal) VALUES (1, ?, ?, ?, ?)",
    )
    .bind(int(Seq(lease.epoch)))
    .bind(lease.holder.clone())
    .bind(int(Seq(lease.beat)))
    .bind(lease_seal(lease))
    .execute(conn)
    .await?;
    Ok(())
}

/// Fails with [`Fault::Fenced`] unless `epoch` leads. Part of the transaction it is called in.
pub async fn fence(conn: &mut SqliteConnection, epoch: u64) -> Result<(), Fault> {
    sqlx::query("INSERT INTO fence (epoch) VALUES (?)")
        .bind(int(Seq(epoch)))
        .execute(conn)
        .await?;
    Ok(())
}

pub fn pruned_seal(pruned: &Pruned) -> i64 {
    seal(&[
        &pruned.to.seq.0.to_le_bytes(),
        &pruned.to.crc.to_le_bytes(),
        &pruned.kept.to_le_bytes(),
        &pruned.sum.to_le_bytes(),
    ])
}

/// From a row with the columns of `pruned`.
pub fn pruned_of(row: &SqliteRow) -> Result<Pruned, Fault> {
    let pruned = Pruned {
        to: Tip {
            seq: seq(row, "seq")?,
            crc: crc(row)?,
        },
        kept: seq(row, "kept")?.0,
        sum: row.try_get::<i64, _>("sum")?.cast_unsigned(),
    };
    sealed(row, "compaction mark", pruned_seal(&pruned))?;
    Ok(pruned)
}

pub async fn pruned(conn: &mut SqliteConnection) -> Result<Pruned, Fault> {
    let row = sqlx::query("SELECT seq, crc, kept, sum, seal FROM pruned")
        .fetch_one(conn)
        .await?;
    pruned_of(&row)
}

pub async fn set_pruned(conn: &mut SqliteConnection, pruned: &Pruned) -> Result<(), Fault> {
    sqlx::query(
        "INSERT OR REPLACE INTO pruned (one, seq, crc, kept, sum, seal) VALUES (1, ?, ?, ?, ?, ?)",
    )
    .bind(int(pruned.to.seq))
    .bind(i64::from(pruned.to.crc))
    .bind(int(Seq(pruned.kept)))
    .bind(pruned.sum.cast_signed())
    .bind(pruned_seal(pruned))
    .execute(conn)
    .await?;
    Ok(())
}

fn base_seal(base: &Base) -> i64 {
    seal(&[&base.seq.0.to_le_bytes(), &base.bytes])
}

pub async fn base(conn: &mut SqliteConnection) -> Result<Option<Base>, Fault> {
    let Some(row) = sqlx::query("SELECT seq, bytes, seal FROM base")
        .fetch_optional(conn)
        .await?
    else {
        return Ok(None);
    };
    let base = Base {
        seq: seq(&row, "seq")?,
        bytes: row.try_get("bytes")?,
    };
    sealed(&row, "base record", base_seal(&base))?;
    Ok(Some(base))
}

pub async fn set_base(conn: &mut SqliteConnection, base: &Base) -> Result<(), Fault> {
    sqlx::query("INSERT OR REPLACE INTO base (one, seq, bytes, seal) VALUES (1, ?, ?, ?)")
        .bind(int(base.seq))
        .bind(base.bytes.clone())
        .bind(base_seal(base))
        .execute(conn)
        .await?;
    Ok(())
}

/// The bytes of a row of `document`, checked.
pub fn document_of(row: &SqliteRow) -> Result<Vec<u8>, Fault> {
    let digest: String = row.try_get("digest")?;
    let bytes: Vec<u8> = row.try_get("bytes")?;
    sealed(
        row,
        &format!("document {digest}"),
        document_seal(&digest, &bytes),
    )?;
    Ok(bytes)
}

pub fn document_seal(digest: &str, bytes: &[u8]) -> i64 {
    seal(&[digest.as_bytes(), bytes])
}

/// Up to `limit` segments whose key lies in `from..=to`.
pub async fn segments(
    conn: &mut SqliteConnection,
    (from, to): (Seq, Seq),
    newest_first: bool,
    limit: usize,
) -> Result<Vec<Segment>, Fault> {
    let sql = if newest_first {
        "SELECT first, frames FROM segment WHERE first >= ? AND first <= ? ORDER BY first DESC LIMIT ?"
    } else {
        "SELECT first, frames FROM segment WHERE first >= ? AND first <= ? ORDER BY first LIMIT ?"
    };
    let rows = sqlx::query(sql)
        .bind(int(from))
        .bind(int(to))
        .bind(limit as i64)
        .fetch(conn);
    rows.map_err(Fault::from)
        .and_then(|row| async move { segment_of(&row) })
        .try_collect()
        .await
}

/// Segments from `from` on, until they hold `bytes` or more.
pub async fn run_of_segments(
    conn: &mut SqliteConnection,
    from: Seq,
    bytes: usize,
) -> Result<Vec<Segment>, Fault> {
    let sql = "SELECT first, frames FROM segment WHERE first >= ? ORDER BY first";
    let mut rows = sqlx::query(sql).bind(int(from)).fetch(conn);
    let (mut segments, mut held) = (Vec::new(), 0);
    while held < bytes
        && let Some(row) = rows.try_next().await?
    {
        let segment = segment_of(&row)?;
        held += segment.frames.len();
        segments.push(segment);
    }
    Ok(segments)
}

pub fn segment_of(row: &SqliteRow) -> Result<Segment, Fault> {
    Ok(Segment {
        first: seq(row, "first")?,
        frames: row.try_get("frames")?,
    })
}

/// Key of the segment that holds `seq`, or would.
pub async fn segment_key(conn: &mut SqliteConnection, seq: Seq) -> Result<Seq, Fault> {
    let sql = "SELECT coalesce((SELECT max(first) FROM segment WHERE first <= ?), 0) AS first";
    let row = sqlx::query(sql).bind(int(seq)).fetch_one(conn).await?;
    self::seq(&row, "first")
}

/// The checksum of record `seq`; `None` where compaction removed it.
pub async fn crc_at(conn: &mut SqliteConnection, seq: Seq) -> Result<Option<u32>, Fault> {
    if seq == Seq::ZERO {
        return Ok(Some(Tip::EMPTY.crc));
    }
    let pruned = pruned(conn).await?;
    if pruned.to.seq == seq {
        return Ok(Some(pruned.to.crc));
    }
    let key = segment_key(conn, seq).await?;
    let found = segments(conn, (key, key), false, 1).await?;
    let frames = found
        .iter()
        .flat_map(|s| super::segment::unpack(s.first, &s.frames));
    Ok(frames
        .map_while(Result::ok)
        .find(|frame| frame.view.seq == seq)
        .map(|frame| frame.crc))
}
