//! How long a backtest and time travel take over a long log on disk, read cold: a year of a small fleet in which things
//! fall ill, flap, are repaired, redeployed and rebooted, as a controller really logged it.
//!
//! `cargo bench -p stead-engine --bench backtest` prints one line of JSON and one for people per figure. Arguments (all
//! optional): `--events N` (1,000,000), `--rounds N` (3), `--dir PATH` (a temporary folder below the current one).

#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use stead_core::command::Outcome;
use stead_core::controller::{Change, Controller, Effect, Input};
use stead_core::desired::{Fleet, Match, Node, Patience, Policy, Rule, Says, Service, ServiceKind};
use stead_core::event::{DesiredLoaded, Event};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, SourceFacts,
    SourceKind, SourceState,
};
use stead_core::ids::{NodeName, digest};
use stead_core::policy::Now;
use stead_core::time::{Span, Time};
use stead_core::world::World;
use stead_engine::backtest::{Question, backtest};
use stead_engine::{encode, past, zone};
use stead_ports::log::EventLog;
use stead_store::sqlite::{Options, SqliteLog};

/// What the binary has (docs/adr/0067).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NODES: usize = 20;
const SERVICES: usize = 12;
const AT: Time = Time(1_764_000_000_000);
/// Events of one commit.
const GROUP: usize = 2_000;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn node(n: usize) -> NodeName {
    format!("node-{n:02}").parse().expect("a name")
}

fn policy(says: Says) -> Policy {
    let rule = Rule {
        matches: Match {
            action: Some("container_restart".to_string()),
            ..Match::default()
        },
        says,
        between: None,
        days: None,
        hours: None,
    };
    Policy {
        rules: vec![rule],
        ..Policy::default()
    }
}

fn fleet() -> Fleet {
    let service = |s: usize| Service {
        kind: ServiceKind::Container {
            container: format!("app-{s}").parse().expect("a name"),
            definition: None,
        },
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience::default(),
        checks: Vec::new(),
    };
    let services = || {
        (0..SERVICES)
            .map(|s| (format!("app-{s}").parse().expect("a name"), service(s)))
            .collect()
    };
    let of = |n| {
        let node_of = Node {
            services: services(),
            ..Node::default()
        };
        (node(n), node_of)
    };
    Fleet {
        name: "bench".to_string(),
        policy: policy(Says::Automatic(true)),
        nodes: (0..NODES).map(of).collect(),
        ..Fleet::default()
    }
}

fn container(n: usize, s: usize, ill: bool, at: Time, made: u64) -> (FactKey, Fact) {
    let facts = ContainerFacts {
        id: format!("{:064x}", made * 100_000 + (n * 1000 + s) as u64),
        image: format!("registry.example/team/app-{s}:1.{made}.3"),
        image_id: format!("sha256:{s:064x}"),
        created_at: AT,
        state: if ill {
            ContainerState::Exited
        } else {
            ContainerState::Running
        },
        health: Health::None,
        exit_code: ill.then_some(137),
        started_at: Some(at),
        labels: [(
            "org.opencontainers.image.source".to_string(),
            format!("https://example.org/{s}"),
        )]
        .into(),
        ports: vec![format!("127.0.0.1:{}->80/tcp", 8000 + s)],
        memory_limit: 256 << 20,
        restart_policy: "unless-stopped".to_string(),
        ..Default::default()
    };
    (
        FactKey::Container(format!("app-{s}").parse().expect("a name")),
        Fact::Container(facts),
    )
}

/// What a controller logs of such a fleet, appended as it goes.
struct History {
    controller: Controller,
    dice: Dice,
    now: Time,
    cursors: Vec<u64>,
    boots: Vec<u64>,
    made: u64,
    log: Vec<Event>,
    total: usize,
}

impl History {
    fn put(&mut self, input: Input) {
        let step = self.controller.handle(Now::utc(self.now), input);
        self.log.extend(step.events);
        for effect in step.effects {
            self.answer(effect);
        }
    }

