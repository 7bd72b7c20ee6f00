//! A part: one file of chunks of one tier within one of its partitions, sorted by series, never changed.
//!
//! ```text
//! magic │ chunk … │ page … │ footer │ length u32, crc u32, magic
//! page:   up to 128 entries of 40 bytes, crc u32
//! footer: first series of every page, and what the file is
//! ```
//!
//! Only the footer is held in memory. A page and every chunk have their checksum; what does not pass is passed over and
//! counted by whoever reads.

mod write;

use std::io;
use std::sync::Arc;

use stead_ports::disk::File;

use crate::chunk::varint::Cursor;
use crate::chunk::{self, Chunk};

pub use write::Writing;

pub const MAGIC: [u8; 8] = *b"STEADHP1";
/// Length, checksum and magic behind the footer.
const TAIL: usize = 16;
/// Entries of one page.
const PAGE: usize = 128;
const ENTRY: usize = 40;
/// A footer of a hundred million chunks.
const FOOTER: usize = 8 * 1024 * 1024;
/// Bytes of one chunk at most: more than its rows can take.
const CHUNK: usize = chunk::MOST * 64;

/// Where a chunk is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub series: u32,
    pub count: u32,
    /// Of its first and last row.
    pub first: i64,
    pub last: i64,
    offset: u64,
    length: u32,
    crc: u32,
}

/// What a part is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct About {
    pub number: u64,
    /// Of its tier, in milliseconds.
    pub step: i64,
    /// Start of its partition.
    pub from: i64,
    /// How often its rows were merged.
    pub level: u8,
    pub size: u64,
    pub rows: u64,
}

/// An open part.
#[derive(Debug)]
pub struct Part {
    pub about: About,
    /// When it was opened or written, by the clock that timers count by.
    pub born: u64,
    /// Of all its rows.
    pub first: i64,
    pub last: i64,
    file: Arc<dyn File>,
    pages_at: u64,
    entries: u64,
    /// First series of every page.
    firsts: Vec<u32>,
}

/// What is in the way of reading one.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("its bytes changed, or some are missing")]
    Damaged,
}

impl From<chunk::Broken> for Fault {
    fn from(_: chunk::Broken) -> Fault {
        Fault::Damaged
    }
}

fn exactly(file: &dyn File, length: usize, at: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; length];
    if file.read_at(&mut bytes, at)? != length {
        return Err(Fault::Damaged);
    }
    Ok(bytes)
}

impl Part {
    /// Reads and checks the footer.
    pub fn open(file: Arc<dyn File>, about: About, born: u64) -> Result<Part, Fault> {
        let size = file.size()?;
        let tail_at = size.checked_sub(TAIL as u64).ok_or(Fault::Damaged)?;
        let tail = exactly(&*file, TAIL, tail_at)?;
        let mut cursor = Cursor(&tail);
        let length = u32::from_le_bytes(cursor.array()?) as usize;
        let crc = u32::from_le_bytes(cursor.array()?);
        let magic: [u8; 8] = cursor.array()?;
        if size != about.size || magic != MAGIC || length > FOOTER {
            return Err(Fault::Damaged);
        }
        let at = tail_at.checked_sub(length as u64).ok_or(Fault::Damaged)?;
        let footer = exactly(&*file, length, at)?;
        if crc32fast::hash(&footer) != crc {
            return Err(Fault::Damaged);
        }
        let mut cursor = Cursor(&footer);
        let (step, from) = (cursor.signed()?, cursor.signed()?);
        if (step, from) != (about.step, about.from) {
            return Err(Fault::Damaged);
        }
        let (first, last) = (cursor.signed()?, cursor.signed()?);
        let (pages_at, entries) = (cursor.number()?, cursor.number()?);
        let pages = cursor.0.len() / 4;
        if entries.div_ceil(PAGE as u64) != pages as u64 {
            return Err(Fault::Damaged);
        }
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
        Ok(Part {
            about,
            born,
            first,
            last,
            file,
            pages_at,
            entries,
            firsts: cursor.0.chunks_exact(4).map(word).collect(),
        })
    }

    pub fn pages(&self) -> usize {
        self.firsts.len()
    }

    /// Entries of one page, by series and time.
    pub fn page(&self, page: usize) -> Result<Vec<Entry>, Fault> {
        let full = PAGE * ENTRY + 4;
        let left = self.entries as usize - page * PAGE;
        let count = left.min(PAGE);
        let at = self.pages_at + (page * full) as u64;
        let bytes = exactly(&*self.file, count * ENTRY + 4, at)?;
        let (entries, crc) = bytes.split_at(count * ENTRY);
        if crc32fast::hash(entries).to_le_bytes() != crc {
            return Err(Fault::Damaged);
        }
        entries.chunks_exact(ENTRY).map(entry).collect()
    }

    /// Chunks of one series, in the order they were written.
    pub fn of(&self, series: u32) -> Result<Vec<Entry>, Fault> {
        let mut found = Vec::new();
        let after = self.firsts.partition_point(|first| *first < series);
        for page in after.saturating_sub(1)..self.firsts.len() {
            if self.firsts[page] > series {
                break;
            }
            let entries = self.page(page)?;
            found.extend(entries.iter().filter(|entry| entry.series == series));
        }
        Ok(found)
    }

    /// The rows of a chunk.
    pub fn chunk(&self, entry: &Entry) -> Result<Chunk, Fault> {
        if entry.length as usize > CHUNK {
            return Err(Fault::Damaged);
        }
        let bytes = exactly(&*self.file, entry.length as usize, entry.offset)?;
        if crc32fast::hash(&bytes) != entry.crc {
            return Err(Fault::Damaged);
        }
        Ok(chunk::read(&bytes)?)
    }
}

fn entry(bytes: &[u8]) -> Result<Entry, Fault> {
    let mut cursor = Cursor(bytes);
    Ok(Entry {
        series: u32::from_le_bytes(cursor.array()?),
        count: u32::from_le_bytes(cursor.array()?),
        first: i64::from_le_bytes(cursor.array()?),
        last: i64::from_le_bytes(cursor.array()?),
        offset: u64::from_le_bytes(cursor.array()?),
        length: u32::from_le_bytes(cursor.array()?),
        crc: u32::from_le_bytes(cursor.array()?),
    })
}

#[cfg(test)]
mod tests;
