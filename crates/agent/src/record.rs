//! How one thing lies in an append-only file (spool, journal): length, checksum, number, payload. Pure; a record is whole
//! or it is not there.

/// Length and checksum (4 bytes each), cursor (8).
pub const HEADER: usize = 16;
/// Larger payloads are refused when written; a length beyond it read back is damage.
pub const MOST: usize = 8 * 1024 * 1024;

/// What the bytes at some place are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    Record {
        cursor: u64,
        payload: &'a [u8],
    },
    /// A record of this whole length begins here and more bytes are needed.
    More(usize),
    Damaged,
}

/// Appends the record to `out`. An empty payload is a hole: a cursor that was given away without keeping its frame.
pub fn encode(cursor: u64, payload: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&checksum(cursor, payload).to_le_bytes());
    out.extend_from_slice(&cursor.to_le_bytes());
    out.extend_from_slice(payload);
}

pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Parsed::More(HEADER);
    };
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let len = word(0) as usize;
    let cursor = u64::from(word(8)) | (u64::from(word(12)) << 32);
    if len > MOST || cursor == 0 {
        return Parsed::Damaged;
    }
    let Some(payload) = rest.get(..len) else {
        return Parsed::More(HEADER + len);
    };
    if checksum(cursor, payload) == word(4) {
        Parsed::Record { cursor, payload }
    } else {
        Parsed::Damaged
    }
}

fn checksum(cursor: u64, payload: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&cursor.to_le_bytes());
    hash.update(payload);
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_is_read_back_whole_or_not_at_all(
            cursor in 1u64.., payload in prop::collection::vec(any::<u8>(), 0..200), cut: usize, flip: usize,
        ) {
            let mut bytes = Vec::new();
            encode(cursor, &payload, &mut bytes);
            prop_assert_eq!(parse(&bytes), Parsed::Record { cursor, payload: &payload });
            let cut = cut % bytes.len();
            prop_assert!(matches!(parse(&bytes[..cut]), Parsed::More(_)));
            let flip = flip % (bytes.len() * 8);
            bytes[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!matches!(parse(&bytes), Parsed::Record { .. }), "a flipped bit went unnoticed");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(parse(&[0; 64]), Parsed::Damaged);
    }
}
