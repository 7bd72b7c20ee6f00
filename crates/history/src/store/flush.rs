//! The head written out: its readings into the finest tier, their folds into every other, in one step that is the ledger's.
//!
//! Folds of a step that goes on are written as they are; the rest of that step comes with a later flush, and whoever reads
//! or merges puts the two together. So nothing has to be remembered across a restart.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use stead_ports::disk::{File, Open};
use stead_ports::history::{Error, Labels};

use super::ledger::{Ledger, Names};
use super::part::{About, Part, Writing};
use super::record::put_record;
use super::{Frozen, Inner, Store, fault};
use crate::fold::{self, Row, floor};
use crate::head::Head;

/// Names written as one frame.
const NAMES: usize = 1024;

impl Store {
    /// Writes out what is held in memory.
    pub async fn flush(&self) -> Result<(), Error> {
        self.0.alone(|inner| inner.flush()).await
    }
}

/// Parts that are being written, by tier and start of their partition. Their files go if it does not come to its end.
struct Batch<'a> {
    inner: &'a Inner,
    writing: BTreeMap<(usize, i64), (u64, Writing)>,
    next: u64,
}

impl Batch<'_> {
    /// The part of a partition.
    fn part(&mut self, tier: usize, from: i64) -> io::Result<&mut Writing> {
        let entry = match self.writing.entry((tier, from)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let file = self.inner.new_part(self.next)?;
                self.next += 1;
                entry.insert((self.next - 1, Writing::new(file)))
            }
        };
        Ok(&mut entry.1)
    }

    /// Writes every series of the head, in every tier that still keeps that time.
    fn fill(&mut self, head: &Head, era: i64) -> io::Result<()> {
        let tiers = &self.inner.options.tiers;
        let (mut times, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::<Row>::new());
        for series in head.series() {
            head.read(series, &mut times, &mut values);
            for tier in 0..tiers.len() {
                let length = tiers.partition(tier);
                let horizon = tiers.horizon(tier, era);
                let mut start = times.partition_point(|at| *at < horizon);
                while start < times.len() {
                    let from = floor(times[start], length);
                    let end = start + times[start..].partition_point(|at| *at < from + length);
                    let (times, values) = (&times[start..end], &values[start..end]);
                    start = end;
                    if tier == 0 {
                        self.part(tier, from)?.readings(series, times, values)?;
                        continue;
                    }
                    rows.clear();
                    fold::fold(times, values, tiers.step(tier), &mut rows);
                    if !rows.is_empty() {
                        self.part(tier, from)?.folds(series, &rows)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Arc<Part>>, Error> {
        let mut parts = Vec::new();
        while let Some(((tier, from), (number, writing))) = self.writing.pop_first() {
            let about = About {
                number,
                step: self.inner.options.tiers.step(tier),
                from,
                level: 0,
                size: 0,
                rows: 0,
            };
            let part = self.inner.finish(writing, about);
            match part {
                Ok(part) => parts.push(part),
                Err(error) => {
                    self.inner.remove_part(number);
                    for part in parts {
                        self.inner.remove_part(part.about.number);
                    }
                    return Err(error);
                }
            }
        }
        Ok(parts)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (number, _) in self.writing.values() {
            self.inner.remove_part(*number);
        }
    }
}

impl Inner {
    pub(super) fn new_part(&self, number: u64) -> io::Result<Arc<dyn File>> {
        self.disk.open(&self.places.part(number), Open::Empty)
    }

    pub(super) fn remove_part(&self, number: u64) {
        // What stays is removed at the next start.
        self.disk.remove(&self.places.part(number)).ok();
    }

    /// Makes a part durable, but for its name.
    pub(super) fn finish(&self, writing: Writing, about: About) -> Result<Arc<Part>, Error> {
        let (file, about) = writing.finish(about).map_err(fault)?;
        let part = Part::open(file, about, self.clock.awake());
        let unreadable = |why| Error::Io(format!("a part that was just written: {why}"));
        part.map(Arc::new).map_err(unreadable)
    }

    /// Freezes the head, unless one waits still, and writes it out.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let Some((frozen, mut ledger, names)) = self.freeze().map_err(fault)? else {
            return Ok(());
        };
        let (oldest, list) = (ledger.wal, ledger.names.number);
        let written = self.write_out(&frozen, &mut ledger, &names);
        self.reserve(ledger.next);
        written?;
        // Where this fails nobody knows which ledger counts, so that the new files stay.
        self.commit(ledger, |state| {
            state.frozen = None;
            state.wal.before = 0;
            state.listed = names.forgotten;
        })?;
        for wal in oldest..frozen.wal {
            self.disk.remove(&self.places.wal(wal)).ok();
        }
        if names.anew {
            self.disk.remove(&self.places.names(list)).ok();
        }
        Ok(())
    }

    /// Numbers below this were given to files, whatever became of them: no other file ever has one of them.
    pub(super) fn reserve(&self, next: u64) {
        let mut state = self.state();
        state.ledger.next = state.ledger.next.max(next);
    }

    /// Parts and names, durable; `ledger` says what would count.
    fn write_out(
        &self,
        frozen: &Frozen,
        ledger: &mut Ledger,
        names: &NewNames,
    ) -> Result<(), Error> {
        let mut batch = Batch {
            inner: self,
            writing: BTreeMap::new(),
            next: ledger.next,
        };
        let filled = batch.fill(&frozen.head, self.era());
        ledger.next = batch.next;
        filled.map_err(fault)?;
        let parts = batch.finish()?;
        let written = self
            .write_names(ledger, names)
            .and_then(|()| self.disk.sync_dir(&self.places.0));
        if let Err(error) = written {
            for part in parts {
                self.remove_part(part.about.number);
            }
            return Err(fault(error));
        }
        ledger.add(parts);
        ledger.wal = frozen.wal;
        Ok(())
    }

    /// What is to be written out, with the ledger it goes into and the names that are not in it.
    #[allow(clippy::type_complexity, reason = "said once, taken apart at once")]
    fn freeze(&self) -> io::Result<Option<(Arc<Frozen>, Ledger, NewNames)>> {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.frozen.is_none() {
            if state.head.is_empty() {
                return Ok(None);
            }
            let next = state.wal.number + 1;
            state.wal.turn(&*self.disk, &self.places.wal(next))?;
            let head = std::mem::replace(&mut state.head, Head::with_room(self.options.head));
            state.frozen = Some(Arc::new(Frozen { head, wal: next }));
        }
        let Some(frozen) = state.frozen.clone() else {
            return Ok(None);
        };
        let ledger = state.ledger.clone();
        let anew = state.listed < state.stats.forgotten;
        let first = if anew { 0 } else { ledger.names.upto };
        let catalogue = &state.catalogue;
        let list = (first..catalogue.next()).filter(|series| catalogue.has(*series));
        let names = NewNames {
            anew,
            forgotten: state.stats.forgotten,
            upto: catalogue.next(),
            list: list
                .map(|series| (series, catalogue.labels(series)))
                .collect(),
        };
        Ok(Some((frozen, ledger, names)))
    }

    /// Puts names that are not in the list into it, or writes it anew.
    fn write_names(&self, ledger: &mut Ledger, new: &NewNames) -> io::Result<()> {
        if new.anew {
            ledger.names = Names {
                number: ledger.next,
                ..Names::default()
            };
            ledger.next += 1;
        }
        ledger.names.upto = new.upto;
        if new.list.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for names in new.list.chunks(NAMES) {
            let names = names.iter().map(|(series, labels)| (*series, labels));
            put_record(&mut bytes, names, &[]);
        }
        let path = self.places.names(ledger.names.number);
        let file = self.disk.open(&path, Open::OrCreate)?;
        file.write_at(&bytes, ledger.names.size)?;
        file.sync()?;
        ledger.names.size += bytes.len() as u64;
        Ok(())
    }
}

/// Names that the list does not have.
struct NewNames {
    /// The list is written anew, since series in it are forgotten.
    anew: bool,
    /// How many had been forgotten by then.
    forgotten: u64,
    upto: u32,
    list: Vec<(u32, Labels)>,
}
