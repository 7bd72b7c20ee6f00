//! From two raw readings to rates.

use alloc::sync::Arc;

use super::{CpuShare, DiskRate, Memory, NetworkRate};

/// Ticks a CPU spent in each mode since boot. `guest` is part of `user` in the kernel's count, so it has no field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTimes {
    pub user: u64,
    pub nice: u64,
    pub system: u64,
    pub idle: u64,
    pub iowait: u64,
    pub irq: u64,
    pub softirq: u64,
    pub steal: u64,
}

impl CpuTimes {
    fn growth(&self, before: &CpuTimes) -> CpuTimes {
        CpuTimes {
            user: growth(before.user, self.user),
            nice: growth(before.nice, self.nice),
            system: growth(before.system, self.system),
            idle: growth(before.idle, self.idle),
            iowait: growth(before.iowait, self.iowait),
            irq: growth(before.irq, self.irq),
            softirq: growth(before.softirq, self.softirq),
            steal: growth(before.steal, self.steal),
        }
    }

    fn total(&self) -> u64 {
        [
            self.user,
            self.nice,
            self.system,
            self.idle,
            self.iowait,
            self.irq,
            self.softirq,
            self.steal,
        ]
        .iter()
        .fold(0, |sum: u64, n| sum.saturating_add(*n))
    }

    /// Where the time since `before` went; `None` when no tick passed.
    pub fn share(&self, before: &CpuTimes) -> Option<CpuShare> {
        let d = self.growth(before);
        let total = d.total();
        if total == 0 {
            return None;
        }
        let part = |n: u64| percent(n as f64, total as f64);
        Some(CpuShare {
            user: part(d.user),
            nice: part(d.nice),
            system: part(d.system),
            idle: part(d.idle),
            iowait: part(d.iowait),
            irq: part(d.irq),
            softirq: part(d.softirq),
            steal: part(d.steal),
        })
    }

    /// Busy percent since `before`, as [`CpuShare::busy`]; 0 when no tick passed.
    pub fn busy(&self, before: &CpuTimes) -> f32 {
        let d = self.growth(before);
        let idle = d.idle.saturating_add(d.iowait).saturating_add(d.steal);
        let total = d.total();
        percent(total.saturating_sub(idle) as f64, total as f64)
    }
}

/// Counters of a disk since boot; sectors are 512 bytes whatever the disk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskTimes {
    pub device: Arc<str>,
    pub reads: u64,
    pub read_sectors: u64,
    pub read_ms: u64,
    pub writes: u64,
    pub write_sectors: u64,
    pub write_ms: u64,
    pub io_ms: u64,
}

impl DiskTimes {
    /// Rates over the `elapsed_ms` since `before`.
    pub fn rate(&self, before: &DiskTimes, elapsed_ms: u64) -> DiskRate {
        let reads = growth(before.reads, self.reads);
        let writes = growth(before.writes, self.writes);
        let waited = growth(before.read_ms, self.read_ms)
            .saturating_add(growth(before.write_ms, self.write_ms));
        let ended = reads.saturating_add(writes);
        DiskRate {
            device: self.device.clone(),
            read_bytes_s: per_second(
                growth(before.read_sectors, self.read_sectors).saturating_mul(512),
                elapsed_ms,
            ),
            write_bytes_s: per_second(
                growth(before.write_sectors, self.write_sectors).saturating_mul(512),
                elapsed_ms,
            ),
            read_ops_s: tenth(ratio(reads as f64 * 1000.0, elapsed_ms as f64)),
            write_ops_s: tenth(ratio(writes as f64 * 1000.0, elapsed_ms as f64)),
            latency_ms: hundredth(ratio(waited as f64, ended as f64)),
            busy: percent(growth(before.io_ms, self.io_ms) as f64, elapsed_ms as f64),
        }
    }
}

/// Counters of a network interface since it came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkTimes {
    pub name: Arc<str>,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    /// Errors and drops of both directions.
    pub errors: u64,
}

impl NetworkTimes {
    /// Rates over the `elapsed_ms` since `before`.
    pub fn rate(&self, before: &NetworkTimes, elapsed_ms: u64) -> NetworkRate {
        NetworkRate {
            name: self.name.clone(),
            rx_bytes_s: per_second(growth(before.rx_bytes, self.rx_bytes), elapsed_ms),
            tx_bytes_s: per_second(growth(before.tx_bytes, self.tx_bytes), elapsed_ms),
            errors: growth(before.errors, self.errors),
        }
    }
}

