//! What a machine is, as [`HostFacts`]; and whether it waits for a reboot.

use std::path::Path;

use stead_core::facts::HostFacts;
use stead_core::time::Time;

use super::parse::{self, Stat, number, words};
use super::{gpu, shutdown, virtualization};

/// The kernel's clock ticks a second in `/proc/*/stat`; fixed in its interface to programs.
const TICKS: u64 = 100;

/// The facts of the machine at `root`; what only the agent knows of itself (its version, `--read-only`) is left empty.
/// A boot ID that cannot be read is empty and must not be taken for another boot.
pub(super) fn read(root: &Path) -> HostFacts {
    let line = |file: &str| {
        std::fs::read_to_string(root.join(file))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let mut stat = Stat::default();
    parse::stat(
        &std::fs::read(root.join("proc/stat")).unwrap_or_default(),
        &mut stat,
    );
    let memory = parse::meminfo(&std::fs::read(root.join("proc/meminfo")).unwrap_or_default());
    let virtualization = virtualization::detect(root);
    let booted = booted(
        root,
        stat.booted,
        virtualization::is_container(&virtualization),
    );
    HostFacts {
        hostname: line("proc/sys/kernel/hostname"),
        boot_id: line("proc/sys/kernel/random/boot_id"),
        booted_at: Time(i64::try_from(booted).unwrap_or(0).saturating_mul(1000)),
        clean_shutdown: shutdown::recorded(root, booted),
        os: pretty_name(root),
        kernel: line("proc/sys/kernel/osrelease"),
        arch: std::env::consts::ARCH.to_owned(),
        cpus: u32::try_from(stat.cores.len()).unwrap_or(u32::MAX),
        memory_bytes: memory.total,
        swap_bytes: memory.swap_total,
        virtualization,
        agent_version: String::new(),
        read_only: false,
        reboot_required: reboot_required(root),
        reboot_required_since: reboot_required_since(root),
        gpus: gpu::read(root),
        last_cleanup: crate::chores::last_cleanup(root),
        limit: None,
    }
}

/// Seconds since 1970. A container boots when its first process starts, not when the kernel below it did.
fn booted(root: &Path, kernel: u64, container: bool) -> u64 {
    if !container {
        return kernel;
    }
    let stat = std::fs::read(root.join("proc/1/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; fields count from behind it.
    let behind = stat
        .iter()
        .rposition(|byte| *byte == b')')
        .map_or(&[][..], |at| &stat[at + 1..]);
    let started = words(behind).nth(19).map_or(0, number) / TICKS;
    kernel.saturating_add(started)
}

fn pretty_name(root: &Path) -> String {
    let release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|file| std::fs::read_to_string(root.join(file)).ok())
        .unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("")
        .trim()
        .trim_matches(['"', '\''])
        .to_owned()
}

/// The file that packages leave where the machine should be booted anew.
fn asked(root: &Path) -> Option<&'static str> {
    let files = ["run/reboot-required", "var/run/reboot-required"];
    files.into_iter().find(|file| root.join(file).exists())
}

/// When that was last asked for.
fn reboot_required_since(root: &Path) -> Option<Time> {
    let written = std::fs::metadata(root.join(asked(root)?))
        .ok()?
        .modified()
        .ok()?;
    let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    // Whole seconds: nobody needs more, and some filesystems keep no more.
    i64::try_from(since.as_secs()).ok().map(|s| Time(s * 1_000))
}

/// Packages that ask for a reboot (at most 50), if the machine waits for one; empty where it does not say which.
pub fn reboot_required(root: &Path) -> Option<Vec<String>> {
    let asked = asked(root)?;
    let packages = std::fs::read_to_string(root.join(format!("{asked}.pkgs"))).unwrap_or_default();
    let mut packages: Vec<String> = packages
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    packages.sort();
    packages.dedup();
    packages.truncate(50);
    Some(packages)
}
