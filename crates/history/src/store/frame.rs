//! Checked pieces of an append-only file: `length u32, crc u32, payload`, little-endian. A torn or damaged end is where
//! reading stops.

/// Bytes in front of the payload.
pub const HEADER: usize = 8;
/// No frame is larger; a length beyond is damage.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// Makes room for the header of a frame that is being built.
pub fn begin(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; HEADER]);
    out.len()
}

/// Writes the header of the frame whose payload began at `start`.
pub fn end(out: &mut [u8], start: usize) {
    let payload = &out[start..];
    let (length, crc) = (payload.len() as u32, crc32fast::hash(payload));
    out[start - HEADER..start - 4].copy_from_slice(&length.to_le_bytes());
    out[start - 4..start].copy_from_slice(&crc.to_le_bytes());
}

/// Payloads from the front, as far as they are sound.
#[derive(Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    /// Where the next one begins: after the last sound one.
    pub at: usize,
}

impl<'a> Frames<'a> {
    pub fn of(bytes: &'a [u8]) -> Frames<'a> {
        Frames { bytes, at: 0 }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (header, rest) = self.bytes[self.at..].split_at_checked(HEADER)?;
        let word = |at: usize| header[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        let (length, crc) = (word(0)? as usize, word(4)?);
        let payload = rest.get(..length).filter(|_| length <= LARGEST)?;
        if length == 0 || crc32fast::hash(payload) != crc {
            return None;
        }
        self.at += HEADER + length;
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_where_it_is_torn_or_damaged() {
        let mut bytes = Vec::new();
        for payload in [&b"one"[..], b"two", b"three"] {
            let start = begin(&mut bytes);
            bytes.extend_from_slice(payload);
            end(&mut bytes, start);
        }
        let count = |bytes: &[u8]| Frames::of(bytes).count();
        assert_eq!(count(&bytes), 3);
        for cut in 0..bytes.len() {
            assert_eq!(
                count(&bytes[..cut]),
                usize::from(cut >= 11) + usize::from(cut >= 22)
            );
        }
        bytes[12] ^= 1;
        let mut frames = Frames::of(&bytes);
        assert_eq!(frames.by_ref().count(), 1);
        assert_eq!(frames.at, 11);
        assert_eq!(count(&[0; 64]), 0, "space that was never written to");
    }
}
