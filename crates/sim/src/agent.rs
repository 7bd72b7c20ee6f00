//! A simulated agent process: board, spool, journal, desk, routes and frames of the binary, on a simulated disk and a
//! simulated machine, behind a link that dials as the real one does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use stead_agent::board::Board;
use stead_agent::bundle;
use stead_agent::journal::Journal;
use stead_agent::journal::ledger::Rules;
use stead_agent::order::Desk;
use stead_agent::routes::{self, Parties, Via};
use stead_agent::session;
use stead_agent::spool::{self, Spool};
use stead_core::command::Order;
use stead_core::desired::Bundle;
use stead_core::ids::NodeName;
use stead_ports::clock::{Clock, ManualClock};
use stead_ports::disk::{Disk, HeldDisk, Hold, MemoryDisk};
use stead_ports::entropy::{Entropy, SeededEntropy};
use stead_ports::watch;
use stead_protocol::agent::{Ack, EPOCH_HEADER};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::eyes::Eyes;
use crate::hands::SimHands;
use crate::invariant::Moment;
use crate::life::Life;
use crate::machine::Machine;
use crate::net::Net;
use crate::server::TOKEN;
use crate::truth::Truth;

/// Where orders come in.
const ORDERS: &str = "/v1/orders";
/// Largest body looked into on its way.
const BODY: usize = 1 << 20;

/// Where an agent lives: it outlives the processes.
#[derive(Debug, Clone)]
pub struct Site {
    pub node: NodeName,
    /// The name it calls by.
    pub called: NodeName,
    pub machine: Machine,
    pub clock: Arc<ManualClock>,
    pub disk: MemoryDisk,
    pub net: Net,
    pub truth: Truth,
    pub seed: u64,
    pub delays: Arc<Delays>,
}

/// What takes longer than it should at a site, in milliseconds.
#[derive(Debug, Default)]
pub struct Delays {
    /// A sync of the disk.
    pub sync: AtomicU64,
    /// An order between the wire and the agent.
    pub orders: AtomicU64,
}

impl Delays {
    async fn wait(delay: &AtomicU64) {
        let by = delay.load(Ordering::Relaxed);
        if by > 0 {
            tokio::time::sleep(Duration::from_millis(by)).await;
        }
    }
}

/// A process.
#[derive(Debug, Clone)]
pub struct Agent {
    pub life: Life,
    pub board: Board,
    pub desk: Desk,
    /// What the fleet wants of it, as far as it was told.
    pub bundle: watch::Receiver<Arc<Bundle>>,
}

/// A mount whose waiting waits for the process to be allowed to.
#[derive(Debug)]
struct Gate {
    life: Life,
    delays: Arc<Delays>,
}

#[async_trait]
impl Hold for Gate {
    async fn before(&self) {
        self.life.gate().await;
        Delays::wait(&self.delays.sync).await;
    }
    async fn after(&self) {
        self.life.gate().await;
    }
}

/// Starts the `run`th process of a site.
pub fn start(site: &Site, run: u64) -> Result<Agent, String> {
    let life = Life::new();
    site.truth.forgets(&site.node);
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&site.clock);
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(
        Chance::of(site.seed ^ run, site.node.as_str()).draw(),
    ));
    let disk: Arc<dyn Disk> = Arc::new(HeldDisk {
        inner: site.disk.mount(),
        hold: Gate {
            life: life.clone(),
            delays: Arc::clone(&site.delays),
        },
    });
    let (spool, _) = Spool::open(
        Arc::clone(&disk),
        Path::new("/agent/spool"),
        spool::Options::default(),
        &clock.boot(),
        entropy.array(),
    )
    .map_err(|e| e.to_string())?;
    let (journal, _) =
        Journal::open(Arc::clone(&disk), Path::new("/agent/journal")).map_err(|e| e.to_string())?;
    let board = Board::new(spool, Arc::clone(&clock));
    let store = bundle::Store::at(disk, PathBuf::from("/agent/bundle.json"));
    let last = store.load();
    let named = last.name.clone();
    let (bundle, bundles) = watch::channel(Arc::new(last));
    let hands = SimHands {
        node: site.node.clone(),
        machine: site.machine.clone(),
        clock: Arc::clone(&clock),
        life: life.clone(),
        truth: site.truth.clone(),
        chance: Mutex::new(Chance::of(site.seed ^ run, "hands")),
    };
    let rules = Rules {
        node: named.unwrap_or_else(|| site.called.clone()),
        read_only: false,
    };
    let desk = Desk::new(
        rules,
        journal,
        board.clone(),
        Arc::new(hands),
        Arc::clone(&clock),
    );
    let eyes = Eyes {
        machine: site.machine.clone(),
        board: board.clone(),
        bundle: bundles.clone(),
        clock,
        life: life.clone(),
        truth: site.truth.clone(),
        checks: BTreeMap::new(),
    };
    let parties = Parties {
        node: site.called.clone(),
        token: TOKEN.to_string(),
        read_only: false,
        board: board.clone(),
        desk: desk.clone(),
        docker: None,
        systemd: None,
        patcher: None,
        ollama: None,
        history: None,
        clock: Arc::<ManualClock>::clone(&site.clock),
        bundle,
        store,
        stop: life.stop.clone(),
    };
    let router = routes::router(routes::Agent(Arc::new(parties)), Via::Tunnel);
    tokio::spawn(eyes.run());
    tokio::spawn({
        let (board, stop) = (board.clone(), life.stop.clone());
        async move { board.sync(stop).await }
    });
    desk.recover();
    tokio::spawn(link(
        site.clone(),
        watched(router, site, &life),
        life.clone(),
        entropy,
    ));
    Ok(Agent {
        life,
        board,
        desk,
        bundle: bundles,
    })
}

