//! How finely the past is kept, as data, and which tier answers which stretch of a question.
//!
//! Each tier is cut into partitions of the same length, which go as a whole once they are too old. Partitions begin at
//! multiples of every step, so that no step lies on both sides of a seam.

use stead_core::time::Span;

use crate::fold::floor;

/// How many partitions a tier has about: one more than these is kept while the oldest one ages.
const PARTITIONS: i64 = 14;

/// One step of fineness and how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    pub step: Span,
    pub keep: Span,
}

/// Tiers, the finest first: it holds readings, the others hold folds of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers(Vec<Tier>);

/// Why tiers cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("there must be one tier, and {MOST} at most")]
    Number,
    #[error("each tier must be coarser than the one before, by a whole factor, and be kept longer")]
    Order,
    #[error("a step is a second at least, and is kept a hundred times as long at least")]
    Step,
}

/// Tiers at most: each is another place where a question looks.
pub const MOST: usize = 8;

impl Tiers {
    pub fn new(tiers: Vec<Tier>) -> Result<Tiers, Invalid> {
        if tiers.is_empty() || tiers.len() > MOST {
            return Err(Invalid::Number);
        }
        let usable = |tier: &Tier| {
            (1_000..=i64::MAX as u64 / 1_000).contains(&tier.keep.0)
                && tier.step.0 >= 1_000
                && tier.keep.0 / tier.step.0 >= 100
        };
        if !tiers.iter().all(usable) {
            return Err(Invalid::Step);
        }
        let rises = |pair: &[Tier]| {
            pair[1].step > pair[0].step
                && pair[1].step.0.is_multiple_of(pair[0].step.0)
                && pair[1].keep > pair[0].keep
        };
        if !tiers.windows(2).all(rises) {
            return Err(Invalid::Order);
        }
        Ok(Tiers(tiers))
    }

    /// What a node keeps of itself: each second, for a day.
    pub fn node() -> Tiers {
        Tiers(vec![Tier {
            step: Span::secs(1),
            keep: Span::hours(24),
        }])
    }

    /// What a server keeps: 10 s for a week, 1 min for 30 days, 15 min for two years.
    pub fn server() -> Tiers {
        let tier = |step, keep| Tier { step, keep };
        Tiers(vec![
            tier(Span::secs(10), Span::hours(7 * 24)),
            tier(Span::mins(1), Span::hours(30 * 24)),
            tier(Span::mins(15), Span::hours(2 * 365 * 24)),
        ])
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, index: usize) -> Tier {
        self.0[index]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Tier> {
        self.0.iter()
    }

    /// Milliseconds.
    pub fn step(&self, index: usize) -> i64 {
        self.0[index].step.0 as i64
    }

    /// Milliseconds for which anything is kept.
    pub fn longest(&self) -> i64 {
        self.0[self.0.len() - 1].keep.0 as i64
    }

    /// Length of a tier's partitions in milliseconds: a multiple of every step.
    pub fn partition(&self, index: usize) -> i64 {
        let coarsest = self.step(self.0.len() - 1);
        let about = self.0[index].keep.0 as i64 / PARTITIONS;
        (about + coarsest - 1) / coarsest * coarsest
    }

    /// Before this, a tier has nothing any more, or soon will not: the start of the oldest partition still kept.
    pub fn horizon(&self, index: usize, now: i64) -> i64 {
        let oldest = now.saturating_sub(self.0[index].keep.0 as i64);
        floor(oldest, self.partition(index))
    }

    /// The coarsest tier that is still as fine as `step`; the finest one where none is.
    pub fn answering(&self, step: i64) -> usize {
        (0..self.0.len())
            .rev()
            .find(|index| self.step(*index) <= step)
            .unwrap_or(0)
    }
}

/// A stretch of a question that one tier answers: `from` is part of it, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    pub tier: usize,
    pub from: i64,
    pub to: i64,
}

