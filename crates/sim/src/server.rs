//! A simulated server process: the engine, its controller and the sessions of the binary, on the simulated log.

use std::sync::Arc;
use std::time::Duration;

use stead_core::desired::Fleet;
use stead_core::event::DesiredLoaded;
use stead_engine::{Engine, Handle, Options, lead, replay};
use stead_ports::clock::Clock;
use stead_ports::log;
use stead_server::agents::Agents;
use tokio::sync::mpsc;

use crate::invariant::Moment;
use crate::life::Life;
use crate::log::{Shelf, WatchedLog};
use crate::truth::Truth;

/// What an agent shows.
pub const TOKEN: &str = "token";

/// A server that runs.
#[derive(Debug, Clone)]
pub struct Server {
    pub life: Life,
    pub handle: Handle,
    pub agents: Arc<Agents>,
}

/// What a server is started on.
#[derive(Debug, Clone)]
pub struct Ground {
    pub shelf: Shelf,
    pub truth: Truth,
    pub clock: Arc<dyn Clock>,
    /// Told when the engine stopped by itself.
    pub stopped: mpsc::UnboundedSender<Life>,
}

impl Server {
    /// Waits for the lead, replays the log and begins. `snapshots`: believing the cached ones. `None`: it was killed
    /// meanwhile.
    pub async fn start(
        ground: &Ground,
        life: Life,
        snapshots: bool,
    ) -> Result<Option<Server>, log::Error> {
        let watched = Arc::new(WatchedLog::open(&ground.shelf, &ground.truth, &life)?);
        let clock = Arc::clone(&ground.clock);
        let Some(lead) = lead(&*watched, clock, "sim", &life.stop).await? else {
            return Ok(None);
        };
        watched.settle().await?;
        let replayed = replay(&*watched, snapshots).await?;
        ground.truth.ask(&Moment::Replayed {
            world: &replayed.world,
        });
        let options = Options {
            version: "sim".to_string(),
            snapshot_every: 200,
            ..Options::default()
        };
        let (engine, handle, effects) = Engine::new(
            Arc::<WatchedLog>::clone(&watched),
            Arc::clone(&ground.clock),
            "sim",
            replayed.world,
            options,
        );
        watched.watch(handle.clone());
        let agents = Agents::new(handle.clone(), TOKEN.to_string());
        spawn_engine(engine.leading(lead), ground, &life);
        let deliver = Arc::clone(&agents).deliver(effects);
        let stop = life.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = deliver => {}
            }
        });
        Ok(Some(Server {
            life,
            handle,
            agents,
        }))
    }

    /// Hands in the fleet's files, again and again until they are taken.
    pub fn load(&self, fleet: &Fleet) {
        let (server, fleet) = (self.clone(), Arc::new(fleet.clone()));
        tokio::spawn(async move {
            while !server.life.is_dead() {
                let loaded = DesiredLoaded {
                    origin: "sim".to_string(),
                    nodes: fleet.nodes.len() as u64,
                    ..DesiredLoaded::default()
                };
                if server
                    .handle
                    .desired(loaded, Arc::clone(&fleet))
                    .await
                    .is_ok()
                {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
    }
}

fn spawn_engine(engine: Engine, ground: &Ground, life: &Life) {
    let (stop, life) = (life.stop.clone(), life.clone());
    let (stopped, truth) = (ground.stopped.clone(), ground.truth.clone());
    tokio::spawn(async move {
        // Killed means gone at once: the engine is dropped where it stands and told nothing.
        let never = tokio_util::sync::CancellationToken::new();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = engine.run(never) => ended,
        };
        truth.tell(|| match ended {
            Ok(()) => "server: the engine ended".to_string(),
            Err(error) => format!("server: the engine stopped: {error}"),
        });
        let _ = stopped.send(life);
    });
}
