//! The event log on SQLite: durable when `append` returns, verified when it is read.
//!
//! ```text
//! append ─► pack into segments ─► one transaction, one sync ─► mark ─► acknowledged
//!                                   log.db                       │
//!                                                                ▼ later, in the background
//!                                   cache.db ◄─ terms, ids, times of whole segments
//! query ─► plan ─► candidates from cache.db, the tail from log.db ─► filter on verified frames
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`open`] | what is checked before anything is written |
//! | [`writer`], [`segment`] | the connection that appends, and what it writes |
//! | [`reader`] | reading, verifying, known IDs |
//! | [`cache`], [`plan`], [`query`] | the disposable index, where to look, and looking |
//! | [`lease`] | who may append |
//! | [`compaction`] | the base record and what it makes superfluous |
//! | [`schema`], [`rows`], [`fault`], [`lock`] | tables, sealed rows, what errors mean, the files beside the database |

mod cache;
mod compaction;
mod fault;
mod lease;
mod lock;
mod open;
mod plan;
mod query;
mod reader;
mod rows;
mod schema;
mod segment;
mod writer;

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqlitePool;
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::{
    Base, Claim, Compacted, Error, EventLog, Filter, Head, Lease, Record, Snapshot,
};
use tokio::task::JoinHandle;

use self::cache::{Cache, MAX_LAG, WORTH_A_STEP};
use self::compaction::{Failure, Walk};
use self::fault::Fault;
use self::lock::{LockFile, Places};
pub use self::schema::SCHEMA;
use self::writer::Writer;

/// What can be chosen; the defaults suit a fleet of thousands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How large the write-ahead file may grow before it is moved into the database: one pause of some 20 ms each.
    pub checkpoint_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            checkpoint_bytes: 8 * 1024 * 1024,
        }
    }
}

/// The open log. Its files are under `<data>/log/`; one process at a time.
#[derive(Debug)]
pub struct SqliteLog {
    inner: Arc<Inner>,
    indexer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    places: Places,
    /// `None` once closed. Held for one transaction at a time.
    writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
    readers: SqlitePool,
    cache: Cache,
    shared: Mutex<Shared>,
    stop: AtomicBool,
    lock: Mutex<Option<LockFile>>,
}

#[derive(Debug)]
struct Shared {
    head: Head,
    tip: stead_ports::log::chain::Tip,
    pruned: bool,
    /// F2: why nothing is acknowledged any more.
    dead: Option<String>,
}

impl SqliteLog {
    /// Opens the log under `data`, creating it when there is none. Fails with `Locked`, `Newer` or `Corrupt` before
    /// anything is changed.
    pub async fn open(data: &Path, options: Options) -> Result<SqliteLog, Error> {
        let mut opened = open::open(data).await?;
        let readers = cache::pool(schema::reader(&opened.places.log));
        let cache = Cache::open(&opened.places, &mut opened.conn, &opened.head).await;
        if let Err(why) = cache.catch_up(&readers, opened.head.tip).await {
            cache.degrade(&why);
        }
        let shared = Shared {
            head: Head {
                log_id: opened.head.log_id.clone(),
                seq: opened.head.tip.seq,
                first: opened.first,
            },
            tip: opened.head.tip,
            pruned: opened.pruned.to.seq > Seq::ZERO,
            dead: None,
        };
        let writer = Writer::new(opened.conn, opened.head, opened.mark);
        let inner = Arc::new(Inner {
            options,
            places: opened.places,
            writer: Arc::new(tokio::sync::Mutex::new(Some(writer))),
            readers,
            cache,
            shared: Mutex::new(shared),
            stop: AtomicBool::new(false),
            lock: Mutex::new(Some(opened.lock)),
        });
        let indexer = tokio::spawn(keep_indexing(Arc::clone(&inner)));
        Ok(SqliteLog {
            inner,
            indexer: Mutex::new(Some(indexer)),
        })
    }

    /// Runs `work` to its end even when the caller stops waiting: what memory says and what the disk says must not
    /// part.
    async fn detached<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let task = tokio::spawn(work(Arc::clone(&self.inner)));
        task.await
            .unwrap_or_else(|e| Err(self.inner.die(format!("the writer stopped: {e}"))))
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Release);
        self.inner.cache.wake.notify_one();
    }
}

