//! Watches an engine by its event stream.
//!
//! ```text
//!  connect ─► replay ─► subscribe ─► list ─► inspect all ─► Up, Synced ─┐
//!     ▲                             each event: inspect that one ────┤─► Table ─► observations
//!     └── stream ended, hang, error ◄── ping every 2 s ──────────────┘
//! ```
//!
//! Subscribing from the instant of the replay on, before listing, leaves no gap; what the engine tells twice is not told
//! on, because equal facts are no news. Nothing here polls for state: the ping only notices a hang, the listing once a minute only what
//! the engine dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use stead_core::facts::{SourceFacts, SourceKind, SourceState};
use stead_core::time::Time;
use tokio::time::Instant;

use super::client::Client;
use super::table::{Event, Reaction, Table};
use super::translate::Seen;
use super::{Docker, Error};
use crate::observation::{Observation, Sender, wall_clock};
use crate::queue::Queue;

/// Prefixes, so that each `health_status: …` passes and no `exec_…` does: probes never even reach us.
const ACTIONS: [&str; 14] = [
    "create",
    "start",
    "restart",
    "die",
    "died",
    "kill",
    "stop",
    "oom",
    "health_status",
    "destroy",
    "remove",
    "rename",
    "pause",
    "unpause",
];
/// Most events of the past that are read.
const REPLAYED: usize = 4096;
/// Longest wait between attempts to reach an engine.
const BACK_OFF: Duration = Duration::from_secs(2);
/// A container whose inspection hangs is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Why a session or the watch ended.
enum End {
    /// Nobody listens any more.
    Closed,
    Engine(Error),
}

pub(super) struct Watch {
    docker: Docker,
    out: Sender,
    table: Table,
    /// Nanoseconds of the newest event.
    newest: Option<i64>,
    source: Option<SourceFacts>,
    was_up: bool,
}

impl Watch {
    pub fn new(docker: Docker, out: Sender) -> Watch {
        let mut table = Table::default();
        for (id, finished_at) in docker.remembered() {
            table.remember(id, finished_at);
        }
        Watch {
            docker,
            out,
            table,
            newest: None,
            source: None,
            was_up: false,
        }
    }

