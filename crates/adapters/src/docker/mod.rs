//! Docker and Podman, by their socket.
//!
//! Never a poll where there is an event, never a call without a limit, never a container's environment, never an effect
//! on a name: names are resolved to the immutable ID that was planned, and another ID is refused.
//!
//! | file | what |
//! |---|---|
//! | `config` | where the engine is, how long to wait |
//! | `client` | its API, each call under a limit |
//! | `translate`, `judge`, `table` | pure: answers to facts, patience, what is news |
//! | `observe` | the watch over the event stream |
//! | `detail` | live drill-down |
//! | `log` | last lines, following, searching |
//! | `act`, `recreate`, `definition`, `cleanup` | effects |
//! | `sample`, `cgroup` | what containers use, read from cgroups |

mod act;
mod cgroup;
mod claims;
mod cleanup;
mod client;
mod config;
mod definition;
mod detail;
mod error;
mod judge;
mod log;
mod observe;
mod recreate;
mod sample;
mod table;
mod translate;

pub use claims::Claim;
pub use cleanup::{Cleanup, Estimate};
pub use config::{Address, DEFAULT_SOCKET, Options};
pub use definition::{Invalid, body};
pub use detail::HealthDetail;
pub use error::Error;
pub use judge::Patience;
pub use log::{Found, LogLine, LogStream, Searched, Wanted};
pub use recreate::ASIDE;
pub use sample::Sampler;
pub use table::Running;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stead_core::facts::{Fact, Facts};
use stead_core::ids::ContainerName;
use stead_core::time::{Span, Time};
use tokio::sync::watch;

use crate::observation::Sender;
use claims::Claims;
use client::Client;

/// A cheap handle on one engine. Making one does no I/O.
#[derive(Debug, Clone)]
pub struct Docker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    claims: Claims,
    patience: watch::Sender<BTreeMap<ContainerName, Patience>>,
    running: Mutex<Arc<Vec<Running>>>,
    remembered: Mutex<Vec<(String, Option<Time>)>>,
    client: tokio::sync::Mutex<Option<Client>>,
}

impl Docker {
    pub fn new(options: Options) -> Docker {
        Docker(Arc::new(Inner {
            options,
            claims: Claims::default(),
            patience: watch::Sender::new(BTreeMap::new()),
            running: Mutex::default(),
            remembered: Mutex::default(),
            client: tokio::sync::Mutex::default(),
        }))
    }

    /// `DOCKER_HOST`, or the usual socket.
    pub fn from_env() -> Result<Docker, Error> {
        Ok(Docker::new(Options::from_env()?))
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Watches the engine until the receiver of `out` is gone. One watch per handle.
    pub async fn watch(&self, out: Sender) {
        observe::Watch::new(self.clone(), out).run().await;
    }

    /// How patiently each container is judged; the default for the others. Takes effect at once.
    pub fn set_patience(&self, patience: BTreeMap<ContainerName, Patience>) {
        self.0.patience.send_if_modified(|now| {
            let differs = *now != patience;
            if differs {
                *now = patience;
            }
            differs
        });
    }

    /// Stops by a person known from an earlier run hold until the container runs again. Call before [`Docker::watch`].
    pub fn remember(&self, facts: &Facts) {
        let stops = facts.values().filter_map(|fact| match fact {
            Fact::Container(c) if c.stopped_by_person => Some((c.id.clone(), c.finished_at)),
            _ => None,
        });
        *self
            .0
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = stops.collect();
    }

    /// Says that Stead itself stops or starts the container with this ID, for at most `length`.
    pub fn claim(&self, id: &str, length: Span) -> Claim {
        self.0.claims.add(id, length)
    }

    /// The containers that run now, as the watch last saw them.
    pub fn running(&self) -> Arc<Vec<Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_running(&self, running: Vec<Running>) {
        *self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(running);
    }

    fn remembered(&self) -> Vec<(String, Option<Time>)> {
        self.0
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn patience(&self) -> watch::Receiver<BTreeMap<ContainerName, Patience>> {
        self.0.patience.subscribe()
    }

    fn claims(&self) -> &Claims {
        &self.0.claims
    }

    async fn set_client(&self, client: Option<Client>) {
        *self.0.client.lock().await = client;
    }

    /// The watch's connection if it has one, else a new one.
    async fn client(&self) -> Result<Client, Error> {
        if let Some(client) = self.0.client.lock().await.as_ref() {
            return Ok(client.clone());
        }
        Client::connect(&self.0.options).await
    }
}
