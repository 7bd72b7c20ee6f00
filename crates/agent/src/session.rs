//! One link from its first byte to its end: the agent answers, and gives up what nobody asks anything over.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::{Router, middleware};
use hyper_util::service::TowerToHyperService;
use stead_protocol::tunnel;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A server asks as soon as there is a link.
const ASKED_WITHIN: Duration = Duration::from_secs(10);
/// What is being answered when the agent stops has so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a link is no more.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the server took the call and asked nothing for {} s", ASKED_WITHIN.as_secs())]
    Mute,
    #[error("the link broke: {0}")]
    Broken(String),
}

/// Answers over `io` with `routes` until the link ends or `stop`.
pub async fn answer<T>(io: T, routes: Router, stop: &CancellationToken) -> Result<(), Ended>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(Notify::new());
    let heard = Arc::clone(&asked);
    let heed = middleware::map_request(move |request: Request| {
        heard.notify_one();
        std::future::ready(request)
    });
    let service = TowerToHyperService::new(routes.layer(heed));
    let connection = tunnel::answer(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = unasked(&asked) => return Err(Ended::Mute),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_WORDS, connection).await.unwrap_or(Ok(()))
        }
    };
    ended.map_err(|error| Ended::Broken(chain(&error)))
}

/// Ends where nothing is asked in time. A link that was cut before the server's first word came is watched by nothing else,
/// since HTTP/2 keeps alive only what has begun.
async fn unasked(asked: &Notify) {
    let first = tokio::time::timeout(ASKED_WITHIN, asked.notified()).await;
    if first.is_ok() {
        std::future::pending().await
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
