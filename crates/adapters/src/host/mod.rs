//! The machine itself: what it is, and what it measures every second.
//!
//! Everything is read from `/proc` and `/sys` below a root that tests replace. The second's reading keeps its files open
//! and its buffers; it allocates only when something new appears. Nothing here decides: rates are made and levels judged
//! by `stead-core`.

// This is the shell around the measurement: it reads the clock on purpose.
#![allow(clippy::disallowed_methods)]

mod device;
mod facts;
mod gpu;
mod mounts;
mod oom;
mod parse;
mod sensor;
mod shutdown;
mod source;
mod virtualization;

#[cfg(test)]
mod tests;

pub use facts::reboot_required;
pub use oom::{OomWatch, owner};
pub use shutdown::Marker;
pub use stead_core::judge::Levels;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stead_core::facts::HostFacts;
use stead_core::sample::rates::{DiskTimes, NetworkTimes};
use stead_core::sample::{HostSample, Pressure};
use stead_core::time::Time;

use device::Known;
use mounts::Mounts;
use parse::Stat;
use sensor::Sensors;
use source::Source;

/// Between two readings of space, inodes, temperatures and the number of processes.
const SLOW: Duration = Duration::from_secs(10);

/// A machine that is measured.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
    container: bool,
    files: Files,
    before: Reading,
    now: Reading,
    read_at: Option<Instant>,
    slow_at: Option<Instant>,
    disks: Known,
    networks: Known,
    mounts: Mounts,
    sensors: Sensors,
    sample: HostSample,
    /// As first read in this boot: a clock that is set moves the kernel's idea of when it booted.
    facts: Option<HostFacts>,
}

/// The files read each second.
#[derive(Debug)]
struct Files {
    stat: Source,
    meminfo: Source,
    loadavg: Source,
    uptime: Source,
    psi_cpu: Source,
    psi_memory: Source,
    psi_io: Source,
    diskstats: Source,
    net_dev: Source,
    /// Of the kernel, or of the container's own cgroup: version 2, version 1.
    kills: Vec<Source>,
}

/// Counters of one instant.
#[derive(Debug, Default)]
struct Reading {
    stat: Stat,
    disks: Vec<DiskTimes>,
    networks: Vec<NetworkTimes>,
}

impl Host {
    /// The machine whose `/proc`, `/sys`, `/etc` … lie below `root`. Network filesystems are not asked.
    pub fn at(root: impl AsRef<Path>) -> Host {
        Host::with(root.as_ref(), false)
    }

    /// As [`Host::at`]; network filesystems are asked as well, each by a thread of its own.
    pub fn with_network_filesystems(root: impl AsRef<Path>) -> Host {
        Host::with(root.as_ref(), true)
    }

    fn with(root: &Path, network: bool) -> Host {
        let container = virtualization::is_container(&virtualization::detect(root));
        Host {
            container,
            files: Files::new(root, container),
            before: Reading::default(),
            now: Reading::default(),
            read_at: None,
            slow_at: None,
            disks: Known::disks(root.join("sys")),
            networks: Known::networks(),
            mounts: Mounts::new(root, network),
            sensors: Sensors::new(root.join("sys")),
            sample: HostSample::default(),
            facts: None,
            root: root.to_owned(),
        }
    }

    /// Measures once. Rates are those since the call before; the first has none.
    pub fn sample(&mut self, at: Time) -> &HostSample {
        self.sample_at(at, Instant::now())
    }

    fn sample_at(&mut self, at: Time, now: Instant) -> &HostSample {
        self.sample.at = at;
        self.read_counters();
        self.read_gauges();
        self.rates(
            self.read_at
                .map(|before| now.saturating_duration_since(before)),
        );
        self.read_at = Some(now);
        self.sample.filesystems.clear();
        self.sample.temperatures.clear();
        if self
            .slow_at
            .is_none_or(|before| now.saturating_duration_since(before) >= SLOW)
        {
            self.slow_at = Some(now);
            self.mounts.measure(&mut self.sample.filesystems);
            self.sensors.measure(&mut self.sample.temperatures);
            self.sample.processes = processes(&self.root.join("proc"));
        }
        &self.sample
    }

    /// Makes the next sample measure space as well, however lately that was done.
    pub fn hurry(&mut self) {
        self.slow_at = None;
    }

    /// What the machine is. Equal from call to call while it is the same boot and nothing was changed.
    pub fn facts(&mut self) -> HostFacts {
        let mut facts = facts::read(&self.root);
        if let Some(first) = self
            .facts
            .as_ref()
            .filter(|first| first.boot_id == facts.boot_id)
        {
            facts.booted_at = first.booted_at;
            facts.clean_shutdown = first.clean_shutdown;
        }
        self.facts = Some(facts.clone());
        facts
    }

    /// A watch for OOM kills on this machine.
    pub fn oom_watch(&self) -> OomWatch {
        OomWatch::new(&self.root, !self.container)
    }