/// How long the index waits for more before it takes in a few records: look-ups read those from the log meanwhile.
const PATIENCE: Duration = Duration::from_millis(100);

/// The background task: indexes what was appended until the log is closed or the index is given up.
async fn keep_indexing(inner: Arc<Inner>) {
    while !inner.stop.load(Ordering::Acquire) {
        inner.cache.wake.notified().await;
        let quiet = tokio::time::sleep(PATIENCE);
        tokio::pin!(quiet);
        while !inner.stop.load(Ordering::Acquire) && inner.lag() < WORTH_A_STEP {
            tokio::select! {
                () = &mut quiet => break,
                () = inner.cache.wake.notified() => {}
            }
        }
        while !inner.stop.load(Ordering::Acquire) {
            if inner.cache.is_degraded() {
                return;
            }
            let tip = inner.shared().tip;
            match inner.cache.step(&inner.readers, tip).await {
                Ok(true) if inner.lag() >= WORTH_A_STEP => {}
                Ok(_) => break,
                // There may be space later.
                Err(Fault::Full | Fault::Index(_) | Fault::Busy(_)) => {
                    tokio::time::sleep(PATIENCE).await;
                    break;
                }
                Err(why) => inner.cache.degrade(&why),
            }
        }
        if inner.lag() > 0 {
            inner.cache.wake.notify_one();
        }
    }
}

impl Inner {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that are not indexed yet.
    fn lag(&self) -> u64 {
        self.shared()
            .head
            .seq
            .0
            .saturating_sub(self.cache.indexed().tip.seq.0)
    }

    fn alive(&self) -> Result<(), Error> {
        match &self.shared().dead {
            Some(why) => Err(Error::Fatal(why.clone())),
            None => Ok(()),
        }
    }

    fn die(&self, why: String) -> Error {
        let mut shared = self.shared();
        Error::Fatal(shared.dead.get_or_insert(why).clone())
    }

    /// F2: an error of unknown outcome ends all writing.
    fn noted(&self, error: Error) -> Error {
        match error {
            Error::Fatal(why) => self.die(why),
            other => other,
        }
    }

    async fn append(self: Arc<Self>, records: Vec<Record>) -> Result<(), Error> {
        let mut guard = Arc::clone(&self.writer).lock_owned().await;
        self.alive()?;
        let writer = guard.as_mut().ok_or_else(closed)?;
        let (segments, tip) = segment::pack(writer.head.tip, &records)?;
        if segments.is_empty() {
            return Ok(());
        }
        self.bound_lag(writer.head.tip).await?;
        if let Err(fault) = writer.insert(segments, tip).await {
            let error = writer.settle(fault, &self.places).await;
            return Err(self.noted(error));
        }
        self.cache.note(tip.seq, records);
        {
            let mut shared = self.shared();
            shared.head.seq = tip.seq;
            shared.tip = tip;
        }
        self.cache.wake.notify_one();
        if writer.wants_checkpoint(self.options.checkpoint_bytes) {
            // The records are durable: acknowledge first, then move them.
            let inner = Arc::clone(&self);
            tokio::spawn(async move {
                if let Some(writer) = guard.as_mut()
                    && let Err(fault) = writer.checkpoint(inner.options.checkpoint_bytes).await
                {
                    inner.noted(fault.writing(writer.head.tip.seq, false));
                }
            });
        }
        Ok(())
    }

