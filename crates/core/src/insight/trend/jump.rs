//! One-off jumps: a cleanup that freed 20 GB, a backup that was restored. They are no trend, so they are cut out.
//!
//! A jump stands out from the noise and from the whole, and it lasts. A spike does not last and needs no cut: ranks pass over
//! it. What jumps often is no one-off but the way this number moves, so then nothing is cut.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::sampled::{Sample, median};
use crate::time::Time;

/// A change that many times the usual one stands out from the noise…
const OVER_NOISE: f64 = 8.0;
/// …and it must be this share of everything the number ever did, or ranks pass over it anyway.
const OVER_RANGE: f64 = 0.2;
/// Samples on each side that show whether it lasts, and the least of them.
const SIDE: usize = 5;
const SIDE_LEAST: usize = 2;
/// The share of it that must last.
const LASTING: f64 = 0.6;
/// More of them are no one-offs.
const MOST: usize = 3;
/// Where all else moves less than this share of the jumps, jumping is how it grows.
const STAIRS: f64 = 0.1;

/// A one-off change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jump {
    /// The first point after it.
    pub at: Time,
    /// In the number's own unit; negative where it fell.
    pub by: f64,
}

/// Samples, cut at the jumps.
pub(super) struct Cut<'a> {
    /// What lies between jumps, in order; none is empty.
    pub pieces: Vec<&'a [Sample]>,
    pub jumps: Vec<Jump>,
    /// A change beyond this is no noise.
    pub threshold: f64,
}

pub(super) fn cut(samples: &[Sample]) -> Cut<'_> {
    let changes = Changes::of(samples);
    let threshold = changes.threshold;
    let runs = changes.jumps(samples);
    if runs.is_empty() || runs.len() > MOST || changes.stairs(&runs) {
        return Cut {
            pieces: vec![samples],
            jumps: Vec::new(),
            threshold,
        };
    }
    let (mut pieces, mut jumps, mut from) = (Vec::new(), Vec::new(), 0);
    for run in &runs {
        pieces.push(&samples[from..=run.first]);
        from = run.last + 1;
        jumps.push(Jump {
            at: samples[from].at,
            by: changes.shift(samples, run),
        });
    }
    pieces.push(&samples[from..]);
    Cut {
        pieces,
        jumps,
        threshold,
    }
}

/// Changes next to each other in one direction: one jump, caught half-way. Indices of changes.
struct Run {
    first: usize,
    last: usize,
}

/// The change from each sample to the next.
struct Changes {
    /// The usual growth, per day.
    rate: f64,
    /// What each change is beyond that.
    beyond: Vec<f64>,
    threshold: f64,
}

impl Changes {
    fn of(samples: &[Sample]) -> Changes {
        let pairs = || samples.iter().zip(samples.iter().skip(1));
        let mut rates: Vec<f64> = pairs()
            .map(|(a, b)| (b.value - a.value) / (b.day - a.day))
            .collect();
        let rate = median(&mut rates);
        let beyond: Vec<f64> = pairs()
            .map(|(a, b)| b.value - a.value - rate * (b.day - a.day))
            .collect();
        let mut sizes: Vec<f64> = beyond.iter().map(|x| x.abs()).collect();
        let noise = median(&mut sizes);
        let values = || samples.iter().map(|s| s.value);
        let range = values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min);
        Changes {
            rate,
            beyond,
            threshold: (OVER_NOISE * noise).max(OVER_RANGE * range),
        }
    }

    fn jumps(&self, samples: &[Sample]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (index, by) in self.beyond.iter().enumerate() {
            if by.abs() <= self.threshold || by.abs() == 0.0 {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.last + 1 == index && self.beyond[run.last] * by > 0.0 => {
                    run.last = index;
                }
                _ => runs.push(Run {
                    first: index,
                    last: index,
                }),
            }
        }
        runs.retain(|run| self.lasts(samples, run));
        runs
    }

    /// Whether what came after stays on the other side of what was before.
    fn lasts(&self, samples: &[Sample], run: &Run) -> bool {
        let (before, after) = (run.first + 1, samples.len() - run.last - 1);
        let (shift, by) = (self.shift(samples, run), self.sum(run));
        before.min(after) >= SIDE_LEAST && shift * by > 0.0 && shift.abs() > LASTING * by.abs()
    }

    /// How far apart the two sides are, apart from the usual growth.
    fn shift(&self, samples: &[Sample], run: &Run) -> f64 {
        let (before, after) = (&samples[..=run.first], &samples[run.last + 1..]);
        let here = samples[run.first].day;
        let middle = |side: &mut dyn Iterator<Item = &Sample>| {
            let mut level: Vec<f64> = side
                .take(SIDE)
                .map(|s| s.value - self.rate * (s.day - here))
                .collect();
            median(&mut level)
        };
        middle(&mut after.iter()) - middle(&mut before.iter().rev())
    }

    fn sum(&self, run: &Run) -> f64 {
        self.beyond[run.first..=run.last].iter().sum()
    }

    /// Whether it only ever moves by jumps in one direction: several are then the trend itself.
    fn stairs(&self, runs: &[Run]) -> bool {
        let jumped: f64 = runs.iter().map(|run| self.sum(run)).sum();
        let one_way = runs.iter().all(|run| self.sum(run) * jumped > 0.0);
        let all: f64 = self.beyond.iter().map(|x| x.abs()).sum();
        let rest = all - runs.iter().map(|run| self.sum(run).abs()).sum::<f64>();
        runs.len() > 1 && one_way && self.rate == 0.0 && rest < STAIRS * jumped.abs()
    }
}
