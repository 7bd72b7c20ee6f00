//! Reads what a process's control group used, version 1 and 2 alike, straight from its files.
//!
//! The engine's own statistics stream costs a connection and 2 KiB of JSON per container and second; these files cost
//! microseconds. Nothing here is kept between readings but paths.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Counters since the group began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub cpu_nanos: u64,
    /// In use, without page cache that can be dropped.
    pub memory: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
}

/// Received and sent bytes since the namespace began, loopback left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Network {
    pub rx: u64,
    pub tx: u64,
}

/// Where the kernel shows its state; tests show their own.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    pub proc: PathBuf,
    pub cgroup: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots {
            proc: PathBuf::from("/proc"),
            cgroup: PathBuf::from("/sys/fs/cgroup"),
        }
    }
}

/// The files of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group {
    V1 {
        cpu: PathBuf,
        memory: PathBuf,
        memory_stat: PathBuf,
        io: PathBuf,
        /// Where this kernel counts no bytes for groups: the list of processes, whose own counters stand in.
        processes: Option<Processes>,
    },
    V2 {
        cpu: PathBuf,
        memory: PathBuf,
        memory_stat: PathBuf,
        io: PathBuf,
    },
}

/// The processes of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Processes {
    list: PathBuf,
    proc: PathBuf,
}

/// Processes of one group that are asked.
const PROCESSES: usize = 256;

impl Processes {
    /// What they read and wrote to a disk, with what they reaped. One that ended unreaped by its own is lost, which is less
    /// than the truth and never more for long.
    fn read(&self, buffer: &mut String) -> (u64, u64) {
        let Some(text) = read(&self.list, buffer) else {
            return (0, 0);
        };
        let pids: Vec<u32> = text.lines().filter_map(|l| l.parse().ok()).collect();
        let mut sum = (0, 0);
        for pid in pids.into_iter().take(PROCESSES) {
            if let Some(text) = read(&self.proc.join(format!("{pid}/io")), buffer) {
                sum.0 += field(text, "read_bytes:");
                sum.1 += field(text, "write_bytes:");
            }
        }
        sum
    }
}

/// Whether the kernel counts bytes of groups at all: since 6.10 version 1 counts only once a limit is set, and says 0 of the
/// whole machine.
fn counts(root: &Path, buffer: &mut String) -> bool {
    let whole = root.join("blkio/blkio.throttle.io_service_bytes");
    read(&whole, buffer).is_none_or(|text| text.trim() != "Total 0")
}

impl Group {
    /// The group of process `pid`; `None` once it has ended.
    pub fn of(roots: &Roots, pid: u32, buffer: &mut String) -> Option<Group> {
        read(&roots.proc.join(format!("{pid}/cgroup")), buffer)?;
        let mut group = Group::locate(&roots.cgroup, buffer)?;
        if let Group::V1 { io, processes, .. } = &mut group
            && !counts(&roots.cgroup, buffer)
        {
            *processes = io.parent().map(|group| Processes {
                list: group.join("cgroup.procs"),
                proc: roots.proc.clone(),
            });
        }
        Some(group)
    }

    /// From the text of `/proc/PID/cgroup`. A hybrid machine lists both versions; the memory controller decides.
    fn locate(root: &Path, text: &str) -> Option<Group> {
        let mut unified = None;
        let mut controllers: [Option<(&str, &str)>; 3] = [None; 3];
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
            if names.is_empty() {
                unified = Some(path);
            }
            for (slot, wanted) in controllers.iter_mut().zip(["cpuacct", "memory", "blkio"]) {
                if names.split(',').any(|name| name == wanted) {
                    *slot = Some((names, path));
                }
            }
        }
        let v1 = |(names, path): (&str, &str), wanted: &str| {
            let joint = root.join(names);
            let mount = if names.contains(',') && joint.is_dir() {
                joint
            } else {
                root.join(wanted)
            };
            inside(&mount, path)
        };
        if let Some(memory) = controllers[1] {
            let memory = v1(memory, "memory")?;
            let io = v1(controllers[2]?, "blkio")?;
            let recursive = io.join("blkio.throttle.io_service_bytes_recursive");
            return Some(Group::V1 {
                cpu: v1(controllers[0]?, "cpuacct")?.join("cpuacct.usage"),
                memory_stat: memory.join("memory.stat"),
                memory: memory.join("memory.usage_in_bytes"),
                io: if recursive.exists() {
                    recursive
                } else {
                    io.join("blkio.throttle.io_service_bytes")
                },
                processes: None,
            });
        }
        let group = inside(root, unified?)?;
        Some(Group::V2 {
            cpu: group.join("cpu.stat"),
            memory: group.join("memory.current"),
            memory_stat: group.join("memory.stat"),
            io: group.join("io.stat"),
        })
    }

    /// `None` where the group is gone. A controller that is not enabled counts as nothing used.
    pub fn read(&self, buffer: &mut String) -> Option<Usage> {
        match self {
            Group::V1 {
                cpu,
                memory,
                memory_stat,
                io,
                processes,
            } => {
                let cpu_nanos = read(cpu, buffer)?.trim().parse().ok()?;
                let used: u64 = read(memory, buffer)
                    .and_then(|t| t.trim().parse().ok())
                    .unwrap_or(0);
                let cache =
                    read(memory_stat, buffer).map_or(0, |t| field(t, "total_inactive_file"));
                let (read_bytes, write_bytes) = match processes {
                    Some(processes) => processes.read(buffer),
                    None => read(io, buffer).map_or((0, 0), io_v1),
                };
                Some(Usage {
                    cpu_nanos,
                    memory: used.saturating_sub(cache),
                    read_bytes,
                    write_bytes,
                })
            }
            Group::V2 {
                cpu,
                memory,
                memory_stat,
                io,
            } => {
                let cpu_nanos = field(read(cpu, buffer)?, "usage_usec").saturating_mul(1000);
                let used: u64 = read(memory, buffer)
                    .and_then(|t| t.trim().parse().ok())
                    .unwrap_or(0);
                let cache = read(memory_stat, buffer).map_or(0, |t| field(t, "inactive_file"));
                let (read_bytes, write_bytes) = read(io, buffer).map_or((0, 0), io_v2);
                Some(Usage {
                    cpu_nanos,
                    memory: used.saturating_sub(cache),
                    read_bytes,
                    write_bytes,
                })
            }
        }
    }
}

