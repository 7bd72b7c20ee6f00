//! What the core costs at 10,000 nodes × 20 services: folding the log, one event, a full reconcile, memory.
//!
//! `cargo bench -p stead-core --bench core` prints one line of JSON and one for people per figure. Arguments (all
//! optional): `--nodes N` (10,000), `--services N` (20), `--rounds N` (5).

#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::sync::Arc;
use std::time::Instant;

use stead_core::controller::{Change, Controller, Input, Step};
use stead_core::desired::{
    Check, ContainerDef, DEFINITION_LABEL, Fleet, HttpProbe, Node, Patience, Probe, Service,
    ServiceKind,
};
use stead_core::drift;
use stead_core::event::{DesiredLoaded, Event};
use stead_core::facts::{
    CheckFacts, ContainerFacts, ContainerState, Fact, FactKey, Facts, Health, HostFacts,
    SourceFacts, SourceKind, SourceState, Verdict,
};
use stead_core::ids::NodeName;
use stead_core::policy::Now;
use stead_core::time::{Span, Time};
use stead_core::world::World;

const START: Time = Time(1_795_000_000_000);
/// Events of the flapping stream that is folded.
const STREAM: usize = 500_000;

struct Bench {
    nodes: usize,
    services: usize,
    rounds: usize,
    controller: Controller,
    now: Time,
    cursor: u64,
    /// Filled where a log to fold is wanted.
    log: Option<Vec<Event>>,
}

fn node(n: usize) -> NodeName {
    format!("node-{n:05}").parse().expect("a name")
}

/// Every second service can be created by Stead and was; every fourth has a check of its own.
fn service(s: usize) -> Service {
    let definition = s.is_multiple_of(2).then(|| ContainerDef {
        image: format!("registry.example/team/app-{s}:1.{s}.3"),
        ports: vec![format!("127.0.0.1:{}:80", 8000 + s)],
        volumes: vec![format!("/srv/app-{s}:/data")],
        environment: [
            ("TZ".to_string(), "UTC".to_string()),
            ("MODE".to_string(), "production".to_string()),
        ]
        .into(),
        restart: Some("unless-stopped".to_string()),
        mem_limit: Some(256 << 20),
        ..Default::default()
    });
    let http = |url| HttpProbe {
        url,
        method: "GET".to_string(),
        headers: Default::default(),
        status: Some(200),
        body: None,
        latency: None,
        insecure: false,
    };
    let checks = s.is_multiple_of(4).then(|| Check {
        name: "http".parse().expect("a name"),
        probe: Probe::Http(http(format!("http://127.0.0.1:{}/health", 8000 + s))),
        every: Span::secs(5),
        timeout: Span::secs(5),
        failures: None,
    });
    Service {
        kind: ServiceKind::Container {
            container: format!("app-{s}").parse().expect("a name"),
            definition,
        },
        monitor: true,
        suspended: false,
        needs: Vec::new(),
        patience: Patience::default(),
        checks: checks.into_iter().collect(),
    }
}

fn container(n: usize, s: usize, health: Health, definition: Option<&ContainerDef>) -> Fact {
    let mut labels = [(
        "org.opencontainers.image.source".to_string(),
        "https://example.org/app".to_string(),
    )];
    labels[0].1.push_str(&s.to_string());
    let mut labels: std::collections::BTreeMap<_, _> = labels.into();
    if let Some(definition) = definition {
        labels.insert(DEFINITION_LABEL.to_string(), definition.digest());
    }
    Fact::Container(ContainerFacts {
        id: format!("{:064x}", n * 1000 + s),
        image: format!("registry.example/team/app-{s}:1.{s}.3"),
        image_id: format!("sha256:{:064x}", s),
        created_at: START,
        state: ContainerState::Running,
        health,
        started_at: Some(START),
        labels,
        ports: vec![format!("127.0.0.1:{}->80/tcp", 8000 + s)],
        memory_limit: 256 << 20,
        restart_policy: "unless-stopped".to_string(),
        ..Default::default()
    })
}

