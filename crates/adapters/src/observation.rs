//! What an adapter tells while it watches. Nothing here decides; the receiver folds these into its node's facts.

use stead_core::facts::{Fact, FactKey, SourceFacts, SourceKind};
use stead_core::time::Time;

/// Bound of the channel a watch writes to. A receiver that lags slows the watch down; what the engine then drops is
/// found again by the next listing.
pub const BOUND: usize = 1024;

/// One thing a watch has to say. Equal facts are never told twice in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    Put(FactKey, Box<Fact>),
    Gone(FactKey),
    /// Everything this source had to list has been told; sent after each full listing.
    Synced(SourceKind),
    /// Something a person should know that is no fact.
    Note {
        code: &'static str,
        text: String,
    },
}

impl Observation {
    pub fn source(kind: SourceKind, facts: SourceFacts) -> Observation {
        Observation::Put(FactKey::Source(kind), Box::new(Fact::Source(facts)))
    }
}

pub type Sender = tokio::sync::mpsc::Sender<Observation>;
pub type Receiver = tokio::sync::mpsc::Receiver<Observation>;

/// A channel for any number of watches.
pub fn channel() -> (Sender, Receiver) {
    tokio::sync::mpsc::channel(BOUND)
}

/// The wall clock, read at the edge and handed down as an argument.
#[allow(clippy::disallowed_methods)]
pub(crate) fn wall_clock() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
