//! The embedded log, for a runtime whose clock jumps. Its threads take real time; were they waited for in the ordinary way,
//! the clock would jump meanwhile. So each call is carried out by another runtime, and this one stands still until it is done.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_ports::log::{
    Base, Claim, Compacted, Error, EventLog, Filter, Head, Lease, Record, Snapshot,
};
use tokio::runtime::Handle;

/// Whoever waits for the lead counts real time, so it is renewed by real time.
const RENEWED: Duration = Duration::from_secs(1);

/// A log behind another runtime.
#[derive(Debug)]
pub struct Aside<L> {
    log: Arc<L>,
    there: Handle,
    renewed: Mutex<Option<Instant>>,
}

impl<L: EventLog> Aside<L> {
    /// `there` must run on threads of its own.
    pub fn new(log: L, there: Handle) -> Aside<L> {
        Aside {
            log: Arc::new(log),
            there,
            renewed: Mutex::default(),
        }
    }

    fn wait<T, F>(&self, call: impl FnOnce(Arc<L>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (tell, told) = mpsc::sync_channel(1);
        let call = call(Arc::clone(&self.log));
        self.there.spawn(async move {
            let _ = tell.send(call.await);
        });
        told.recv()
            .unwrap_or_else(|_| Err(Error::Read("its runtime is gone".to_string())))
    }
}

#[async_trait]
impl<L: EventLog> EventLog for Aside<L> {
    async fn head(&self) -> Result<Head, Error> {
        self.wait(|log| async move { log.head().await })
    }

    async fn lease(&self) -> Result<Lease, Error> {
        self.wait(|log| async move { log.lease().await })
    }

    async fn lead(&self, holder: &str, now: Time, lapsed: Option<&Lease>) -> Result<Claim, Error> {
        let (holder, lapsed) = (holder.to_string(), lapsed.cloned());
        self.wait(move |log| async move { log.lead(&holder, now, lapsed.as_ref()).await })
    }

    #[allow(clippy::disallowed_methods)]
    async fn renew(&self) -> Result<(), Error> {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.is_some_and(|at| at.elapsed() < RENEWED) {
            return Ok(());
        }
        *renewed = Some(Instant::now());
        self.wait(|log| async move { log.renew().await })
    }

    async fn resign(&self) -> Result<(), Error> {
        self.wait(|log| async move { log.resign().await })
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        self.wait(|log| async move { log.append(records).await })
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Error> {
        self.wait(move |log| async move { log.read(after, limit).await })
    }

    async fn query(&self, filter: Filter) -> Result<Vec<Record>, Error> {
        self.wait(|log| async move { log.query(filter).await })
    }

    async fn known_ids(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        let ids = ids.to_vec();
        self.wait(|log| async move { log.known_ids(&ids).await })
    }

    async fn put_document(&self, digest: &str, bytes: &[u8]) -> Result<(), Error> {
        let (digest, bytes) = (digest.to_string(), bytes.to_vec());
        self.wait(|log| async move { log.put_document(&digest, &bytes).await })
    }

    async fn get_document(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let digest = digest.to_string();
        self.wait(|log| async move { log.get_document(&digest).await })
    }

    async fn put_snapshots(&self, snapshots: Vec<Snapshot>) -> Result<(), Error> {
        self.wait(|log| async move { log.put_snapshots(snapshots).await })
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.wait(|log| async move { log.snapshots().await })
    }

    async fn compact(&self, base: Base, keep_kinds: &[String]) -> Result<Compacted, Error> {
        let keep_kinds = keep_kinds.to_vec();
        self.wait(|log| async move { log.compact(base, &keep_kinds).await })
    }

    async fn base(&self) -> Result<Option<Base>, Error> {
        self.wait(|log| async move { log.base().await })
    }

    async fn verify(&self) -> Result<u64, Error> {
        self.wait(|log| async move { log.verify().await })
    }

    async fn close(&self) -> Result<(), Error> {
        self.wait(|log| async move { log.close().await })
    }
}
