//! Ollama, by its HTTP API.
//!
//! Only the server that the node's file names is asked; none is looked for. Nothing here pulls, deletes or asks a model
//! anything: it lists, loads and unloads.
//!
//! | file | what |
//! |---|---|
//! | `config` | which server, how often, how long to wait |
//! | `client` | its HTTP interface, each call under a limit |
//! | `translate` | pure: answers to facts |
//! | `observe` | the watch over its models |
//! | `act` | load and unload |

mod act;
mod client;
mod config;
mod error;
mod observe;
mod translate;

pub use config::Options;
pub use error::Error;
pub use translate::InMemory;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stead_core::desired;
use stead_core::ids::ModelName;
use stead_core::time::Time;
use tokio::sync::{Notify, watch};

use crate::observation::Sender;
use client::Client;

/// A cheap handle. Making one does no I/O.
#[derive(Debug, Clone)]
pub struct Ollama(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    server: watch::Sender<Option<desired::Ollama>>,
    /// Somebody wants to know now.
    look: Notify,
    /// Of each model seen in memory: when it was to leave it, and its last use as far as that shows. At most one per model.
    used: Mutex<BTreeMap<ModelName, Used>>,
}

/// Each question puts off the instant at which a model leaves memory: that is how a use shows.
#[derive(Debug, Clone, Copy)]
struct Used {
    expires_at: Option<Time>,
    last: Time,
}

impl Ollama {
    pub fn new(options: Options) -> Ollama {
        Ollama(Arc::new(Inner {
            options,
            server: watch::Sender::new(None),
            look: Notify::new(),
            used: Mutex::default(),
        }))
    }

    /// The server to ask; `None`: none. Takes effect at once.
    pub fn set_server(&self, server: Option<desired::Ollama>) {
        self.0.server.send_if_modified(|now| {
            let differs = *now != server;
            if differs {
                *now = server;
            }
            differs
        });
    }

    /// Whether there is a server to ask.
    pub fn is_named(&self) -> bool {
        self.0.server.borrow().is_some()
    }

    /// Looks again now.
    pub fn hurry(&self) {
        self.0.look.notify_one();
    }

    /// Watches until the receiver of `out` is gone. One watch per handle.
    pub async fn watch(&self, out: Sender) {
        observe::Watch::new(self.clone(), out).run().await;
    }

    /// What is in memory now, with when it leaves.
    pub async fn in_memory(&self) -> Result<Vec<InMemory>, Error> {
        let client = self.client()?;
        let running = client.running().await?;
        Ok(self.note_use(translate::in_memory(&running)))
    }

    fn client(&self) -> Result<Client, Error> {
        let server = self.0.server.borrow().clone().ok_or(Error::NotNamed)?;
        Client::new(&server, &self.0.options)
    }

    /// Remembers which models were used, and tells when each last was.
    fn note_use(&self, mut seen: Vec<InMemory>) -> Vec<InMemory> {
        let now = crate::observation::wall_clock();
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        for model in &mut seen {
            let before = used.get(&model.name).copied();
            let last = match before {
                Some(before) if before.expires_at >= model.expires_at => before.last,
                _ => now,
            };
            let expires_at = model.expires_at;
            used.insert(model.name.clone(), Used { expires_at, last });
            model.last_used = Some(last);
        }
        seen
    }

    /// When each model was last used since this agent started.
    pub fn last_used(&self) -> BTreeMap<ModelName, Time> {
        let used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter()
            .map(|(name, u)| (name.clone(), u.last))
            .collect()
    }

    /// Forgets models that are on disk no more.
    fn keep_use_of(&self, there: impl Fn(&ModelName) -> bool) {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|name, _| there(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(expires: i64) -> Vec<InMemory> {
        vec![InMemory {
            name: "mistral:7b".parse().expect("a name"),
            loaded: Default::default(),
            expires_at: Some(Time(expires)),
            last_used: None,
        }]
    }

    #[test]
    fn a_use_shows_by_what_it_puts_off_and_is_forgotten_with_its_model() {
        let ollama = Ollama::new(Options::default());
        let used = |expires| ollama.note_use(seen(expires)).remove(0).last_used;
        let first = used(1);
        while crate::observation::wall_clock() <= first.expect("seen") {
            std::thread::yield_now();
        }
        assert_eq!(used(1), first, "nobody asked it anything");
        let again = used(2);
        assert!(again > first, "it stays longer, so it was used");
        assert_eq!(ollama.last_used().into_values().next(), again);
        ollama.keep_use_of(|_| false);
        assert!(ollama.last_used().is_empty());
    }
}
