//! Opening: everything that can be wrong is looked for read-only, before anything is written. A newer or a damaged
//! database is left exactly as it was found.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use sqlx::{Connection, SqliteConnection};
use stead_core::ids::Seq;
use stead_ports::log::Error;
use stead_ports::log::chain::{Chain, Pruned, Tip};

use super::fault::Fault;
use super::lock::{LockFile, Mark, Places};
use super::rows::{self, HeadRow};
use super::schema;
use super::segment::unpack;

/// How many of the last segments are checked at each start; `verify` checks them all.
const TAIL: usize = 8;

/// The open database, before anything uses it.
pub struct Opened {
    pub places: Places,
    pub lock: LockFile,
    pub conn: SqliteConnection,
    pub head: HeadRow,
    /// The first record kept.
    pub first: Seq,
    pub pruned: Pruned,
    pub mark: Option<Mark>,
}

pub async fn open(data: &Path) -> Result<Opened, Error> {
    let places = Places::under(data);
    make_dir(&places.dir).map_err(|e| Error::Read(format!("{}: {e}", places.dir.display())))?;
    let lock = LockFile::acquire(&places.lock)?;
    let mark = Mark::read(&places.mark);
    let bytes = std::fs::metadata(&places.log).map_or(0, |m| m.len());
    let version = if bytes > 0 {
        inspect(&places, mark).await?
    } else {
        0
    };
    if let Some(mark) = mark
        && version == 0
        && mark.seq > Seq::ZERO
    {
        return Err(lost(Seq::ZERO, mark));
    }
    let failed = |fault: Fault| fault.writing(Seq::ZERO, places.no_space());
    let mut conn = SqliteConnection::connect_with(&schema::writer(&places.log))
        .await
        .map_err(|e| failed(e.into()))?;
    prepare(&mut conn, version).await.map_err(failed)?;
    let head = rows::head(&mut conn).await.map_err(failed)?;
    let pruned = rows::pruned(&mut conn).await.map_err(failed)?;
    let first = first_kept(&mut conn, &pruned).await.map_err(failed)?;
    let mark = Mark::open(&places.mark)
        .inspect_err(|e| tracing::warn!("{}: {e}", places.mark.display()))
        .ok();
    if let Some(mark) = &mark {
        mark.write(head.tip);
    }
    Ok(Opened {
        places,
        lock,
        conn,
        head,
        first,
        pruned,
        mark,
    })
}

/// Only the owner may look: events name what runs where.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match dir.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Checks an existing database without changing a byte of it, and returns its version.
async fn inspect(places: &Places, mark: Option<Tip>) -> Result<u32, Error> {
    let mut conn = SqliteConnection::connect_with(&schema::reader(&places.log))
        .await
        .map_err(|e| Fault::from(e).reading(Seq::ZERO))?;
    let result = inspect_with(&mut conn, mark).await;
    conn.close().await.ok();
    result
}

async fn inspect_with(conn: &mut SqliteConnection, mark: Option<Tip>) -> Result<u32, Error> {
    let failed = |fault: Fault| fault.reading(Seq::ZERO);
    let version = schema::version(conn).await.map_err(failed)?;
    if version > schema::SCHEMA {
        return Err(Error::Newer {
            found: version,
            known: schema::SCHEMA,
        });
    }
    if version == 0 {
        return match schema::is_empty(conn).await.map_err(failed)? {
            true => Ok(0),
            false => Err(failed(Fault::Damaged(
                "it has tables, but says it is empty".to_owned(),
            ))),
        };
    }
    let head = rows::head(conn).await.map_err(failed)?.tip;
    let near = |fault: Fault| fault.reading(head.seq);
    if let Some(mark) = mark {
        if mark.seq > head.seq {
            return Err(lost(head.seq, mark));
        }
        let found = rows::crc_at(conn, mark.seq).await.map_err(near)?;
        if found.is_some_and(|crc| crc != mark.crc) {
            return Err(Error::Corrupt {
                seq: mark.seq,
                why: "it is not the record that was acknowledged".to_owned(),
            });
        }
    }
    let pruned = rows::pruned(conn).await.map_err(near)?;
    rows::base(conn).await.map_err(near)?;
    let everything = (Seq::ZERO, Seq(u64::MAX));
    let tail = rows::segments(conn, everything, true, TAIL)
        .await
        .map_err(near)?;
    let mut chain = Chain::from_middle(pruned);
    for segment in tail.iter().rev() {
        for frame in unpack(segment.first, &segment.frames) {
            chain.push(&frame?)?;
        }
    }
    chain.finish(head, false)?;
    Ok(version)
}

fn lost(last: Seq, mark: Tip) -> Error {
    Error::Corrupt {
        seq: last.next(),
        why: format!(
            "the log ends before it, but records up to {} were acknowledged: log.db or log.db-wal was cut, damaged or \
             removed",
            mark.seq
        ),
    }
}

async fn prepare(conn: &mut SqliteConnection, version: u32) -> Result<(), Fault> {
    schema::migrate(conn, version).await?;
    let exists = sqlx::query("SELECT one FROM head")
        .fetch_optional(&mut *conn)
        .await?;
    if exists.is_none() {
        found_log(conn).await?;
    }
    // What recovery took from the write-ahead file may only be in the page cache (after a failed sync Linux forgets
    // that pages are dirty). Writing and syncing it again makes what we are about to believe in durable.
    let moved = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut *conn)
        .await;
    match moved.map(|_| ()).map_err(Fault::from) {
        // Reading must be possible on a full disk; appending will say that it is full.
        Err(Fault::Full | Fault::Busy(_)) => Ok(()),
        other => other,
    }
}

/// A new log gets its identity.
#[allow(
    clippy::disallowed_methods,
    reason = "a shell: the identity is drawn once, when the log is made"
)]
async fn found_log(conn: &mut SqliteConnection) -> Result<(), Fault> {
    let mut id = [0u8; 16];
    getrandom::fill(&mut id).map_err(|e| Fault::Other(format!("no randomness: {e}")))?;
    let head = HeadRow {
        log_id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
        tip: Tip::EMPTY,
    };
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO head (one, log_id, seq, crc, seal) VALUES (1, ?, 0, ?, ?)")
        .bind(head.log_id.clone())
        .bind(i64::from(head.tip.crc))
        .bind(head.seal())
        .execute(&mut *tx)
        .await?;
    rows::set_pruned(&mut tx, &Pruned::NOTHING).await?;
    tx.commit().await?;
    Ok(())
}

/// The first record that is still there; the next one to come where there is none.
pub async fn first_kept(conn: &mut SqliteConnection, pruned: &Pruned) -> Result<Seq, Fault> {
    let everything = (Seq::ZERO, Seq(u64::MAX));
    let segments = rows::segments(conn, everything, false, 1).await?;
    let first = segments
        .first()
        .and_then(|s| unpack(s.first, &s.frames).next());
    match first {
        Some(Ok(frame)) => Ok(frame.view.seq),
        Some(Err(error)) => Err(Fault::Damaged(error.to_string())),
        None => Ok(pruned.to.seq.next()),
    }
}
