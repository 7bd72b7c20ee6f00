//! A kernel file that is read again and again: opened once, into a buffer that is kept.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Largest content taken in; `/proc/stat` of a machine with a thousand cores has a tenth of it.
const LARGEST: usize = 1024 * 1024;
/// A file that is not there (no pressure information, no permission) is looked for again after so many readings.
const AGAIN: u32 = 60;

#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    missing: u32,
}

impl Source {
    /// `capacity`: what the content usually needs, in bytes.
    pub(super) fn new(path: PathBuf, capacity: usize) -> Source {
        Source {
            path,
            file: None,
            buffer: vec![0; capacity],
            missing: 0,
        }
    }

    /// The content now; `None` where it cannot be read. Costs no allocation once the buffer has grown to its size.
    pub(super) fn read(&mut self) -> Option<&[u8]> {
        if self.missing > 0 {
            self.missing -= 1;
            return None;
        }
        let length = self.fill();
        if length.is_none() {
            self.file = None;
            self.missing = AGAIN - 1;
        }
        length.map(|length| &self.buffer[..length])
    }

    fn fill(&mut self) -> Option<usize> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let file = self.file.as_ref()?;
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                if length >= LARGEST {
                    return Some(length);
                }
                self.buffer.resize((length * 2).clamp(1024, LARGEST), 0);
            }
            match file.read_at(&mut self.buffer[length..], length as u64) {
                Ok(0) => return Some(length),
                Ok(more) => length += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_from_its_start_each_time_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let mut source = Source::new(path.clone(), 2);
        assert_eq!(source.read(), Some(&b"one"[..]));
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert_eq!(source.read().map(<[u8]>::len), Some(5000));
        std::fs::write(&path, "").unwrap();
        assert_eq!(source.read(), Some(&b""[..]));
    }

    #[test]
    fn a_file_that_is_not_there_is_looked_for_again_but_not_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut source = Source::new(path.clone(), 16);
        assert_eq!(source.read(), None);
        std::fs::write(&path, "x").unwrap();
        let found = (1..=AGAIN).find(|_| source.read().is_some());
        assert_eq!(found, Some(AGAIN));
    }
}
