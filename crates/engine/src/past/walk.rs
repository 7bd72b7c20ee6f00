//! One walk along the log: from a world that is kept to the instant that was asked for. Decoding and folding leave the
//! loop's threads; the next records are read meanwhile.

use std::sync::Arc;

use stead_core::drift;
use stead_core::event::Event;
use stead_core::ids::Seq;
use stead_core::time::Time;
use stead_core::world::World;
use stead_ports::log::{self, EventLog, Record};

use super::Frame;
use super::shelf::MARKS;
use crate::replay::{self, Fleets};

/// Records read at a time.
const CHUNK: usize = 10_000;
/// Records between marks, at least.
const STRIDE: u64 = 20_000;

/// Where a walk begins.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    Frame(Arc<Frame>),
    Mark(Arc<World>),
}

impl Start {
    pub(super) fn of_world(world: World) -> Start {
        Start::Mark(Arc::new(world))
    }
    pub(super) fn head(&self) -> Seq {
        self.world().head
    }
    fn world(&self) -> &World {
        match self {
            Start::Frame(frame) => &frame.world,
            Start::Mark(world) => world,
        }
    }
    /// The world to go on from; copied where somebody else keeps it.
    fn into_world(self) -> World {
        match self {
            Start::Frame(frame) => frame.world.clone(),
            Start::Mark(world) => Arc::unwrap_or_clone(world),
        }
    }
}

/// Where it ended, and marks it left.
pub(super) struct Walked {
    pub frame: Arc<Frame>,
    pub marks: Vec<Arc<World>>,
}

/// The world under way.
struct Under {
    world: World,
    marks: Vec<Arc<World>>,
    stride: u64,
    until: Option<Time>,
}

/// Walks until the log knows something later than `asked`. `Gap`: records on the way were compacted away.
pub(super) async fn to(
    log: &Arc<dyn EventLog>,
    start: Start,
    asked: Time,
) -> Result<Walked, log::Error> {
    let mut chunk = log.read(start.head(), CHUNK).await?;
    let next = chunk.first().map(|r| r.at.max(start.world().at));
    if let Start::Frame(frame) = &start
        && next.is_none_or(|at| at > asked)
        && frame.until == next
    {
        // Nothing to fold: it is that world.
        return Ok(Walked {
            frame: Arc::clone(frame),
            marks: Vec::new(),
        });
    }
    let head = log.head().await?.seq;
    let mut under = Under {
        world: start.into_world(),
        marks: Vec::new(),
        stride: (head.0 / MARKS).max(STRIDE),
        until: None,
    };
    while !chunk.is_empty() && under.until.is_none() {
        let after = chunk.last().map_or(under.world.head, |r| r.seq);
        let more = chunk.len() == CHUNK && chunk.last().is_some_and(|r| r.at <= asked);
        let fleets = Fleets::named_in(&**log, &chunk).await?;
        let records = std::mem::take(&mut chunk);
        let folding = tokio::task::spawn_blocking(move || under.fold(records, asked, &fleets));
        let reading = async {
            match more {
                true => log.read(after, CHUNK).await,
                false => Ok(Vec::new()),
            }
        };
        let (folded, read) = tokio::join!(folding, reading);
        under = folded.map_err(|e| log::Error::Read(format!("folding the log: {e}")))??;
        chunk = read?;
    }
    tokio::task::spawn_blocking(move || under.done())
        .await
        .map_err(|e| log::Error::Read(format!("comparing that world: {e}")))
}

impl Under {
    fn fold(
        mut self,
        records: Vec<Record>,
        asked: Time,
        fleets: &Fleets,
    ) -> Result<Under, log::Error> {
        for record in records {
            let at = record.at.max(self.world.at);
            let expected = self.world.head.next();
            if record.seq != expected {
                return Err(log::Error::Gap {
                    expected,
                    got: record.seq,
                });
            }
            if at > asked {
                self.until = Some(at);
                return Ok(self);
            }
            let event: Event = fleets.complete(replay::decode(record)?)?;
            self.world.apply(&event);
            if self.world.head.0.is_multiple_of(self.stride) {
                self.marks.push(Arc::new(self.world.clone()));
            }
        }
        Ok(self)
    }

    fn done(self) -> Walked {
        Walked {
            marks: self.marks,
            frame: Arc::new(Frame {
                drift: drift::Index::rebuild(&self.world),
                world: self.world,
                until: self.until,
            }),
        }
    }
}
