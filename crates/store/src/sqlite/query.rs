//! Walks the passes of a plan: finds candidate segments, reads them, and lets the filter decide on verified frames.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};
use stead_core::ids::Seq;
use stead_ports::log::{Error, Filter, Record};

use super::cache::Cache;
use super::fault::Fault;
use super::plan::{self, Known, LATENESS, Pass};
use super::rows::{self, int, seq};
use super::segment::{Segment, unpack};

/// Segments read at a time: few at first, because most queries want one page of the newest.
const FIRST_PAGE: usize = 4;
const LAST_PAGE: usize = 64;

pub async fn run(log: &SqlitePool, cache: &Cache, filter: &Filter) -> Result<Vec<Record>, Error> {
    if filter.limit == 0 {
        return Ok(Vec::new());
    }
    let near = filter.after.unwrap_or_default().next();
    if !cache.is_degraded() {
        match walk(log, Some(cache), filter).await {
            Err(Failure::Index(why)) => cache.note_failure(&why),
            other => return other.map_err(|failure| failure.verdict(near)),
        }
    }
    walk(log, None, filter)
        .await
        .map_err(|failure| failure.verdict(near))
}

/// Who failed: the index can be done without, the log cannot.
enum Failure {
    Index(Fault),
    Log(Fault),
    Record(Error),
}

impl Failure {
    fn verdict(self, near: Seq) -> Error {
        match self {
            Failure::Index(fault) | Failure::Log(fault) => fault.reading(near),
            Failure::Record(error) => error,
        }
    }
}

async fn walk(
    log: &SqlitePool,
    cache: Option<&Cache>,
    filter: &Filter,
) -> Result<Vec<Record>, Failure> {
    let mut log = log.acquire().await.map_err(|e| Failure::Log(e.into()))?;
    let start = filter.after.unwrap_or_default().next();
    let mut known = Known {
        indexed: Seq::ZERO,
        start: rows::segment_key(&mut log, start)
            .await
            .map_err(Failure::Log)?,
        since: None,
        until: None,
    };
    let mut index = None;
    if let Some(cache) = cache {
        // First how far the index goes, then everything else: what it says about later segments is never needed.
        known.indexed = cache.indexed().tip.seq;
        let mut conn = cache
            .readers
            .acquire()
            .await
            .map_err(|e| Failure::Index(e.into()))?;
        if let Some(since) = filter.since {
            known.since = reached(&mut conn, since.0).await.map_err(Failure::Index)?;
        }
        if let Some(until) = filter.until {
            let clear = until.0.saturating_add(LATENESS);
            known.until = reached(&mut conn, clear).await.map_err(Failure::Index)?;
        }
        index = Some(conn);
    }
    let mut found = Vec::new();
    for pass in plan::passes(filter, known) {
        walk_pass(&mut log, index.as_deref_mut(), filter, pass, &mut found).await?;
        if found.len() >= filter.limit {
            break;
        }
    }
    Ok(found)
}

/// The first segment up to which some record is as new as `at`.
async fn reached(index: &mut SqliteConnection, at: i64) -> Result<Option<Seq>, Fault> {
    let row = sqlx::query("SELECT first FROM span WHERE top >= ? ORDER BY top, first LIMIT 1")
        .bind(at)
        .fetch_optional(index)
        .await?;
    row.map(|row| seq(&row, "first")).transpose()
}

async fn walk_pass(
    log: &mut SqliteConnection,
    mut index: Option<&mut SqliteConnection>,
    filter: &Filter,
    mut pass: Pass,
    found: &mut Vec<Record>,
) -> Result<(), Failure> {
    let mut page = FIRST_PAGE;
    while pass.from <= pass.to {
        let (segments, last) = match index.as_deref_mut() {
            Some(index) if !pass.groups.is_empty() => {
                let keys = candidates(index, &pass, filter.newest_first, page)
                    .await
                    .map_err(Failure::Index)?;
                let last = keys.last().copied();
                (fetch(log, &keys).await.map_err(Failure::Log)?, last)
            }
            _ => {
                let range = (pass.from, pass.to);
                let segments = rows::segments(log, range, filter.newest_first, page)
                    .await
                    .map_err(Failure::Log)?;
                let last = segments.last().map(|s| s.first);
                (segments, last)
            }
        };
        for segment in &segments {
            sift(segment, filter, found).map_err(Failure::Record)?;
            if found.len() >= filter.limit {
                return Ok(());
            }
        }
        let Some(last) = last else {
            return Ok(());
        };
        if filter.newest_first {
            let Some(next) = last.0.checked_sub(1) else {
                return Ok(());
            };
            pass.to = Seq(next);
        } else {
            pass.from = last.next();
        }
        page = (page * 2).min(LAST_PAGE);
    }
    Ok(())
}

