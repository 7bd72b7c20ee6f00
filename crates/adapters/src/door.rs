//! A way to a service of the owner's that `stead.yaml` names: its address, its credentials, and how much and how long.
//!
//! A secret is read when it is needed and shown to nobody. Nothing is asked twice here.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use stead_core::desired::Door;
use stead_core::time::Time;
use stead_ports::clock::Clock;
use stead_ports::secrets::Secrets;

use crate::ask;

/// How long a request may take as a whole.
pub const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const ANSWER: usize = 32 << 20;
/// Letters of what an error says.
const SAID: usize = 300;
/// After it failed to answer, nobody waits for it anew within this time, in milliseconds.
const PAUSE: u64 = 5_000;

/// A way to one server.
pub struct Way {
    http: reqwest::Client,
    door: Door,
    secrets: Arc<dyn Secrets>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
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

impl Way {
    pub fn new(door: Door, secrets: Arc<dyn Secrets>) -> Result<Way, Error> {
        let http = ask::client()
            .timeout(WITHIN)
            .build()
            .map_err(|e| Error::Silent(e.to_string()))?;
        Ok(Way {
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

    pub fn get(&self, path: &str, query: &[(&str, String)]) -> RequestBuilder {
        let url = format!("{}{path}", self.door.url);
        // What is no address says so when it is sent.
        match reqwest::Url::parse_with_params(&url, query) {
            Ok(url) => self.http.get(url),
            Err(_) => self.http.get(url),
        }
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.door.url))
    }

    /// The whole answer, as what it should be.
    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let answer = self.send(request).await?;
        let bytes = ask::whole(answer, ANSWER).await;
        let bytes = bytes.map_err(|e| Error::Silent(why(&e)))?;
        let bytes = bytes.ok_or(Error::TooLarge)?;
        serde_json::from_slice(&bytes).map_err(|e| Error::Unreadable(e.to_string()))
    }

    /// Sends it with the credentials; an answer that is no success is an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
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
    // Of a page the status says more than its first line.
    let page = text.trim_start().starts_with('<');
    let plain = if page {
        ""
    } else {
        text.lines().next().unwrap_or_default()
    };
    let line = told.unwrap_or(plain);
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

/// Whether it answers. While it does not, it is asked now and then and not by everybody.
#[derive(Debug, Default)]
pub struct Absence(Mutex<Option<Away>>);

/// It does not answer.
#[derive(Debug, Clone)]
pub struct Away {
    pub since: Time,
    /// When it was last tried, by the steady clock.
    tried: u64,
    pub why: String,
}

impl Absence {
    fn now(&self) -> MutexGuard<'_, Option<Away>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was tried in vain just now.
    pub fn lately(&self, clock: &dyn Clock) -> Option<Away> {
        let away = self.now().clone();
        away.filter(|away| clock.up() < away.tried + PAUSE)
    }

    /// It answered.
    pub fn over(&self) {
        *self.now() = None;
    }

    /// It did not answer.
    pub fn begin(&self, clock: &dyn Clock, why: String) -> Away {
        let mut away = self.now();
        let since = away.as_ref().map_or(clock.wall(), |away| away.since);
        let tried = clock.up();
        away.insert(Away { since, tried, why }).clone()
    }
}
