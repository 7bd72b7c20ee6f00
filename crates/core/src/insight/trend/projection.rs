//! When a bound is reached, as a range, or why that cannot be said.

use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use super::{Point, Refusal, Trend, TrendSettings, trend};
use crate::insight::amount;
use crate::time::{Span, Time};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "when", content = "bound", rename_all = "snake_case")]
pub enum Bound {
    /// At this value or above it: a disk that fills.
    RisesTo(f64),
    /// At this value or below it: memory that runs out.
    FallsTo(f64),
}

/// When it is reached, counted from the newest point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Projection {
    /// It is already there.
    Reached,
    /// It moves away from the bound.
    Away {
        per_day: f64,
    },
    /// Not before `horizon` is over.
    NotWithin {
        horizon: Span,
    },
    Within {
        earliest: Span,
        latest: Span,
    },
}

impl Projection {
    /// For people, with the bound as they know it: `reaches 55 % in 9 to 14 days`.
    pub fn words(&self, bound: &str) -> String {
        match self {
            Projection::Reached => format!("already at {bound}"),
            Projection::Away { per_day } => {
                let way = if *per_day < 0.0 { "falling" } else { "rising" };
                format!("{way}, away from {bound}")
            }
            Projection::NotWithin { horizon } => {
                format!("does not reach {bound} within {}", amount::span(*horizon))
            }
            Projection::Within { earliest, latest } if earliest.0 < 60_000 => {
                format!("reaches {bound} within {}", amount::span_up(*latest))
            }
            Projection::Within { earliest, latest } => {
                let range = amount::span_range(*earliest, *latest);
                format!("reaches {bound} in {range}")
            }
        }
    }
}

/// When `bound` is reached within `horizon`, with the trend it is read from.
pub fn project(
    points: &[Point],
    bound: Bound,
    horizon: Span,
    now: Time,
    settings: &TrendSettings,
) -> Result<(Trend, Projection), Refusal> {
    let trend = trend(points, now, settings)?;
    let projection = trend.reaches(bound, horizon, settings)?;
    Ok((trend, projection))
}

impl Trend {
    /// When `bound` is reached within `horizon`.
    pub fn reaches(
        &self,
        bound: Bound,
        horizon: Span,
        settings: &TrendSettings,
    ) -> Result<Projection, Refusal> {
        // Seen from the bound: how far it is, and the slowest and the fastest it comes nearer.
        let (gap, slow, fast) = match bound {
            Bound::RisesTo(value) => (value - self.level, self.low, self.high),
            Bound::FallsTo(value) => (self.level - value, -self.high, -self.low),
        };
        if gap <= 0.0 {
            return Ok(Projection::Reached);
        }
        if fast < 0.0 {
            let per_day = self.per_day;
            return Ok(Projection::Away { per_day });
        }
        let earliest = after((gap - self.level_error).max(0.0), fast);
        let within = horizon.min(Span(self.span.0.saturating_mul(settings.reach)));
        let Some(earliest) = earliest.filter(|earliest| *earliest <= within) else {
            return if within < horizon {
                Err(Refusal::TooShortFor {
                    span: self.span,
                    within,
                    asked: horizon,
                    need: Span(horizon.0.div_ceil(settings.reach.max(1))),
                })
            } else {
                Ok(Projection::NotWithin { horizon })
            };
        };
        let says_something = |latest: Span| {
            latest.0 as f64 <= earliest.0 as f64 * settings.widest || latest.0 <= self.span.0 / 2
        };
        match after(gap + self.level_error, slow) {
            Some(latest) if says_something(latest) => Ok(Projection::Within { earliest, latest }),
            latest => Err(Refusal::TooNoisy { earliest, latest }),
        }
    }
}

/// How long `gap` takes at `per_day`; `None` where it never ends.
fn after(gap: f64, per_day: f64) -> Option<Span> {
    let millis = gap / per_day * 86_400_000.0;
    // `as` saturates; what is beyond a century of centuries is never.
    (per_day > 0.0 && millis < 1e17).then_some(Span(millis as u64))
}
