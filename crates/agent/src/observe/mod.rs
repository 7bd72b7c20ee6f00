//! Looks at the node: the machine each second, engine and manager by their events, checks at their intervals. What is
//! seen goes onto the board; what is done about it is decided elsewhere.
//!
//! Bounds: [`stead_adapters::observation::BOUND`] observations wait; [`checks::AT_ONCE`] questions are under way.

pub mod checks;
mod memory;
mod seen;
mod sync;
pub mod wishes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stead_adapters::compose::Compose;
use stead_adapters::docker::{self, Docker};
use stead_adapters::host::{Host, Levels, OomWatch};
use stead_adapters::observation::{self, Observation, Receiver};
use stead_adapters::ollama::Ollama;
use stead_adapters::probe::{ProbeResult, Prober};
use stead_adapters::systemd::Systemd;
use stead_core::desired::Bundle;
use stead_core::event::{Kind, Severity};
use stead_core::facts::{Fact, FactKey, Facts, HostFacts, Limit, SourceKind};
use stead_core::ids::{ContainerName, NodeName, ServiceName};
use stead_core::sample::OomKill;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_ports::clock::Clock;
use stead_ports::disk::Disk;
use stead_ports::watch;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Change};
use crate::history::History;
use checks::{Checks, Key};
use memory::Memory;
use sync::Sync;
use wishes::Wishes;

/// Changes that come within this are told together; a lone one is told at once.
const TOGETHER: Duration = Duration::from_millis(5);
/// What the machine is, is looked at this often.
const FACTS_EVERY: u64 = 60;
/// A source that has said nothing by then is told as down, and everything else goes on.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// Observations taken in one go.
const BATCH: usize = 256;

/// What an observer looks at and whom it tells.
#[derive(Debug)]
pub struct Sources {
    pub node: NodeName,
    pub board: Board,
    pub docker: Docker,
    pub compose: Compose,
    pub systemd: Systemd,
    pub ollama: Ollama,
    pub host: Host,
    /// Whether the boot before this one ended in order, where the machine's own record does not say.
    pub clean_shutdown: Option<bool>,
    pub read_only: bool,
    pub bundle: watch::Receiver<Arc<Bundle>>,
    pub measure: mpsc::Receiver<oneshot::Sender<()>>,
    pub clock: Arc<dyn Clock>,
    pub disk: Arc<dyn Disk>,
    /// Where each second is kept, if it is.
    pub history: Option<History>,
    /// Where stops by a person are remembered across restarts of the agent.
    pub memory: PathBuf,
}

#[derive(Debug)]
pub struct Observer {
    sources: Sources,
    levels: Levels,
    oom: OomWatch,
    sampler: docker::Sampler,
    checks: Checks,
    prober: Arc<Prober>,
    asking: JoinSet<(Key, u64, ProbeResult)>,
    question: u64,
    pending: Vec<Change>,
    told: Instant,
    sync: Sync,
    memory: Memory,
    seconds: u64,
    /// What was last said that the agent cannot do.
    limit: Option<Limit>,
    /// Folder and project of the containers compose made.
    composed: BTreeMap<ContainerName, (String, String)>,
}

impl Observer {
    pub fn new(sources: Sources) -> Observer {
        let memory = Memory::open(Arc::clone(&sources.disk), sources.memory.clone());
        sources.docker.remember(memory.facts());
        let own = seen::Own {
            board: sources.board.clone(),
            docker: sources.docker.clone(),
        };
        Observer {
            levels: Levels::new(),
            oom: sources.host.oom_watch(),
            sampler: sources.docker.sampler(),
            checks: Checks::default(),
            prober: Arc::new(Prober::new(Arc::new(own))),
            asking: JoinSet::new(),
            question: 0,
            pending: Vec::new(),
            told: Instant::now(),
            sync: Sync::default(),
            memory,
            seconds: 0,
            limit: None,
            composed: BTreeMap::new(),
            sources,
        }
    }

