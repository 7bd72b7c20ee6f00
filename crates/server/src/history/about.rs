//! What each metric is that the server records, for those who ask by name. Pure; docs/metrics.md says the same at length.

use super::series;

/// A metric, and what it measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
}

impl Metric {
    /// As Prometheus calls kinds.
    pub fn kind(&self) -> &'static str {
        if self.name == "stead_node_oom_kills" {
            "counter"
        } else {
            "gauge"
        }
    }

    /// Empty for plain numbers.
    pub fn unit(&self) -> &'static str {
        match series::unit(self.name) {
            "number" => "",
            unit => unit,
        }
    }
}

const fn metric(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help }
}

/// All of them.
pub const METRICS: &[Metric] = &[
    metric(
        series::CPU,
        "Share of the whole machine by mode; modes add up to 100",
    ),
    metric("stead_node_load1", "Load average of a minute"),
    metric("stead_node_load5", "Load average of five minutes"),
    metric("stead_node_load15", "Load average of a quarter of an hour"),
    metric(
        "stead_node_pressure_percent",
        "Time in which tasks stalled for a resource (PSI)",
    ),
    metric("stead_node_memory_total_bytes", "Memory there is"),
    metric(
        series::MEMORY_AVAILABLE,
        "Memory that programs can still have without swapping",
    ),
    metric("stead_node_memory_used_bytes", "Total less available"),
    metric("stead_node_memory_buffers_bytes", "Memory in buffers"),
    metric("stead_node_memory_cached_bytes", "Memory in the page cache"),
    metric("stead_node_swap_total_bytes", "Swap there is"),
    metric(series::SWAP_USED, "Swap in use"),
    metric(
        "stead_node_swap_cached_bytes",
        "Swap that is in memory as well (SwapCached)",
    ),
    metric(
        "stead_node_disk_read_bytes_per_second",
        "Read from a whole disk",
    ),
    metric(series::DISK_WRITE, "Written to a whole disk"),
    metric(
        "stead_node_disk_reads_per_second",
        "Requests that read from a disk",
    ),
    metric(
        "stead_node_disk_writes_per_second",
        "Requests that wrote to a disk",
    ),
    metric(
        "stead_node_disk_latency_seconds",
        "Mean time of a disk's request",
    ),
    metric(
        "stead_node_disk_busy_percent",
        "Time in which a disk had a request in flight",
    ),
    metric(
        "stead_node_network_receive_bytes_per_second",
        "Received by an interface",
    ),
    metric(
        "stead_node_network_transmit_bytes_per_second",
        "Sent by an interface",
    ),
    metric(
        "stead_node_network_errors_per_second",
        "Errors and drops of an interface",
    ),
    metric("stead_node_filesystem_size_bytes", "Size of a file system"),
    metric(
        "stead_node_filesystem_used_bytes",
        "Used of a file system, as df shows it",
    ),
    metric(
        series::DISK_USED,
        "Used of what users can have of a file system, as df shows it",
    ),
    metric(
        "stead_node_filesystem_inodes_percent",
        "Inodes used of a file system",
    ),
    metric("stead_node_temperature_celsius", "What a sensor reads"),
    metric("stead_node_processes", "Processes there are"),
    metric("stead_node_threads_running", "Threads that run or could"),
    metric("stead_node_threads_blocked", "Threads that wait for a disk"),
    metric("stead_node_uptime_seconds", "Since the machine booted"),
    metric(
        "stead_node_oom_kills",
        "Processes that the kernel killed for want of memory, since boot",
    ),
    metric(
        series::UNHEALTHY,
        "Services that are unhealthy or missing, while the evidence is fresh",
    ),
    metric(
        "stead_container_cpu_percent",
        "Share of one core that a container takes",
    ),
    metric("stead_container_memory_bytes", "Memory a container takes"),
    metric(
        "stead_container_memory_limit_bytes",
        "Memory a container may take",
    ),
    metric(
        "stead_container_network_receive_bytes_per_second",
        "Received by a container",
    ),
    metric(
        "stead_container_network_transmit_bytes_per_second",
        "Sent by a container",
    ),
    metric(
        "stead_container_block_read_bytes_per_second",
        "Read from disks by a container",
    ),
    metric(
        "stead_container_block_write_bytes_per_second",
        "Written to disks by a container",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stead_core::container_sample::ContainerSample;
    use stead_core::sample::{
        CpuShare, DiskRate, Filesystem, HostSample, NetworkRate, Pressure, Temperature,
    };

    use super::*;

    fn busy() -> HostSample {
        HostSample {
            cpu: Some(CpuShare::default()),
            psi_io: Some(Pressure {
                some: 1.5,
                full: 0.5,
            }),
            disks: vec![DiskRate {
                device: "vda".into(),
                read_bytes_s: 1,
                write_bytes_s: 4096,
                read_ops_s: 0.0,
                write_ops_s: 1.0,
                latency_ms: 2.5,
                busy: 10.0,
            }],
            networks: vec![NetworkRate {
                name: "eth0".into(),
                rx_bytes_s: 7,
                tx_bytes_s: 8,
                errors: 0,
            }],
            filesystems: vec![Filesystem {
                mount: "/srv".into(),
                fs: "btrfs".into(),
                device: "vda".into(),
                total: 100,
                used: 60,
                available: 40,
                used_percent: 60.0,
                inodes_percent: Some(1.0),
            }],
            temperatures: vec![Temperature {
                name: "core".into(),
                celsius: 41.0,
            }],
            oom_kills: Some(2),
            ..HostSample::default()
        }
    }

    #[test]
    fn what_every_metric_means_is_said() {
        let container = ContainerSample {
            name: "web".parse().unwrap(),
            cpu_percent: 1.0,
            memory_bytes: 1,
            memory_limit: 1,
            net_rx_per_s: Some(1.0),
            net_tx_per_s: Some(1.0),
            block_read_per_s: 1.0,
            block_write_per_s: 1.0,
        };
        let mut used = BTreeSet::from([series::UNHEALTHY]);
        series::host(&busy(), &mut |n| used.extend([n.metric]));
        series::container(&container, &mut |n| used.extend([n.metric]));
        let told: BTreeSet<&str> = METRICS.iter().map(|m| m.name).collect();
        assert_eq!(told, used);
        assert_eq!(told.len(), METRICS.len(), "each once");
        assert!(METRICS.iter().all(|m| m.help.len() > 7));
    }
}
