//! One file of the spool. Appended to, read from anywhere, deleted whole; never rewritten.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_ports::disk::{Disk, File, Open};

use super::sync::Kept;
use crate::record::{self, Parsed};

const MAGIC: &[u8; 8] = b"STDSPL01";
/// Magic, spool ID, first cursor, checksum.
pub const HEADER: u64 = 8 + 16 + 8 + 4;

#[derive(Debug)]
pub struct Segment {
    pub path: PathBuf,
    pub file: Arc<dyn File>,
    pub id: [u8; 16],
    /// No record in it is below.
    pub first: u64,
    /// Cursor of the newest record, holes included; `first - 1` while it is empty.
    pub last: u64,
    pub len: u64,
    pub kept: Kept,
}

/// How a file was found.
#[derive(Debug)]
pub enum Found {
    Whole(Segment),
    /// Bytes after the last whole record were dropped.
    Torn(Segment),
    /// Not even its header is whole.
    Nothing,
}

impl Segment {
    pub fn create(disk: &dyn Disk, dir: &Path, id: [u8; 16], first: u64) -> io::Result<Segment> {
        let path = dir.join(format!("{first:020}.spool"));
        let file = disk.open(&path, Open::Empty)?;
        let mut header = Vec::with_capacity(HEADER as usize);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&id);
        header.extend_from_slice(&first.to_le_bytes());
        let sum = crc32fast::hash(&header);
        header.extend_from_slice(&sum.to_le_bytes());
        if let Err(error) = file.write_at(&header, 0) {
            let _ = disk.remove(&path);
            return Err(error);
        }
        Ok(Segment {
            path,
            file,
            id,
            first,
            last: first.saturating_sub(1),
            len: HEADER,
            kept: Kept::Written,
        })
    }

    /// Reads a file that is there, cutting off what is not whole.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Found> {
        let file = disk.open(path, Open::Existing)?;
        let mut header = [0u8; HEADER as usize];
        if file.read_at(&mut header, 0)? < header.len() {
            return Ok(Found::Nothing);
        }
        let (body, sum) = header.split_at(HEADER as usize - 4);
        if &body[..8] != MAGIC || crc32fast::hash(body).to_le_bytes() != sum {
            return Ok(Found::Nothing);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&body[8..24]);
        let mut first = [0; 8];
        first.copy_from_slice(&body[24..32]);
        let first = u64::from_le_bytes(first);
        let on_disk = file.size()?;
        let path = path.to_owned();
        let last = first.saturating_sub(1);
        let mut segment = Segment {
            path,
            file,
            id,
            first,
            last,
            len: HEADER,
            kept: Kept::Unsure,
        };
        segment.scan()?;
        if segment.len == on_disk {
            return Ok(Found::Whole(segment));
        }
        segment.file.set_size(segment.len)?;
        Ok(Found::Torn(segment))
    }

    fn scan(&mut self) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            self.read(self.len, 256 * 1024, &mut buffer)?;
            let mut at = 0;
            let wants = loop {
                match record::parse(&buffer[at..]) {
                    Parsed::Record { cursor, payload } if cursor > self.last => {
                        at += record::HEADER + payload.len();
                        self.last = cursor;
                    }
                    Parsed::More(needs) => break needs,
                    _ => {
                        self.len += at as u64;
                        return Ok(());
                    }
                }
            };
            self.len += at as u64;
            if at == 0 {
                // One record larger than the buffer, or the end.
                self.read(self.len, wants, &mut buffer)?;
                match record::parse(&buffer) {
                    Parsed::Record { cursor, payload } if cursor > self.last => {
                        self.last = cursor;
                        self.len += (record::HEADER + payload.len()) as u64;
                    }
                    _ => return Ok(()),
                }
            }
        }
    }

    /// Appends `bytes`, which end with the record of `cursor`. After an error the file is as it was before; if even that
    /// fails, the segment takes nothing more.
    pub fn append(&mut self, bytes: &[u8], cursor: u64) -> io::Result<()> {
        self.file.write_at(bytes, self.len)?;
        self.len += bytes.len() as u64;
        self.last = cursor;
        if self.kept == Kept::OnDisk {
            self.kept = Kept::Written;
        }
        Ok(())
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// Up to `max` bytes from `at` on into `buffer`.
    pub fn read(&self, at: u64, max: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(max, 0);
        let got = self.file.read_at(buffer, at)?;
        buffer.truncate(got);
        Ok(())
    }

    /// How many frames (holes not counted) lie after `acked`.
    pub fn unacked(&self, acked: u64) -> io::Result<u64> {
        let (mut at, mut count, mut buffer) = (HEADER, 0, Vec::new());
        while at < self.len {
            self.read(at, 64 * 1024, &mut buffer)?;
            if let Parsed::More(needs) = record::parse(&buffer) {
                self.read(at, needs, &mut buffer)?;
            }
            let mut used = 0;
            while let Parsed::Record { cursor, payload } = record::parse(&buffer[used..]) {
                used += record::HEADER + payload.len();
                count += u64::from(cursor > acked && !payload.is_empty());
            }
            if used == 0 {
                break;
            }
            at += used as u64;
        }
        Ok(count)
    }
}
