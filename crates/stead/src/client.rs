//! The CLI's way to the server: the same HTTP API that everybody uses.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stead_protocol::api::Problem;

use crate::args::{Global, Moment, default_data};
use crate::failure::{Exit, Failure};

/// Where the server is looked for when nobody says.
pub const DEFAULT_URL: &str = "http://127.0.0.1:18180";

pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    /// Everything that is read is about this instant, as it was given.
    at: Option<String>,
    /// The instant that the server understood.
    told_at: OnceLock<String>,
}

impl Client {
    pub fn new(global: &Global) -> Result<Client, Failure> {
        let base = global
            .url
            .clone()
            .unwrap_or_else(|| DEFAULT_URL.to_string());
        let base = base.trim_end_matches('/').to_string();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let remedy = format!("write it like {DEFAULT_URL}");
            return Err(Failure::new(
                Exit::Usage,
                "bad-url",
                format!("{base:?} is not a server address"),
                remedy,
            ));
        }
        let token = global.token.clone().or_else(|| admin_token(&data_dir()));
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("stead/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Failure::new(Exit::Failed, "http-client", e.to_string(), ""))?;
        Ok(Client {
            http,
            base,
            token,
            at: None,
            told_at: OnceLock::new(),
        })
    }

    /// The same server as it was at `moment`.
    pub fn at(mut self, moment: &Moment) -> Client {
        self.at.clone_from(&moment.at);
        self
    }

    /// The instant that the answers so far were about, where it is not the present.
    pub fn told_at(&self) -> Option<&str> {
        self.told_at.get().map(String::as_str)
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.read(path).await?;
        self.json(response).await
    }

    /// A file, as it is.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        let response = self.read(path).await?;
        let text = response.text().await;
        text.map_err(|error| self.unreachable(&error))
    }

    async fn read(&self, path: &str) -> Result<Response, Failure> {
        let path = match &self.at {
            None => path.to_string(),
            Some(at) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                format!("{path}{joint}at={}", escaped(at))
            }
        };
        let within = Some(Duration::from_secs(30));
        let response = self.send(Method::GET, &path, None::<&()>, within).await?;
        let at = response.headers().get("stead-at");
        if let Some(at) = at.and_then(|at| at.to_str().ok()) {
            self.told_at.get_or_init(|| at.to_string());
        }
        Ok(response)
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        self.json(
            self.send(
                Method::POST,
                path,
                Some(body),
                Some(Duration::from_secs(30)),
            )
            .await?,
        )
        .await
    }

    /// Posts `body` and hands over the answer line by line, however long it takes.
    pub async fn lines<B: Serialize>(
        &self,
        path: &str,
        body: &B,
        mut each: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        self.read_lines(request, &mut each).await
    }

    /// Asks for an answer that comes line by line, however long it takes.
    pub async fn get_lines(&self, path: &str, mut each: impl FnMut(&str)) -> Result<(), Failure> {
        let request = self.http.get(format!("{}{path}", self.base));
        self.read_lines(request, &mut each).await
    }

    async fn read_lines(
        &self,
        request: reqwest::RequestBuilder,
        each: &mut impl FnMut(&str),
    ) -> Result<(), Failure> {
        let mut request = request.header("accept", "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let (mut stream, mut buffer) = (response.bytes_stream(), Vec::new());
        while let Some(Ok(chunk)) = stream.next().await {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                each(&String::from_utf8_lossy(&line));
            }
        }
        if !buffer.is_empty() {
            each(&String::from_utf8_lossy(&buffer));
        }
        Ok(())
    }

    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let within = Some(Duration::from_secs(30));
        let response = self.send(Method::DELETE, path, None::<&()>, within).await?;
        self.json(response).await
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        response.json().await.map_err(|e| {
            let what = format!(
                "the answer of {} is not what this version expects: {e}",
                self.base
            );
            Failure::new(
                Exit::Failed,
                "bad-answer",
                what,
                "compare `stead version` with the server's",
            )
        })
    }

    async fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        timeout: Option<Duration>,
    ) -> Result<Response, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response).await)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "it did not answer in time"
        } else {
            "no connection"
        };
        let remedy = "is `stead up` running? name another server by --url or STEAD_URL";
        Failure::new(
            Exit::Unreachable,
            "server-unreachable",
            format!("{}: {why}", self.base),
            remedy,
        )
    }

    async fn refused(&self, response: Response) -> Failure {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            let remedy = "give --token or STEAD_TOKEN, or STEAD_DATA of a server on this machine (its admin.token)";
            return Failure::new(
                Exit::Refused,
                "not-signed-in",
                "the server does not know this token",
                remedy,
            );
        }
        match response.json::<Problem>().await {
            Ok(problem) => Failure::of_problem(problem),
            Err(_) => {
                let what = format!("{} answered {status}", self.base);
                Failure::new(Exit::Failed, "bad-answer", what, "is that a Stead server?")
            }
        }
    }

    /// Follows the live feed, handing over each message's data; resumes after `last` when the link breaks.
    pub async fn follow(
        &self,
        mut last: u64,
        mut each: impl FnMut(&str, &str) -> Option<u64>,
    ) -> Result<(), Failure> {
        loop {
            let path = format!("/api/v1/feed?after={last}");
            let response = match self.send(Method::GET, &path, None::<&()>, None).await {
                Ok(response) => response,
                Err(failure) if failure.exit == Exit::Unreachable => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let mut stream = response.bytes_stream();
            let mut lines = Lines::default();
            while let Some(Ok(chunk)) = stream.next().await {
                lines.push(&chunk, |event, data| {
                    if let Some(seq) = each(event, data) {
                        last = seq;
                    }
                });
            }
        }
    }
}

/// Server-sent events, taken apart.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    event: String,
    data: String,
}

impl Lines {
    fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&str, &str)) {
        self.buffer.extend_from_slice(chunk);
        while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            if let Some(event) = line.strip_prefix("event:") {
                self.event = event.trim().to_string();
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.trim_start());
            } else if line.is_empty() && !self.data.is_empty() {
                each(&self.event, &self.data);
                self.event.clear();
                self.data.clear();
            }
        }
    }
}

/// A text as a value in a query.
pub fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let one = |b: u8| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn data_dir() -> std::path::PathBuf {
    std::env::var_os("STEAD_DATA").map_or_else(default_data, Into::into)
}

fn admin_token(data: &Path) -> Option<String> {
    let token = std::fs::read_to_string(data.join("admin.token")).ok()?;
    Some(token.trim().to_string()).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn messages_are_found_across_chunks() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in [
            "event: ev",
            "ent\ndata: {\"a\"",
            ":1}\nid: 3\n",
            "\n: ping\n\nevent: alive\ndata: {}\n\n",
        ] {
            lines.push(chunk.as_bytes(), |event, data| {
                seen.push((event.to_string(), data.to_string()))
            });
        }
        assert_eq!(
            seen,
            [
                ("event".into(), "{\"a\":1}".into()),
                ("alive".into(), "{}".into())
            ]
        );
    }
}
