//! The fleet directory while the server runs: read at the start, on every change and each minute.
//!
//! A reading with an error changes nothing: the last good fleet stays, whole, and the problems are shown.

use std::sync::Arc;

use stead_core::controller::Input;
use stead_core::event::{DesiredLoaded, DesiredRejected};
use stead_engine::{Error, Handle};
use stead_fleet::source::{ReadOptions, Reader, Reading, Revision, Source};
use stead_fleet::watch::{Rhythm, Watch};
use stead_fleet::{Options, Problem, load};
use stead_protocol::api::FleetProblem;
use stead_server::FleetProblems;

use crate::args::ServerArgs;
use crate::failure::{Exit, Failure};

/// Code of the trouble while the files are broken.
const BROKEN: &str = "fleet-broken";
/// Code of the trouble while the source cannot be read at all.
const UNREADABLE: &str = "fleet-unreadable";

/// Stops following when dropped.
pub struct Following(tokio::task::JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Follower {
    reader: Reader,
    origin: String,
    options: Options,
    handle: Handle,
    problems: FleetProblems,
    /// What the latest reading was, whole: the same again is no news.
    taken: Option<(String, Option<Revision>)>,
}

/// Reads the fleet once and then follows its changes.
pub async fn follow(
    args: &ServerArgs,
    handle: Handle,
    problems: FleetProblems,
) -> Result<Following, Failure> {
    let source: Source = args.fleet.parse().map_err(failure)?;
    let read = ReadOptions {
        pull: args.pull,
        pin: args.pin.clone(),
        mirror: args.data.join("fleet.git"),
    };
    let reader = source.open(&read).map_err(failure)?;
    let options = Options {
        node_alias_map: args.node_alias_map.clone(),
    };
    let mut follower = Follower {
        reader,
        origin: source.to_string(),
        options,
        handle,
        problems,
        taken: None,
    };
    follower.read().await;
    let never = follower
        .handle
        .read(|v| v.world().desired.digest.is_empty());
    if let (true, Some(dir)) = (never, source.directory().filter(|d| !d.is_dir())) {
        let what = format!("there is no fleet directory {}", dir.display());
        let remedy = format!(
            "write a first one from what runs here: stead init {}",
            dir.display()
        );
        return Err(Failure::new(Exit::Usage, "no-fleet", what, remedy));
    }
    let mut watch = Watch::start(source.directory(), Rhythm::default());
    let task = tokio::spawn(async move {
        while watch.next().await.is_some() {
            follower.read().await;
        }
    });
    Ok(Following(task))
}

fn failure(error: stead_fleet::source::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        error.code(),
        error.to_string(),
        "see `stead up --help`",
    )
}

impl Follower {
    async fn read(&mut self) {
        match self.reader.read().await {
            Ok(reading) => {
                self.handle.relieved(UNREADABLE);
                self.take(reading).await;
            }
            Err(error) => {
                let remedy = "Mend what it says; the last good fleet stays in force and Stead tries again each minute.";
                self.handle.trouble(UNREADABLE, error.to_string(), remedy);
                self.reject(error.to_string(), 1).await;
            }
        }
    }

    async fn take(&mut self, reading: Reading) {
        let digest = reading.tree.digest();
        let now = (digest, reading.revision.clone());
        if self.taken.as_ref() == Some(&now) {
            return;
        }
        let (tree, options) = (reading.tree, self.options.clone());
        // A large fleet takes a second or two to check.
        let Ok(loaded) = tokio::task::spawn_blocking(move || load(&tree, &options)).await else {
            return;
        };
        self.problems
            .set(loaded.problems.iter().map(shown).collect());
        let Some(fleet) = loaded.fleet else {
            let first = loaded
                .problems
                .iter()
                .find(|p| p.is_error())
                .map_or_else(String::new, place);
            let remedy = "Mend the file; `stead check` lists every problem. The last good fleet stays in force.";
            self.handle.trouble(
                BROKEN,
                format!("The fleet files cannot be used: {first}"),
                remedy,
            );
            self.taken = Some(now);
            self.reject(first, loaded.problems.len() as u64).await;
            return;
        };
        self.handle.relieved(BROKEN);
        let services = fleet.nodes.values().map(|n| n.services.len() as u64).sum();
        let revision = reading.revision;
        let what = DesiredLoaded {
            origin: self.origin.clone(),
            commit: revision.as_ref().map(|r| r.commit.clone()),
            dirty: revision.and_then(|r| r.dirty).unwrap_or(false),
            nodes: fleet.nodes.len() as u64,
            services,
            ..Default::default()
        };
        match self.handle.desired(what, Arc::new(fleet)).await {
            Ok(()) => self.taken = Some(now),
            Err(error) => {
                tracing::warn!(%error, "the fleet was read but could not be recorded; tried again")
            }
        }
    }

    async fn reject(&self, first: String, problems: u64) {
        tracing::warn!(%first, "the fleet files cannot be used; the last good ones stay");
        let no = DesiredRejected {
            origin: self.origin.clone(),
            problems,
            first,
        };
        match self.handle.submit(Input::DesiredBroken(no)).await {
            Ok(_) | Err(Error::Stopped) => {}
            Err(error) => {
                tracing::warn!(%error, "the rejection could not be recorded; tried again")
            }
        }
    }
}

/// `hosts/piha/services.yaml:3:5: unknown key "knid"`
fn place(problem: &Problem) -> String {
    format!(
        "{}:{}:{}: {}",
        problem.file, problem.line, problem.column, problem.message
    )
}

fn shown(problem: &Problem) -> FleetProblem {
    FleetProblem {
        file: problem.file.clone(),
        line: problem.line.into(),
        column: problem.column.into(),
        code: problem.code.as_str().to_string(),
        severity: if problem.is_error() {
            "error"
        } else {
            "warning"
        }
        .to_string(),
        message: problem.message.clone(),
        help: Some(problem.help.clone()).filter(|h| !h.is_empty()),
    }
}
