//! What was accepted and is in no part yet, in memory: twenty bytes a sample, however many series it is spread over.
//!
//! Samples lie in the order they came, each with the place of the one before it of the same series.

/// No sample before this one.
const NONE: u32 = u32::MAX;

/// The samples. Their number is bounded by whoever adds them.
#[derive(Debug, Default)]
pub struct Head {
    times: Vec<i64>,
    values: Vec<f64>,
    before: Vec<u32>,
    /// By series: place of its last sample.
    tails: Vec<u32>,
}

impl Head {
    pub fn with_room(samples: usize) -> Head {
        Head {
            times: Vec::with_capacity(samples),
            values: Vec::with_capacity(samples),
            before: Vec::with_capacity(samples),
            tails: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Adds a sample, newer than those of its series.
    pub fn push(&mut self, series: u32, at: i64, value: f64) {
        let series = series as usize;
        if self.tails.len() <= series {
            self.tails.resize(series + 1, NONE);
        }
        self.before.push(self.tails[series]);
        self.tails[series] = self.times.len() as u32;
        self.times.push(at);
        self.values.push(value);
    }

    /// Samples of a series, newest first.
    pub fn of(&self, series: u32) -> impl Iterator<Item = (i64, f64)> {
        let mut at = self.tails.get(series as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let place = (at != NONE).then_some(at as usize)?;
            at = self.before[place];
            Some((self.times[place], self.values[place]))
        })
    }

    /// Samples of a series by time, in place of what the two held.
    pub fn read(&self, series: u32, times: &mut Vec<i64>, values: &mut Vec<f64>) {
        times.clear();
        values.clear();
        for (at, value) in self.of(series) {
            times.push(at);
            values.push(value);
        }
        times.reverse();
        values.reverse();
    }

    /// Series that have samples, in order.
    pub fn series(&self) -> impl Iterator<Item = u32> {
        let some = |(n, tail): (usize, &u32)| (*tail != NONE).then_some(n as u32);
        self.tails.iter().enumerate().filter_map(some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_told_apart_and_come_back_in_order() {
        let mut head = Head::with_room(10);
        for n in 0..10 {
            head.push(n % 3 * 100, i64::from(n), f64::from(n));
        }
        let (mut times, mut values) = (vec![9], vec![9.0]);
        head.read(100, &mut times, &mut values);
        assert_eq!((times, values), (vec![1, 4, 7], vec![1.0, 4.0, 7.0]));
        assert_eq!(head.series().collect::<Vec<_>>(), [0, 100, 200]);
        assert_eq!(head.of(7).count() + head.of(70_000).count(), 0);
        assert_eq!(head.len(), 10);
    }
}
