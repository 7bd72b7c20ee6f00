//! Samples as machines make them, the same each time: what sizes and speeds are measured on, and what a demonstration is
//! filled with. Not random noise, since no machine is: counters that grow with the load, memory in pages, temperatures in
//! halves, most things at rest most of the time.

use std::sync::Arc;

use stead_core::time::Time;
use stead_ports::history::{Entry, Labels, Sample};

const MODES: [&str; 8] = [
    "user", "system", "iowait", "steal", "nice", "irq", "softirq", "idle",
];
const CORES: usize = 4;
const CONTAINERS: usize = 8;
const PAGE: f64 = 4096.0;

/// A stream of numbers that is the same for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// SplitMix64.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    pub fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About a bell, around 0, mostly within 1.
    fn bell(&mut self) -> f64 {
        (0..4).map(|_| self.part()).sum::<f64>() - 2.0
    }

    /// Whether something that happens once in `mean` times happens.
    fn rarely(&mut self, mean: f64) -> bool {
        self.part() < 1.0 / mean
    }
}

/// What one series does.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Share of the machine's time in a mode, in hundredths of a percent.
    Share(usize),
    /// Seconds of one core in a mode, in hundredths.
    Seconds(usize),
    /// An average of the load over so many seconds, in hundredths.
    Load(f64),
    /// Moves about in steps of a unit: start, unit, how far at a time.
    Wander(f64, f64, f64),
    /// Grows with the load by so much a second, in whole units; in bursts if the last is more than one.
    Counter(f64, f64, f64),
    Constant(f64),
    /// Mostly this, sometimes a little more.
    Rest(f64),
}

#[derive(Debug)]
struct Machine {
    labels: Vec<Labels>,
    kinds: Arc<[Kind]>,
    state: Vec<f64>,
    busy: f64,
    dice: Dice,
}

/// Machines and their readings.
#[derive(Debug)]
pub struct Corpus {
    machines: Vec<Machine>,
}

impl Corpus {
    pub fn new(machines: usize, seed: u64) -> Corpus {
        let (names, kinds): (Vec<Name>, Vec<Kind>) = series().into_iter().unzip();
        let kinds: Arc<[Kind]> = kinds.into();
        let machine = |n: usize| {
            let node = format!("node-{n:04}");
            let named = |name: &Name| name.labels(&node);
            let mut dice = Dice::new(seed ^ (n as u64).wrapping_mul(0x1234_5678_9ABC_DEF1));
            Machine {
                labels: names.iter().map(named).collect(),
                state: kinds.iter().map(|kind| start(kind, &mut dice)).collect(),
                kinds: Arc::clone(&kinds),
                busy: 0.1 + 0.3 * dice.part(),
                dice,
            }
        };
        Corpus {
            machines: (0..machines).map(machine).collect(),
        }
    }

    /// Series of all machines together.
    pub fn series(&self) -> usize {
        self.machines
            .iter()
            .map(|machine| machine.labels.len())
            .sum()
    }

    /// Everything that is read at `at`, which is `seconds` after the reading before.
    pub fn read(&mut self, at: Time, seconds: f64) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.series());
        for machine in &mut self.machines {
            machine.step(at, seconds);
            let readings = machine.labels.iter().zip(machine.readings());
            entries.extend(readings.map(|(labels, value)| Entry {
                labels: labels.clone(),
                sample: Sample { at, value },
            }));
        }
        entries
    }
}

/// Metric and labels but the node's.
struct Name(&'static str, Vec<(&'static str, String)>);

impl Name {
    fn labels(&self, node: &str) -> Labels {
        let labels = self.1.iter().map(|(name, value)| (*name, value.as_str()));
        Labels::new(self.0, labels.chain([("node", node)]))
    }
}

