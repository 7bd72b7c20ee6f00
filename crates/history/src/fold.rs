//! Many readings as one: lowest, highest, sum and how many.
//!
//! Folding is commutative and associative, so that pieces of one step that were folded apart (by two flushes, or
//! before and after a restart) are put together whenever they meet. What was folded once is never folded again from the
//! readings. A reading that is no number counts for nothing.

/// What was seen within one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fold {
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    pub count: u64,
}

impl Fold {
    /// Nothing was seen.
    pub const EMPTY: Fold = Fold {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        count: 0,
    };

    /// One reading.
    pub fn of(value: f64) -> Fold {
        let mut fold = Fold::EMPTY;
        fold.see(value);
        fold
    }

    pub fn see(&mut self, value: f64) {
        if !value.is_nan() {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.sum += value;
            self.count += 1;
        }
    }

    pub fn add(&mut self, other: &Fold) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Never outside of lowest and highest, whatever was rounded.
    pub fn average(&self) -> f64 {
        let average = self.sum / self.count as f64;
        if self.min <= self.max {
            average.clamp(self.min, self.max)
        } else {
            average
        }
    }
}

/// A fold and where its step begins, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub at: i64,
    pub fold: Fold,
}

/// Where the step begins that `at` is in.
pub fn floor(at: i64, step: i64) -> i64 {
    at.div_euclid(step).saturating_mul(step)
}

/// Appends readings, which are sorted by time, as rows of `step`; the first may go on with the last row there.
pub fn fold(times: &[i64], values: &[f64], step: i64, rows: &mut Vec<Row>) {
    for (at, value) in times.iter().zip(values) {
        if value.is_nan() {
            continue;
        }
        let at = floor(*at, step);
        match rows.last_mut() {
            Some(last) if last.at == at => last.fold.see(*value),
            _ => rows.push(Row {
                at,
                fold: Fold::of(*value),
            }),
        }
    }
}

/// Sorts rows and puts those of the same step together.
pub fn unite(rows: &mut Vec<Row>) {
    rows.sort_by_key(|row| row.at);
    rows.dedup_by(|next, kept| {
        let same = next.at == kept.at;
        if same {
            kept.fold.add(&next.fold);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(readings: &[(i64, f64)], step: i64) -> Vec<Row> {
        let (times, values): (Vec<i64>, Vec<f64>) = readings.iter().copied().unzip();
        let mut rows = Vec::new();
        fold(&times, &values, step, &mut rows);
        rows
    }

    proptest! {
        #[test]
        fn folding_in_pieces_is_folding_at_once(
            values in prop::collection::vec(-1000_i32..1000, 1..200), cut in any::<prop::sample::Index>()
        ) {
            let readings: Vec<(i64, f64)> =
                values.iter().enumerate().map(|(n, v)| (n as i64 * 7, f64::from(*v))).collect();
            let (before, after) = readings.split_at(cut.index(readings.len()));
            let mut pieces = folded(after, 60);
            pieces.extend(folded(before, 60));
            unite(&mut pieces);
            prop_assert_eq!(pieces, folded(&readings, 60));
        }
    }

    #[test]
    fn what_is_no_number_counts_for_nothing() {
        let rows = folded(&[(0, f64::NAN), (1, 3.0), (2, f64::NAN), (3, 5.0)], 10);
        assert_eq!(rows.len(), 1);
        let fold = rows[0].fold;
        assert_eq!((fold.min, fold.max, fold.count), (3.0, 5.0, 2));
        assert_eq!(fold.average(), 4.0);
        assert!(folded(&[(0, f64::NAN)], 10).is_empty());
    }

    #[test]
    fn an_average_is_never_outside_of_what_was_seen() {
        let mut fold = Fold::EMPTY;
        (0..3).for_each(|_| fold.see(0.1));
        assert!(fold.sum / 3.0 > fold.max, "rounding alone would be");
        assert_eq!(fold.average(), 0.1);
    }

    #[test]
    fn steps_before_the_epoch_begin_below() {
        assert_eq!(floor(-1, 10), -10);
        assert_eq!(floor(-10, 10), -10);
        assert_eq!(floor(9, 10), 0);
    }
}
