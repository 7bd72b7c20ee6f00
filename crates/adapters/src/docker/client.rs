//! One connection's worth of the engine's API, each call under a limit.
//!
//! Nothing here waits longer than it was told to: the client library's own limit ends with the response's head, so each
//! call is put under one that covers the body as well.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};

use super::Error;
use super::config::{Address, Options};
use super::translate::{self, Seen};
use crate::observation::wall_clock;
use stead_core::time::Time;

/// An engine that has answered once.
#[derive(Clone)]
pub(super) struct Client {
    pub engine: bollard::Docker,
    pub version: String,
    pub podman: bool,
    local: bool,
    address: String,
    limit: Duration,
    /// When each image was made, by its ID: it never changes, so it is asked once.
    images: Arc<Mutex<HashMap<String, Option<Time>>>>,
}

/// Images remembered; beyond that all are asked anew.
const IMAGES: usize = 4096;

impl Client {
    /// Connects and agrees on a version.
    pub async fn connect(options: &Options) -> Result<Client, Error> {
        let address = options.address.to_string();
        let limit = options.call_limit;
        let seconds = limit.as_secs().max(1) + 1;
        let wrap = |e| Error::from_client(e, &address, limit);
        let version = bollard::API_DEFAULT_VERSION;
        let engine = match &options.address {
            Address::Unix(path) => {
                bollard::Docker::connect_with_unix(&path.to_string_lossy(), seconds, version)
            }
            Address::Tcp(host) => {
                bollard::Docker::connect_with_http(&format!("tcp://{host}"), seconds, version)
            }
        }
        .map_err(wrap)?;
        let engine = timed(limit, &address, engine.negotiate_version()).await?;
        let said = timed(limit, &address, engine.version()).await?;
        let podman = said
            .components
            .iter()
            .flatten()
            .any(|component| component.name.to_ascii_lowercase().contains("podman"));
        Ok(Client {
            engine,
            version: said.version.unwrap_or_default(),
            podman,
            local: matches!(options.address, Address::Unix(_)),
            address,
            limit,
            images: Arc::default(),
        })
    }

    /// Runs a question under the ordinary limit.
    pub async fn ask<T>(
        &self,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        timed(self.limit, &self.address, call).await
    }

    /// Runs an effect under its own limit.
    pub async fn run<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        timed(limit, &self.address, call).await
    }

    /// The same engine for calls that may take until `limit`.
    pub fn patient(&self, limit: Duration) -> bollard::Docker {
        self.engine
            .clone()
            .with_timeout(limit + Duration::from_secs(1))
    }

    pub fn wrap(&self, error: bollard::errors::Error) -> Error {
        Error::from_client(error, &self.address, self.limit)
    }

    /// The engine's own time; on this machine that is ours.
    pub async fn now(&self) -> Result<Time, Error> {
        if self.local {
            return Ok(wall_clock());
        }
        let said = self.ask(self.engine.info()).await?.system_time;
        Ok(said
            .and_then(|at| at.parse().ok())
            .unwrap_or_else(wall_clock))
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.ask(self.engine.ping()).await.map(|_| ())
    }

    /// IDs of all containers, running or not.
    pub async fn list(&self) -> Result<Vec<String>, Error> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let list = self.ask(self.engine.list_containers(Some(options))).await?;
        Ok(list
            .into_iter()
            .filter_map(|container| container.id)
            .collect())
    }

    /// One container, by ID or name.
    pub async fn inspect(&self, target: &str) -> Result<Seen, Error> {
        checked(target)?;
        let answer = self
            .ask(
                self.engine
                    .inspect_container(target, None::<InspectContainerOptions>),
            )
            .await?;
        let mut seen = translate::seen(answer)
            .ok_or_else(|| Error::Answer(format!("{target} has no ID or name")))?;
        seen.facts.image_created_at = self.image_created(&seen.facts.image_id).await;
        Ok(seen)
    }

    /// When an image was made; `None` where the engine cannot say (any more), which is no reason to know less of the
    /// container.
    async fn image_created(&self, id: &str) -> Option<Time> {
        let digest = id.strip_prefix("sha256:").unwrap_or(id);
        let known = |images: &Mutex<HashMap<String, Option<Time>>>| {
            let images = images.lock().unwrap_or_else(PoisonError::into_inner);
            images.get(digest).copied()
        };
        if let Some(at) = known(&self.images) {
            return at;
        }
        let question = self.engine.inspect_image(checked(digest).ok()?);
        let at = match self.ask(question).await {
            Ok(answer) => answer.created.and_then(|at| translate::instant(&at)),
            Err(error) if error.not_found() => None,
            // It is asked again with the next look at the container.
            Err(_) => return None,
        };
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if images.len() >= IMAGES {
            images.clear();
        }
        images.insert(digest.to_owned(), at);
        at
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("version", &self.version)
            .finish()
    }
}

/// An ID or name as the engine's own grammar has it: nothing that could become another route of its API.
pub(super) fn checked(target: &str) -> Result<&str, Error> {
    let mut letters = target.bytes();
    let fine = letters.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && !target.contains("..")
        && target.len() <= 255;
    if fine {
        Ok(target)
    } else {
        let shown: String = target.chars().take(80).collect();
        Err(Error::Input(format!(
            "{shown:?} is not a container name or ID"
        )))
    }
}

async fn timed<T>(
    limit: Duration,
    address: &str,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| Error::from_client(error, address, limit)),
        Err(_) => Err(Error::Hangs(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn a_target_that_could_become_another_route_is_refused() {
        for bad in [
            "../images",
            "a/b",
            "a?force=1",
            "a#b",
            "a%2fb",
            "",
            "-a",
            "a b",
            "a..b",
        ] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
        assert!(checked("web-1_a.b").is_ok());
    }
}