    /// Looks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let (out, mut observations) = observation::channel();
        let mut watches = JoinSet::new();
        let Sources {
            docker,
            systemd,
            compose,
            ollama,
            ..
        } = &self.sources;
        let (docker, systemd, compose) = (docker.clone(), systemd.clone(), compose.clone());
        let ollama = ollama.clone();
        self.rebundle();
        if ollama.is_named() {
            self.sync.expect(SourceKind::Ollama);
        }
        watches.spawn({
            let out = out.clone();
            async move { docker.watch(out).await }
        });
        watches.spawn({
            let out = out.clone();
            async move { systemd.watch(out).await }
        });
        watches.spawn({
            let out = out.clone();
            async move { ollama.watch(out).await }
        });
        watches.spawn(async move { compose.watch(out).await });
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let patience = tokio::time::sleep(FIRST_LOOK);
        tokio::pin!(patience);
        let mut bundle = self.sources.bundle.clone();
        loop {
            let steady = self.sources.clock.up();
            let due = self
                .checks
                .next(steady_time(steady))
                .map(|at| at.0.saturating_sub(steady as i64).max(0));
            let due = Duration::from_millis(due.unwrap_or(60_000).unsigned_abs());
            tokio::select! {
                () = stop.cancelled() => return,
                Some(observation) = observations.recv() => self.take_all(observation, &mut observations),
                () = tokio::time::sleep_until(self.told + TOGETHER), if !self.pending.is_empty() => self.tell(),
                Some(Ok(answer)) = self.asking.join_next(), if !self.asking.is_empty() => self.answered(answer),
                () = tokio::time::sleep(due) => {}
                _ = second.tick() => self.second(),
                Ok(()) = bundle.changed() => self.rebundle(),
                Some(done) = self.sources.measure.recv() => {
                    self.measure();
                    let _ = done.send(());
                }
                () = &mut patience, if !self.sync.is_done() => {
                    let late = self.sync.give_up();
                    self.pending.extend(late);
                }
            }
            self.ask();
            if self.told.elapsed() >= TOGETHER {
                self.tell();
            }
        }
    }

    fn take_all(&mut self, first: Observation, more: &mut Receiver) {
        self.take(first);
        for _ in 1..BATCH {
            match more.try_recv() {
                Ok(observation) => self.take(observation),
                Err(_) => break,
            }
        }
    }

    fn take(&mut self, observation: Observation) {
        self.sync.saw(&observation);
        match observation {
            Observation::Put(key, fact) => {
                if let (FactKey::Container(name), Fact::Container(container)) = (&key, &*fact) {
                    let folder = container.compose_folder().unwrap_or_default().to_owned();
                    let project = container.compose_project().unwrap_or_default().to_owned();
                    let new = !folder.is_empty()
                        && self
                            .composed
                            .insert(name.clone(), (folder, project))
                            .is_none();
                    if new {
                        self.wish();
                    }
                    self.memory.saw(name, Some(container));
                }
                self.pending.push((key, Some(*fact)));
            }
            Observation::Gone(key) => {
                if let FactKey::Container(name) = &key {
                    self.composed.remove(name);
                    self.memory.saw(name, None);
                }
                self.pending.push((key, None));
            }
            Observation::Synced(SourceKind::Docker) => self.memory.settled(),
            Observation::Synced(_) => {}
            Observation::Note { code, text } => {
                tracing::warn!(code, text, "noted");
                let data = serde_json::json!({ "code": code, "text": text });
                self.note(
                    "agent_note",
                    Subject::Node(self.sources.node.clone()),
                    Severity::Info,
                    data,
                );
            }
        }
    }

    fn note(&self, kind: &str, subject: Subject, severity: Severity, data: serde_json::Value) {
        if let Ok(kind) = Kind::new(kind) {
            self.sources.board.note(kind, subject, severity, data);
        }
    }

    /// Hands what is new to the board, and says once when everything was looked at.
    fn tell(&mut self) {
        if !self.pending.is_empty() {
            self.sources.board.apply(std::mem::take(&mut self.pending));
            self.told = Instant::now();
        }
        if self.sync.take_done() {
            self.sources.board.set_ready();
            let data = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") });
            self.note(
                "agent_started",
                Subject::Node(self.sources.node.clone()),
                Severity::Info,
                data,
            );
        }
        self.memory.save();
    }

    fn second(&mut self) {
        let history = self.sources.history.as_ref();
        let limit = history.and_then(History::limit);
        let host = &mut self.sources.host;
        if self.seconds.is_multiple_of(FACTS_EVERY) || limit != self.limit {
            self.limit.clone_from(&limit);
            let mut facts = host.facts();
            facts.clean_shutdown = facts.clean_shutdown.or(self.sources.clean_shutdown);
            let facts = HostFacts {
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                read_only: self.sources.read_only,
                limit: limit.map(Box::new),
                ..facts
            };
            self.pending.push((FactKey::Host, Some(Fact::Host(facts))));
        }
        self.seconds += 1;
        self.sample();
        self.sync.measured();
    }

    fn sample(&mut self) {
        let wall = self.sources.clock.wall();
        let sample = self.sources.host.sample(wall);
        let bundle = self.sources.bundle.borrow();
        // Before its first bundle nobody has said what is too much here.
        if !bundle.digest.is_empty() {
            self.pending
                .extend(self.levels.observe(sample, &bundle.node.thresholds));
        }
        drop(bundle);
        let kills = self.oom.poll(wall, sample.oom_kills);
        let history = self.sources.history.as_ref();
        if history.is_some() || self.sources.board.has_readers() {
            let containers = self
                .sampler
                .sample(Duration::from_millis(self.sources.clock.up()));
            if let Some(history) = history {
                history.offer(sample, &containers);
            }
            self.sources.board.sample(sample, containers);
        }
        for kill in kills {
            let subject = self.killed(&kill);
            let data = serde_json::to_value(&kill).unwrap_or_default();
            self.note("oom_kill", subject, Severity::Warning, data);
        }
    }

    /// Measures now, space included, and tells what crossed a threshold.
    fn measure(&mut self) {
        self.sources.host.hurry();
        self.sample();
        self.tell();
    }

    /// Whose process the kernel killed.
    fn killed(&self, kill: &OomKill) -> Subject {
        let node = self.sources.node.clone();
        let by_id = |id: &String| {
            self.sources.board.facts(|facts| {
                facts.iter().find_map(|(key, fact)| match (key, fact) {
                    (FactKey::Container(name), Fact::Container(c)) if c.id == *id => {
                        Some(name.clone())
                    }
                    _ => None,
                })
            })
        };
        if let Some(name) = kill.container.as_ref().and_then(by_id) {
            return Subject::Container(node, name);
        }
        match kill.unit.as_deref().and_then(|unit| unit.parse().ok()) {
            Some(unit) => Subject::Unit(node, unit),
            None => Subject::Node(node),
        }
    }

    /// A new bundle: what to look at, how patiently, under which thresholds.
    fn rebundle(&mut self) {
        let bundle = self.sources.bundle.borrow().clone();
        let gone = self
            .checks
            .set(&bundle.node, steady_time(self.sources.clock.up()));
        self.pending.extend(gone);
        self.sources.host.hurry();
        self.wish();
    }

    fn wish(&mut self) {
        let bundle = self.sources.bundle.borrow().clone();
        let wishes = Wishes::of(&bundle.node, &self.composed);
        for (service, why) in &wishes.refused {
            tracing::warn!(%service, why, "its compose file is not watched");
        }
        self.sources.docker.set_patience(wishes.patience);
        self.sources.systemd.set_units(wishes.units);
        self.sources.compose.set_services(wishes.compose);
        self.sources.ollama.set_server(bundle.node.ollama.clone());
    }

    fn ask(&mut self) {
        for question in self
            .checks
            .due(steady_time(self.sources.clock.up()), &mut self.question)
        {
            let prober = Arc::clone(&self.prober);
            self.asking.spawn(async move {
                let result = prober.ask(&question.probe, question.timeout).await;
                (question.key, question.number, result)
            });
        }
    }

    /// When a service was last started, as far as it is known.
    fn started(&self, service: &ServiceName) -> Option<Time> {
        let bundle = self.sources.bundle.borrow().clone();
        let kind = &bundle.node.services.get(service)?.kind;
        self.sources
            .board
            .facts(|facts| wishes::started(facts, kind))
    }

    fn answered(&mut self, (key, number, result): (Key, u64, ProbeResult)) {
        let started = self.checks.asks_start(&key).then(|| self.started(&key.0));
        let wall = self.sources.clock.wall();
        let change = self
            .checks
            .answered(&key, number, wall, &result, started.flatten());
        self.pending.extend(change);
    }
}

/// The steady clock as the schedules take it.
fn steady_time(up: u64) -> Time {
    Time(i64::try_from(up).unwrap_or(i64::MAX))
}

/// The facts of stopped containers, as the engine's adapter wants to be reminded of them.
type Stopped = Facts;