/// What `/proc/meminfo` says, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryReading {
    pub total: u64,
    pub free: u64,
    /// Absent before Linux 3.14 and in some containers.
    pub available: Option<u64>,
    pub buffers: u64,
    pub cached: u64,
    pub swap_total: u64,
    pub swap_free: u64,
    pub swap_cached: u64,
}

impl MemoryReading {
    pub fn memory(&self) -> Memory {
        let guess = self
            .free
            .saturating_add(self.buffers)
            .saturating_add(self.cached);
        let available = self.available.unwrap_or(guess).min(self.total);
        Memory {
            total: self.total,
            available,
            used: self.total - available,
            buffers: self.buffers,
            cached: self.cached,
            swap_total: self.swap_total,
            swap_used: self.swap_total.saturating_sub(self.swap_free),
            swap_cached: self.swap_cached,
        }
    }
}

/// How far a counter moved. One that fell was either a 32-bit one that wrapped (it was near its end and is near its
/// start) or began anew (device replaced, idle time corrected by the kernel): then nothing is known and it is 0.
pub fn growth(before: u64, now: u64) -> u64 {
    const WRAP: u64 = 1 << 32;
    const QUARTER: u64 = WRAP / 4;
    if now >= before {
        now - before
    } else if (WRAP - QUARTER..WRAP).contains(&before) && now < QUARTER {
        now + WRAP - before
    } else {
        0
    }
}

/// `amount` over `elapsed_ms` as units a second; 0 for an interval of no length.
pub fn per_second(amount: u64, elapsed_ms: u64) -> u64 {
    match elapsed_ms {
        0 => 0,
        ms => u64::try_from(u128::from(amount) * 1000 / u128::from(ms)).unwrap_or(u64::MAX),
    }
}

/// `part` of `whole` in percent, 0–100, one decimal; 0 of nothing.
pub fn percent(part: f64, whole: f64) -> f32 {
    tenth(ratio(part * 100.0, whole)).min(100.0)
}

fn ratio(a: f64, b: f64) -> f32 {
    let r = a / b;
    if r.is_finite() && r > 0.0 {
        r.min(f64::from(f32::MAX)) as f32
    } else {
        0.0
    }
}

/// Rounds to one decimal, so that the JSON of a sample stays short. Negative and non-finite become 0.
pub fn tenth(x: f32) -> f32 {
    round(x, 10.0)
}

/// Rounds to two decimals, as [`tenth`].
pub fn hundredth(x: f32) -> f32 {
    round(x, 100.0)
}

