//! Which disks and interfaces are followed, decided once for each name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names remembered; a host of containers makes and forgets interfaces all day.
const NAMES: usize = 512;

/// What kind of names these are.
#[derive(Debug, Clone)]
enum Rule {
    Disks(PathBuf),
    Networks,
    #[cfg(test)]
    All,
}

/// The names seen so far. Shared text, so that a reading costs no allocation.
#[derive(Debug)]
pub(super) struct Known {
    rule: Rule,
    names: Vec<(Arc<str>, bool)>,
    /// The kernel lists devices in the same order each time: the next is most likely the one after the last.
    cursor: usize,
}

impl Known {
    /// Whole disks; `sys` tells partitions from them.
    pub(super) fn disks(sys: PathBuf) -> Known {
        Known {
            rule: Rule::Disks(sys),
            names: Vec::new(),
            cursor: 0,
        }
    }
    /// Interfaces that lead out of the machine.
    pub(super) fn networks() -> Known {
        Known {
            rule: Rule::Networks,
            names: Vec::new(),
            cursor: 0,
        }
    }
    #[cfg(test)]
    pub(super) fn all() -> Known {
        Known {
            rule: Rule::All,
            names: Vec::new(),
            cursor: 0,
        }
    }

    /// The name, if it is followed.
    pub(super) fn wanted(&mut self, name: &[u8]) -> Option<Arc<str>> {
        let count = self.names.len();
        for step in 0..count {
            let at = (self.cursor + step) % count;
            let (known, wanted) = &self.names[at];
            if known.as_bytes() == name {
                self.cursor = at + 1;
                return wanted.then(|| known.clone());
            }
        }
        if count >= NAMES {
            self.names.clear();
        }
        let name: Arc<str> = std::str::from_utf8(name).ok()?.into();
        let wanted = match &self.rule {
            Rule::Disks(sys) => is_disk(&name, sys),
            Rule::Networks => leads_out(&name),
            #[cfg(test)]
            Rule::All => true,
        };
        self.names.push((name.clone(), wanted));
        wanted.then_some(name)
    }
}

/// Not a partition and nothing that is stacked on disks: those would be counted twice.
fn is_disk(name: &str, sys: &Path) -> bool {
    const STACKED: [&str; 9] = ["loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "zd"];
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    !STACKED.iter().any(|prefix| numbered(prefix))
        && !sys
            .join("class/block")
            .join(name)
            .join("partition")
            .exists()
}

/// Not the loop, and not the machine's side of a container's or guest's own network.
fn leads_out(name: &str) -> bool {
    const INNER: [&str; 20] = [
        "veth", "br-", "docker", "podman", "virbr", "vnet", "cali", "flannel", "cni", "lxcbr",
        "lxdbr", "incusbr", "fwbr", "fwpr", "fwln", "tap", "ifb", "dummy", "tunl", "sit",
    ];
    name != "lo" && !INNER.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_stacked_devices_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("class/block/sda1")).unwrap();
        std::fs::write(folder.path().join("class/block/sda1/partition"), "1").unwrap();
        let mut known = Known::disks(folder.path().into());
        let mut wanted = |name: &str| known.wanted(name.as_bytes()).is_some();
        assert!(wanted("sda") && wanted("nvme0n1") && wanted("xvda1") && wanted("mmcblk0"));
        assert!(
            !wanted("sda1")
                && !wanted("loop7")
                && !wanted("dm-0")
                && !wanted("md127")
                && !wanted("zram0")
        );
        assert!(wanted("sda"), "asked again, the answer is the same");
    }

    #[test]
    fn interfaces_of_containers_are_left_out() {
        let mut known = Known::networks();
        for name in [
            "eth0",
            "enp3s0",
            "wlan0",
            "wg0",
            "tailscale0",
            "bond0",
            "vmbr0",
        ] {
            assert!(known.wanted(name.as_bytes()).is_some(), "{name}");
        }
        for name in ["lo", "veth12ab", "br-1a2b", "docker0", "tap100i0"] {
            assert!(known.wanted(name.as_bytes()).is_none(), "{name}");
        }
        for n in 0..2000 {
            known.wanted(format!("veth{n}").as_bytes());
        }
        assert!(known.names.len() <= NAMES);
    }
}