/// Who answers what, the newest stretch first. Every instant from `from` to `to` is in exactly one leg; what is older than
/// any tier is left to the coarsest. `horizons` are where each tier begins.
pub fn stitch(tiers: &Tiers, horizons: &[i64], from: i64, to: i64, step: i64) -> Vec<Leg> {
    let mut legs = Vec::new();
    let mut end = to;
    for (tier, horizon) in horizons.iter().enumerate().skip(tiers.answering(step)) {
        let last = tier + 1 == tiers.len();
        let start = if last { from } else { from.max(*horizon) };
        if start < end {
            legs.push(Leg {
                tier,
                from: start,
                to: end,
            });
            end = start;
        }
    }
    legs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn horizons(tiers: &Tiers, now: i64) -> Vec<i64> {
        (0..tiers.len()).map(|n| tiers.horizon(n, now)).collect()
    }

    #[test]
    fn the_coarsest_tier_that_is_fine_enough_answers() {
        let tiers = Tiers::server();
        let answers = [1, 10, 59, 60, 899, 900, 86_400].map(|s| tiers.answering(s * 1000));
        assert_eq!(answers, [0, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn a_fine_question_about_the_far_past_is_handed_on() {
        let tiers = Tiers::server();
        let now = 20_000 * DAY;
        let legs = stitch(&tiers, &horizons(&tiers, now), now - 400 * DAY, now, 1000);
        assert_eq!(legs.iter().map(|l| l.tier).collect::<Vec<_>>(), [0, 1, 2]);
        assert!((7 * DAY..8 * DAY).contains(&(now - legs[0].from)));
        assert!((30 * DAY..33 * DAY).contains(&(now - legs[1].from)));
        let coarse = stitch(&tiers, &horizons(&tiers, now), now - 400 * DAY, now, DAY);
        assert_eq!(coarse.len(), 1, "no fine data is read for a coarse answer");
    }

    #[test]
    fn what_nobody_set_is_a_day_of_seconds_on_the_node_and_two_years_on_the_server() {
        let told = |tiers: Tiers| -> Vec<(u64, u64)> {
            let days = |tier: &Tier| (tier.step.0 / 1000, tier.keep.0 / 86_400_000);
            tiers.iter().map(days).collect()
        };
        assert_eq!(told(Tiers::node()), [(1, 1)]);
        assert_eq!(told(Tiers::server()), [(10, 7), (60, 30), (900, 730)]);
    }

    #[test]
    fn tiers_that_make_no_sense_are_refused() {
        let tier = |step, keep| Tier {
            step: Span::secs(step),
            keep: Span::secs(keep),
        };
        assert_eq!(Tiers::new(vec![]), Err(Invalid::Number));
        assert_eq!(Tiers::new(vec![tier(0, 500)]), Err(Invalid::Step));
        assert_eq!(Tiers::new(vec![tier(10, 500)]), Err(Invalid::Step));
        let unordered = vec![tier(10, 5_000), tier(25, 10_000)];
        assert_eq!(Tiers::new(unordered), Err(Invalid::Order));
        let shorter = vec![tier(10, 5_000), tier(20, 4_000)];
        assert_eq!(Tiers::new(shorter), Err(Invalid::Order));
        for good in [Tiers::node(), Tiers::server()] {
            assert_eq!(Tiers::new(good.0.clone()), Ok(good));
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_answered_once_and_seams_lie_on_every_step(
            now in 0..40_000 * DAY, back in 0..900 * DAY, long in 1..900 * DAY, step in 1_i64..10 * DAY
        ) {
            let tiers = Tiers::server();
            let (from, to) = (now - back, now - back + long);
            let legs = stitch(&tiers, &horizons(&tiers, now), from, to, step);
            prop_assert_eq!((legs[0].to, legs[legs.len() - 1].from), (to, from));
            for pair in legs.windows(2) {
                prop_assert_eq!(pair[0].from, pair[1].to);
                prop_assert!(pair[0].tier < pair[1].tier);
                for tier in tiers.iter() {
                    prop_assert_eq!(pair[0].from % tier.step.0 as i64, 0);
                }
            }
        }
    }
}
