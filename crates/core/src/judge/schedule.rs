//! When to ask again.

use crate::time::{Span, Time};

/// Checks of one node start within this of each other, however rarely they run: nobody waits an hour for a first answer.
const SPREAD: Span = Span::secs(10);

/// Shortest interval; a schedule of no length would never let go.
const LEAST: Span = Span::millis(100);

/// The instants at which something regular is due: a grid that work, lateness and clock jumps do not move more than
/// they must.
///
/// - No drift: the next instant is counted from the last one, not from when the work ended.
/// - Late by several intervals (overload, sleep, a clock set forward): due once, then on the grid again; no burst.
/// - A clock set back: due within one interval of the new time; no silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    every: Span,
    next: Time,
}

impl Schedule {
    /// First due within ten seconds (or one interval) of `now`, spread by a hash of `name`.
    pub fn new(name: &str, every: Span, now: Time) -> Schedule {
        let every = every.max(LEAST);
        let spread = every.min(SPREAD).0;
        Schedule {
            every,
            next: now + Span(hash(name) % spread),
        }
    }

    /// When it is due next, seen from `now`: never further away than one interval.
    pub fn next(&self, now: Time) -> Time {
        if now + self.every < self.next {
            self.grid_after(now)
        } else {
            self.next
        }
    }

    /// Whether it is due at `now`; if so the next instant is already set.
    pub fn take(&mut self, now: Time) -> bool {
        self.next = self.next(now);
        if now < self.next {
            return false;
        }
        self.next = self.grid_after(now);
        true
    }

    /// The first instant of the grid after `now`.
    fn grid_after(&self, now: Time) -> Time {
        let every = i64::try_from(self.every.0).unwrap_or(i64::MAX);
        let past = now.0.saturating_sub(self.next.0).rem_euclid(every);
        Time(now.0.saturating_add(every - past))
    }
}

/// FNV-1a with a final mix, so that names that differ in the last letter only are spread as well.
fn hash(name: &str) -> u64 {
    let mut h = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    /// Asks every 100 ms of a clock that goes through `jumps`, and returns the due instants in real time.
    fn run(every: Span, length: i64, jumps: &[(i64, i64)]) -> Vec<i64> {
        let mut schedule = Schedule::new("x", every, Time(HOUR * 10));
        let mut due = Vec::new();
        for real in (0..length).step_by(100) {
            let jump: i64 = jumps
                .iter()
                .filter(|(at, _)| *at <= real)
                .map(|(_, by)| by)
                .sum();
            if schedule.take(Time(HOUR * 10 + real + jump)) {
                due.push(real);
            }
        }
        due
    }

    #[test]
    fn instants_do_not_drift_when_asked_late() {
        let mut schedule = Schedule::new("web", Span::secs(10), Time(0));
        let first = schedule.next(Time(0));
        for n in 0..100 {
            let late = first + Span(10_000 * n + 3_333);
            assert!(schedule.take(late));
            assert_eq!(schedule.next(late), first + Span(10_000 * (n + 1)));
        }
    }

    #[test]
    fn a_clock_an_hour_off_makes_neither_a_burst_nor_silence() {
        for by in [HOUR, -HOUR] {
            let due = run(Span::secs(10), 120_000, &[(60_000, by)]);
            let gaps: Vec<i64> = due.windows(2).map(|w| w[1] - w[0]).collect();
            assert!(due.len() >= 11 && due.len() <= 14, "{by}: {due:?}");
            assert!(gaps.iter().all(|g| *g <= 20_000), "{by}: {gaps:?}");
            assert!(
                gaps.iter().filter(|g| **g < 9_000).count() <= 2,
                "{by}: {gaps:?}"
            );
        }
    }

    #[test]
    fn a_long_sleep_is_followed_by_one_run() {
        let mut schedule = Schedule::new("x", Span::secs(10), Time(0));
        assert!(schedule.take(Time(HOUR)));
        assert!(!schedule.take(Time(HOUR)));
    }

    #[test]
    fn starts_are_spread_and_soon() {
        let mut slots = [0u32; 10];
        for n in 0..1000 {
            let at =
                Schedule::new(&format!("service-{n}/http"), Span::hours(1), Time(0)).next(Time(0));
            slots[usize::try_from(at.0 / 1000).unwrap()] += 1;
        }
        assert!(slots.iter().all(|n| (50..200).contains(n)), "{slots:?}");
    }

    proptest! {
        #[test]
        fn the_next_instant_is_always_within_one_interval(
            every in 0u64..100_000, clock in prop::collection::vec(any::<i32>(), 1..50),
        ) {
            let mut schedule = Schedule::new("p", Span(every), Time(i64::from(clock[0])));
            for now in clock {
                let now = Time(i64::from(now));
                let taken = schedule.take(now);
                let wait = schedule.next(now).0 - now.0;
                prop_assert!(wait > 0 && wait <= i64::try_from(every.max(100)).unwrap(), "{taken} {wait}");
                prop_assert!(!schedule.take(now), "due twice at one instant");
            }
        }
    }
}
