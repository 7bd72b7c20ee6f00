//! A fleet while it runs: machines, processes, network, and the agenda of what happens to them next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stead_core::desired::{Fleet, Node, ServiceKind};
use stead_core::event::{Kind, Severity};
use stead_core::ids::{ContainerName, NodeName};
use stead_core::subject::Subject;
use stead_engine::replay;
use stead_ports::clock::{Clock, ManualClock, TRUE_RATE};
use stead_ports::disk::MemoryDisk;
use stead_ports::disk::memory::{Fault as DiskFault, Loss};
use stead_ports::log;
use stead_ports::log::memory::{Boundary, Fault as LogFault};
use tokio::sync::mpsc;

use crate::agent::{self, Agent, Site};
use crate::chance::Chance;
use crate::invariant::{Breach, Finding, Moment};
use crate::life::Life;
use crate::log::{Shelf, WatchedLog};
use crate::machine::{Illness, Machine, State};
use crate::net::{Listening, Net};
use crate::person;
use crate::plan::Plan;
use crate::plan::fleet::definition;
use crate::plan::moves::{Deed, Fault, FleetEdit, Trouble, What, Who};
use crate::server::{Ground, Server};
use crate::truth::{BEGAN, Note, Truth};

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
            let now = self.truth.now();
            self.plan_for(now + AGAIN, Job::StartServer);
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
            Job::Boots { node, clean } => self.boot(&node, clean),
            Job::Heal => self.heal(),
        }
    }

    async fn happens(&mut self, what: What) {
        match what {
            What::Trouble { node, trouble } => self.trouble(&node, trouble).await,
            What::Fault(fault) => self.fault(fault),
            What::Deed(Deed::Fleet(edit)) => self.edit(&edit),
            What::Deed(deed) => {
                if let Some(server) = &self.server {
                    person::act(&deed, server, &self.truth);
                }
            }
        }
    }

    // Processes.

    /// Begins to start one; it is there once it leads and has replayed.
    fn start_server(&mut self) {
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
    fn server_started(&mut self, life: &Life, server: Result<Option<Server>, log::Error>) {
        if life.is_dead() {
            return;
        }
        self.starting = None;
        match server {
            Ok(None) => {}
            Ok(Some(server)) => {
                self.truth.tell(|| "server: started".to_string());
                server.load(&self.fleet);
                self.net.listen(Some(Listening {
                    agents: Arc::clone(&server.agents),
                    life: server.life.clone(),
                }));
                self.server = Some(server);
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

    fn end_server(&mut self) {
        self.net.listen(None);
        if let Some(server) = self.server.take() {
            server.life.kill();
        }
        if let Some(life) = self.starting.take() {
            life.kill();
        }
        self.net.cut_all();
    }

    fn start_agent(&mut self, node: &NodeName) {
        if self.agents.contains_key(node) {
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

    /// The process is gone at once. `power`: with what was not synced.
    fn end_agent(&mut self, node: &NodeName, power: bool) {
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

    fn life_of(&self, who: &Who) -> Option<Life> {
        match who {
            Who::Server => self.server.as_ref().map(|s| s.life.clone()),
            Who::Agent(node) => self.agents.get(node).map(|a| a.life.clone()),
        }
    }

    fn clock_of(&self, who: &Who) -> &ManualClock {
        match who {
            Who::Server => &self.clock,
            Who::Agent(node) => &self.sites[node].clock,
        }
    }

    fn resume(&mut self, who: &Who) {
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
    fn wake_server(&mut self) {
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
                self.net.listen(Some(Listening {
                    agents: Arc::clone(&slept.agents),
                    life: slept.life.clone(),
                }));
                self.server = Some(slept);
            }
        }
        self.net.stall_all(false);
    }

    // Faults.

    fn fault(&mut self, fault: Fault) {
        self.truth.tell(|| format!("fault: {fault:?}"));
        match fault {
            Fault::Killed { who, down } => self.end(&who, down, false),
            Fault::PowerCut { who, down } => self.end(&who, down, true),
            Fault::Paused { who, length } => self.pause(who, length),
            Fault::TakenOver { length } => self.take_over(length),
            Fault::Cut { node, late } => self.net.cut(&node, late),
            Fault::Partition { node, length } => {
                self.net.part(&node, true);
                self.plan_in(length, Job::Join(node));
            }
            Fault::ClockJump { who, by } => self.clock_of(&who).step_wall(by),
            Fault::ClockFast { who, length } => {
                self.clock_of(&who).set_rate(2 * TRUE_RATE);
                self.truth.note(|h| h.fast += length);
                self.plan_in(length, Job::ClockTrue(who));
            }
            Fault::LogBroken => self.ground.shelf.faults.arm(LogFault::SyncError),
            Fault::LogTorn { bytes } => {
                let boundary = match bytes % 4 {
                    0 => Boundary::BeforeWrite,
                    1 => Boundary::BeforeSync,
                    2 => Boundary::BeforeAcknowledge,
                    _ => Boundary::TornWrite(bytes as usize),
                };
                self.ground.shelf.faults.arm(LogFault::Crash(boundary));
            }
            Fault::LogFull { length } => {
                self.ground.shelf.faults.set_full(true);
                self.plan_in(length, Job::LogRoom);
            }
            Fault::LogSlow { length, by } => {
                self.ground.shelf.slower.store(by, Ordering::Relaxed);
                self.plan_in(length, Job::LogQuick);
            }
            Fault::AgentDiskFull { node, length } => {
                self.sites[&node].disk.set_room(Some(64));
                self.full.insert(node.clone());
                self.plan_in(length, Job::DiskRoom(node));
            }
            Fault::AgentDiskBroken { node, down } => {
                self.sites[&node].disk.arm(DiskFault::SyncError);
                self.plan_in(
                    down + AGAIN,
                    Job::Happens(What::Fault(Fault::Killed {
                        who: Who::Agent(node),
                        down: 0,
                    })),
                );
            }
        }
    }

    fn end(&mut self, who: &Who, down: u64, power: bool) {
        match who {
            Who::Server => {
                self.end_server();
                if power {
                    if let Some(slept) = self.asleep.take() {
                        slept.life.kill();
                    }
                    let keep = self.chance.below(200) as usize;
                    self.ground.shelf.disk.cut_power(keep);
                }
                self.plan_in(down, Job::StartServer);
            }
            Who::Agent(node) => {
                if self.agents.contains_key(node) {
                    self.end_agent(node, power);
                    self.plan_in(down, Job::StartAgent(node.clone()));
                }
            }
        }
    }

    fn pause(&mut self, who: Who, length: u64) {
        let Some(life) = self.life_of(&who) else {
            return;
        };
        if life.is_paused() {
            return;
        }
        life.pause(true);
        match &who {
            Who::Server => self.net.stall_all(true),
            Who::Agent(node) => self.net.part(node, true),
        }
        self.plan_in(length, Job::Resume(who));
    }

    /// The server is stopped by a signal, and another one on the same store takes the lead; then the first goes on.
    fn take_over(&mut self, length: u64) {
        if self.asleep.is_some() {
            return;
        }
        let Some(server) = self.server.take() else {
            return;
        };
        server.life.pause(true);
        self.net.stall_all(true);
        self.net.listen(None);
        self.asleep = Some(server);
        self.start_server();
        self.plan_in(length, Job::Resume(Who::Server));
    }

    /// Every fault is over, and everybody is there.
    fn heal(&mut self) {
        self.truth.tell(|| "every fault is over".to_string());
        for node in self.net.nodes_parted() {
            self.net.part(&node, false);
        }
        self.ground.shelf.faults.set_full(false);
        self.ground.shelf.slower.store(0, Ordering::Relaxed);
        let nodes: Vec<NodeName> = self.sites.keys().cloned().collect();
        for node in nodes {
            self.sites[&node].disk.set_room(None);
            self.sites[&node].disk.disarm();
            self.start_agent(&node);
        }
        self.full.clear();
        self.edit(&FleetEdit::Restored);
    }

    // Machines.

    fn services_of(&self, node: &NodeName, container: &ContainerName) -> Vec<Subject> {
        let named = |kind: &ServiceKind| matches!(kind, ServiceKind::Container { container: c, .. } if c == container);
        let all = &self.plan.fleet.nodes[node].services;
        let ours = all.iter().filter(|(_, s)| named(&s.kind));
        ours.map(|(name, _)| Subject::Service(node.clone(), name.clone()))
            .collect()
    }

    fn suffers(&self, subjects: Vec<Subject>) {
        self.truth.note(|h| h.suffered.extend(subjects));
    }

    /// Changes a container that is in trouble from now on.
    fn befall(
        &self,
        node: &NodeName,
        container: &ContainerName,
        change: impl FnOnce(&mut State, &ContainerName),
    ) {
        self.suffers(self.services_of(node, container));
        self.sites[node].machine.change(|s| change(s, container));
    }

    async fn trouble(&mut self, node: &NodeName, trouble: Trouble) {
        self.truth.tell(|| format!("{node}: {trouble:?}"));
        let now = self.truth.now();
        let wall = self.sites[node].clock.wall();
        match trouble {
            Trouble::Ill {
                container,
                restarts,
            } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.ill = Some(Illness {
                        since: now,
                        restarts,
                    });
                }
            }),
            Trouble::Exits { container, code } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.running = false;
                    c.exit_code = code;
                }
            }),
            Trouble::Flaps { container, length } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.flaps_until = now + length;
                }
            }),
            Trouble::Removed { container } => self.befall(node, &container, |s, c| {
                s.containers.remove(c);
            }),
            Trouble::StoppedByPerson { container } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.running = false;
                    c.exit_code = 143;
                    c.stopped_by_person = true;
                }
            }),
            Trouble::StartedByPerson { container } => self.befall(node, &container, |s, c| {
                if let Some(c) = s.containers.get_mut(c) {
                    c.restart(now, wall);
                }
            }),
            Trouble::Recreated { container } => self.befall(node, &container, |s, c| {
                s.create(c, None, now, wall);
            }),
            other => self.other_trouble(node, other).await,
        }
    }

    async fn other_trouble(&mut self, node: &NodeName, trouble: Trouble) {
        let now = self.truth.now();
        let machine = self.sites[node].machine.clone();
        match trouble {
            Trouble::UnitFails { unit, restarts } => {
                self.unit_suffers(node, &unit);
                machine.change(|s| {
                    if let Some(u) = s.units.get_mut(&unit) {
                        u.active = "failed";
                        u.ill = Some(Illness {
                            since: now,
                            restarts,
                        });
                    }
                });
            }
            Trouble::UnitStops { unit } => {
                self.unit_suffers(node, &unit);
                machine.change(|s| {
                    if let Some(u) = s.units.get_mut(&unit) {
                        u.active = "inactive";
                    }
                });
            }
            Trouble::Deaf { service, length } => {
                self.suffers(vec![Subject::Service(node.clone(), service.clone())]);
                machine.change(|s| {
                    s.deaf.insert(service, now + length);
                });
            }
            Trouble::Disk { percent } => {
                self.suffers(vec![Subject::Node(node.clone())]);
                machine.change(|s| s.disk = percent);
            }
            Trouble::EngineDown { length } => machine.change(|s| s.down_until = now + length),
            Trouble::EngineHangs { length } => machine.change(|s| s.hung_until = now + length),
            Trouble::Blind { length } => {
                machine.change(|s| s.blind_until = now + length);
                self.end(&Who::Agent(node.clone()), 200, false);
            }
            Trouble::Reboots { clean, away } => self.shut_down(node, clean, away).await,
            Trouble::Noted => self.note(node),
            _ => {}
        }
    }

    fn unit_suffers(&self, node: &NodeName, unit: &stead_core::ids::UnitName) {
        let named =
            |kind: &ServiceKind| matches!(kind, ServiceKind::Systemd { unit: u } if u == unit);
        let all = &self.plan.fleet.nodes[node].services;
        let ours = all.iter().filter(|(_, s)| named(&s.kind));
        let ours = ours.map(|(name, _)| Subject::Service(node.clone(), name.clone()));
        self.suffers(ours.collect());
    }

    /// The machine goes down; the agent with it, in order or not.
    async fn shut_down(&mut self, node: &NodeName, clean: bool, away: u64) {
        let Some(agent) = self.agents.get(node) else {
            return;
        };
        if clean && !agent.life.is_paused() {
            agent.desk.close(Duration::from_millis(500)).await;
            let _ = agent.board.close();
        }
        self.end_agent(node, true);
        // What was under way on it is over.
        self.sites[node].machine.change(|s| s.boot += 1);
        self.plan_in(
            away,
            Job::Boots {
                node: node.clone(),
                clean,
            },
        );
    }

    fn boot(&mut self, node: &NodeName, clean: bool) {
        let now = self.truth.now();
        let site = &self.sites[node];
        let wall = site.clock.wall();
        let boot = site.machine.change(|s| {
            s.reboot(clean, now, wall);
            format!("{node}-{}", s.boot)
        });
        site.clock.reboot(&boot);
        self.truth.tell(|| format!("{node}: booted"));
        self.start_agent(node);
    }

    /// Something happens that is no state; it must reach the log once it was acknowledged.
    fn note(&mut self, node: &NodeName) {
        let Some(agent) = self.agents.get(node) else {
            return;
        };
        let board = &agent.board;
        let (_, _, before) = board.spool();
        let kind = Kind::new("oom_kill").expect("a kind of the simulator is one");
        let subject = Subject::Node(self.sites[node].called.clone());
        board.note(
            kind,
            subject,
            Severity::Warning,
            serde_json::json!({"process": "java"}),
        );
        let (spool, _, cursor) = board.spool();
        if cursor == before + 1 && !self.full.contains(node) {
            let note = Note {
                node: node.clone(),
                id: format!("{spool}-{cursor}"),
                spool,
                cursor,
            };
            self.truth.note(|h| h.notes.push(note));
        }
    }

    // Files.

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
        server.handle.read(|v| {
            self.truth.ask(&Moment::Quiet {
                world: v.world(),
                clock,
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
