//! The seconds of each node, folded into the steps that the server keeps. Pure: clocks are arguments.
//!
//! Nothing is looked up by its text: a number finds its sum by a hash of its labels, so that a second of a node costs no
//! allocation. What a bucket holds is told once its step is over, by the sample's own clock, or when nothing came for a while.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use stead_core::container_sample::ContainerSample;
use stead_core::ids::NodeName;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_ports::history::{Entry, Labels, Sample};

use super::series::{self, Folding, Number, Slow};

/// Milliseconds of a step, unless the fleet's files say otherwise: the finest that the server keeps.
pub const STEP: i64 = 10_000;
/// Milliseconds without a sample after which a step counts as over, however long it is.
const IDLE: u64 = 15_000;
/// Milliseconds without a sample after which a node is forgotten.
const GONE: u64 = 600_000;
/// Series of one node: some 1,500 containers. Whatever is beyond is counted, and not kept.
const SERIES: usize = 12_000;

/// What one agent said in a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub node: NodeName,
    pub host: HostSample,
    pub containers: Vec<ContainerSample>,
}

/// The step each node is in.
#[derive(Debug)]
pub struct Folds {
    /// Milliseconds of a step.
    length: i64,
    nodes: HashMap<NodeName, Step>,
    hasher: RandomState,
    /// Numbers that were not taken because their node has too many series.
    pub crowded: u64,
}

/// A step of a node that is not over.
#[derive(Debug)]
struct Step {
    number: i64,
    touched: u64,
    sums: HashMap<u64, Sum>,
    slow: Slow,
}

#[derive(Debug)]
struct Sum {
    labels: Labels,
    folding: Folding,
    sum: f64,
    last: f64,
    count: u32,
}

impl Sum {
    fn value(&self) -> f64 {
        match self.folding {
            Folding::Last => self.last,
            Folding::Mean => self.sum / f64::from(self.count),
        }
    }
}

impl Default for Folds {
    fn default() -> Folds {
        Folds::of(STEP)
    }
}

impl Folds {
    /// With steps of `length` milliseconds.
    pub fn of(length: i64) -> Folds {
        Folds {
            length,
            nodes: HashMap::new(),
            hasher: RandomState::new(),
            crowded: 0,
        }
    }

    /// Takes a reading at `up`, a steady clock in milliseconds. A step that is over because of it goes to `out`; whose it
    /// was is returned.
    pub fn take(&mut self, reading: Reading, up: u64, out: &mut Vec<Entry>) -> Option<Over> {
        let Reading {
            node,
            mut host,
            containers,
        } = reading;
        let number = host.at.0.div_euclid(self.length);
        let step = self.nodes.entry(node.clone()).or_insert_with(|| Step {
            number,
            touched: up,
            sums: HashMap::new(),
            slow: Slow::default(),
        });
        let length = self.length;
        let over = (step.number != number).then(|| step.close(&node, length, out));
        step.number = number;
        step.touched = up;
        step.slow.fill(&mut host);
        let (hasher, crowded) = (&self.hasher, &mut self.crowded);
        let mut add = |n: Number<'_>| step.add(hasher, &node, n, crowded);
        series::host(&host, &mut add);
        containers
            .iter()
            .for_each(|container| series::container(container, &mut add));
        over.flatten()
    }

    /// Ends the steps of nodes that have gone quiet, and forgets those that stay so.
    pub fn settle(&mut self, up: u64, out: &mut Vec<Entry>) -> Vec<Over> {
        let quiet = |step: &Step, ms| up.saturating_sub(step.touched) >= ms;
        let mut over = Vec::new();
        for (node, step) in &mut self.nodes {
            if quiet(step, IDLE) {
                over.extend(step.close(node, self.length, out));
            }
        }
        self.nodes.retain(|_, step| !quiet(step, GONE));
        over
    }

    /// Ends every step.
    pub fn end(&mut self, out: &mut Vec<Entry>) -> Vec<Over> {
        let steps = self.nodes.iter_mut();
        steps
            .filter_map(|(node, step)| step.close(node, self.length, out))
            .collect()
    }
}

/// A step of a node that is over: when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    pub node: NodeName,
    pub at: Time,
}

impl Step {
    fn add(&mut self, hasher: &RandomState, node: &NodeName, n: Number<'_>, crowded: &mut u64) {
        if !n.value.is_finite() {
            return;
        }
        let key = hasher.hash_one((n.metric, n.labels));
        if !self.sums.contains_key(&key) && self.sums.len() >= SERIES {
            *crowded += 1;
            return;
        }
        let sum = self.sums.entry(key).or_insert_with(|| Sum {
            labels: n.series(Some(node.as_str())),
            folding: n.folding,
            sum: 0.0,
            last: 0.0,
            count: 0,
        });
        sum.sum += n.value;
        sum.last = n.value;
        sum.count += 1;
    }

    /// Tells what it holds, begins anew, and forgets series that are no more.
    fn close(&mut self, node: &NodeName, length: i64, out: &mut Vec<Entry>) -> Option<Over> {
        self.sums.retain(|_, sum| sum.count > 0);
        if self.sums.is_empty() {
            return None;
        }
        let at = Time(self.number * length);
        for sum in self.sums.values_mut() {
            let value = series::rounded(sum.labels.metric(), sum.value());
            out.push(Entry {
                labels: sum.labels.clone(),
                sample: Sample { at, value },
            });
            (sum.sum, sum.count) = (0.0, 0);
        }
        let node = node.clone();
        Some(Over { node, at })
    }
}

#[cfg(test)]
mod tests {
    use stead_core::sample::{CpuShare, Filesystem, Memory};

    use super::*;

