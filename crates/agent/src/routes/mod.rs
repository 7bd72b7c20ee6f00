//! What an agent answers, on the tunnel and on its local socket alike (decision 20).
//!
//! On the socket, routes that change something ask for the agent's token: there is no way in that a server would not
//! have.

mod chores;
mod detail;
mod history;
mod model;
mod patch;
mod problem;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Extension, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use stead_adapters::docker::Docker;
use stead_adapters::ollama::Ollama;
use stead_adapters::systemd::Systemd;
use stead_core::command::Order;
use stead_core::desired::{Access, Bundle};
use stead_core::ids::NodeName;
use stead_core::time::Time;
use stead_ports::clock::Clock;
use stead_ports::watch;
use stead_protocol::agent::{Ack, ComposePatch, EPOCH_HEADER, Hello, VERSION};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::bundle;
use crate::frames;
use crate::history::History;
use crate::journal::ledger::Refusal;
use crate::order::{Desk, Submitted};
use problem::Refused;

/// Largest body taken: a bundle with hundreds of services.
const BODY: usize = 16 * 1024 * 1024;

/// Makes the change of a compose file's text that gives one service a memory limit and a reservation, or says why a person
/// has to. Handed in by whoever puts the agent together: reading compose files is another crate's business.
pub type PatchMaker =
    fn(file: &str, text: &str, service: &str, limit: u64, reservation: u64) -> ComposePatch;

/// What the routes work on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Agent(pub Arc<Parties>);

pub struct Parties {
    pub node: NodeName,
    pub token: String,
    pub read_only: bool,
    pub board: Board,
    pub desk: Desk,
    /// Absent where an agent is put together without one: its routes say so.
    pub docker: Option<Docker>,
    pub systemd: Option<Systemd>,
    /// Makes changes to compose files; absent where nobody handed one in.
    pub patcher: Option<PatchMaker>,
    pub ollama: Option<Ollama>,
    /// The node's own seconds; absent where none are kept.
    pub history: Option<History>,
    pub clock: Arc<dyn Clock>,
    pub bundle: watch::Sender<Arc<Bundle>>,
    pub store: bundle::Store,
    pub stop: CancellationToken,
}

impl Parties {
    /// What the fleet calls this node, or what it calls itself until it was told.
    fn name(&self) -> NodeName {
        let name = self.bundle.borrow().name.clone();
        name.unwrap_or_else(|| self.node.clone())
    }

    fn now(&self) -> Time {
        self.clock.wall()
    }
}

impl std::fmt::Debug for Parties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parties")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// From the server whose token the agent showed when it dialled.
    Tunnel,
    /// From somebody on this machine.
    Socket,
}

/// The routes for one way in.
pub fn router(agent: Agent, via: Via) -> Router {
    Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/frames", get(frames))
        .route("/v1/ack", post(ack))
        .route("/v1/bundle", put(bundle))
        .route("/v1/orders", post(orders))
        .route("/v1/estimate/cleanup", get(detail::estimate))
        .route("/v1/containers/{name}/health", get(detail::health))
        .route("/v1/containers/{name}/logs", get(detail::container_logs))
        .route(
            "/v1/containers/{name}/memory-patch",
            get(patch::memory_patch),
        )
        .route("/v1/logs/search", get(detail::search_logs))
        .route("/v1/units/search", get(detail::search_units))
        .route("/v1/units/{name}/logs", get(detail::unit_logs))
        .route("/v1/models", get(model::list))
        .route("/v1/history", get(history::kept))
        .route("/v1/chores/cleanup-log", get(chores::cleanup_log))
        .route("/v1/chores/crontabs", get(chores::crontabs))
        .fallback(|| async {
            Refused::new(
                StatusCode::NOT_FOUND,
                "no-such-route",
                "the agent has no such route",
            )
        })
        .layer(from_fn_with_state(agent.clone(), heed))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(Extension(via))
        .with_state(agent)
}

/// Takes note of who leads, and answers nothing to a server that does not any more: neither its orders nor its bundles
/// count. Whoever names no epoch is no server.
async fn heed(State(Agent(agent)): State<Agent>, request: Request, next: Next) -> Response {
    let named = request.headers().get(EPOCH_HEADER);
    let epoch = named.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(epoch) = epoch
        && let Err(refusal) = agent.desk.heed(epoch).await
    {
        return stale(refusal).into_response();
    }
    next.run(request).await
}

