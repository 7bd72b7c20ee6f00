//! Write anomaly: a container that writes far above its own past. Row O6, the case of 22 GB a day that nobody noticed.
//!
//! A container is compared with nobody but itself. Its usual rate is the median of its past, the bound lies many times the
//! usual spread above it, above a floor below which nobody cares, and above what it does on several days anyway: a nightly
//! backup is no anomaly. It begins when the newest buckets all exceed the bound, it ends when several in a row are below half
//! of it; while it lasts it is judged by the past before it began, so that a long anomaly never becomes its own excuse.
//!
//! Nothing here says why. What happened just before is named, not blamed; and without enough past there is no verdict.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::amount;
use super::annotation::{Annotation, last_before};
use crate::time::{Span, Time};

/// From the median distance to a deviation.
const DEVIATION: f64 = 1.4826;
/// On so many days it must have written this much for that to be its habit.
const HABIT_DAYS: usize = 3;
/// A habit may be exceeded by this much.
const HABIT_ROOM: f64 = 1.25;
/// What happened longer before than this is not named.
const BEFORE: Span = Span::days(1);

/// What was written in one stretch of time, all of them equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its beginning.
    pub at: Time,
    pub bytes: u64,
}

/// What is known of a container's writing.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Complete ones only, oldest first. Where nothing was read there is none.
    pub buckets: &'a [Bucket],
    pub width: Span,
    /// Earlier anomalies, from and to: no part of what is usual.
    pub unusual: &'a [(Time, Time)],
    /// What happened to the container and its node.
    pub annotations: &'a [Annotation],
    /// Bytes left on the disk it writes to.
    pub free: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnomalySettings {
    /// Past that is needed for a verdict.
    pub least_past: Span,
    /// Deviations above the usual.
    pub deviations: f64,
    /// …and at least so many times the usual.
    pub times: f64,
    /// …and at least so many bytes an hour.
    pub floor_per_hour: u64,
    /// Buckets in a row above the bound that begin it.
    pub begin: usize,
    /// Buckets in a row below half the bound that end it.
    pub end: usize,
}

impl Default for AnomalySettings {
    fn default() -> AnomalySettings {
        AnomalySettings {
            least_past: Span::days(1),
            deviations: 8.0,
            times: 4.0,
            floor_per_hour: 256 * amount::MIB,
            begin: 2,
            end: 4,
        }
    }
}

/// One that goes on. Rates are bytes an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    pub since: Time,
    pub rate: u64,
    /// Before it began.
    pub usual: u64,
    /// What it went over.
    pub bound: u64,
    /// `rate` in times of `usual`; `None` where it usually writes nothing.
    pub factor: Option<f64>,
    /// The last thing that happened before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Annotation>,
    /// Until the disk is full if everything it writes stays; the earliest it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_in: Option<Span>,
}

impl Anomaly {
    /// For people, without the name of the container.
    pub fn words(&self) -> String {
        let rate = |n: u64| format!("{} an hour", amount::bytes(n));
        let factor = match self.factor {
            Some(factor) => format!(
                "{} times its usual {}",
                amount::number(factor),
                rate(self.usual)
            ),
            None => "where it usually writes nothing".into(),
        };
        let mut text = format!("writes {}, {factor}, since {}", rate(self.rate), self.since);
        if let Some(before) = &self.before {
            text.push_str(&format!(
                "; before it: {} {}",
                before.kind.word(),
                before.what
            ));
        }
        if let Some(full_in) = self.full_in {
            let left = amount::span_down(full_in);
            text.push_str(&format!("; at this rate the disk is full in {left}"));
        }
        text
    }
}

/// What can be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Usual {
        rate: u64,
        usual: u64,
        bound: u64,
    },
    Anomalous(Anomaly),
    /// Nothing; what was held before is still held.
    Unjudged {
        why: Thin,
    },
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Thin {
    #[error("its past is {} long, and a verdict takes {}", amount::span_down(*has), amount::span(*need))]
    Past { has: Span, need: Span },
    #[error("only {percent} % of its past was read, and a verdict takes half of it")]
    Gaps { percent: u8 },
    #[error("nothing was read of it for {}", amount::span(*since))]
    Silent { since: Span },
}

/// Judges what was written until `now`. `held` is the anomaly of the verdict before this one, if that was one.
pub fn judge(
    given: &Written<'_>,
    held: Option<&Anomaly>,
    now: Time,
    settings: &AnomalySettings,
) -> Verdict {
    let width = Span(given.width.0.max(1));
    let given = &Written { width, ..*given };
    let recent = match newest(given, now, settings.begin) {
        Ok(recent) => recent,
        Err(why) => return Verdict::Unjudged { why },
    };
    let rate = mean(recent.iter().map(|b| given.rate(b)));
    if let Some(held) = held {
        return go_on(given, held, rate, settings);
    }
    let past = &given.buckets[..given.buckets.len() - recent.len()];
    let past = match usual_part(given, past, settings) {
        Ok(past) => past,
        Err(why) => return Verdict::Unjudged { why },
    };
    let (usual, bound) = bound(given, &past, settings);
    if recent.len() < settings.begin.max(1) || recent.iter().any(|b| given.rate(b) <= bound) {
        return Verdict::Usual { rate, usual, bound };
    }
    let since = since(given, bound);
    // What happened within the first bucket may have begun it.
    let before = last_before(given.annotations, since + width, BEFORE);
    let began = Anomaly {
        since,
        rate,
        usual,
        bound,
        factor: None,
        before: before.cloned(),
        full_in: None,
    };
    Verdict::Anomalous(at_rate(given, began, rate))
}

