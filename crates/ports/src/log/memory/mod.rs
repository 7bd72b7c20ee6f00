//! The event log in memory: the same bytes, checksums and rules as a real one, on a [`Disk`] that breaks on request.
//!
//! For tests and simulation only; it never reads a clock and never touches a file.

mod disk;
mod lease;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stead_core::ids::Seq;
use stead_core::time::Time;

pub use self::disk::{Boundary, Disk, Fault, Faults};
use self::disk::{Change, Image};
use super::chain::{Chain, Pruned, Tip};
use super::frame::{Frame, Frames, encode};
use super::{Base, Claim, Compacted, Error, EventLog, Filter, Head, Lease, Record, Snapshot};

const MARK: &str = "mark";
const BASE: &str = "base";
const PRUNED: &str = "pruned";
const PAST: &str = "past";
const SNAPSHOTS: &str = "snapshots";
const LEASE: &str = "lease";

/// In front of each batch: its length, and the checksum of what follows. A batch without both is torn.
const BATCH_HEADER: usize = 8;

/// The fake. Open it on a [`Disk`]; open the same disk again after a fault, or twice for two servers on one store: each
/// sees what the other appended.
#[derive(Debug)]
pub struct MemoryLog {
    disk: Disk,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tip: Tip,
    pruned: Pruned,
    /// Where each record's frame is.
    places: Vec<(Seq, usize)>,
    ids: HashSet<String>,
    /// What this handle leads with; 0 where it never led.
    epoch: u64,
    /// Of the disk, when this was read from it.
    generation: u64,
    /// Why no call works any more.
    dead: Option<String>,
}

impl Default for MemoryLog {
    /// An empty log on a disk of its own, without faults.
    fn default() -> Self {
        MemoryLog {
            disk: Disk::default(),
            faults: Faults::default(),
            state: Mutex::new(State::new(Pruned::NOTHING)),
        }
    }
}

impl State {
    fn new(pruned: Pruned) -> State {
        State {
            tip: pruned.to,
            pruned,
            places: Vec::new(),
            ids: HashSet::new(),
            epoch: 0,
            generation: 0,
            dead: None,
        }
    }
}