fn series() -> Vec<(Name, Kind)> {
    let mut all = Vec::new();
    let mut add = |metric, labels: &[(&'static str, String)], kind| {
        all.push((Name(metric, labels.to_vec()), kind));
    };
    for (mode, name) in MODES.iter().enumerate() {
        let mode_label = ("mode", (*name).to_owned());
        add(
            "stead_cpu_percent",
            std::slice::from_ref(&mode_label),
            Kind::Share(mode),
        );
        for core in 0..CORES {
            let labels = [("cpu", core.to_string()), mode_label.clone()];
            add("stead_cpu_seconds_total", &labels, Kind::Seconds(mode));
        }
    }
    for (name, over) in [("1m", 60.0), ("5m", 300.0), ("15m", 900.0)] {
        add("stead_load", &[("over", name.to_owned())], Kind::Load(over));
    }
    let gib = (1_u64 << 30) as f64;
    add("stead_memory_total_bytes", &[], Kind::Constant(8.0 * gib));
    add(
        "stead_memory_available_bytes",
        &[],
        Kind::Wander(5.0 * gib, PAGE, 300.0),
    );
    add(
        "stead_memory_free_bytes",
        &[],
        Kind::Wander(1.0 * gib, PAGE, 500.0),
    );
    add(
        "stead_memory_cached_bytes",
        &[],
        Kind::Wander(3.0 * gib, PAGE, 100.0),
    );
    add("stead_swap_used_bytes", &[], Kind::Rest(0.3 * gib));
    add("stead_swap_cached_bytes", &[], Kind::Rest(PAGE * 900.0));
    for resource in ["cpu", "memory", "io"] {
        add(
            "stead_pressure_percent",
            &[("resource", resource.to_owned())],
            Kind::Rest(0.0),
        );
    }
    for device in ["sda", "nvme0n1"] {
        let label = [("device", device.to_owned())];
        add(
            "stead_disk_read_bytes_total",
            &label,
            Kind::Counter(20_000.0, 512.0, 20.0),
        );
        add(
            "stead_disk_written_bytes_total",
            &label,
            Kind::Counter(200_000.0, 512.0, 3.0),
        );
        add(
            "stead_disk_reads_total",
            &label,
            Kind::Counter(0.5, 1.0, 20.0),
        );
        add(
            "stead_disk_writes_total",
            &label,
            Kind::Counter(12.0, 1.0, 3.0),
        );
        add(
            "stead_disk_busy_seconds_total",
            &label,
            Kind::Counter(0.02, 0.001, 3.0),
        );
    }
    for mount in ["/", "/boot", "/srv"] {
        let label = [("mount", mount.to_owned())];
        add(
            "stead_filesystem_used_bytes",
            &label,
            Kind::Wander(20.0 * gib, PAGE, 8.0),
        );
        add(
            "stead_filesystem_size_bytes",
            &label,
            Kind::Constant(64.0 * gib),
        );
        add(
            "stead_filesystem_inodes_used",
            &label,
            Kind::Wander(300_000.0, 1.0, 0.5),
        );
    }
    for device in ["eth0", "tailscale0"] {
        let label = [("device", device.to_owned())];
        add(
            "stead_network_received_bytes_total",
            &label,
            Kind::Counter(30_000.0, 1.0, 2.0),
        );
        add(
            "stead_network_sent_bytes_total",
            &label,
            Kind::Counter(50_000.0, 1.0, 2.0),
        );
        add(
            "stead_network_received_packets_total",
            &label,
            Kind::Counter(40.0, 1.0, 2.0),
        );
        add("stead_network_errors_total", &label, Kind::Constant(0.0));
    }
    for sensor in ["package", "core0", "nvme"] {
        add(
            "stead_temperature_celsius",
            &[("sensor", sensor.to_owned())],
            Kind::Wander(45.0, 0.5, 0.7),
        );
    }
    add("stead_processes", &[], Kind::Wander(210.0, 1.0, 0.4));
    add("stead_processes_blocked", &[], Kind::Rest(0.0));
    add(
        "stead_context_switches_total",
        &[],
        Kind::Counter(3_000.0, 1.0, 1.0),
    );
    add("stead_forks_total", &[], Kind::Counter(2.0, 1.0, 2.0));
    for container in 0..CONTAINERS {
        let label = [("container", format!("app-{container}"))];
        add(
            "stead_container_cpu_percent",
            &label,
            Kind::Share(container % 3),
        );
        add(
            "stead_container_memory_bytes",
            &label,
            Kind::Wander(0.2 * gib, PAGE, 10.0),
        );
        add(
            "stead_container_written_bytes_total",
            &label,
            Kind::Counter(9_000.0, 4096.0, 30.0),
        );
        add(
            "stead_container_restarts_total",
            &label,
            Kind::Constant(1.0),
        );
    }
    all
}

fn start(kind: &Kind, dice: &mut Dice) -> f64 {
    match kind {
        Kind::Share(_) | Kind::Load(_) => 0.0,
        Kind::Seconds(_) => (dice.part() * 1e8).round(),
        Kind::Wander(start, unit, _) => (start * (0.5 + dice.part()) / unit).round(),
        Kind::Counter(rate, unit, _) => (dice.part() * rate * 1e6 / unit).round(),
        Kind::Constant(value) | Kind::Rest(value) => *value,
    }
}

/// Shares of the modes when this much of the time is busy, idle last.
fn shares(busy: f64) -> [f64; 8] {
    let shares = [0.6, 0.25, 0.08, 0.02, 0.0, 0.0, 0.05, 0.0].map(|share| share * busy);
    let mut shares = shares;
    shares[7] = 1.0 - busy;
    shares
}

impl Machine {
    fn step(&mut self, at: Time, seconds: f64) {
        let dice = &mut self.dice;
        // Busier by day, and now and then for a while.
        let day = (at.0 as f64 / 86_400_000.0 * std::f64::consts::TAU).sin() * 0.1;
        let towards = (0.2 + day).clamp(0.02, 0.9);
        self.busy += (towards - self.busy) * (seconds / 120.0).min(1.0) + dice.bell() * 0.02;
        if dice.rarely(600.0 / seconds) {
            self.busy += 0.5;
        }
        self.busy = self.busy.clamp(0.01, 1.0);
        let (busy, shares) = (self.busy, shares(self.busy));
        for (kind, state) in self.kinds.iter().zip(&mut self.state) {
            match kind {
                // Ticks of all cores, as a share of those there are.
                Kind::Share(mode) => {
                    let all = seconds * 100.0 * CORES as f64;
                    let ticks = (shares[*mode] * all * (1.0 + dice.bell() * 0.2)).round();
                    *state = (ticks.clamp(0.0, all) / all * 10_000.0).round();
                }
                Kind::Seconds(mode) => {
                    let ticks = shares[*mode] * seconds * 100.0 * (1.0 + dice.bell() * 0.2);
                    *state += ticks.max(0.0).round();
                }
                Kind::Load(over) => {
                    let towards = busy * CORES as f64 * 100.0;
                    *state += (towards - *state) * (seconds / over).min(1.0);
                }
                Kind::Wander(_, _, far) => {
                    if dice.part() < 0.6 {
                        *state = (*state + dice.bell() * far * seconds.sqrt())
                            .round()
                            .max(0.0);
                    }
                }
                Kind::Counter(rate, unit, burst) => {
                    if *burst <= 1.0 || dice.rarely((*burst / seconds).max(1.0)) {
                        let much = rate * busy * 5.0 * seconds.max(*burst) / unit;
                        *state += (much * (1.0 + dice.bell() * 0.5)).max(0.0).round();
                    }
                }
                Kind::Constant(_) => {}
                Kind::Rest(rest) => {
                    *state = if dice.rarely(60.0) {
                        (rest + dice.part() * 10.0 * 100.0).round()
                    } else {
                        *rest
                    };
                }
            }
        }
    }

    fn readings(&self) -> impl Iterator<Item = f64> {
        let reading = |(kind, state): (&Kind, &f64)| match kind {
            Kind::Share(_) | Kind::Seconds(_) => *state / 100.0,
            Kind::Load(_) => state.round() / 100.0,
            Kind::Counter(_, unit, _) if *unit < 1.0 => *state / (1.0 / unit).round(),
            Kind::Wander(_, unit, _) | Kind::Counter(_, unit, _) => state * unit,
            Kind::Constant(_) => *state,
            Kind::Rest(rest) if *rest == 0.0 => *state / 100.0,
            Kind::Rest(_) => *state,
        };
        self.kinds.iter().zip(&self.state).map(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_no_two_machines_are_alike() {
        let read = |seed| {
            let mut corpus = Corpus::new(2, seed);
            (0..50)
                .flat_map(|n| corpus.read(Time(n * 10_000), 10.0))
                .collect::<Vec<_>>()
        };
        let (one, again, other) = (read(1), read(1), read(2));
        assert_eq!(one, again);
        assert_ne!(one, other);
        let half = Corpus::new(1, 1).series();
        let last = &one[one.len() - 2 * half..];
        let alike = (0..half).filter(|n| last[*n].sample.value == last[n + half].sample.value);
        assert!(alike.count() < half / 2);
    }

    #[test]
    fn counters_grow_and_shares_are_shares() {
        let mut corpus = Corpus::new(1, 7);
        let mut before = corpus.read(Time(0), 1.0);
        for n in 1..200 {
            let now = corpus.read(Time(n * 1_000), 1.0);
            for (before, now) in before.iter().zip(&now) {
                let (name, value) = (now.labels.metric(), now.sample.value);
                assert!(value.is_finite() && value >= 0.0, "{}", now.labels);
                assert!(
                    !name.ends_with("_total") || value >= before.sample.value,
                    "{name}"
                );
                assert!(!name.ends_with("cpu_percent") || value <= 100.0, "{name}");
            }
            before = now;
        }
    }
}
