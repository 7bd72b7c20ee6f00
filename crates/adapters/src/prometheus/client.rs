//! One request to a Prometheus: its address, its credentials, and how much and how long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use stead_core::desired::Door;
use stead_ports::secrets::Secrets;

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
        // The file names an address; no environment sends what is for it elsewhere.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(WITHIN)
            .user_agent(concat!("stead/", env!("CARGO_PKG_VERSION")))
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
        let form = format!(
            "query={}&start={}&end={}&step={}&timeout={}s",
            encoded(query),
            seconds(from),
            seconds(to),
            seconds(step),
            WITHIN.as_secs() - 1
        );
        let url = format!("{}/api/v1/query_range", self.door.url);
        let request = self.http.post(url);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = self.send(request.body(form)).await?;
        let bytes = whole(answer).await?;
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

/// The bytes of an answer, as many as may be.
async fn whole(mut answer: Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await.map_err(|e| Error::Silent(why(&e)))? {
        if bytes.len() + more.len() > ANSWER {
            return Err(Error::TooLarge);
        }
        bytes.extend_from_slice(&more);
    }
    Ok(bytes)
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

/// The innermost reason: `connection refused` rather than the address again.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", WITHIN.as_secs());
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// As forms want it.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
