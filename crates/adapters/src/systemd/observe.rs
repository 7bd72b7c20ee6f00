//! Watches the manager by its signals.
//!
//! A unit that nobody needs is unloaded by the manager soon after it was asked about, and asking loads it again: so
//! neither its coming nor its going by itself makes this look at it; only changes, reloads and the look once a minute
//! do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use stead_core::facts::{Fact, FactKey, SourceFacts, SourceKind, SourceState, UnitFacts};
use stead_core::ids::{UnitName, digest};
use tokio::time::Instant;

use super::client::{Client, Listed, Signal};
use super::translate::{Seen, kind_of_interest, name_of, worth_a_look};
use super::{Error, Options, Systemd};
use crate::observation::{Observation, Sender};
use crate::queue::Queue;

/// Most units told that no file of the fleet names.
const MOST: usize = 500;
/// Longest wait between attempts to reach the manager.
const BACK_OFF: Duration = Duration::from_secs(2);
/// Where systemd is not the init, nothing will change until the next boot; asked again for the sake of odd machines.
const ABSENT: Duration = Duration::from_secs(60);
/// Of a unit file only this much is digested.
const FILE: u64 = 1024 * 1024;

enum End {
    Closed,
    Engine(Error),
}

/// Time and size of each file of a unit.
type Signature = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

#[derive(Default)]
struct Known {
    told: Option<UnitFacts>,
    files: Signature,
    digest: String,
}

pub(super) struct Watch {
    systemd: Systemd,
    out: Sender,
    units: BTreeMap<UnitName, Known>,
    named: BTreeSet<UnitName>,
    source: Option<SourceFacts>,
}

impl Watch {
    pub fn new(systemd: Systemd, out: Sender) -> Watch {
        Watch {
            systemd,
            out,
            units: BTreeMap::new(),
            named: BTreeSet::new(),
            source: None,
        }
    }

