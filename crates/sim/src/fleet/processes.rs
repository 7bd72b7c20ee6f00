//! Servers and agents come, go, are stopped by signals and go on.

use std::sync::Arc;

use stead_core::ids::NodeName;
use stead_ports::clock::ManualClock;
use stead_ports::disk::memory::Loss;
use stead_ports::log;

use super::{AGAIN, Job, Running};
use crate::agent;
use crate::invariant::{Breach, Finding};
use crate::life::Life;
use crate::net::Listening;
use crate::plan::moves::Who;
use crate::server::Server;

impl Running {
    /// Begins to start one; it is there once it leads and has replayed.
    pub(super) fn start_server(&mut self) {
        if self.server.is_some() || self.starting.is_some() {
            return;
        }
        let (life, ground) = (Life::new(), self.ground.clone());
        self.starting = Some(life.clone());
        let (snapshots, started) = (self.chance.percent(50), self.started.clone());
        tokio::spawn(async move {
            let server = Server::start(&ground, life.clone(), snapshots).await;
            let _ = started.send((life, server));
        });
    }

    /// What became of a start.
    pub(super) fn server_started(
        &mut self,
        life: &Life,
        server: Result<Option<Server>, log::Error>,
    ) {
        if life.is_dead() {
            return;
        }
        self.starting = None;
        match server {
            Ok(None) => {}
            Ok(Some(server)) => {
                self.truth.tell(|| "server: started".to_string());
                server.load(&self.fleet);
                self.serves(server);
            }
            Err(error) if error.is_transient() || error.code() == "log-write-failed" => {
                self.truth.tell(|| format!("server: cannot start: {error}"));
                let now = self.truth.now();
                self.plan_for(now + AGAIN, Job::StartServer);
            }
            Err(error) => self.truth.fail(Finding {
                name: "log-opens".to_string(),
                sentence: "After every fault the log opens again.".to_string(),
                breach: Breach::new("it opens", error.to_string()),
            }),
        }
    }

    /// From now on it is the one that agents and people reach.
    pub(super) fn serves(&mut self, server: Server) {
        self.net.listen(Some(Listening {
            agents: Arc::clone(&server.agents),
            life: server.life.clone(),
        }));
        self.server = Some(server);
    }

    /// Where the other one is gone, one that went on after a signal is reached again. Whether there is one.
    pub(super) fn falls_back(&mut self) -> bool {
        let awake = |s: &mut Server| !s.life.is_dead() && !s.life.is_paused();
        let Some(other) = self.asleep.take_if(awake) else {
            return false;
        };
        self.serves(other);
        true
    }

    pub(super) fn end_server(&mut self) {
        self.net.listen(None);
        if let Some(server) = self.server.take() {
            server.life.kill();
        }
        if let Some(life) = self.starting.take() {
            life.kill();
        }
        self.net.cut_all();
    }

    pub(super) fn start_agent(&mut self, node: &NodeName) {
        if self.agents.contains_key(node) || self.is_down(node) {
            return;
        }
        let run = self.runs.entry(node.clone()).or_default();
        *run += 1;
        match agent::start(&self.sites[node], *run) {
            Ok(agent) => {
                self.truth.tell(|| format!("{node}: the agent started"));
                self.agents.insert(node.clone(), agent);
            }
            Err(error) => {
                self.truth
                    .tell(|| format!("{node}: the agent cannot start: {error}"));
                let now = self.truth.now();
                self.plan_for(now + AGAIN, Job::StartAgent(node.clone()));
            }
        }
    }

    /// Whether the machine is, and boots later.
    fn is_down(&self, node: &NodeName) -> bool {
        let boots = |job: &Job| matches!(job, Job::Boots { node: n, .. } if n == node);
        self.agenda.values().any(boots)
    }

    /// The process is gone at once. `power`: with what was not synced.
    pub(super) fn end_agent(&mut self, node: &NodeName, power: bool) {
        let Some(agent) = self.agents.remove(node) else {
            return;
        };
        agent.life.kill();
        let disk = &self.sites[node].disk;
        if power {
            let (spool, _, _) = agent.board.spool();
            let synced = agent.board.synced();
            self.truth.note(|h| {
                h.notes.retain(|n| n.spool != spool || n.cursor <= synced);
            });
            disk.cut_power(Loss::Unsynced);
        } else {
            disk.kill();
        }
        self.net.cut(node, Some(0));
    }

    pub(super) fn life_of(&self, who: &Who) -> Option<Life> {
        match who {
            Who::Server => self.server.as_ref().map(|s| s.life.clone()),
            Who::Agent(node) => self.agents.get(node).map(|a| a.life.clone()),
        }
    }

    pub(super) fn clock_of(&self, who: &Who) -> &ManualClock {
        match who {
            Who::Server => &self.clock,
            Who::Agent(node) => &self.sites[node].clock,
        }
    }

    pub(super) fn resume(&mut self, who: &Who) {
        self.truth.tell(|| format!("{who} goes on"));
        let Who::Agent(node) = who else {
            self.wake_server();
            return;
        };
        if let Some(life) = self.life_of(who) {
            life.pause(false);
        }
        self.net.part(node, false);
    }

    /// A server that was stopped goes on. It finds that another one leads by now, or takes its place again.
    pub(super) fn wake_server(&mut self) {
        match self.asleep.take() {
            None => {
                if let Some(server) = &self.server {
                    server.life.pause(false);
                }
            }
            Some(slept) if self.server.is_some() => {
                slept.life.pause(false);
                self.asleep = Some(slept);
            }
            Some(slept) => {
                // Nobody took over: whoever waited to ends.
                if let Some(life) = self.starting.take() {
                    life.kill();
                }
                slept.life.pause(false);
                self.serves(slept);
            }
        }
        self.net.stall_all(false);
    }
}
