//! Which samples are taken, and at what time they count. Pure.

use stead_ports::history::Labels;

/// Clocks of two machines may differ by this. A sample that is further ahead would keep its series from taking any other.
pub const AHEAD: i64 = 5 * 60_000;
/// Labels of one series, its name among them.
const LABELS: usize = 40;
/// Bytes of a name or a value.
const TEXT: usize = 1024;
/// Bytes of all of them.
const ALL: usize = 4096;

/// When a sample counts that was taken `at`, in a tier of `step`: a whole number of steps after the series' `last` one
/// where it is near that, else on the grid where it is near it, else exactly then. Clocks of samplers jitter; a series
/// whose times are steady costs nothing for them. Never moved by more than a twentieth of a step, never to `last` or before.
pub fn snap(at: i64, last: i64, step: i64) -> i64 {
    let near = step / 20;
    let steps = at
        .saturating_sub(last)
        .saturating_add(step / 2)
        .div_euclid(step);
    let steady = last.saturating_add(steps.saturating_mul(step));
    // Far from the last one there is no rhythm to keep.
    if (1..=16).contains(&steps) && (at - steady).abs() <= near {
        return steady;
    }
    let grid = at.saturating_add(step / 2).div_euclid(step) * step;
    if (at - grid).abs() <= near && grid > last {
        grid
    } else {
        at
    }
}

/// Whether a series may be called so.
pub fn is_name(labels: &Labels) -> bool {
    let short = |(name, value): (&str, &str)| name.len() <= TEXT && value.len() <= TEXT;
    let bytes: usize = labels
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let few = labels.len() <= LABELS && bytes <= ALL;
    !labels.metric().is_empty() && few && labels.iter().all(short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_the_grid_is_on_it() {
        assert_eq!(snap(10_003, 0, 1_000), 10_000);
        assert_eq!(snap(9_951, 0, 1_000), 10_000);
        assert_eq!(snap(10_300, i64::MIN, 1_000), 10_300);
        assert_eq!(snap(11_290, 10_300, 1_000), 11_300, "its own rhythm");
        assert_eq!(snap(10_003, 10_000, 1_000), 10_003, "the place is taken");
    }

    proptest! {
        #[test]
        fn time_goes_on_and_is_nearly_kept(at in -1_000_000_i64..1_000_000, back in 1_i64..100_000, step in 1_000_i64..900_000) {
            let snapped = snap(at, at - back, step);
            prop_assert!(snapped > at - back);
            prop_assert!((snapped - at).abs() <= step / 20);
        }

        #[test]
        fn a_sampler_with_a_phase_and_jitter_has_steady_times(phase in 0_i64..10_000, jitter in prop::collection::vec(-100_i64..100, 50)) {
            let mut last = i64::MIN;
            let mut gaps = Vec::new();
            for (n, jitter) in jitter.iter().enumerate() {
                let at = snap(1_000_000 + phase + n as i64 * 10_000 + jitter, last, 10_000);
                gaps.push(at.saturating_sub(last));
                last = at;
            }
            let odd = gaps.iter().skip(1).filter(|gap| **gap != 10_000);
            prop_assert!(odd.count() <= 1, "{:?}", gaps);
        }
    }

    #[test]
    fn names_that_are_none_or_endless_are_refused() {
        assert!(is_name(&Labels::new("cpu", [("node", "a")])));
        assert!(!is_name(&Labels::new("", [("node", "a")])));
        let long = "x".repeat(TEXT + 1);
        assert!(!is_name(&Labels::new("cpu", [("node", long.as_str())])));
        let many: Vec<String> = (0..LABELS).map(|n| format!("l{n}")).collect();
        assert!(!is_name(&Labels::new(
            "cpu",
            many.iter().map(|name| (name.as_str(), "x"))
        )));
    }
}
