//! Small parts into larger ones, so that a question opens few and a chunk holds many rows: that is what makes it small.
//!
//! Four of the same level become one of the next; whatever a partition has once it is closed becomes one. Rows of the same
//! step are put together on the way, and what belongs to series that were forgotten is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_core::time::Span;
use stead_ports::history::Error;

use super::part::{About, Entry, Fault, Part, Writing};
use super::{Inner, Store, fault};
use crate::chunk::Chunk;
use crate::fold::{Row, unite};

/// Parts of one level that are worth a merge.
const FEW: usize = 4;
/// Parts merged at a time; each holds one page in memory.
const MANY: usize = 16;
/// A partition is closed once its end and its newest part are older than this.
const SETTLED: Span = Span::mins(10);

/// A part as far as choosing needs it: what it is, and whether nothing will be added to its partition.
type Candidate = (About, bool);

/// Numbers of the parts to merge next, which are of one partition. `parts` are sorted by tier, partition and number.
fn choose(parts: &[Candidate]) -> Option<Vec<u64>> {
    let groups = parts.chunk_by(|a, b| (a.0.step, a.0.from) == (b.0.step, b.0.from));
    let mut closed = None;
    for group in groups {
        let mut levels: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for (about, _) in group {
            levels.entry(about.level).or_default().push(about.number);
        }
        if let Some((_, mut numbers)) = levels.into_iter().find(|(_, n)| n.len() >= FEW) {
            numbers.truncate(MANY);
            return Some(numbers);
        }
        if closed.is_none() && group.len() > 1 && group.iter().all(|(_, closed)| *closed) {
            closed = Some(
                group
                    .iter()
                    .take(MANY)
                    .map(|(about, _)| about.number)
                    .collect(),
            );
        }
    }
    closed
}

impl Store {
    /// Merges once, if there is something to merge; whether there was.
    pub async fn merge(&self) -> Result<bool, Error> {
        self.0.alone(|inner| inner.merge()).await
    }
}

impl Inner {
    pub(super) fn merge(&self) -> Result<bool, Error> {
        let (now, up) = (self.now(), self.clock.awake());
        let (mut ledger, alive) = {
            let state = self.state();
            let catalogue = &state.catalogue;
            let alive: Vec<bool> = (0..catalogue.next()).map(|n| catalogue.has(n)).collect();
            (state.ledger.clone(), alive)
        };
        let settled = SETTLED.0 as i64;
        let closed = |part: &Part| {
            let end = part.about.from + self.partition_of(part.about.step);
            end < now - settled && up.saturating_sub(part.born) >= SETTLED.0
        };
        let candidates: Vec<Candidate> = ledger
            .parts
            .iter()
            .map(|part| (part.about, closed(part)))
            .collect();
        let Some(numbers) = choose(&candidates) else {
            return Ok(false);
        };
        let old = ledger.take(|part| numbers.contains(&part.about.number));
        let number = ledger.next;
        ledger.next += 1;
        self.reserve(ledger.next);
        let merged = self
            .merge_into(number, &old, &alive)
            .inspect_err(|_| self.remove_part(number))?;
        if merged.about.rows > 0 {
            ledger.add(vec![merged]);
        }
        self.commit(ledger, |_| {})?;
        for part in old {
            self.remove_part(part.about.number);
        }
        Ok(true)
    }

    /// Length of the partitions of a tier, by its step.
    pub(super) fn partition_of(&self, step: i64) -> i64 {
        let tiers = &self.options.tiers;
        let tier = (0..tiers.len()).find(|tier| tiers.step(*tier) == step);
        tier.map_or(0, |tier| tiers.partition(tier))
    }

    fn merge_into(
        &self,
        number: u64,
        old: &[Arc<Part>],
        alive: &[bool],
    ) -> Result<Arc<Part>, Error> {
        let file = self.new_part(number).map_err(fault)?;
        let mut writing = Writing::new(file);
        let mut walks: Vec<Walk<'_>> = old.iter().map(|part| Walk::new(part)).collect();
        let mut rows = Rows::default();
        while let Some(series) = self.lowest(&mut walks)? {
            rows.clear();
            let known = alive.get(series as usize).copied().unwrap_or(true);
            for walk in &mut walks {
                while let Some(entry) = walk.entry_of(series) {
                    if known {
                        match walk.part.chunk(&entry) {
                            Ok(chunk) => rows.add(chunk),
                            Err(why) => self.pass_over(why)?,
                        }
                    }
                    self.step(walk)?;
                }
            }
            rows.write(series, &mut writing).map_err(fault)?;
        }
        let about = About {
            number,
            level: old
                .iter()
                .map(|part| part.about.level)
                .max()
                .unwrap_or(0)
                .saturating_add(1),
            ..old[0].about
        };
        let part = self.finish(writing, about)?;
        self.disk.sync_dir(&self.places.0).map_err(fault)?;
        Ok(part)
    }

