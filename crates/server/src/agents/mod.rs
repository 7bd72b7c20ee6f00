//! The server's side of agents: who is linked, what they say, what they are told.
//!
//! An agent dials in and the roles turn round: from then on the server asks. One session per node; a newer one takes
//! the place of an older one. What an agent says is acknowledged to it only once it is durable.

mod session;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, BodyStream, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use stead_core::command::Command;
use stead_core::controller::Effect;
use stead_core::desired::Bundle;
use stead_core::ids::NodeName;
use stead_engine::Handle;
use stead_ports::planted::{self, Bug};
use stead_protocol::{agent, tunnel};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};

use crate::history::History;
use crate::proxy::{AgentProxy, Chunks, ProxyError as Error};

/// Agents that bring their whole state at the same time; others wait their turn, so that a thousand that reconnect at
/// once do not hold a thousand snapshots in memory.
const SYNCING: usize = 32;
/// An agent that has not answered a question by then does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Largest answer taken from an agent.
const MAX_ANSWER: usize = 4 << 20;

/// Everybody who is linked now.
pub struct Agents {
    handle: Handle,
    token: String,
    sessions: Mutex<HashMap<NodeName, Link>>,
    syncing: Semaphore,
    next: AtomicU64,
    /// Where samples go; it keeps none until somebody records it.
    history: History,
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agents").finish_non_exhaustive()
    }
}

/// A way to one agent.
#[derive(Clone)]
struct Link {
    id: u64,
    send: SendRequest<Full<Bytes>>,
    /// Dropping it ends the session.
    _alive: Arc<tokio_util::sync::DropGuard>,
}

impl Agents {
    /// `token`: what an agent must show.
    pub fn new(handle: Handle, token: String) -> Arc<Agents> {
        let sessions = Mutex::new(HashMap::new());
        Arc::new(Agents {
            handle,
            token,
            sessions,
            syncing: Semaphore::new(SYNCING),
            next: AtomicU64::new(1),
            history: History::default(),
        })
    }

    /// What agents measure is handed to it.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The one route that agents dial.
    pub fn router(self: &Arc<Agents>) -> Router {
        Router::new()
            .route(tunnel::PATH, get(accept))
            .with_state(Arc::clone(self))
    }

    /// Serves an agent that calls itself `called` over `io` until the link ends: what follows once a call is accepted.
    pub async fn serve<T>(&self, called: NodeName, io: T) -> Result<(), Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        session::run(self, called, io).await
    }

    /// Carries out effects as they come, until the engine stops. Orders leave in the order they were made.
    pub async fn deliver(self: Arc<Agents>, mut effects: mpsc::UnboundedReceiver<Effect>) {
        while let Some(effect) = effects.recv().await {
            let agents = Arc::clone(&self);
            tokio::spawn(async move {
                let (node, done) = match effect {
                    Effect::Order { node, order } => {
                        // An order to create names a definition: the agent must have it first.
                        if matches!(order.command, Command::ContainerRecreate { .. }) {
                            let _ = agents.hand_bundle(&node).await;
                        }
                        let done = agents.post(&node, "/v1/orders", "POST", &order).await;
                        (node, done)
                    }
                    // Messages go another way.
                    Effect::Message { .. } => return,
                    Effect::Bundle { .. } if planted::on(Bug::BundleForgotten) => return,
                    Effect::Bundle { node } => {
                        let done = agents.hand_bundle(&node).await;
                        (node, done)
                    }
                };
                // Whoever is not there gets it again when it comes back.
                if let Err(error) = done {
                    tracing::debug!(%node, %error, "not delivered now");
                }
            });
        }
    }

    async fn hand_bundle(&self, node: &NodeName) -> Result<(), Error> {
        let bundle = self.handle.read(|v| Bundle::of(&v.world().fleet, node));
        self.post(node, "/v1/bundle", "PUT", &bundle).await
    }

    async fn post<T: serde::Serialize>(
        &self,
        node: &NodeName,
        path: &str,
        method: &str,
        body: &T,
    ) -> Result<(), Error> {
        let broken = |why: String| Error::Failed {
            node: node.clone(),
            why,
        };
        let body = serde_json::to_vec(body).map_err(|e| broken(e.to_string()))?;
        self.ask(node, method, path, body.into()).await.map(drop)
    }

    async fn ask(
        &self,
        node: &NodeName,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, Error> {
        let link = self.link(node)?;
        let epoch = self.epoch();
        let asked = ask(node, link.send, epoch, method, path, body);
        tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .map_err(|_| Error::TimedOut(node.clone()))?
    }

    fn link(&self, node: &NodeName) -> Result<Link, Error> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let link = sessions.get(node).cloned();
        link.ok_or_else(|| Error::NotConnected(node.clone()))
    }

    /// What this server leads with.
    fn epoch(&self) -> u64 {
        self.handle.read(|v| v.world().epoch)
    }

    fn is_authorised(&self, headers: &HeaderMap) -> bool {
        let shown = headers
            .get("authorization")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "));
        shown.is_some_and(|t| bool::from(t.as_bytes().ct_eq(self.token.as_bytes())))
    }
}