    /// Runs until the receiver is gone.
    pub async fn run(mut self) {
        let mut failures: u32 = 0;
        loop {
            let begun = Instant::now();
            let end = match Client::connect(self.systemd.options()).await {
                Ok(client) => self.session(client).await,
                Err(error) => Err(End::Engine(error)),
            };
            let error = match end {
                Err(End::Engine(error)) => error,
                Err(End::Closed) | Ok(()) => return,
            };
            if begun.elapsed() > Duration::from_secs(5) {
                failures = 0;
            }
            let absent = matches!(error, Error::Absent);
            let state = if absent {
                SourceState::Absent
            } else {
                SourceState::Down
            };
            // The manager executes itself anew on upgrades: the first return is at once and silent.
            let silent = failures == 0 && matches!(error, Error::Lost(_)) && self.source.is_some();
            if !silent {
                let facts = SourceFacts {
                    state,
                    version: String::new(),
                    detail: error.advice(),
                };
                if self.tell_source(facts).await.is_err() {
                    return;
                }
            }
            let wait = if absent { ABSENT } else { back_off(failures) };
            failures = failures.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.out.closed() => return,
            }
        }
    }

    async fn tell_source(&mut self, facts: SourceFacts) -> Result<(), End> {
        if self.source.as_ref() == Some(&facts) {
            return Ok(());
        }
        self.source = Some(facts.clone());
        self.tell(Observation::source(SourceKind::Systemd, facts))
            .await
    }

    async fn tell(&self, observation: Observation) -> Result<(), End> {
        self.out.send(observation).await.map_err(|_| End::Closed)
    }

    async fn session(&mut self, client: Client) -> Result<(), End> {
        let mut signals = client.signals().await.map_err(End::Engine)?;
        let version = client.version().await.map_err(End::Engine)?;
        let mut named = self.systemd.named();
        self.named = named.borrow_and_update().clone();
        let mut session = Session::new(client, self.systemd.options());
        session.list();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let out = self.out.clone();
        loop {
            session.fill();
            if session.idle() && std::mem::take(&mut session.syncing) {
                let facts = SourceFacts {
                    state: SourceState::Up,
                    version: version.clone(),
                    detail: String::new(),
                };
                self.tell_source(facts).await?;
                self.tell(Observation::Synced(SourceKind::Systemd)).await?;
            }
            tokio::select! {
                signal = signals.next() => match signal {
                    Some(signal) => self.on_signal(&mut session, signal).await?,
                    None => return Err(End::Engine(Error::Lost("its signals ended".into()))),
                },
                Some(answer) = session.asked.next() => self.on_answer(&mut session, answer).await?,
                _ = tick.tick() => {
                    if session.tick() {
                        self.look_at_files(&mut session);
                    }
                }
                changed = named.changed() => {
                    if changed.is_err() {
                        return Err(End::Closed);
                    }
                    self.rename(&mut session, named.borrow_and_update().clone());
                }
                () = out.closed() => return Err(End::Closed),
            }
        }
    }

    /// Other units are named: look at those that were or are.
    fn rename(&mut self, session: &mut Session, named: BTreeSet<UnitName>) {
        for name in self.named.symmetric_difference(&named) {
            session.queue.push(name.as_str(), true);
        }
        self.named = named;
    }

    fn is_named(&self, name: &str) -> bool {
        self.named.contains(name)
    }

    async fn on_signal(&mut self, session: &mut Session, signal: Signal) -> Result<(), End> {
        match signal {
            Signal::Changed { path } => {
                let name =
                    name_of(&path).filter(|name| self.is_named(name) || kind_of_interest(name));
                if let Some(name) = name {
                    session.queue.push(&name, true);
                }
            }
            // A service that was just written and started; what is named is known already.
            Signal::New { name } => {
                if name.ends_with(".service")
                    && !self.is_named(&name)
                    && !self.units.contains_key(name.as_str())
                {
                    session.queue.push(&name, false);
                }
            }
            Signal::Removed { name } if !self.is_named(&name) => self.forget(&name).await?,
            Signal::Files => session.list(),
            Signal::Removed { .. } | Signal::JobRemoved { .. } => {}
        }
        Ok(())
    }

    async fn forget(&mut self, name: &str) -> Result<(), End> {
        let Some((name, known)) = self.units.remove_entry(name) else {
            return Ok(());
        };
        if known.told.is_some() {
            self.tell(Observation::Gone(FactKey::Unit(name))).await
        } else {
            Ok(())
        }
    }

    async fn on_answer(&mut self, session: &mut Session, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Inspected(name, result) => {
                session.queue.done(&name);
                match result {
                    Ok(seen) => self.inspected(*seen).await,
                    // Not a name the manager takes, or gone meanwhile.
                    Err(Error::Refused { .. }) => self.forget(&name).await,
                    Err(error) => Err(End::Engine(error)),
                }
            }
            Answer::Listed(result) => {
                session.listing = false;
                let list = result.map_err(End::Engine)?;
                let there: BTreeSet<&str> =
                    list.iter().map(|listed| listed.name.as_str()).collect();
                let lost: Vec<String> = self
                    .units
                    .keys()
                    .filter(|name| !there.contains(name.as_str()) && !self.named.contains(*name))
                    .map(ToString::to_string)
                    .collect();
                for name in lost {
                    self.forget(&name).await?;
                }
                let worth = |listed: &&Listed| worth_a_look(&listed.name, &listed.active);
                let others = list.iter().filter(worth).map(|listed| listed.name.as_str());
                let known = self.units.keys().map(UnitName::as_str);
                for name in self
                    .named
                    .iter()
                    .map(UnitName::as_str)
                    .chain(known)
                    .chain(others)
                {
                    session.queue.push(name, false);
                }
                Ok(())
            }
            Answer::Pong(result) => {
                session.pinging = false;
                result.map_err(End::Engine)
            }
        }
    }

    async fn inspected(&mut self, seen: Seen) -> Result<(), End> {
        let Ok(name) = UnitName::new(&seen.name) else {
            return Ok(());
        };
        let named = self.named.contains(&name);
        let room = self.units.len() < MOST + self.named.len() || self.units.contains_key(&name);
        if !(named || seen.of_interest() && room) {
            return self.forget(&seen.name).await;
        }
        let known = self.units.entry(name.clone()).or_default();
        let files = signature(&seen.files);
        if known.files != files {
            known.digest = digest_of(&seen.files);
            known.files = files;
        }
        let facts = UnitFacts {
            fragment_digest: known.digest.clone(),
            ..seen.facts
        };
        if known.told.as_ref() == Some(&facts) {
            return Ok(());
        }
        known.told = Some(facts.clone());
        self.tell(Observation::Put(
            FactKey::Unit(name),
            Box::new(Fact::Unit(facts)),
        ))
        .await
    }

    /// Editing a unit file is no signal; its time and size tell. A named unit without a file may have got one.
    fn look_at_files(&self, session: &mut Session) {
        for (name, known) in &self.units {
            let paths: Vec<PathBuf> = known.files.iter().map(|(path, _)| path.clone()).collect();
            if signature(&paths) != known.files || (paths.is_empty() && self.named.contains(name)) {
                session.queue.push(name.as_str(), false);
            }
        }
    }
}

