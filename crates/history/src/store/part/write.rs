//! Writes a part: chunks as they come, then where they are.

use std::io;
use std::sync::Arc;

use stead_ports::disk::File;

use super::{About, ENTRY, Entry, MAGIC, PAGE};
use crate::chunk::varint::{put, put_signed};
use crate::chunk::{self, MOST};
use crate::fold::Row;

/// Bytes that wait before they are written.
const BUFFER: usize = 256 * 1024;

/// A part that is not finished. Whoever drops it removes its file.
#[derive(Debug)]
pub struct Writing {
    file: Arc<dyn File>,
    written: u64,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    rows: u64,
}

impl Writing {
    pub fn new(file: Arc<dyn File>) -> Writing {
        Writing {
            file,
            written: 0,
            buffer: MAGIC.to_vec(),
            entries: Vec::new(),
            rows: 0,
        }
    }

    /// Adds readings of a series, sorted by time. Series come in order.
    pub fn readings(&mut self, series: u32, times: &[i64], values: &[f64]) -> io::Result<()> {
        for (times, values) in times.chunks(MOST).zip(values.chunks(MOST)) {
            let start = self.buffer.len();
            chunk::put_readings(&mut self.buffer, times, values);
            self.enter(
                series,
                times.len(),
                (times[0], times[times.len() - 1]),
                start,
            )?;
        }
        Ok(())
    }

    /// Adds folded rows of a series, sorted by time. Series come in order.
    pub fn folds(&mut self, series: u32, rows: &[Row]) -> io::Result<()> {
        for rows in rows.chunks(MOST) {
            let start = self.buffer.len();
            chunk::put_folds(&mut self.buffer, rows);
            self.enter(
                series,
                rows.len(),
                (rows[0].at, rows[rows.len() - 1].at),
                start,
            )?;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        series: u32,
        rows: usize,
        span: (i64, i64),
        start: usize,
    ) -> io::Result<()> {
        let bytes = &self.buffer[start..];
        self.entries.push(Entry {
            series,
            count: rows as u32,
            first: span.0,
            last: span.1,
            offset: self.written + start as u64,
            length: bytes.len() as u32,
            crc: crc32fast::hash(bytes),
        });
        self.rows += rows as u64;
        self.spill(BUFFER)
    }

    fn spill(&mut self, above: usize) -> io::Result<()> {
        if self.buffer.len() > above {
            self.file.write_at(&self.buffer, self.written)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes pages and footer and makes all of it durable. Blocks. `about` gets its size and the number of its rows.
    pub fn finish(mut self, mut about: About) -> io::Result<(Arc<dyn File>, About)> {
        let pages_at = self.written + self.buffer.len() as u64;
        let entries = std::mem::take(&mut self.entries);
        for page in entries.chunks(PAGE) {
            let start = self.buffer.len();
            for entry in page {
                put_entry(&mut self.buffer, entry);
            }
            let crc = crc32fast::hash(&self.buffer[start..]);
            self.buffer.extend_from_slice(&crc.to_le_bytes());
            self.spill(BUFFER)?;
        }
        let mut footer = Vec::new();
        put_signed(&mut footer, about.step);
        put_signed(&mut footer, about.from);
        put_signed(
            &mut footer,
            entries.iter().map(|e| e.first).min().unwrap_or(0),
        );
        put_signed(
            &mut footer,
            entries.iter().map(|e| e.last).max().unwrap_or(0),
        );
        put(&mut footer, pages_at);
        put(&mut footer, entries.len() as u64);
        for page in entries.chunks(PAGE) {
            footer.extend_from_slice(&page[0].series.to_le_bytes());
        }
        let (length, crc) = (footer.len() as u32, crc32fast::hash(&footer));
        self.buffer.append(&mut footer);
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        self.buffer.extend_from_slice(&MAGIC);
        self.spill(0)?;
        self.file.sync()?;
        about.size = self.written;
        about.rows = self.rows;
        Ok((self.file, about))
    }
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let start = out.len();
    out.extend_from_slice(&entry.series.to_le_bytes());
    out.extend_from_slice(&entry.count.to_le_bytes());
    out.extend_from_slice(&entry.first.to_le_bytes());
    out.extend_from_slice(&entry.last.to_le_bytes());
    out.extend_from_slice(&entry.offset.to_le_bytes());
    out.extend_from_slice(&entry.length.to_le_bytes());
    out.extend_from_slice(&entry.crc.to_le_bytes());
    debug_assert_eq!(out.len() - start, ENTRY);
}
