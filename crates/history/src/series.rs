//! From a sample to series. Pure: which number has which name, in base units, as Prometheus would call it. Server and agent
//! name by it alike, so that what the one keeps goes on where what the other keeps ends.
//!
//! Names are a contract with whoever asks the history by them (docs/metrics.md lists them): they are only ever added to.
//! Numbers of single cores are not here; they are live only.

use stead_core::container_sample::ContainerSample;
use stead_core::sample::{
    CpuShare, DiskRate, Filesystem, HostSample, NetworkRate, Pressure, Temperature,
};
use stead_ports::history::Labels;

/// How the readings of a step become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    Mean,
    /// Of what is counted: the last one.
    Last,
}

/// One number of a sample. Labels are given without the node, which all of them have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number<'a> {
    pub metric: &'static str,
    pub labels: [(&'static str, &'a str); 2],
    pub value: f64,
    pub folding: Folding,
}

impl Number<'_> {
    /// The series it is of, with what else it is told apart by.
    pub fn series(&self, node: Option<&str>) -> Labels {
        let own = self.labels.iter().filter(|(name, _)| !name.is_empty());
        let node = node.map(|node| (NODE, node));
        Labels::new(self.metric, own.copied().chain(node))
    }
}

/// What is read less often than each second: it stays as it was until it is read again.
#[derive(Debug, Default)]
pub struct Slow {
    filesystems: Vec<Filesystem>,
    temperatures: Vec<Temperature>,
}

impl Slow {
    /// Puts back what a sample left out, or remembers what it brought.
    pub fn fill(&mut self, host: &mut HostSample) {
        keep(&mut host.filesystems, &mut self.filesystems);
        keep(&mut host.temperatures, &mut self.temperatures);
    }
}

fn keep<T: Clone>(now: &mut Vec<T>, kept: &mut Vec<T>) {
    if now.is_empty() {
        now.clone_from(kept);
    } else {
        kept.clone_from(now);
    }
}

/// No label.
const NONE: (&str, &str) = ("", "");

/// A label of a container's series, and of nothing else.
pub const CONTAINER: &str = "container";
pub const NODE: &str = "node";

pub const CPU: &str = "stead_node_cpu_percent";
pub const MEMORY_AVAILABLE: &str = "stead_node_memory_available_bytes";
pub const SWAP_USED: &str = "stead_node_swap_used_bytes";
pub const DISK_WRITE: &str = "stead_node_disk_write_bytes_per_second";
pub const DISK_USED: &str = "stead_node_filesystem_used_percent";
pub const CONTAINER_MEMORY: &str = "stead_container_memory_bytes";
pub const BLOCK_WRITE: &str = "stead_container_block_write_bytes_per_second";
pub const UNHEALTHY: &str = "stead_node_unhealthy_services";

/// The unit a metric's name ends in.
pub fn unit(metric: &str) -> &'static str {
    const UNITS: [(&str, &str); 6] = [
        ("_percent", "percent"),
        ("_bytes_per_second", "bytes_per_second"),
        ("_per_second", "per_second"),
        ("_bytes", "bytes"),
        ("_celsius", "celsius"),
        ("_seconds", "seconds"),
    ];
    let found = UNITS.iter().find(|(end, _)| metric.ends_with(end));
    found.map_or("number", |(_, unit)| unit)
}

/// As exact as it was measured: what a mean adds beyond that is noise that costs space.
pub fn rounded(metric: &str, value: f64) -> f64 {
    let parts = match unit(metric) {
        "bytes" | "bytes_per_second" => 1.0,
        "percent" | "celsius" => 100.0,
        "seconds" => 100_000.0,
        _ => 1_000.0,
    };
    (value * parts).round() / parts
}