    /// Runs until the receiver is gone.
    pub async fn run(mut self) {
        let mut failures: u32 = 0;
        loop {
            let begun = Instant::now();
            let (error, connected) = match Client::connect(self.docker.options()).await {
                Err(error) => (error, false),
                Ok(client) => {
                    self.docker.set_client(Some(client.clone())).await;
                    let end = self.session(client).await;
                    self.docker.set_client(None).await;
                    match end {
                        Err(End::Engine(error)) => (error, true),
                        Err(End::Closed) | Ok(()) => return,
                    }
                }
            };
            if connected && begun.elapsed() > Duration::from_secs(5) {
                failures = 0;
            }
            // A dropped stream alone is no outage: the first try to come back is at once and silent.
            let dropped = connected && failures == 0 && !matches!(error, Error::Hangs(_));
            if !dropped && self.tell_down(&error).await.is_err() {
                return;
            }
            let wait = if dropped {
                Duration::ZERO
            } else {
                back_off(failures)
            };
            failures = failures.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.out.closed() => return,
            }
        }
    }

    async fn tell_down(&mut self, error: &Error) -> Result<(), End> {
        let absent = matches!(error, Error::NoSocket(_))
            && !self.was_up
            && !self.docker.options().expected();
        let state = if absent {
            SourceState::Absent
        } else {
            SourceState::Down
        };
        self.docker.set_running(Vec::new());
        self.tell_source(SourceFacts {
            state,
            version: String::new(),
            detail: error.advice(),
        })
        .await
    }

    async fn tell_source(&mut self, facts: SourceFacts) -> Result<(), End> {
        if self.source.as_ref() == Some(&facts) {
            return Ok(());
        }
        self.source = Some(facts.clone());
        self.tell(Observation::source(SourceKind::Docker, facts))
            .await
    }

    async fn tell(&self, observation: Observation) -> Result<(), End> {
        self.out.send(observation).await.map_err(|_| End::Closed)
    }

    async fn tell_all(&self, news: Vec<Observation>) -> Result<(), End> {
        for observation in news {
            self.tell(observation).await?;
        }
        Ok(())
    }

    fn is_ours(&self, id: &str, at: Time) -> bool {
        self.docker.claims().holds(id, at)
    }

    /// One connection's life. Ends with the reason.
    async fn session(&mut self, client: Client) -> Result<(), End> {
        let now = client.now().await.map_err(End::Engine)?;
        self.replay(&client, now).await?;
        let options = EventsOptionsBuilder::default()
            .since(&stamp(now))
            .filters(&filters())
            .build();
        let engine = client.engine.clone();
        let mut events = std::pin::pin!(engine.events(Some(options)));
        let mut patience = self.docker.patience();
        let known = patience.borrow_and_update().clone();
        let news = self.table.set_patience(known, wall_clock());
        self.tell_all(news).await?;
        let mut session = Session::new(client, self.docker.options());
        session.list();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let out = self.out.clone();
        loop {
            session.fill();
            self.settle(&mut session).await?;
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => self.on_event(&mut session, event).await?,
                    Some(Err(error)) => return Err(End::Engine(session.client.wrap(error))),
                    None => return Err(End::Engine(Error::Lost("the event stream ended".into()))),
                },
                Some(answer) = session.asked.next() => self.on_answer(&mut session, answer).await?,
                _ = tick.tick() => session.tick(self.table.failing()),
                changed = patience.changed() => {
                    if changed.is_err() {
                        return Err(End::Closed);
                    }
                    let known = patience.borrow_and_update().clone();
                    let news = self.table.set_patience(known, wall_clock());
                    self.tell_all(news).await?;
                }
                () = out.closed() => return Err(End::Closed),
            }
        }
    }

    /// Reads what happened before `now`, so that the listing is judged knowing who stopped what: since the newest event
    /// seen, or at first all that the engine still holds (256 at most). Podman holds its whole journal; of that nothing.
    async fn replay(&mut self, client: &Client, now: Time) -> Result<(), End> {
        if self.newest.is_none() && client.podman {
            return Ok(());
        }
        let since = self.newest.map_or_else(
            || "0".into(),
            |newest| nanos_stamp(newest.saturating_add(1)),
        );
        let options = EventsOptionsBuilder::default()
            .since(&since)
            .until(&stamp(now))
            .filters(&filters())
            .build();
        let engine = client.engine.clone();
        let first = self.newest.is_none();
        let past: Vec<EventMessage> = client
            .ask(engine.events(Some(options)).take(REPLAYED).try_collect())
            .await
            .map_err(End::Engine)?;
        for message in past {
            if let Some(event) = self.note(message) {
                let ours = self.is_ours(&event.id, event.at);
                if first {
                    self.table.recall(&event, ours);
                } else {
                    self.table.event(&event, ours);
                }
            }
        }
        Ok(())
    }

    /// Reduces a message to what matters and keeps its time.
    fn note(&mut self, message: EventMessage) -> Option<Event> {
        let nanos = message
            .time_nano
            .or(message.time.map(|s| s.saturating_mul(1_000_000_000)));
        self.newest = self.newest.max(nanos);
        let actor = message.actor?;
        let signal = actor
            .attributes
            .and_then(|mut a| a.remove("signal"))
            .unwrap_or_default();
        let at = nanos.map_or_else(wall_clock, |n| Time(n / 1_000_000));
        Some(Event {
            id: actor.id?,
            action: message.action?,
            signal,
            at,
        })
    }

    async fn on_event(&mut self, session: &mut Session, message: EventMessage) -> Result<(), End> {
        let Some(event) = self.note(message) else {
            return Ok(());
        };
        let ours = self.is_ours(&event.id, event.at);
        match self.table.event(&event, ours) {
            Reaction::Nothing => {}
            Reaction::Inspect => session.queue.push(&event.id, false),
            Reaction::InspectFirst => session.queue.push(&event.id, true),
            Reaction::Gone => {
                let news = self.table.gone(&event.id);
                session.changed = true;
                self.tell_all(news).await?;
            }
        }
        Ok(())
    }

    async fn on_answer(&mut self, session: &mut Session, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Inspected(id, result) => {
                session.queue.done(&id);
                session.hanging.remove(&id);
                let news = match result {
                    Ok(seen) => {
                        let now = wall_clock();
                        let ours = self.is_ours(&id, now);
                        self.table.inspected(*seen, ours, now)
                    }
                    Err(error) if error.not_found() => self.table.gone(&id),
                    Err(error) => {
                        session.ask_again(&id, &error);
                        vec![]
                    }
                };
                session.changed = true;
                self.tell_all(news).await
            }
            Answer::Listed(result) => {
                let ids = result.map_err(End::Engine)?;
                session.listing = false;
                session.surplus = self.table.surplus(ids.len());
                let news = self.table.listed(&ids);
                ids.iter().for_each(|id| session.queue.push(id, false));
                self.tell_all(news).await
            }
            Answer::Pong(result) => {
                session.pinging = false;
                result.map_err(End::Engine)
            }
        }
    }

    /// What is due whenever nothing is left to look at.
    async fn settle(&mut self, session: &mut Session) -> Result<(), End> {
        if session.listing || !session.queue.idle() {
            return Ok(());
        }
        if std::mem::take(&mut session.changed) {
            self.docker.set_running(self.table.running());
        }
        let facts = SourceFacts {
            state: SourceState::Up,
            version: session.client.version.clone(),
            detail: session.detail(),
        };
        self.was_up = true;
        self.tell_source(facts).await?;
        if std::mem::take(&mut session.syncing) {
            self.tell(Observation::Synced(SourceKind::Docker)).await?;
        }
        Ok(())
    }
}

