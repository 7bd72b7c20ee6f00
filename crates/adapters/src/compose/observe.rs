//! What each service's compose file resolves to, told when it changes.
//!
//! Looking is a handful of `stat` calls; compose itself (half a second of CPU where it is the old one) runs only when a
//! file's time or size changed, and never twice for services that share a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use stead_core::facts::{ComposeFacts, Fact, FactKey, SourceFacts, SourceKind, SourceState};
use stead_core::ids::ServiceName;
use tokio::time::Instant;

use super::{Compose, Error, Flavor, Program, Target};
use crate::observation::{Observation, Sender};
use crate::redact::redact;

/// Files that compose includes without being seen here are noticed at the latest after this.
const READ_AGAIN: Duration = Duration::from_secs(600);
/// Where compose is not installed, it is looked for this often.
const SEARCH_EVERY: Duration = Duration::from_secs(30);
/// Most files watched.
const MOST: usize = 256;
/// Of a file's text only this much is searched for the project's name.
const HEAD: u64 = 64 * 1024;

/// Time and size of each input; `None`: not there.
type Signature = Vec<Option<(SystemTime, u64)>>;

struct Closed;

struct Read {
    signature: Signature,
    at: Instant,
    facts: ComposeFacts,
}

pub(super) struct Watch {
    compose: Compose,
    out: Sender,
    read: BTreeMap<Target, Read>,
    told: BTreeMap<ServiceName, ComposeFacts>,
    source: Option<SourceFacts>,
    searched: Option<Instant>,
}

impl Watch {
    pub fn new(compose: Compose, out: Sender) -> Watch {
        Watch {
            compose,
            out,
            read: BTreeMap::new(),
            told: BTreeMap::new(),
            source: None,
            searched: None,
        }
    }

    pub async fn run(mut self) {
        let mut targets = self.compose.0.targets.subscribe();
        let out = self.out.clone();
        loop {
            let wanted = targets.borrow_and_update().clone();
            tokio::select! {
                looked = self.look(&wanted) => if looked.is_err() { return },
                () = out.closed() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(self.compose.0.options.look_every) => {}
                changed = targets.changed() => if changed.is_err() { return },
                () = out.closed() => return,
            }
        }
    }

    async fn look(&mut self, wanted: &BTreeMap<ServiceName, Target>) -> Result<(), Closed> {
        let first = self.source.is_none();
        let program = self.find().await?;
        let targets: BTreeSet<&Target> = wanted.values().collect();
        self.read.retain(|target, _| targets.contains(target));
        if let Some(program) = &program {
            for target in targets.into_iter().take(MOST) {
                self.refresh(program, target).await;
            }
        } else {
            self.read.clear();
        }
        let gone: Vec<ServiceName> = self
            .told
            .keys()
            .filter(|name| !wanted.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.told.remove(&name);
            self.tell(Observation::Gone(FactKey::Compose(name))).await?;
        }
        for (name, target) in wanted {
            let Some(facts) = self.read.get(target).map(|read| read.facts.clone()) else {
                continue;
            };
            if self.told.get(name) != Some(&facts) {
                self.told.insert(name.clone(), facts.clone());
                let fact = Box::new(Fact::Compose(facts));
                self.tell(Observation::Put(FactKey::Compose(name.clone()), fact))
                    .await?;
            }
        }
        if first {
            self.tell(Observation::Synced(SourceKind::Compose)).await?;
        }
        Ok(())
    }

    async fn tell(&self, observation: Observation) -> Result<(), Closed> {
        self.out.send(observation).await.map_err(|_| Closed)
    }

    /// The program, with the source's state told.
    async fn find(&mut self) -> Result<Option<Program>, Closed> {
        if self
            .source
            .as_ref()
            .is_some_and(|source| source.state != SourceState::Up)
            && self.searched.is_some_and(|at| at.elapsed() < SEARCH_EVERY)
        {
            return Ok(None);
        }
        self.searched = Some(Instant::now());
        let found = self.compose.program().await;
        let facts = match &found {
            Ok(program) => SourceFacts {
                state: SourceState::Up,
                version: program.version.clone(),
                detail: program.path.display().to_string(),
            },
            Err(error) => {
                let state = if matches!(error, Error::Absent) {
                    SourceState::Absent
                } else {
                    SourceState::Down
                };
                SourceFacts {
                    state,
                    version: String::new(),
                    detail: redact(&error.to_string(), 1024),
                }
            }
        };
        if self.source.as_ref() != Some(&facts) {
            self.source = Some(facts.clone());
            self.tell(Observation::source(SourceKind::Compose, facts))
                .await?;
        }
        Ok(found.ok())
    }

    async fn refresh(&mut self, program: &Program, target: &Target) {
        let now = signature(&target.inputs());
        let fresh = |read: &Read| read.signature == now && read.at.elapsed() < READ_AGAIN;
        if self.read.get(target).is_some_and(fresh) {
            return;
        }
        let facts = self.resolve(program, target).await;
        self.read.insert(
            target.clone(),
            Read {
                signature: now,
                at: Instant::now(),
                facts,
            },
        );
    }

    async fn resolve(&self, program: &Program, target: &Target) -> ComposeFacts {
        let project = project(program.flavor, target);
        match self.compose.hashes(program, target).await {
            Ok(services) => ComposeFacts {
                services,
                project,
                error: String::new(),
            },
            Err(error) => ComposeFacts {
                services: BTreeMap::new(),
                project,
                error: redact(&error.to_string(), 1024),
            },
        }
    }
}

fn signature(inputs: &[PathBuf]) -> Signature {
    let of = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    inputs.iter().map(of).collect()
}

fn project(flavor: Flavor, target: &Target) -> String {
    let head = |path: PathBuf| {
        use std::io::Read;
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut bytes));
        read.map(|_| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    let dot_env = head(target.folder().join(".env"));
    let file = target.main_file().map(head).unwrap_or_default();
    target.project_name(flavor, &dot_env, &file)
}
