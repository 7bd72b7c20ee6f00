//! Puts an agent together and runs it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use stead_adapters::act::Adapters;
use stead_adapters::compose::{self, Compose};
use stead_adapters::docker::{self, Docker};
use stead_adapters::host::{Host, Marker};
use stead_adapters::ollama::{self, Ollama};
use stead_adapters::systemd::{self, Systemd};
use stead_core::desired::Access;
use stead_core::ids::NodeName;
use stead_ports::clock::{Clock, SystemClock};
use stead_ports::disk::{Disk, RealDisk};
use stead_ports::entropy::{Entropy, SystemEntropy};
use stead_ports::watch;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::address::{self, Address};
use crate::board::Board;
use crate::bundle;
use crate::footprint;
use crate::history::{History, Recorder};
use crate::journal::Journal;
use crate::journal::ledger::Rules;
use crate::link::Link;
use crate::observe::{Observer, Sources};
use crate::order::Desk;
use crate::order::machine::Machine;
use crate::routes::{self, Agent, Parties, PatchMaker, Via};
use crate::socket::Socket;
use crate::spool::{self, Spool};

/// What is under way when the agent is stopped may take this long to end; the rest is found out at the next start.
const FINISH_WITHIN: Duration = Duration::from_secs(8);

/// How an agent runs.
#[derive(Clone)]
pub struct Options {
    /// The name it goes by at the server.
    pub node: NodeName,
    /// `http://127.0.0.1:18180`, `ws://…` or `unix:///PATH`: a server on this machine, until enrolment exists.
    pub server: String,
    /// What it shows to the server, and asks for on its own socket before it changes anything.
    pub token: String,
    /// It keeps its things in `agent/` below, and its socket is `agent.sock` there.
    pub data: PathBuf,
    /// Change nothing, whoever asks.
    pub read_only: bool,
    /// The container engine's address; absent: `DOCKER_HOST`, else the usual socket.
    pub docker_host: Option<String>,
    /// Makes changes to compose files.
    pub patcher: Option<PatchMaker>,
    /// Bytes of disk for the node's own seconds; none keeps none.
    pub history: u64,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("node", &self.node)
            .field("server", &self.server)
            .field("data", &self.data)
            .field("read_only", &self.read_only)
            .field("docker_host", &self.docker_host)
            .finish_non_exhaustive()
    }
}

/// Runs an agent until `stop`. Errors are those of its start; what goes wrong later is said in its facts and its log.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let server = Address::parse(&options.server, address::is_ours)?;
    let docker = docker(&options)?;
    let dir = options.data.join("agent");
    make_private(&dir)?;
    let _lock = lock(&dir)?;
    let ports = Ports::real(dir.clone());
    let boot = ports.clock.boot();
    let marker = Marker::enter(&dir, &boot)
        .inspect_err(|error| tracing::warn!(%error, "the boot marker"))
        .ok();
    let (spool, journal) = ports.open(&boot)?;
    let (history, recorder) = ports.history(options.history).unzip();
    let parts = assemble(
        &options,
        &ports,
        docker,
        Kept {
            spool,
            journal,
            history,
            recorder,
        },
        marker.as_ref().and_then(Marker::clean),
        &stop,
    );
    tracing::info!(node = %options.node, %server, read_only = options.read_only, "agent");
    serve(
        parts,
        Link {
            server,
            node: options.node,
            token: options.token,
            routes: axum::Router::new(),
            clock: ports.clock,
            entropy: ports.entropy,
        },
        &options.data,
        stop,
    )
    .await;
    if let Some(marker) = marker {
        let _ = marker.leave();
    }
    Ok(())
}

/// What it has of the outside.
struct Ports {
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    /// Its folder on that disk.
    dir: PathBuf,
}

impl Ports {
    fn real(dir: PathBuf) -> Ports {
        Ports {
            clock: Arc::new(SystemClock::new()),
            disk: Arc::new(RealDisk),
            entropy: Arc::new(SystemEntropy),
            dir,
        }
    }

    /// What outlives a run.
    fn open(&self, boot: &str) -> Result<(Spool, Journal), Error> {
        let (spool, opened) = Spool::open(
            Arc::clone(&self.disk),
            &self.dir.join("spool"),
            spool::Options::default(),
            boot,
            self.entropy.array(),
        )?;
        if opened != spool::Opened::default() {
            tracing::warn!(?opened, "the spool was not closed in order");
        }
        let (journal, torn) = Journal::open(Arc::clone(&self.disk), &self.dir.join("journal"))?;
        if torn {
            tracing::warn!("the journal ended in half a line, which was dropped");
        }
        Ok((spool, journal))
    }

    /// The node's own seconds, in as many `bytes` of disk; `None` where none are given.
    fn history(&self, bytes: u64) -> Option<(History, Recorder)> {
        let options = stead_history::store::Options {
            bound: bytes,
            ..stead_history::store::Options::node()
        };
        let (disk, clock) = (Arc::clone(&self.disk), Arc::clone(&self.clock));
        let dir = self.dir.join("history");
        (bytes > 0).then(|| History::new(disk, clock, &dir, options))
    }
}

