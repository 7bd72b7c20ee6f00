//! The directory of the mirror: where things are, and the only ways its files are read and written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use stead_core::action;

use super::Error;

/// Largest file that is read as a whole.
pub const READ_MAX: u64 = 1 << 20;

/// Where the mirror is.
#[derive(Debug, Clone)]
pub struct Tree(Arc<PathBuf>);

/// What kept a file from being read.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not there (any more).
    Gone,
    /// A link, a pipe, a device, a directory.
    NotRegular(&'static str),
    TooLarge(u64),
    Io(io::Error),
}

impl Tree {
    pub fn new(root: PathBuf) -> Tree {
        Tree(Arc::new(root))
    }
    pub fn root(&self) -> &Path {
        &self.0
    }
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.join(relative)
    }

    /// Makes every directory that people look for, so that they are there to be looked into.
    pub fn make(&self) -> Result<(), Error> {
        let mut wanted: Vec<PathBuf> = ["events", "world", "state", "inbox/done", "inbox/refused"]
            .iter()
            .map(|d| self.path(d))
            .collect();
        wanted.extend(
            action::State::ALL
                .iter()
                .map(|s| self.path("actions").join(s.word())),
        );
        for dir in wanted {
            make_dir(&dir)?;
        }
        Ok(())
    }

    /// Puts a file in place, whole or not at all.
    pub fn write(&self, relative: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(relative);
        let parent = path.parent().unwrap_or(self.root());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = parent.join(format!(".{}.part", short(&name)));
        let put = || -> io::Result<()> {
            // What is left of an interrupted write, or a link somebody put there, is not written through.
            let _ = fs::remove_file(&part);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&part)?;
            file.write_all(bytes)?;
            drop(file);
            fs::rename(&part, &path)
        };
        let done = match put() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                make_dir(parent)?;
                put()
            }
            done => done,
        };
        done.map_err(|source| {
            let _ = fs::remove_file(&part);
            Error::Io { path, source }
        })
    }

    /// Removes a file; one that is not there is removed already.
    pub fn remove(&self, relative: impl AsRef<Path>) -> Result<(), Error> {
        let path = self.path(relative);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, source: e }),
            _ => Ok(()),
        }
    }

    /// Moves `from` into the directory `to`, under another name where its own is taken. Returns the name it got.
    pub fn move_into(&self, from: &Path, to: &str, name: &str) -> Result<String, Error> {
        let dir = self.path(to);
        make_dir(&dir)?;
        let name = free_name(&dir, name);
        let path = dir.join(&name);
        fs::rename(from, &path).map_err(|source| Error::Io {
            path: from.to_path_buf(),
            source,
        })?;
        Ok(name)
    }

    /// Names in a directory that are no hidden ones; none where there is no directory.
    pub fn names(&self, relative: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        let path = self.path(relative);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(source) => return Err(Error::Io { path, source }),
        };
        // Names that are no text are nobody's that Stead could talk to.
        let mut names: Vec<String> = entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter(|n| !n.starts_with('.'))
            .collect();
        names.sort();
        Ok(names)
    }
}

fn make_dir(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path);
    made.map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// `name`, or `name` with a number before its ending where it is taken. After 1000 of them the last is replaced.
fn free_name(dir: &Path, name: &str) -> String {
    let taken = |n: &str| dir.join(n).symlink_metadata().is_ok();
    if !taken(name) {
        return name.to_string();
    }
    let (stem, ending) = name
        .rsplit_once('.')
        .map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
    let numbered = (1..1000).map(|i| format!("{stem}.{i}{ending}"));
    numbered
        .into_iter()
        .find(|n| !taken(n))
        .unwrap_or_else(|| format!("{stem}.1000{ending}"))
}

/// A name that fits beside its prefix and ending.
fn short(name: &str) -> String {
    name.chars().take(120).collect()
}

/// Opens a regular file for reading. Never follows a link, never waits for the other end of a pipe.
pub fn open(path: &Path) -> Result<(File, fs::Metadata), Unreadable> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let seen = fs::symlink_metadata(path).map_err(unreadable)?;
    if let Some(what) = irregular(&seen) {
        return Err(Unreadable::NotRegular(what));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags as i32)
        .open(path)
        .map_err(unreadable)?;
    // What was opened may be another thing than what was seen.
    let seen = file.metadata().map_err(unreadable)?;
    match irregular(&seen) {
        Some(what) => Err(Unreadable::NotRegular(what)),
        None => Ok((file, seen)),
    }
}

/// Reads a whole regular file of at most `READ_MAX` bytes; a larger one is not read at all.
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let (file, seen) = open(path)?;
    if seen.len() > READ_MAX {
        return Err(Unreadable::TooLarge(seen.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(seen.len()).unwrap_or(0));
    let read = file
        .take(READ_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if read as u64 > READ_MAX {
        return Err(Unreadable::TooLarge(read as u64));
    }
    Ok(bytes)
}

fn irregular(seen: &fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = seen.file_type();
    Some(match () {
        () if kind.is_file() => return None,
        () if kind.is_symlink() => "a link",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    })
}

fn unreadable(error: io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Gone,
        // ELOOP: it became a link between the look and the opening.
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Unreadable::NotRegular("a link")
        }
        _ => Unreadable::Io(error),
    }
}
