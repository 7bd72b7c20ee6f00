//! Live numbers as people see them: one machine, one row.

use stead_core::sample::{HostSample, Pressure};
use stead_protocol::api;

/// Interfaces whose bytes another interface carries too.
const VIRTUAL: [&str; 8] = [
    "lo", "veth", "br-", "docker", "virbr", "cni", "tap", "lxdbr",
];

pub fn sample(s: &HostSample) -> api::Sample {
    let cpu = s.cpu.unwrap_or_default();
    let disk = |pick: fn(&stead_core::sample::DiskRate) -> u64| {
        s.disks.iter().map(pick).sum::<u64>() as f64
    };
    let wires = || {
        s.networks
            .iter()
            .filter(|n| !VIRTUAL.iter().any(|v| n.name.starts_with(v)))
    };
    api::Sample {
        at: s.at.to_string(),
        cpu_percent: round(cpu.busy()),
        steal_percent: round(cpu.steal),
        iowait_percent: round(cpu.iowait),
        user_percent: round(cpu.user + cpu.nice),
        system_percent: round(cpu.system + cpu.irq + cpu.softirq),
        load1: hundredth(s.load1),
        load5: hundredth(s.load5),
        load15: hundredth(s.load15),
        psi_cpu: s.psi_cpu.map(stalled),
        psi_memory: s.psi_memory.map(stalled),
        psi_io: s.psi_io.map(stalled),
        memory_total: s.memory.total,
        memory_available: s.memory.available,
        memory_used: s.memory.used,
        swap_total: s.memory.swap_total,
        swap_used: s.memory.swap_used,
        swap_cached: s.memory.swap_cached,
        disk_read_bytes: disk(|d| d.read_bytes_s),
        disk_write_bytes: disk(|d| d.write_bytes_s),
        disk_busy_percent: s.disks.iter().map(|d| round(d.busy)).fold(0.0, f64::max),
        net_rx_bytes: wires().map(|n| n.rx_bytes_s).sum::<u64>() as f64,
        net_tx_bytes: wires().map(|n| n.tx_bytes_s).sum::<u64>() as f64,
        processes: u64::from(s.processes),
        filesystems: s.filesystems.iter().map(filesystem).collect(),
    }
}

fn filesystem(f: &stead_core::sample::Filesystem) -> api::Filesystem {
    api::Filesystem {
        mount: f.mount.to_string(),
        fs: f.fs.to_string(),
        total: f.total,
        used: f.used,
        used_percent: round(f.used_percent),
        inodes_percent: f.inodes_percent.map(round),
    }
}

fn stalled(p: Pressure) -> f64 {
    hundredth(p.some)
}

/// One decimal, without the noise of a 32-bit float.
fn round(value: f32) -> f64 {
    (f64::from(value) * 10.0).round() / 10.0
}

fn hundredth(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}
