//! Trends: where a measured number leads, and how sure that is. Row S3.
//!
//! ```text
//! points ─► sampled (bounded, robust) ─► pieces (cut at one-off jumps) ─► slope with its range ─► projection, or a refusal
//! ```
//!
//! The slope is the median of the slopes between all pairs of points (Theil and Sen), the range is Sen's, widened where
//! neighbouring points move together. Both look at ranks alone, so a spike moves neither; a jump that happened once (a cleanup,
//! a restored backup) is cut out, and slopes are taken within the pieces. Why it is so stands in ADR 0055.
//!
//! Nothing here fits a curve, knows a season, or answers from thin data: too few points, too short a time for the
//! question, too much noise and old data are refused, each by name.

mod jump;
mod level;
mod projection;
mod sampled;
mod slope;

pub use jump::Jump;
pub use projection::{Bound, Projection, project};

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::insight::amount;
use crate::time::{Span, Time};
use jump::Cut;
use sampled::Sample;

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: Time,
    pub value: f64,
}

/// What an answer asks of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrendSettings {
    /// Points below which there is no trend.
    pub least_points: usize,
    /// Time the points must cover.
    pub least_span: Span,
    /// How many times the covered time a projection may look ahead.
    pub reach: u64,
    /// A range whose end is more than this many times its beginning says too little, unless all of it is near.
    pub widest: f64,
}

impl Default for TrendSettings {
    fn default() -> TrendSettings {
        TrendSettings {
            least_points: 12,
            least_span: Span::hours(6),
            reach: 10,
            widest: 5.0,
        }
    }
}

/// How a number moves. Slopes are in its unit per day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub per_day: f64,
    /// The range of the slope: 95 % of such ranges hold the true one.
    pub low: f64,
    pub high: f64,
    /// The value at `at`, cleared of noise, and how far it may be off.
    pub level: f64,
    pub level_error: f64,
    /// The newest point.
    pub at: Time,
    /// Points it is made from.
    pub points: u32,
    /// Time they cover, without the jumps.
    pub span: Span,
    /// One-off jumps that were cut out.
    pub jumps: Vec<Jump>,
}

impl Trend {
    pub fn direction(&self) -> Direction {
        if self.low > 0.0 {
            Direction::Rising
        } else if self.high < 0.0 {
            Direction::Falling
        } else {
            Direction::Unclear
        }
    }
}

/// Where it goes, beyond doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Rising,
    Falling,
    /// Flat, or the range holds both directions.
    Unclear,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Refusal {
    #[error("too few points: {have} of the {need} it takes; wait for more")]
    TooFew { have: usize, need: usize },
    #[error("too short a time: {} of data, and it takes {}", amount::span_down(*span), amount::span(*need))]
    TooShort { span: Span, need: Span },
    /// Nothing is reached as far as the data reach, and the question goes further.
    #[error(
        "not within {}, and {} of data say nothing of {}: that takes {} of data",
        amount::span_down(*within), amount::span_down(*span), amount::span(*asked), amount::span_up(*need)
    )]
    TooShortFor {
        span: Span,
        within: Span,
        asked: Span,
        need: Span,
    },
    #[error("too noisy: {}", noise(*earliest, *latest))]
    TooNoisy {
        earliest: Span,
        /// `None`: perhaps never.
        latest: Option<Span>,
    },
    #[error("the newest point is {} old", amount::span(*age))]
    Stale { age: Span },
}

impl Refusal {
    /// The name in the API.
    pub fn word(&self) -> &'static str {
        match self {
            Refusal::TooFew { .. } => "too_few",
            Refusal::TooShort { .. } => "too_short",
            Refusal::TooShortFor { .. } => "too_short_for",
            Refusal::TooNoisy { .. } => "too_noisy",
            Refusal::Stale { .. } => "stale",
        }
    }
}

fn noise(earliest: Span, latest: Option<Span>) -> String {
    let mut text = String::from("it could be reached in ");
    text.push_str(&amount::span(earliest));
    match latest {
        Some(latest) => {
            text.push_str(" or in ");
            text.push_str(&amount::span(latest));
        }
        None => text.push_str(" or never"),
    }
    text
}

/// Points older than this many times their usual distance are old.
const STALE_DISTANCES: u64 = 4;
/// …but never before this.
const STALE_LEAST: Span = Span::hours(1);

/// The trend of `points` as it can be known at `now`. They need not be in order; what is no number is left out, and what lies
/// after `now` as well.
pub fn trend(points: &[Point], now: Time, settings: &TrendSettings) -> Result<Trend, Refusal> {
    let clean = sampled::clean(points, now);
    let samples = sampled::sampled(&clean);
    let (have, need) = (samples.len(), settings.least_points.max(3));
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Err(Refusal::TooFew { have, need });
    };
    if have < need {
        return Err(Refusal::TooFew { have, need });
    }
    let covered = last.at.since(first.at);
    if covered < settings.least_span {
        let need = settings.least_span;
        return Err(Refusal::TooShort {
            span: covered,
            need,
        });
    }
    let age = now.since(clean.last().map_or(last.at, |point| point.at));
    let usual = covered.0 / samples.len() as u64;
    if age > STALE_LEAST && age.0 > usual.saturating_mul(STALE_DISTANCES) {
        return Err(Refusal::Stale { age });
    }
    let Cut {
        pieces,
        jumps,
        threshold,
    } = jump::cut(&samples);
    let Some(slope) = slope::slope(&pieces) else {
        return Err(Refusal::TooFew { have, need });
    };
    let since = jumps.last().map_or(first.at, |jump| jump.at);
    let level = level::level(&clean, since, slope.middle, threshold);
    let span = pieces.iter().map(|piece| length(piece)).sum();
    Ok(Trend {
        per_day: slope.middle,
        low: slope.low,
        high: slope.high,
        level: level.value,
        level_error: level.error,
        at: level.at,
        points: u32::try_from(clean.len()).unwrap_or(u32::MAX),
        span: Span(span),
        jumps,
    })
}

fn length(piece: &[Sample]) -> u64 {
    match (piece.first(), piece.last()) {
        (Some(first), Some(last)) => last.at.since(first.at).0,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
