//! Whole numbers in as few bytes as they need, and a cursor that never reads beyond its end.

/// Bytes that ended too early or cannot be what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no chunk")]
pub struct Broken;

pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign stay small.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads from the front of some bytes.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.take(1)?[0])
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Broken)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn number(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    pub fn signed(&mut self) -> Result<i64, Broken> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number that says how many of something follow.
    pub fn count(&mut self, most: usize) -> Result<usize, Broken> {
        usize::try_from(self.number()?)
            .ok()
            .filter(|count| *count <= most)
            .ok_or(Broken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken)
    }

    pub fn text(&mut self, most: usize) -> Result<&'a str, Broken> {
        let length = self.count(most)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Broken)
    }
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_every_range_come_back() {
        let mut bytes = Vec::new();
        let signed = [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN];
        let plain = [0, 127, 128, u64::MAX];
        for value in signed {
            put_signed(&mut bytes, value);
        }
        for value in plain {
            put(&mut bytes, value);
        }
        let mut cursor = Cursor(&bytes);
        assert!(signed.iter().all(|v| cursor.signed() == Ok(*v)));
        assert!(plain.iter().all(|v| cursor.number() == Ok(*v)));
        assert_eq!(cursor.byte(), Err(Broken));
        assert_eq!(Cursor(&[0xFF; 11]).number(), Err(Broken));
    }
}