/// Hands every number of `host` to `to`. Rates of the first reading are not there yet, and neither are theirs.
pub fn host<'a>(host: &'a HostSample, to: &mut impl FnMut(Number<'a>)) {
    let mut plain = |metric, value| to(number(metric, [NONE; 2], value));
    for (metric, value) in [
        ("stead_node_load1", f64::from(host.load1)),
        ("stead_node_load5", f64::from(host.load5)),
        ("stead_node_load15", f64::from(host.load15)),
        ("stead_node_processes", f64::from(host.processes)),
        ("stead_node_threads_running", f64::from(host.running)),
        ("stead_node_threads_blocked", f64::from(host.blocked)),
    ] {
        plain(metric, value);
    }
    let m = &host.memory;
    for (metric, bytes) in [
        ("stead_node_memory_total_bytes", m.total),
        (MEMORY_AVAILABLE, m.available),
        ("stead_node_memory_used_bytes", m.used),
        ("stead_node_memory_buffers_bytes", m.buffers),
        ("stead_node_memory_cached_bytes", m.cached),
        ("stead_node_swap_total_bytes", m.swap_total),
        (SWAP_USED, m.swap_used),
        ("stead_node_swap_cached_bytes", m.swap_cached),
    ] {
        plain(metric, bytes as f64);
    }
    to(counted("stead_node_uptime_seconds", host.uptime));
    if let Some(kills) = host.oom_kills {
        to(counted("stead_node_oom_kills", kills));
    }
    if let Some(cpu) = &host.cpu {
        modes(cpu, to);
    }
    for (resource, pressure) in [
        ("cpu", host.psi_cpu),
        ("memory", host.psi_memory),
        ("io", host.psi_io),
    ] {
        if let Some(pressure) = pressure {
            stalled(resource, pressure, to);
        }
    }
    host.disks.iter().for_each(|d| disk(d, to));
    host.networks.iter().for_each(|n| network(n, to));
    host.filesystems.iter().for_each(|f| filesystem(f, to));
    for t in &host.temperatures {
        let labels = [("sensor", &*t.name), NONE];
        let celsius = f64::from(t.celsius);
        to(number("stead_node_temperature_celsius", labels, celsius));
    }
}

/// Hands every number of `c` to `to`.
pub fn container<'a>(c: &'a ContainerSample, to: &mut impl FnMut(Number<'a>)) {
    let labels = [(CONTAINER, c.name.as_str()), NONE];
    let numbers = [
        ("stead_container_cpu_percent", Some(c.cpu_percent)),
        (CONTAINER_MEMORY, Some(c.memory_bytes as f64)),
        (
            "stead_container_memory_limit_bytes",
            (c.memory_limit > 0).then_some(c.memory_limit as f64),
        ),
        (
            "stead_container_network_receive_bytes_per_second",
            c.net_rx_per_s,
        ),
        (
            "stead_container_network_transmit_bytes_per_second",
            c.net_tx_per_s,
        ),
        (
            "stead_container_block_read_bytes_per_second",
            Some(c.block_read_per_s),
        ),
        (BLOCK_WRITE, Some(c.block_write_per_s)),
    ];
    for (metric, value) in numbers {
        if let Some(value) = value {
            to(number(metric, labels, value));
        }
    }
}

fn number<'a>(
    metric: &'static str,
    labels: [(&'static str, &'a str); 2],
    value: f64,
) -> Number<'a> {
    Number {
        metric,
        labels,
        value,
        folding: Folding::Mean,
    }
}

fn counted(metric: &'static str, value: u64) -> Number<'static> {
    Number {
        folding: Folding::Last,
        ..number(metric, [NONE; 2], value as f64)
    }
}

fn modes<'a>(cpu: &CpuShare, to: &mut impl FnMut(Number<'a>)) {
    for (mode, share) in [
        ("user", cpu.user),
        ("nice", cpu.nice),
        ("system", cpu.system),
        ("idle", cpu.idle),
        ("iowait", cpu.iowait),
        ("irq", cpu.irq),
        ("softirq", cpu.softirq),
        ("steal", cpu.steal),
    ] {
        to(number(CPU, [("mode", mode), NONE], f64::from(share)));
    }
}

fn stalled<'a>(resource: &'static str, pressure: Pressure, to: &mut impl FnMut(Number<'a>)) {
    for (share, value) in [("some", pressure.some), ("full", pressure.full)] {
        let labels = [("resource", resource), ("share", share)];
        to(number(
            "stead_node_pressure_percent",
            labels,
            f64::from(value),
        ));
    }
}

fn disk<'a>(d: &'a DiskRate, to: &mut impl FnMut(Number<'a>)) {
    let labels = [("device", &*d.device), NONE];
    for (metric, value) in [
        (
            "stead_node_disk_read_bytes_per_second",
            d.read_bytes_s as f64,
        ),
        (DISK_WRITE, d.write_bytes_s as f64),
        ("stead_node_disk_reads_per_second", f64::from(d.read_ops_s)),
        (
            "stead_node_disk_writes_per_second",
            f64::from(d.write_ops_s),
        ),
        (
            "stead_node_disk_latency_seconds",
            f64::from(d.latency_ms) / 1000.0,
        ),
        ("stead_node_disk_busy_percent", f64::from(d.busy)),
    ] {
        to(number(metric, labels, value));
    }
}

fn network<'a>(n: &'a NetworkRate, to: &mut impl FnMut(Number<'a>)) {
    let labels = [("interface", &*n.name), NONE];
    for (metric, value) in [
        ("stead_node_network_receive_bytes_per_second", n.rx_bytes_s),
        ("stead_node_network_transmit_bytes_per_second", n.tx_bytes_s),
        ("stead_node_network_errors_per_second", n.errors),
    ] {
        to(number(metric, labels, value as f64));
    }
}

