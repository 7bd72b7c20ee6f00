//! Admitting samples: looked up, checked, written ahead, then held in memory. One write to the page cache a batch, and
//! never a sync.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use stead_core::time::Span;
use stead_ports::disk::{Disk, File, Open};
use stead_ports::history::{Accepted, Entry, Error, Labels, Refused, Writer};

use super::record::{Row, put_record};
use super::{Inner, Options, State, Store, fault};
use crate::admit;

/// Samples taken at a time: readers wait for no more than that.
const PIECE: usize = 4096;
/// A series that was silent for this long may be forgotten when there is no room for a new one.
const SILENT: Span = Span::hours(1);
/// Of the series there may be, this share is forgotten at a time, since it takes as long whether few or many.
const SHARE: usize = 16;

/// The write-ahead file that is appended to.
#[derive(Debug)]
pub struct Wal {
    pub number: u64,
    file: Arc<dyn File>,
    size: u64,
    /// Bytes of earlier files that are still needed.
    pub before: u64,
    /// Files that were written to since they were last synced.
    dirty: Vec<Arc<dyn File>>,
    /// Since the oldest of that, by the clock that timers count by.
    pub since: Option<u64>,
    /// Series that are in no file yet.
    unlogged: Vec<(u32, Labels)>,
    buffer: Vec<u8>,
}