impl MemoryLog {
    /// Reads what is on `disk`. A torn end is dropped; anything acknowledged that is missing is reported.
    pub fn open(disk: &Disk, faults: &Faults) -> Result<MemoryLog, Error> {
        let (state, len) = State::of(disk)?;
        disk.settle(len);
        let log = MemoryLog {
            disk: disk.clone(),
            faults: faults.clone(),
            state: Mutex::new(state),
        };
        log.audit()?;
        Ok(log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, unless the log has died. What another log on the same disk wrote is in it.
    fn alive(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        if let Some(why) = &state.dead {
            return Err(Error::Fatal(why.clone()));
        }
        if state.generation != self.disk.generation() {
            state.catch_up(&self.disk)?;
        }
        Ok(state)
    }

    /// Writes the change that `make` wants; after a fault every later call fails as well (F2).
    fn commit(
        &self,
        state: &mut State,
        make: impl FnOnce(&Image) -> Result<Option<Change>, Error>,
    ) -> Result<(), Error> {
        let result = self.disk.commit(&self.faults, make);
        if let Err(Error::Fatal(why)) = &result {
            state.dead = Some(why.clone());
        }
        state.generation = result?;
        Ok(())
    }

    /// As [`Self::commit`], unless somebody took over: decided with the disk held, as a transaction would.
    fn commit_as_leader(&self, state: &mut State, change: Change) -> Result<(), Error> {
        let epoch = state.epoch;
        self.commit(state, |image| {
            lease::fence(image, epoch)?;
            Ok(Some(change))
        })
    }

    fn put_file(&self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), Error> {
        let mut state = self.alive()?;
        let change = Change::file(name, bytes.map(seal));
        self.commit(&mut state, |_| Ok(Some(change)))
    }

    fn get_file(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let _alive = self.alive()?;
        self.disk.look(|image| {
            image
                .files
                .get(name)
                .map(|bytes| unseal(name, bytes))
                .transpose()
        })
    }

    /// Hands out the frames of `places`, each verified.
    fn visit(
        &self,
        places: impl Iterator<Item = (Seq, usize)>,
        mut each: impl FnMut(&Frame<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.disk.look(|image| {
            for (seq, at) in places {
                let damaged = |why: &str| Error::Corrupt {
                    seq,
                    why: why.to_owned(),
                };
                let bytes = image.log.get(at..).unwrap_or_default();
                let frame = Frames::new(bytes)
                    .next()
                    .ok_or_else(|| damaged("it is missing"))?
                    .map_err(damaged)?;
                if frame.view.seq != seq {
                    return Err(damaged("another record stands in its place"));
                }
                if !each(&frame)? {
                    break;
                }
            }
            Ok(())
        })
    }

    fn audit(&self) -> Result<u64, Error> {
        let state = self.alive()?;
        let mut chain = Chain::from_start(state.pruned);
        self.visit(state.places.iter().copied(), |frame| {
            chain.push(frame).map(|()| true)
        })?;
        chain.finish(state.tip, true)
    }
}

impl State {
    /// What is on `disk`, and where its last whole batch ends.
    fn of(disk: &Disk) -> Result<(State, usize), Error> {
        let (read, generation) = disk.look_at(|image| -> Result<_, Error> {
            let file = |name: &str| {
                image
                    .files
                    .get(name)
                    .map(|bytes| unseal(name, bytes))
                    .transpose()
            };
            let pruned = file(PRUNED)?.map_or(Pruned::NOTHING, |b| read_pruned(&b));
            let mut state = State::new(pruned);
            state.ids = split_fields(&file(PAST)?.unwrap_or_default())
                .map(|id| String::from_utf8_lossy(id).into_owned())
                .collect();
            let len = state.load(&image.log);
            if let Some(mark) = file(MARK)?.map(|b| read_tip(&b))
                && mark.seq > state.tip.seq
            {
                return Err(Error::Corrupt {
                    seq: state.tip.seq.next(),
                    why: format!("the log ends here, but {} was acknowledged", mark.seq),
                });
            }
            Ok((state, len))
        });
        let (mut state, len) = read?;
        state.generation = generation;
        Ok((state, len))
    }

    /// Takes in what another log wrote, and returns where its last whole batch ends.
    fn catch_up(&mut self, disk: &Disk) -> Result<usize, Error> {
        let (read, len) = State::of(disk)?;
        *self = State {
            epoch: self.epoch,
            ..read
        };
        Ok(len)
    }

    /// Takes in the whole batches of `log` and returns where the last one ends.
    fn load(&mut self, log: &[u8]) -> usize {
        let mut end = 0;
        while let Some(frames) = batch_at(log, end) {
            let start = end + BATCH_HEADER;
            let mut at = start;
            for frame in Frames::new(frames).map_while(Result::ok) {
                self.note(frame.view.seq, at, frame.view.id);
                self.tip = Tip {
                    seq: frame.view.seq,
                    crc: frame.crc,
                };
                at += frame.bytes.len();
            }
            end = start + frames.len();
        }
        if self.tip.seq < self.pruned.to.seq {
            self.tip = self.pruned.to;
        }
        end
    }

    fn note(&mut self, seq: Seq, at: usize, id: &str) {
        self.places.push((seq, at));
        self.ids.insert(id.to_owned());
    }

    fn after(&self, seq: Seq) -> usize {
        self.places.partition_point(|(s, _)| *s <= seq)
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn head(&self) -> Result<Head, Error> {
        let state = self.alive()?;
        Ok(Head {
            log_id: "memory".to_owned(),
            seq: state.tip.seq,
            first: state
                .places
                .first()
                .map_or(state.pruned.to.seq.next(), |(seq, _)| *seq),
        })
    }

    async fn lease(&self) -> Result<Lease, Error> {
        let _alive = self.alive()?;
        self.disk.look(lease::read)
    }

    async fn lead(&self, holder: &str, now: Time, lapsed: Option<&Lease>) -> Result<Claim, Error> {
        self.claim(holder, now, lapsed)
    }

    async fn renew(&self) -> Result<(), Error> {
        self.change_lease(Lease::renewed)
    }

    async fn resign(&self) -> Result<(), Error> {
        match self.change_lease(Lease::resigned) {
            Err(Error::Fenced { .. }) => Ok(()),
            other => other,
        }
    }

    async fn append(&self, records: Vec<Record>) -> Result<(), Error> {
        let mut state = self.alive()?;
        // Whoever was deposed learns that, and not that its numbers are taken.
        self.disk.look(|image| lease::fence(image, state.epoch))?;
        let (mut tip, mut frames, mut places) = (state.tip, Vec::new(), Vec::new());
        for record in &records {
            if record.seq != tip.seq.next() {
                return Err(Error::Gap {
                    expected: tip.seq.next(),
                    got: record.seq,
                });
            }
            places.push((record.seq, frames.len()));
            tip = Tip {
                seq: record.seq,
                crc: encode(tip.crc, record, &mut frames),
            };
        }
        if records.is_empty() {
            return Ok(());
        }
        let start = self.disk.len() + BATCH_HEADER;
        let change = Change {
            append: batch(&frames),
            ..Change::default()
        };
        self.commit_as_leader(&mut state, change)?;
        self.disk.write_mark(seal(write_tip(tip)));
        for ((seq, at), record) in places.into_iter().zip(&records) {
            state.note(seq, start + at, &record.id);
        }
        state.tip = tip;
        Ok(())
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Error> {
        let state = self.alive()?;
        let mut records = Vec::new();
        let places = state.places[state.after(after)..]
            .iter()
            .copied()
            .take(limit);
        self.visit(places, |frame| {
            records.push(frame.view.to_record());
            Ok(true)
        })?;
        Ok(records)
    }

    async fn query(&self, filter: Filter) -> Result<Vec<Record>, Error> {
        let state = self.alive()?;
        let mut found = Vec::new();
        if filter.limit == 0 {
            return Ok(found);
        }
        let places = state.places.iter().copied();
        let each = |frame: &Frame<'_>| {
            if filter.matches(&frame.view) {
                found.push(frame.view.to_record());
            }
            Ok(found.len() < filter.limit)
        };
        if filter.newest_first {
            self.visit(places.rev(), each)?;
        } else {
            self.visit(places, each)?;
        }
        Ok(found)
    }

    async fn known_ids(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        let state = self.alive()?;
        Ok(ids
            .iter()
            .filter(|id| state.ids.contains(*id))
            .cloned()
            .collect())
    }

    async fn put_document(&self, digest: &str, bytes: &[u8]) -> Result<(), Error> {
        let name = format!("document/{digest}");
        match self.get_file(&name)? {
            Some(_) => Ok(()),
            None => self.put_file(&name, Some(bytes.to_vec())),
        }
    }

    async fn get_document(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        self.get_file(&format!("document/{digest}"))
    }

    async fn put_snapshots(&self, snapshots: Vec<Snapshot>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for snapshot in &snapshots {
            push_field(&mut bytes, snapshot.shard.as_bytes());
            push_field(&mut bytes, &snapshot.seq.0.to_le_bytes());
            push_field(&mut bytes, &snapshot.bytes);
        }
        self.put_file(SNAPSHOTS, Some(bytes))
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        let bytes = match self.get_file(SNAPSHOTS) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(Error::Corrupt { .. }) => return Ok(Vec::new()),
            Err(other) => return Err(other),
        };
        let fields: Vec<&[u8]> = split_fields(&bytes).collect();
        let snapshots: Vec<Snapshot> = fields
            .chunks_exact(3)
            .map(|part| Snapshot {
                shard: String::from_utf8_lossy(part[0]).into_owned(),
                seq: Seq(number(part[1], 0)),
                bytes: part[2].to_vec(),
            })
            .collect();
        let head = self.alive()?.tip.seq;
        if snapshots.iter().any(|s| s.seq > head) {
            return Ok(Vec::new());
        }
        Ok(snapshots)
    }

    async fn compact(&self, base: Base, keep_kinds: &[String]) -> Result<Compacted, Error> {
        let present = self.base().await?.map_or(Seq::ZERO, |b| b.seq);
        let mut state = self.alive()?;
        let allowed = present.max(Seq(1))..=state.tip.seq;
        if !allowed.contains(&base.seq) {
            let expected = if base.seq < present {
                present
            } else {
                state.tip.seq
            };
            return Err(Error::Gap {
                expected,
                got: base.seq,
            });
        }
        let mut pruned = state.pruned;
        let mut chain = Chain::from_start(pruned);
        let (mut frames, mut past, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut done = Compacted::default();
        self.visit(state.places.iter().copied(), |frame| {
            chain.push(frame)?;
            let below = frame.view.seq <= base.seq;
            let keep = !below || keep_kinds.iter().any(|kind| kind == frame.view.kind);
            if below {
                pruned = pruned.step(frame, keep);
            }
            if keep {
                places.push((frame.view.seq, BATCH_HEADER + frames.len()));
                frames.extend_from_slice(frame.bytes);
                done.kept += u64::from(below);
            } else {
                push_field(&mut past, frame.view.id.as_bytes());
                done.removed += 1;
            }
            Ok(true)
        })?;
        chain.finish(state.tip, true)?;
        let older = self
            .disk
            .look(|i| i.files.get(PAST).map(|b| unseal(PAST, b)).transpose())?;
        let mut all_past = older.unwrap_or_default();
        all_past.extend_from_slice(&past);
        let mut base_bytes = base.seq.0.to_le_bytes().to_vec();
        base_bytes.extend_from_slice(&base.bytes);
        let change = Change {
            replace_log: Some(batch(&frames)),
            files: vec![
                (BASE.to_owned(), Some(seal(base_bytes))),
                (PRUNED.to_owned(), Some(seal(write_pruned(pruned)))),
                (PAST.to_owned(), Some(seal(all_past))),
            ],
            ..Change::default()
        };
        self.commit_as_leader(&mut state, change)?;
        state.pruned = pruned;
        state.places = places;
        Ok(done)
    }

    async fn base(&self) -> Result<Option<Base>, Error> {
        Ok(self.get_file(BASE)?.map(|bytes| Base {
            seq: Seq(number(&bytes, 0)),
            bytes: bytes.get(8..).unwrap_or_default().to_vec(),
        }))
    }

    async fn verify(&self) -> Result<u64, Error> {
        let names: Vec<String> = self
            .disk
            .look(|image| image.files.keys().cloned().collect());
        for name in names.iter().filter(|name| *name != SNAPSHOTS) {
            self.get_file(name)?;
        }
        self.audit()
    }

    async fn close(&self) -> Result<(), Error> {
        self.state()
            .dead
            .get_or_insert_with(|| "the log was closed".to_owned());
        Ok(())
    }
}

fn batch(frames: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frames.len() + BATCH_HEADER);
    bytes.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(frames).to_le_bytes());
    bytes.extend_from_slice(frames);
    bytes
}

/// The frames of the batch at `at`, when all of it is there and intact.
fn batch_at(log: &[u8], at: usize) -> Option<&[u8]> {
    let header = log.get(at..at + BATCH_HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(header[4..].try_into().ok()?);
    let frames = log.get(at + BATCH_HEADER..at + BATCH_HEADER + length)?;
    (crc32fast::hash(frames) == crc).then_some(frames)
}

/// Puts a checksum behind the bytes of a file.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn unseal(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    bytes
        .split_last_chunk::<4>()
        .filter(|(content, crc)| crc32fast::hash(content) == u32::from_le_bytes(**crc))
        .map(|(content, _)| content.to_vec())
        .ok_or_else(|| Error::Corrupt {
            seq: Seq::ZERO,
            why: format!("the checksum of `{name}` does not match"),
        })
}

fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u32).to_le_bytes());
    out.extend_from_slice(field);
}

fn split_fields(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(field)
    })
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    eight.map_or(0, u64::from_le_bytes)
}

fn write_tip(tip: Tip) -> Vec<u8> {
    let mut bytes = tip.seq.0.to_le_bytes().to_vec();
    bytes.extend_from_slice(&u64::from(tip.crc).to_le_bytes());
    bytes
}

fn read_tip(bytes: &[u8]) -> Tip {
    Tip {
        seq: Seq(number(bytes, 0)),
        crc: number(bytes, 8) as u32,
    }
}

fn write_pruned(pruned: Pruned) -> Vec<u8> {
    let mut bytes = write_tip(pruned.to);
    bytes.extend_from_slice(&pruned.kept.to_le_bytes());
    bytes.extend_from_slice(&pruned.sum.to_le_bytes());
    bytes
}

fn read_pruned(bytes: &[u8]) -> Pruned {
    Pruned {
        to: read_tip(bytes),
        kept: number(bytes, 16),
        sum: number(bytes, 24),
    }
}
