//! What is known of the node now, and what was said of it: the facts and the spool under one lock, so that each frame
//! tells exactly the difference to the one before it.
//!
//! Nothing here waits for a disk or a network; the syncer does, outside the lock. Samples pass through a place for one:
//! a reader that is slow misses some and nothing piles up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use stead_core::command::Outcome;
use stead_core::container_sample::ContainerSample;
use stead_core::event::{Kind, Severity};
use stead_core::facts::{Fact, FactKey, Facts};
use stead_core::ids::digest;
use stead_core::sample::HostSample;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_ports::clock::Clock;
use stead_ports::planted::{self, Bug};
use stead_ports::watch;
use stead_protocol::agent::{Ack, Frame, FrameBody};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::journal::ledger::Key;
use crate::spool::{Position, Read, Spool};

/// Changes in one delta.
const CHANGES: usize = 256;
/// Bytes a reader gets at once, about.
const CHUNK: usize = 64 * 1024;
/// While somebody reads, frames are synced this long after they were written: the reader's word is what counts then.
const LAZY: Duration = Duration::from_secs(1);
/// After a sync that failed.
const SYNC_AGAIN: Duration = Duration::from_secs(10);

/// A fact seen anew, or gone.
pub type Change = (FactKey, Option<Fact>);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Board(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// Newest cursor; changes with each frame.
    news: watch::Sender<u64>,
    sample: watch::Sender<Option<Bytes>>,
    ready: watch::Sender<bool>,
    readers: AtomicUsize,
    /// Readers at the other end of a tunnel.
    links: AtomicUsize,
    unsynced: Notify,
}

#[derive(Debug)]
struct Inner {
    facts: Facts,
    spool: Spool,
}

/// What a reader gets next.
#[derive(Debug)]
pub enum Next {
    Lines(Bytes),
    /// The line that tells of a gap; a snapshot comes next.
    Gap(Bytes),
    /// Nothing new; wait.
    Nothing,
}

