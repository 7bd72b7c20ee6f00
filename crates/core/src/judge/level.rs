//! From readings to levels: disks, steal and swap under the node's thresholds, with hysteresis.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::desired::Thresholds;
use crate::facts::{Fact, FactKey, Level, LevelFacts};
use crate::sample::HostSample;
use crate::time::{Span, Time};

/// Steal is judged as its mean over this: a neighbour's short burst is no state.
const STEAL_WINDOW: Span = Span::mins(1);
/// Readings kept for that mean, at most.
const STEAL_READINGS: usize = 128;

/// A level that is new or crossed (`Some`), or whose filesystem is gone (`None`).
pub type LevelChange = (FactKey, Option<Fact>);

/// The levels of one machine between its samples.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    held: BTreeMap<String, Level>,
    steal: VecDeque<(Time, f32)>,
}

/// The three bounds of a reading and how far below them it must fall.
struct Bounds {
    note: f64,
    warn: f64,
    critical: f64,
    hysteresis: f64,
}

impl Levels {
    pub fn new() -> Levels {
        Levels::default()
    }

    /// Takes a sample; returns what crossed. A reading seen for the first time is reported whatever its level.
    pub fn observe(&mut self, sample: &HostSample, thresholds: &Thresholds) -> Vec<LevelChange> {
        let mut changes = Vec::new();
        self.filesystems(sample, thresholds, &mut changes);
        if let Some(mean) = self.steal_mean(sample) {
            let bounds = Bounds {
                note: f64::INFINITY,
                warn: set(thresholds.steal_warn),
                critical: set(thresholds.steal_critical),
                hysteresis: thresholds.hysteresis,
            };
            self.judge(
                "steal",
                mean,
                "CPU steal, mean of a minute",
                &bounds,
                &mut changes,
            );
        }
        let swap = |warn: u64| Bounds {
            note: f64::INFINITY,
            warn: set(warn as f64),
            critical: f64::INFINITY,
            hysteresis: warn as f64 / 10.0,
        };
        let memory = &sample.memory;
        // A sample without memory is one whose reading failed.
        if memory.total > 0 {
            let (used, cached) = (memory.swap_used as f64, memory.swap_cached as f64);
            self.judge(
                "swap_used",
                used,
                "swap used",
                &swap(thresholds.swap_used_warn),
                &mut changes,
            );
            self.judge(
                "swap_cached",
                cached,
                "SwapCached",
                &swap(thresholds.swap_cached_warn),
                &mut changes,
            );
        }
        changes
    }

    fn filesystems(
        &mut self,
        sample: &HostSample,
        thresholds: &Thresholds,
        changes: &mut Vec<LevelChange>,
    ) {
        // Empty between readings: nothing to judge, and never "all are gone".
        if sample.filesystems.is_empty() {
            return;
        }
        let bounds = Bounds {
            note: set(thresholds.disk_note),
            warn: set(thresholds.disk_warn),
            critical: set(thresholds.disk_critical),
            hysteresis: thresholds.hysteresis,
        };
        for filesystem in &sample.filesystems {
            let key = format!("disk:{}", filesystem.mount);
            let what = format!("{} ({})", filesystem.mount, filesystem.fs);
            self.judge(
                &key,
                f64::from(filesystem.used_percent),
                &what,
                &bounds,
                changes,
            );
        }
        let mounted = |key: &str| {
            key.strip_prefix("disk:")
                .is_none_or(|mount| sample.filesystems.iter().any(|f| &*f.mount == mount))
        };
        let gone: Vec<String> = self
            .held
            .keys()
            .filter(|key| !mounted(key))
            .cloned()
            .collect();
        for key in gone {
            self.held.remove(&key);
            changes.push((FactKey::Level(key), None));
        }
    }

