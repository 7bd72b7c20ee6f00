//! Gives back the parts of the program that only the start needed.
//!
//! The kernel maps a program's file in stretches around whatever is called or read, and leaves them mapped: after its
//! start an agent has several times as much of the program resident as its daily round uses. Unmapped pages stay in the
//! page cache, so what is needed again comes back without a disk.
//!
//! Nothing that was ever written is touched: only mappings of a file that may not be written and have no page of their
//! own.

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

/// Unmaps what is only a view of a file; returns how many bytes of mappings that was about.
fn give_back() -> io::Result<usize> {
    let mappings = fs::read_to_string("/proc/self/smaps")?;
    let mut length = 0;
    for (start, end) in views(&mappings) {
        let at = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: a mapping of a file that cannot be written and has no page of its own holds what the file holds. Its
        // pages are read again from there when they are next needed, so that nobody can tell the difference.
        #[allow(unsafe_code)]
        unsafe {
            madvise(at, end - start, Advice::LinuxDontNeed)?;
        }
        length += end - start;
    }
    Ok(length)
}

/// Start and end of each mapping of a file that cannot be written and of which no page was: code and constants, but not
/// what the loader has filled in.
fn views(smaps: &str) -> Vec<(usize, usize)> {
    let mut views = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        if let Some(found) = mapping(line) {
            current = found;
        } else if let Some(own) = line.strip_prefix("Anonymous:")
            && let Some(view) = current.take()
            && own.trim() == "0 kB"
        {
            views.push(view);
        }
    }
    views
}

/// `Some` where a line begins a mapping; in it the range, where that is a file's and read-only.
fn mapping(line: &str) -> Option<Option<(usize, usize)>> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let mode = fields.next()?;
    let of_file = fields.nth(3).is_some_and(|file| file.starts_with('/'));
    let fixed = matches!(mode, "r-xp" | "r--p");
    Some((of_file && fixed && start < end).then_some((start, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_holds_as_well_is_given_back() {
        let smaps = "\
55d0-55e0 r--p 00000000 fe:00 1   /usr/bin/stead
Rss:                  4 kB
Anonymous:            0 kB
55e0-55f0 r-xp 00010000 fe:00 1   /usr/bin/stead
Anonymous:            0 kB
55f0-5600 r--p 00020000 fe:00 1   /usr/bin/stead
Anonymous:           16 kB
5600-5610 rw-p 00030000 fe:00 1   /usr/bin/stead
Anonymous:            0 kB
5610-5620 r-xp 00000000 00:00 0
Anonymous:            0 kB
5620-5630 r-xp 00000000 00:00 0   [vdso]
Anonymous:            0 kB
5630-5640 r-xs 00000000 fe:00 2   /dev/something
Anonymous:            0 kB
5640-5650 r-xp 00000000 fe:00 2   /usr/bin/old (deleted)
Anonymous:            0 kB
";
        assert_eq!(
            views(smaps),
            [(0x55d0, 0x55e0), (0x55e0, 0x55f0), (0x5640, 0x5650)]
        );
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
