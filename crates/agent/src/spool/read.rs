//! Reading on where one left off, over files that come and go. Every reader holds its own place; none holds up another.

use std::io;

use super::segment::{self, Segment};
use super::{Error, Gap, Spool, wrap};
use crate::record::{self, Parsed};

/// Where a reader stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    pub after: u64,
    segment: u64,
    offset: u64,
}

impl Position {
    pub fn after(cursor: u64) -> Position {
        Position {
            after: cursor,
            segment: 0,
            offset: 0,
        }
    }
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Whole payloads, one behind the other.
    Frames(Vec<u8>),
    /// The reader has missed frames; it stands behind them now.
    Gap(Gap),
    End,
}

impl Spool {
    /// The next frames after `position`, about `max` bytes of them, at least one. `gaps`: whether one may be told; else
    /// the stream ends before it for now.
    pub fn read(&self, position: &mut Position, max: usize, gaps: bool) -> Result<Read, Error> {
        let stop = self.gap.filter(|gap| position.after < gap.to);
        let mut out = Vec::new();
        while out.is_empty() {
            let Some(segment) = self.locate(position) else {
                break;
            };
            let more = read_some(segment, position, max, stop.map(|gap| gap.from), &mut out);
            if !more.map_err(wrap("read", &segment.path))? {
                break;
            }
        }
        if !out.is_empty() {
            return Ok(Read::Frames(out));
        }
        Ok(match stop {
            Some(_) if !gaps => Read::End,
            Some(gap) => {
                position.after = gap.to;
                Read::Gap(gap)
            }
            None => Read::End,
        })
    }

    /// The file that holds the frame behind `position`, which is moved to its beginning if it is another one.
    fn locate(&self, position: &mut Position) -> Option<&Segment> {
        let found = self.segments.iter().find(|s| s.last > position.after)?;
        if found.first != position.segment {
            position.segment = found.first;
            position.offset = segment::HEADER;
        }
        Some(found)
    }
}

/// Reads on in one file. Whether to look for more: `false` at the gap `stop`, or at bytes that are no record.
fn read_some(
    segment: &Segment,
    position: &mut Position,
    max: usize,
    stop: Option<u64>,
    out: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut raw = Vec::new();
    segment.read(position.offset, max.max(record::HEADER), &mut raw)?;
    if let Parsed::More(needs) = record::parse(&raw) {
        segment.read(position.offset, needs, &mut raw)?;
    }
    let mut at = 0;
    while let Parsed::Record { cursor, payload } = record::parse(&raw[at..]) {
        if cursor > position.after {
            if stop.is_some_and(|from| cursor >= from) {
                return Ok(false);
            }
            out.extend_from_slice(payload);
            position.after = cursor;
        }
        let size = record::HEADER + payload.len();
        at += size;
        position.offset += size as u64;
    }
    Ok(at > 0)
}
