//! Many agents in one process, so that a whole server can be measured with them: they dial, answer and send frames as
//! `stead agent` does, each second, and the same numbers can be scraped by a Prometheus at `/metrics/NODE` of `--scrape`.
//!
//! Nothing here looks at a machine, keeps a spool or carries out an order: what is measured is whoever listens.
//!
//! `crowd --server 127.0.0.1:PORT --token TOKEN --nodes N --containers N [--scrape 127.0.0.1:PORT]`; ends with its
//! standard input. Nodes are called `crowd-00`, …, their containers `app-00`, ….

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use futures::StreamExt;
use hyper_util::service::TowerToHyperService;
use stead_core::container_sample::ContainerSample;
use stead_core::facts::{
    ContainerFacts, ContainerState, Fact, FactKey, Health, HostFacts, SourceFacts, SourceKind,
    SourceState,
};
use stead_core::ids::NodeName;
use stead_core::sample::{
    CpuShare, DiskRate, Filesystem, HostSample, Memory, NetworkRate, Pressure, Temperature,
};
use stead_core::time::Time;
use stead_history::corpus::Dice;
use stead_ports::clock::{Clock, SystemClock};
use stead_protocol::agent::{Frame, FrameBody, Hello, VERSION};
use stead_protocol::tunnel::{self, ByteStream};
use stead_server::history::series;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const EACH: Duration = Duration::from_secs(1);
/// Pause before dialling again.
const AGAIN: Duration = Duration::from_millis(500);
const GIB: u64 = 1 << 30;

/// One machine that does not exist.
struct Machine {
    dice: Dice,
    host: HostSample,
    containers: Vec<ContainerSample>,
}

impl Machine {
    fn new(seed: u64, containers: usize) -> Machine {
        let disk = |device: &str| DiskRate {
            device: device.into(),
            read_bytes_s: 0,
            write_bytes_s: 0,
            read_ops_s: 0.0,
            write_ops_s: 0.0,
            latency_ms: 0.0,
            busy: 0.0,
        };
        let filesystem = |mount: &str| Filesystem {
            mount: mount.into(),
            fs: "ext4".into(),
            device: "nvme0n1p2".into(),
            total: 256 * GIB,
            used: 100 * GIB,
            available: 156 * GIB,
            used_percent: 39.1,
            inodes_percent: Some(4.2),
        };
        let network = |name: &str| NetworkRate {
            name: name.into(),
            rx_bytes_s: 0,
            tx_bytes_s: 0,
            errors: 0,
        };
        let temperature = |name: &str| Temperature {
            name: name.into(),
            celsius: 41.0,
        };
        let container = |n: usize| ContainerSample {
            name: app(n).parse().expect("a name"),
            cpu_percent: 0.0,
            memory_bytes: 200 << 20,
            memory_limit: 512 << 20,
            net_rx_per_s: Some(0.0),
            net_tx_per_s: Some(0.0),
            block_read_per_s: 0.0,
            block_write_per_s: 0.0,
        };
        Machine {
            dice: Dice::new(seed),
            host: HostSample {
                memory: Memory {
                    total: 16 * GIB,
                    available: 9 * GIB,
                    cached: 5 * GIB,
                    swap_total: 2 * GIB,
                    ..Memory::default()
                },
                disks: ["sda", "nvme0n1"].map(disk).into(),
                networks: ["eth0", "tailscale0"].map(network).into(),
                filesystems: ["/", "/boot", "/srv"].map(filesystem).into(),
                temperatures: ["package", "nvme"].map(temperature).into(),
                processes: 240,
                oom_kills: Some(0),
                ..HostSample::default()
            },
            containers: (0..containers).map(container).collect(),
        }
    }