fn stale(refusal: Refusal) -> Refused {
    tracing::warn!(why = refusal.why, "not heeded");
    Refused::new(StatusCode::CONFLICT, refusal.code, refusal.why).with(
        "Nothing, where another server took over. Where the server was restored from an old copy, set its clock right and restart it.",
    )
}

/// Proof that the one who asks may change something.
struct Entitled;

impl FromRequestParts<Agent> for Entitled {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, agent: &Agent) -> Result<Entitled, Refused> {
        if parts.extensions.get::<Via>() == Some(&Via::Tunnel) {
            return Ok(Entitled);
        }
        let shown = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        if shown.is_some_and(|token| same(token, agent.0.token.as_bytes())) {
            return Ok(Entitled);
        }
        let detail = "changing something asks for the agent's token, here too";
        Err(
            Refused::new(StatusCode::UNAUTHORIZED, "token-needed", detail)
                .with("Send `authorization: Bearer` with the token from agent.token."),
        )
    }
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    !b.is_empty() && a.len() == b.len() && a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

async fn hello(State(Agent(agent)): State<Agent>) -> Json<Hello> {
    let (spool, first, last) = agent.board.spool();
    Json(Hello {
        protocol: VERSION,
        node: agent.node.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        read_only: agent.read_only,
        spool,
        first,
        last,
    })
}

async fn snapshot(State(Agent(agent)): State<Agent>) -> Response {
    lines(Body::from(agent.board.snapshot()))
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    spool: String,
    #[serde(default)]
    after: u64,
}

async fn frames(
    State(Agent(agent)): State<Agent>,
    Extension(via): Extension<Via>,
    Query(from): Query<From>,
) -> Response {
    let server = via == Via::Tunnel;
    let position = agent.board.position(&from.spool, from.after, server);
    let (spool, _, _) = agent.board.spool();
    let stream = frames::stream(agent.board.clone(), position, server, agent.stop.clone());
    let mut response = lines(Body::from_stream(stream));
    if let Ok(spool) = HeaderValue::from_str(&spool) {
        response.headers_mut().insert("x-stead-spool", spool);
    }
    response
}

fn lines(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn ack(
    State(Agent(agent)): State<Agent>,
    _: Entitled,
    Json(ack): Json<Ack>,
) -> Result<StatusCode, Refused> {
    if agent.board.ack(&ack) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let detail = "it acknowledges another spool; ask /v1/hello for this one's identity";
    Err(Refused::new(StatusCode::CONFLICT, "another-spool", detail))
}

async fn bundle(
    State(Agent(agent)): State<Agent>,
    _: Entitled,
    Json(bundle): Json<Bundle>,
) -> Result<StatusCode, Refused> {
    if agent.bundle.borrow().digest == bundle.digest && !bundle.digest.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let bundle = Arc::new(bundle);
    if let Err(error) = agent.store.save(Arc::clone(&bundle)).await {
        // It works by it all the same; only a restart without the server would not know it.
        tracing::warn!(%error, "the bundle could not be kept on disk");
    }
    agent
        .desk
        .set_read_only(agent.read_only || bundle.node.access == Access::Inspector);
    if let Some(name) = &bundle.name {
        agent.desk.set_name(name.clone());
    }
    tracing::info!(
        digest = bundle.digest,
        services = bundle.node.services.len(),
        "new bundle"
    );
    agent.bundle.send_replace(bundle);
    Ok(StatusCode::NO_CONTENT)
}

async fn orders(
    State(Agent(agent)): State<Agent>,
    _: Entitled,
    Json(order): Json<Order>,
) -> Response {
    tracing::info!(action = order.action, attempt = order.attempt, target = %order.target, "order");
    let state = match agent.desk.submit(order) {
        Submitted::Accepted => "accepted",
        Submitted::Joined => "in_progress",
        Submitted::Ended(_) => "ended",
        Submitted::Stale(refusal) => return stale(refusal).into_response(),
        Submitted::Full => {
            let detail = "too many orders wait on this node, or it is stopping";
            return Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
                .with("Give it again later; nothing was done.")
                .into_response();
        }
    };
    (
        StatusCode::ACCEPTED,
        Json(serde_json::json!({ "state": state })),
    )
        .into_response()
}