impl Board {
    /// `clock` dates the frames.
    pub fn new(spool: Spool, clock: Arc<dyn Clock>) -> Board {
        let last = spool.last();
        Board(Arc::new(Shared {
            clock,
            inner: Mutex::new(Inner {
                facts: Facts::new(),
                spool,
            }),
            news: watch::Sender::new(last),
            sample: watch::Sender::new(None),
            ready: watch::Sender::new(false),
            readers: AtomicUsize::new(0),
            links: AtomicUsize::new(0),
            unsynced: Notify::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the facts; `look` must not block.
    pub fn facts<T>(&self, look: impl FnOnce(&Facts) -> T) -> T {
        look(&self.lock().facts)
    }

    /// Takes what was seen. What is new goes out as deltas; what is equal is no news.
    pub fn apply(&self, changes: Vec<Change>) {
        let mut inner = self.lock();
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for (key, fact) in changes {
            match fact {
                Some(fact) if inner.facts.get(&key) == Some(&fact) => {}
                Some(fact) => {
                    inner.facts.insert(key.clone(), fact);
                    changed.push(key);
                }
                None if inner.facts.remove(&key).is_some() => gone.push(key),
                None => {}
            }
        }
        // Before everything was looked at once there is nothing to tell a difference to.
        if !*self.0.ready.borrow() {
            return;
        }
        changed.sort();
        changed.dedup();
        let changed: Vec<(FactKey, Fact)> = changed
            .into_iter()
            .filter_map(|key| inner.facts.get(&key).cloned().map(|fact| (key, fact)))
            .collect();
        gone.retain(|key| !inner.facts.contains_key(key));
        gone.sort();
        gone.dedup();
        for part in changed.chunks(CHANGES) {
            self.tell(
                &mut inner,
                FrameBody::Delta {
                    changed: part.to_vec(),
                    gone: std::mem::take(&mut gone),
                },
            );
        }
        if !gone.is_empty() {
            self.tell(
                &mut inner,
                FrameBody::Delta {
                    changed: Vec::new(),
                    gone,
                },
            );
        }
    }

    /// Something happened that is no state.
    pub fn note(&self, kind: Kind, subject: Subject, severity: Severity, data: serde_json::Value) {
        self.tell(
            &mut self.lock(),
            FrameBody::Note {
                kind,
                subject,
                severity,
                data,
            },
        );
    }

    /// An order ended.
    pub fn result(&self, key: &Key, outcome: Outcome) {
        let Key {
            action,
            occurrence,
            step,
            attempt,
        } = key.clone();
        self.tell(
            &mut self.lock(),
            FrameBody::Result {
                action,
                occurrence,
                step,
                attempt,
                outcome,
            },
        );
    }

    fn tell(&self, inner: &mut Inner, body: FrameBody) {
        let at = self.0.clock.wall();
        if let Err(error) = inner
            .spool
            .append(|cursor| line(&Frame { cursor, at, body }))
        {
            tracing::warn!(%error, code = error.code(), "a frame could not be kept; a snapshot will follow");
        }
        self.0.news.send_replace(inner.spool.last());
        self.0.unsynced.notify_one();
    }

    /// Everything was looked at once (or has had its time): snapshots may be told from now on.
    pub fn set_ready(&self) {
        self.0.ready.send_replace(true);
    }

    pub fn ready(&self) -> watch::Receiver<bool> {
        self.0.ready.subscribe()
    }

    pub fn news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    pub fn samples(&self) -> watch::Receiver<Option<Bytes>> {
        self.0.sample.subscribe()
    }

    /// The next lines for a reader: what is in the spool, then, if `snapshot` is asked for, everything that is so now.
    /// A gap asks for one by itself, where `gaps` may be told.
    pub fn next(&self, position: &mut Position, snapshot: &mut bool, gaps: bool) -> Next {
        let mut inner = self.lock();
        match inner.spool.read(position, CHUNK, gaps) {
            Ok(Read::Frames(bytes)) => return Next::Lines(bytes.into()),
            Ok(Read::Gap(gap)) => {
                *snapshot = true;
                let body = FrameBody::Gap {
                    dropped: gap.dropped,
                };
                let frame = Frame {
                    cursor: gap.to,
                    at: self.0.clock.wall(),
                    body,
                };
                return Next::Gap(line(&frame).into());
            }
            Ok(Read::End) => {}
            Err(error) => tracing::warn!(%error, "the spool cannot be read"),
        }
        if !*snapshot || !*self.0.ready.borrow() {
            return Next::Nothing;
        }
        *snapshot = false;
        let cursor = inner.spool.reserve();
        *position = Position::after(cursor);
        Next::Lines(snapshot_line(cursor, self.0.clock.wall(), &inner.facts).into())
    }

    /// The line that says only that somebody is there.
    pub fn heartbeat(&self) -> Vec<u8> {
        line(&Frame {
            cursor: 0,
            at: self.0.clock.wall(),
            body: FrameBody::Heartbeat,
        })
    }

    /// Everything that is so now, outside the stream.
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot_line(0, self.0.clock.wall(), &self.lock().facts)
    }

    /// Where a reader begins that has everything up to `after` of `spool`. A `server` that has more than the spool ever
    /// gave is right: this directory was put back from a copy.
    pub fn position(&self, spool: &str, after: u64, server: bool) -> Position {
        let mut inner = self.lock();
        if inner.spool.id() != spool {
            return Position::after(0);
        }
        if server
            && after > inner.spool.last()
            && let Err(error) = inner.spool.skip_to(after)
        {
            tracing::warn!(%error, "the spool cannot go on where the server is");
        }
        if planted::on(Bug::SpoolForgets) {
            return Position::after(inner.spool.last());
        }
        Position::after(after)
    }

    /// Identity, oldest and newest cursor of the spool.
    pub fn spool(&self) -> (String, u64, u64) {
        let inner = self.lock();
        (inner.spool.id(), inner.spool.first(), inner.spool.last())
    }

    /// `false`: it speaks of another spool.
    pub fn ack(&self, ack: &Ack) -> bool {
        let mut inner = self.lock();
        let same = inner.spool.id() == ack.spool;
        if same {
            inner.spool.ack(ack.cursor);
        }
        same
    }

    /// Hands a sample to whoever reads now; nobody: it is not even written down.
    pub fn sample(&self, host: &HostSample, containers: Vec<ContainerSample>) {
        if !self.has_readers() {
            return;
        }
        let body = FrameBody::Sample {
            host: Box::new(host.clone()),
            containers,
        };
        self.0.sample.send_replace(Some(
            line(&Frame {
                cursor: 0,
                at: host.at,
                body,
            })
            .into(),
        ));
    }

    /// Whether anybody reads.
    pub fn has_readers(&self) -> bool {
        self.0.readers.load(Ordering::Relaxed) > 0
    }

    /// Whether a server is reading.
    pub fn is_linked(&self) -> bool {
        self.0.links.load(Ordering::Relaxed) > 0
    }

    /// Counts a reader until the guard is dropped.
    pub fn reader(&self, server: bool) -> Reader {
        self.0.readers.fetch_add(1, Ordering::Relaxed);
        if server {
            self.0.links.fetch_add(1, Ordering::Relaxed);
        }
        Reader {
            board: self.clone(),
            server,
        }
    }

    /// Waits until the facts show what `look` looks for, at most `limit`; whether they did.
    pub async fn shows(&self, limit: Duration, look: impl Fn(&Facts) -> bool) -> bool {
        let mut news = self.news();
        let seen = async {
            loop {
                news.borrow_and_update();
                if self.facts(&look) || news.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(limit, seen).await;
        self.facts(&look)
    }

    /// Keeps what was written on disk: at once while no server reads, else within a second. What failed is tried again.
    /// Runs until `stop`.
    pub async fn sync(&self, stop: CancellationToken) {
        let mut failed = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.0.unsynced.notified() => {}
                () = tokio::time::sleep(SYNC_AGAIN), if failed => {}
            }
            if self.is_linked() {
                let soon = tokio::time::sleep(LAZY);
                tokio::pin!(soon);
                // The link may go meanwhile: then it is urgent.
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = self.unlinked() => {}
                    () = &mut soon => {}
                }
            }
            let dirty = self.lock().spool.take_dirty();
            let synced = dirty.sync_aside().await;
            let spool = &mut self.lock().spool;
            let result = match synced {
                Ok(synced) => spool.note_synced(synced),
                Err(error) => {
                    spool.note_unsynced();
                    Err(error)
                }
            };
            match &result {
                Err(error) if !failed => {
                    tracing::error!(%error, "the spool cannot be synced: frames not yet at the server may be lost");
                }
                Ok(()) if failed => tracing::info!("the spool is synced again"),
                _ => {}
            }
            failed = result.is_err();
        }
    }

    async fn unlinked(&self) {
        while self.is_linked() {
            self.0.unsynced.notified().await;
        }
    }

    /// Everything up to here is on disk.
    pub fn synced(&self) -> u64 {
        self.lock().spool.synced()
    }

    /// Syncs everything and leaves word that the end was in order.
    pub fn close(&self) -> std::io::Result<()> {
        self.lock().spool.close()
    }
}

/// Somebody who reads frames.
#[derive(Debug)]
pub struct Reader {
    board: Board,
    server: bool,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.board.0.readers.fetch_sub(1, Ordering::Relaxed);
        if self.server {
            self.board.0.links.fetch_sub(1, Ordering::Relaxed);
            self.board.0.unsynced.notify_one();
        }
    }
}

/// A frame as it travels: one line of JSON.
pub fn line(frame: &Frame) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(frame).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn snapshot_line(cursor: u64, at: Time, facts: &Facts) -> Vec<u8> {
    let facts: Vec<(FactKey, Fact)> = facts
        .iter()
        .map(|(key, fact)| (key.clone(), fact.clone()))
        .collect();
    let digest = facts_digest(&facts);
    line(&Frame {
        cursor,
        at,
        body: FrameBody::Snapshot { facts, digest },
    })
}

/// Content address of a snapshot: over its facts in key order, as JSON.
pub fn facts_digest(facts: &[(FactKey, Fact)]) -> String {
    digest(&serde_json::to_vec(facts).unwrap_or_default())
}
