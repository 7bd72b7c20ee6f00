//! JSON over HTTP to a service that the owner named.
//!
//! Each request ends within its limit. What a service answers is never shown unredacted.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::ask;
use crate::redact::redact;

/// Of an error's text this much is kept.
const TEXT: usize = 300;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection; the request had no effect.
    Unreachable(String),
    Hangs(Duration),
    /// The connection broke; the request may have had an effect.
    Lost(String),
    Refused {
        status: StatusCode,
        text: String,
    },
    NotUnderstood(String),
}

/// One service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    http: Client,
    base: String,
    /// Largest answer taken, in bytes.
    most: usize,
}

impl Service {
    /// `base` without a slash at its end. `secret`: a header that no log and no error shows.
    pub fn new(
        base: &str,
        connect: Duration,
        most: usize,
        secret: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Service, String> {
        let mut headers = HeaderMap::new();
        if let Some((name, mut value)) = secret {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let http = ask::client()
            .connect_timeout(connect)
            // An idle connection is kept for the next look, and no longer.
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(30))
            .default_headers(headers)
            .build()
            .map_err(|error| error.to_string())?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Service { http, base, most })
    }

    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<T, Failure> {
        self.ask(Method::GET, path, None, limit).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
        limit: Duration,
    ) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body), limit).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        limit: Duration,
    ) -> Result<T, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let talk = async {
            let response = request.send().await.map_err(|error| failure(&error))?;
            let status = response.status();
            let bytes = ask::whole(response, self.most).await;
            let bytes = bytes.map_err(|error| failure(&error))?;
            let bytes = bytes.ok_or_else(|| {
                Failure::NotUnderstood(format!("it has more than {} KiB", self.most / 1024))
            })?;
            if status.is_success() {
                return serde_json::from_slice(&bytes)
                    .map_err(|error| Failure::NotUnderstood(error.to_string()));
            }
            let text = redact(&said(&bytes), TEXT);
            Err(Failure::Refused { status, text })
        };
        tokio::time::timeout(limit, talk)
            .await
            .map_err(|_| Failure::Hangs(limit))?
    }
}

fn failure(error: &reqwest::Error) -> Failure {
    let why = ask::innermost(error);
    if error.is_connect() || error.is_builder() {
        Failure::Unreachable(why)
    } else {
        Failure::Lost(why)
    }
}

/// What an error's body says: the usual fields of JSON, else the text itself.
fn said(body: &[u8]) -> String {
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
        let word = |key| json.get(key).and_then(serde_json::Value::as_str);
        let words: Vec<&str> = ["error", "message", "details"]
            .into_iter()
            .filter_map(word)
            .collect();
        if !words.is_empty() {
            return words.join(": ");
        }
    }
    String::from_utf8_lossy(body).trim().to_owned()
}
