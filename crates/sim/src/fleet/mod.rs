//! A fleet while it runs: machines, processes, network, and the agenda of what happens to them next.

mod faults;
mod processes;
mod troubles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stead_core::desired::{Fleet, Node, ServiceKind};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_engine::replay;
use stead_ports::clock::{ManualClock, TRUE_RATE};
use stead_ports::disk::MemoryDisk;
use stead_ports::log;
use tokio::sync::mpsc;

use crate::agent::{Agent, Site};
use crate::chance::Chance;
use crate::invariant::{Breach, Finding, Moment};
use crate::life::Life;
use crate::log::{Shelf, WatchedLog};
use crate::machine::Machine;
use crate::net::Net;
use crate::person;
use crate::plan::Plan;
use crate::plan::fleet::definition;
use crate::plan::moves::{Deed, Fault, FleetEdit, What, Who};
use crate::server::{Ground, Server};
use crate::truth::{BEGAN, Truth};

/// A server that stopped by itself, or could not start, is started again after this.
const AGAIN: u64 = 2_000;

/// Something on the agenda.
#[derive(Debug, Clone)]
enum Job {
    Happens(What),
    StartServer,
    StartAgent(NodeName),
    Resume(Who),
    Join(NodeName),
    ClockTrue(Who),
    LogRoom,
    LogQuick,
    DiskRoom(NodeName),
    DiskQuick(NodeName),
    OrdersPass(NodeName),
    Boots {
        node: NodeName,
        clean: bool,
    },
    /// Every fault is over.
    Heal,
}

type Started = (Life, Result<Option<Server>, log::Error>);

/// Something that processes tell by themselves.
#[derive(Debug)]
pub enum Word {
    Stopped(Life),
    Started(Box<Started>),
}

/// Everything that runs.
#[derive(Debug)]
pub struct Running {
    truth: Truth,
    plan: Plan,
    /// The fleet's files as they are now.
    fleet: Fleet,
    sites: BTreeMap<NodeName, Site>,
    agents: BTreeMap<NodeName, Agent>,
    /// Processes each site has had.
    runs: BTreeMap<NodeName, u64>,
    net: Net,
    ground: Ground,
    clock: Arc<ManualClock>,
    server: Option<Server>,
    /// A server that waits for the lead or replays.
    starting: Option<Life>,
    /// One that was stopped by a signal while another took over.
    asleep: Option<Server>,
    started: mpsc::UnboundedSender<Started>,
    starts: mpsc::UnboundedReceiver<Started>,
    stops: mpsc::UnboundedReceiver<Life>,
    /// Nodes whose disk is full: what they say is kept by nobody, and they tell of the gap.
    full: BTreeSet<NodeName>,
    agenda: BTreeMap<(u64, u64), Job>,
    count: u64,
    chance: Chance,
}

impl Running {
    /// Puts the fleet of `plan` together and starts everything.
    pub async fn begin(plan: &Plan, truth: &Truth) -> Running {
        let clock = Arc::new(ManualClock::with_timers(BEGAN));
        let shelf = Shelf::default();
        shelf.sync.store(plan.sync, Ordering::Relaxed);
        let (stopped, stops) = mpsc::unbounded_channel();
        let (started, starts) = mpsc::unbounded_channel();
        let net = Net::new(plan.latency, truth);
        let ground = Ground {
            shelf,
            truth: truth.clone(),
            clock: Arc::<ManualClock>::clone(&clock),
            stopped,
        };
        let mut running = Running {
            truth: truth.clone(),
            plan: plan.clone(),
            fleet: plan.fleet.clone(),
            sites: BTreeMap::new(),
            agents: BTreeMap::new(),
            runs: BTreeMap::new(),
            net,
            ground,
            clock,
            server: None,
            starting: None,
            asleep: None,
            started,
            starts,
            stops,
            full: BTreeSet::new(),
            agenda: BTreeMap::new(),
            count: 0,
            chance: Chance::of(plan.seed, "running"),
        };
        running.start_server();
        for called in &plan.called {
            let site = running.site(&called.node, &called.by);
            running.sites.insert(called.node.clone(), site);
            running.start_agent(&called.node);
        }
        for step in &plan.moves {
            running.plan_for(step.at, Job::Happens(step.what.clone()));
        }
        running.plan_for(plan.faults_end, Job::Heal);
        running
    }

    fn site(&self, node: &NodeName, called: &NodeName) -> Site {
        let empty = Node::default();
        let desired = self.plan.fleet.nodes.get(node).unwrap_or(&empty);
        Site {
            node: node.clone(),
            called: called.clone(),
            machine: Machine::new(node, desired, BEGAN),
            clock: Arc::new(ManualClock::with_timers(BEGAN)),
            disk: MemoryDisk::new(),
            net: self.net.clone(),
            truth: self.truth.clone(),
            seed: self.plan.seed,
            delays: Arc::default(),
        }
    }

    fn plan_for(&mut self, at: u64, job: Job) {
        self.count += 1;
        self.agenda.insert((at, self.count), job);
    }

    /// Bytes under way in the network at once at most.
    pub fn net_peak(&self) -> usize {
        self.net.peak()
    }

    /// In `length`, but not after the faults are over.
    fn plan_in(&mut self, length: u64, job: Job) {
        let now = self.truth.now();
        let at = (now + length).min(self.plan.faults_end.max(now));
        self.plan_for(at, job);
    }

