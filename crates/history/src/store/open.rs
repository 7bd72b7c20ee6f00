//! What is found at the start: the ledger, its parts and names, and what was accepted since.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use stead_ports::clock::Clock;
use stead_ports::disk::{Disk, Open};
use stead_ports::history::{Error, Labels};

use super::append::Wal;
use super::frame::Frames;
use super::ledger::{self, Ledger, Names, Page, Places};
use super::part::{About, Fault, Part};
use super::{Inner, Options, State, Stats, fault, record};
use crate::catalogue::{Catalogue, NEVER};
use crate::head::Head;

impl Inner {
    /// Blocks.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        places: Places,
        options: Options,
    ) -> Result<Inner, Error> {
        disk.create_dir(&places.0).map_err(fault)?;
        let found = disk.list(&places.0).map_err(fault)?;
        let page = ledger::read(&*disk, &places.0)?;
        if page.is_none() && found.iter().any(|path| is(path, "part")) {
            return Err(Error::Damaged("its ledger is missing".to_owned()));
        }
        let mut opening = Opening {
            disk: &*disk,
            places: &places,
            up: clock.awake(),
            catalogue: Catalogue::default(),
            head: Head::with_room(options.head),
            stats: Stats::default(),
        };
        let ledger = match page {
            Some(page) => opening.ledger(page, &options)?,
            // From the first file on there is a ledger, so that one that is missing is damage.
            None => {
                let ledger = Ledger::default();
                ledger.write(&*disk, &places.0).map_err(fault)?;
                ledger
            }
        };
        opening.sweep(&found, &ledger);
        let wal = opening.replay(&found, &ledger)?;
        let (catalogue, head, stats) = (opening.catalogue, opening.head, opening.stats);
        let newest = catalogue.iter().map(|series| catalogue.last(series)).max();
        let state = State {
            newest: newest.unwrap_or(NEVER),
            catalogue,
            head,
            frozen: None,
            begun: clock.awake(),
            wal,
            ledger,
            sought: None,
            listed: 0,
            stats,
        };
        Ok(Inner {
            disk,
            clock,
            places,
            options,
            state: std::sync::Mutex::new(state),
            work: Arc::default(),
        })
    }
}

fn is(path: &std::path::Path, wanted: &str) -> bool {
    ledger::kind(path).is_some_and(|(kind, _)| kind == wanted)
}

struct Opening<'a> {
    disk: &'a dyn Disk,
    places: &'a Places,
    up: u64,
    catalogue: Catalogue,
    head: Head,
    stats: Stats,
}