/// `path` below `mount`, unless it would leave it (a group outside our namespace).
fn inside(mount: &Path, path: &str) -> Option<PathBuf> {
    (!path.split('/').any(|part| part == "..")).then(|| mount.join(path.trim_start_matches('/')))
}

/// The network of process `pid`; `None` where it is our own (the host's) or the process has
/// ended.
pub(super) fn network(roots: &Roots, pid: u32, buffer: &mut String) -> Option<Network> {
    let of = |who: &str| std::fs::read_link(roots.proc.join(who).join("ns/net")).ok();
    let pid = pid.to_string();
    if of(&pid)? == of("self")? {
        return None;
    }
    read(&roots.proc.join(pid).join("net/dev"), buffer).map(devices)
}

fn devices(text: &str) -> Network {
    let mut sum = Network::default();
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers
            .split_ascii_whitespace()
            .map(|n| n.parse::<u64>().unwrap_or(0));
        sum.rx += numbers.next().unwrap_or(0);
        sum.tx += numbers.nth(7).unwrap_or(0);
    }
    sum
}

/// `NAME NUMBER` lines.
fn field(text: &str, name: &str) -> u64 {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    };
    text.lines().find_map(value).unwrap_or(0)
}

/// `8:0 Read 4096` lines; the total line at the end has no device.
fn io_v1(text: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for line in text.lines() {
        let mut parts = line.split_ascii_whitespace();
        let (Some(_device), Some(kind), Some(bytes)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let bytes: u64 = bytes.parse().unwrap_or(0);
        match kind {
            "Read" => sum.0 += bytes,
            "Write" => sum.1 += bytes,
            _ => {}
        }
    }
    sum
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 …` lines.
fn io_v2(text: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for part in text.split_ascii_whitespace() {
        if let Some(bytes) = part.strip_prefix("rbytes=") {
            sum.0 += bytes.parse::<u64>().unwrap_or(0);
        } else if let Some(bytes) = part.strip_prefix("wbytes=") {
            sum.1 += bytes.parse::<u64>().unwrap_or(0);
        }
    }
    sum
}

/// Reads a whole kernel file into the buffer that is used again and again.
fn read<'a>(path: &Path, buffer: &'a mut String) -> Option<&'a str> {
    buffer.clear();
    File::open(path)
        .ok()?
        .take(64 * 1024)
        .read_to_string(buffer)
        .ok()?;
    Some(buffer.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        fs::write(path, text).expect("file");
    }

    fn roots(folder: &Path) -> Roots {
        Roots {
            proc: folder.join("proc"),
            cgroup: folder.join("cgroup"),
        }
    }

    #[test]
    fn version_2_is_read_from_the_unified_tree() {
        let folder = tempfile::tempdir().expect("folder");
        let group = "cgroup/system.slice/docker-abc.scope";
        put(
            folder.path(),
            "proc/7/cgroup",
            "0::/system.slice/docker-abc.scope\n",
        );
        put(
            folder.path(),
            &format!("{group}/cpu.stat"),
            "usage_usec 2500\nuser_usec 2000\nsystem_usec 500\n",
        );
        put(folder.path(), &format!("{group}/memory.current"), "10000\n");
        put(
            folder.path(),
            &format!("{group}/memory.stat"),
            "anon 1\nactive_file 5\ninactive_file 4000\n",
        );
        let io = "8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n";
        put(folder.path(), &format!("{group}/io.stat"), io);
        let mut buffer = String::new();
        let group = Group::of(&roots(folder.path()), 7, &mut buffer).expect("a group");
        let usage = group.read(&mut buffer).expect("usage");
        assert_eq!(
            usage,
            Usage {
                cpu_nanos: 2_500_000,
                memory: 6000,
                read_bytes: 101,
                write_bytes: 202
            }
        );
        assert_eq!(
            Group::of(&roots(folder.path()), 8, &mut buffer),
            None,
            "it has ended"
        );
    }

    #[test]
    fn version_1_is_read_from_its_hierarchies_also_when_they_are_joint_or_hybrid() {
        for joint in [false, true] {
            let folder = tempfile::tempdir().expect("folder");
            let (names, mount) = if joint {
                ("cpu,cpuacct", "cpu,cpuacct")
            } else {
                ("cpuacct", "cpuacct")
            };
            let text = format!(
                "7:blkio:/docker/abc\n4:memory:/docker/abc\n2:{names}:/docker/abc\n0::/docker/abc\n"
            );
            put(folder.path(), "proc/7/cgroup", &text);
            put(
                folder.path(),
                &format!("cgroup/{mount}/docker/abc/cpuacct.usage"),
                "24697069\n",
            );
            put(
                folder.path(),
                "cgroup/memory/docker/abc/memory.usage_in_bytes",
                "2621440\n",
            );
            put(
                folder.path(),
                "cgroup/memory/docker/abc/memory.stat",
                "inactive_file 9\ntotal_inactive_file 1978368\n",
            );
            let io = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Total 12288\n8:16 Write 1\nTotal 12288\n";
            put(
                folder.path(),
                "cgroup/blkio/docker/abc/blkio.throttle.io_service_bytes",
                io,
            );
            let mut buffer = String::new();
            let group = Group::of(&roots(folder.path()), 7, &mut buffer).expect("a group");
            let usage = group.read(&mut buffer).expect("usage");
            let expected = Usage {
                cpu_nanos: 24_697_069,
                memory: 643_072,
                read_bytes: 4096,
                write_bytes: 8193,
            };
            assert_eq!(usage, expected, "joint: {joint}");
        }
    }

    #[test]
    fn where_the_kernel_counts_nothing_for_groups_their_processes_are_asked() {
        let folder = tempfile::tempdir().expect("folder");
        let text = "7:blkio:/docker/abc\n4:memory:/docker/abc\n2:cpuacct:/docker/abc\n";
        put(folder.path(), "proc/7/cgroup", text);
        put(
            folder.path(),
            "cgroup/cpuacct/docker/abc/cpuacct.usage",
            "1\n",
        );
        let whole = "cgroup/blkio/blkio.throttle.io_service_bytes";
        put(folder.path(), whole, "Total 0\n");
        let own = "cgroup/blkio/docker/abc";
        put(
            folder.path(),
            &format!("{own}/blkio.throttle.io_service_bytes"),
            "Total 0\n",
        );
        put(folder.path(), &format!("{own}/cgroup.procs"), "7\n8\n9\n");
        let io =
            "rchar: 1\nwchar: 2\nread_bytes: 100\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        put(folder.path(), "proc/7/io", io);
        put(
            folder.path(),
            "proc/8/io",
            "read_bytes: 1\nwrite_bytes: 4\n",
        );
        let mut buffer = String::new();
        let group = Group::of(&roots(folder.path()), 7, &mut buffer).expect("a group");
        let usage = group.read(&mut buffer).expect("usage");
        assert_eq!((usage.read_bytes, usage.write_bytes), (101, 4100));
        put(folder.path(), whole, "8:0 Write 1\nTotal 1\n");
        let group = Group::of(&roots(folder.path()), 7, &mut buffer).expect("a group");
        let usage = group.read(&mut buffer).expect("usage");
        assert_eq!(usage.write_bytes, 0, "where it counts, its word holds");
    }

    #[test]
    fn a_group_outside_our_namespace_is_not_read() {
        assert_eq!(
            Group::locate(Path::new("/sys/fs/cgroup"), "0::/../../other\n"),
            None
        );
    }

    #[test]
    fn loopback_does_not_count_as_network() {
        let text = "Inter-| Receive | Transmit\n face |bytes packets|bytes\n    lo: 500 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n  \
                    eth0:     290       3    0    0    0     0          0         0        70       0 0 0 0 0 0 0\n";
        assert_eq!(devices(text), Network { rx: 290, tx: 70 });
    }
}
