//! A small regular file of text, or the reason why it is not read. No link is followed and no pipe waited for.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is a symbolic link, and links are not followed")]
    Link,
    #[error("it is no regular file")]
    Irregular,
    #[error("it has {size} bytes, more than the {most} that are read")]
    TooLarge { size: u64, most: u64 },
    #[error("it is no text")]
    Binary,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// The text at `path`, at most `most` bytes of it; `None` where there is nothing.
pub fn read(path: &Path, most: u64) -> Result<Option<String>, Refused> {
    let too_large = |size: u64| Refused::TooLarge { size, most };
    let unreadable = |e: std::io::Error| Refused::Unreadable(e.kind().to_string());
    let seen = match std::fs::symlink_metadata(path) {
        Ok(seen) => seen,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
    };
    if seen.is_symlink() {
        return Err(Refused::Link);
    }
    if !seen.is_file() {
        return Err(Refused::Irregular);
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags as i32)
        .open(path)
        .map_err(unreadable)?;
    // What was opened may be another thing than what was seen.
    let opened = file.metadata().map_err(unreadable)?;
    if !opened.is_file() {
        return Err(Refused::Irregular);
    }
    if opened.len() > most {
        return Err(too_large(opened.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(opened.len()).unwrap_or(0));
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(too_large(bytes.len() as u64));
    }
    if bytes.contains(&0) {
        return Err(Refused::Binary);
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Refused::Binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Result<Option<String>, Refused> {
        super::read(path, 8 << 20)
    }

    #[test]
    fn what_is_no_small_regular_text_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("good"), "hello\n").expect("written");
        std::fs::write(at("binary"), b"he\0llo").expect("written");
        std::fs::write(at("latin"), [0xe9, b'\n']).expect("written");
        let large = std::fs::File::create(at("large")).expect("made");
        // A gigabyte that takes no room.
        large.set_len(1 << 30).expect("grown");
        std::os::unix::fs::symlink(at("good"), at("link")).expect("linked");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .expect("made");
        assert_eq!(read(&at("good")), Ok(Some("hello\n".into())));
        assert_eq!(read(&at("absent")), Ok(None));
        assert_eq!(read(&at("binary")), Err(Refused::Binary));
        assert_eq!(read(&at("latin")), Err(Refused::Binary));
        assert_eq!(
            read(&at("large")),
            Err(Refused::TooLarge {
                size: 1 << 30,
                most: 8 << 20
            })
        );
        assert_eq!(read(&at("link")), Err(Refused::Link));
        assert_eq!(read(&at("pipe")), Err(Refused::Irregular));
        assert_eq!(read(dir.path()), Err(Refused::Irregular));
    }
}
