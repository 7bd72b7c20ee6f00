//! Portainer, by its HTTP API: what it manages, read for the inventory.
//!
//! The server asks, not an agent: a Portainer knows machines that have no agent. Every request is a GET; nothing here creates,
//! changes or starts anything, and of what Portainer answers only names, images, states and labels are taken: no
//! environment and no key leaves this module.
//!
//! | file | what |
//! |---|---|
//! | `client` | its HTTP interface, each call under a limit |
//! | `translate` | pure: answers to what the inventory shows |

mod client;
mod error;
mod translate;

pub use error::Error;
pub use translate::{Container, Environment, Seen, Stack};

use std::time::Duration;

use stead_ports::secrets::Secret;

use client::Client;

#[derive(Debug, Clone)]
pub struct Options {
    /// A connection must be there within this.
    pub connect_limit: Duration,
    /// Each question must be answered within this.
    pub call_limit: Duration,
    /// All of them together.
    pub whole_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connect_limit: Duration::from_secs(3),
            call_limit: Duration::from_secs(5),
            whole_limit: Duration::from_secs(20),
        }
    }
}

/// Everything the Portainer at `url` knows. An environment that does not answer is named, and the others are read.
pub async fn read(url: &str, key: &Secret, options: &Options) -> Result<Seen, Error> {
    let client = Client::new(url, key, options)?;
    let reading = async {
        let endpoints = client.endpoints().await?;
        let stacks = client.stacks().await?;
        let mut seen = translate::seen(&endpoints, &stacks);
        for environment in seen.environments.iter_mut().filter(|e| e.has_containers) {
            match client.containers(environment.id).await {
                Ok(containers) => environment.containers = translate::containers(&containers),
                // The key is no good for anything: that is no matter of one environment.
                Err(error @ (Error::Unreachable { .. } | Error::Key)) => return Err(error),
                Err(error) => environment.problem = error.to_string(),
            }
        }
        Ok(seen)
    };
    tokio::time::timeout(options.whole_limit, reading)
        .await
        .unwrap_or(Err(Error::Hangs(options.whole_limit)))
}
