//! The month and then the present: server, agents and owner in one runtime of one thread, whose clock first jumps and then
//! goes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stead_core::event::DesiredLoaded;
use stead_core::time::{Span, Time};
use stead_engine::{Engine, Handle, lead, notify, replay, schedule};
use stead_ports::clock::{Clock, ManualClock, SystemClock};
use stead_ports::log::EventLog;
use stead_ports::watch;
use stead_server::agents::Agents;
use stead_server::{FleetProblems, Server};
use stead_store::sqlite::{self, SqliteLog};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agent::{Site, TOKEN};
use crate::course::{self, Entry};
use crate::fleet;
use crate::log::Aside;
use crate::owner;
use crate::places::PLACES;

/// Between two samples of a machine while the month passes, and afterwards.
const PASSING: Duration = Duration::from_secs(10);
const PRESENT: Duration = Duration::from_secs(1);
/// The last of the month is sampled as finely as the present, so that pages of the last minutes look as they do.
const FINELY: Span = Span::mins(15);
const DAY: Span = Span::hours(24);
/// What is asked this long before the end waits for whoever looks.
const LEFT: Span = Span::hours(1);

/// What month.
#[derive(Debug, Clone)]
pub struct Options {
    /// A directory that is not there yet, or is empty.
    pub data: PathBuf,
    pub length: Span,
    /// When it ends. The same end gives the same month.
    pub end: Time,
    pub listen: SocketAddr,
    /// Stay, and go on in real time, until `stop`.
    pub stay: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lived {
    pub events: u64,
}

/// Lives through the month. `tell` hears of each day, and at the end of the address.
pub fn month(
    options: &Options,
    stop: &CancellationToken,
    tell: &mut dyn FnMut(&str),
) -> Result<Lived> {
    let empty = match std::fs::read_dir(&options.data) {
        Ok(mut there) => there.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).context(options.data.display().to_string()),
    };
    if !empty {
        bail!(
            "{} is not empty: name another folder, or remove this one",
            options.data.display()
        );
    }
    fleet::write(&options.data.join("fleet"))?;
    let aside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let log = aside.block_on(SqliteLog::open(&options.data, sqlite::Options::default()))?;
    let log = Arc::new(Aside::new(log, aside.handle().clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(live(options, log, stop, tell))
}

async fn live(
    options: &Options,
    log: Arc<dyn EventLog>,
    stop: &CancellationToken,
    tell: &mut dyn FnMut(&str),
) -> Result<Lived> {
    heed(stop)?;
    let begins = Time(options.end.0 - options.length.0 as i64);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::with_timers(begins));
    let (over, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (handle, agents) = serve(&log, clock, &over, &tasks).await?;
    let server = Server::start(
        stead_server::Options {
            listen: options.listen,
            data: options.data.clone(),
            // A month of looking at files each second would take longer than all the rest.
            files: None,
            allow_hosts: Vec::new(),
        },
        handle.clone(),
        Arc::clone(&agents),
        FleetProblems::default(),
        over.clone(),
    )
    .await?;
    desired(&handle).await?;
    let (pace, paces) = watch::channel(PASSING);
    let course = course::course(options.end, options.length);
    for (number, place) in PLACES.iter().enumerate() {
        let site = Site::new(place, number as u64 + 1, begins, &agents, paces.clone());
        let own = |entry: &&Entry| entry.node == place.name;
        let own = course.iter().filter(own).copied().collect();
        tasks.spawn(site.live(own, over.clone()));
    }
    let left = Time(options.end.0 - LEFT.0 as i64);
    tasks.spawn(owner::live(handle.clone(), left, over.clone()));
    pass(options, &handle, &pace, stop, tell).await;
    if options.stay && !stop.is_cancelled() {
        catch_up(&handle).await;
        tokio::time::resume();
        let link = server.login_link()?;
        tell(&format!("  web UI   {}", server.url()));
        tell(&format!("  sign in  {link}   (works once, for 15 minutes)"));
        stop.cancelled().await;
    }
    let lived = lived(&handle);
    over.cancel();
    tasks.close();
    tasks.wait().await;
    server.stopped().await;
    log.close().await?;
    Ok(lived)
}

/// The engine, its calendar and its sessions.
async fn serve(
    log: &Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    over: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<(Handle, Arc<Agents>)> {
    let lead = lead(&**log, Arc::clone(&clock), "month", over).await?;
    let lead = lead.context("it was stopped before it led")?;
    let replayed = replay(&**log, false).await?;
    let head = log.head().await?;
    let options = stead_engine::Options::default();
    let (engine, handle, effects) = Engine::new(
        Arc::clone(log),
        clock,
        &head.log_id,
        replayed.world,
        options,
    );
    tasks.spawn(engine.leading(lead).run(over.clone()));
    let agents = Agents::new(handle.clone(), TOKEN.to_string());
    // The fleet has no channels: there are no messages to carry.
    let (orders, _) = notify::part(effects);
    tokio::spawn(Arc::clone(&agents).deliver(orders));
    tasks.spawn(schedule::run(handle.clone(), over.clone()));
    Ok((handle, agents))
}

async fn desired(handle: &Handle) -> Result<()> {
    let fleet = fleet::load()?;
    let services = fleet.nodes.values().map(|n| n.services.len() as u64).sum();
    let loaded = DesiredLoaded {
        origin: "fleet".to_string(),
        nodes: fleet.nodes.len() as u64,
        services,
        ..DesiredLoaded::default()
    };
    Ok(handle.desired(loaded, Arc::new(fleet)).await?)
}

/// Waits until the month is over.
async fn pass(
    options: &Options,
    handle: &Handle,
    pace: &watch::Sender<Duration>,
    stop: &CancellationToken,
    tell: &mut dyn FnMut(&str),
) {
    let end = options.end;
    let finely = Time(end.0 - FINELY.0 as i64);
    let mut day = 0;
    while handle.now().at < end && !stop.is_cancelled() {
        let now = handle.now().at;
        let next = if now < finely {
            finely.min(now + DAY)
        } else {
            end
        };
        if now >= finely {
            pace.send_replace(PRESENT);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(next.since(now).0)) => {}
        }
        if next == now + DAY || next == end {
            day += 1;
            let events = handle.read(|v| v.world().head.0);
            tell(&format!(
                "day {day} of {}: {events} events",
                options.length.0.div_ceil(DAY.0)
            ));
        }
    }
}

/// Lives through what passed of real time meanwhile, until it is now.
async fn catch_up(handle: &Handle) {
    const STEP: Span = Span::secs(30);
    loop {
        let behind = SystemClock::new().wall().since(handle.now().at);
        if behind.is_zero() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(behind.min(STEP).0)).await;
    }
}

fn lived(handle: &Handle) -> Lived {
    handle.read(|view| Lived {
        events: view.world().head.0,
    })
}

/// Told to stop by a signal as well.
fn heed(stop: &CancellationToken) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
