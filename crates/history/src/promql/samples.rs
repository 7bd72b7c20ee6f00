//! Rows of whatever tier as samples that a query can be evaluated on. Pure.

use stead_ports::history::Labels;

use crate::fold::Fold;

/// A sample as the library takes it: when, and how much.
pub type Plain = (i64, f64);

/// Rows (when, step of the tier, what was seen), by time, as samples no further apart than `spacing` within a step. Those of
/// the `finest` tier are what was read, when it was read. A counter is at its highest at the end of a coarse step, and is drawn straight from one
/// end to the next; a gauge stays at its average.
pub fn from_rows(
    labels: &Labels,
    rows: &[(i64, i64, Fold)],
    finest: i64,
    spacing: i64,
) -> Vec<Plain> {
    let counter = is_counter(labels.metric());
    let mut samples = Vec::new();
    for (at, step, fold) in rows {
        if fold.count == 0 {
            continue;
        }
        // A reading, or a fold of one, is that reading.
        let one = fold.min.to_bits() == fold.max.to_bits();
        if one && (*step <= finest || *step <= spacing) {
            samples.push((*at, fold.max));
        } else if counter {
            rise(&mut samples, at + step - 1, fold.max, *step, spacing);
        } else {
            let parts = (step / spacing.max(1)).clamp(1, 1_000);
            let part = |n: i64| (at + n * (step / parts), fold.average());
            samples.extend((0..parts).map(part));
        }
    }
    samples.dedup_by_key(|(at, _)| *at);
    samples
}

/// As Prometheus' conventions name them.
fn is_counter(metric: &str) -> bool {
    let endings = ["_total", "_count", "_sum", "_bucket"];
    endings.iter().any(|ending| metric.ends_with(ending))
}

/// A counter's way to `value` at `at`. One that fell began anew: nobody knows when within the step.
fn rise(samples: &mut Vec<Plain>, at: i64, value: f64, step: i64, spacing: i64) {
    if let Some((before, from)) = samples.last().copied() {
        let apart = at - before;
        if value > from && apart <= 2 * step && apart > spacing {
            let parts = (apart / spacing.max(1)).clamp(1, 1_000);
            let part = |n: i64| {
                let share = n as f64 / parts as f64;
                (
                    before + (apart as f64 * share) as i64,
                    from + (value - from) * share,
                )
            };
            samples.extend((1..parts).map(part));
        }
    }
    samples.push((at, value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(values: &[f64]) -> Fold {
        let mut fold = Fold::EMPTY;
        values.iter().for_each(|value| fold.see(*value));
        fold
    }

    #[test]
    fn counters_are_drawn_straight_and_gauges_stay() {
        let rows = [
            (0, 100, fold(&[1.0, 10.0])),
            (100, 100, fold(&[11.0, 30.0])),
            (200, 100, fold(&[1.0, 5.0])),
        ];
        let counter = from_rows(&Labels::new("a_total", []), &rows, 1, 50);
        assert_eq!(counter, [(99, 10.0), (149, 20.0), (199, 30.0), (299, 5.0)]);
        let gauge = from_rows(&Labels::new("a", []), &rows[..1], 1, 50);
        assert_eq!(gauge, [(0, 5.5), (50, 5.5)]);
        let readings = [
            (3, 1, Fold::of(7.0)),
            (4, 1, Fold::EMPTY),
            (5, 1, Fold::of(8.0)),
        ];
        assert_eq!(
            from_rows(&Labels::new("a_total", []), &readings, 1, 50),
            [(3, 7.0), (5, 8.0)]
        );
        let far_apart = [(0, 10, Fold::of(7.0)), (10, 10, Fold::of(8.0))];
        assert_eq!(
            from_rows(&Labels::new("a_total", []), &far_apart, 10, 1),
            [(0, 7.0), (10, 8.0)],
            "a reading is not drawn out"
        );
    }
}