fn signature(files: &[PathBuf]) -> Signature {
    let of = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok();
        (
            path.clone(),
            meta.and_then(|meta| Some((meta.modified().ok()?, meta.len()))),
        )
    };
    files.iter().map(of).collect()
}

/// SHA-256 over the files in order; empty where the first cannot be read.
fn digest_of(files: &[PathBuf]) -> String {
    let mut all = Vec::new();
    for (n, path) in files.iter().enumerate() {
        match read(path) {
            Some(bytes) => {
                all.extend_from_slice(path.as_os_str().as_encoded_bytes());
                all.push(0);
                all.extend_from_slice(&bytes);
                all.push(0);
            }
            None if n == 0 => return String::new(),
            None => {}
        }
    }
    if all.is_empty() {
        String::new()
    } else {
        digest(&all)
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(FILE)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

enum Answer {
    Inspected(String, Result<Box<Seen>, Error>),
    Listed(Result<Vec<Listed>, Error>),
    Pong(Result<(), Error>),
}

/// What lives as long as one connection. At most `at_once` inspections, one listing and one ping are in flight.
struct Session {
    client: Client,
    queue: Queue,
    asked: FuturesUnordered<BoxFuture<'static, Answer>>,
    at_once: usize,
    ping_every: Duration,
    look_every: Duration,
    pinged: Instant,
    looked: Instant,
    pinging: bool,
    listing: bool,
    syncing: bool,
}

impl Session {
    fn new(client: Client, options: &Options) -> Session {
        let now = Instant::now();
        Session {
            client,
            queue: Queue::default(),
            asked: FuturesUnordered::new(),
            at_once: options.at_once.max(1),
            ping_every: options.ping_every,
            look_every: options.look_every,
            pinged: now,
            looked: now,
            pinging: false,
            listing: false,
            syncing: true,
        }
    }

    fn idle(&self) -> bool {
        !self.listing && self.queue.idle()
    }

    fn list(&mut self) {
        if !self.listing {
            self.listing = true;
            let client = self.client.clone();
            self.asked
                .push(Box::pin(async move { Answer::Listed(client.list().await) }));
        }
    }

    fn fill(&mut self) {
        while let Some(name) = self.queue.take(self.at_once) {
            let client = self.client.clone();
            self.asked.push(Box::pin(async move {
                let seen = client.inspect(&name).await;
                Answer::Inspected(name, seen.map(Box::new))
            }));
        }
    }

    /// Whether it is time to look at the unit files.
    fn tick(&mut self) -> bool {
        let now = Instant::now();
        if !self.pinging && now - self.pinged >= self.ping_every {
            self.pinging = true;
            self.pinged = now;
            let client = self.client.clone();
            self.asked
                .push(Box::pin(async move { Answer::Pong(client.ping().await) }));
        }
        let due = now - self.looked >= self.look_every;
        if due {
            self.looked = now;
        }
        due
    }
}

fn back_off(failures: u32) -> Duration {
    (Duration::from_millis(100) * 2u32.saturating_pow(failures.min(5))).min(BACK_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_follows_the_file_and_its_drop_ins() {
        let folder = tempfile::tempdir().expect("a folder");
        let (unit, drop_in) = (
            folder.path().join("x.service"),
            folder.path().join("a.conf"),
        );
        std::fs::write(&unit, "[Service]\nExecStart=/bin/true\n").expect("a file");
        let alone = digest_of(std::slice::from_ref(&unit));
        std::fs::write(&drop_in, "[Service]\nNice=5\n").expect("a file");
        let files = [unit.clone(), drop_in];
        let both = digest_of(&files);
        assert!(alone.len() == 64 && both.len() == 64 && alone != both);
        let before = signature(&files);
        std::fs::write(&unit, "[Service]\nExecStart=/bin/false\n").expect("a file");
        assert_ne!(signature(&files), before);
        assert_ne!(digest_of(&files), both);
        assert_eq!(digest_of(&[folder.path().join("none")]), "");
        assert_eq!(digest_of(&[]), "");
    }
}
