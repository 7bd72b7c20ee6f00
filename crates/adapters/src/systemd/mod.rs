//! systemd, by its bus.
//!
//! Never `systemctl`, never a poll of states: the manager's signals drive what is looked at.
//!
//! | file | what |
//! |---|---|
//! | `config` | where the manager is, how long to wait |
//! | `client` | its bus interface, each call under a limit |
//! | `translate` | pure: properties to facts, which units are told |
//! | `observe` | the watch over its signals |
//! | `act` | restart, waiting for the job's result |
//! | `journal` | last lines of a unit |
//! | `search` | a text in the journals of all of them |

mod act;
mod client;
mod config;
mod error;
mod journal;
mod observe;
mod search;
mod translate;

pub use config::Options;
pub use error::Error;
pub use journal::LogLine;
pub use search::{Found, Searched, Wanted};

use std::collections::BTreeSet;
use std::sync::Arc;

use stead_core::ids::UnitName;
use tokio::sync::watch;

use crate::observation::Sender;

/// A cheap handle. Making one does no I/O.
#[derive(Debug, Clone)]
pub struct Systemd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    named: watch::Sender<BTreeSet<UnitName>>,
}

impl Systemd {
    pub fn new(options: Options) -> Systemd {
        Systemd(Arc::new(Inner {
            options,
            named: watch::Sender::new(BTreeSet::new()),
        }))
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Units that are told whatever state they are in, even absent ones. Takes effect at once.
    pub fn set_units(&self, units: BTreeSet<UnitName>) {
        self.0.named.send_if_modified(|now| {
            let differs = *now != units;
            if differs {
                *now = units;
            }
            differs
        });
    }

    /// Watches until the receiver of `out` is gone. One watch per handle.
    pub async fn watch(&self, out: Sender) {
        observe::Watch::new(self.clone(), out).run().await;
    }

    fn named(&self) -> watch::Receiver<BTreeSet<UnitName>> {
        self.0.named.subscribe()
    }
}