    /// Indexes first when too much waits for it.
    async fn bound_lag(&self, tip: stead_ports::log::chain::Tip) -> Result<(), Error> {
        let lag = || tip.seq.0.saturating_sub(self.cache.indexed().tip.seq.0);
        while !self.cache.is_degraded() && lag() > MAX_LAG {
            match self.cache.step(&self.readers, tip).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(Fault::Full) => return Err(Error::Full),
                Err(why) => self.cache.degrade(&why),
            }
        }
        Ok(())
    }

    async fn put_document(self: Arc<Self>, digest: String, bytes: Vec<u8>) -> Result<(), Error> {
        let mut guard = self.writer.lock().await;
        self.alive()?;
        let writer = guard.as_mut().ok_or_else(closed)?;
        if let Err(fault) = writer.put_document(&digest, &bytes).await {
            let error = writer.settle(fault, &self.places).await;
            return Err(self.noted(error));
        }
        Ok(())
    }

    async fn compact(
        self: Arc<Self>,
        base: Base,
        keep_kinds: Vec<String>,
    ) -> Result<Compacted, Error> {
        let mut walk = {
            let mut guard = self.writer.lock().await;
            self.alive()?;
            let writer = guard.as_mut().ok_or_else(closed)?;
            let head = writer.head.tip;
            // What is removed must not be waiting to be indexed.
            if !self.cache.is_degraded()
                && let Err(why) = self.cache.catch_up(&self.readers, head).await
            {
                match why {
                    Fault::Full => return Err(Error::Full),
                    why => self.cache.degrade(&why),
                }
            }
            if let Err(failure) =
                compaction::write_base(&mut writer.conn, writer.epoch, head.seq, &base).await
            {
                return Err(self.compaction_failed(writer, failure).await);
            }
            writer.wrote(base.bytes.len() as u64);
            self.shared().pruned = true;
            let pruned = rows::pruned(&mut writer.conn).await;
            Walk::new(
                base.seq,
                &keep_kinds,
                pruned.map_err(|fault| fault.reading(base.seq))?,
            )
        };
        loop {
            let mut guard = self.writer.lock().await;
            self.alive()?;
            let writer = guard.as_mut().ok_or_else(closed)?;
            match walk.step(&mut writer.conn, writer.epoch).await {
                Ok(Some(bytes)) => writer.wrote(bytes),
                Ok(None) => {
                    self.refresh_first(writer).await?;
                    break;
                }
                Err(failure) => return Err(self.compaction_failed(writer, failure).await),
            }
            if writer.wants_checkpoint(self.options.checkpoint_bytes)
                && let Err(fault) = writer.checkpoint(self.options.checkpoint_bytes).await
            {
                return Err(self.noted(fault.writing(base.seq, false)));
            }
        }
        if !self.cache.is_degraded()
            && let Err(why) = self.cache.forget(base.seq, &walk.left).await
        {
            // Entries of segments that are gone lead nowhere; they only take space.
            tracing::warn!("the search index keeps entries of removed events: {why:?}");
        }
        Ok(walk.done)
    }

    async fn compaction_failed(&self, writer: &mut Writer, failure: Failure) -> Error {
        match failure {
            Failure::Record(error) => error,
            Failure::Database(fault) => {
                let error = writer.settle(fault, &self.places).await;
                self.noted(error)
            }
        }
    }

    async fn refresh_first(&self, writer: &mut Writer) -> Result<(), Error> {
        let near = |fault: Fault| fault.reading(Seq::ZERO);
        let pruned = rows::pruned(&mut writer.conn).await.map_err(near)?;
        let first = open::first_kept(&mut writer.conn, &pruned)
            .await
            .map_err(near)?;
        self.shared().head.first = first;
        Ok(())
    }

    async fn put_snapshots(self: Arc<Self>, snapshots: Vec<Snapshot>) -> Result<(), Error> {
        self.alive()?;
        let mut log = self
            .readers
            .acquire()
            .await
            .map_err(|e| Fault::from(e).reading(Seq::ZERO))?;
        let mut sealed = Vec::with_capacity(snapshots.len());
        for snapshot in snapshots {
            let chain = rows::crc_at(&mut log, snapshot.seq).await;
            let chain = chain.map_err(|fault| fault.reading(snapshot.seq))?;
            sealed.push((snapshot, chain));
        }
        self.cache
            .put_snapshots(sealed)
            .await
            .map_err(|fault| match fault {
                // Only a cache: the log itself is not in doubt.
                Fault::Full => Error::Full,
                other => Error::Read(format!("snapshots were not kept: {other:?}")),
            })
    }

    /// The snapshots, if they were all taken of this very log.
    async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        let found = match self.cache.snapshots().await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Vec::new()),
            Err(why) => {
                tracing::warn!("the snapshots cannot be read, the log is replayed: {why:?}");
                return Ok(Vec::new());
            }
        };
        let near = |fault: Fault| fault.reading(Seq::ZERO);
        let mut log = self.readers.acquire().await.map_err(|e| near(e.into()))?;
        let head = self.shared().head.seq;
        for (snapshot, chain) in &found {
            let present = rows::crc_at(&mut log, snapshot.seq).await.map_err(near)?;
            let same = present.is_none() || present.map(i64::from) == *chain;
            if snapshot.seq > head || !same {
                return Ok(Vec::new());
            }
        }
        Ok(found.into_iter().map(|(snapshot, _)| snapshot).collect())
    }

    async fn close(self: Arc<Self>) -> Result<(), Error> {
        let writer = self.writer.lock().await.take();
        self.stop.store(true, Ordering::Release);
        self.cache.wake.notify_one();
        self.readers.close().await;
        self.cache.close().await;
        let result = match writer {
            Some(writer) => writer.close().await,
            None => Ok(()),
        };
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Everything acknowledged is durable whether or not the last checkpoint worked.
        result.or_else(|fault| match fault {
            Fault::Full | Fault::Busy(_) | Fault::Index(_) => Ok(()),
            other => Err(self.noted(other.writing(Seq::ZERO, false))),
        })
    }
}

