//! Who can reach whom: the server that listens now, the wires to it, and partitions between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stead_core::ids::NodeName;
use stead_server::agents::Agents;

use crate::life::Life;
use crate::truth::Truth;
use crate::wire::{self, Gauge, Side, Wire};

/// A call that is not answered by then has failed, as the agent's own link has it.
const DIAL_WITHIN: Duration = Duration::from_secs(10);

/// A server that takes calls.
#[derive(Debug, Clone)]
pub struct Listening {
    pub agents: Arc<Agents>,
    pub life: Life,
}

/// The network of a fleet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Net {
    inner: Arc<Mutex<Inner>>,
    latency: u64,
    truth: Truth,
    gauge: Gauge,
}

#[derive(Debug, Default)]
struct Inner {
    server: Option<Listening>,
    wires: BTreeMap<NodeName, Vec<Wire>>,
    /// Nodes that reach nobody.
    parted: BTreeMap<NodeName, u32>,
}

impl Net {
    pub fn new(latency: u64, truth: &Truth) -> Net {
        Net {
            inner: Arc::default(),
            latency,
            truth: truth.clone(),
            gauge: Gauge::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on calls reach this server; none: they are refused.
    pub fn listen(&self, server: Option<Listening>) {
        self.lock().server = server;
    }

    /// Calls the server on behalf of `node`, which goes by the name `called`.
    pub async fn dial(&self, node: &NodeName, called: &NodeName) -> Option<Side> {
        let (server, parted) = {
            let inner = self.lock();
            (inner.server.clone(), inner.parted.contains_key(node))
        };
        let silent = parted || server.as_ref().is_some_and(|s| s.life.is_paused());
        if silent {
            tokio::time::sleep(DIAL_WITHIN).await;
            return None;
        }
        let server = server?;
        let (agent_side, server_side, wire) = wire::pair(self.latency, &self.gauge);
        self.lock()
            .wires
            .entry(node.clone())
            .or_default()
            .push(wire);
        let (called, truth) = (called.clone(), self.truth.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = server.life.stop.cancelled() => {}
                ended = server.agents.serve(called.clone(), server_side) => {
                    truth.tell(|| match ended {
                        Ok(()) => format!("server: the session of {called} ended"),
                        Err(error) => format!("server: the session of {called} ended: {error}"),
                    });
                }
            }
        });
        Some(agent_side)
    }

    /// Breaks every wire of `node`.
    pub fn cut(&self, node: &NodeName, late: Option<u64>) {
        let wires = self.lock().wires.remove(node).unwrap_or_default();
        wires.iter().for_each(|wire| wire.cut(late));
    }

    /// Breaks every wire.
    pub fn cut_all(&self) {
        let wires = std::mem::take(&mut self.lock().wires);
        wires.values().flatten().for_each(|wire| wire.cut(None));
    }

    /// Nothing gets through to `node` or from it, until it is given back as often.
    pub fn part(&self, node: &NodeName, parted: bool) {
        let mut inner = self.lock();
        let count = inner.parted.entry(node.clone()).or_default();
        *count = if parted {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        let parted = *count > 0;
        if !parted {
            inner.parted.remove(node);
        }
        for wire in inner.wires.get(node).into_iter().flatten() {
            wire.stall(parted);
        }
    }

    /// Stalls or frees every wire, as when the server is stopped by a signal.
    pub fn stall_all(&self, stalled: bool) {
        let inner = self.lock();
        for (node, wires) in &inner.wires {
            let parted = inner.parted.contains_key(node);
            wires.iter().for_each(|wire| wire.stall(stalled || parted));
        }
    }

    /// Bytes under way at once at most.
    pub fn peak(&self) -> usize {
        self.gauge.peak()
    }

    pub fn nodes_parted(&self) -> Vec<NodeName> {
        self.lock().parted.keys().cloned().collect()
    }
}