fn facts(n: usize, services: &[Service]) -> Facts {
    let up = SourceFacts {
        state: SourceState::Up,
        version: "20.10".to_string(),
        detail: String::new(),
    };
    let host = HostFacts {
        hostname: node(n).to_string(),
        boot_id: format!("{n:032x}"),
        os: "Debian GNU/Linux 12 (bookworm)".to_string(),
        kernel: "6.1.0-28-amd64".to_string(),
        cpus: 2,
        memory_bytes: 4 << 30,
        ..Default::default()
    };
    let mut facts: Facts = [
        (FactKey::Host, Fact::Host(host)),
        (FactKey::Source(SourceKind::Docker), Fact::Source(up)),
    ]
    .into();
    for (s, service) in services.iter().enumerate() {
        let ServiceKind::Container {
            container: name,
            definition,
        } = &service.kind
        else {
            continue;
        };
        facts.insert(
            FactKey::Container(name.clone()),
            container(n, s, Health::Healthy, definition.as_ref()),
        );
        for check in &service.checks {
            let verdict = CheckFacts {
                verdict: Verdict::Passing,
                since: START,
                probe: "http".to_string(),
                asked: format!("GET http://127.0.0.1:{}/health", 8000 + s),
                answer: "200 OK in 3 ms".to_string(),
            };
            let service = format!("app-{s}").parse().expect("a name");
            facts.insert(
                FactKey::Check(service, check.name.clone()),
                Fact::Check(verdict),
            );
        }
    }
    facts
}

impl Bench {
    fn new(nodes: usize, services: usize, rounds: usize) -> Bench {
        let controller = Controller::new(World::default(), "bench");
        Bench {
            nodes,
            services,
            rounds,
            controller,
            now: START,
            cursor: 0,
            log: None,
        }
    }

    fn put(&mut self, input: Input) -> Step {
        self.controller.handle(
            Now {
                at: self.now,
                minute: 720,
                day: 0,
            },
            input,
        )
    }

    /// The fleet's files, then every agent's first snapshot.
    fn populate(&mut self) {
        let services: Vec<Service> = (0..self.services).map(service).collect();
        let named = || {
            services
                .iter()
                .enumerate()
                .map(|(s, d)| (format!("app-{s}").parse().expect("a name"), d.clone()))
        };
        let mut fleet = Fleet {
            name: "bench".to_string(),
            ..Default::default()
        };
        for n in 0..self.nodes {
            fleet.nodes.insert(
                node(n),
                Node {
                    services: named().collect(),
                    ..Default::default()
                },
            );
        }
        self.keep(Input::Started {
            version: "bench".to_string(),
        });
        let loaded = DesiredLoaded {
            digest: "d".to_string(),
            origin: "bench".to_string(),
            ..Default::default()
        };
        self.keep(Input::Desired {
            loaded,
            fleet: Arc::new(fleet),
        });
        for n in 0..self.nodes {
            let at = self.now;
            let facts = facts(n, &services);
            let spool = "s".to_string();
            self.keep(Input::Snapshot {
                node: node(n),
                at,
                facts,
                spool,
                cursor: 1,
                digest: String::new(),
            });
        }
        self.cursor = 1;
    }

    fn keep(&mut self, input: Input) {
        let step = self.put(input);
        if let Some(log) = &mut self.log {
            log.extend(step.events);
        }
    }

    fn everybody_is_heard(&mut self) {
        for n in 0..self.nodes {
            self.put(Input::Heard { node: node(n) });
        }
    }

    /// One container of one node changes its health: from the agent's word to everything that follows from it.
    fn change(&mut self, n: usize, s: usize, health: Health) -> Step {
        self.cursor += 1;
        let ServiceKind::Container {
            container: name,
            definition,
        } = service(s).kind
        else {
            unreachable!()
        };
        let change = Change::Seen(
            FactKey::Container(name),
            container(n, s, health, definition.as_ref()),
        );
        let input = Input::Observed {
            node: node(n),
            at: self.now,
            cursor: self.cursor,
            changes: vec![change],
        };
        self.put(input)
    }
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * q).round() as usize]
}