#[async_trait::async_trait]
impl AgentProxy for Agents {
    async fn get(&self, node: &NodeName, path: &str) -> Result<Bytes, Error> {
        self.ask(node, "GET", path, Bytes::new()).await
    }

    async fn stream(&self, node: &NodeName, path: &str) -> Result<Chunks, Error> {
        let link = self.link(node)?;
        let asked = begin(node, link.send, self.epoch(), "GET", path, Bytes::new());
        let response = tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .map_err(|_| Error::TimedOut(node.clone()))??;
        let node = node.clone();
        let chunks = BodyStream::new(response.into_body()).filter_map(move |frame| {
            let chunk = match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(e) => Some(Err(Error::Failed {
                    node: node.clone(),
                    why: e.to_string(),
                })),
            };
            futures::future::ready(chunk)
        });
        Ok(Box::pin(chunks))
    }
}

/// One request through a tunnel, with its whole answer.
async fn ask(
    node: &NodeName,
    send: SendRequest<Full<Bytes>>,
    epoch: u64,
    method: &str,
    path: &str,
    body: Bytes,
) -> Result<Bytes, Error> {
    let response = begin(node, send, epoch, method, path, body).await?;
    whole(node, response.into_body()).await
}

async fn whole(node: &NodeName, body: Incoming) -> Result<Bytes, Error> {
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|e| Error::Failed {
        node: node.clone(),
        why: e.to_string(),
    })?;
    Ok(body.to_bytes())
}

/// One request through a tunnel, until its answer begins.
async fn begin(
    node: &NodeName,
    mut send: SendRequest<Full<Bytes>>,
    epoch: u64,
    method: &str,
    path: &str,
    body: Bytes,
) -> Result<http::Response<Incoming>, Error> {
    let broken = |why: String| Error::Failed {
        node: node.clone(),
        why,
    };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://agent{path}"))
        .header("content-type", "application/json")
        .header(agent::EPOCH_HEADER, epoch)
        .body(Full::new(body))
        .map_err(|e| broken(e.to_string()))?;
    let response = send
        .send_request(request)
        .await
        .map_err(|e| broken(e.to_string()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = whole(node, response.into_body()).await?;
    Err(Error::answered(status.as_u16(), &body))
}

/// Takes an agent's call.
async fn accept(State(agents): State<Arc<Agents>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if !agents.is_authorised(&parts.headers) {
        return (
            StatusCode::UNAUTHORIZED,
            "this agent's token is not this server's",
        )
            .into_response();
    }
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let node = match header(tunnel::NODE_HEADER).map(|n| NodeName::new(&n)) {
        Some(Ok(node)) => node,
        Some(Err(e)) => return (StatusCode::BAD_REQUEST, e.to_string()).into_response(),
        None => {
            return (
                StatusCode::BAD_REQUEST,
                "the header x-stead-node is missing",
            )
                .into_response();
        }
    };
    let spoken = header(tunnel::PROTOCOL_HEADER);
    if spoken.as_deref() != Some(agent::VERSION.to_string().as_str()) {
        let text = format!(
            "this server speaks agent protocol {}; upgrade the older of the two",
            agent::VERSION
        );
        return (StatusCode::UPGRADE_REQUIRED, text).into_response();
    }
    let upgrade =
        match <WebSocketUpgrade as axum::extract::FromRequestParts<()>>::from_request_parts(
            &mut parts,
            &(),
        )
        .await
        {
            Ok(upgrade) => upgrade,
            Err(no) => return no.into_response(),
        };
    upgrade
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(64 * 1024)
        .max_message_size(64 * 1024)
        .max_frame_size(64 * 1024)
        .on_upgrade(move |socket| async move {
            if let Err(error) = agents
                .serve(node.clone(), tunnel::ByteStream::new(socket))
                .await
            {
                tracing::info!(%node, %error, "session ended");
                agents.note_stale(&node, &error);
            }
        })
}

/// Code of the trouble while an agent follows another server.
const STALE_EPOCH: &str = "stale-epoch";

impl Agents {
    /// Says so where an agent heeds another server: either this one was deposed and will learn it from the log, or its
    /// log was restored from an old copy while its clock is wrong.
    fn note_stale(&self, node: &NodeName, error: &Error) {
        if matches!(error, Error::Answered { code, .. } if code == STALE_EPOCH) {
            let text = format!("The agent of {node} follows a server that took the lead later.");
            let remedy = "Stop one of the two servers. Where there is only one, set its clock right and restart it.";
            self.handle.trouble(STALE_EPOCH, text, remedy);
        }
    }

    /// Registers a session; returns its number and what ends when a newer one takes its place.
    fn enter(
        &self,
        node: &NodeName,
        send: SendRequest<Full<Bytes>>,
    ) -> (u64, tokio_util::sync::CancellationToken) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let replaced = tokio_util::sync::CancellationToken::new();
        let link = Link {
            id,
            send,
            _alive: Arc::new(replaced.clone().drop_guard()),
        };
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node.clone(), link);
        self.handle.linked(node, 1);
        self.handle.relieved(STALE_EPOCH);
        (id, replaced)
    }

    fn leave(&self, node: &NodeName, id: u64) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.get(node).is_some_and(|l| l.id == id) {
            sessions.remove(node);
        }
        drop(sessions);
        self.handle.linked(node, -1);
    }
}