    fn reading(at: i64, steal: f32) -> Reading {
        let cpu = CpuShare {
            steal,
            ..CpuShare::default()
        };
        let memory = Memory {
            available: 100,
            ..Memory::default()
        };
        Reading {
            node: "piha".parse().unwrap(),
            host: HostSample {
                at: Time(at),
                cpu: Some(cpu),
                memory,
                uptime: at.unsigned_abs() / 1000,
                ..HostSample::default()
            },
            containers: Vec::new(),
        }
    }

    fn with_disk(mut reading: Reading, percent: f32) -> Reading {
        reading.host.filesystems = vec![Filesystem {
            mount: "/".into(),
            fs: "ext4".into(),
            device: "vda".into(),
            total: 10,
            used: 5,
            available: 5,
            used_percent: percent,
            inodes_percent: None,
        }];
        reading
    }

    fn value(out: &[Entry], metric: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let fits = |e: &&Entry| {
            e.labels.metric() == metric
                && label.is_none_or(|(name, value)| e.labels.get(name) == Some(value))
        };
        out.iter().find(fits).map(|e| e.sample.value)
    }

    const STEAL: Option<(&str, &str)> = Some(("mode", "steal"));

    #[test]
    fn ten_seconds_are_one_step_by_the_samples_own_clock() {
        let (mut folds, mut out) = (Folds::default(), Vec::new());
        for n in 0..10 {
            let over = folds.take(reading(20_000 + n * 1000, n as f32), n as u64, &mut out);
            assert_eq!((over, out.len()), (None, 0), "the step is not over");
        }
        let over = folds.take(reading(30_000, 50.0), 10_000, &mut out).unwrap();
        assert_eq!(
            (over.node.as_str(), over.at),
            ("piha", Time(20_000)),
            "it is told by the first sample of the next one"
        );
        assert!(out.iter().all(|e| e.sample.at == Time(20_000)));
        assert_eq!(value(&out, series::CPU, STEAL), Some(4.5), "a mean");
        assert_eq!(
            value(&out, "stead_node_uptime_seconds", None),
            Some(29.0),
            "what is counted is not averaged"
        );
        let labels = &out[0].labels;
        assert_eq!(labels.get("node"), Some("piha"));
    }

    #[test]
    fn a_step_is_as_long_as_the_finest_tier_says() {
        let (mut folds, mut out) = (Folds::of(30_000), Vec::new());
        for at in [30_000, 45_000, 59_000] {
            assert_eq!(folds.take(reading(at, 3.0), 0, &mut out), None);
        }
        let over = folds.take(reading(60_000, 0.0), 0, &mut out).unwrap();
        assert_eq!(over.at, Time(30_000));
    }

    #[test]
    fn what_is_read_every_ten_seconds_has_no_holes() {
        let (mut folds, mut out) = (Folds::default(), Vec::new());
        folds.take(with_disk(reading(0, 0.0), 40.0), 0, &mut out);
        folds.take(reading(10_000, 0.0), 0, &mut out);
        out.clear();
        folds.take(reading(20_000, 0.0), 0, &mut out);
        assert_eq!(value(&out, series::DISK_USED, None), Some(40.0));
    }

    #[test]
    fn a_node_that_goes_quiet_is_told_once_and_a_series_that_went_not_at_all() {
        let (mut folds, mut out) = (Folds::default(), Vec::new());
        folds.take(reading(0, 1.0), 0, &mut out);
        assert!(folds.settle(IDLE - 1, &mut out).is_empty());
        assert_eq!(folds.settle(IDLE, &mut out).len(), 1);
        assert_eq!(value(&out, series::CPU, STEAL), Some(1.0));
        out.clear();
        assert!(folds.settle(2 * IDLE, &mut out).is_empty());
        let mut without = reading(20_000, 0.0);
        without.host.cpu = None;
        folds.take(without, 3 * IDLE, &mut out);
        assert_eq!(folds.end(&mut out).len(), 1);
        assert_eq!(value(&out, series::CPU, STEAL), None);
        folds.settle(3 * IDLE + GONE, &mut out);
        assert!(folds.nodes.is_empty(), "nodes that left take no memory");
    }

    #[test]
    fn a_clock_that_goes_back_begins_another_step() {
        let (mut folds, mut out) = (Folds::default(), Vec::new());
        folds.take(reading(50_000, 1.0), 0, &mut out);
        let over = folds.take(reading(10_000, 2.0), 1, &mut out);
        assert_eq!(over.unwrap().at, Time(50_000));
        folds.end(&mut out);
        assert_eq!(out.last().unwrap().sample.at, Time(10_000));
    }

    #[test]
    fn a_node_with_endless_names_takes_a_bounded_place() {
        let (mut folds, mut out) = (Folds::default(), Vec::new());
        let mut many = reading(0, 0.0);
        many.containers = (0..SERIES)
            .map(|n| ContainerSample {
                name: format!("c{n}").parse().unwrap(),
                cpu_percent: 0.0,
                memory_bytes: 0,
                memory_limit: 0,
                net_rx_per_s: None,
                net_tx_per_s: None,
                block_read_per_s: 0.0,
                block_write_per_s: 0.0,
            })
            .collect();
        folds.take(many, 0, &mut out);
        folds.end(&mut out);
        assert_eq!(out.len(), SERIES);
        assert!(folds.crowded > 0);
    }

    #[test]
    fn what_is_no_number_takes_nothing_from_the_step_it_is_in() {
        let (mut folds, mut out) = (Folds::default(), Vec::new());
        for (at, steal) in [(0, f32::NAN), (1_000, 3.0), (2_000, f32::INFINITY)] {
            folds.take(reading(at, steal), 0, &mut out);
        }
        folds.end(&mut out);
        assert_eq!(value(&out, series::CPU, STEAL), Some(3.0));
    }
}
