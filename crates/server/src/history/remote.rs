//! Samples on their way to a receiver: a bounded queue, one task that sends, back-off while it does not answer.
//!
//! Nobody waits for it: a full queue drops what is oldest, and counts. A batch that is refused for good is halved until what
//! is refused stands alone, so that one node's clock costs no other node's samples. What waits is lost at a restart; the
//! history has it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stead_adapters::prometheus::{Receiver, Undelivered};
use stead_engine::Handle;
use stead_ports::history::Entry;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Samples that wait for one receiver, of some 200 bytes each where every one is of another series, and 20 where not.
const QUEUE: usize = 200_000;
/// Samples of one request.
const BATCH: usize = 2_000;
/// Between two attempts: the first, doubled up to the last.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// The code of its trouble.
pub const TROUBLE: &str = "remote-write";

/// What became of samples, over all receivers.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// Because the queue was full, or the server stopped.
    pub dropped: AtomicU64,
    /// By the receiver, for good.
    pub refused: AtomicU64,
    pub waiting: AtomicU64,
    /// Receivers that do not take anything now.
    failing: AtomicU64,
}

/// One receiver's queue. Clones are the same.
#[derive(Debug, Clone)]
pub struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Mutex<VecDeque<Entry>>,
    more: Notify,
    most: usize,
    counts: Arc<Counts>,
}

impl Remote {
    /// With a task that sends until `stop`.
    pub fn start(
        receiver: Receiver,
        counts: Arc<Counts>,
        handle: Handle,
        stop: CancellationToken,
    ) -> Remote {
        let remote = Remote::new(QUEUE, counts);
        let sender = Sender {
            remote: remote.clone(),
            receiver,
            handle,
            stop,
            failing: false,
            open: 0,
        };
        tokio::spawn(sender.run());
        remote
    }

    fn new(most: usize, counts: Arc<Counts>) -> Remote {
        Remote(Arc::new(Inner {
            queue: Mutex::default(),
            more: Notify::new(),
            most,
            counts,
        }))
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes samples. Never waits.
    pub fn offer(&self, entries: &[Entry]) {
        let mut queue = self.queue();
        queue.extend(entries.iter().cloned());
        let beyond = queue.len().saturating_sub(self.0.most);
        queue.drain(..beyond);
        drop(queue);
        let counts = &self.0.counts;
        counts.dropped.fetch_add(beyond as u64, Ordering::Relaxed);
        let more = (entries.len() - beyond.min(entries.len())) as u64;
        counts.waiting.fetch_add(more, Ordering::Relaxed);
        let gone = beyond.saturating_sub(entries.len()) as u64;
        counts.waiting.fetch_sub(gone, Ordering::Relaxed);
        self.0.more.notify_one();
    }

    /// The oldest ones; none where nothing waits.
    fn take(&self) -> Vec<Entry> {
        let mut queue = self.queue();
        let count = queue.len().min(BATCH);
        queue.drain(..count).collect()
    }

    fn done(&self, count: usize, how: &AtomicU64) {
        how.fetch_add(count as u64, Ordering::Relaxed);
        let waiting = &self.0.counts.waiting;
        waiting.fetch_sub(count as u64, Ordering::Relaxed);
    }
}

struct Sender {
    remote: Remote,
    receiver: Receiver,
    handle: Handle,
    stop: CancellationToken,
    failing: bool,
    /// Samples taken from the queue that neither arrived nor were refused yet.
    open: usize,
}

impl Sender {
    async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = self.send_all() => {}
            () = stop.cancelled() => {}
        }
        self.well();
        let left = std::mem::take(&mut *self.remote.queue()).len() + self.open;
        self.remote.done(left, &self.remote.0.counts.dropped);
    }

    async fn send_all(&mut self) {
        loop {
            let batch = self.remote.take();
            if batch.is_empty() {
                self.remote.0.more.notified().await;
                continue;
            }
            self.deliver(batch).await;
        }
    }

    /// Until each of them arrived or was refused.
    async fn deliver(&mut self, batch: Vec<Entry>) {
        let counts = Arc::clone(&self.remote.0.counts);
        let mut wait = AGAIN;
        let mut left = vec![&batch[..]];
        self.open = batch.len();
        while let Some(part) = left.pop() {
            match self.receiver.send(part).await {
                Ok(()) => {
                    self.well();
                    wait = AGAIN;
                    self.done(part.len(), &counts.sent);
                }
                Err(Undelivered::Never(_)) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    left.extend([second, first]);
                }
                Err(Undelivered::Never(why)) => {
                    tracing::debug!(why, "a sample is refused");
                    self.done(1, &counts.refused);
                }
                Err(Undelivered::Later(why)) => {
                    self.ill(&why);
                    left.push(part);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(AGAIN_MOST);
                }
            }
        }
    }

    fn done(&mut self, count: usize, how: &AtomicU64) {
        self.open -= count;
        self.remote.done(count, how);
    }

    fn ill(&mut self, why: &str) {
        let text = format!("Samples are not taken by {}: {why}.", self.receiver.shown());
        if !self.failing {
            tracing::warn!(text);
            self.remote.0.counts.failing.fetch_add(1, Ordering::Relaxed);
            self.failing = true;
        }
        let remedy = "Look at the receiver and at `prometheus.remote_write` in stead.yaml; samples wait meanwhile.";
        self.handle.trouble(TROUBLE, text, remedy);
    }

    fn well(&mut self) {
        if !self.failing {
            return;
        }
        self.failing = false;
        let failing = &self.remote.0.counts.failing;
        if failing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.handle.relieved(TROUBLE);
        }
    }
}

#[cfg(test)]
mod tests {
    use stead_core::time::Time;
    use stead_ports::history::{Labels, Sample};

    use super::*;

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_them() {
        let counts = Arc::new(Counts::default());
        let remote = Remote::new(5, Arc::clone(&counts));
        let entry = |at| Entry {
            labels: Labels::new("a", []),
            sample: Sample {
                at: Time(at),
                value: 0.0,
            },
        };
        remote.offer(&[entry(1), entry(2), entry(3)]);
        remote.offer(&[entry(4), entry(5), entry(6), entry(7)]);
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        assert_eq!((read(&counts.dropped), read(&counts.waiting)), (2, 5));
        let many: Vec<Entry> = (10..20).map(entry).collect();
        remote.offer(&many);
        assert_eq!((read(&counts.dropped), read(&counts.waiting)), (12, 5));
        let left: Vec<i64> = remote.take().iter().map(|e| e.sample.at.0).collect();
        assert_eq!(left, [15, 16, 17, 18, 19]);
        remote.done(5, &counts.sent);
        assert_eq!((read(&counts.sent), read(&counts.waiting)), (5, 0));
    }
}
