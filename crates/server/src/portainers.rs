//! What the fleet's Portainers told lately. They are asked when somebody looks, and not again within a minute; one that does not
//! answer is said to be down, and what it told last is kept for as long as this server runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use stead_adapters::portainer::{self, Options, Seen};
use stead_core::desired::Portainer;
use stead_core::time::Time;
use stead_ports::secrets::Secrets;
use stead_protocol::api::InventorySource;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::App;
use crate::secrets::FileSecrets;

/// An answer is shown for so long before it is asked for again.
const KEPT: Duration = Duration::from_secs(60);
/// One that did not answer is asked again after this.
const AGAIN: Duration = Duration::from_secs(15);
/// Portainers asked; the rest of a longer list is left out.
const MOST: usize = 20;

/// The Portainers of a server.
#[derive(Debug)]
pub struct Portainers {
    secrets: Arc<dyn Secrets>,
    options: Options,
    /// By name, at most as many as the files name. Held while one asks, so that none is asked twice at once.
    told: Mutex<BTreeMap<String, Told>>,
}

/// What one told.
#[derive(Debug, Clone)]
struct Told {
    of: Portainer,
    asked: Instant,
    seen: Option<Arc<Seen>>,
    read_at: Option<Time>,
    /// Why the last question had no answer.
    problem: Option<String>,
}

impl Portainers {
    /// `data`: the server's data directory, where secrets are.
    pub fn of(data: &Path) -> Portainers {
        Portainers {
            secrets: Arc::new(FileSecrets::of(data)),
            options: Options::default(),
            told: Mutex::default(),
        }
    }

    /// What each has told, as fresh as it is cheap.
    pub async fn read(&self, app: &App) -> Vec<(InventorySource, Option<Arc<Seen>>)> {
        let named = app.look(|look| look.world.fleet.portainers.clone());
        let mut told = self.told.lock().await;
        told.retain(|name, old| named.get(name) == Some(&old.of));
        let asking = named.iter().take(MOST).map(|(name, of)| {
            let old = told.get(name).cloned();
            async move { (name.clone(), self.one(of, old, app.handle.now().at).await) }
        });
        let now: BTreeMap<String, Told> = join_all(asking).await.into_iter().collect();
        told.clone_from(&now);
        drop(told);
        now.into_iter()
            .map(|(name, told)| shown(&name, told))
            .collect()
    }

    async fn one(&self, of: &Portainer, old: Option<Told>, now: Time) -> Told {
        if let Some(old) = &old {
            let kept = if old.problem.is_some() { AGAIN } else { KEPT };
            if old.asked.elapsed() < kept {
                return old.clone();
            }
        }
        let answer = match self.secrets.resolve(&of.key) {
            Ok(key) => portainer::read(&of.url, &key, &self.options)
                .await
                .map_err(|error| format!("{error}. {}", error.remedy())),
            Err(no) => Err(no.to_string()),
        };
        let asked = Instant::now();
        let of = of.clone();
        match answer {
            Ok(seen) => Told {
                of,
                asked,
                seen: Some(Arc::new(seen)),
                read_at: Some(now),
                problem: None,
            },
            Err(problem) => Told {
                of,
                asked,
                read_at: old.as_ref().and_then(|old| old.read_at),
                seen: old.and_then(|old| old.seen),
                problem: Some(problem),
            },
        }
    }
}

fn shown(name: &str, told: Told) -> (InventorySource, Option<Arc<Seen>>) {
    let silent = told.seen.iter().flat_map(|seen| &seen.environments);
    let silent: Vec<&str> = silent
        .filter(|environment| !environment.problem.is_empty())
        .map(|environment| environment.name.as_str())
        .collect();
    let detail = match (&told.problem, silent.is_empty()) {
        (Some(problem), _) => problem.clone(),
        (None, true) => String::new(),
        (None, false) => format!("the containers of {} are not known", silent.join(", ")),
    };
    let source = InventorySource {
        name: format!("portainer:{name}"),
        url: told.of.url,
        state: if told.problem.is_some() { "down" } else { "up" }.to_string(),
        detail,
        read_at: told.read_at.map(|at| at.to_string()),
    };
    (source, told.seen)
}
