//! Where the number stands now: from the newest points themselves, not from the line through all of them.
//!
//! A cleanup a minute ago must count at once, long before it shows as a jump among the samples.

use alloc::vec::Vec;

use super::Point;
use super::sampled::median;
use super::slope::root;
use crate::time::Time;

/// Points that make the level.
const POINTS: usize = 15;
/// So many in agreement are a jump that has just been.
const FRESH: usize = 3;
/// From the median distance to the range that holds the true median 19 times of 20: 1.96 deviations of a median, each
/// 1.25 times that of a mean, a deviation being 1.48 median distances.
const ERROR: f64 = 3.63;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub at: Time,
    pub value: f64,
    pub error: f64,
}

/// The level of the points from `since` on, each moved along `slope` to the newest. A change beyond `threshold` that the
/// newest few agree on counts at once.
pub(super) fn level(clean: &[Point], since: Time, slope: f64, threshold: f64) -> Level {
    let at = clean.last().map_or(Time::ZERO, |point| point.at);
    let newest = clean.iter().rev().take_while(|point| point.at >= since);
    let mut moved: Vec<f64> = newest
        .take(POINTS)
        .map(|point| point.value + slope * (at.since(point.at).0 as f64 / 86_400_000.0))
        .collect();
    let fresh = median(&mut moved.iter().take(FRESH).copied().collect::<Vec<f64>>());
    let mut value = median(&mut moved.clone());
    if (fresh - value).abs() > threshold {
        moved.truncate(FRESH);
        value = fresh;
    }
    let mut distances: Vec<f64> = moved.iter().map(|x| (x - value).abs()).collect();
    let error = ERROR * median(&mut distances) / root(moved.len() as f64).max(1.0);
    Level { at, value, error }
}
