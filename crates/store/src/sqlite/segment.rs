//! A segment: a run of frames that is stored as one row.
//!
//! One row per group commit instead of one per record is what makes appending as fast as the disk: one statement, no
//! index to keep, pages written in order. Its key is the number of its first record and stays when compaction thins it.

use stead_core::ids::Seq;
use stead_ports::log::chain::Tip;
use stead_ports::log::frame::{Frame, Frames, encode, encoded_len};
use stead_ports::log::{Error, Record};

/// Bounds what a query must read to get at one record.
pub const MAX_RECORDS: usize = 256;
/// The same in bytes; a single larger record is a segment of its own.
pub const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub first: Seq,
    pub frames: Vec<u8>,
}

/// Packs `records`, which must follow `tip`, and returns where the log ends with them.
pub fn pack(mut tip: Tip, records: &[Record]) -> Result<(Vec<Segment>, Tip), Error> {
    let mut segments: Vec<Segment> = Vec::with_capacity(records.len() / MAX_RECORDS + 1);
    let mut room = 0;
    for record in records {
        let expected = tip.seq.next();
        if record.seq != expected {
            return Err(Error::Gap {
                expected,
                got: record.seq,
            });
        }
        let full = match segments.last() {
            Some(segment) => room == 0 || segment.frames.len() + encoded_len(record) > MAX_BYTES,
            None => true,
        };
        if full {
            segments.push(Segment {
                first: record.seq,
                frames: Vec::new(),
            });
            room = MAX_RECORDS;
        }
        room -= 1;
        if let Some(segment) = segments.last_mut() {
            tip = Tip {
                seq: record.seq,
                crc: encode(tip.crc, record, &mut segment.frames),
            };
        }
    }
    Ok((segments, tip))
}

/// The frames of the segment stored under `first`, oldest first, each verified.
pub fn unpack(first: Seq, frames: &[u8]) -> impl Iterator<Item = Result<Frame<'_>, Error>> {
    let mut expected = first;
    Frames::new(frames).map(move |frame| match frame {
        Ok(frame) if frame.view.seq >= expected => {
            expected = frame.view.seq.next();
            Ok(frame)
        }
        Ok(frame) => Err(Error::Corrupt {
            seq: expected,
            why: format!("record {} stands in its place", frame.view.seq),
        }),
        Err(why) => Err(Error::Corrupt {
            seq: expected,
            why: why.to_owned(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_ports::log::conformance::{sample, samples};

    #[test]
    fn packing_splits_by_count_and_size_and_loses_nothing() {
        let mut records = samples(1, 700);
        records[300].body = vec![b'x'; MAX_BYTES * 2];
        let (segments, tip) = pack(Tip::EMPTY, &records).unwrap();
        assert_eq!(tip.seq, Seq(700));
        let mut back = Vec::new();
        for segment in &segments {
            let frames: Vec<_> = unpack(segment.first, &segment.frames)
                .map(|f| f.unwrap().view.to_record())
                .collect();
            assert!(frames.len() <= MAX_RECORDS);
            assert!(frames.len() == 1 || segment.frames.len() <= MAX_BYTES);
            assert_eq!(frames[0].seq, segment.first);
            back.extend(frames);
        }
        assert!(back == records);
        assert_eq!(pack(tip, &[]).unwrap(), (Vec::new(), tip));
        assert!(matches!(
            pack(tip, &[sample(702)]),
            Err(Error::Gap {
                expected: Seq(701),
                got: Seq(702)
            })
        ));
    }
}