/// Adds the records of `segment` that match.
fn sift(segment: &Segment, filter: &Filter, found: &mut Vec<Record>) -> Result<(), Error> {
    let mut matching = Vec::new();
    for frame in unpack(segment.first, &segment.frames) {
        let view = frame?.view;
        if filter.matches(&view) {
            matching.push(view);
        }
    }
    if filter.newest_first {
        matching.reverse();
    }
    let room = filter.limit - found.len();
    found.extend(matching.iter().take(room).map(|view| view.to_record()));
    Ok(())
}

/// The next `page` segments of `pass` that have a term of each of its groups, in walking order.
async fn candidates(
    index: &mut SqliteConnection,
    pass: &Pass,
    newest_first: bool,
    page: usize,
) -> Result<Vec<Seq>, Fault> {
    // The group that leads is walked term by term; of several terms the nearest keys win.
    let lead = pass
        .groups
        .iter()
        .position(|group| group.len() == 1)
        .unwrap_or(0);
    let mut keys = BTreeSet::new();
    for term in &pass.groups[lead] {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT c.first FROM term c WHERE c.term = ");
        sql.push_bind(term.clone());
        sql.push(" AND c.first >= ").push_bind(int(pass.from));
        sql.push(" AND c.first <= ").push_bind(int(pass.to));
        for (_, group) in pass.groups.iter().enumerate().filter(|(i, _)| *i != lead) {
            sql.push(" AND EXISTS (SELECT 1 FROM term t WHERE t.first = c.first AND t.term IN (");
            let mut list = sql.separated(", ");
            for term in group {
                list.push_bind(term.clone());
            }
            sql.push("))");
        }
        sql.push(if newest_first {
            " ORDER BY c.first DESC"
        } else {
            " ORDER BY c.first"
        });
        sql.push(" LIMIT ").push_bind(page as i64);
        for row in sql.build().persistent(false).fetch_all(&mut *index).await? {
            keys.insert(seq(&row, "first")?);
        }
    }
    let mut keys: Vec<Seq> = keys.into_iter().collect();
    if newest_first {
        keys.reverse();
    }
    keys.truncate(page);
    Ok(keys)
}

/// Reads the segments `keys`, in that order; those that compaction has removed meanwhile are left out.
async fn fetch(log: &mut SqliteConnection, keys: &[Seq]) -> Result<Vec<Segment>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let marks = vec!["?"; keys.len()].join(", ");
    let sql = format!("SELECT first, frames FROM segment WHERE first IN ({marks}) ORDER BY first");
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for key in keys {
        query = query.bind(int(*key));
    }
    let rows = query.fetch_all(log).await?;
    let mut segments = rows
        .iter()
        .map(rows::segment_of)
        .collect::<Result<Vec<_>, _>>()?;
    if keys.first() > keys.last() {
        segments.reverse();
    }
    Ok(segments)
}

/// Which of `ids` occur as `column` of `table`.
pub async fn present<T>(
    conn: &mut SqliteConnection,
    sql: &'static str,
    ids: &[T],
) -> Result<Vec<T>, Fault>
where
    T: Clone + Send + Unpin + 'static,
    for<'q> T: sqlx::Encode<'q, Sqlite> + sqlx::Decode<'q, Sqlite> + sqlx::Type<Sqlite>,
{
    let mut found = Vec::new();
    for part in ids.chunks(500) {
        let mut query = QueryBuilder::<Sqlite>::new(sql);
        query.push(" IN (");
        let mut list = query.separated(", ");
        for id in part {
            list.push_bind(id.clone());
        }
        query.push(")");
        for row in query
            .build()
            .persistent(false)
            .fetch_all(&mut *conn)
            .await?
        {
            found.push(row.try_get(0)?);
        }
    }
    Ok(found)
}