    /// A second passes.
    fn step(&mut self, at: Time) {
        let dice = &mut self.dice;
        let mut tenth = |most: f64| (dice.part() * most * 10.0).round() / 10.0;
        let busy = tenth(30.0);
        let host = &mut self.host;
        host.at = at;
        host.cpu = Some(CpuShare {
            user: busy as f32,
            system: tenth(5.0) as f32,
            iowait: tenth(2.0) as f32,
            softirq: tenth(1.0) as f32,
            idle: 62.0,
            ..CpuShare::default()
        });
        (host.load1, host.load5, host.load15) = (tenth(4.0) as f32, tenth(3.0) as f32, 1.5);
        let pressure = Pressure {
            some: tenth(3.0) as f32,
            full: tenth(1.0) as f32,
        };
        (host.psi_cpu, host.psi_memory, host.psi_io) =
            (Some(pressure), Some(Pressure::default()), Some(pressure));
        let moved = (tenth(4096.0) * 4096.0) as u64;
        host.memory.available = 9 * GIB + moved;
        host.memory.used = 7 * GIB - moved;
        for disk in &mut host.disks {
            disk.write_bytes_s = (tenth(5000.0) * 512.0) as u64;
            disk.write_ops_s = tenth(60.0) as f32;
            disk.latency_ms = tenth(9.0) as f32;
            disk.busy = tenth(12.0) as f32;
        }
        for network in &mut host.networks {
            network.rx_bytes_s = tenth(90_000.0) as u64;
            network.tx_bytes_s = tenth(90_000.0) as u64;
        }
        host.uptime = at.0.unsigned_abs() / 1000 % 10_000_000;
        host.running = tenth(6.0) as u32;
        for container in &mut self.containers {
            container.cpu_percent = tenth(20.0);
            container.memory_bytes = (200 << 20) + (tenth(1024.0) as u64) * 4096;
            container.net_rx_per_s = Some(tenth(9_000.0).round());
            container.net_tx_per_s = Some(tenth(9_000.0).round());
            container.block_write_per_s = tenth(50.0).round() * 4096.0;
        }
    }

    /// Its numbers as an exporter tells them.
    fn exposed(&self) -> String {
        let mut text = String::new();
        let mut line = |n: series::Number<'_>| {
            let labels = n.labels.iter().filter(|(name, _)| !name.is_empty());
            let labels: Vec<String> = labels
                .map(|(name, of)| format!("{name}=\"{of}\""))
                .collect();
            text.push_str(&format!(
                "{}{{{}}} {}\n",
                n.metric,
                labels.join(","),
                n.value
            ));
        };
        series::host(&self.host, &mut line);
        for container in &self.containers {
            series::container(container, &mut line);
        }
        text
    }

    /// Everything of it that is no sample.
    fn facts(&self, node: &NodeName, now: Time) -> Vec<(FactKey, Fact)> {
        let source = |version: &str| {
            Fact::Source(SourceFacts {
                state: SourceState::Up,
                version: version.to_owned(),
                detail: String::new(),
            })
        };
        let host = HostFacts {
            hostname: node.to_string(),
            boot_id: format!("boot-{node}"),
            booted_at: Time(now.0 - 86_400_000),
            os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0".to_owned(),
            arch: "x86_64".to_owned(),
            cpus: 4,
            memory_bytes: 16 * GIB,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..HostFacts::default()
        };
        let mut facts = vec![
            (FactKey::Host, Fact::Host(host)),
            (FactKey::Source(SourceKind::Docker), source("29.0.0")),
            (FactKey::Source(SourceKind::Systemd), source("252")),
        ];
        for (n, container) in self.containers.iter().enumerate() {
            let fact = ContainerFacts {
                id: format!("{:0>64x}", n + 1),
                image: format!("registry.lan/team/app-{}:1.{n}", n % 7),
                image_id: format!("sha256:{:0>64x}", n % 7 + 1),
                created_at: Time(now.0 - 80_000_000),
                state: ContainerState::Running,
                health: Health::Healthy,
                started_at: Some(Time(now.0 - 80_000_000)),
                memory_limit: container.memory_limit,
                restart_policy: "unless-stopped".to_owned(),
                ..ContainerFacts::default()
            };
            facts.push((
                FactKey::Container(container.name.clone()),
                Fact::Container(fact),
            ));
        }
        facts
    }
}

fn app(n: usize) -> String {
    format!("app-{n:02}")
}

/// An agent that answers.
#[derive(Clone)]
struct Agent {
    node: NodeName,
    machine: Arc<Mutex<Machine>>,
    clock: Arc<SystemClock>,
}

impl Agent {
    fn with<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn line(&self, cursor: u64, body: FrameBody) -> Bytes {
        let at = self.clock.wall();
        let mut line = serde_json::to_vec(&Frame { cursor, at, body }).expect("a frame");
        line.push(b'\n');
        line.into()
    }