impl Written<'_> {
    /// Bytes an hour.
    fn rate(&self, bucket: &Bucket) -> u64 {
        let hourly = u128::from(bucket.bytes) * 3_600_000 / u128::from(self.width.0);
        u64::try_from(hourly).unwrap_or(u64::MAX)
    }

    /// Whether `b` follows `a`; the clock of a reader may be off by half a bucket.
    fn follows(&self, a: &Bucket, b: &Bucket) -> bool {
        b.at > a.at && b.at.since(a.at).0 <= self.width.0 + self.width.0 / 2
    }
}

/// The newest `count` buckets in a row, if the last of them is news.
fn newest<'a>(given: &Written<'a>, now: Time, count: usize) -> Result<&'a [Bucket], Thin> {
    let Some(last) = given.buckets.last() else {
        return Err(Thin::Past {
            has: Span::ZERO,
            need: given.width,
        });
    };
    let since = now.since(last.at + given.width);
    if since.0 > 2 * given.width.0 {
        return Err(Thin::Silent { since });
    }
    let from = given.buckets.len().saturating_sub(count.max(1));
    let mut row = &given.buckets[from..];
    while let Some(gap) = row.windows(2).position(|w| !given.follows(&w[0], &w[1])) {
        row = &row[gap + 1..];
    }
    Ok(row)
}

/// What of the past is usual, if it is enough.
fn usual_part(
    given: &Written<'_>,
    past: &[Bucket],
    settings: &AnomalySettings,
) -> Result<Vec<Bucket>, Thin> {
    let unusual = |b: &Bucket| {
        given
            .unusual
            .iter()
            .any(|(from, to)| *from <= b.at && b.at < *to)
    };
    let kept: Vec<Bucket> = past.iter().copied().filter(|b| !unusual(b)).collect();
    let need = settings.least_past;
    let has = match (kept.first(), kept.last()) {
        (Some(first), Some(last)) => (last.at + given.width).since(first.at),
        _ => Span::ZERO,
    };
    let read = Span(kept.len() as u64 * given.width.0);
    if has < need {
        return Err(Thin::Past { has, need });
    }
    if read.0 < need.0 / 2 {
        let percent = (read.0 * 100 / need.0.max(1)) as u8;
        return Err(Thin::Gaps { percent });
    }
    Ok(kept)
}

/// The usual rate, and the one that is out of the ordinary.
fn bound(given: &Written<'_>, past: &[Bucket], settings: &AnomalySettings) -> (u64, u64) {
    let mut rates: Vec<u64> = past.iter().map(|b| given.rate(b)).collect();
    let usual = middle(&mut rates);
    let mut distances: Vec<u64> = rates.iter().map(|rate| rate.abs_diff(usual)).collect();
    let spread = middle(&mut distances) as f64 * DEVIATION;
    let bound = (usual as f64 + settings.deviations * spread)
        .max(usual as f64 * settings.times)
        .max(settings.floor_per_hour as f64)
        .max(habit(given, past) as f64 * HABIT_ROOM);
    (usual, bound as u64)
}

/// What it reached on several days; with a past of fewer days, the most it ever did.
fn habit(given: &Written<'_>, past: &[Bucket]) -> u64 {
    let mut peaks: BTreeMap<i64, u64> = BTreeMap::new();
    for bucket in past {
        let peak = peaks.entry(bucket.at.0.div_euclid(86_400_000)).or_default();
        *peak = given.rate(bucket).max(*peak);
    }
    let mut peaks: Vec<u64> = peaks.into_values().collect();
    peaks.sort_unstable_by(|a, b| b.cmp(a));
    let place = if peaks.len() < HABIT_DAYS {
        0
    } else {
        HABIT_DAYS - 1
    };
    peaks.get(place).copied().unwrap_or_default()
}

/// The beginning of the newest row of buckets above half the bound.
fn since(given: &Written<'_>, bound: u64) -> Time {
    let mut begin = given.buckets.len().saturating_sub(1);
    while begin > 0 {
        let (a, b) = (&given.buckets[begin - 1], &given.buckets[begin]);
        if given.rate(a) <= bound / 2 || !given.follows(a, b) {
            break;
        }
        begin -= 1;
    }
    given.buckets.get(begin).map_or(Time::ZERO, |b| b.at)
}

/// One that began earlier: it goes on until it has been calm for a while.
fn go_on(given: &Written<'_>, held: &Anomaly, rate: u64, settings: &AnomalySettings) -> Verdict {
    let end = settings.end.max(1);
    let last = given.buckets.iter().rev().take(end);
    let calm = last.filter(|b| given.rate(b) <= held.bound / 2).count();
    if calm == end {
        return Verdict::Usual {
            rate,
            usual: held.usual,
            bound: held.bound,
        };
    }
    Verdict::Anomalous(at_rate(given, held.clone(), rate))
}

fn at_rate(given: &Written<'_>, anomaly: Anomaly, rate: u64) -> Anomaly {
    let usual = anomaly.usual;
    let full_in = given.free.and_then(|free| {
        let millis = u128::from(free) * 3_600_000 / u128::from(rate.max(1));
        (rate > 0).then_some(Span(u64::try_from(millis).unwrap_or(u64::MAX)))
    });
    Anomaly {
        rate,
        factor: (usual > 0).then(|| rate as f64 / usual as f64),
        full_in,
        ..anomaly
    }
}

/// 0 of nothing.
fn mean(values: impl ExactSizeIterator<Item = u64>) -> u64 {
    let count = values.len().max(1) as u128;
    let sum: u128 = values.map(u128::from).sum();
    u64::try_from(sum / count).unwrap_or(u64::MAX)
}

/// The lower of the middle two; 0 of nothing.
fn middle(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    let place = values.len().saturating_sub(1) / 2;
    values.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