    /// The lowest series that any of them is at.
    fn lowest(&self, walks: &mut [Walk<'_>]) -> Result<Option<u32>, Error> {
        let mut lowest: Option<u32> = None;
        for walk in walks {
            if walk.at >= walk.page.len() {
                self.step(walk)?;
            }
            let here = walk.page.get(walk.at).map(|entry| entry.series);
            lowest = lowest.into_iter().chain(here).min();
        }
        Ok(lowest)
    }

    /// To the next entry, through pages that can be read.
    fn step(&self, walk: &mut Walk<'_>) -> Result<(), Error> {
        walk.at += 1;
        while walk.at >= walk.page.len() && walk.next < walk.part.pages() {
            walk.at = 0;
            walk.next += 1;
            walk.page = match walk.part.page(walk.next - 1) {
                Ok(page) => page,
                Err(why) => {
                    self.pass_over(why)?;
                    Vec::new()
                }
            };
        }
        Ok(())
    }

    /// What is damaged is counted; what could not be read at all may be fine the next time.
    pub(super) fn pass_over(&self, why: Fault) -> Result<(), Error> {
        match why {
            Fault::Damaged => {
                self.state().stats.damaged += 1;
                Ok(())
            }
            Fault::Io(error) => Err(fault(error)),
        }
    }
}

/// Where the reading of a part is.
struct Walk<'a> {
    part: &'a Part,
    next: usize,
    page: Vec<Entry>,
    at: usize,
}

impl<'a> Walk<'a> {
    fn new(part: &'a Part) -> Walk<'a> {
        Walk {
            part,
            next: 0,
            page: Vec::new(),
            at: 0,
        }
    }

    fn entry_of(&self, series: u32) -> Option<Entry> {
        let entry = self.page.get(self.at)?;
        (entry.series == series).then_some(*entry)
    }
}

/// All rows of one series.
#[derive(Default)]
struct Rows {
    readings: Vec<(i64, f64)>,
    folds: Vec<Row>,
}

impl Rows {
    fn clear(&mut self) {
        self.readings.clear();
        self.folds.clear();
    }

    fn add(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::Readings { times, values } => {
                self.readings.extend(times.into_iter().zip(values))
            }
            Chunk::Folds(rows) => self.folds.extend(rows),
        }
    }

    fn write(&mut self, series: u32, writing: &mut Writing) -> std::io::Result<()> {
        if !self.readings.is_empty() {
            self.readings.sort_by_key(|(at, _)| *at);
            self.readings.dedup_by_key(|(at, _)| *at);
            let (times, values): (Vec<i64>, Vec<f64>) = self.readings.iter().copied().unzip();
            writing.readings(series, &times, &values)?;
        }
        if !self.folds.is_empty() {
            unite(&mut self.folds);
            writing.folds(series, &self.folds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64, from: i64, level: u8, closed: bool) -> Candidate {
        let about = About {
            number,
            step: 1,
            from,
            level,
            size: 1,
            rows: 1,
        };
        (about, closed)
    }

    #[test]
    fn four_of_a_level_or_all_of_a_closed_partition() {
        let three = [
            part(1, 0, 0, false),
            part(2, 0, 0, false),
            part(3, 0, 0, false),
        ];
        assert_eq!(choose(&three), None);
        let mut four = three.to_vec();
        four.push(part(4, 0, 1, false));
        assert_eq!(choose(&four), None, "of different levels");
        four.push(part(5, 0, 0, false));
        assert_eq!(choose(&four), Some(vec![1, 2, 3, 5]));
        let closed = [
            part(1, 0, 3, true),
            part(2, 0, 0, true),
            part(3, 9, 0, true),
        ];
        assert_eq!(choose(&closed), Some(vec![1, 2]));
        assert_eq!(choose(&[part(1, 0, 3, true), part(2, 0, 0, false)]), None);
        assert_eq!(
            choose(&[part(1, 0, 3, true)]),
            None,
            "one is what it should be"
        );
    }
}
