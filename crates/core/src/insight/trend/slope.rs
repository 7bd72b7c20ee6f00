//! The median of the slopes between all pairs, and Sen's range around it.
//!
//! Only pairs within a piece count, as in a seasonal Kendall test. No square root, logarithm or distribution is taken from a
//! library: the core has none, and one Newton iteration is the same on every machine.

use alloc::vec::Vec;

use super::sampled::{Sample, median};

/// Standard deviations of the range: 95 %.
const WIDTH: f64 = 1.96;
/// Where neighbours move together more than this, all ranges are as wide as can be.
const MOST_ALIKE: f64 = 0.98;
/// Residuals beyond this many medians count as this: one outlier must not hide that the rest moves together.
const OUTLIER: f64 = 4.5;

/// Per day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    pub middle: f64,
    pub low: f64,
    pub high: f64,
}

/// `None` where no piece has a pair.
pub(super) fn slope(pieces: &[&[Sample]]) -> Option<Slope> {
    let mut slopes = Vec::new();
    for piece in pieces {
        for (index, a) in piece.iter().enumerate() {
            let later = piece.get(index + 1..).unwrap_or_default();
            slopes.extend(later.iter().map(|b| (b.value - a.value) / (b.day - a.day)));
        }
    }
    if slopes.is_empty() {
        return None;
    }
    let middle = median(&mut slopes);
    let variance: f64 = pieces.iter().map(|piece| kendall(piece.len())).sum();
    let width = WIDTH * root(variance * together(pieces, middle));
    let count = slopes.len() as f64;
    // Rounded outwards, and never beyond what was seen.
    let low = ((count - width) / 2.0 - 1.0).max(0.0) as usize;
    let high = (((count + width) / 2.0 + 1.0) as usize).min(slopes.len() - 1);
    Some(Slope {
        middle,
        low: slopes[low],
        high: slopes[high],
    })
}

/// The variance of Kendall's statistic of `n` points without a trend.
fn kendall(n: usize) -> f64 {
    let n = n as f64;
    n * (n - 1.0) * (2.0 * n + 5.0) / 18.0
}

/// How much less the points say than as many independent ones, from how alike neighbouring residuals are.
fn together(pieces: &[&[Sample]], slope: f64) -> f64 {
    let (mut own, mut shared) = (0.0, 0.0);
    for piece in pieces {
        let mut residuals: Vec<f64> = piece.iter().map(|s| s.value - slope * s.day).collect();
        let level = median(&mut residuals.clone());
        residuals.iter_mut().for_each(|r| *r -= level);
        let usual = median(&mut residuals.iter().map(|r| r.abs()).collect::<Vec<f64>>());
        if usual > 0.0 {
            let most = OUTLIER * usual;
            residuals.iter_mut().for_each(|r| *r = r.clamp(-most, most));
        }
        own += residuals.iter().map(|r| r * r).sum::<f64>();
        let next = residuals.iter().skip(1);
        shared += residuals.iter().zip(next).map(|(a, b)| a * b).sum::<f64>();
    }
    if own <= 0.0 {
        return 1.0;
    }
    let alike = (shared / own).clamp(0.0, MOST_ALIKE);
    (1.0 + alike) / (1.0 - alike)
}

/// The square root, by Newton; 0 of what has none.
pub(super) fn root(x: f64) -> f64 {
    if !(x.is_finite() && x > 0.0) {
        return 0.0;
    }
    let mut guess = x.max(1.0);
    // It halves until it is near, then doubles its digits: 80 rounds are enough for any variance there can be.
    for _ in 0..80 {
        guess = f64::midpoint(guess, x / guess);
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_one() {
        for x in [1e-6, 0.5, 1.0, 2.0, 144.0, 1e12] {
            let r = root(x);
            assert!((r * r - x).abs() <= 1e-9 * x.max(1.0), "{x}: {r}");
        }
        assert_eq!((root(0.0), root(-1.0), root(f64::NAN)), (0.0, 0.0, 0.0));
    }
}
