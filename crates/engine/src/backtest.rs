//! A policy on trial over what is in the log. Row R8.
//!
//! ```text
//! read (one thread) ─► decode what matters (one thread) ─► decide anew (one thread) ─► report
//! ```
//!
//! Each stage is a few chunks ahead of the next at most. Nothing is written, no order and no message leaves, and the
//! control loop is not involved.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use jiff::tz::TimeZone;
use stead_core::backtest::{Backtest, Report, given};
use stead_core::desired::Policy;
use stead_core::event::{Body, Event};
use stead_core::facts::Fact;
use stead_core::policy::Now;
use stead_core::time::Time;
use stead_core::world::World;
use stead_ports::log::{self, EventLog, Record};
use tokio::sync::{mpsc, watch};

use crate::handle::Handle;
use crate::past::{self, Pasts};
use crate::replay::{self, Fleets};
use crate::zone;

/// Records read at a time.
const CHUNK: usize = 10_000;
/// Chunks that wait between two stages.
const AHEAD: usize = 2;
/// What stands before the data in the body of one of Stead's own statements.
const OWN: &[u8] = br#""source":"server""#;
/// Bytes of a body in which [`OWN`] stands, if it does: only the cause is before it.
const HEAD: usize = 64;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub policy: Policy,
    pub since: Time,
    pub until: Time,
    /// Where the owner lives, unless the policy says it.
    pub zone: TimeZone,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
    /// The instant reached.
    pub at: Time,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the period from {since} to {until} is empty")]
    Period { since: Time, until: Time },
    #[error("nothing was observed between {since} and {until}, so nothing would have been decided")]
    Nothing { since: Time, until: Time },
    #[error(transparent)]
    Past(#[from] past::Error),
    #[error(transparent)]
    Log(#[from] log::Error),
}

impl Error {
    /// Has a page under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Period { .. } => "bad-period",
            Error::Nothing { .. } => "nothing-recorded",
            Error::Past(error) => error.code(),
            Error::Log(error) => error.code(),
        }
    }

    /// What whoever asked does next.
    pub fn remedy(&self) -> String {
        match self {
            Error::Period { .. } => {
                "let it begin before it ends: --since 30d --until 1d".to_string()
            }
            Error::Nothing { .. } => {
                "choose a longer period, or check that agents were connected then".to_string()
            }
            Error::Past(error) => error.remedy(),
            Error::Log(error) => error.remedy().to_string(),
        }
    }
}

/// Records of a chunk, with the documents they name.
struct Read {
    records: Vec<Record>,
    fleets: Fleets,
}

/// Events of a chunk that matter, and how many do not.
struct Decoded {
    events: Vec<Event>,
    skipped: u64,
    at: Time,
}

/// Tries `question` on the log. `progress` hears about every chunk.
pub async fn backtest(
    log: &Arc<dyn EventLog>,
    question: Question,
    now: Time,
    progress: Option<watch::Sender<Progress>>,
) -> Result<Report, Error> {
    run(log, &Pasts::default(), question, now, progress).await
}

async fn run(
    log: &Arc<dyn EventLog>,
    pasts: &Pasts,
    question: Question,
    now: Time,
    progress: Option<watch::Sender<Progress>>,
) -> Result<Report, Error> {
    let (since, until) = (question.since, question.until.min(now));
    if since >= until {
        let until = question.until;
        return Err(Error::Period { since, until });
    }
    let world = pasts.at(log, since, now).await?.world().clone();
    let total = log.head().await?.seq.0.saturating_sub(world.head.0);
    let from = world.head;
    let (to_decode, read) = mpsc::channel(AHEAD);
    let (to_decide, decoded) = mpsc::channel(AHEAD);
    let latest = world.at;
    // At most as many as chunks are on their way.
    let (give_back, emptied) = mpsc::unbounded_channel();
    let decoding =
        tokio::task::spawn_blocking(move || decode(read, &to_decide, emptied, latest, until));
    let question = Question { until, ..question };
    let told = progress.map(|tell| (tell, total));
    let deciding =
        tokio::task::spawn_blocking(move || decide(world, question, decoded, &give_back, told));
    let reading = feed(log, from, to_decode);
    let (read, decoded, report) = tokio::join!(reading, decoding, deciding);
    read?;
    decoded.map_err(|e| log::Error::Read(format!("decoding: {e}")))??;
    let report = report.map_err(|e| log::Error::Read(format!("deciding: {e}")))?;
    if report.given == 0 {
        return Err(Error::Nothing { since, until });
    }
    Ok(report)
}