    fn snapshot(&self) -> Bytes {
        let now = self.clock.wall();
        let facts = self.with(|machine| machine.facts(&self.node, now));
        let digest = "crowd".to_owned();
        self.line(1, FrameBody::Snapshot { facts, digest })
    }

    fn sample(&self) -> Bytes {
        let now = self.clock.wall();
        let (host, containers) = self.with(|machine| {
            machine.step(now);
            (Box::new(machine.host.clone()), machine.containers.clone())
        });
        self.line(0, FrameBody::Sample { host, containers })
    }

    fn routes(&self) -> Router {
        let hello = Hello {
            protocol: VERSION,
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            read_only: false,
            spool: format!("{:0>32}", self.node.as_str().len()),
            first: 1,
            last: 1,
        };
        let agent = self.clone();
        let frames = move || {
            let first = futures::stream::once(std::future::ready(agent.snapshot()));
            let mut each = tokio::time::interval(EACH);
            each.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            let rest = futures::stream::unfold((agent.clone(), each), async |(agent, mut each)| {
                each.tick().await;
                Some((agent.sample(), (agent, each)))
            });
            let lines = first.chain(rest).map(Ok::<Bytes, Infallible>);
            std::future::ready(Body::from_stream(lines))
        };
        let taken = || async { StatusCode::NO_CONTENT };
        Router::new()
            .route("/v1/hello", get(move || async move { Json(hello) }))
            .route("/v1/frames", get(frames))
            .route("/v1/ack", post(taken))
            .route("/v1/bundle", put(taken))
    }

    /// Dials again and again.
    async fn run(self, server: SocketAddr, token: String) {
        loop {
            if let Err(error) = self.session(server, &token).await {
                eprintln!("{}: {error}", self.node);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn session(
        &self,
        server: SocketAddr,
        token: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let io = TcpStream::connect(server).await?;
        io.set_nodelay(true)?;
        let mut request = format!("ws://localhost{}", tunnel::PATH).into_client_request()?;
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert("authorization", format!("Bearer {token}").parse()?);
        headers.insert(tunnel::NODE_HEADER, self.node.as_str().parse()?);
        headers.insert(tunnel::PROTOCOL_HEADER, VERSION.into());
        let config = Some(tunnel::config());
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, io, config).await?;
        let service = TowerToHyperService::new(self.routes());
        Ok(tunnel::answer(ByteStream::new(socket), service).await?)
    }
}

/// What a Prometheus scrapes: the numbers of the last second.
async fn expose(address: SocketAddr, agents: Vec<Agent>) {
    let routes = Router::new().route(
        "/metrics/{node}",
        get(move |Path(node): Path<String>| {
            let agent = agents.iter().find(|agent| agent.node.as_str() == node);
            let text = agent.map(|agent| agent.with(|machine| machine.exposed()));
            std::future::ready(text.ok_or(StatusCode::NOT_FOUND))
        }),
    );
    let listener = TcpListener::bind(address).await.expect("--scrape");
    axum::serve(listener, routes).await.expect("scraped");
}

fn argument(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and(args.next())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let number = |name: &str| argument(name).map_or(1, |n| n.parse().expect("a number"));
    let (nodes, containers): (usize, usize) = (number("--nodes"), number("--containers"));
    let server = argument("--server").expect("--server 127.0.0.1:PORT");
    let server: SocketAddr = server.parse().expect("--server 127.0.0.1:PORT");
    let token = argument("--token").expect("--token TOKEN");
    let clock = Arc::new(SystemClock::new());
    let agent = |n: usize| Agent {
        node: format!("crowd-{n:02}").parse().expect("a name"),
        machine: Arc::new(Mutex::new(Machine::new(n as u64, containers))),
        clock: Arc::clone(&clock),
    };
    let agents: Vec<Agent> = (0..nodes).map(agent).collect();
    let mut numbers = 0;
    for agent in &agents {
        agent.with(|machine| machine.step(clock.wall()));
        numbers += agent.with(|machine| machine.exposed().lines().count());
        tokio::spawn(agent.clone().run(server, token.clone()));
    }
    println!("{numbers}");
    if let Some(address) = argument("--scrape") {
        let address = address.parse().expect("--scrape 127.0.0.1:PORT");
        tokio::spawn(expose(address, agents));
    }
    // A thread of its own, not of the runtime: it ends with the process.
    let ended = Arc::new(Notify::new());
    let end = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end.notify_one();
    });
    ended.notified().await;
}