fn say(name: &str, unit: &str, value: f64) {
    println!(r#"{{"bench":"{name}","value":{value:.4},"unit":"{unit}"}}"#);
    println!("  {name}: {value:.3} {unit}");
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

fn fold(log: &[Event], rounds: usize, base: &World, name: &str) {
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let mut world = base.clone();
        let took = milliseconds(|| log.iter().for_each(|event| world.apply(event)));
        assert_eq!(
            world.head,
            log.last().expect("events").seq,
            "every event was folded"
        );
        rates.push(log.len() as f64 / took * 1e3);
    }
    say(name, "events/s", quantile(&mut rates, 0.5));
}

/// Containers that fall ill and recover, all over the fleet: facts, statements, proposals, cancellations.
fn stream(bench: &mut Bench) -> (World, Vec<Event>) {
    let before = bench.controller.world().clone();
    let mut events = Vec::with_capacity(STREAM + 16);
    let mut n = 0;
    while events.len() < STREAM {
        for health in [Health::Unhealthy, Health::Healthy] {
            events.extend(
                bench
                    .change(n * 7919 % bench.nodes, n % bench.services, health)
                    .events,
            );
        }
        n += 1;
    }
    (before, events)
}

fn one_event(bench: &mut Bench) {
    let mut times = Vec::new();
    let mut led_to = 0;
    for n in 0..5_000 {
        let (on, s) = (n * 7919 % bench.nodes, n % bench.services);
        for health in [Health::Unhealthy, Health::Healthy] {
            times.push(milliseconds(|| {
                led_to += bench.change(on, s, health).events.len()
            }));
        }
    }
    assert!(
        led_to >= 30_000,
        "each change led to a fact, a statement and an action: {led_to}"
    );
    say("core_one_event_p50", "ms", quantile(&mut times, 0.5));
    say("core_one_event_p99", "ms", quantile(&mut times, 0.99));
    say("core_one_event_max", "ms", quantile(&mut times, 1.0));
}

/// The level-triggered pass: a minute after the last one, everybody heard in between.
fn reconcile(bench: &mut Bench, name: &str) {
    let mut times = Vec::new();
    for _ in 0..bench.rounds {
        for _ in 0..5 {
            bench.now = bench.now + Span::secs(11);
            bench.everybody_is_heard();
        }
        bench.now = bench.now + Span::secs(6);
        let mut events = 0;
        times.push(milliseconds(|| {
            events = bench.put(Input::Tick).events.len()
        }));
        assert_eq!(events, 0, "nothing changed, so nothing follows");
        bench.everybody_is_heard();
    }
    say(
        &format!("core_reconcile_{name}"),
        "ms",
        quantile(&mut times, 0.5),
    );
    say(
        &format!("core_reconcile_{name}_max"),
        "ms",
        quantile(&mut times, 1.0),
    );
}

fn idle(bench: &mut Bench) {
    let mut times = Vec::new();
    for n in 0..2_000 {
        let on = node(n % bench.nodes);
        times.push(milliseconds(|| drop(bench.put(Input::Heard { node: on }))));
    }
    say("core_heartbeat_p99", "ms", quantile(&mut times, 0.99));
    let now = bench.now;
    let deadline = milliseconds(|| assert!(bench.controller.next_deadline(now) >= now));
    say("core_next_deadline", "ms", deadline);
}

fn argument(name: &str, default: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next()
        .and(args.next())
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let empty = resident_mib();
    let (nodes, services, rounds) = (
        argument("--nodes", 10_000),
        argument("--services", 20),
        argument("--rounds", 5),
    );
    let mut bench = Bench::new(nodes, services, rounds);
    let took = milliseconds(|| bench.populate());
    let events = bench.controller.world().events_total;
    println!("  {nodes} nodes × {services} services: {events} events");
    say("core_snapshots_in", "events/s", events as f64 / took * 1e3);
    say("core_memory", "MiB", resident_mib() - empty);
    reconcile(&mut bench, "converged");
    idle(&mut bench);
    one_event(&mut bench);
    let share = bench.nodes / 20;
    for n in 0..share {
        bench.change(n * 20, n % bench.services, Health::Unhealthy);
    }
    assert_eq!(bench.controller.drift().len(), share, "one drift each");
    reconcile(&mut bench, "with_drift");
    let all = milliseconds(|| assert_eq!(drift::all(bench.controller.world()).len(), share));
    say("core_drift_from_nothing", "ms", all);
    let (before, events) = stream(&mut bench);
    fold(&events, rounds, &before, "core_fold_stream");
    drop((before, events, bench));
    let mut bench = Bench::new(nodes, services, rounds);
    bench.log = Some(Vec::new());
    bench.populate();
    fold(
        &bench.log.take().unwrap_or_default(),
        rounds,
        &World::default(),
        "core_fold_snapshots",
    );
}