    /// The mean over the last minute, once there is a whole minute without a gap or a jump of the clock.
    fn steal_mean(&mut self, sample: &HostSample) -> Option<f64> {
        let steal = sample.cpu?.steal;
        let jumped = |last: Time| sample.at <= last || sample.at.since(last) > STEAL_WINDOW;
        if self.steal.back().is_some_and(|(last, _)| jumped(*last)) {
            self.steal.clear();
        }
        self.steal.push_back((sample.at, steal));
        // The oldest reading stays just outside the window, so that the window is full when it is judged.
        while self.steal.len() > STEAL_READINGS
            || self
                .steal
                .get(1)
                .is_some_and(|(second, _)| sample.at.since(*second) >= STEAL_WINDOW)
        {
            self.steal.pop_front();
        }
        let (oldest, _) = self.steal.front()?;
        if sample.at.since(*oldest) < STEAL_WINDOW && self.steal.len() < STEAL_READINGS {
            return None;
        }
        // Each reading stands for the time since the one before it.
        let (mut sum, mut time) = (0.0, 0.0);
        for (a, b) in self.steal.iter().zip(self.steal.iter().skip(1)) {
            let weight = b.0.since(a.0).0 as f64;
            sum += f64::from(b.1) * weight;
            time += weight;
        }
        Some(if time > 0.0 {
            sum / time
        } else {
            f64::from(steal)
        })
    }

    fn judge(
        &mut self,
        key: &str,
        value: f64,
        what: &str,
        bounds: &Bounds,
        changes: &mut Vec<LevelChange>,
    ) {
        let before = self.held.get(key).copied();
        let held = before.unwrap_or_default();
        let level = Level::judge(
            held,
            value,
            bounds.note,
            bounds.warn,
            bounds.critical,
            bounds.hysteresis,
        );
        if before == Some(level) {
            return;
        }
        self.held.insert(key.to_owned(), level);
        let facts = LevelFacts {
            level,
            value,
            what: what.to_string(),
        };
        changes.push((FactKey::Level(key.to_owned()), Some(Fact::Level(facts))));
    }
}