fn filesystem<'a>(f: &'a Filesystem, to: &mut impl FnMut(Number<'a>)) {
    let labels = [("mount", &*f.mount), NONE];
    let numbers = [
        ("stead_node_filesystem_size_bytes", Some(f.total as f64)),
        ("stead_node_filesystem_used_bytes", Some(f.used as f64)),
        (DISK_USED, Some(f64::from(f.used_percent))),
        (
            "stead_node_filesystem_inodes_percent",
            f.inodes_percent.map(f64::from),
        ),
    ];
    for (metric, value) in numbers {
        if let Some(value) = value {
            to(number(metric, labels, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stead_core::sample::Memory;

    use super::*;

    fn busy() -> HostSample {
        HostSample {
            cpu: Some(CpuShare {
                steal: 6.2,
                idle: 93.8,
                ..CpuShare::default()
            }),
            psi_io: Some(Pressure {
                some: 1.5,
                full: 0.5,
            }),
            memory: Memory {
                total: 8 << 30,
                available: 3 << 30,
                ..Memory::default()
            },
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
                inodes_percent: None,
            }],
            temperatures: vec![Temperature {
                name: "core".into(),
                celsius: 41.0,
            }],
            oom_kills: Some(2),
            ..HostSample::default()
        }
    }

    fn told(sample: &HostSample) -> Vec<(String, f64)> {
        let mut all = Vec::new();
        host(sample, &mut |n| {
            let labels: Vec<String> = n
                .labels
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            all.push((format!("{}[{}]", n.metric, labels.join(",")), n.value));
        });
        all
    }

    #[test]
    fn numbers_are_in_base_units_and_carry_what_they_are_of() {
        let told = told(&busy());
        let value = |name: &str| {
            let found = told.iter().find(|(n, _)| n == name);
            found.unwrap_or_else(|| panic!("{name} in {told:?}")).1
        };
        assert!((value("stead_node_cpu_percent[mode=steal]") - 6.2).abs() < 1e-6);
        assert_eq!(
            value("stead_node_memory_available_bytes[]"),
            3.0 * 1024.0 * 1024.0 * 1024.0
        );
        assert!((value("stead_node_disk_latency_seconds[device=vda]") - 0.0025).abs() < 1e-9);
        assert_eq!(
            value("stead_node_filesystem_used_percent[mount=/srv]"),
            60.0
        );
        assert_eq!(
            value("stead_node_pressure_percent[resource=io,share=full]"),
            0.5
        );
        assert_eq!(
            value("stead_node_network_transmit_bytes_per_second[interface=eth0]"),
            8.0
        );
        assert_eq!(value("stead_node_temperature_celsius[sensor=core]"), 41.0);
        assert_eq!(value("stead_node_oom_kills[]"), 2.0);
        let names: BTreeSet<&String> = told.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), told.len(), "no series twice");
    }

    #[test]
    fn what_was_not_measured_has_no_series() {
        let told = told(&HostSample::default());
        let absent = ["cpu_percent", "pressure", "oom", "filesystem", "disk"];
        for what in absent {
            assert!(!told.iter().any(|(n, _)| n.contains(what)), "{what}");
        }
    }

    #[test]
    fn a_container_without_limit_and_network_has_no_series_for_them() {
        let sample = ContainerSample {
            name: "web".parse().unwrap(),
            cpu_percent: 12.5,
            memory_bytes: 1 << 20,
            memory_limit: 0,
            net_rx_per_s: None,
            net_tx_per_s: None,
            block_read_per_s: 0.0,
            block_write_per_s: 4096.0,
        };
        let mut names = Vec::new();
        container(&sample, &mut |n| {
            assert_eq!(n.labels[0], ("container", "web"));
            names.push(n.metric);
        });
        assert_eq!(
            names,
            [
                "stead_container_cpu_percent",
                "stead_container_memory_bytes",
                "stead_container_block_read_bytes_per_second",
                "stead_container_block_write_bytes_per_second"
            ]
        );
    }

    #[test]
    fn units_are_read_from_names() {
        assert_eq!(unit(DISK_WRITE), "bytes_per_second");
        assert_eq!(unit("stead_node_disk_reads_per_second"), "per_second");
        assert_eq!(unit(MEMORY_AVAILABLE), "bytes");
        assert_eq!(unit("stead_node_load1"), "number");
        assert_eq!(rounded(CPU, 1.234_567), 1.23);
        assert_eq!(rounded(SWAP_USED, 10.4), 10.0);
    }
}
