//! From any number of points to a bounded number of samples that keep slope, jumps and noise.
//!
//! Never a mean: a mean over a jump would invent a value between its sides, and a mean over a spike would move.

use alloc::vec::Vec;

use super::Point;
use crate::time::Time;

/// Samples at most; their pairs are what the slope costs (28,680 of them).
pub(super) const MOST: usize = 240;

/// Beyond this no machine measures anything, and differences of it would leave the numbers there are.
const LARGEST: f64 = 1e30;

/// A point that was chosen, with its time in days since the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub at: Time,
    pub day: f64,
    pub value: f64,
}

/// Numbers not after `now`, in order, one an instant (the last given).
pub(super) fn clean(points: &[Point], now: Time) -> Vec<Point> {
    let mut kept: Vec<Point> = points
        .iter()
        .copied()
        .filter(|p| p.value.abs() < LARGEST && p.at <= now)
        .collect();
    // Stable, so that the last given of an instant stays last.
    kept.sort_by_key(|p| p.at);
    kept.reverse();
    kept.dedup_by_key(|p| p.at);
    kept.reverse();
    kept
}

/// As they are while they are few; else of each equal slice of time the point with the median value.
pub(super) fn sampled(clean: &[Point]) -> Vec<Sample> {
    let (Some(first), Some(last)) = (clean.first(), clean.last()) else {
        return Vec::new();
    };
    let sample = |p: &Point| Sample {
        at: p.at,
        day: p.at.since(first.at).0 as f64 / 86_400_000.0,
        value: p.value,
    };
    if clean.len() <= MOST {
        return clean.iter().map(sample).collect();
    }
    let whole = u128::from(last.at.since(first.at).0) + 1;
    let slice = |p: &Point| u128::from(p.at.since(first.at).0) * MOST as u128 / whole;
    let chosen = clean.chunk_by(|a, b| slice(a) == slice(b)).map(|slice| {
        let mut by_value = slice.to_vec();
        by_value.sort_by(|a, b| a.value.total_cmp(&b.value).then(a.at.cmp(&b.at)));
        sample(&by_value[(by_value.len() - 1) / 2])
    });
    chosen.collect()
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.get(half) {
        None => 0.0,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(*upper, values[half - 1]),
    }
}
