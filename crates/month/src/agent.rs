//! The binary's agent on an invented machine: its own board, spool, journal, desk, frames and routes; only what touches the
//! machine is another's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use stead_agent::board::Board;
use stead_agent::bundle;
use stead_agent::journal::Journal;
use stead_agent::journal::ledger::Rules;
use stead_agent::order::Desk;
use stead_agent::order::hands::Hands;
use stead_agent::routes::{self, Parties, Via};
use stead_agent::session;
use stead_agent::spool::{self, Spool};
use stead_core::command::{Command, Order, Outcome};
use stead_core::desired::Bundle;
use stead_core::event::{Kind, Severity};
use stead_core::facts::{Fact, FactKey};
use stead_core::ids::NodeName;
use stead_core::judge::Levels;
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_ports::clock::{Clock, ManualClock};
use stead_ports::disk::{Disk, MemoryDisk};
use stead_ports::entropy::{Entropy, SeededEntropy};
use stead_ports::watch;
use stead_server::agents::Agents;
use stead_sim::chance::Chance;
use stead_sim::wire::{self, Gauge};
use tokio_util::sync::CancellationToken;

use crate::course::Entry;
use crate::house::{House, named};
use crate::places::Place;

/// What an agent shows.
pub const TOKEN: &str = "month";
/// Milliseconds on the way to the server.
const LATENCY: u64 = 3;
/// Between two attempts to reach the server.
const AGAIN: Duration = Duration::from_secs(4);
/// Disks and sensors are read this often.
const SPACE: i64 = 10_000;
/// An engine takes so long to restart a container.
const TAKES: Duration = Duration::from_millis(2_300);

/// A machine and what is known about when to look at it. It outlives the agent's processes.
#[derive(Debug, Clone)]
pub struct Site {
    node: NodeName,
    house: Arc<Mutex<House>>,
    clock: Arc<ManualClock>,
    disk: MemoryDisk,
    agents: Arc<Agents>,
    pace: watch::Receiver<Duration>,
}

/// What runs at a site until the machine goes down.
struct Process {
    board: Board,
    bundle: watch::Receiver<Arc<Bundle>>,
    stop: CancellationToken,
}

impl Site {
    pub fn new(
        place: &'static Place,
        seed: u64,
        begins: Time,
        agents: &Arc<Agents>,
        pace: watch::Receiver<Duration>,
    ) -> Site {
        Site {
            node: named(place.name),
            house: Arc::new(Mutex::new(House::new(place, seed, begins))),
            clock: Arc::new(ManualClock::with_timers(begins)),
            disk: MemoryDisk::new(),
            agents: Arc::clone(agents),
            pace,
        }
    }

