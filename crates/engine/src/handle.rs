//! How the rest of Stead talks to the control loop.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use stead_core::container_sample::ContainerSample;
use stead_core::controller::{self, Command, Controller, ForeignEvent, Input, Refusal, Reply};
use stead_core::desired::Fleet;
use stead_core::event::DesiredLoaded;
use stead_core::ids::{NodeName, Seq};
use stead_core::policy::Now;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_ports::log::{self, EventLog};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::past::Pasts;
use crate::view::{Feed, Live, SAMPLES_KEPT, Trouble, View};

/// How long a caller waits for its commit before it is told that storage is in trouble.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Refused(Refusal),
    /// Nothing was decided, or nobody knows whether it was: ask again when the log can be written.
    #[error("the event log cannot be written now: {0}")]
    Storage(String),
    #[error("Stead is stopping")]
    Stopped,
}

/// An event from outside, in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    pub seq: Seq,
    /// False: the same event was there already.
    pub new: bool,
}

pub(crate) struct Envelope {
    pub input: Input,
    pub done: Option<oneshot::Sender<Done>>,
}

/// What came of an input, once durable.
#[derive(Debug)]
pub struct Done {
    /// Last event it led to, if any.
    pub seq: Option<Seq>,
    /// An event with this ID was there already.
    pub duplicate: bool,
    pub reply: Option<Result<Reply, Refusal>>,
}

pub(crate) struct Shared {
    pub controller: Controller,
    pub live: Live,
}

