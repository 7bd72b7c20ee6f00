//! The way to the server: the agent dials out, then answers. Tried again and again, with growing pauses, until it is
//! told to stop; what happens on the node meanwhile does not wait for it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use stead_core::ids::NodeName;
use stead_ports::clock::Clock;
use stead_ports::entropy::Entropy;
use stead_protocol::agent::VERSION;
use stead_protocol::tunnel::{self, ByteStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::session::{self, Ended};

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(15);
/// A server that has not answered the call by then is not there.
const DIAL_WITHIN: Duration = Duration::from_secs(10);
/// A session that lasted this long was a good one: the next call is made soon.
const GOOD: Duration = Duration::from_secs(5);

/// Why there is no link now.
#[derive(Debug, thiserror::Error)]
enum Down {
    #[error("no answer within {} s", DIAL_WITHIN.as_secs())]
    Silent,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(
        "the server does not know this token; compare it with agent.token in the server's data directory"
    )]
    Token,
    #[error("the server speaks another protocol; upgrade the older of the two")]
    Protocol,
    #[error("the server answered {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("{0}")]
    WebSocket(String),
    #[error("the token or name cannot be sent: it holds characters no header may have")]
    Header,
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Whom to call and as whom.
pub struct Link {
    pub server: Address,
    pub node: NodeName,
    pub token: String,
    /// What is answered inside the tunnel.
    pub routes: Router,
    pub clock: Arc<dyn Clock>,
    /// Spreads the pauses.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("server", &self.server)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Keeps a link until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (mut failures, mut told) = (0u32, String::new());
        loop {
            let begun = self.clock.up();
            let ended = self.session(&stop).await;
            if stop.is_cancelled() {
                return;
            }
            if self.clock.up().saturating_sub(begun) > GOOD.as_millis() as u64 {
                failures = 0;
            }
            let why = match ended {
                Ok(()) => "the server ended the link".to_owned(),
                Err(down) => down.to_string(),
            };
            // Said once, not at each try.
            if told != why {
                tracing::warn!(server = %self.server, why, "not linked; what is seen is kept until it is");
                told = why;
            }
            let pause = back_off(failures, u16::from_le_bytes(self.entropy.array()));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            failures = failures.saturating_add(1);
        }
    }

    async fn session(&self, stop: &CancellationToken) -> Result<(), Down> {
        let dialled = async {
            match &self.server {
                Address::Tcp(all) => {
                    let stream = TcpStream::connect(all.as_slice()).await?;
                    stream.set_nodelay(true)?;
                    self.upgrade(Box::new(stream) as Box<dyn Io>).await
                }
                Address::Unix(path) => {
                    self.upgrade(Box::new(UnixStream::connect(path).await?))
                        .await
                }
            }
        };
        let tunnel = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            dialled = tokio::time::timeout(DIAL_WITHIN, dialled) => dialled.map_err(|_| Down::Silent)??,
        };
        tracing::info!(server = %self.server, "linked");
        Ok(session::answer(ByteStream::new(tunnel), self.routes.clone(), stop).await?)
    }

    async fn upgrade(
        &self,
        io: Box<dyn Io>,
    ) -> Result<tokio_tungstenite::WebSocketStream<Box<dyn Io>>, Down> {
        let url = format!("ws://localhost{}", tunnel::PATH);
        let mut request = url
            .into_client_request()
            .map_err(|error| Down::WebSocket(error.to_string()))?;
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Down::Header);
        let headers = request.headers_mut();
        let mut bearer = value(&format!("Bearer {}", self.token))?;
        bearer.set_sensitive(true);
        headers.insert("authorization", bearer);
        headers.insert(tunnel::NODE_HEADER, value(self.node.as_str())?);
        headers.insert(tunnel::PROTOCOL_HEADER, HeaderValue::from(VERSION));
        let upgraded =
            tokio_tungstenite::client_async_with_config(request, io, Some(tunnel::config())).await;
        match upgraded {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => Err(match response.status().as_u16() {
                401 => Down::Token,
                426 => Down::Protocol,
                status => {
                    let text = response.body().as_deref().unwrap_or_default();
                    let text = stead_adapters::redact::redact(&String::from_utf8_lossy(text), 200);
                    Down::Refused { status, text }
                }
            }),
            Err(tungstenite::Error::Io(error)) => Err(Down::Io(error)),
            Err(error) => Err(Down::WebSocket(error.to_string())),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// How long to wait after this many failures: doubling, and each agent a little else, so that a thousand of them do not
/// call at the same instant.
fn back_off(failures: u32, chance: u16) -> Duration {
    let whole = SHORTEST
        .saturating_mul(2u32.saturating_pow(failures.min(16)))
        .min(LONGEST);
    let half = whole / 2;
    half + half.mul_f64(f64::from(chance) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_fifth_of_a_second_to_fifteen_and_differ() {
        assert_eq!(back_off(0, u16::MAX), SHORTEST);
        assert_eq!(back_off(0, 0), SHORTEST / 2);
        assert_eq!(back_off(3, u16::MAX), SHORTEST * 8);
        assert_eq!(back_off(1000, u16::MAX), LONGEST);
        assert!(back_off(1000, 100) < back_off(1000, 60_000));
    }
}
