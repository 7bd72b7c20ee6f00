//! Gives back the code that only the start needed.
//!
//! The kernel maps a program's file in stretches around whatever is called, and leaves them mapped: after its start an
//! agent has ten times as much of the program resident as its daily round uses. Unmapped pages stay in the page cache,
//! so what is needed again comes back without a disk.
//!
//! Nothing that was ever written is touched: only mappings of a file that may be executed and not written.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::mm::{Advice, madvise};
use tokio_util::sync::CancellationToken;

/// The start is over: linked, everything seen once.
const FIRST: Duration = Duration::from_secs(15);
/// What logs, drill-downs and repairs needed goes as well.
const EVERY: Duration = Duration::from_secs(600);

/// Gives back now and then until `stop`. Failing costs memory and nothing else.
pub async fn keep_small(stop: CancellationToken) {
    let mut wait = FIRST;
    while stop
        .run_until_cancelled(tokio::time::sleep(wait))
        .await
        .is_some()
    {
        if let Err(error) = give_back() {
            tracing::debug!(%error, "pages could not be given back");
        }
        wait = EVERY;
    }
}

/// Unmaps the pages of code; returns how many bytes of mappings that was about.
fn give_back() -> io::Result<usize> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut length = 0;
    for (start, end) in code(&maps) {
        let at = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: a private mapping of a file that is not writable holds what the file holds. Its pages are read again
        // from there when they are next needed, so that nobody can tell the difference.
        #[allow(unsafe_code)]
        unsafe {
            madvise(at, end - start, Advice::LinuxDontNeed)?;
        }
        length += end - start;
    }
    Ok(length)
}

/// Start and end of each private, executable, never written mapping of a file.
fn code(maps: &str) -> Vec<(usize, usize)> {
    let one = |line: &str| {
        let mut fields = line.split_whitespace();
        let (range, mode, file) = (fields.next()?, fields.next()?, fields.nth(3)?);
        let (start, end) = range.split_once('-')?;
        let range = (
            usize::from_str_radix(start, 16).ok()?,
            usize::from_str_radix(end, 16).ok()?,
        );
        (mode == "r-xp" && file.starts_with('/') && range.0 < range.1).then_some(range)
    };
    maps.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_given_back() {
        let maps = "\
55d0-55e0 r--p 00000000 fe:00 1   /usr/bin/stead
55e0-55f0 r-xp 00010000 fe:00 1   /usr/bin/stead
55f0-5600 r--p 00020000 fe:00 1   /usr/bin/stead
5600-5610 rw-p 00030000 fe:00 1   /usr/bin/stead
5610-5620 rwxp 00000000 00:00 0
5620-5630 r-xp 00000000 00:00 0   [vdso]
5630-5640 r-xp 00000000 fe:00 2   /usr/bin/old (deleted)
garbage
";
        assert_eq!(code(maps), [(0x55e0, 0x55f0), (0x5630, 0x5640)]);
    }

    #[test]
    fn it_goes_on_with_less_resident() {
        let resident = || -> u64 {
            let status = fs::read_to_string("/proc/self/status").expect("status");
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("RssFile:"))
                .expect("RssFile");
            line.split_whitespace()
                .next()
                .and_then(|kib| kib.parse().ok())
                .expect("a number")
        };
        let before = resident();
        assert!(give_back().expect("maps and madvise") > 0);
        assert!(
            resident() < before,
            "{} KiB of {before} are left",
            resident()
        );
    }
}