fn round(x: f32, steps: f64) -> f32 {
    // `as` saturates and makes NaN 0; beyond 2^53 steps decimals mean nothing anyway.
    let whole = (f64::from(x) * steps + 0.5) as u64;
    (whole as f64 / steps) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(n: [u64; 8]) -> CpuTimes {
        let [user, nice, system, idle, iowait, irq, softirq, steal] = n;
        CpuTimes {
            user,
            nice,
            system,
            idle,
            iowait,
            irq,
            softirq,
            steal,
        }
    }

    #[test]
    fn steal_is_the_difference_of_two_readings_not_the_total_since_boot() {
        let before = times([1000, 0, 500, 8000, 100, 0, 0, 900_000]);
        let now = times([1040, 0, 510, 8030, 100, 0, 0, 900_020]);
        let share = now.share(&before).unwrap();
        assert_eq!(
            (share.user, share.system, share.idle, share.steal),
            (40.0, 10.0, 30.0, 20.0)
        );
        assert_eq!(share.busy(), 50.0);
        assert_eq!(now.busy(&before), 50.0);
    }

    #[test]
    fn two_equal_readings_have_no_share() {
        let t = times([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(t.share(&t), None);
        assert_eq!(t.busy(&t), 0.0);
    }

    #[test]
    fn idle_and_iowait_may_go_backwards_and_count_as_still() {
        let before = times([100, 0, 0, 1000, 500, 0, 0, 0]);
        let now = times([150, 0, 0, 1050, 490, 0, 0, 0]);
        let share = now.share(&before).unwrap();
        assert_eq!((share.user, share.idle, share.iowait), (50.0, 50.0, 0.0));
    }

    #[test]
    fn a_counter_of_32_bits_wraps_and_one_that_began_anew_does_not() {
        assert_eq!(growth(u64::from(u32::MAX) - 99, 100), 200);
        assert_eq!(growth(5_000_000, 10), 0);
        assert_eq!(growth(1 << 40, 10), 0);
        assert_eq!(growth(7, 7), 0);
    }

    #[test]
    fn a_reading_of_no_length_has_no_rate() {
        let disk = |n| DiskTimes {
            device: "sda".into(),
            reads: n,
            read_sectors: n,
            read_ms: n,
            writes: n,
            write_sectors: n,
            write_ms: n,
            io_ms: n,
        };
        let rate = disk(1000).rate(&disk(0), 0);
        assert_eq!(
            (rate.read_bytes_s, rate.write_ops_s, rate.busy),
            (0, 0.0, 0.0)
        );
        let rate = disk(1000).rate(&disk(0), 2000);
        assert_eq!(
            (
                rate.read_bytes_s,
                rate.read_ops_s,
                rate.latency_ms,
                rate.busy
            ),
            (256_000, 500.0, 1.0, 50.0)
        );
    }

    #[test]
    fn memory_without_an_estimate_is_guessed_and_never_above_the_total() {
        let reading = MemoryReading {
            total: 100,
            free: 80,
            buffers: 30,
            cached: 30,
            ..MemoryReading::default()
        };
        assert_eq!(
            (reading.memory().available, reading.memory().used),
            (100, 0)
        );
        let swap = MemoryReading {
            swap_total: 10,
            swap_free: 20,
            swap_cached: 3,
            ..MemoryReading::default()
        };
        assert_eq!((swap.memory().swap_used, swap.memory().swap_cached), (0, 3));
    }

    #[test]
    fn what_an_interface_and_a_disk_carried_is_told_by_the_second() {
        let network = |rx_bytes, tx_bytes, errors| NetworkTimes {
            name: "eth0".into(),
            rx_bytes,
            tx_bytes,
            errors,
        };
        let rate = network(5_000, 9_000, 7).rate(&network(1_000, 1_000, 4), 2000);
        assert_eq!(
            (rate.rx_bytes_s, rate.tx_bytes_s, rate.errors),
            (2_000, 4_000, 3)
        );
        let disk = |write_sectors| DiskTimes {
            device: "sda".into(),
            reads: 0,
            read_sectors: 0,
            read_ms: 0,
            writes: 0,
            write_sectors,
            write_ms: 0,
            io_ms: 0,
        };
        let rate = disk(12).rate(&disk(4), 2000);
        assert_eq!((rate.read_bytes_s, rate.write_bytes_s), (0, 2_048));
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_counts_shares_are_percent(a: [u64; 8], b: [u64; 8]) {
            if let Some(s) = times(b).share(&times(a)) {
                let all = [s.user, s.nice, s.system, s.idle, s.iowait, s.irq, s.softirq, s.steal];
                prop_assert!(all.iter().all(|p| p.is_finite() && (0.0..=100.0).contains(p)), "{all:?}");
            }
            prop_assert!((0.0..=100.0).contains(&times(b).busy(&times(a))));
        }

        #[test]
        fn the_modes_add_up(a in prop::array::uniform8(0u64..1 << 50), more in prop::array::uniform8(0u64..1 << 40)) {
            let mut b = a;
            b.iter_mut().zip(more).for_each(|(b, m)| *b += m);
            if let Some(s) = times(b).share(&times(a)) {
                let sum = s.user + s.nice + s.system + s.idle + s.iowait + s.irq + s.softirq + s.steal;
                prop_assert!((99.5..=100.5).contains(&sum), "{sum}");
            }
        }

        #[test]
        fn whatever_a_disk_counts_its_rates_are_finite(a: [u64; 7], b: [u64; 7], elapsed: u64) {
            let disk = |n: [u64; 7]| DiskTimes {
                device: "d".into(), reads: n[0], read_sectors: n[1], read_ms: n[2],
                writes: n[3], write_sectors: n[4], write_ms: n[5], io_ms: n[6],
            };
            let r = disk(b).rate(&disk(a), elapsed);
            for x in [r.read_ops_s, r.write_ops_s, r.latency_ms, r.busy] {
                prop_assert!(x.is_finite() && x >= 0.0);
            }
            prop_assert!(r.busy <= 100.0);
        }
    }
}