/// A cheap, cloneable way to the control loop.
#[derive(Clone)]
pub struct Handle {
    pub(crate) queue: mpsc::Sender<Envelope>,
    pub(crate) shared: Arc<RwLock<Shared>>,
    pub(crate) feed: broadcast::Sender<Feed>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<RwLock<Clock>>,
    pub(crate) pasts: Arc<Pasts>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// A decision. Returns once it is durable.
    pub async fn command(&self, command: Command) -> Result<Reply, Error> {
        match self.submit(Input::Command(command)).await?.reply {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(refusal)) => Err(Error::Refused(refusal)),
            None => Err(Error::Stopped),
        }
    }

    /// An event from outside: recorded once by its ID. Returns once it is durable.
    pub async fn foreign(&self, event: ForeignEvent) -> Result<Recorded, Error> {
        let head = || self.read(|v| v.world().head);
        let known = self
            .log
            .known_ids(std::slice::from_ref(&event.id))
            .await
            .map_err(storage)?;
        if !known.is_empty() {
            return Ok(Recorded {
                seq: head(),
                new: false,
            });
        }
        let done = self.submit(Input::Foreign(event)).await?;
        Ok(Recorded {
            seq: done.seq.unwrap_or_else(head),
            new: !done.duplicate,
        })
    }

    /// A desired state that was read and checked. The document is kept before the event names it.
    pub async fn desired(&self, mut loaded: DesiredLoaded, fleet: Arc<Fleet>) -> Result<(), Error> {
        let bytes = serde_json::to_vec(&*fleet).map_err(|e| Error::Storage(e.to_string()))?;
        loaded.digest = stead_core::ids::digest(&bytes);
        self.log
            .put_document(&loaded.digest, &bytes)
            .await
            .map_err(storage)?;
        self.submit(Input::Desired { loaded, fleet })
            .await
            .map(drop)
    }

    /// Hands in an input and waits until what it led to is durable.
    pub async fn submit(&self, input: Input) -> Result<Done, Error> {
        self.refuse_while_full()?;
        let waiting = self.send(input).await?;
        match tokio::time::timeout(COMMIT_WITHIN, waiting).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Error::Stopped),
            Err(_) => Err(Error::Storage("no commit within 10 s".to_string())),
        }
    }

    /// Hands in an input; the receiver tells when what it led to is durable. Waits while the queue is full.
    pub async fn send(&self, input: Input) -> Result<oneshot::Receiver<Done>, Error> {
        let (done, waiting) = oneshot::channel();
        self.queue
            .send(Envelope {
                input,
                done: Some(done),
            })
            .await
            .map_err(|_| Error::Stopped)?;
        Ok(waiting)
    }

    /// Hands in an input nobody waits for.
    pub async fn tell(&self, input: Input) -> Result<(), Error> {
        self.queue
            .send(Envelope { input, done: None })
            .await
            .map_err(|_| Error::Stopped)
    }

    fn refuse_while_full(&self) -> Result<(), Error> {
        let text = self.read(|v| {
            v.live
                .troubles
                .get(crate::control::LOG_FULL)
                .map(|t| t.text.clone())
        });
        text.map_or(Ok(()), |text| Err(Error::Storage(text)))
    }

    /// Looks at everything under a read lock: keep it short, never block in it.
    pub fn read<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        look(&View {
            controller: &shared.controller,
            live: &shared.live,
        })
    }

    /// Events as they become durable, and samples as they come. A reader that lags is told so by the channel.
    pub fn subscribe(&self) -> broadcast::Receiver<Feed> {
        self.feed.subscribe()
    }

    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    pub fn now(&self) -> Now {
        self.clock
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .now()
    }

    /// The clocks that the engine reads: whoever keeps times beside the log reads the same.
    pub fn source(&self) -> Arc<dyn stead_ports::clock::Clock> {
        let clock = self.clock.read().unwrap_or_else(PoisonError::into_inner);
        clock.source()
    }

    /// Where the owner lives, unless the fleet says it.
    pub fn own_zone(&self) -> jiff::tz::TimeZone {
        self.clock
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .own_zone()
    }

    /// The owner's time of day and day at `at`.
    pub fn local(&self, at: Time) -> Now {
        self.clock
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .local(at)
    }

    /// Where the owner lives.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        let clock = self.clock.read().unwrap_or_else(PoisonError::into_inner);
        clock.zone().clone()
    }

    /// The fleet's own name for `node`.
    pub fn resolve(&self, node: &NodeName) -> NodeName {
        self.read(|v| v.world().fleet.resolve(node).clone())
    }

    /// A node was linked (`+1`) or its link went (`-1`).
    pub fn linked(&self, node: &NodeName, by: i32) {
        self.live(|live| {
            let connected = &mut live.nodes.entry(node.clone()).or_default().connected;
            *connected = connected.saturating_add_signed(by);
        });
    }

    /// Live numbers of a node. Kept in memory only.
    pub fn sample(&self, node: &NodeName, mut host: HostSample, containers: Vec<ContainerSample>) {
        self.live(|live| {
            let entry = live.nodes.entry(node.clone()).or_default();
            // What is read less often stays until it is read again.
            if let Some(before) = entry.host.back_mut() {
                if host.filesystems.is_empty() {
                    host.filesystems = std::mem::take(&mut before.filesystems);
                }
                if host.temperatures.is_empty() {
                    host.temperatures = std::mem::take(&mut before.temperatures);
                }
            }
            if entry.host.len() >= SAMPLES_KEPT {
                entry.host.pop_front();
            }
            entry.last_seen = Some(host.at);
            entry.host.push_back(host.clone());
            entry.containers = containers;
        });
        // Nobody listening is no fault.
        let _ = self.feed.send(Feed::Sample {
            node: node.clone(),
            sample: Arc::new(host),
        });
    }

    /// Raises trouble of Stead itself, or renews its text.
    pub fn trouble(&self, code: &str, text: impl Into<String>, remedy: impl Into<String>) {
        let (text, remedy, at) = (text.into(), remedy.into(), self.now().at);
        self.live(|live| {
            let since = live.troubles.get(code).map_or(at, |t| t.since);
            live.troubles.insert(
                code.to_string(),
                Trouble {
                    code: code.to_string(),
                    text,
                    remedy,
                    since,
                },
            );
        });
    }

    /// The trouble is over.
    pub fn relieved(&self, code: &str) {
        if self.read(|v| v.live.troubles.contains_key(code)) {
            self.live(|live| drop(live.troubles.remove(code)));
        }
    }

    fn live(&self, change: impl FnOnce(&mut Live)) {
        change(
            &mut self
                .shared
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .live,
        );
    }

    /// Why there is drift without an open action.
    pub fn why_not(&self, drift: &stead_core::drift::Drift) -> Option<(String, Option<String>)> {
        let now = self.now().at;
        self.read(|v| controller::why_not(v.world(), drift, now))
    }
}

pub(crate) fn storage(error: log::Error) -> Error {
    Error::Storage(error.to_string())
}
