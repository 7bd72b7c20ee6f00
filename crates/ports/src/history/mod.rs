//! Samples of metrics over time: written, and read back by range.
//!
//! A series is a set of labels, the metric's name among them, as in Prometheus. What is read may have been folded: the
//! older it is, the coarser; a [`Point`] says what was lowest, highest and average within its step. Nothing here decides
//! what a sample means, and no reader waits for a writer.
//!
//! Who implements only [`Reader`] reads somebody else's history, which Stead does not write.

mod labels;
pub mod select;

use std::fmt::{self, Debug};

use async_trait::async_trait;
use stead_core::time::{Span, Time};

pub use labels::{Labels, NAME, Quoted};

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub at: Time,
    pub value: f64,
}

/// One reading of one series, to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub labels: Labels,
    pub sample: Sample,
}

/// How a matcher compares. Regular expressions match whole values. A label that is not there counts as empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    Differs,
}

/// What one label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    pub label: String,
    pub op: Op,
    pub value: String,
}

/// Which series are meant: those that every matcher fits. An empty selector means none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    pub matchers: Vec<Matcher>,
}

impl Selector {
    /// All series of a metric.
    pub fn metric(name: &str) -> Selector {
        Selector::default().with(NAME, Op::Equal, name)
    }

    /// Only those that this fits too.
    #[must_use]
    pub fn with(mut self, label: &str, op: Op, value: &str) -> Selector {
        self.matchers.push(Matcher {
            label: label.to_owned(),
            op,
            value: value.to_owned(),
        });
        self
    }
}

/// As PromQL writes it.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::Differs => "!~",
        };
        write!(f, "{}{op}{}", self.label, Quoted(&self.value))
    }
}

/// As PromQL writes it, the metric's name as a label among others.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, matcher) in self.matchers.iter().enumerate() {
            let before = if n == 0 { "" } else { "," };
            write!(f, "{before}{matcher}")?;
        }
        f.write_str("}")
    }
}

/// A question about a stretch of time: `from` is part of it, `to` is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    pub selector: Selector,
    pub from: Time,
    pub to: Time,
    /// Points stand at its multiples, counted from the epoch. Zero: as fine as there is.
    pub step: Span,
}

/// What was between `at` and the next point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: Time,
    pub min: f64,
    pub max: f64,
    pub avg: f64,
}

/// Points of one series, by time. Where there was nothing there is no point.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub points: Vec<Point>,
}

/// How many samples were not taken, by reason. The others of the same batch were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Further ahead of the clock than clocks may differ.
    pub future: u64,
    /// Older than anything that is kept.
    pub old: u64,
    /// Not newer than the series' last sample: said before, or by a clock that went back.
    pub disorder: u64,
    /// Of a new series of a metric that has as many as it may.
    pub metric_full: u64,
    /// Of a new series when there are as many as there may be.
    pub series_full: u64,
    /// Labels without a metric's name, too many, or too long.
    pub labels: u64,
}

impl Refused {
    /// Name and number of each reason.
    pub fn reasons(&self) -> [(&'static str, u64); 6] {
        [
            ("future", self.future),
            ("old", self.old),
            ("disorder", self.disorder),
            ("metric_full", self.metric_full),
            ("series_full", self.series_full),
            ("labels", self.labels),
        ]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.reasons().iter().map(|(_, count)| count).sum()
    }

    pub fn add(&mut self, more: &Refused) {
        self.future += more.future;
        self.old += more.old;
        self.disorder += more.disorder;
        self.metric_full += more.metric_full;
        self.series_full += more.series_full;
        self.labels += more.labels;
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    pub samples: u64,
    pub refused: Refused,
}

/// Why nothing was written, or nothing can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Some or all of the batch was not taken; when it comes again, what was taken is refused as said before. Reading works
    /// on; writing does once there is room.
    #[error("the disk that holds the history is full: free some space, it goes on by itself")]
    Full,
    #[error("the selector cannot be used: {0}")]
    Selector(String),
    #[error("the query cannot be answered: {0}")]
    Query(String),
    #[error("that would be {asked} {what}, and {limit} are the most: {hint}")]
    TooMuch {
        what: &'static str,
        asked: u64,
        limit: u64,
        hint: &'static str,
    },
    /// Somebody else's history, which is read over the network.
    #[error("{0}")]
    Away(String),
    #[error("evaluating the query took longer than {0} seconds")]
    Slow(u64),
    #[error("the history was written by a newer Stead (version {0}): start that one again")]
    Newer(u64),
    /// Parts of it that cannot be read are passed over; this is about what nothing can be read without.
    #[error("the history is damaged: {0}")]
    Damaged(String),
    #[error("the history cannot be read or written: {0}")]
    Io(String),
}

impl Error {
    /// Has a page under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Full => "history-full",
            Error::Selector(_) => "history-selector",
            Error::Query(_) => "history-query",
            Error::TooMuch { .. } => "history-too-much",
            Error::Away(_) => "history-away",
            Error::Slow(_) => "history-slow",
            Error::Newer(_) => "history-newer",
            Error::Damaged(_) => "history-damaged",
            Error::Io(_) => "history-io",
        }
    }
}

/// Reads samples. Every answer is bounded; what would go beyond is an error that names the limit.
#[async_trait]
pub trait Reader: Debug + Send + Sync + 'static {
    /// Points of every series selected, in the order of their labels.
    async fn range(&self, range: &Range) -> Result<Vec<Series>, Error>;

    /// Which series there are that had a sample at `from` or later, in the order of their labels.
    async fn series(&self, selector: &Selector, from: Time) -> Result<Vec<Labels>, Error>;
}

/// Takes samples.
#[async_trait]
pub trait Writer: Debug + Send + Sync + 'static {
    /// What was accepted survives the end of this process. Samples of one series come in the order of their times.
    async fn append(&self, batch: Vec<Entry>) -> Result<Accepted, Error>;
}
