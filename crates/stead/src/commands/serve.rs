//! `up`, `server`, `agent`: the long-running ones. Start-up told in order.

mod fleet;
mod logging;

use std::path::Path;
use std::sync::Arc;

use stead_adapters::webhook::Webhooks;
use stead_core::ids::NodeName;
use stead_engine::{Engine, Handle, Lead, Options, lead, notify, replay, schedule, zone};
use stead_ports::clock::SystemClock;
use stead_ports::log::{self, EventLog};
use stead_server::agents::Agents;
use stead_store::sqlite::{self, SqliteLog};
use tokio_util::sync::CancellationToken;

use crate::args::{AgentArgs, Global, NodeArgs, ServerArgs, Up};
use crate::failure::{Exit, Failure};
use crate::output::line;

pub fn up(args: Up) -> Result<(), Failure> {
    run(args.server, Some(args.node))
}

pub fn server(args: ServerArgs) -> Result<(), Failure> {
    run(args, None)
}

pub fn agent(args: AgentArgs, global: &Global) -> Result<(), Failure> {
    logging::start();
    let token = global
        .token
        .clone()
        .or_else(|| read_token(&args.data))
        .ok_or_else(|| {
            let remedy =
                "give --token or STEAD_TOKEN: it is in agent.token of the server's data directory";
            Failure::new(
                Exit::Usage,
                "no-agent-token",
                "the agent has no token to show",
                remedy,
            )
        })?;
    let options = agent_options(&args.node, &args.server, token, &args.data)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        stead_agent::run(options, stop).await.map_err(agent_failure)
    })
}

