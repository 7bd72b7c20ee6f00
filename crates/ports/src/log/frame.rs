//! How one record is laid out in bytes, and how each is tied to the one before it.
//!
//! A frame is `length u32, prev u32, crc u32, payload`, little-endian. `crc` is the CRC-32 of `prev` and the payload,
//! and `prev` is the `crc` of the frame before: a flipped bit, a missing or a moved record breaks the chain. Every
//! engine stores these frames, so that damage means the same everywhere. Nothing here reads or writes anything.

use stead_core::ids::Seq;
use stead_core::time::Time;

use super::Record;

/// Bytes in front of the payload.
const HEADER: usize = 12;
/// Fixed part of the payload: seq, at, version, severity and the lengths of four texts.
const FIXED: usize = 8 + 8 + 2 + 1 + 4 * 4;
/// `prev` of the very first record.
pub const GENESIS: u32 = 0x57EA_D001;

/// A record, its texts still in the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    pub seq: Seq,
    pub at: Time,
    pub version: u16,
    pub severity: u8,
    pub id: &'a str,
    pub node: &'a str,
    pub subject: &'a str,
    pub kind: &'a str,
    pub body: &'a [u8],
}

impl View<'_> {
    pub fn to_record(&self) -> Record {
        Record {
            seq: self.seq,
            id: self.id.to_owned(),
            at: self.at,
            version: self.version,
            node: self.node.to_owned(),
            subject: self.subject.to_owned(),
            kind: self.kind.to_owned(),
            severity: self.severity,
            body: self.body.to_vec(),
        }
    }
}

impl Record {
    pub fn view(&self) -> View<'_> {
        View {
            seq: self.seq,
            at: self.at,
            version: self.version,
            severity: self.severity,
            id: &self.id,
            node: &self.node,
            subject: &self.subject,
            kind: &self.kind,
            body: &self.body,
        }
    }
}

/// One frame whose checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub prev: u32,
    pub crc: u32,
    pub view: View<'a>,
    /// The whole frame as it is stored.
    pub bytes: &'a [u8],
}

/// Appends the frame of `record` to `out` and returns its checksum, the `prev` of the next one.
///
/// A text longer than `u32::MAX` bytes cannot exist in a record: bodies are bounded far below by whoever makes them.
pub fn encode(prev: u32, record: &Record, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(&record.seq.0.to_le_bytes());
    out.extend_from_slice(&record.at.0.to_le_bytes());
    out.extend_from_slice(&record.version.to_le_bytes());
    out.push(record.severity);
    let texts = [&record.id, &record.node, &record.subject, &record.kind];
    for text in texts {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    }
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&record.body);
    let crc = checksum(prev, &out[start + HEADER..]);
    let length = (out.len() - start - HEADER) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&prev.to_le_bytes());
    out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// How many bytes [`encode`] will add for `record`.
pub fn encoded_len(record: &Record) -> usize {
    HEADER
        + FIXED
        + record.id.len()
        + record.node.len()
        + record.subject.len()
        + record.kind.len()
        + record.body.len()
}

fn checksum(prev: u32, payload: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&prev.to_le_bytes());
    hash.update(payload);
    hash.finalize()
}

/// Walks the frames in `bytes`, verifying each; ends after the first damaged one.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Frames { rest: bytes }
    }
}

impl<'a> Iterator for Frames<'a> {
    /// `Err` says in words what is wrong with the frame.
    type Item = Result<Frame<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = split(self.rest).and_then(|(bytes, rest)| Ok((decode(bytes)?, rest)));
        match parsed {
            Ok((frame, rest)) => {
                self.rest = rest;
                Some(Ok(frame))
            }
            Err(why) => {
                self.rest = &[];
                Some(Err(why))
            }
        }
    }
}

fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let length = word(bytes, 0).ok_or("it ends within a record's header")? as usize;
    bytes
        .split_at_checked(HEADER.saturating_add(length))
        .ok_or("it ends within a record")
}

fn decode(bytes: &[u8]) -> Result<Frame<'_>, &'static str> {
    const SHORT: &str = "a record is shorter than its fields";
    let prev = word(bytes, 4).ok_or(SHORT)?;
    let crc = word(bytes, 8).ok_or(SHORT)?;
    let payload = bytes.get(HEADER..).ok_or(SHORT)?;
    if checksum(prev, payload) != crc {
        return Err("its checksum does not match its bytes");
    }
    let (fixed, mut texts) = payload.split_at_checked(FIXED).ok_or(SHORT)?;
    let mut take = |at: usize| -> Result<&str, &'static str> {
        let length = word(fixed, at).ok_or(SHORT)? as usize;
        let (text, rest) = texts.split_at_checked(length).ok_or(SHORT)?;
        texts = rest;
        std::str::from_utf8(text).map_err(|_| "a text in it is not UTF-8")
    };
    let (id, node, subject, kind) = (take(19)?, take(23)?, take(27)?, take(31)?);
    let view = View {
        seq: Seq(long(fixed, 0).ok_or(SHORT)?),
        at: Time(long(fixed, 8).ok_or(SHORT)? as i64),
        version: u16::from_le_bytes([fixed[16], fixed[17]]),
        severity: fixed[18],
        id,
        node,
        subject,
        kind,
        body: texts,
    };
    Ok(Frame {
        prev,
        crc,
        view,
        bytes,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = Record> {
        (
            any::<u64>(),
            any::<i64>(),
            any::<u16>(),
            any::<u8>(),
            ".{0,20}",
            ".{0,9}",
            ".{0,30}",
            prop::collection::vec(any::<u8>(), 0..80),
        )
            .prop_map(
                |(seq, at, version, severity, id, node, subject, body)| Record {
                    seq: Seq(seq),
                    id,
                    at: Time(at),
                    version,
                    node,
                    subject,
                    kind: "kind".into(),
                    severity,
                    body,
                },
            )
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were_written(records in prop::collection::vec(any_record(), 0..8)) {
            let (mut bytes, mut prev) = (Vec::new(), GENESIS);
            for record in &records {
                let before = bytes.len();
                prev = encode(prev, record, &mut bytes);
                prop_assert_eq!(bytes.len() - before, encoded_len(record));
            }
            let read: Vec<Record> = Frames::new(&bytes).map(|f| f.unwrap().view.to_record()).collect();
            prop_assert_eq!(read, records);
        }

        #[test]
        fn no_flipped_bit_passes(record in any_record(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut bytes = Vec::new();
            encode(GENESIS, &record, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Frames::new(&bytes).any(|f| f.is_err()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Frames::new(&bytes).count() <= bytes.len());
        }
    }
}