    fn read_counters(&mut self) {
        std::mem::swap(&mut self.before, &mut self.now);
        if let Some(bytes) = self.files.stat.read() {
            parse::stat(bytes, &mut self.now.stat);
            self.sample.running = self.now.stat.running;
            self.sample.blocked = self.now.stat.blocked;
        }
        match self.files.diskstats.read() {
            Some(bytes) => parse::diskstats(bytes, &mut self.disks, &mut self.now.disks),
            None => self.now.disks.clear(),
        }
        match self.files.net_dev.read() {
            Some(bytes) => parse::net_dev(bytes, &mut self.networks, &mut self.now.networks),
            None => self.now.networks.clear(),
        }
    }

    fn read_gauges(&mut self) {
        let sample = &mut self.sample;
        if let Some(bytes) = self.files.meminfo.read() {
            sample.memory = parse::meminfo(bytes).memory();
        }
        if let Some(bytes) = self.files.loadavg.read() {
            [sample.load1, sample.load5, sample.load15] = parse::loadavg(bytes);
        }
        if let Some(bytes) = self.files.uptime.read() {
            sample.uptime = parse::words(bytes).next().map_or(0, parse::number);
        }
        // A kernel built with pressure information but started without it has empty files.
        let pressure = |source: &mut Source| -> Option<Pressure> {
            source
                .read()
                .filter(|bytes| !bytes.is_empty())
                .map(parse::pressure)
        };
        sample.psi_cpu = pressure(&mut self.files.psi_cpu);
        sample.psi_memory = pressure(&mut self.files.psi_memory);
        sample.psi_io = pressure(&mut self.files.psi_io);
        sample.oom_kills = self
            .files
            .kills
            .iter_mut()
            .find_map(|source| source.read().and_then(|b| parse::value(b, b"oom_kill")));
    }

    fn rates(&mut self, elapsed: Option<Duration>) {
        let (sample, before, now) = (&mut self.sample, &self.before, &self.now);
        sample.cpu = None;
        sample.cores.clear();
        sample.disks.clear();
        sample.networks.clear();
        let Some(elapsed) = elapsed else { return };
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        sample.cpu = now.stat.cpu.share(&before.stat.cpu);
        // A core that came or went shifts the others; they are compared again from the next reading on.
        if now.stat.cores.len() == before.stat.cores.len() {
            sample.cores.extend(
                now.stat
                    .cores
                    .iter()
                    .zip(&before.stat.cores)
                    .map(|(now, before)| now.busy(before)),
            );
        }
        sample.disks.extend(
            pairs(&now.disks, &before.disks, |d| &d.device).map(|(now, b)| now.rate(b, elapsed)),
        );
        sample.networks.extend(
            pairs(&now.networks, &before.networks, |n| &n.name)
                .map(|(now, b)| now.rate(b, elapsed)),
        );
    }
}

/// Each of `now` with its own reading before, usually at the same place.
fn pairs<'a, T>(
    now: &'a [T],
    before: &'a [T],
    name: impl Fn(&T) -> &str + 'a,
) -> impl Iterator<Item = (&'a T, &'a T)> + 'a {
    now.iter().enumerate().filter_map(move |(at, now)| {
        let same = |before: &&T| name(before) == name(now);
        let before = before
            .get(at)
            .filter(same)
            .or_else(|| before.iter().find(same))?;
        Some((now, before))
    })
}

impl Files {
    fn new(root: &Path, container: bool) -> Files {
        let proc = |file: &str, capacity| Source::new(root.join("proc").join(file), capacity);
        let cgroup = |file: &str| Source::new(root.join("sys/fs/cgroup").join(file), 512);
        Files {
            stat: proc("stat", 16 * 1024),
            meminfo: proc("meminfo", 2048),
            loadavg: proc("loadavg", 64),
            uptime: proc("uptime", 64),
            psi_cpu: proc("pressure/cpu", 256),
            psi_memory: proc("pressure/memory", 256),
            psi_io: proc("pressure/io", 256),
            diskstats: proc("diskstats", 4096),
            net_dev: proc("net/dev", 4096),
            // Inside a container the kernel's counter is that of the whole machine.
            kills: if container {
                vec![cgroup("memory.events"), cgroup("memory/memory.oom_control")]
            } else {
                vec![proc("vmstat", 8192)]
            },
        }
    }
}

/// Processes, as many as `/proc` has numbered folders.
fn processes(proc: &Path) -> u32 {
    let flags =
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(proc, flags, rustix::fs::Mode::empty()) else {
        return 0;
    };
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 8192];
    let mut entries = rustix::fs::RawDir::new(folder, &mut buffer);
    let mut count = 0u32;
    while let Some(Ok(entry)) = entries.next() {
        count += u32::from(entry.file_name().to_bytes().iter().all(u8::is_ascii_digit));
    }
    count
}
