//! The ledger: which files count. Replaced as a whole; everything else in the folder is either named here or left over
//! from something that did not come to its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stead_ports::disk::{self, Disk};
use stead_ports::history::Error;

use super::fault;
use super::part::{About, Part};

/// What this build writes. A ledger with a higher number is refused.
const FORMAT: u64 = 1;
const NAME: &str = "ledger";

/// The file that says which numbers mean which series, and how many bytes of it count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    pub number: u64,
    pub size: u64,
    /// All series below this number are in it, but those that are forgotten.
    pub upto: u32,
}

/// Which files count. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Write-ahead files from this number on are in no part yet.
    pub wal: u64,
    pub names: Names,
    /// Number of the next file.
    pub next: u64,
    /// Sorted by step, partition and number.
    pub parts: Arc<Vec<Arc<Part>>>,
    /// By step of its tier: everything before was dropped.
    pub dropped: BTreeMap<i64, i64>,
}

/// The ledger as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    format: u64,
    pub wal: u64,
    pub names: Names,
    pub next: u64,
    pub parts: Vec<About>,
    pub dropped: BTreeMap<i64, i64>,
}

impl Ledger {
    /// Replaces the one in `dir`; durable when it returns. Blocks.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> std::io::Result<()> {
        let page = Page {
            format: FORMAT,
            wal: self.wal,
            names: self.names,
            next: self.next,
            parts: self.parts.iter().map(|part| part.about).collect(),
            dropped: self.dropped.clone(),
        };
        let text = serde_json::to_string(&page).map_err(std::io::Error::other)?;
        let sealed = format!("{:08x}\n{text}\n", crc32fast::hash(text.as_bytes()));
        disk::replace(disk, &dir.join(NAME), sealed.as_bytes())
    }

    /// Bytes of all parts.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.about.size).sum()
    }

    pub fn add(&mut self, parts: Vec<Arc<Part>>) {
        let mut all = self.parts.to_vec();
        all.extend(parts);
        all.sort_by_key(|part| (part.about.step, part.about.from, part.about.number));
        self.parts = Arc::new(all);
    }

    /// Takes out those that are `gone` and returns them.
    pub fn take(&mut self, gone: impl Fn(&Part) -> bool) -> Vec<Arc<Part>> {
        let (out, kept) = self.parts.iter().cloned().partition(|part| gone(part));
        self.parts = Arc::new(kept);
        out
    }
}

/// Reads the ledger of `dir`; `None` where there is none.
pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Page>, Error> {
    let bytes = match disk.read(&dir.join(NAME)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let damaged = || Error::Damaged("its ledger does not pass its checksum".to_owned());
    let text = String::from_utf8(bytes).map_err(|_| damaged())?;
    let (crc, text) = text.split_once('\n').ok_or_else(damaged)?;
    let text = text.trim_end();
    if crc != format!("{:08x}", crc32fast::hash(text.as_bytes())) {
        return Err(damaged());
    }
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    let format: Format = serde_json::from_str(text).map_err(|_| damaged())?;
    if format.format > FORMAT {
        return Err(Error::Newer(format.format));
    }
    serde_json::from_str(text).map(Some).map_err(|_| damaged())
}

/// Paths of the files in a history's folder.
#[derive(Debug, Clone)]
pub struct Places(pub PathBuf);

impl Places {
    pub fn wal(&self, number: u64) -> PathBuf {
        self.0.join(format!("wal-{number:010}"))
    }

    pub fn part(&self, number: u64) -> PathBuf {
        self.0.join(format!("part-{number:010}"))
    }

    pub fn names(&self, number: u64) -> PathBuf {
        self.0.join(format!("names-{number:010}"))
    }
}

/// What a path in that folder is: kind and number.
pub fn kind(path: &Path) -> Option<(&str, u64)> {
    let (kind, number) = path.file_name()?.to_str()?.split_once('-')?;
    Some((kind, number.parse().ok()?))
}