/// What outlives a run, opened; the history opens by itself.
struct Kept {
    spool: Spool,
    journal: Journal,
    history: Option<History>,
    recorder: Option<Recorder>,
}

struct Assembled {
    board: Board,
    desk: Desk,
    agent: Agent,
    observer: Observer,
    recorder: Option<Recorder>,
}

fn assemble(
    options: &Options,
    ports: &Ports,
    docker: Docker,
    kept: Kept,
    clean_shutdown: Option<bool>,
    stop: &CancellationToken,
) -> Assembled {
    let Kept {
        spool,
        journal,
        history,
        recorder,
    } = kept;
    let board = Board::new(spool, Arc::clone(&ports.clock));
    let store = bundle::Store::at(Arc::clone(&ports.disk), ports.dir.join("bundle.json"));
    let last = store.load();
    let inspector = last.node.access == Access::Inspector;
    let name = last.name.clone();
    let (bundle, bundles) = watch::channel(Arc::new(last));
    let (measure, measures) = mpsc::channel(8);
    let adapters = adapters(docker.clone());
    let (compose, systemd) = (adapters.compose.clone(), adapters.systemd.clone());
    let ollama = adapters.ollama.clone();
    let machine = Machine {
        adapters,
        measure,
        bundle: bundles.clone(),
    };
    let rules = Rules {
        node: name.unwrap_or_else(|| options.node.clone()),
        read_only: options.read_only || inspector,
    };
    let desk = Desk::new(
        rules,
        journal,
        board.clone(),
        Arc::new(machine),
        Arc::clone(&ports.clock),
    );
    let observer = Observer::new(Sources {
        node: options.node.clone(),
        board: board.clone(),
        docker: docker.clone(),
        compose,
        systemd: systemd.clone(),
        ollama: ollama.clone(),
        host: Host::at("/"),
        clean_shutdown,
        read_only: options.read_only,
        bundle: bundles,
        measure: measures,
        clock: Arc::clone(&ports.clock),
        disk: Arc::clone(&ports.disk),
        history: history.clone(),
        memory: ports.dir.join("stopped.json"),
    });
    let agent = Agent(Arc::new(Parties {
        node: options.node.clone(),
        token: options.token.clone(),
        read_only: options.read_only,
        board: board.clone(),
        desk: desk.clone(),
        docker: Some(docker),
        systemd: Some(systemd),
        patcher: options.patcher,
        ollama: Some(ollama),
        history,
        clock: Arc::clone(&ports.clock),
        bundle,
        store,
        stop: stop.clone(),
    }));
    Assembled {
        board,
        desk,
        agent,
        observer,
        recorder,
    }
}

fn adapters(docker: Docker) -> Adapters {
    let engine = Some(docker.options().address.to_string());
    let compose = Compose::new(compose::Options {
        engine,
        ..Default::default()
    });
    Adapters {
        docker,
        compose,
        systemd: Systemd::new(systemd::Options::default()),
        ollama: Ollama::new(ollama::Options::default()),
    }
}

async fn serve(parts: Assembled, link: Link, data: &Path, stop: CancellationToken) {
    let Assembled {
        board,
        desk,
        agent,
        observer,
        recorder,
    } = parts;
    let tasks = TaskTracker::new();
    // Observing and syncing go on until the last result is told.
    let last = CancellationToken::new();
    tasks.spawn(observer.run(last.clone()));
    if let Some(recorder) = recorder {
        tasks.spawn(recorder.run(last.clone()));
    }
    tasks.spawn({
        let (board, last) = (board.clone(), last.clone());
        async move { board.sync(last).await }
    });
    tasks.spawn(footprint::keep_small(last.clone()));
    let open = desk.recover();
    if open > 0 {
        tracing::warn!(open, "orders were cut short; looking what became of them");
    }
    let path = data.join("agent.sock");
    match Socket::bind(&path) {
        Ok(socket) => drop(
            tasks.spawn(socket.serve(routes::router(agent.clone(), Via::Socket), stop.clone())),
        ),
        Err(error) => tracing::warn!(%error, path = %path.display(), "no local socket"),
    }
    let link = Link {
        routes: routes::router(agent, Via::Tunnel),
        ..link
    };
    tasks.spawn(link.run(stop.clone()));
    stop.cancelled().await;
    desk.close(FINISH_WITHIN).await;
    last.cancel();
    tasks.close();
    let _ = tokio::time::timeout(Duration::from_secs(2), tasks.wait()).await;
    if let Err(error) = board.close() {
        tracing::error!(%error, "the spool could not be closed in order");
    }
}

fn docker(options: &Options) -> Result<Docker, Error> {
    match options
        .docker_host
        .as_deref()
        .filter(|host| !host.trim().is_empty())
    {
        Some(host) => Ok(Docker::new(docker::Options::at(docker::Address::parse(
            host,
        )?))),
        None => Ok(Docker::from_env()?),
    }
}

fn make_private(dir: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|source| Error::Data {
        path: dir.to_owned(),
        source,
    })
}

/// Held as long as the file is open.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(|source| Error::Data {
        path: path.clone(),
        source,
    })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse(dir.to_owned())),
        Err(error) => Err(Error::Data {
            path,
            source: error.into(),
        }),
    }
}