    fn house(&self) -> MutexGuard<'_, House> {
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lives through `course`, and on, until `stop`.
    pub async fn live(self, course: Vec<Entry>, stop: CancellationToken) -> Result<()> {
        let mut course = course.into_iter().peekable();
        let mut levels = Levels::new();
        let mut process = self.start()?;
        loop {
            let now = self.clock.wall();
            self.house().pass(now);
            while let Some(entry) = course.next_if(|entry| entry.at <= now) {
                let killed = self.house().happens(entry.what, now);
                if let Some((container, id)) = killed {
                    let data = serde_json::json!({ "at": now, "count": 1, "comm": "node", "container": id, "limit": true });
                    let subject = Subject::Container(self.node.clone(), container);
                    process
                        .board
                        .note(Kind::new("oom_kill")?, subject, Severity::Warning, data);
                }
            }
            if self.house().is_off(now) {
                process.stop.cancel();
                let until = self.house().off_until;
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(until.since(now).0)) => {}
                }
                let boots = self.house().boots;
                self.clock.reboot(&format!("{}-{boots}", self.node));
                process = self.start()?;
                levels = Levels::new();
                continue;
            }
            self.look(&process, &mut levels, now);
            let pace = *self.pace.borrow();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pace) => {}
            }
        }
        process.stop.cancel();
        process.board.close()?;
        Ok(())
    }

    /// What changed, and what is measured.
    fn look(&self, process: &Process, levels: &mut Levels, now: Time) {
        let (facts, (host, containers)) = {
            let mut house = self.house();
            let space = now.0.rem_euclid(SPACE) < self.pace.borrow().as_millis() as i64;
            (house.facts(now), house.measure(now, space))
        };
        let thresholds = process.bundle.borrow().node.thresholds;
        let gone = process.board.facts(|before| {
            let ours =
                |key: &&FactKey| !matches!(key, FactKey::Level(_)) && !facts.contains_key(*key);
            before
                .keys()
                .filter(ours)
                .map(|key| (key.clone(), None))
                .collect::<Vec<(_, Option<Fact>)>>()
        });
        let seen = facts.into_iter().map(|(key, fact)| (key, Some(fact)));
        let crossed = levels.observe(&host, &thresholds);
        process
            .board
            .apply(seen.chain(gone).chain(crossed).collect());
        process.board.set_ready();
        process.board.sample(&host, containers);
    }

    /// Starts the agent's process.
    fn start(&self) -> Result<Process> {
        let stop = CancellationToken::new();
        let boots = self.house().boots;
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let disk: Arc<dyn Disk> = self.disk.mount();
        let seed = Chance::of(u64::from(boots), self.node.as_str()).draw();
        let entropy: &dyn Entropy = &SeededEntropy::new(seed);
        let folder = Path::new("/agent/spool");
        let options = spool::Options::default();
        let (spool, _) = Spool::open(
            Arc::clone(&disk),
            folder,
            options,
            &clock.boot(),
            entropy.array(),
        )?;
        let (journal, _) = Journal::open(Arc::clone(&disk), Path::new("/agent/journal"))?;
        let board = Board::new(spool, Arc::clone(&clock));
        let store = bundle::Store::at(disk, PathBuf::from("/agent/bundle.json"));
        let (bundle, bundles) = watch::channel(Arc::new(store.load()));
        let rules = Rules {
            node: self.node.clone(),
            read_only: false,
        };
        let hands = Arc::new(HouseHands(self.clone()));
        let desk = Desk::new(rules, journal, board.clone(), hands, Arc::clone(&clock));
        let parties = Parties {
            node: self.node.clone(),
            token: TOKEN.to_string(),
            read_only: false,
            board: board.clone(),
            desk: desk.clone(),
            docker: None,
            systemd: None,
            patcher: None,
            ollama: None,
            history: None,
            clock,
            bundle,
            store,
            stop: stop.clone(),
        };
        let routes = routes::router(routes::Agent(Arc::new(parties)), Via::Tunnel);
        tokio::spawn({
            let (board, stop) = (board.clone(), stop.clone());
            async move { board.sync(stop).await }
        });
        desk.recover();
        tokio::spawn(self.clone().link(routes, stop.clone()));
        Ok(Process {
            board,
            bundle: bundles,
            stop,
        })
    }

    /// Keeps a link to the server while the machine has a network.
    async fn link(self, routes: Router, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let linked = async {
                while self.is_away() {
                    tokio::time::sleep(AGAIN).await;
                }
                let (ours, theirs, wire) = wire::pair(LATENCY, &Gauge::default());
                let (agents, node) = (Arc::clone(&self.agents), self.node.clone());
                tokio::spawn(async move { agents.serve(node, theirs).await });
                tokio::select! {
                    biased;
                    () = self.cut() => wire.cut(None),
                    _ = session::answer(ours, routes.clone(), &stop) => {}
                }
                tokio::time::sleep(AGAIN).await;
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = linked => {}
            }
        }
    }

    fn is_away(&self) -> bool {
        let now = self.clock.wall();
        now < self.house().away_until
    }

    /// Ends once the network is away.
    async fn cut(&self) {
        while !self.is_away() {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What carries out orders on an invented machine.
#[derive(Debug)]
struct HouseHands(Site);

#[async_trait]
impl Hands for HouseHands {
    async fn carry_out(&self, order: &Order, _: Duration) -> Outcome {
        tokio::time::sleep(TAKES).await;
        let now = self.0.clock.wall();
        if self.0.house().obey(&order.command, now) {
            let freed =
                matches!(order.command, Command::DiskCleanup { .. }).then_some(1_610_612_736);
            return Outcome::Done {
                output: String::new(),
                freed,
            };
        }
        Outcome::Failed {
            code: "target-changed".to_string(),
            why: "it is not there as it was planned".to_string(),
            output: String::new(),
        }
    }

    /// The site looks every few seconds whatever happens; what it sees then is new enough.
    async fn look_again(&self, _: &Command) {
        let pace = *self.0.pace.borrow();
        tokio::time::sleep(pace + Duration::from_secs(1)).await;
    }

    async fn quiet(&self, _: &Command) -> Duration {
        Duration::ZERO
    }

    fn claim(&self, _: &Command, _: Span) -> Box<dyn Send> {
        Box::new(())
    }
}
