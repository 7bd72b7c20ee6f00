//! What a machine of the invented fleet measures: busy by day, quiet at night, never quite the same twice.

use std::f64::consts::TAU;
use std::sync::Arc;

use stead_core::container_sample::ContainerSample;
use stead_core::sample::{
    CpuShare, DiskRate, Filesystem, HostSample, Memory, NetworkRate, Pressure, Temperature,
};
use stead_core::time::Time;

use crate::house::{GIB, House, Room};
use crate::places::Disk;

const HOUR: f64 = 3_600_000.0;

/// How busy people are at `at`, from 0 at four in the morning to 1 in the afternoon, less at the weekend.
fn busy(at: Time) -> f64 {
    let hours = at.0 as f64 / HOUR;
    let wave = 0.5 - 0.5 * (TAU * (hours - 3.0) / 24.0).cos();
    let day = (hours / 24.0) as i64 % 7;
    // The first day of 1970 was a Thursday.
    if matches!(day, 2 | 3) {
        wave * 0.7
    } else {
        wave
    }
}

/// How full the hypervisor is of others: in the evening.
fn crowded(at: Time) -> f64 {
    let hour = (at.0 as f64 / HOUR).rem_euclid(24.0);
    (1.0 - ((hour - 19.5) / 3.0).powi(2)).max(0.04)
}

/// One decimal, as an agent tells it.
fn tenth(value: f64) -> f32 {
    ((value.max(0.0) * 10.0).round() / 10.0) as f32
}

impl House {
    /// A share about `mean`, give or take.
    fn about(&mut self, mean: f64) -> f64 {
        let noise = self.chance.below(2_001) as f64 / 1_000.0 - 1.0;
        let rare = self.chance.below(400) == 0;
        mean * (1.0 + 0.22 * noise) * if rare { 2.6 } else { 1.0 }
    }

    /// What an agent reads at `at`. `space`: disks and sensors too, which are read less often.
    pub fn measure(&mut self, at: Time, space: bool) -> (HostSample, Vec<ContainerSample>) {
        let place = self.place;
        let busy = busy(at);
        let containers = self.containers(at, busy);
        let cores = f64::from(place.cores);
        let theirs: f64 = containers.iter().map(|c| c.cpu_percent).sum::<f64>() / cores;
        let own = self.about(place.cpu.0 + place.cpu.1 * busy);
        let work = (theirs + own).min(97.0);
        let written: f64 = containers.iter().map(|c| c.block_write_per_s).sum();
        let steal = self.about(place.steal * crowded(at)).min(60.0);
        let waits = self.about(0.15 + written / 900_000.0).min(12.0);
        let room = (100.0 - steal - waits).max(0.0);
        let work = work.min(room);
        let cpu = CpuShare {
            user: tenth(work * 0.68),
            nice: 0.0,
            system: tenth(work * 0.29),
            idle: tenth(room - work),
            iowait: tenth(waits),
            irq: 0.0,
            softirq: tenth(work * 0.03),
            steal: tenth(steal),
        };
        let load = self.about(work * cores / 100.0 * 1.1 + waits / 40.0);
        let stalled = |share: f64| Pressure {
            some: tenth(share),
            full: tenth(share * 0.3),
        };
        let rx: f64 = containers.iter().filter_map(|c| c.net_rx_per_s).sum();
        let tx: f64 = containers.iter().filter_map(|c| c.net_tx_per_s).sum();
        let reads: f64 = containers.iter().map(|c| c.block_read_per_s).sum();
        let each = (0..place.cores).map(|_| tenth(self.about(work).min(100.0)));
        let each = each.collect();
        let memory = self.holds(at);
        let host = HostSample {
            at,
            cpu: Some(cpu),
            cores: each,
            load1: tenth(load),
            load5: tenth(work * cores / 100.0),
            load15: tenth(work * cores / 100.0),
            psi_cpu: Some(stalled(work / 30.0 + steal / 4.0)),
            psi_memory: Some(stalled(self.swapped / GIB * 0.2)),
            psi_io: Some(stalled(waits * 0.6)),
            memory,
            disks: vec![DiskRate {
                device: place.device.into(),
                read_bytes_s: reads as u64,
                write_bytes_s: (written * 1.15) as u64,
                read_ops_s: tenth(reads / 24_000.0),
                write_ops_s: tenth(written / 9_000.0),
                latency_ms: tenth(0.4 + waits),
                busy: tenth((waits * 2.0).min(100.0)),
            }],
            networks: vec![NetworkRate {
                name: place.interface.into(),
                rx_bytes_s: (rx + 3_000.0) as u64,
                tx_bytes_s: (tx + 2_000.0) as u64,
                errors: 0,
            }],
            filesystems: if space {
                self.filesystems()
            } else {
                Vec::new()
            },
            temperatures: if space {
                self.temperatures(work)
            } else {
                Vec::new()
            },
            processes: 140 + place.cores * 9 + (busy * 40.0) as u32,
            running: 1 + (work / 25.0) as u32,
            blocked: u32::from(waits > 3.0),
            uptime: at.since(self.booted_at).0 / 1_000,
            oom_kills: Some(self.kills),
        };
        (host, containers)
    }