/// The routes, with a look at the orders and acknowledgements that go through.
fn watched(router: Router, site: &Site, life: &Life) -> Router {
    let (site, life) = (Arc::new(site.clone()), life.clone());
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let (site, life) = (Arc::clone(&site), life.clone());
        async move {
            let late = site.delays.orders.load(Ordering::Relaxed) > 0;
            if request.uri().path() != ORDERS || !late {
                return pass(request, next, &site).await;
            }
            // It is not on the wire any more: it comes whatever becomes of that, as long as there is an agent.
            let kept = tokio::spawn(async move {
                Delays::wait(&site.delays.orders).await;
                life.gate().await;
                pass(request, next, &site).await
            });
            kept.await.unwrap_or_default()
        }
    }))
}

async fn pass(request: Request, next: Next, site: &Site) -> Response {
    let (truth, node) = (&site.truth, &site.node);
    let named = request.headers().get(EPOCH_HEADER);
    if let Some(epoch) = named.and_then(|v| v.to_str().ok()?.parse().ok()) {
        truth.heard_of(node, epoch);
    }
    let path = request.uri().path();
    if path != ORDERS && path != "/v1/ack" {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, BODY).await.unwrap_or_default();
    let order = serde_json::from_slice::<Order>(&bytes).ok();
    let ack = serde_json::from_slice::<Ack>(&bytes).ok();
    let request = Request::from_parts(parts, Body::from(bytes));
    let came = truth.now();
    let response = next.run(request).await;
    if let Some(order) = order {
        return taken(response, truth, node, &order, came).await;
    }
    if let Some(ack) = ack
        && response.status().is_success()
    {
        truth.ask(&Moment::Acknowledged {
            node,
            spool: &ack.spool,
            cursor: ack.cursor,
        });
        truth.note(|h| {
            h.notes
                .retain(|n| n.spool != ack.spool || n.cursor > ack.cursor);
        });
    }
    response
}

/// Takes note of when an order came that was taken.
async fn taken(
    response: Response,
    truth: &Truth,
    node: &NodeName,
    order: &Order,
    came: u64,
) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, BODY).await.unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    match answer["state"].as_str() {
        Some("accepted") => truth.came(node, order, came, true),
        Some("in_progress") => truth.came(node, order, came, false),
        _ => {}
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Dials again and again, with growing pauses, and answers.
async fn link(site: Site, router: Router, life: Life, entropy: Arc<dyn Entropy>) {
    let mut failures = 0u32;
    loop {
        let session = async {
            life.gate().await;
            let began = site.truth.now();
            let Some(side) = site.net.dial(&site.node, &site.called).await else {
                return false;
            };
            // A process that ends says no last words here: it is killed.
            let _ = session::answer(side, router.clone(), &CancellationToken::new()).await;
            site.truth.now() > began + 5_000
        };
        tokio::select! {
            biased;
            () = life.stop.cancelled() => return,
            good = session => failures = if good { 0 } else { failures + 1 },
        }
        let [chance] = entropy.array::<1>();
        let pause = (200u64 << failures.min(7)).min(15_000);
        let pause = pause / 2 + pause * u64::from(chance) / 512;
        tokio::select! {
            biased;
            () = life.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }
}
