//! Processes the kernel killed because memory ran out.
//!
//! The kernel's own log names them; where it may not be read, or belongs to another machine (inside a container), the
//! counter of kills still tells that there were some.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use stead_core::sample::OomKill;
use stead_core::time::Time;

/// Kernel messages looked at in one go; the rest waits for the next.
const MESSAGES: usize = 1024;
/// Kills reported in one go: beyond that they are counted together.
const KILLS: usize = 32;

/// Watches for kills.
#[derive(Debug)]
pub struct OomWatch {
    log: Option<File>,
    /// The last count, where there is only the counter.
    counted: Option<u64>,
    context: Context,
}

impl OomWatch {
    /// Kills from now on; `own_kernel`: the machine is not a container.
    pub fn new(root: &Path, own_kernel: bool) -> OomWatch {
        let log = own_kernel.then(|| open(&root.join("dev/kmsg"))).flatten();
        OomWatch {
            log,
            counted: None,
            context: Context::default(),
        }
    }

    /// Whether kills will be named, not only counted.
    pub fn names_them(&self) -> bool {
        self.log.is_some()
    }

    /// Kills since the last call. `counter` is the sample's `oom_kills`.
    pub fn poll(&mut self, at: Time, counter: Option<u64>) -> Vec<OomKill> {
        let before = std::mem::replace(&mut self.counted, counter);
        let Some(log) = &mut self.log else {
            return match (before, counter) {
                (Some(before), Some(now)) if now > before => {
                    vec![OomKill {
                        at,
                        count: now - before,
                        ..OomKill::default()
                    }]
                }
                _ => Vec::new(),
            };
        };
        let mut kills: Vec<OomKill> = Vec::new();
        let mut record = [0u8; 2048];
        for _ in 0..MESSAGES {
            match log.read(&mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let Some(kill) =
                        message(&record[..length]).and_then(|text| self.context.take(text, at))
                    else {
                        continue;
                    };
                    let full = kills.len() >= KILLS;
                    match kills.last_mut() {
                        Some(last) if full => last.count += kill.count,
                        _ => kills.push(kill),
                    }
                }
                // Messages were overwritten before they were read; reading goes on at the oldest left.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        kills
    }
}

fn open(path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    // What happened before this agent looked was told by the one before it, or nobody asked.
    file.seek(SeekFrom::End(0)).ok()?;
    Some(file)
}

/// The text of a record `priority,sequence,time,flags;text`, if the kernel wrote it: others may write to the log too.
fn message(record: &[u8]) -> Option<&str> {
    let record = std::str::from_utf8(record).ok()?;
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    if priority >> 3 != 0 {
        return None;
    }
    text.lines().next()
}

/// What earlier lines of one kill said.
#[derive(Debug, Default)]
struct Context {
    cgroup: Option<String>,
    limit: bool,
}

impl Context {
    /// Takes a message; returns the kill when its line has come.
    fn take(&mut self, text: &str, at: Time) -> Option<OomKill> {
        if let Some(fields) = text.strip_prefix("oom-kill:") {
            let field = |name: &str| {
                fields
                    .split(',')
                    .find_map(|f| f.strip_prefix(name)?.strip_prefix('='))
            };
            self.limit = field("constraint") == Some("CONSTRAINT_MEMCG");
            self.cgroup = field("task_memcg").map(str::to_owned);
            return None;
        }
        // Before Linux 4.19.
        if let Some(rest) = text.strip_prefix("Task in ") {
            self.cgroup = rest.split(" killed as a result").next().map(str::to_owned);
            self.limit = true;
            return None;
        }
        let (_, rest) = text.split_once("Killed process ")?;
        let (pid, rest) = rest.split_once(|c: char| !c.is_ascii_digit())?;
        let comm = rest.trim_start_matches(['(', ' ']);
        // A name may hold parentheses itself; what follows the last one never does.
        let comm = comm
            .split_once(" total-vm")
            .map_or(comm, |(comm, _)| comm)
            .trim_end_matches([',', ' ']);
        let comm = comm.rfind(')').map_or(comm, |end| &comm[..end]);
        let context = std::mem::take(self);
        let (container, unit) = context.cgroup.as_deref().map(owner).unwrap_or_default();
        Some(OomKill {
            at,
            count: 1,
            pid: pid.parse().ok(),
            comm: Some(comm.chars().take(64).collect()),
            container,
            unit,
            limit: context.limit || text.starts_with("Memory cgroup"),
        })
    }
}

/// Container ID and unit that a cgroup path belongs to, by the names engines and systemd give.
pub fn owner(cgroup: &str) -> (Option<String>, Option<String>) {
    let id = |part: &str| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let part = part.rsplit('-').next().unwrap_or(part);
        (part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit())).then(|| part.to_owned())
    };
    let container = cgroup.split('/').find_map(id);
    let unit = cgroup
        .rsplit('/')
        .find(|part| part.ends_with(".service") && !part.contains("user@"));
    (container, unit.map(|unit| unit.replace("\\x2d", "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn kill(lines: &[&str]) -> Option<OomKill> {
        let mut context = Context::default();
        lines.iter().find_map(|line| context.take(line, Time(7)))
    }

    #[test]
    fn a_kill_in_a_container_names_process_and_container() {
        let first = format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={ID},mems_allowed=0,\
             oom_memcg=/docker/{ID},task_memcg=/docker/{ID},task=hog,pid=4242,uid=0"
        );
        let second = "Memory cgroup out of memory: Killed process 4242 (hog) total-vm:1028kB, anon-rss:900kB, UID:0";
        let found = kill(&[&first, second]).unwrap();
        assert_eq!(
            (found.pid, found.comm.as_deref(), found.count),
            (Some(4242), Some("hog"), 1)
        );
        assert_eq!(
            (found.container.as_deref(), found.limit, found.at),
            (Some(ID), true, Time(7))
        );
    }

    #[test]
    fn a_kill_of_the_machine_names_the_unit() {
        let found = kill(&[
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
             task_memcg=/system.slice/my\\x2dapp.service,task=a (b) c,pid=9,uid=1000",
            "Out of memory: Killed process 9 (a (b) c) total-vm:1kB, anon-rss:1kB",
        ]);
        let found = found.unwrap();
        assert_eq!(
            (found.comm.as_deref(), found.unit.as_deref()),
            (Some("a (b) c"), Some("my-app.service"))
        );
        assert!(!found.limit && found.container.is_none());
    }

    #[test]
    fn kernels_before_4_19_are_understood() {
        let task = format!("Task in /docker/{ID} killed as a result of limit of /docker/{ID}");
        let found = kill(&[
            &task,
            "Killed process 77 (java) total-vm:4kB, anon-rss:2kB, file-rss:0kB",
        ])
        .unwrap();
        assert_eq!(
            (found.pid, found.container.as_deref(), found.limit),
            (Some(77), Some(ID), true)
        );
        assert_eq!(kill(&["usb 1-1: new device", "Killed"]), None);
    }

    #[test]
    fn owners_are_told_by_the_names_of_every_engine() {
        for path in [
            format!("/system.slice/docker-{ID}.scope"),
            format!("/docker/{ID}"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
        ] {
            assert_eq!(owner(&path), (Some(ID.into()), None), "{path}");
        }
        assert_eq!(
            owner("/system.slice/nginx.service"),
            (None, Some("nginx.service".into()))
        );
        assert_eq!(owner("/"), (None, None));
    }

    #[test]
    fn only_the_kernel_is_believed() {
        assert_eq!(message(b"6,1,2,-;hello\n SUBSYSTEM=x"), Some("hello"));
        assert_eq!(
            message(b"12,1,2,-;Out of memory: Killed process 1 (init)"),
            None
        );
        assert_eq!(message(b"garbage"), None);
    }

    #[test]
    fn without_the_log_the_counter_tells() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = OomWatch::new(folder.path(), true);
        assert!(!watch.names_them());
        assert!(
            watch.poll(Time(0), Some(5)).is_empty(),
            "kills before the first look are not new"
        );
        assert!(watch.poll(Time(1), Some(5)).is_empty());
        assert_eq!(watch.poll(Time(2), Some(7))[0].count, 2);
        assert!(watch.poll(Time(3), Some(1)).is_empty());
    }

    #[test]
    fn that_it_was_the_groups_own_limit_is_said_by_either_line() {
        let first = |of: &str| format!("oom-kill:constraint={of},task_memcg=/docker/{ID},pid=9");
        let plain = "Out of memory: Killed process 9 (hog) total-vm:1kB, anon-rss:1kB";
        let own = "Memory cgroup out of memory: Killed process 9 (hog) total-vm:1kB, anon-rss:1kB";
        assert!(kill(&[&first("CONSTRAINT_MEMCG"), plain]).unwrap().limit);
        assert!(kill(&[own]).unwrap().limit);
        assert!(!kill(&[&first("CONSTRAINT_NONE"), plain]).unwrap().limit);
    }

    #[test]
    fn kills_beyond_what_is_reported_at_once_are_counted_with_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("dev/kmsg");
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        std::fs::write(&log, "").unwrap();
        let mut watch = OomWatch::new(folder.path(), true);
        assert!(watch.names_them());
        // The kernel hands out a record a read: here each is as long as what is read at once.
        let record = |pid: usize| {
            let text = format!("6,1,2,-;Out of memory: Killed process {pid} (hog) total-vm:1kB\n");
            format!("{text:2048}")
        };
        let many: String = (0..KILLS + 9).map(record).collect();
        std::fs::write(&log, many).unwrap();
        let kills = watch.poll(Time(1), None);
        let counts: Vec<u64> = kills.iter().map(|kill| kill.count).collect();
        assert_eq!((kills.len(), counts[0], counts[KILLS - 1]), (KILLS, 1, 10));
        assert_eq!(kills[KILLS - 1].pid, Some(31));
    }
}