impl Opening<'_> {
    fn ledger(&mut self, page: Page, options: &Options) -> Result<Ledger, Error> {
        self.names(&page.names)?;
        let mut parts = Vec::new();
        for about in &page.parts {
            if !options
                .tiers
                .iter()
                .any(|tier| tier.step.0 as i64 == about.step)
            {
                self.stats.retired += 1;
                continue;
            }
            match self.part(about) {
                Ok(part) => parts.push(Arc::new(part)),
                Err(Fault::Damaged) => {
                    self.stats.damaged += 1;
                    self.set_aside(about.number);
                }
                Err(Fault::Io(error)) => return Err(fault(error)),
            }
        }
        for part in &parts {
            self.last_samples(part)?;
        }
        Ok(Ledger {
            wal: page.wal,
            names: page.names,
            next: page.next,
            parts: Arc::new(parts),
            dropped: page.dropped,
        })
    }

    /// Who wants to look at a damaged file finds it; nothing else looks at it again.
    fn set_aside(&self, number: u64) {
        let path = self.places.part(number);
        self.disk
            .rename(&path, &path.with_extension("damaged"))
            .ok();
    }

    fn part(&self, about: &About) -> Result<Part, Fault> {
        match self
            .disk
            .open(&self.places.part(about.number), Open::Existing)
        {
            Ok(file) => Part::open(file, *about, self.up),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Fault::Damaged),
            Err(error) => Err(error.into()),
        }
    }

    /// A list that is damaged names the series up to there; samples of others are out of reach.
    fn names(&mut self, names: &Names) -> Result<(), Error> {
        if names.size == 0 {
            return Ok(());
        }
        let bytes = self
            .disk
            .read(&self.places.names(names.number))
            .map_err(fault)?;
        let bytes = &bytes[..bytes.len().min(names.size as usize)];
        let mut frames = Frames::of(bytes);
        // Of one that was forgotten and came again, the later number counts.
        let mut found: HashMap<Labels, u32> = HashMap::new();
        for payload in frames.by_ref() {
            let record = record::read(payload).unwrap_or_default();
            found.extend(
                record
                    .names
                    .into_iter()
                    .map(|(series, labels)| (labels, series)),
            );
        }
        self.stats.damaged += u64::from(frames.at as u64 != names.size);
        let mut found: Vec<(u32, Labels)> = found
            .into_iter()
            .map(|(labels, series)| (series, labels))
            .collect();
        found.sort_by_key(|(series, _)| *series);
        for (series, labels) in &found {
            self.catalogue.add(*series, labels);
        }
        // Numbers that were given are not given again, even if nobody can tell to whom.
        self.catalogue.reserve(names.upto);
        Ok(())
    }

    fn last_samples(&mut self, part: &Part) -> Result<(), Error> {
        for page in 0..part.pages() {
            match part.page(page) {
                Ok(entries) => {
                    for entry in entries {
                        if self.catalogue.last(entry.series) < entry.last {
                            self.catalogue.set_last(entry.series, entry.last);
                        }
                    }
                }
                Err(Fault::Damaged) => self.stats.damaged += 1,
                Err(Fault::Io(error)) => return Err(fault(error)),
            }
        }
        Ok(())
    }

    /// Removes what is left of work that did not come to its end.
    fn sweep(&self, found: &[PathBuf], ledger: &Ledger) {
        let parts: HashSet<u64> = ledger.parts.iter().map(|part| part.about.number).collect();
        for path in found {
            let left_over = match ledger::kind(path) {
                Some(("part", number)) => !parts.contains(&number),
                Some(("wal", number)) => number < ledger.wal,
                Some(("names", number)) => number != ledger.names.number,
                _ => false,
            };
            if left_over {
                self.disk.remove(path).ok();
            }
        }
    }

    /// Takes in what was accepted and is in no part, and goes on in a file of its own.
    fn replay(&mut self, found: &[PathBuf], ledger: &Ledger) -> Result<Wal, Error> {
        let numbers = found.iter().filter_map(|path| match ledger::kind(path) {
            Some(("wal", number)) if number >= ledger.wal => Some(number),
            _ => None,
        });
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        let (mut before, mut next) = (0, ledger.wal);
        let mut earlier = Vec::new();
        for number in numbers {
            let path = self.places.wal(number);
            let bytes = self.disk.read(&path).map_err(fault)?;
            let mut frames = Frames::of(&bytes);
            for payload in frames.by_ref() {
                match record::read(payload) {
                    Ok(record) => self.take(record),
                    Err(_) => self.stats.damaged += 1,
                }
            }
            next = number;
            // One that holds nothing is begun anew.
            if frames.at > 0 {
                before += bytes.len() as u64;
                earlier.push(self.disk.open(&path, Open::Existing).map_err(fault)?);
                next += 1;
            }
        }
        let path = self.places.wal(next);
        let mut wal = Wal::begin(self.disk, &path, next).map_err(fault)?;
        let series = self.catalogue.iter();
        let unlisted = series.filter(|series| *series >= ledger.names.upto);
        let unlisted = unlisted.map(|series| (series, self.catalogue.labels(series)));
        wal.follow(earlier, before, unlisted.collect(), self.up);
        Ok(wal)
    }

    fn take(&mut self, record: record::Record) {
        for (series, labels) in record.names {
            if self.catalogue.has(series) {
                continue;
            }
            if let Some(before) = self.catalogue.find(&labels) {
                self.catalogue.forget(&HashSet::from([before]));
            }
            self.catalogue.add(series, &labels);
        }
        for row in record.rows {
            let known = self.catalogue.has(row.series);
            if known && (self.catalogue.last(row.series) < row.at) {
                debug_assert_ne!(row.at, NEVER);
                self.catalogue.set_last(row.series, row.at);
                self.head.push(row.series, row.at, row.value);
            }
        }
    }
}
