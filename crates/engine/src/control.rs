//! The control loop: the one writer of the log.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use stead_core::controller::{Change, Controller, Effect, Input};
use stead_core::event::Event;
use stead_core::time::{Span, Time};
use stead_core::world::World;
use stead_ports::clock;
use stead_ports::log::{self, EventLog, Record};
use stead_ports::planted::{self, Bug};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Moved};
use crate::handle::{Done, Envelope, Handle, Shared};
use crate::lead::Lead;
use crate::replay;
use crate::view::{Feed, Live};

/// Code of the trouble while the disk of the log is full.
pub const LOG_FULL: &str = "log-full";
/// Code of the trouble while the fleet names a time zone that is not in the database.
pub const ZONE_UNKNOWN: &str = "unknown-time-zone";
/// Inputs waiting for the control loop; whoever sends more waits.
const QUEUE: usize = 16_384;
/// Inputs that share one commit at most.
const BATCH: usize = 8_192;
/// Messages a slow reader of the feed may lag behind before it is told to load anew.
const FEED: usize = 4_096;
/// Between tries while the disk is full.
const RETRY: Duration = Duration::from_millis(500);

/// How the loop runs.
#[derive(Debug, Clone)]
pub struct Options {
    pub version: String,
    /// Events between snapshots.
    pub snapshot_every: u64,
    /// Events older than this are folded into a base record once a day; what was decided and done stays.
    pub retain: Span,
    /// Where the owner lives, unless the fleet says it.
    pub zone: TimeZone,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_string(),
            snapshot_every: 20_000,
            retain: Span::days(730),
            zone: TimeZone::UTC,
        }
    }
}

/// The control loop, ready to run.
pub struct Engine {
    handle: Handle,
    queue: mpsc::Receiver<Envelope>,
    effects: mpsc::UnboundedSender<Effect>,
    options: Options,
    /// Absent where nobody else can have the log: a test of its own, a simulation of one server.
    lead: Option<Lead>,
    since_snapshot: u64,
    compacted_at: Option<Time>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// One input's share of a batch.
struct Answer {
    done: Option<tokio::sync::oneshot::Sender<Done>>,
    value: Done,
}

fn answer(answers: Vec<Answer>) {
    for Answer { done, value } in answers {
        if let Some(done) = done {
            let _ = done.send(value);
        }
    }
}

impl Engine {
    /// Goes on from a replayed world. Effects come out of the receiver once their events are durable; it must be
    /// drained without waiting (their number is bounded by the concurrency limits of policy and the number of nodes).
    pub fn new(
        log: Arc<dyn EventLog>,
        clock: Arc<dyn clock::Clock>,
        log_id: &str,
        world: World,
        options: Options,
    ) -> (Engine, Handle, mpsc::UnboundedReceiver<Effect>) {
        let (queue_in, queue) = mpsc::channel(QUEUE);
        let (effects, effects_out) = mpsc::unbounded_channel();
        let (feed, _) = broadcast::channel(FEED);
        let world = World {
            planted: planted::planted(),
            ..world
        };
        let shared = Shared {
            controller: Controller::new(world, log_id),
            live: Live::default(),
        };
        let handle = Handle {
            queue: queue_in,
            shared: Arc::new(RwLock::new(shared)),
            feed,
            log,
            clock: Arc::new(RwLock::new(Clock::new(clock, options.zone.clone()))),
            pasts: Arc::default(),
        };
        let engine = Engine {
            handle: handle.clone(),
            queue,
            effects,
            options,
            lead: None,
            since_snapshot: 0,
            compacted_at: None,
        };
        (engine, handle, effects_out)
    }

    /// The same engine, as the leader that [`crate::lead`] made it before the log was replayed.
    #[must_use]
    pub fn leading(mut self, lead: Lead) -> Engine {
        self.lead = Some(lead);
        self
    }

