//! Whether the boot before this one ended in order.
//!
//! The machine's own record of logins says it where there is one. Where not, a marker does that the agent keeps: set
//! while it runs, cleared when it is stopped in order, which a machine that shuts down does to its services.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of the login record looked at: a thousand entries or so.
const TAIL: u64 = 384 * 1024;
/// The record may note a boot this much later than the kernel counts it, in seconds.
const NEAR: u64 = 900;

/// What `/var/log/wtmp` says about the boot before the one at `booted` (seconds since 1970).
pub(super) fn recorded(root: &Path, booted: u64) -> Option<bool> {
    let size = if cfg!(any(
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64"
    )) {
        Layout {
            entry: 400,
            time: 344,
        }
    } else {
        Layout {
            entry: 384,
            time: 340,
        }
    };
    let mut file = File::open(root.join("var/log/wtmp")).ok()?;
    let length = file.metadata().ok()?.len();
    let entry = size.entry as u64;
    // Entries have one size, so the end is cut at one of them.
    let start = length.saturating_sub(TAIL).div_ceil(entry) * entry;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    judge(&bytes, &size, booted)
}

/// Where an entry keeps what is looked at; the C library's, which differs between processors.
struct Layout {
    entry: usize,
    time: usize,
}

const RUN_LEVEL: u16 = 1;
const BOOT: u16 = 2;
const USER: std::ops::Range<usize> = 44..76;

fn judge(bytes: &[u8], layout: &Layout, booted: u64) -> Option<bool> {
    let mut this_boot = false;
    for entry in bytes.chunks_exact(layout.entry).rev() {
        let kind = u16::from_ne_bytes([entry[0], entry[1]]);
        let user = entry[USER].split(|byte| *byte == 0).next().unwrap_or(&[]);
        match kind {
            BOOT if !this_boot => {
                let time = &entry[layout.time..layout.time + 4];
                let at = u64::from(u32::from_ne_bytes(time.try_into().ok()?));
                // A record that does not know this boot is kept by nobody any more.
                if at.abs_diff(booted) > NEAR {
                    return None;
                }
                this_boot = true;
            }
            BOOT => return Some(false),
            RUN_LEVEL if this_boot && user == b"shutdown" => return Some(true),
            _ => {}
        }
    }
    None
}

/// The agent's own marker.
#[derive(Debug)]
pub struct Marker {
    path: PathBuf,
    boot_id: String,
    clean: Option<bool>,
}

impl Marker {
    /// Reads what the agent before left in `folder`, and marks this one as running.
    pub fn enter(folder: &Path, boot_id: &str) -> std::io::Result<Marker> {
        let path = folder.join("boot");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let mut words = before.split_whitespace();
        let clean = match (words.next(), words.next(), words.next()) {
            // The same boot: the agent was restarted, and what it found out still holds.
            (Some(boot), _, Some(clean)) if boot == boot_id => match clean {
                "clean" => Some(true),
                "unclean" => Some(false),
                _ => None,
            },
            (Some(boot), Some(state), _) if boot != boot_id => Some(state == "stopped"),
            _ => None,
        };
        let marker = Marker {
            path,
            boot_id: boot_id.to_owned(),
            clean,
        };
        marker.write("running")?;
        Ok(marker)
    }

    /// Whether the boot before this one ended in order, as far as the agent can tell.
    pub fn clean(&self) -> Option<bool> {
        self.clean
    }

    /// Marks the agent as stopped in order. Not called when it crashes: that is the point.
    pub fn leave(self) -> std::io::Result<()> {
        self.write("stopped")
    }

    fn write(&self, state: &str) -> std::io::Result<()> {
        let clean = match self.clean {
            Some(true) => "clean",
            Some(false) => "unclean",
            None => "unknown",
        };
        // Renamed into place and synced, as the power may fail at any moment.
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        writeln!(file, "{} {state} {clean}", self.boot_id)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        entry: 384,
        time: 340,
    };

    fn entry(kind: u16, user: &str, time: u32) -> Vec<u8> {
        let mut bytes = vec![0u8; LAYOUT.entry];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes[340..344].copy_from_slice(&time.to_ne_bytes());
        bytes
    }

    #[test]
    fn the_record_tells_a_shutdown_from_a_crash() {
        let boot = |time| entry(BOOT, "reboot", time);
        let login = entry(7, "root", 150);
        let shutdown = entry(RUN_LEVEL, "shutdown", 190);
        let read = |entries: &[&[u8]], booted| judge(&entries.concat(), &LAYOUT, booted);
        assert_eq!(
            read(&[&boot(100), &login, &shutdown, &boot(5000), &login], 5000),
            Some(true)
        );
        assert_eq!(read(&[&boot(100), &login, &boot(5000)], 5000), Some(false));
        assert_eq!(
            read(&[&boot(5000)], 5000),
            None,
            "the first boot has none before it"
        );
        assert_eq!(
            read(&[&boot(100), &shutdown], 5000),
            None,
            "a record that does not know this boot"
        );
        assert_eq!(read(&[], 5000), None);
    }

    #[test]
    fn the_marker_knows_a_crash_and_survives_restarts_of_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let enter = |boot| Marker::enter(folder.path(), boot).unwrap();
        let first = enter("a");
        assert_eq!(first.clean(), None, "nothing is known at the first start");
        first.leave().unwrap();
        let second = enter("b");
        assert_eq!(second.clean(), Some(true));
        drop(second);
        assert_eq!(
            enter("b").clean(),
            Some(true),
            "the agent crashed, the machine did not"
        );
        assert_eq!(
            enter("c").clean(),
            Some(false),
            "the machine went while the agent ran"
        );
        assert_eq!(enter("c").clean(), Some(false));
        std::fs::write(folder.path().join("boot"), "\0garbage").unwrap();
        enter("d");
    }
}