/// A bound of zero (or nonsense) is one that nobody set.
fn set(bound: f64) -> f64 {
    if bound > 0.0 { bound } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CpuShare, Filesystem, Memory};
    use alloc::vec;

    fn disk(mount: &str, used_percent: f32) -> Filesystem {
        Filesystem {
            mount: mount.into(),
            fs: "ext4".into(),
            device: "/dev/sda1".into(),
            total: 100,
            used: 50,
            available: 50,
            used_percent,
            inodes_percent: None,
        }
    }
    fn with_disks(disks: Vec<Filesystem>) -> HostSample {
        HostSample {
            filesystems: disks,
            ..HostSample::default()
        }
    }
    fn level_of(changes: &[LevelChange], name: &str) -> Option<Option<Level>> {
        changes
            .iter()
            .find(|(key, _)| *key == FactKey::Level(name.into()))
            .map(|(_, fact)| match fact {
                Some(Fact::Level(facts)) => Some(facts.level),
                _ => None,
            })
    }

    #[test]
    fn a_disk_is_noted_warned_of_and_critical_and_comes_back_only_below_the_bound() {
        let (mut levels, t) = (Levels::new(), Thresholds::default());
        let mut at = |percent| {
            level_of(
                &levels.observe(&with_disks(vec![disk("/", percent)]), &t),
                "disk:/",
            )
        };
        assert_eq!(at(40.0), Some(Some(Level::Ok)));
        assert_eq!(at(41.0), None);
        assert_eq!(at(56.0), Some(Some(Level::Noted)));
        assert_eq!(at(71.0), Some(Some(Level::Warning)));
        assert_eq!(at(69.0), None);
        assert_eq!(at(91.0), Some(Some(Level::Critical)));
        assert_eq!(at(67.0), Some(Some(Level::Noted)));
    }

    #[test]
    fn a_filesystem_that_is_no_longer_mounted_takes_its_level_with_it() {
        let (mut levels, t) = (Levels::new(), Thresholds::default());
        levels.observe(&with_disks(vec![disk("/", 10.0), disk("/srv", 90.0)]), &t);
        assert!(
            levels.observe(&with_disks(vec![]), &t).is_empty(),
            "between readings nothing is gone"
        );
        let changes = levels.observe(&with_disks(vec![disk("/", 10.0)]), &t);
        assert_eq!(level_of(&changes, "disk:/srv"), Some(None));
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn steal_counts_as_the_mean_of_a_whole_minute() {
        let (mut levels, t) = (Levels::new(), Thresholds::default());
        let mut at = |second: i64, steal: f32| {
            level_of(&levels.observe(&stolen(second, steal), &t), "steal")
        };
        for second in 0..60 {
            assert_eq!(at(second, if second < 10 { 90.0 } else { 0.0 }), None);
        }
        assert_eq!(
            at(60, 0.0),
            Some(Some(Level::Warning)),
            "9 of 60 seconds at 90 %"
        );
        assert!(
            (61..67).all(|second| at(second, 0.0).is_none()),
            "still 4 % or so: within hysteresis"
        );
        let left: Vec<_> = (67..75).filter_map(|second| at(second, 0.0)).collect();
        assert_eq!(left, [Some(Level::Ok)]);
        assert_eq!(at(10, 100.0), None, "a clock set back begins a new minute");
    }

    fn swapped(swap_used: u64, swap_cached: u64) -> HostSample {
        HostSample {
            memory: Memory {
                total: 1,
                swap_used,
                swap_cached,
                ..Memory::default()
            },
            ..HostSample::default()
        }
    }

    #[test]
    fn swap_warns_by_bytes_and_a_bound_of_zero_is_off() {
        let mut levels = Levels::new();
        let mut t = Thresholds::default();
        let changes = levels.observe(&swapped(1_600_000_000, 199_999_999), &t);
        assert_eq!(level_of(&changes, "swap_used"), Some(Some(Level::Warning)));
        assert_eq!(level_of(&changes, "swap_cached"), Some(Some(Level::Ok)));
        assert_eq!(
            level_of(&levels.observe(&swapped(1_400_000_000, 0), &t), "swap_used"),
            None
        );
        assert_eq!(
            level_of(&levels.observe(&swapped(1_300_000_000, 0), &t), "swap_used"),
            Some(Some(Level::Ok))
        );
        t.swap_used_warn = 0;
        assert!(levels.observe(&swapped(u64::MAX, 0), &t).is_empty());
    }

    /// The level of one reading, from nothing, under the default thresholds.
    fn level(name: &str, sample: HostSample) -> Level {
        let found = Levels::new().observe(&sample, &Thresholds::default());
        level_of(&found, name).flatten().expect("judged")
    }

    #[test]
    fn the_bounds_nobody_set_are_those_of_row_o5() {
        let disk = |percent| level("disk:/", with_disks(vec![disk("/", percent)]));
        let rows = [
            (55.0, Level::Ok, Level::Noted),
            (70.0, Level::Noted, Level::Warning),
            (85.0, Level::Warning, Level::Critical),
        ];
        for (bound, below, at) in rows {
            assert_eq!((disk(bound - 0.1), disk(bound)), (below, at), "{bound} %");
        }
        let used = |bytes| level("swap_used", swapped(bytes, 0));
        assert_eq!(used(1_499_999_999), Level::Ok);
        assert_eq!(used(1_500_000_001), Level::Warning);
        let cached = |bytes| level("swap_cached", swapped(0, bytes));
        assert_eq!(cached(199_999_999), Level::Ok);
        assert_eq!(
            cached(200_000_001),
            Level::Warning,
            "early, while all else is fine"
        );
        assert_eq!(
            [4.9, 5.1, 14.9, 15.1].map(steady_steal),
            [Level::Ok, Level::Warning, Level::Warning, Level::Critical]
        );
    }

    fn stolen(second: i64, steal: f32) -> HostSample {
        HostSample {
            at: Time(second * 1000),
            cpu: Some(CpuShare {
                steal,
                ..CpuShare::default()
            }),
            ..HostSample::default()
        }
    }

    /// The level after a minute of it.
    fn steady_steal(percent: f32) -> Level {
        let (mut levels, t) = (Levels::new(), Thresholds::default());
        let told = (0..=60).filter_map(|second| {
            let found = levels.observe(&stolen(second, percent), &t);
            level_of(&found, "steal").flatten()
        });
        told.last().expect("judged")
    }

    #[test]
    fn steal_of_two_readings_minutes_apart_is_no_minute() {
        let (mut levels, t) = (Levels::new(), Thresholds::default());
        levels.observe(&stolen(0, 0.0), &t);
        let found = levels.observe(&stolen(200, 100.0), &t);
        assert_eq!(level_of(&found, "steal"), None, "nobody looked in between");
    }
}
