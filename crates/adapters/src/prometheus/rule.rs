//! Which expression over node-exporter's and cAdvisor's metrics is which metric of Stead. Pure.
//!
//! In an expression `$m` stands for matchers, `$w` for a window and `$by` for the labels that are kept. Units are those of
//! docs/metrics.md. What the exporters do not have by default (the number of processes) has no rule.

/// How a metric of Stead is had.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// As Stead calls it.
    pub metric: &'static str,
    /// Labels: as they are there, and as Stead calls them.
    pub labels: &'static [(&'static str, &'static str)],
    /// Labels that all its series have.
    pub fixed: &'static [(&'static str, &'static str)],
    pub how: How,
}

#[derive(Debug, Clone, Copy)]
pub enum How {
    /// A metric that goes up and down: what was lowest and highest is asked for too.
    Gauge(&'static str),
    /// Anything else. Has the mean alone.
    Formula(&'static str),
}

const fn gauge(metric: &'static str, there: &'static str) -> Rule {
    Rule {
        metric,
        labels: &[],
        fixed: &[],
        how: How::Gauge(there),
    }
}

const fn formula(
    metric: &'static str,
    labels: &'static [(&'static str, &'static str)],
    there: &'static str,
) -> Rule {
    Rule {
        metric,
        labels,
        fixed: &[],
        how: How::Formula(there),
    }
}

const fn stalled(fixed: &'static [(&'static str, &'static str)], there: &'static str) -> Rule {
    Rule {
        metric: "stead_node_pressure_percent",
        labels: &[],
        fixed,
        how: How::Formula(there),
    }
}

const DEVICE: &[(&str, &str)] = &[("device", "device")];
const INTERFACE: &[(&str, &str)] = &[("device", "interface")];
const MOUNT: &[(&str, &str)] = &[("mountpoint", "mount")];
const CONTAINER: &[(&str, &str)] = &[("name", "container")];

/// All of them.
pub const RULES: &[Rule] = &[
    formula(
        "stead_node_cpu_percent",
        &[("mode", "mode")],
        "100 * sum by ($by) (rate(node_cpu_seconds_total{$m}[$w])) \
         / on ($n) group_left sum by ($n) (rate(node_cpu_seconds_total{$m}[$w]))",
    ),
    gauge("stead_node_load1", "node_load1{$m}"),
    gauge("stead_node_load5", "node_load5{$m}"),
    gauge("stead_node_load15", "node_load15{$m}"),
    stalled(
        &[("resource", "cpu"), ("share", "some")],
        "100 * max by ($by) (rate(node_pressure_cpu_waiting_seconds_total{$m}[$w]))",
    ),
    stalled(
        &[("resource", "memory"), ("share", "some")],
        "100 * max by ($by) (rate(node_pressure_memory_waiting_seconds_total{$m}[$w]))",
    ),
    stalled(
        &[("resource", "memory"), ("share", "full")],
        "100 * max by ($by) (rate(node_pressure_memory_stalled_seconds_total{$m}[$w]))",
    ),
    stalled(
        &[("resource", "io"), ("share", "some")],
        "100 * max by ($by) (rate(node_pressure_io_waiting_seconds_total{$m}[$w]))",
    ),
    stalled(
        &[("resource", "io"), ("share", "full")],
        "100 * max by ($by) (rate(node_pressure_io_stalled_seconds_total{$m}[$w]))",
    ),
    gauge(
        "stead_node_memory_total_bytes",
        "node_memory_MemTotal_bytes{$m}",
    ),
    gauge(
        "stead_node_memory_available_bytes",
        "node_memory_MemAvailable_bytes{$m}",
    ),
    formula(
        "stead_node_memory_used_bytes",
        &[],
        "max by ($by) (avg_over_time(node_memory_MemTotal_bytes{$m}[$w])) \
         - max by ($by) (avg_over_time(node_memory_MemAvailable_bytes{$m}[$w]))",
    ),
    gauge(
        "stead_node_memory_buffers_bytes",
        "node_memory_Buffers_bytes{$m}",
    ),
    gauge(
        "stead_node_memory_cached_bytes",
        "node_memory_Cached_bytes{$m}",
    ),
    gauge(
        "stead_node_swap_total_bytes",
        "node_memory_SwapTotal_bytes{$m}",
    ),
    formula(
        "stead_node_swap_used_bytes",
        &[],
        "max by ($by) (avg_over_time(node_memory_SwapTotal_bytes{$m}[$w])) \
         - max by ($by) (avg_over_time(node_memory_SwapFree_bytes{$m}[$w]))",
    ),
    gauge(
        "stead_node_swap_cached_bytes",
        "node_memory_SwapCached_bytes{$m}",
    ),
    formula(
        "stead_node_disk_read_bytes_per_second",
        DEVICE,
        "max by ($by) (rate(node_disk_read_bytes_total{$m}[$w]))",
    ),
    formula(
        "stead_node_disk_write_bytes_per_second",
        DEVICE,
        "max by ($by) (rate(node_disk_written_bytes_total{$m}[$w]))",
    ),
    formula(
        "stead_node_disk_reads_per_second",
        DEVICE,
        "max by ($by) (rate(node_disk_reads_completed_total{$m}[$w]))",
    ),
    formula(
        "stead_node_disk_writes_per_second",
        DEVICE,
        "max by ($by) (rate(node_disk_writes_completed_total{$m}[$w]))",
    ),
    formula(
        "stead_node_disk_latency_seconds",
        DEVICE,
        "(max by ($by) (rate(node_disk_read_time_seconds_total{$m}[$w])) \
         + max by ($by) (rate(node_disk_write_time_seconds_total{$m}[$w]))) \
         / ((max by ($by) (rate(node_disk_reads_completed_total{$m}[$w])) \
         + max by ($by) (rate(node_disk_writes_completed_total{$m}[$w]))) > 0)",
    ),
    formula(
        "stead_node_disk_busy_percent",
        DEVICE,
        "100 * max by ($by) (rate(node_disk_io_time_seconds_total{$m}[$w]))",
    ),
    formula(
        "stead_node_network_receive_bytes_per_second",
        INTERFACE,
        "max by ($by) (rate(node_network_receive_bytes_total{device!=\"lo\",$m}[$w]))",
    ),
    formula(
        "stead_node_network_transmit_bytes_per_second",
        INTERFACE,
        "max by ($by) (rate(node_network_transmit_bytes_total{device!=\"lo\",$m}[$w]))",
    ),
    formula(
        "stead_node_network_errors_per_second",
        INTERFACE,
        "max by ($by) (rate(node_network_receive_errs_total{device!=\"lo\",$m}[$w])) \
         + max by ($by) (rate(node_network_transmit_errs_total{device!=\"lo\",$m}[$w])) \
         + max by ($by) (rate(node_network_receive_drop_total{device!=\"lo\",$m}[$w])) \
         + max by ($by) (rate(node_network_transmit_drop_total{device!=\"lo\",$m}[$w]))",
    ),
    formula(
        "stead_node_filesystem_size_bytes",
        MOUNT,
        "max by ($by) (avg_over_time(node_filesystem_size_bytes{$fs,$m}[$w]))",
    ),
    formula(
        "stead_node_filesystem_used_bytes",
        MOUNT,
        "max by ($by) (avg_over_time(node_filesystem_size_bytes{$fs,$m}[$w]) \
         - avg_over_time(node_filesystem_free_bytes{$fs,$m}[$w]))",
    ),
    formula(
        "stead_node_filesystem_used_percent",
        MOUNT,
        "100 * max by ($by) ((avg_over_time(node_filesystem_size_bytes{$fs,$m}[$w]) \
         - avg_over_time(node_filesystem_free_bytes{$fs,$m}[$w])) \
         / (avg_over_time(node_filesystem_size_bytes{$fs,$m}[$w]) \
         - avg_over_time(node_filesystem_free_bytes{$fs,$m}[$w]) \
         + avg_over_time(node_filesystem_avail_bytes{$fs,$m}[$w])))",
    ),
    formula(
        "stead_node_filesystem_inodes_percent",
        MOUNT,
        "100 * max by ($by) (1 - avg_over_time(node_filesystem_files_free{$fs,$m}[$w]) \
         / (avg_over_time(node_filesystem_files{$fs,$m}[$w]) > 0))",
    ),
    formula(
        "stead_node_temperature_celsius",
        &[("chip", "sensor")],
        "max by ($by) (avg_over_time(node_hwmon_temp_celsius{$m}[$w]))",
    ),
    gauge("stead_node_threads_running", "node_procs_running{$m}"),
    gauge("stead_node_threads_blocked", "node_procs_blocked{$m}"),
    formula(
        "stead_node_uptime_seconds",
        &[],
        "max by ($by) (node_time_seconds{$m}) - max by ($by) (node_boot_time_seconds{$m})",
    ),
    formula(
        "stead_node_oom_kills",
        &[],
        "max by ($by) (node_vmstat_oom_kill{$m})",
    ),
    formula(
        "stead_container_cpu_percent",
        CONTAINER,
        "100 * sum by ($by) (rate(container_cpu_usage_seconds_total{name!=\"\",$m}[$w]))",
    ),
    formula(
        "stead_container_memory_bytes",
        CONTAINER,
        "max by ($by) (avg_over_time(container_memory_working_set_bytes{name!=\"\",$m}[$w]))",
    ),
    formula(
        "stead_container_memory_limit_bytes",
        CONTAINER,
        "max by ($by) (container_spec_memory_limit_bytes{name!=\"\",$m}) > 0",
    ),
    formula(
        "stead_container_network_receive_bytes_per_second",
        CONTAINER,
        "sum by ($by) (rate(container_network_receive_bytes_total{name!=\"\",$m}[$w]))",
    ),
    formula(
        "stead_container_network_transmit_bytes_per_second",
        CONTAINER,
        "sum by ($by) (rate(container_network_transmit_bytes_total{name!=\"\",$m}[$w]))",
    ),
    formula(
        "stead_container_block_read_bytes_per_second",
        CONTAINER,
        "sum by ($by) (rate(container_fs_reads_bytes_total{name!=\"\",$m}[$w]))",
    ),
    formula(
        "stead_container_block_write_bytes_per_second",
        CONTAINER,
        "sum by ($by) (rate(container_fs_writes_bytes_total{name!=\"\",$m}[$w]))",
    ),
];

/// File systems that hold nobody's data.
const NO_DISK: &str =
    "fstype!~\"tmpfs|devtmpfs|ramfs|overlay|squashfs|nsfs|fuse.lxcfs|rootfs|proc|sysfs\"";

/// What of a stretch is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Lowest,
    Mean,
    Highest,
}

impl Rule {
    /// The expression: matchers as they stand in braces, a window in milliseconds, the label of machines. A stretch shorter
    /// than `least` is told by its last value.
    pub fn expression(
        &self,
        matchers: &str,
        window: i64,
        least: i64,
        label: &str,
        of: Of,
    ) -> String {
        let labels = self.labels.iter().map(|(there, _)| *there);
        let by = std::iter::once(label)
            .chain(labels)
            .collect::<Vec<_>>()
            .join(",");
        let template = match self.how {
            How::Formula(template) => template.to_owned(),
            How::Gauge(metric) if window < least => format!("max by ($by) ({metric})"),
            How::Gauge(metric) => {
                let word = match of {
                    Of::Lowest => "min",
                    Of::Mean => "avg",
                    Of::Highest => "max",
                };
                format!("{word} by ($by) ({word}_over_time({metric}[$w]))")
            }
        };
        template
            .replace("$by", &by)
            .replace("$fs", NO_DISK)
            .replace("$n", label)
            .replace("$w", &format!("{}s", (window.max(least) / 1_000).max(1)))
            .replace("$m", matchers)
    }

    /// Whether what was lowest and highest can be asked for.
    pub fn is_gauge(&self) -> bool {
        matches!(self.how, How::Gauge(_))
    }
}