    /// Agents do what they are told; what they restarted runs again a few seconds later.
    fn answer(&mut self, effect: Effect) {
        let Effect::Order { node: at, order } = effect else {
            return;
        };
        let outcome = Outcome::Done {
            output: String::new(),
            freed: None,
        };
        self.put(Input::Result {
            action: order.action,
            occurrence: order.occurrence,
            step: order.step,
            attempt: order.attempt,
            outcome,
        });
        let n: usize = at.as_str()[5..].parse().expect("a number");
        let s = order.target.service().expect("a service");
        let s: usize = s.as_str()[4..].parse().expect("a number");
        self.pass(Span::secs(4));
        // One in eight repairs does not hold.
        if self.dice.roll(8) > 0 {
            self.see(n, s, false);
        }
    }

    fn pass(&mut self, span: Span) {
        self.now = self.now + span;
        // The agents' signs of life: all are there.
        for n in 0..NODES {
            self.put(Input::Heard { node: node(n) });
        }
    }

    fn see(&mut self, n: usize, s: usize, ill: bool) {
        self.cursors[n] += 1;
        let (key, fact) = container(n, s, ill, self.now, self.made);
        let input = Input::Observed {
            node: node(n),
            at: self.now,
            cursor: self.cursors[n],
            changes: vec![Change::Seen(key, fact)],
        };
        self.put(input);
    }

    fn snapshot(&mut self, n: usize) {
        let up = SourceFacts {
            state: SourceState::Up,
            version: "20.10".to_string(),
            detail: String::new(),
        };
        let host = HostFacts {
            hostname: node(n).to_string(),
            boot_id: format!("{:032x}", self.boots[n]),
            ..Default::default()
        };
        let mut facts: Facts = [
            (FactKey::Host, Fact::Host(host)),
            (FactKey::Source(SourceKind::Docker), Fact::Source(up)),
        ]
        .into();
        let now = self.now;
        facts.extend((0..SERVICES).map(|s| container(n, s, false, now, self.made)));
        self.cursors[n] += 1;
        let input = Input::Snapshot {
            node: node(n),
            at: now,
            facts,
            spool: "s".to_string(),
            cursor: self.cursors[n],
            digest: String::new(),
        };
        self.put(input);
    }

    /// One thing happens: mostly a container is restarted by somebody, often one falls ill, sometimes more.
    fn happen(&mut self) {
        let (n, s) = (
            self.dice.roll(NODES as u64) as usize,
            self.dice.roll(SERVICES as u64) as usize,
        );
        match self.dice.roll(100) {
            0..60 => self.see(n, s, false),
            60..90 => self.see(n, s, true),
            90..94 => {
                for _ in 0..3 {
                    self.see(n, s, true);
                    self.pass(Span::secs(10));
                    self.see(n, s, false);
                    self.pass(Span::secs(10));
                }
            }
            94..97 => {
                self.made += 1;
                self.see(n, s, false);
            }
            _ => {
                self.boots[n] += 1;
                self.snapshot(n);
            }
        }
        let wait = 5 + self.dice.roll(120);
        self.pass(Span::secs(wait.min(14)));
        for _ in 0..wait / 14 {
            self.pass(Span::secs(14));
        }
    }
}

async fn write(data: &Path, length: usize) -> (usize, Time) {
    let fleet = Arc::new(fleet());
    let bytes = serde_json::to_vec(&*fleet).expect("a document");
    let document = digest(&bytes);
    let log = SqliteLog::open(data, Options::default())
        .await
        .expect("open");
    log.put_document(&document, &bytes)
        .await
        .expect("a document");
    let mut history = History {
        controller: Controller::new(World::default(), "bench"),
        dice: Dice(0x5EED_57EA_D000_0001),
        now: AT,
        cursors: vec![0; NODES],
        boots: vec![0; NODES],
        made: 1,
        log: Vec::new(),
        total: 0,
    };
    history.put(Input::Started {
        version: "bench".to_string(),
    });
    let loaded = DesiredLoaded {
        digest: document,
        origin: "bench".to_string(),
        ..Default::default()
    };
    history.put(Input::Desired { loaded, fleet });
    (0..NODES).for_each(|n| history.snapshot(n));
    while history.total + history.log.len() < length {
        history.happen();
        if history.log.len() >= GROUP {
            let group = std::mem::take(&mut history.log);
            history.total += group.len();
            log.append(group.iter().map(encode).collect())
                .await
                .expect("append");
        }
    }
    let rest = std::mem::take(&mut history.log);
    history.total += rest.len();
    log.append(rest.iter().map(encode).collect())
        .await
        .expect("append");
    log.close().await.expect("close");
    (history.total, history.now)
}

