//! Docker Compose, whichever the node has: the v2 plugin or the old `docker-compose`.
//!
//! Never a shell, never the caller's `PATH`; compose itself says what its file means, nothing here reads YAML.
//!
//! | file | what |
//! |---|---|
//! | `config` | which file of which folder as which project; pure |
//! | `client` | finds and runs compose |
//! | `observe` | resolved services of each file, read again when it changes |
//! | `act` | `up -d --build --force-recreate` |

mod act;
mod client;
mod config;
mod observe;

pub use client::{Error, Flavor, Program};
pub use config::{Invalid, Target};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stead_core::ids::ServiceName;
use tokio::sync::watch;

use crate::observation::Sender;

/// How to run compose.
#[derive(Debug, Clone)]
pub struct Options {
    /// Passed on as `DOCKER_HOST`; `None`: compose's own default.
    pub engine: Option<String>,
    /// Files are looked at this often; compose runs only if one changed.
    pub look_every: Duration,
    /// Reading a file must end within this.
    pub read_limit: Duration,
    /// Looked for first, in this order; a bare name in the folders programs live in.
    pub programs: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            engine: None,
            look_every: Duration::from_secs(2),
            read_limit: Duration::from_secs(30),
            programs: client::PROGRAMS
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        }
    }
}

/// A cheap handle. Making one does no I/O.
#[derive(Debug, Clone)]
pub struct Compose(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    targets: watch::Sender<BTreeMap<ServiceName, Target>>,
    program: tokio::sync::Mutex<Option<Program>>,
}

impl Compose {
    pub fn new(options: Options) -> Compose {
        let targets = watch::Sender::new(BTreeMap::new());
        Compose(Arc::new(Inner {
            options,
            targets,
            program: tokio::sync::Mutex::default(),
        }))
    }

    /// The files to watch, by the service they belong to. Takes effect at once.
    pub fn set_services(&self, targets: BTreeMap<ServiceName, Target>) {
        self.0.targets.send_if_modified(|now| {
            let differs = *now != targets;
            if differs {
                *now = targets;
            }
            differs
        });
    }

    /// Watches until the receiver of `out` is gone. One watch per handle.
    pub async fn watch(&self, out: Sender) {
        observe::Watch::new(self.clone(), out).run().await;
    }

    /// The program to use, looked up once.
    pub async fn program(&self) -> Result<Program, Error> {
        let mut known = self.0.program.lock().await;
        if let Some(program) = known.as_ref().filter(|program| program.path.exists()) {
            return Ok(program.clone());
        }
        *known = None;
        let program = client::locate(&self.0.options).await?;
        *known = Some(program.clone());
        Ok(program)
    }
}
