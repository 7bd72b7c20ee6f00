//! The kernel's text files, read without allocating. Total: whatever a file holds, the worst result is a zero.

use std::sync::Arc;

use stead_core::sample::Pressure;
use stead_core::sample::rates::{CpuTimes, DiskTimes, MemoryReading, NetworkTimes};

use super::device::Known;

/// Cores followed one by one.
const CORES: usize = 1024;
/// Disks and interfaces followed.
const DEVICES: usize = 64;

pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n')
}

pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
}

/// The decimal number at the start of `word`; 0 where there is none.
pub(super) fn number(word: &[u8]) -> u64 {
    word.iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0u64, |n, digit| {
            n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        })
}

/// A decimal fraction such as `0.42`; 0 where there is none.
pub(super) fn fraction(word: &[u8]) -> f32 {
    std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|n: &f32| n.is_finite())
        .unwrap_or(0.0)
}

/// What `/proc/stat` says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub cpu: CpuTimes,
    pub cores: Vec<CpuTimes>,
    pub running: u32,
    pub blocked: u32,
    /// Seconds since 1970 at which the kernel started.
    pub booted: u64,
}

pub(super) fn stat(bytes: &[u8], into: &mut Stat) {
    into.cores.clear();
    for line in lines(bytes) {
        // The interrupt line holds thousands of numbers that nobody needs.
        if line.starts_with(b"intr") || line.starts_with(b"softirq") {
            continue;
        }
        let mut words = words(line);
        let Some(key) = words.next() else { continue };
        let mut next = || words.next().map_or(0, number);
        match key {
            b"procs_running" => into.running = next().try_into().unwrap_or(u32::MAX),
            b"procs_blocked" => into.blocked = next().try_into().unwrap_or(u32::MAX),
            b"btime" => into.booted = next(),
            _ if key.starts_with(b"cpu") => {
                let times = CpuTimes {
                    user: next(),
                    nice: next(),
                    system: next(),
                    idle: next(),
                    iowait: next(),
                    irq: next(),
                    softirq: next(),
                    steal: next(),
                };
                if key == b"cpu" {
                    into.cpu = times;
                } else if into.cores.len() < CORES {
                    into.cores.push(times);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn meminfo(bytes: &[u8]) -> MemoryReading {
    let mut reading = MemoryReading::default();
    for line in lines(bytes) {
        let mut words = words(line);
        let (Some(key), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        let value = number(value).saturating_mul(1024);
        match key {
            b"MemTotal:" => reading.total = value,
            b"MemFree:" => reading.free = value,
            b"MemAvailable:" => reading.available = Some(value),
            b"Buffers:" => reading.buffers = value,
            b"Cached:" => reading.cached = value,
            b"SwapTotal:" => reading.swap_total = value,
            b"SwapFree:" => reading.swap_free = value,
            b"SwapCached:" => reading.swap_cached = value,
            _ => {}
        }
    }
    reading
}

/// The three means of `/proc/loadavg`.
pub(super) fn loadavg(bytes: &[u8]) -> [f32; 3] {
    let mut words = words(bytes).map(fraction);
    std::array::from_fn(|_| words.next().unwrap_or(0.0))
}

/// The ten-second means of a file of `/proc/pressure`.
pub(super) fn pressure(bytes: &[u8]) -> Pressure {
    let mut pressure = Pressure::default();
    for line in lines(bytes) {
        let mut words = words(line);
        let kind = words.next();
        let mean = words
            .find_map(|word| word.strip_prefix(b"avg10="))
            .map_or(0.0, fraction);
        match kind {
            Some(b"some") => pressure.some = mean,
            // Older kernels have none for CPU.
            Some(b"full") => pressure.full = mean,
            _ => {}
        }
    }
    pressure
}

pub(super) fn diskstats(bytes: &[u8], known: &mut Known, into: &mut Vec<DiskTimes>) {
    into.clear();
    for line in lines(bytes) {
        let mut words = words(line).skip(2);
        let Some(device) = words.next().and_then(|name| known.wanted(name)) else {
            continue;
        };
        let mut next = || words.next().map_or(0, number);
        let (reads, _, read_sectors, read_ms) = (next(), next(), next(), next());
        let (writes, _, write_sectors, write_ms) = (next(), next(), next(), next());
        let (_, io_ms) = (next(), next());
        if into.len() < DEVICES {
            into.push(DiskTimes {
                device,
                reads,
                read_sectors,
                read_ms,
                writes,
                write_sectors,
                write_ms,
                io_ms,
            });
        }
    }
}

pub(super) fn net_dev(bytes: &[u8], known: &mut Known, into: &mut Vec<NetworkTimes>) {
    into.clear();
    // Two lines of headings.
    for line in lines(bytes).skip(2) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let Some(name) = words(&line[..colon])
            .next()
            .and_then(|name| known.wanted(name))
        else {
            continue;
        };
        let mut n = [0u64; 16];
        n.iter_mut()
            .zip(words(&line[colon + 1..]))
            .for_each(|(n, word)| *n = number(word));
        let errors = [n[2], n[3], n[10], n[11]]
            .iter()
            .fold(0, |sum: u64, n| sum.saturating_add(*n));
        if into.len() < DEVICES {
            into.push(NetworkTimes {
                name,
                rx_bytes: n[0],
                tx_bytes: n[8],
                errors,
            });
        }
    }
}

/// The value after `key` in a file of `key value` lines.
pub(super) fn value(bytes: &[u8], key: &[u8]) -> Option<u64> {
    lines(bytes).find_map(|line| {
        let mut words = words(line);
        if words.next()? == key {
            words.next().map(number)
        } else {
            None
        }
    })
}

/// One line of `mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR`, the same for each place one filesystem is mounted at.
    pub number: Arc<str>,
    pub mount: Arc<str>,
    pub fs: Arc<str>,
    pub device: Arc<str>,
}

pub(super) fn mountinfo(bytes: &[u8]) -> impl Iterator<Item = Mount> + '_ {
    lines(bytes).filter_map(|line| {
        let mut words = words(line);
        let number = words.nth(2)?;
        let mount = words.nth(1)?;
        words.find(|word| *word == b"-")?;
        let (fs, device) = (words.next()?, words.next()?);
        Some(Mount {
            number: text(number),
            mount: text(mount),
            fs: text(fs),
            device: text(device),
        })
    })
}

/// Undoes the kernel's `\040` for a space.
fn text(word: &[u8]) -> Arc<str> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, more)) = rest.split_first() {
        let code = more
            .get(..3)
            .filter(|d| *first == b'\\' && d.iter().all(|d| (b'0'..=b'7').contains(d)));
        match code {
            Some(d) => {
                out.push(
                    d.iter()
                        .fold(0u8, |n, d| n.wrapping_mul(8).wrapping_add(d - b'0')),
                );
                rest = &more[3..];
            }
            None => {
                out.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_survived() {
        let noise: &[&[u8]] = &[
            b"",
            b"\n\n",
            b"cpu",
            b"cpu a b c",
            b"cpu0 99999999999999999999999",
            b"\xff\xfe: \xff",
            b"MemTotal:",
            b": :",
        ];
        for bytes in noise {
            let mut stat_into = Stat::default();
            stat(bytes, &mut stat_into);
            meminfo(bytes);
            loadavg(bytes);
            pressure(bytes);
            diskstats(bytes, &mut Known::all(), &mut Vec::new());
            net_dev(bytes, &mut Known::all(), &mut Vec::new());
            assert_eq!(mountinfo(bytes).count(), 0);
        }
        assert_eq!(number(b"99999999999999999999999"), u64::MAX);
        assert_eq!(fraction(b"nan"), 0.0);
    }

    #[test]
    fn mount_points_with_spaces_are_read() {
        let line = b"36 35 98:0 /a /mnt/my\\040disk rw,noatime master:1 - ext4 /dev/sd\\134x rw\n";
        let mounts: Vec<Mount> = mountinfo(line).collect();
        assert_eq!(
            (&*mounts[0].mount, &*mounts[0].fs, &*mounts[0].device),
            ("/mnt/my disk", "ext4", "/dev/sd\\x")
        );
        assert_eq!(&*mounts[0].number, "98:0");
    }

    #[test]
    fn of_very_many_devices_the_first_are_followed() {
        let disks: String = (0..DEVICES + 9)
            .map(|n| format!("8 {n} sd{n} 1 0 2 3 4 0 5 6 0 7 8\n"))
            .collect();
        let mut found = Vec::new();
        diskstats(disks.as_bytes(), &mut Known::all(), &mut found);
        assert_eq!(found.len(), DEVICES);
        assert_eq!((&*found[0].device, found[0].io_ms), ("sd0", 7));
        let cards: String = (0..DEVICES + 9)
            .map(|n| format!("eth{n}: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n"))
            .collect();
        let mut found = Vec::new();
        let text = format!("Inter-|\n face |\n{cards}");
        net_dev(text.as_bytes(), &mut Known::all(), &mut found);
        assert_eq!(found.len(), DEVICES);
        assert_eq!((&*found[0].name, found[0].tx_bytes), ("eth0", 2));
    }
}
