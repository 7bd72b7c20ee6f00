//! The calls of Ollama's HTTP interface that are needed, each under a limit.

use std::time::Duration;

use serde_json::json;
use stead_core::desired;
use stead_core::ids::ModelName;

use super::translate::{Generated, Running, Tags, Version};
use super::{Error, Options};
use crate::json::Service;

/// Largest answer taken: some thousand models.
const ANSWER: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Client {
    service: Service,
    server: desired::Ollama,
    limit: Duration,
}

impl Client {
    pub fn new(server: &desired::Ollama, options: &Options) -> Result<Client, Error> {
        let service = Service::new(&server.url, options.connect_limit, ANSWER, None);
        let service = service.map_err(|why| Error::Unreachable {
            url: server.url.clone(),
            why,
        })?;
        Ok(Client {
            service,
            server: server.clone(),
            limit: options.call_limit,
        })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.service.get(path, self.limit).await;
        answer.map_err(|failure| Error::of(failure, &self.server.url))
    }

    pub async fn version(&self) -> Result<String, Error> {
        self.get::<Version>("/api/version")
            .await
            .map(|answer| answer.version)
    }

    /// What is on disk.
    pub async fn tags(&self) -> Result<Tags, Error> {
        self.get("/api/tags").await
    }

    /// What is in memory.
    pub async fn running(&self) -> Result<Running, Error> {
        self.get("/api/ps").await
    }

    /// A request without a prompt brings a model into memory, and is answered once it is there.
    pub async fn load(&self, model: &ModelName, limit: Duration) -> Result<Generated, Error> {
        let mut body = json!({ "model": model, "stream": false });
        if let Some(keep) = self.server.keep_loaded {
            body["keep_alive"] = json!(format!("{}s", keep.0 / 1000));
        }
        self.generate(&body, limit).await
    }

    /// A request without a prompt that keeps it for no time takes it out of memory.
    pub async fn unload(&self, model: &ModelName, limit: Duration) -> Result<Generated, Error> {
        let body = json!({ "model": model, "stream": false, "keep_alive": 0 });
        self.generate(&body, limit).await
    }

    async fn generate(
        &self,
        body: &serde_json::Value,
        limit: Duration,
    ) -> Result<Generated, Error> {
        let answer = self.service.post("/api/generate", body, limit).await;
        answer.map_err(|failure| Error::of(failure, &self.server.url))
    }
}
