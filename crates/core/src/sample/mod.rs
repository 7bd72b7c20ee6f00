//! What a machine measures every second. Beside the log, never in it: a [`HostSample`] is lost without harm.
//!
//! The types are what travels; [`rates`] turns two raw readings into one of them. Every number is finite and none is
//! negative, whatever the kernel counted: a counter that went backwards, wrapped at 32 bits or did not move for a
//! reading of no length never reaches a page as `NaN` or as a billion bytes a second.

pub mod rates;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// One reading of a machine. Percent are 0–100 with one decimal; rates are per second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSample {
    pub at: Time,
    /// Of the whole machine; absent until there are two readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuShare>,
    /// Busy percent of each core, in the kernel's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<f32>,
    pub load1: f32,
    pub load5: f32,
    pub load15: f32,
    /// Pressure stall information; absent where the kernel does not keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi_cpu: Option<Pressure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi_memory: Option<Pressure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi_io: Option<Pressure>,
    pub memory: Memory,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskRate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkRate>,
    /// Read every 10 s; empty in the samples between.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filesystems: Vec<Filesystem>,
    /// Read every 10 s; empty in the samples between, and where the machine has no sensors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub temperatures: Vec<Temperature>,
    /// Counted every 10 s, repeated in the samples between.
    pub processes: u32,
    /// Threads on a CPU or waiting for one.
    pub running: u32,
    /// Threads that wait for a device.
    pub blocked: u32,
    /// Seconds.
    pub uptime: u64,
    /// OOM kills since boot, as the kernel counts them; absent before Linux 4.13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
}

/// Where the time of all cores went, in percent; the modes add up to 100.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuShare {
    pub user: f32,
    pub nice: f32,
    pub system: f32,
    pub idle: f32,
    pub iowait: f32,
    pub irq: f32,
    pub softirq: f32,
    /// Taken by the hypervisor for others.
    pub steal: f32,
}

impl CpuShare {
    /// Percent in which this machine worked: neither idle, nor waiting for a disk, nor robbed.
    pub fn busy(&self) -> f32 {
        rates::tenth(self.user + self.nice + self.system + self.irq + self.softirq)
    }
}

/// Percent of the last ten seconds in which some, or all, tasks stalled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    pub some: f32,
    pub full: f32,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub total: u64,
    /// What programs could still get without swapping, by the kernel's own estimate.
    pub available: u64,
    /// `total - available`.
    pub used: u64,
    pub buffers: u64,
    pub cached: u64,
    pub swap_total: u64,
    pub swap_used: u64,
    /// Pages that were swapped out and are back, yet still held in swap: the machine has been short before.
    pub swap_cached: u64,
}

/// One whole disk; partitions and what is stacked on disks are left out, they would count twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskRate {
    pub device: Arc<str>,
    pub read_bytes_s: u64,
    pub write_bytes_s: u64,
    pub read_ops_s: f32,
    pub write_ops_s: f32,
    /// Mean time of the requests that ended in the interval, queueing included; 0 when none did.
    pub latency_ms: f32,
    /// Percent of the interval with at least one request in flight.
    pub busy: f32,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRate {
    pub name: Arc<str>,
    pub rx_bytes_s: u64,
    pub tx_bytes_s: u64,
    /// Errors and drops of both directions in the interval.
    #[serde(default)]
    pub errors: u64,
}

/// One mounted filesystem. Bytes; percent as `df` shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filesystem {
    pub mount: Arc<str>,
    pub fs: Arc<str>,
    pub device: Arc<str>,
    pub total: u64,
    pub used: u64,
    /// For programs that are not root.
    pub available: u64,
    pub used_percent: f32,
    /// Absent where the filesystem makes inodes as it needs them (btrfs, zfs, vfat).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inodes_percent: Option<f32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// `coretemp Package id 0`
    pub name: Arc<str>,
    pub celsius: f32,
}

/// A process the kernel killed because memory ran out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    pub at: Time,
    /// How many kills this stands for: 1 where the kernel's log could be read, else the growth of its counter.
    pub count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Full ID of the container it ran in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether a limit of its own cgroup was hit, not the machine's memory.
    #[serde(default)]
    pub limit: bool,
}
