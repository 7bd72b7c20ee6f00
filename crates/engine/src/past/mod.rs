//! Time travel: the world as it was at an instant. Row L16.
//!
//! The world at an instant is the fold of the longest beginning of the log that knows nothing later: it ends before the
//! first record that would bring [`World::at`], the latest instant any record carried, beyond the one asked for. Where
//! a clock was set back the log stays in order, and an hour that happened twice is seen as it was when it ended.
//!
//! Nothing is decided here, nothing is written, and the control loop is never waited for: the log is read beside it, one
//! walk at a time, from the nearest world that is kept.

mod instant;
mod shelf;
mod walk;

pub use instant::{InvalidInstant, instant};

use std::sync::Arc;

use stead_core::drift;
use stead_core::time::{Span, Time};
use stead_core::world::World;
use stead_ports::log::{self, EventLog};
use tokio::sync::Mutex;

use crate::handle::Handle;
use crate::replay;
use shelf::Shelf;

/// Clocks of whoever asks may be this far ahead.
const AHEAD: Span = Span::secs(5);

/// The world as it was.
#[derive(Debug, Clone)]
pub struct Past {
    /// The instant that was asked for.
    pub at: Time,
    frame: Arc<Frame>,
}

/// A world and what differs in it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub world: World,
    pub drift: drift::Index,
    /// The first instant at which the log knows more; `None`: it ended here when it was read.
    pub until: Option<Time>,
}

/// Why there is no such past.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log does not reach back that far.
    #[error("{}", before(*.earliest, *.asked))]
    Before { asked: Time, earliest: Option<Time> },
    #[error("{asked} is in the future: it is {now}")]
    Future { asked: Time, now: Time },
    #[error(transparent)]
    Log(#[from] log::Error),
}

fn before(earliest: Option<Time>, asked: Time) -> String {
    match earliest {
        Some(at) => format!("the log says nothing of {asked}: what it keeps begins at {at}"),
        None => format!("the log says nothing of {asked}: nothing has been recorded yet"),
    }
}

impl Error {
    /// Has a page under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Before { .. } => "past-compacted",
            Error::Future { .. } => "past-future",
            Error::Log(error) => error.code(),
        }
    }

    /// What whoever asked does next.
    pub fn remedy(&self) -> String {
        match self {
            Error::Before {
                earliest: Some(at), ..
            } => format!("ask for {at} or later; older events were folded by retention"),
            Error::Before { earliest: None, .. } => {
                "start a server with a fleet, and ask again once something happened".to_string()
            }
            Error::Future { .. } => "ask for an instant that has been, such as 2h".to_string(),
            Error::Log(error) => error.remedy().to_string(),
        }
    }
}

impl Past {
    pub fn world(&self) -> &World {
        &self.frame.world
    }
    pub fn drift(&self) -> &drift::Index {
        &self.frame.drift
    }
}

/// Worlds that were, and the one walk that makes them.
#[derive(Debug, Default)]
pub struct Pasts(Mutex<Shelf>);

impl Pasts {
    /// The world of `asked`. `now`: what is later than this has not been.
    pub async fn at(&self, log: &Arc<dyn EventLog>, asked: Time, now: Time) -> Result<Past, Error> {
        if asked > now + AHEAD {
            return Err(Error::Future { asked, now });
        }
        // Whoever waits here and goes away gives up its place: a slider leaves one walk behind, not ten.
        let mut shelf = self.0.lock().await;
        if let Some(frame) = shelf.hit(asked) {
            return Ok(Past { at: asked, frame });
        }
        let walked = match shelf.nearest(asked) {
            Some(kept) => match walk::to(log, kept, asked).await {
                // Compaction removed what came after that world.
                Err(log::Error::Gap { .. }) => {
                    shelf.clear();
                    walk::to(log, begin(log, asked).await?, asked).await?
                }
                other => other?,
            },
            None => walk::to(log, begin(log, asked).await?, asked).await?,
        };
        let frame = walked.frame;
        for mark in walked.marks {
            shelf.mark(mark);
        }
        shelf.keep(Arc::clone(&frame));
        Ok(Past { at: asked, frame })
    }
}

/// The world to walk from where none is kept: the snapshot of the last start if it is old enough, else the beginning.
async fn begin(log: &Arc<dyn EventLog>, asked: Time) -> Result<walk::Start, Error> {
    if let Some(cached) = replay::of_snapshots(&**log).await?
        && cached.at <= asked
    {
        return Ok(walk::Start::of_world(cached));
    }
    let base = log.base().await?;
    let has_base = base.is_some();
    let world = replay::of_base(&**log, base).await?;
    let earliest = if has_base {
        Some(world.at)
    } else {
        first(&**log).await?
    };
    match earliest {
        Some(at) if at <= asked => Ok(walk::Start::of_world(world)),
        earliest => Err(Error::Before { asked, earliest }),
    }
}

/// When the first record was made.
async fn first(log: &dyn EventLog) -> Result<Option<Time>, log::Error> {
    let head = log.head().await?;
    let before = stead_core::ids::Seq(head.first.0.saturating_sub(1));
    Ok(log.read(before, 1).await?.first().map(|r| r.at))
}

impl Handle {
    /// The world as it was at `at`.
    pub async fn past(&self, at: Time) -> Result<Past, Error> {
        self.pasts.at(&self.log, at, self.now().at).await
    }

    /// The earliest instant [`Handle::past`] can show; `None` while the log is empty.
    pub async fn earliest(&self) -> Result<Option<Time>, Error> {
        match self.log.base().await? {
            Some(base) => Ok(Some(replay::of_base(&*self.log, Some(base)).await?.at)),
            None => Ok(first(&*self.log).await?),
        }
    }
}

#[cfg(test)]
mod tests;
