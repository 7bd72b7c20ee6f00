//! How long a start takes: real events of a fleet whose containers fall ill and recover, read cold from the disk and
//! folded from nothing.
//!
//! `cargo bench -p stead-engine --bench replay` prints one line of JSON and one for people per figure. Arguments (all
//! optional): `--events N` (400,000), `--rounds N` (3), `--dir PATH` (a temporary folder below the current one).

#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use stead_core::controller::{Change, Controller, Input};
use stead_core::desired::{Fleet, Node, Patience, Service, ServiceKind};
use stead_core::event::{DesiredLoaded, Event};
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts, SourceFacts,
    SourceKind, SourceState,
};
use stead_core::ids::{NodeName, digest};
use stead_core::policy::Now;
use stead_core::time::Time;
use stead_core::world::World;
use stead_engine::{encode, replay, world_digest};
use stead_ports::log::EventLog;
use stead_store::sqlite::{Options, SqliteLog};

const NODES: usize = 1_000;
const SERVICES: usize = 20;
const AT: Time = Time(1_795_000_000_000);
/// Events of one commit.
const GROUP: usize = 2_000;

fn node(n: usize) -> NodeName {
    format!("node-{n:04}").parse().expect("a name")
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
    let nodes = (0..NODES)
        .map(|n| {
            (
                node(n),
                Node {
                    services: services(),
                    ..Default::default()
                },
            )
        })
        .collect();
    Fleet {
        name: "bench".to_string(),
        nodes,
        ..Default::default()
    }
}

fn container(n: usize, s: usize, health: Health) -> (FactKey, Fact) {
    let facts = ContainerFacts {
        id: format!("{:064x}", n * 1000 + s),
        image: format!("registry.example/team/app-{s}:1.{s}.3"),
        image_id: format!("sha256:{s:064x}"),
        created_at: AT,
        state: ContainerState::Running,
        health,
        started_at: Some(AT),
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

fn facts(n: usize) -> Facts {
    let up = SourceFacts {
        state: SourceState::Up,
        version: "20.10".to_string(),
        detail: String::new(),
    };
    let host = HostFacts {
        hostname: node(n).to_string(),
        boot_id: format!("{n:032x}"),
        ..Default::default()
    };
    let mut facts: Facts = [
        (FactKey::Host, Fact::Host(host)),
        (FactKey::Source(SourceKind::Docker), Fact::Source(up)),
    ]
    .into();
    facts.extend((0..SERVICES).map(|s| container(n, s, Health::Healthy)));
    facts
}

/// What a controller logs of such a fleet, and the world it ends with.
fn history(fleet: Arc<Fleet>, document: &str, length: usize) -> (Vec<Event>, Controller) {
    let mut controller = Controller::new(World::default(), "bench");
    let mut log = Vec::with_capacity(length + GROUP);
    let mut put = |input| {
        log.extend(
            controller
                .handle(
                    Now {
                        at: AT,
                        minute: 720,
                        day: 0,
                    },
                    input,
                )
                .events,
        )
    };
    put(Input::Started {
        version: "bench".to_string(),
    });
    let loaded = DesiredLoaded {
        digest: document.to_string(),
        origin: "bench".to_string(),
        ..Default::default()
    };
    put(Input::Desired { loaded, fleet });
    for n in 0..NODES {
        let (spool, digest) = ("s".to_string(), String::new());
        put(Input::Snapshot {
            node: node(n),
            at: AT,
            facts: facts(n),
            spool,
            cursor: 1,
            digest,
        });
    }
    let mut n = 0;
    while log.len() < length {
        for (i, health) in [Health::Unhealthy, Health::Healthy].into_iter().enumerate() {
            let (key, fact) = container(n * 7919 % NODES, n % SERVICES, health);
            let cursor = 2 + 2 * n as u64 + i as u64;
            let changes = vec![Change::Seen(key, fact)];
            let input = Input::Observed {
                node: node(n * 7919 % NODES),
                at: AT,
                cursor,
                changes,
            };
            log.extend(
                controller
                    .handle(
                        Now {
                            at: AT,
                            minute: 720,
                            day: 0,
                        },
                        input,
                    )
                    .events,
            );
        }
        n += 1;
    }
    (log, controller)
}

async fn write(data: &Path, length: usize) -> (usize, String) {
    let fleet = Arc::new(fleet());
    let bytes = serde_json::to_vec(&*fleet).expect("a document");
    let document = digest(&bytes);
    let (events, controller) = history(fleet, &document, length);
    let log = SqliteLog::open(data, Options::default())
        .await
        .expect("open");
    log.put_document(&document, &bytes)
        .await
        .expect("a document");
    for group in events.chunks(GROUP) {
        log.append(group.iter().map(encode).collect())
            .await
            .expect("append");
    }
    log.close().await.expect("close");
    (events.len(), world_digest(controller.world()))
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

fn argument(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and(args.next())
}

fn main() {
    let number = |name: &str, default: usize| {
        argument(name)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let (length, rounds) = (number("--events", 400_000), number("--rounds", 3));
    let parent = argument("--dir").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::Builder::new()
        .prefix("bench-replay-")
        .tempdir_in(parent)
        .expect("a folder to write in");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let (events, world) = write(dir.path(), length).await;
        let mut rates = Vec::new();
        for round in 0..rounds {
            forget(dir.path());
            let start = Instant::now();
            let log = SqliteLog::open(dir.path(), Options::default())
                .await
                .expect("open");
            let replayed = replay(&log, false).await.expect("replay");
            let took = start.elapsed().as_secs_f64();
            assert_eq!(replayed.folded, events as u64, "every event was folded");
            assert_eq!(
                world_digest(&replayed.world),
                world,
                "replay gives the world that was"
            );
            println!("  round {round}: {events} events from disk in {took:.2} s");
            rates.push(events as f64 / took);
            log.close().await.expect("close");
        }
        rates.sort_by(f64::total_cmp);
        let rate = rates[rates.len() / 2];
        println!(r#"{{"bench":"replay_cold","value":{rate:.0},"unit":"events/s"}}"#);
        println!("  replay_cold: {rate:.0} events/s");
    });
}