enum Answer {
    Inspected(String, Result<Box<Seen>, Error>),
    Listed(Result<Vec<String>, Error>),
    Pong(Result<(), Error>),
}

/// What lives as long as one connection. At most `at_once` inspections, one listing and one ping are in flight.
struct Session {
    client: Client,
    queue: Queue,
    asked: FuturesUnordered<BoxFuture<'static, Answer>>,
    at_once: usize,
    ping_every: Duration,
    list_every: Duration,
    pinged: Instant,
    listed: Instant,
    pinging: bool,
    listing: bool,
    syncing: bool,
    /// The set of running containers may have changed since it was last published.
    changed: bool,
    surplus: usize,
    hanging: BTreeSet<String>,
    later: BTreeMap<String, Instant>,
}

impl Session {
    fn new(client: Client, options: &super::Options) -> Session {
        let now = Instant::now();
        Session {
            client,
            queue: Queue::default(),
            asked: FuturesUnordered::new(),
            at_once: options.at_once.max(1),
            ping_every: options.ping_every,
            list_every: options.list_every,
            pinged: now,
            listed: now,
            pinging: false,
            listing: false,
            syncing: true,
            changed: true,
            surplus: 0,
            hanging: BTreeSet::new(),
            later: BTreeMap::new(),
        }
    }

    fn list(&mut self) {
        self.listing = true;
        self.listed = Instant::now();
        let client = self.client.clone();
        self.asked
            .push(Box::pin(async move { Answer::Listed(client.list().await) }));
    }

    fn fill(&mut self) {
        while let Some(id) = self.queue.take(self.at_once) {
            let client = self.client.clone();
            self.asked.push(Box::pin(async move {
                let seen = client.inspect(&id).await;
                Answer::Inspected(id, seen.map(Box::new))
            }));
        }
    }

    fn tick<'a>(&mut self, failing: impl Iterator<Item = &'a str>) {
        let now = Instant::now();
        for id in failing {
            self.queue.push(id, true);
        }
        let due: Vec<String> = self
            .later
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.later.remove(&id);
            self.queue.push(&id, false);
        }
        if !self.pinging && now - self.pinged >= self.ping_every {
            self.pinging = true;
            self.pinged = now;
            let client = self.client.clone();
            self.asked
                .push(Box::pin(async move { Answer::Pong(client.ping().await) }));
        }
        if !self.listing && now - self.listed >= self.list_every {
            self.list();
        }
    }

    /// One container that cannot be asked must not hide the others.
    fn ask_again(&mut self, id: &str, error: &Error) {
        tracing::debug!(id, %error, "cannot inspect");
        self.hanging.insert(id.to_owned());
        self.later.insert(id.to_owned(), Instant::now() + ASK_AGAIN);
    }

    fn detail(&self) -> String {
        let mut said = Vec::new();
        if !self.hanging.is_empty() {
            let short = |id: &String| id.chars().take(12).collect::<String>();
            let ids: Vec<String> = self.hanging.iter().take(3).map(short).collect();
            let many = self.hanging.len();
            said.push(format!(
                "{many} of its containers cannot be inspected ({}): what is shown of them may be old.",
                ids.join(", ")
            ));
        }
        if self.surplus > 0 {
            said.push(format!(
                "{} containers beyond {} are not watched.",
                self.surplus,
                super::table::MOST
            ));
        }
        said.join(" ")
    }
}

fn back_off(failures: u32) -> Duration {
    (Duration::from_millis(100) * 2u32.saturating_pow(failures.min(5))).min(BACK_OFF)
}

fn filters() -> HashMap<&'static str, Vec<&'static str>> {
    HashMap::from([("type", vec!["container"]), ("event", ACTIONS.to_vec())])
}

/// An instant as the engine reads it: seconds and nanoseconds since 1970.
fn stamp(at: Time) -> String {
    nanos_stamp(at.0.saturating_mul(1_000_000))
}

fn nanos_stamp(nanos: i64) -> String {
    format!(
        "{}.{:09}",
        nanos.div_euclid(1_000_000_000),
        nanos.rem_euclid(1_000_000_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_to_the_nanosecond() {
        assert_eq!(
            nanos_stamp(1_795_000_000_000_000_007),
            "1795000000.000000007"
        );
        assert_eq!(stamp(Time(5)), "0.005000000");
    }

    #[test]
    fn waiting_for_an_engine_is_bounded() {
        assert_eq!(back_off(0), Duration::from_millis(100));
        assert_eq!(back_off(40), BACK_OFF);
    }
}
