//! One request to a Prometheus: its address, its credentials, and how much and how long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use stead_core::desired::Door;
use stead_ports::secrets::Secrets;

use crate::ask;

/// How long a request may take as a whole.
pub const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER: usize = 32 << 20;
/// Bytes of what an error says.
const SAID: usize = 300;

/// A way to one server.
pub struct Client {
    http: reqwest::Client,
    door: Door,
    secrets: Arc<dyn Secrets>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("at", &self.shown())
            .finish_non_exhaustive()
    }
}

/// Why there is no answer. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or not in time: it may be otherwise later.
    #[error("{0}")]
    Silent(String),
    /// It answered, and not with what was asked for.
    #[error("it answers {status}: {said}")]
    Refused { status: u16, said: String },
    #[error("its answer has more than {} MiB", ANSWER >> 20)]
    TooLarge,
    #[error("its answer cannot be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    NoSecret(String),
}

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Found>,
}

/// One series of an answer: values at instants, in seconds.
#[derive(Debug, Deserialize)]
pub struct Found {
    pub metric: BTreeMap<String, String>,
    #[serde(default)]
    pub values: Vec<(f64, String)>,
}

impl Client {
    pub fn new(door: Door, secrets: Arc<dyn Secrets>) -> Result<Client, Error> {
        let http = ask::client()
            .timeout(WITHIN)
            .build()
            .map_err(|e| Error::Silent(e.to_string()))?;
        Ok(Client {
            http,
            door,
            secrets,
        })
    }

    /// The address as people may see it: without what stands before an `@`.
    pub fn shown(&self) -> String {
        let url = self.door.url.as_str();
        match url.split_once("://") {
            Some((scheme, rest)) => {
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
                let host = rest.split(['?', '#']).next().unwrap_or_default();
                format!("{scheme}://{host}")
            }
            None => String::new(),
        }
    }

    /// Evaluates `query` every `step` seconds from `from` to `to`.
    pub async fn range(
        &self,
        query: &str,
        from: i64,
        to: i64,
        step: i64,
    ) -> Result<Vec<Found>, Error> {
        let seconds = |ms: i64| ms as f64 / 1_000.0;
        let form = [
            ("query", query.to_owned()),
            ("start", seconds(from).to_string()),
            ("end", seconds(to).to_string()),
            ("step", seconds(step).to_string()),
            ("timeout", format!("{}s", WITHIN.as_secs() - 1)),
        ];
        let url = format!("{}/api/v1/query_range", self.door.url);
        let answer = self.send(self.http.post(url).form(&form)).await?;
        let bytes = ask::whole(answer, ANSWER).await;
        let bytes = bytes.map_err(|e| Error::Silent(why(&e)))?;
        let bytes = bytes.ok_or(Error::TooLarge)?;
        let read: Envelope =
            serde_json::from_slice(&bytes).map_err(|e| Error::Unreadable(e.to_string()))?;
        Ok(read.data.result)
    }

    /// Posts `body` to the address itself.
    pub async fn post(&self, body: Vec<u8>, headers: &[(&str, &str)]) -> Result<(), Error> {
        let mut request = self.http.post(&self.door.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body)).await.map(drop)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let secret = |text: &str| {
            let found = self.secrets.resolve(text);
            found.map_err(|e| Error::NoSecret(e.to_string()))
        };
        let request = match (&self.door.token, &self.door.username) {
            (Some(token), _) => request.bearer_auth(secret(token)?.expose()),
            (None, Some(user)) => {
                let password = self.door.password.as_deref().map(secret).transpose()?;
                request.basic_auth(user, password.as_ref().map(|p| p.expose()))
            }
            (None, None) => request,
        };
        let answer = request.send().await.map_err(|e| Error::Silent(why(&e)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(Error::Refused {
            status: status.as_u16(),
            said: said(answer, status).await,
        })
    }
}

/// What an answer that is an error says, in one short line.
async fn said(mut answer: Response, status: StatusCode) -> String {
    let first = answer.chunk().await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&first);
    let told: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let told = told.as_ref().and_then(|v| v["error"].as_str());
    let line = told.unwrap_or_else(|| text.lines().next().unwrap_or_default());
    let line: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(SAID)
        .collect();
    match line.trim() {
        "" => status.canonical_reason().unwrap_or("nothing").to_owned(),
        line => line.to_owned(),
    }
}

/// `connection refused` rather than the address again.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", WITHIN.as_secs());
    }
    ask::innermost(error)
}