    fn holds(&self, at: Time) -> Memory {
        let (total, swap) = (self.place.memory.0 << 30, self.place.memory.1 << 30);
        let used = (self.memory(at) as u64).min(total - total / 50);
        let cached = (total - used) / 10 * 7;
        Memory {
            total,
            available: total - used,
            used,
            buffers: total / 64,
            cached,
            swap_total: swap,
            swap_used: self.swapped as u64,
            swap_cached: (self.swapped * 0.14) as u64,
        }
    }

    fn filesystems(&self) -> Vec<Filesystem> {
        let disks = self.place.disks.iter().zip(&self.used);
        let one = |((mount, fs, device, gib, ..), used): (&Disk, &f64)| {
            let total = gib << 30;
            let used = *used as u64;
            Filesystem {
                mount: Arc::from(*mount),
                fs: Arc::from(*fs),
                device: Arc::from(*device),
                total,
                used,
                available: total.saturating_sub(used),
                used_percent: tenth(used as f64 * 100.0 / total as f64),
                inodes_percent: (*fs == "ext4").then_some(tenth(used as f64 * 21.0 / total as f64)),
            }
        };
        disks.map(one).collect()
    }

    fn temperatures(&self, work: f64) -> Vec<Temperature> {
        if self.place.warm == 0.0 {
            return Vec::new();
        }
        let name = match self.place.arch {
            "aarch64" => "cpu_thermal",
            _ => "coretemp Package id 0",
        };
        vec![Temperature {
            name: name.into(),
            celsius: tenth(f64::from(self.place.warm) + work * 0.35),
        }]
    }

    fn containers(&mut self, at: Time, busy: f64) -> Vec<ContainerSample> {
        let asked: Vec<_> = self
            .rooms
            .iter()
            .map(|(name, room)| (name.clone(), wants(room, at, busy)))
            .collect();
        let sample = |(name, wants): (_, Wants)| ContainerSample {
            name,
            cpu_percent: f64::from(tenth(self.about(wants.cpu))),
            memory_bytes: wants.memory as u64,
            memory_limit: wants.limit,
            net_rx_per_s: Some(self.about(wants.network * 0.35).round()),
            net_tx_per_s: Some(self.about(wants.network).round()),
            block_read_per_s: self.about(wants.writes * 0.1).round(),
            block_write_per_s: self.about(wants.writes).round(),
        };
        asked.into_iter().map(sample).collect()
    }
}

/// What a container uses on average at some moment.
struct Wants {
    cpu: f64,
    memory: f64,
    limit: u64,
    network: f64,
    writes: f64,
}

fn wants(room: &Room, at: Time, busy: f64) -> Wants {
    let tenant = room.tenant;
    // What is ill waits, or turns round and round.
    let share = if room.is_ill() { 0.3 } else { busy };
    Wants {
        cpu: tenant.cpu.0 + tenant.cpu.1 * share,
        memory: room.memory(at) * (1.0 + 0.05 * share),
        limit: tenant.limit << 20,
        network: tenant.network * (0.05 + share),
        writes: if room.rate > tenant.writes {
            room.rate
        } else {
            tenant.writes * (0.25 + share)
        },
    }
}