    /// When something is on the agenda next.
    pub fn next(&self) -> u64 {
        self.agenda
            .first_key_value()
            .map_or(u64::MAX, |((at, _), _)| *at)
    }

    /// The next word of a process.
    pub async fn word(&mut self) -> Word {
        tokio::select! {
            biased;
            Some(life) = self.stops.recv() => Word::Stopped(life),
            Some(started) = self.starts.recv() => Word::Started(Box::new(started)),
            else => std::future::pending().await,
        }
    }

    pub fn hear(&mut self, word: Word) {
        match word {
            Word::Stopped(life) => self.server_stopped(&life),
            Word::Started(started) => {
                let (life, server) = *started;
                self.server_started(&life, server);
            }
        }
    }

    /// The engine stopped by itself: the process ends, and is started again.
    fn server_stopped(&mut self, life: &Life) {
        if life.is_dead() {
            return;
        }
        life.kill();
        if self.server.as_ref().is_some_and(|s| s.life.is_dead()) {
            self.end_server();
            if !self.falls_back() {
                let now = self.truth.now();
                self.plan_for(now + AGAIN, Job::StartServer);
            }
        }
        self.asleep.take_if(|s| s.life.is_dead());
    }

    /// Does what is due.
    pub async fn turn(&mut self) {
        let Some((_, job)) = self.agenda.pop_first() else {
            return;
        };
        match job {
            Job::Happens(what) => self.happens(what).await,
            Job::StartServer => self.start_server(),
            Job::StartAgent(node) => self.start_agent(&node),
            Job::Resume(who) => self.resume(&who),
            Job::Join(node) => {
                self.truth.tell(|| format!("{node} can be reached again"));
                self.net.part(&node, false);
            }
            Job::ClockTrue(who) => self.clock_of(&who).set_rate(TRUE_RATE),
            Job::LogRoom => self.ground.shelf.faults.set_full(false),
            Job::LogQuick => self.ground.shelf.slower.store(0, Ordering::Relaxed),
            Job::DiskRoom(node) => {
                self.sites[&node].disk.set_room(None);
                self.full.remove(&node);
            }
            Job::DiskQuick(node) => self.delay(&node, |delays| &delays.sync, 0),
            Job::OrdersPass(node) => self.delay(&node, |delays| &delays.orders, 0),
            Job::Boots { node, clean } => self.boot(&node, clean),
            Job::Heal => self.heal(),
        }
    }

    async fn happens(&mut self, what: What) {
        match what {
            What::Trouble { node, trouble } => self.trouble(&node, trouble).await,
            // Power is never cut for one process alone.
            What::Fault(Fault::PowerCut {
                who: Who::Agent(node),
                down,
            }) => self.shut_down(&node, false, down).await,
            What::Fault(fault) => self.fault(fault),
            What::Deed(Deed::Fleet(edit)) => self.edit(&edit),
            What::Deed(deed) => {
                if let Some(server) = &self.server {
                    person::act(&deed, server, &self.truth);
                }
            }
        }
    }

    fn edit(&mut self, edit: &FleetEdit) {
        self.truth.tell(|| format!("the fleet's files: {edit:?}"));
        match edit {
            FleetEdit::Emptied => self.fleet.nodes.clear(),
            FleetEdit::Restored => self.fleet = self.plan.fleet.clone(),
            FleetEdit::Without { node, service } => {
                if let Some(node) = self.fleet.nodes.get_mut(node) {
                    node.services.remove(service);
                }
            }
            FleetEdit::Redefined { node, service } => {
                self.suffers(vec![Subject::Service(node.clone(), service.clone())]);
                let found = self.fleet.nodes.get_mut(node);
                if let Some(service) = found.and_then(|n| n.services.get_mut(service))
                    && let ServiceKind::Container {
                        definition: Some(there),
                        ..
                    } = &mut service.kind
                {
                    *there = definition(2);
                }
            }
        }
        if let Some(server) = &self.server {
            server.load(&self.fleet);
        }
    }

    /// The end: what must hold once everything is quiet.
    pub async fn quiet(&mut self) {
        let Some(server) = self.server.clone() else {
            self.truth.fail(Finding {
                name: "server-runs".to_string(),
                sentence: "Once faults are over, the server runs.".to_string(),
                breach: Breach::new("it runs", "it does not"),
            });
            return;
        };
        let clock = server.handle.now();
        let told = |agent: &Agent| agent.bundle.borrow().node.clone();
        let told = self.agents.iter().map(|(node, a)| (node.clone(), told(a)));
        let told: BTreeMap<NodeName, Node> = told.collect();
        server.handle.read(|v| {
            self.truth.ask(&Moment::Quiet {
                world: v.world(),
                clock,
                told: &told,
            });
        });
        let life = Life::new();
        match WatchedLog::open(&self.ground.shelf, &self.truth, &life) {
            Ok(log) => match replay(&log, false).await {
                Ok(replayed) => self.truth.ask(&Moment::Replayed {
                    world: &replayed.world,
                }),
                Err(error) => self.unreadable(&error),
            },
            Err(error) => self.unreadable(&error),
        }
    }

    fn unreadable(&self, error: &stead_ports::log::Error) {
        self.truth.fail(Finding {
            name: "log-opens".to_string(),
            sentence: "After every fault the log opens again.".to_string(),
            breach: Breach::new("it is read to its end", error.to_string()),
        });
    }
}
