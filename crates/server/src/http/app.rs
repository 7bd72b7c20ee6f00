//! What the routes share.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_core::ids::{NodeName, Seq};
use stead_engine::Handle;
use stead_protocol::agent::CleanupEstimate;
use stead_protocol::api;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::feed::Feeds;
use super::guard::Hosts;
use super::metrics::Traffic;
use super::problem::Problem;
use crate::access::{Limiter, Links, Sessions, Tokens};
use crate::history::History;
use crate::insight::Latest;
use crate::logs::Lokis;
use crate::portainers::Portainers;
use crate::present::{self, Counted, Look};
use crate::proxy::AgentProxy;

/// Nodes looked at before others get their turn.
const NODES_AT_ONCE: usize = 64;
/// How long an estimate is shown before it is asked for again.
const ESTIMATE_KEPT: Duration = Duration::from_secs(60);
/// How long the fleet's score is shown before it is made anew.
const SCORE_KEPT: Duration = Duration::from_secs(2);
/// How long an answer waits for an estimate that is only an ornament of it.
const ESTIMATE_WITHIN: Duration = Duration::from_secs(3);

/// Shared state of every route, cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub handle: Handle,
    pub agents: Arc<dyn AgentProxy>,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub links: Links,
    pub limiter: Mutex<Limiter>,
    pub feeds: Arc<Feeds>,
    pub traffic: Traffic,
    pub problems: FleetProblems,
    pub hosts: Hosts,
    pub history: History,
    pub portainers: Portainers,
    pub lokis: Lokis,
    /// One policy is tried at a time.
    pub trials: Arc<tokio::sync::Mutex<()>>,
    /// Ends every live feed.
    pub stop: CancellationToken,
    estimates: Mutex<BTreeMap<NodeName, (Instant, CleanupEstimate)>>,
    /// The counts as of a head of the log.
    counted: Mutex<Option<(Seq, Counted)>>,
    scored: Mutex<Option<(Instant, api::FleetScore)>>,
    /// The readings of write anomalies as they are now.
    pub latest: Latest,
    /// The page for everybody, as it was made last.
    pub(super) status: super::status::Cache,
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What [`App::new`] is made of.
pub struct Parts {
    pub handle: Handle,
    pub agents: Arc<dyn AgentProxy>,
    pub tokens: Tokens,
    pub data: PathBuf,
    pub hosts: Hosts,
    pub problems: FleetProblems,
    pub history: History,
    pub stop: CancellationToken,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App { … }")
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inner { … }")
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl App {
    pub fn new(parts: Parts) -> App {
        App(Arc::new(Inner {
            sessions: Sessions::open(&parts.data, &parts.tokens),
            portainers: Portainers::of(&parts.data),
            lokis: Lokis::of(&parts.data),
            handle: parts.handle,
            agents: parts.agents,
            tokens: parts.tokens,
            links: Links::default(),
            limiter: Mutex::default(),
            feeds: Arc::default(),
            traffic: Traffic::default(),
            problems: parts.problems,
            hosts: parts.hosts,
            history: parts.history,
            trials: Arc::default(),
            stop: parts.stop,
            estimates: Mutex::default(),
            counted: Mutex::default(),
            scored: Mutex::default(),
            latest: Latest::default(),
            status: super::status::Cache::default(),
        }))
    }

    /// A look at everything; the answer is built under the read lock.
    pub fn look<T>(&self, build: impl FnOnce(Look<'_>) -> T) -> T {
        let now = self.handle.now();
        self.handle.read(|view| build(Look::of(view, now)))
    }

    /// The same, with the fleet's counts: counted anew only when something happened.
    pub fn look_counted<T>(&self, build: impl FnOnce(Look<'_>, Counted) -> T) -> T {
        self.look(|look| {
            let mut kept = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = match *kept {
                Some((head, counted)) if head == look.world.head => counted,
                _ => present::counted(look),
            };
            *kept = Some((look.world.head, counted));
            drop(kept);
            build(look, counted)
        })
    }

    /// Every node's share of an answer, looked at a few nodes at a time: a large fleet holds nobody up.
    pub async fn each_node<T>(&self, build: impl Fn(Look<'_>, &NodeName) -> Vec<T>) -> Vec<T> {
        let names: Vec<NodeName> =
            self.look(|look| present::node_names(look).into_iter().cloned().collect());
        let mut all = Vec::new();
        for chunk in names.chunks(NODES_AT_ONCE) {
            self.look(|look| all.extend(chunk.iter().flat_map(|name| build(look, name))));
            tokio::task::yield_now().await;
        }
        all
    }

    /// The fleet's score card, made anew every few seconds.
    pub async fn score(&self) -> api::FleetScore {
        if let Some(score) = self.score_kept() {
            return score;
        }
        let cards = self
            .each_node(|look, name| vec![(name.clone(), present::score_card(look, name))])
            .await;
        let score = present::fleet_score(&cards, self.handle.now().at);
        let kept = (Instant::now(), score.clone());
        *self.scored.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        score
    }

    fn score_kept(&self) -> Option<api::FleetScore> {
        let kept = self.scored.lock().unwrap_or_else(PoisonError::into_inner);
        let young = |(at, _): &&(Instant, api::FleetScore)| at.elapsed() < SCORE_KEPT;
        kept.as_ref().filter(young).map(|(_, score)| score.clone())
    }

    /// What a cleanup of `node` would free.
    pub async fn estimate(&self, node: &NodeName) -> Result<CleanupEstimate, Problem> {
        let kept = self
            .estimates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(node)
            .cloned();
        if let Some((at, estimate)) = kept
            && at.elapsed() < ESTIMATE_KEPT
        {
            return Ok(estimate);
        }
        let answer = self.agents.get(node, "/v1/estimate/cleanup").await?;
        let estimate: CleanupEstimate = serde_json::from_slice(&answer).map_err(|e| {
            let detail = format!("the agent of {node} answered something else: {e}");
            Problem::new(
                "agent-failed",
                detail,
                "upgrade the agent to this server's version",
            )
        })?;
        let mut estimates = self
            .estimates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // At most one per node of the fleet, and only young ones.
        estimates.retain(|_, (at, _)| at.elapsed() < ESTIMATE_KEPT);
        estimates.insert(node.clone(), (Instant::now(), estimate.clone()));
        Ok(estimate)
    }

    /// The same for a page that shows it if it is there.
    pub async fn estimate_soon(&self, node: &NodeName) -> Option<CleanupEstimate> {
        tokio::time::timeout(ESTIMATE_WITHIN, self.estimate(node))
            .await
            .ok()?
            .ok()
    }
}

/// The problems of the fleet files' last reading, one by one. Whoever reads the files sets them.
#[derive(Debug, Clone, Default)]
pub struct FleetProblems(Arc<Mutex<Vec<api::FleetProblem>>>);

impl FleetProblems {
    /// Problems kept: nobody reads more.
    const MOST: usize = 200;

    pub fn set(&self, mut problems: Vec<api::FleetProblem>) {
        problems.truncate(Self::MOST);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problems;
    }
    pub fn get(&self) -> Vec<api::FleetProblem> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