fn run(args: ServerArgs, node: Option<NodeArgs>) -> Result<(), Failure> {
    logging::start();
    if let Some(store) = args.store.as_deref().filter(|s| *s != "sqlite") {
        let what = format!("{:?} is no store of this build", without_secrets(store));
        let remedy = "leave --store away: the embedded store needs nothing";
        return Err(Failure::new(Exit::Usage, "unknown-store", what, remedy));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let done = runtime.block_on(serve(args, node));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

/// The server, and with `node` the agent of this machine beside it.
async fn serve(args: ServerArgs, node: Option<NodeArgs>) -> Result<(), Failure> {
    make_private(&args.data)?;
    let files = args
        .files
        .clone()
        .unwrap_or_else(|| args.data.join("files"));
    let stop = stop_on_signal()?;
    let log = open_log(&args.data, true).await?;
    // What others append until then is replayed as well.
    let Some(lead) = take_lead(&*log, &stop).await? else {
        return log.close().await.map_err(log_failure);
    };
    let (engine, handle, effects) = start_engine(&args, &files, Arc::clone(&log)).await?;
    let engine = engine.leading(lead);
    let mut engine = tokio::spawn(engine.run(stop.clone()));
    let problems = stead_server::FleetProblems::default();
    let fleet = fleet::follow(&args, handle.clone(), problems.clone()).await?;
    let agents = Agents::new(handle.clone(), own_token(&args.data)?);
    let (orders, messages) = notify::part(effects);
    tokio::spawn(Arc::clone(&agents).deliver(orders));
    tokio::spawn(notifier(&args.data, &handle).run(messages, stop.clone()));
    tokio::spawn(schedule::run(handle.clone(), stop.clone()));
    let options = stead_server::Options {
        listen: args.listen,
        data: args.data.clone(),
        files: Some(files),
        allow_hosts: args.allow_hosts.clone(),
    };
    let server =
        stead_server::Server::start(options, handle.clone(), agents, problems, stop.clone())
            .await
            .map_err(|e| Failure::new(Exit::Failed, e.code(), e.to_string(), e.remedy()))?;
    greet(&server, &handle);
    let agent = match node {
        Some(node) => Some(spawn_agent(&node, &server.url(), &args.data, stop.clone())?),
        None => None,
    };
    let ended = tokio::select! {
        ended = &mut engine => Some(ended),
        () = stop.cancelled() => None,
    };
    stop.cancel();
    drop(fleet);
    server.stopped().await;
    if let Some(agent) = agent {
        // The agent's own errors were logged when they happened.
        let _ = tokio::task::spawn_blocking(move || agent.join()).await;
    }
    let ended = match ended {
        Some(ended) => ended,
        None => engine.await,
    };
    ended.map_err(anyhow::Error::from)?.map_err(log_failure)
}

/// Carries messages to people.
fn notifier(data: &Path, handle: &Handle) -> notify::Notifier {
    let secrets = Arc::new(stead_server::secrets::FileSecrets::of(data));
    let webhooks = Webhooks::new(secrets, Arc::new(SystemClock::new()));
    notify::Notifier::new(handle.clone(), Arc::new(webhooks))
}

fn greet(server: &stead_server::Server, handle: &Handle) {
    let (nodes, services) = handle.read(|v| {
        let fleet = &v.world().fleet;
        (
            fleet.nodes.len(),
            fleet
                .nodes
                .values()
                .map(|n| n.services.len())
                .sum::<usize>(),
        )
    });
    line(&format!(
        "Stead {} is up: {nodes} nodes, {services} services in the fleet",
        env!("CARGO_PKG_VERSION")
    ));
    line(&format!("  web UI   {}", server.url()));
    match server.login_link() {
        Ok(link) => line(&format!("  sign in  {link}   (works once, for 15 minutes)")),
        Err(e) => line(&format!(
            "  sign in  no link could be made: {e}; `stead login` makes one"
        )),
    }
}

/// Waits until this server leads; `None` where it was told to stop meanwhile.
async fn take_lead(log: &dyn EventLog, stop: &CancellationToken) -> Result<Option<Lead>, Failure> {
    let holder = format!("{}:{}", host_name(), std::process::id());
    lead(log, Arc::new(SystemClock::new()), &holder, stop)
        .await
        .map_err(log_failure)
}

async fn start_engine(
    args: &ServerArgs,
    files: &Path,
    log: Arc<dyn EventLog>,
) -> Result<
    (
        Engine,
        Handle,
        tokio::sync::mpsc::UnboundedReceiver<stead_core::controller::Effect>,
    ),
    Failure,
> {
    let head = log.head().await.map_err(log_failure)?;
    // Without the checkpoint file everything is replayed from the log: people remove it to be sure.
    let cached = files.join("state/observer_checkpoint.json").is_file();
    let replayed = replay(&*log, cached).await.map_err(log_failure)?;
    tracing::info!(head = %head.seq, folded = replayed.folded, "world replayed");
    let zone = args.utc_offset.map_or_else(zone::machine, zone::offset);
    let options = Options {
        zone,
        ..Options::default()
    };
    Ok(Engine::new(
        log,
        Arc::new(SystemClock::new()),
        &head.log_id,
        replayed.world,
        options,
    ))
}

pub async fn open_log(data: &Path, create: bool) -> Result<Arc<dyn EventLog>, Failure> {
    if !create && !data.join("log").is_dir() {
        let what = format!("{} holds no event log", data.display());
        let remedy = "name the data directory of a server by --data";
        return Err(Failure::new(Exit::NotFound, "no-log", what, remedy));
    }
    let log = SqliteLog::open(data, sqlite::Options::default())
        .await
        .map_err(log_failure)?;
    Ok(Arc::new(log))
}

/// What to do when the log is in trouble.
pub fn log_failure(error: log::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        error.code(),
        error.to_string(),
        error.remedy(),
    )
}

fn agent_options(
    node: &NodeArgs,
    server: &str,
    token: String,
    data: &Path,
) -> Result<stead_agent::Options, Failure> {
    let name = match &node.node {
        Some(name) => name.clone(),
        None => host_name(),
    };
    let name = NodeName::new(&name).map_err(|e| {
        Failure::new(
            Exit::Usage,
            "bad-node-name",
            e.to_string(),
            "name this machine by --node NAME",
        )
    })?;
    Ok(stead_agent::Options {
        node: name,
        server: server.to_string(),
        token,
        data: data.to_path_buf(),
        read_only: node.read_only,
        docker_host: node.docker_host.clone(),
        patcher: Some(memory_patch),
        history: u64::from(node.history_mib) << 20,
    })
}

/// What a compose file becomes with a memory limit: made on the node, where the file lies.
fn memory_patch(
    file: &str,
    text: &str,
    service: &str,
    limit: u64,
    reservation: u64,
) -> stead_protocol::agent::ComposePatch {
    let wanted = stead_fleet::compose_patch::Memory {
        service,
        limit,
        reservation: (reservation > 0).then_some(reservation),
    };
    let mut made = stead_protocol::agent::ComposePatch {
        file: file.to_string(),
        service: service.to_string(),
        ..Default::default()
    };
    match stead_fleet::compose_patch::memory_patch(file, text, &wanted) {
        Ok(patch) if patch.diff.is_empty() => made.why = "the file says it already".to_string(),
        Ok(patch) => made.diff = patch.diff,
        Err(by_hand) => (made.why, made.put) = (by_hand.why, by_hand.put),
    }
    made
}

/// The agent of this machine on a thread of its own: it speaks the same protocol as any other.
fn spawn_agent(
    node: &NodeArgs,
    url: &str,
    data: &Path,
    stop: CancellationToken,
) -> Result<std::thread::JoinHandle<()>, Failure> {
    let options = agent_options(node, url, own_token(data)?, data)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    std::thread::Builder::new()
        .name("agent".to_string())
        .spawn(move || {
            if let Err(error) = runtime.block_on(stead_agent::run(options, stop)) {
                tracing::error!(%error, "the agent of this machine stopped; the server goes on");
            }
        })
        .map_err(|e| Failure::from(anyhow::Error::from(e)))
}

fn agent_failure(error: stead_agent::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        error.code(),
        error.to_string(),
        error.remedy(),
    )
}

pub fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    name.split('.').next().unwrap_or("localhost").to_string()
}

fn read_token(data: &Path) -> Option<String> {
    let token = std::fs::read_to_string(data.join("agent.token")).ok()?;
    Some(token.trim().to_string()).filter(|t| !t.is_empty())
}

/// The token that agents of this server show; made where it is absent.
fn own_token(data: &Path) -> Result<String, Failure> {
    stead_server::access::Tokens::open(data)
        .map_err(|e| Failure::new(Exit::Failed, e.code(), e.to_string(), e.remedy()))?;
    read_token(data).ok_or_else(|| {
        let what = format!("{} cannot be read", data.join("agent.token").display());
        Failure::new(
            Exit::Failed,
            "token-file",
            what,
            "check who owns the data directory",
        )
    })
}

fn make_private(data: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data);
    made.map_err(|e| {
        let what = format!("the data directory {} cannot be made: {e}", data.display());
        Failure::new(
            Exit::Failed,
            "data-dir",
            what,
            "name another by --data, or make it and give it to this user",
        )
    })
}

fn without_secrets(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_string(),
    }
}

/// Cancelled at the first SIGINT or SIGTERM.
fn stop_on_signal() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::from)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::from)?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}
