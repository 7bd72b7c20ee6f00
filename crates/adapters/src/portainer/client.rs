//! The calls of Portainer's HTTP interface that are needed, each under a limit.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use stead_ports::secrets::Secret;

use super::translate::{ContainerSummary, Endpoint, StackSummary};
use super::{Error, Options};
use crate::json::Service;

/// Where Portainer looks for an access token.
const KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Largest answer taken: the containers of a large environment.
const ANSWER: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct Client {
    service: Service,
    url: String,
    limit: Duration,
}

impl Client {
    pub fn new(url: &str, key: &Secret, options: &Options) -> Result<Client, Error> {
        let value = HeaderValue::from_str(key.expose()).map_err(|_| Error::Key)?;
        let service = Service::new(url, options.connect_limit, ANSWER, Some((KEY, value)));
        let service = service.map_err(|why| Error::Unreachable {
            url: url.to_owned(),
            why,
        })?;
        Ok(Client {
            service,
            url: url.to_owned(),
            limit: options.call_limit,
        })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.service.get(path, self.limit).await;
        answer.map_err(|failure| Error::of(failure, &self.url))
    }

    /// The snapshots in it are large and not needed.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        self.get("/api/endpoints?excludeSnapshots=true").await
    }

    pub async fn stacks(&self) -> Result<Vec<StackSummary>, Error> {
        self.get("/api/stacks").await
    }

    /// What the engine behind an environment answers, handed on by Portainer as it is.
    pub async fn containers(&self, endpoint: u64) -> Result<Vec<ContainerSummary>, Error> {
        self.get(&format!(
            "/api/endpoints/{endpoint}/docker/containers/json?all=true"
        ))
        .await
    }
}
