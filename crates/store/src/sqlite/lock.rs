//! Two small files beside the database: who has the log open, and what was acknowledged last.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use stead_core::ids::Seq;
use stead_ports::log::Error;
use stead_ports::log::chain::Tip;

/// Held by the process that has the log open; the system lets go of it when the process dies.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

impl LockFile {
    pub fn acquire(path: &Path) -> Result<LockFile, Error> {
        let failed = |e: io::Error| Error::Read(format!("{}: {e}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).ok();
                let who = match text.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(Error::Locked(format!("{who} holds {}", path.display())));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // The number is only for people; on a full disk the lock holds without it.
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).ok();
        Ok(LockFile { _file: file })
    }
}

/// Remembers the last acknowledged record outside the database.
///
/// SQLite drops the damaged end of its write-ahead file without a word, and with it records that were acknowledged.
/// The mark is written after each sync, never synced itself, and therefore never ahead of the log: a log that ends
/// before its mark has lost something.
#[derive(Debug)]
pub struct Mark {
    file: File,
}

impl Mark {
    /// Opens the mark; the space it needs is taken once, so that a full disk does not matter later.
    pub fn open(path: &Path) -> io::Result<Mark> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Ok(Mark { file })
    }

    /// A failure leaves an older mark, which is still true.
    pub fn write(&self, tip: Tip) {
        self.file.write_all_at(&encode(tip), 0).ok();
    }

    /// `None` where there is no mark or it is damaged: it is a witness, not the truth.
    pub fn read(path: &Path) -> Option<Tip> {
        decode(&std::fs::read(path).ok()?)
    }
}

fn encode(tip: Tip) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&tip.seq.0.to_le_bytes());
    bytes[8..12].copy_from_slice(&tip.crc.to_le_bytes());
    let seal = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&seal.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Tip> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let (content, seal) = bytes.split_at(12);
    let sound = crc32fast::hash(content) == u32::from_le_bytes(seal.try_into().ok()?);
    sound.then_some(Tip {
        seq: Seq(u64::from_le_bytes(content[..8].try_into().ok()?)),
        crc: u32::from_le_bytes(content[8..].try_into().ok()?),
    })
}

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Places {
    pub dir: PathBuf,
    pub log: PathBuf,
    pub cache: PathBuf,
    pub lock: PathBuf,
    pub mark: PathBuf,
}

impl Places {
    pub fn under(data: &Path) -> Places {
        let dir = data.join("log");
        Places {
            log: dir.join("log.db"),
            cache: dir.join("cache.db"),
            lock: dir.join("lock"),
            mark: dir.join("acknowledged"),
            dir,
        }
    }

    /// Whether the disk has no block left for us.
    pub fn no_space(&self) -> bool {
        rustix::fs::statvfs(&self.dir).is_ok_and(|stat| stat.f_bavail == 0)
    }

    /// Removes the cache; it is built anew from the log.
    pub fn remove_cache(&self) -> io::Result<()> {
        for end in ["", "-wal", "-shm"] {
            let mut name = self.cache.clone().into_os_string();
            name.push(end);
            match std::fs::remove_file(&name) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_a_damaged_one_is_no_witness() {
        let tip = Tip {
            seq: Seq(12_345),
            crc: 0xDEAD_BEEF,
        };
        let bytes = encode(tip);
        assert_eq!(decode(&bytes), Some(tip));
        for at in 0..bytes.len() {
            let mut flipped = bytes;
            flipped[at] ^= 4;
            assert_eq!(decode(&flipped), None);
        }
        assert_eq!(decode(&bytes[..15]), None);
    }
}