impl Wal {
    /// A new file at `path`; what it held counts no more.
    pub fn begin(disk: &dyn Disk, path: &Path, number: u64) -> io::Result<Wal> {
        Ok(Wal {
            number,
            file: disk.open(path, Open::Empty)?,
            size: 0,
            before: 0,
            dirty: Vec::new(),
            since: None,
            unlogged: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// Goes on behind `earlier` files of a process that is gone, which hold `before` bytes and the only names of `series`.
    /// Nothing is appended to them: what was only read may be on no disk, and no later sync would bring it there.
    pub fn follow(
        &mut self,
        earlier: Vec<Arc<dyn File>>,
        before: u64,
        series: Vec<(u32, Labels)>,
        up: u64,
    ) {
        self.before = before;
        self.since = (!earlier.is_empty()).then_some(up);
        self.dirty = earlier;
        self.unlogged = series;
    }

    /// The next file; this one is needed until its samples are in a part.
    pub fn turn(&mut self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let mut next = Wal::begin(disk, path, self.number + 1)?;
        next.before = self.before + self.size;
        next.dirty = std::mem::take(&mut self.dirty);
        next.since = self.since;
        next.unlogged = std::mem::take(&mut self.unlogged);
        next.buffer = std::mem::take(&mut self.buffer);
        *self = next;
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.before + self.size
    }

    /// All of the record or nothing of it.
    fn append(&mut self, rows: &[Row], up: u64) -> io::Result<()> {
        self.buffer.clear();
        let names = self
            .unlogged
            .iter()
            .map(|(series, labels)| (*series, labels));
        put_record(&mut self.buffer, names, rows);
        if let Err(error) = self.file.write_at(&self.buffer, self.size) {
            // What cannot be cut off is written over by the next record, and is no frame until then.
            self.file.set_size(self.size).ok();
            return Err(error);
        }
        self.size += self.buffer.len() as u64;
        self.unlogged.clear();
        if self.since.is_none() {
            self.since = Some(up);
        }
        if !self.dirty.iter().any(|file| Arc::ptr_eq(file, &self.file)) {
            self.dirty.push(Arc::clone(&self.file));
        }
        Ok(())
    }

    /// What has to be synced; it is taken for synced from now on.
    pub fn take_dirty(&mut self) -> Vec<Arc<dyn File>> {
        self.since = None;
        std::mem::take(&mut self.dirty)
    }
}

#[async_trait]
impl Writer for Store {
    async fn append(&self, batch: Vec<Entry>) -> Result<Accepted, Error> {
        let mut accepted = Accepted::default();
        for piece in batch.chunks(PIECE) {
            while self.0.state().head.len() >= self.0.options.head {
                self.flush().await?;
            }
            let done = self.0.take(piece)?;
            accepted.samples += done.samples;
            accepted.refused.add(&done.refused);
        }
        Ok(accepted)
    }
}

impl Inner {
    fn take(&self, piece: &[Entry]) -> Result<Accepted, Error> {
        let (now, up) = (self.now(), self.clock.awake());
        let mut guard = self.state();
        let state = &mut *guard;
        let mut refused = Refused::default();
        let mut rows = Vec::with_capacity(piece.len());
        let mut undo = Vec::with_capacity(piece.len());
        for entry in piece {
            match state.admit(entry, &self.options, now, up) {
                Ok(row) => {
                    undo.push((row.series, state.catalogue.last(row.series)));
                    state.catalogue.set_last(row.series, row.at);
                    rows.push(row);
                }
                Err(reason) => *reason.of(&mut refused) += 1,
            }
        }
        state.stats.refused.add(&refused);
        if rows.is_empty() {
            return Ok(Accepted {
                samples: 0,
                refused,
            });
        }
        if let Err(error) = state.wal.append(&rows, up) {
            for (series, last) in undo.into_iter().rev() {
                state.catalogue.set_last(series, last);
            }
            return Err(fault(error));
        }
        if state.head.is_empty() {
            state.begun = up;
        }
        for row in &rows {
            state.head.push(row.series, row.at, row.value);
            state.newest = state.newest.max(row.at);
        }
        let samples = rows.len() as u64;
        state.stats.samples += samples;
        Ok(Accepted { samples, refused })
    }
}

/// Why a sample is not taken.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Future,
    Old,
    Disorder,
    MetricFull,
    SeriesFull,
    Labels,
}

impl Reason {
    fn of(self, refused: &mut Refused) -> &mut u64 {
        match self {
            Reason::Future => &mut refused.future,
            Reason::Old => &mut refused.old,
            Reason::Disorder => &mut refused.disorder,
            Reason::MetricFull => &mut refused.metric_full,
            Reason::SeriesFull => &mut refused.series_full,
            Reason::Labels => &mut refused.labels,
        }
    }
}

impl State {
    fn admit(
        &mut self,
        entry: &Entry,
        options: &Options,
        now: i64,
        up: u64,
    ) -> Result<Row, Reason> {
        let at = entry.sample.at.0;
        if at > now.saturating_add(admit::AHEAD) {
            return Err(Reason::Future);
        }
        if at < now.saturating_sub(options.tiers.longest()) {
            return Err(Reason::Old);
        }
        let series = match self.catalogue.find(&entry.labels) {
            Some(series) => series,
            None => self.enrol(&entry.labels, options, now, up)?,
        };
        let last = self.catalogue.last(series);
        if at <= last {
            return Err(Reason::Disorder);
        }
        Ok(Row {
            series,
            at: admit::snap(at, last, options.tiers.step(0)),
            value: entry.sample.value,
        })
    }

    /// Gives a new series its number, if there may be another one.
    fn enrol(
        &mut self,
        labels: &Labels,
        options: &Options,
        now: i64,
        up: u64,
    ) -> Result<u32, Reason> {
        if !admit::is_name(labels) {
            return Err(Reason::Labels);
        }
        let of_metric = |state: &State| state.catalogue.of_metric(labels.metric()).len();
        let full = |state: &State| {
            if of_metric(state) >= options.metric {
                Some(Reason::MetricFull)
            } else {
                (state.catalogue.len() >= options.series).then_some(Reason::SeriesFull)
            }
        };
        if let Some(reason) = full(self) {
            let metric = matches!(reason, Reason::MetricFull).then(|| labels.metric());
            self.forget_silent(metric, options, now, up);
            if let Some(reason) = full(self) {
                return Err(reason);
            }
        }
        let series = self.catalogue.next();
        self.catalogue.add(series, labels);
        self.wal.unlogged.push((series, labels.clone()));
        Ok(series)
    }

    /// Forgets those that were silent for longest, of one metric or of all; at most once a minute.
    fn forget_silent(&mut self, metric: Option<&str>, options: &Options, now: i64, up: u64) {
        if self
            .sought
            .is_some_and(|then| up.saturating_sub(then) < 60_000)
        {
            return;
        }
        self.sought = Some(up);
        let before = now.saturating_sub(SILENT.0 as i64);
        let silent = |series: &u32| self.catalogue.last(*series) < before;
        let mut silent: Vec<u32> = match metric {
            Some(metric) => {
                let all = self.catalogue.of_metric(metric).iter().copied();
                all.filter(silent).collect()
            }
            None => self.catalogue.iter().filter(silent).collect(),
        };
        let most = metric.map_or(options.series, |_| options.metric) / SHARE;
        silent.sort_by_key(|series| self.catalogue.last(*series));
        silent.truncate(most.max(1));
        if !silent.is_empty() {
            self.stats.forgotten += silent.len() as u64;
            let gone: HashSet<u32> = silent.into_iter().collect();
            self.wal
                .unlogged
                .retain(|(series, _)| !gone.contains(series));
            self.catalogue.forget(&gone);
        }
    }
}