/// Drops the pages of the log's files from the page cache, so that the next read comes from the disk.
fn forget(data: &Path) {
    for entry in std::fs::read_dir(data.join("log"))
        .expect("the log's folder")
        .flatten()
    {
        if let Ok(file) = File::open(entry.path()) {
            file.sync_all().ok();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).ok();
        }
    }
}

async fn open(data: &Path) -> Arc<dyn EventLog> {
    Arc::new(
        SqliteLog::open(data, Options::default())
            .await
            .expect("open"),
    )
}

fn argument(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and(args.next())
}

fn tell(name: &str, mut values: Vec<f64>, unit: &str) {
    values.sort_by(f64::total_cmp);
    let value = values[values.len() / 2];
    println!(r#"{{"bench":"{name}","value":{value:.3},"unit":"{unit}"}}"#);
    println!("  {name}: {value:.3} {unit}");
}

/// The policy of the fleet, and one that asks, over everything.
async fn trials(data: &Path, end: Time, events: usize, rounds: usize) {
    let mut took = Vec::new();
    for round in 0..rounds {
        forget(data);
        let start = Instant::now();
        let log = open(data).await;
        let question = Question {
            policy: policy(Says::Automatic(round % 2 == 0)),
            since: AT,
            until: end,
            zone: zone::offset(0),
        };
        let report = backtest(&log, question, end, None).await.expect("a report");
        took.push(start.elapsed().as_secs_f64());
        // The first snapshots are in the world that the period begins with.
        assert!(
            report.events as usize >= events - 2_000,
            "{}",
            report.events
        );
        let (would, was) = (&report.would.sum, &report.was.sum);
        println!(
            "  round {round}: {} events, {} given, in {:.2} s; automatic {} (was {}), asked {} (was {})",
            report.events,
            report.given,
            took[round],
            would.automatic(),
            was.automatic(),
            would.asked,
            was.asked
        );
        log.close().await.expect("close");
    }
    tell("backtest_1m", took, "s");
}

/// Cold to the middle; then a slider's steps of ten minutes; then far away again, by the marks.
async fn travels(data: &Path, end: Time, rounds: usize) {
    let (mut cold, mut warm, mut far) = (Vec::new(), Vec::new(), Vec::new());
    let middle = Time(AT.0 + (end.0 - AT.0) / 2);
    for _ in 0..rounds {
        forget(data);
        let log = open(data).await;
        let pasts = past::Pasts::default();
        let ms = |start: Instant| start.elapsed().as_secs_f64() * 1000.0;
        let start = Instant::now();
        pasts.at(&log, end, end).await.expect("a past");
        cold.push(ms(start));
        pasts.at(&log, middle, end).await.expect("a past");
        for step in 1..=20 {
            let at = middle + Span::mins(10 * step);
            let start = Instant::now();
            pasts.at(&log, at, end).await.expect("a past");
            warm.push(ms(start));
        }
        for part in [1, 5, 2, 7, 3] {
            let at = Time(AT.0 + (end.0 - AT.0) / 8 * part - 1);
            let start = Instant::now();
            pasts.at(&log, at, end).await.expect("a past");
            far.push(ms(start));
        }
        log.close().await.expect("close");
    }
    tell("past_cold_1m", cold, "ms");
    tell("past_step", warm, "ms");
    tell("past_far", far, "ms");
}

fn main() {
    let number = |name: &str, default: usize| {
        argument(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let (length, rounds) = (number("--events", 1_000_000), number("--rounds", 3));
    let parent = argument("--dir").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::Builder::new()
        .prefix("bench-backtest-")
        .tempdir_in(parent)
        .expect("a folder to write in");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let (events, end) = write(dir.path(), length).await;
        println!("  {events} events of {} days", end.since(AT).0 / 86_400_000);
        trials(dir.path(), end, events, rounds).await;
        travels(dir.path(), end, rounds).await;
    });
}