fn closed() -> Error {
    Error::Fatal("the log was closed".to_owned())
}

#[async_trait]
impl EventLog for SqliteLog {
    async fn head(&self) -> Result<Head, Error> {
        Ok(self.inner.shared().head.clone())
    }

    async fn lease(&self) -> Result<Lease, Error> {
        self.inner.lease().await
    }

    async fn lead(&self, holder: &str, now: Time, _: Option<&Lease>) -> Result<Claim, Error> {
        let holder = holder.to_owned();
        self.detached(move |inner| inner.lead(holder, now)).await
    }

    async fn renew(&self) -> Result<(), Error> {
        self.detached(Inner::renew).await
    }

    async fn resign(&self) -> Result<(), Error> {
        self.detached(Inner::resign).await
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        self.detached(|inner| inner.append(records)).await
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Error> {
        let head = self.inner.shared().head.seq;
        reader::read(&self.inner.readers, head, after, limit).await
    }

    async fn query(&self, filter: Filter) -> Result<Vec<Record>, Error> {
        query::run(&self.inner.readers, &self.inner.cache, &filter).await
    }

    async fn known_ids(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        let pruned = self.inner.shared().pruned;
        reader::known_ids(&self.inner.readers, &self.inner.cache, pruned, ids).await
    }

    async fn put_document(&self, digest: &str, bytes: &[u8]) -> Result<(), Error> {
        let (digest, bytes) = (digest.to_owned(), bytes.to_vec());
        self.detached(|inner| inner.put_document(digest, bytes))
            .await
    }

    async fn get_document(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let near = |fault: Fault| fault.reading(Seq::ZERO);
        let mut conn = self
            .inner
            .readers
            .acquire()
            .await
            .map_err(|e| near(e.into()))?;
        let row = sqlx::query("SELECT digest, bytes, seal FROM document WHERE digest = ?")
            .bind(digest.to_owned())
            .fetch_optional(&mut *conn)
            .await
            .map_err(|e| near(e.into()))?;
        row.map(|row| rows::document_of(&row))
            .transpose()
            .map_err(near)
    }

    async fn put_snapshots(&self, snapshots: Vec<Snapshot>) -> Result<(), Error> {
        self.detached(|inner| inner.put_snapshots(snapshots)).await
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.inner.snapshots().await
    }

    async fn compact(&self, base: Base, keep_kinds: &[String]) -> Result<Compacted, Error> {
        let keep_kinds = keep_kinds.to_vec();
        self.detached(|inner| inner.compact(base, keep_kinds)).await
    }

    async fn base(&self) -> Result<Option<Base>, Error> {
        let near = |fault: Fault| fault.reading(Seq::ZERO);
        let mut conn = self
            .inner
            .readers
            .acquire()
            .await
            .map_err(|e| near(e.into()))?;
        rows::base(&mut conn).await.map_err(near)
    }

    async fn verify(&self) -> Result<u64, Error> {
        let sound = reader::verify(&self.inner.readers).await?;
        if !self.inner.cache.is_degraded()
            && let Err(why) = self.inner.cache.check().await
        {
            self.inner.cache.degrade(&why);
        }
        Ok(sound)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.stop.store(true, Ordering::Release);
        self.inner.cache.wake.notify_one();
        let indexer = self
            .indexer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(indexer) = indexer {
            indexer.await.ok();
        }
        self.detached(Inner::close).await
    }
}