/// Reads on until the log ends or nobody wants more.
async fn feed(
    log: &Arc<dyn EventLog>,
    from: stead_core::ids::Seq,
    out: mpsc::Sender<Read>,
) -> Result<(), log::Error> {
    let mut after = from;
    loop {
        let records = log.read(after, CHUNK).await?;
        let Some(last) = records.last().map(|r| r.seq) else {
            return Ok(());
        };
        if let Some(first) = records.first().filter(|r| r.seq != after.next()) {
            return Err(log::Error::Gap {
                expected: after.next(),
                got: first.seq,
            });
        }
        let full = records.len() == CHUNK;
        after = last;
        let fleets = Fleets::named_in(&**log, &records).await?;
        if out.send(Read { records, fleets }).await.is_err() || !full {
            return Ok(());
        }
    }
}

/// The facts of the latest chunks, held until nearly nobody else holds them. Who allocated them frees them then: a
/// million small texts freed by another thread cost more than deciding about them.
#[derive(Default)]
struct Held(VecDeque<Vec<Arc<Fact>>>);

impl Held {
    fn hold(&mut self, events: &[Event]) {
        let fact = |event: &Event| match &event.body {
            Body::Observed(_, fact) => Some(Arc::clone(fact)),
            _ => None,
        };
        self.0.push_back(events.iter().filter_map(fact).collect());
        // In the next stage, waiting for it, and one for what comes before them in the world.
        if self.0.len() > AHEAD + 2 {
            self.0.pop_front();
        }
    }
}

/// Decodes what matters, up to the end of the period.
fn decode(
    mut read: mpsc::Receiver<Read>,
    out: &mpsc::Sender<Decoded>,
    mut emptied: mpsc::UnboundedReceiver<Vec<Event>>,
    mut latest: Time,
    until: Time,
) -> Result<(), log::Error> {
    let mut held = Held::default();
    while let Some(Read { records, fleets }) = read.blocking_recv() {
        let mut decoded = Decoded {
            events: emptied.try_recv().unwrap_or_default(),
            skipped: 0,
            at: latest,
        };
        let mut over = false;
        for record in records {
            latest = latest.max(record.at);
            over = latest > until;
            if over {
                break;
            }
            decoded.at = latest;
            if given::matters(&record.kind) && !is_own_statement(&record) {
                decoded
                    .events
                    .push(fleets.complete(replay::decode(record)?)?);
            } else {
                decoded.skipped += 1;
            }
        }
        held.hold(&decoded.events);
        if out.blocking_send(decoded).is_err() || over {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether Stead itself said so of a service: it says it anew. Others may report the same; that is read.
fn is_own_statement(record: &Record) -> bool {
    let about_service = record.kind.starts_with("service_")
        || matches!(
            record.kind.as_str(),
            "containers_not_running" | "mqtt_unreachable"
        );
    let head = &record.body[..record.body.len().min(HEAD)];
    about_service && head.windows(OWN.len()).any(|text| text == OWN)
}

fn decide(
    world: World,
    question: Question,
    mut decoded: mpsc::Receiver<Decoded>,
    emptied: &mpsc::UnboundedSender<Vec<Event>>,
    progress: Option<(watch::Sender<Progress>, u64)>,
) -> Report {
    let named = question.policy.calendar.timezone.as_deref();
    let zone = named.and_then(zone::named).unwrap_or(question.zone);
    let local = by_the_minute(move |at| zone::local(&zone, at));
    let mut test = Backtest::new(
        world,
        question.policy,
        question.since,
        question.until,
        local,
    );
    let mut done = 0;
    while let Some(part) = decoded.blocking_recv() {
        done += part.events.len() as u64 + part.skipped;
        test.skipped(part.skipped);
        let mut events = part.events;
        test.feed(&mut events);
        // Without it the next chunk makes room of its own.
        let _ = emptied.send(events);
        if let Some((tell, total)) = &progress {
            // Nobody listening is no fault.
            let _ = tell.send(Progress {
                done,
                total: *total,
                at: part.at,
            });
        }
    }
    test.finish()
}

/// The owner's time of day, asked for once a minute: zones change at whole minutes only.
fn by_the_minute(local: impl Fn(Time) -> Now) -> impl Fn(Time) -> Now {
    let kept: Cell<Option<(i64, Now)>> = Cell::new(None);
    move |at| {
        let minute = at.0.div_euclid(60_000);
        match kept.get() {
            Some((same, now)) if same == minute => Now { at, ..now },
            _ => {
                let now = local(at);
                kept.set(Some((minute, now)));
                now
            }
        }
    }
}

impl Handle {
    /// What `policy` would have decided between `since` and `until`.
    pub async fn backtest(
        &self,
        policy: Policy,
        since: Time,
        until: Time,
        progress: Option<watch::Sender<Progress>>,
    ) -> Result<Report, Error> {
        let question = Question {
            policy,
            since,
            until,
            zone: self.own_zone(),
        };
        run(&self.log, &self.pasts, question, self.now().at, progress).await
    }
}
