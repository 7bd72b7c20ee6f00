//! Compaction: the base record first, then the removal in small transactions, so that appends wait for one of them at
//! most. A crash in between leaves records that replay no longer needs; the next compaction removes them. Damage is
//! never compacted away: the walk verifies what it removes.

use sqlx::{Connection, SqliteConnection};
use stead_core::ids::Seq;
use stead_ports::log::chain::{Chain, Pruned};
use stead_ports::log::{Base, Compacted, Error};

use super::cache;
use super::fault::Fault;
use super::reader::past_id;
use super::rows::{self, int};
use super::segment::{Segment, unpack};

/// Segments in one transaction.
const CHUNK: usize = 64;

/// A walk over everything up to the base.
pub struct Walk {
    base: Seq,
    keep_kinds: Vec<String>,
    chain: Chain,
    next: Seq,
    pub done: Compacted,
    /// Keys of the segments that are still there.
    pub left: Vec<Seq>,
}

/// What one transaction does.
#[derive(Default)]
struct Changes {
    removed: Vec<Seq>,
    thinned: Vec<Segment>,
    past: Vec<Vec<u8>>,
    left: Vec<Seq>,
    done: Compacted,
}

impl Walk {
    pub fn new(base: Seq, keep_kinds: &[String], pruned: Pruned) -> Walk {
        Walk {
            base,
            keep_kinds: keep_kinds.to_vec(),
            chain: Chain::from_start(pruned),
            next: Seq::ZERO,
            done: Compacted::default(),
            left: Vec::new(),
        }
    }

    /// The next transaction; `Ok(None)` when the base is reached, otherwise the bytes it wrote.
    pub async fn step(
        &mut self,
        conn: &mut SqliteConnection,
        epoch: u64,
    ) -> Result<Option<u64>, Failure> {
        let mut tx = conn
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(Fault::from)?;
        rows::fence(&mut tx, epoch).await?;
        let segments = rows::segments(&mut tx, (self.next, self.base), false, CHUNK).await?;
        let Some(last) = segments.last() else {
            tx.rollback().await.map_err(Fault::from)?;
            return Ok(None);
        };
        let next = last.first.next();
        let mut pruned = rows::pruned(&mut tx).await?;
        let mut chain = self.chain.clone();
        let mut changes = Changes::default();
        for segment in &segments {
            self.thin(segment, &mut chain, &mut pruned, &mut changes)?;
        }
        let bytes = changes.write(&mut tx, &pruned).await?;
        tx.commit().await.map_err(Fault::from)?;
        self.chain = chain;
        self.next = next;
        self.left.append(&mut changes.left);
        self.done.removed += changes.done.removed;
        self.done.kept += changes.done.kept;
        Ok(Some(bytes))
    }

    /// Decides what stays of one segment.
    fn thin(
        &self,
        segment: &Segment,
        chain: &mut Chain,
        pruned: &mut Pruned,
        changes: &mut Changes,
    ) -> Result<(), Failure> {
        let mut left = Vec::new();
        for frame in unpack(segment.first, &segment.frames) {
            let frame = frame?;
            chain.push(&frame)?;
            let below = frame.view.seq <= self.base;
            let keep = !below || self.keep_kinds.iter().any(|kind| kind == frame.view.kind);
            if below {
                *pruned = pruned.step(&frame, keep);
                changes.done.kept += u64::from(keep);
            }
            if keep {
                left.extend_from_slice(frame.bytes);
            } else {
                changes.past.push(past_id(frame.view.id));
                changes.done.removed += 1;
            }
        }
        if left.is_empty() {
            changes.removed.push(segment.first);
            return Ok(());
        }
        changes.left.push(segment.first);
        if left.len() < segment.frames.len() {
            changes.thinned.push(Segment {
                first: segment.first,
                frames: left,
            });
        }
        Ok(())
    }
}

impl Changes {
    async fn write(&self, conn: &mut SqliteConnection, pruned: &Pruned) -> Result<u64, Fault> {
        let mut bytes = 0;
        for first in &self.removed {
            sqlx::query("DELETE FROM segment WHERE first = ?")
                .bind(int(*first))
                .execute(&mut *conn)
                .await?;
        }
        for segment in &self.thinned {
            bytes += segment.frames.len() as u64;
            sqlx::query("UPDATE segment SET frames = ? WHERE first = ?")
                .bind(segment.frames.clone())
                .bind(int(segment.first))
                .execute(&mut *conn)
                .await?;
        }
        bytes += self.past.len() as u64 * 32;
        cache::insert(
            conn,
            "INSERT OR IGNORE INTO past_id (id) ",
            &self.past,
            |values, id| {
                values.push_bind(id.clone());
            },
        )
        .await?;
        rows::set_pruned(conn, pruned).await?;
        Ok(bytes)
    }
}

/// Checks that `base` lies between the present one and the head, and writes it.
pub async fn write_base(
    conn: &mut SqliteConnection,
    epoch: u64,
    head: Seq,
    base: &Base,
) -> Result<(), Failure> {
    let mut tx = conn
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(Fault::from)?;
    rows::fence(&mut tx, epoch).await?;
    let present = rows::base(&mut tx).await?.map_or(Seq::ZERO, |b| b.seq);
    let expected = if base.seq < present.max(Seq(1)) {
        Some(present.max(Seq(1)))
    } else {
        (base.seq > head).then_some(head)
    };
    if let Some(expected) = expected {
        return Err(Failure::Record(Error::Gap {
            expected,
            got: base.seq,
        }));
    }
    rows::set_base(&mut tx, base).await?;
    tx.commit().await.map_err(Fault::from)?;
    Ok(())
}

/// Why a step did nothing.
#[derive(Debug)]
pub enum Failure {
    Database(Fault),
    Record(Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Database(fault)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Record(error)
    }
}
