//! What an engine that was killed leaves behind: processes and mounts under the lab's own folders, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Ends every process whose command line names something below `folder`. Those folders are the lab's alone.
pub fn end_processes(folder: &Path) -> Result<()> {
    let inside = format!("{}/", folder.display());
    let own = std::process::id();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if pid != own && names(&line, &inside) && is_engine_part(&line) {
            process::quiet(Command::new("kill").args(["-KILL", &pid.to_string()]))?;
        }
    }
    Ok(())
}

fn names(line: &[u8], inside: &str) -> bool {
    String::from_utf8_lossy(line).contains(inside)
}

/// A person's editor or shell may name those folders, too.
fn is_engine_part(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let program = line.split(['\0', ' ']).next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    [
        "containerd-shim-runc-v2",
        "containerd",
        "dnsmasq",
        "[lxc",
        "lxd",
        "dockerd",
        "docker-proxy",
    ]
    .contains(&program)
}

/// Removes `folder` with whatever is still mounted below it.
pub fn remove_tree(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for mounted in mounts_below(&fs::read_to_string("/proc/self/mounts")?, folder) {
        process::quiet(Command::new("umount").args(["-l", &mounted]))?;
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Deepest first, so that each can be unmounted.
fn mounts_below(table: &str, folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| Path::new(point).starts_with(folder))
        .map(str::to_owned)
        .collect();
    found.sort_by_key(|point| std::cmp::Reverse(point.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_folder_are_named_and_the_deepest_first() {
        let table = "tmpfs /lab/lxd tmpfs rw 0 0\ntmpfs /lab/lxd/devlxd tmpfs rw 0 0\ntmpfs /lab/lxdx tmpfs rw 0 0\n";
        assert_eq!(
            mounts_below(table, Path::new("/lab/lxd")),
            ["/lab/lxd/devlxd", "/lab/lxd"]
        );
    }
}