    /// Runs until `stop`, until the log can no longer be trusted, or until somebody else leads ([`log::Error::Fenced`]).
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), log::Error> {
        self.begin().await?;
        loop {
            let idle = self.until_deadline();
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                first = self.queue.recv() => match first {
                    Some(first) => self.gather(first),
                    None => break,
                },
                () = tokio::time::sleep(idle) => vec![Envelope { input: Input::Tick, done: None }],
            };
            self.commit(batch).await?;
            if self.since_snapshot >= self.options.snapshot_every {
                self.snapshot().await;
            }
            self.compact_daily();
        }
        self.commit(vec![Envelope {
            input: Input::Stopping,
            done: None,
        }])
        .await?;
        self.snapshot().await;
        if self.lead.is_some()
            && let Err(error) = self.handle.log.resign().await
        {
            tracing::warn!(%error, "the lead was not given back; the next server waits a little longer");
        }
        self.handle.log.close().await
    }

    /// Says that nothing is known to be fresh, and who decides from here on.
    async fn begin(&mut self) -> Result<(), log::Error> {
        let head = self.handle.read(|v| v.world().head);
        if let Some(lead) = &mut self.lead {
            while let Err(error) = lead.take(&*self.handle.log, head).await {
                if !matches!(error, log::Error::Full) {
                    return Err(error);
                }
                wait_for_room(&self.handle).await;
            }
        }
        let leading = self.lead.as_ref().map(|lead| Input::Leading {
            epoch: lead.epoch(),
            holder: lead.holder().to_owned(),
        });
        let started = Input::Started {
            version: self.options.version.clone(),
        };
        // First that nothing is known: nothing is decided on what was seen before this start.
        let inputs = [started].into_iter().chain(leading);
        let batch = inputs.map(|input| Envelope { input, done: None });
        self.commit(batch.collect()).await
    }

    fn gather(&mut self, first: Envelope) -> Vec<Envelope> {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match self.queue.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        batch
    }

    fn until_deadline(&self) -> Duration {
        let now = self.handle.now().at;
        let at = {
            let shared = self
                .handle
                .shared
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            shared.controller.next_deadline(now)
        };
        // At least now and then, so that a moved clock is noticed.
        let idle = Duration::from_millis(at.since(now).0.clamp(5, 5_000));
        self.lead
            .as_ref()
            .map_or(idle, |lead| idle.min(lead.due_in()))
    }

    /// Handles a batch, makes what follows durable in one commit, then lets it out.
    async fn commit(&mut self, batch: Vec<Envelope>) -> Result<(), log::Error> {
        // Whoever slept through its lease asks before it decides anything.
        if let Some(lead) = &mut self.lead {
            lead.keep(&*self.handle.log).await?;
        }
        let known = self.known(&batch).await?;
        let jumped = self.look_at_the_clock();
        let (events, effects, mut answers) = self.handle_batch(batch, known, jumped);
        if planted::on(Bug::AnswerBeforeCommit) {
            answer(std::mem::take(&mut answers));
        }
        if !events.is_empty() {
            let records: Vec<Record> = events.iter().map(replay::encode).collect();
            self.append(records).await?;
            self.since_snapshot += events.len() as u64;
        }
        for effect in effects {
            // Nobody left to carry it out means that Stead is stopping: it is ordered again at the next start.
            let _ = self.effects.send(effect);
        }
        answer(answers);
        if !events.is_empty() {
            let _ = self.handle.feed.send(Feed::Events(events.into()));
        }
        Ok(())
    }

    /// How far somebody moved the wall, if they did. The time of day is from now on the one where the fleet says its
    /// owner lives.
    fn look_at_the_clock(&self) -> Option<i64> {
        let named = self
            .handle
            .read(|v| v.world().fleet.policy.calendar.timezone.clone());
        let mut clock = self
            .handle
            .clock
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let (moved, jumped) = (clock.follow(named.as_deref()), clock.jumped());
        drop(clock);
        match (moved, named) {
            (Moved::Unknown, Some(name)) => {
                let text = format!(
                    "The calendar names the time zone {name:?}, which nobody knows; times of day are those of the zone before."
                );
                let remedy = "Write it into stead.yaml like Europe/Warsaw or UTC.";
                self.handle.trouble(ZONE_UNKNOWN, text, remedy);
            }
            (Moved::Yes, _) => self.handle.relieved(ZONE_UNKNOWN),
            _ => {}
        }
        jumped
    }

    /// IDs in this batch that the log has already: foreign events and agents' notes are recorded once.
    async fn known(&self, batch: &[Envelope]) -> Result<HashSet<String>, log::Error> {
        let mut ids = Vec::new();
        for envelope in batch {
            match &envelope.input {
                Input::Foreign(event) => ids.push(event.id.clone()),
                Input::Observed { changes, .. } => {
                    ids.extend(changes.iter().filter_map(|c| match c {
                        Change::Note { id, .. } => Some(id.clone()),
                        _ => None,
                    }))
                }
                _ => {}
            }
        }
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        Ok(self.handle.log.known_ids(&ids).await?.into_iter().collect())
    }

    fn handle_batch(
        &self,
        batch: Vec<Envelope>,
        mut known: HashSet<String>,
        jumped: Option<i64>,
    ) -> (Vec<Event>, Vec<Effect>, Vec<Answer>) {
        let (mut events, mut effects, mut answers) =
            (Vec::new(), Vec::new(), Vec::with_capacity(batch.len()));
        let mut shared = self
            .handle
            .shared
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.handle.now();
        if let Some(by) = jumped {
            let step = shared.controller.handle(now, Input::ClockJumped(by));
            events.extend(step.events);
            effects.extend(step.effects);
        }
        // Who gave a sign while the log was busy is heard before anybody is taken for silent.
        let (signs, rest): (Vec<Envelope>, Vec<Envelope>) = batch
            .into_iter()
            .partition(|e| matches!(e.input, Input::Heard { .. }));
        for Envelope { mut input, done } in signs.into_iter().chain(rest) {
            let duplicate = without_known(&mut input, &mut known);
            if duplicate {
                answers.push(Answer {
                    done,
                    value: Done {
                        seq: None,
                        duplicate,
                        reply: None,
                    },
                });
                continue;
            }
            let step = shared.controller.handle(now, input);
            let seq = step.events.last().map(|e| e.seq);
            events.extend(step.events);
            effects.extend(step.effects);
            answers.push(Answer {
                done,
                value: Done {
                    seq,
                    duplicate,
                    reply: step.reply,
                },
            });
        }
        (events, effects, answers)
    }

    /// Appends, waiting out a full disk: nothing is let out and nothing new is taken meanwhile, reads live on.
    async fn append(&self, records: Vec<Record>) -> Result<(), log::Error> {
        loop {
            match self.handle.log.append(records.clone()).await {
                Ok(()) => {
                    self.handle.relieved(LOG_FULL);
                    return Ok(());
                }
                Err(log::Error::Full) => wait_for_room(&self.handle).await,
                Err(fatal) => return Err(fatal),
            }
        }
    }

    /// Once a day, beside the loop: appends go on meanwhile.
    fn compact_daily(&mut self) {
        let now = self.handle.now().at;
        if self
            .compacted_at
            .is_some_and(|at| now.since(at) < Span::days(1))
        {
            return;
        }
        self.compacted_at = Some(now);
        let cutoff = Time(
            now.0
                .saturating_sub(i64::try_from(self.options.retain.0).unwrap_or(i64::MAX)),
        );
        let log = Arc::clone(&self.handle.log);
        tokio::spawn(async move {
            match crate::compact(&*log, cutoff).await {
                Ok(Some(done)) => tracing::info!(
                    removed = done.removed,
                    kept = done.kept,
                    "old events folded"
                ),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "folding old events failed; tried again tomorrow")
                }
            }
        });
    }

    /// A cache that makes the next start quick; failing to write it costs only time.
    async fn snapshot(&mut self) {
        self.since_snapshot = 0;
        let shards = self.handle.read(|v| replay::split(v.world()));
        if let Err(e) = self.handle.log.put_snapshots(shards).await {
            tracing::warn!(error = %e, "writing the snapshot failed; the next start replays more");
        }
    }
}

/// Says that the disk is full, and waits until it is worth another try.
async fn wait_for_room(handle: &Handle) {
    tracing::error!("the disk that holds the event log is full; waiting for room");
    let text = "The disk that holds the event log is full: nothing is recorded, nothing is done.";
    let remedy = "Free space on that disk; Stead goes on by itself, nothing acknowledged is lost.";
    handle.trouble(LOG_FULL, text, remedy);
    tokio::time::sleep(RETRY).await;
}

/// Drops what the log has already. Returns whether nothing of the input is left.
fn without_known(input: &mut Input, known: &mut HashSet<String>) -> bool {
    match input {
        Input::Foreign(event) => !known.insert(event.id.clone()),
        Input::Observed { changes, .. } => {
            changes.retain(|c| match c {
                Change::Note { id, .. } => known.insert(id.clone()),
                _ => true,
            });
            false
        }
        _ => false,
    }
}
