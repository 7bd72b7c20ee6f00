//! From a second's sample to entries. Pure.
//!
//! Series carry no node: they are those of whoever keeps them, under whatever name the fleet has for it today.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use stead_core::container_sample::ContainerSample;
use stead_core::sample::HostSample;
use stead_core::time::Time;
use stead_history::series::{self, Number, Slow};
use stead_ports::history::{Entry, Labels, Sample};

/// Milliseconds between two samples that are kept: what is measured in between, because somebody wants to know at once, is
/// not of the rhythm.
const LEAST: i64 = 500;
/// Seconds after which the labels of a series that is no more are forgotten.
const SILENT: u32 = 600;
/// Series of which the labels are remembered: as many as the store takes.
const SERIES: usize = 4_000;

/// What is remembered from one second to the next, so that a second costs no labels.
#[derive(Debug, Default)]
pub(super) struct Taker {
    /// By a hash of name and labels: the series, and the second it was last in.
    known: HashMap<u64, (Labels, u32)>,
    hasher: RandomState,
    second: u32,
    last: Option<i64>,
    slow: Slow,
}

impl Taker {
    /// The entries of a sample; none where it came too soon after the one before.
    pub(super) fn take(
        &mut self,
        mut host: HostSample,
        containers: &[ContainerSample],
    ) -> Vec<Entry> {
        self.slow.fill(&mut host);
        let soon = |last| (0..LEAST).contains(&host.at.0.saturating_sub(last));
        if self.last.is_some_and(soon) {
            return Vec::new();
        }
        self.last = Some(host.at.0);
        self.second = self.second.wrapping_add(1);
        let mut out = Vec::with_capacity(self.known.len());
        let mut add = |number: Number<'_>| out.extend(self.entry(&number, host.at));
        series::host(&host, &mut add);
        for container in containers {
            series::container(container, &mut add);
        }
        if self.second.is_multiple_of(SILENT) {
            let second = self.second;
            let lately = |seen: u32| second.wrapping_sub(seen) < SILENT;
            self.known.retain(|_, (_, seen)| lately(*seen));
        }
        out
    }

    fn entry(&mut self, number: &Number<'_>, at: Time) -> Option<Entry> {
        if !number.value.is_finite() {
            return None;
        }
        let key = self.hasher.hash_one((number.metric, number.labels));
        if !self.known.contains_key(&key) && self.known.len() >= SERIES {
            return None;
        }
        let series = || (number.series(None), self.second);
        let (labels, seen) = self.known.entry(key).or_insert_with(series);
        *seen = self.second;
        Some(Entry {
            labels: labels.clone(),
            sample: Sample {
                at,
                value: series::rounded(number.metric, number.value),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use stead_core::sample::Filesystem;

    use super::*;

    fn sample(at: i64) -> HostSample {
        HostSample {
            at: Time(at),
            load1: 0.123_456,
            ..HostSample::default()
        }
    }

    fn with_disk(mut sample: HostSample) -> HostSample {
        sample.filesystems = vec![Filesystem {
            mount: "/".into(),
            fs: "ext4".into(),
            device: "vda".into(),
            total: 10,
            used: 4,
            available: 6,
            used_percent: 40.0,
            inodes_percent: None,
        }];
        sample
    }

    fn value(entries: &[Entry], metric: &str) -> Option<f64> {
        let found = entries.iter().find(|e| e.labels.metric() == metric);
        found.map(|e| e.sample.value)
    }

    #[test]
    fn names_are_the_servers_and_numbers_are_as_exact_as_they_were_measured() {
        let entries = Taker::default().take(sample(1_000), &[]);
        assert_eq!(value(&entries, "stead_node_load1"), Some(0.123));
        assert!(entries.iter().all(|e| e.sample.at == Time(1_000)));
        assert!(entries.iter().all(|e| e.labels.get("node").is_none()));
    }

    #[test]
    fn what_is_read_every_ten_seconds_is_there_each_second() {
        let mut taker = Taker::default();
        taker.take(with_disk(sample(0)), &[]);
        let entries = taker.take(sample(1_000), &[]);
        assert_eq!(value(&entries, series::DISK_USED), Some(40.0));
    }

    #[test]
    fn the_seconds_of_containers_are_kept_too() {
        let web = ContainerSample {
            name: "web".parse().expect("a name"),
            cpu_percent: 1.0,
            memory_bytes: 7,
            memory_limit: 0,
            net_rx_per_s: None,
            net_tx_per_s: None,
            block_read_per_s: 0.0,
            block_write_per_s: 9.0,
        };
        let entries = Taker::default().take(sample(1_000), &[web]);
        assert_eq!(value(&entries, "stead_container_memory_bytes"), Some(7.0));
        let written = "stead_container_block_write_bytes_per_second";
        assert_eq!(value(&entries, written), Some(9.0));
    }

    #[test]
    fn what_comes_between_two_seconds_is_not_kept_and_a_clock_that_went_back_is() {
        let mut taker = Taker::default();
        assert!(!taker.take(sample(5_000), &[]).is_empty());
        assert!(taker.take(sample(5_300), &[]).is_empty());
        assert!(!taker.take(sample(6_000), &[]).is_empty());
        assert!(!taker.take(sample(2_000), &[]).is_empty());
    }

    #[test]
    fn series_that_are_no_more_take_no_room() {
        let mut taker = Taker::default();
        taker.take(with_disk(sample(0)), &[]);
        let most = taker.known.len();
        let container = |n: i64| ContainerSample {
            name: format!("c{n}").parse().expect("a name"),
            cpu_percent: 0.0,
            memory_bytes: 0,
            memory_limit: 0,
            net_rx_per_s: None,
            net_tx_per_s: None,
            block_read_per_s: 0.0,
            block_write_per_s: 0.0,
        };
        for n in 1..i64::from(3 * SILENT) {
            taker.take(sample(n * 1_000), &[container(n)]);
            assert!(taker.known.len() <= SERIES);
        }
        taker.take(sample(i64::from(3 * SILENT) * 1_000), &[]);
        assert!(taker.known.len() < most + 4 * SILENT as usize);
    }
}
