//! What a process and its children cost: read from `/proc`, nothing is asked of the process itself.

use crate::process;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// Clock ticks in a second: what `/proc` counts CPU in, the same on every Linux that is not exotic.
const TICKS: f64 = 100.0;

/// A process with all its descendants at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub rss_kib: u64,
    pub pss_kib: u64,
    /// Of the living and of children that ended.
    pub ticks: u64,
}

/// Share of one core between two moments, in percent.
pub fn share(before: Cost, after: Cost, seconds: f64) -> f64 {
    after.ticks.saturating_sub(before.ticks) as f64 / TICKS / seconds * 100.0
}

/// Waits, and no longer than until we are asked to stop.
pub fn rest(length: Duration) -> Result<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        anyhow::ensure!(!process::stopping(), "interrupted");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

pub fn of(pid: u32) -> Result<Cost> {
    let family = family(pid)?;
    let mut cost = Cost::default();
    for member in family {
        // One that has just ended is counted by its parent.
        let Ok(stat) = Stat::read(member) else {
            continue;
        };
        cost.ticks += stat.ticks;
        cost.rss_kib += kib(&format!("/proc/{member}/status"), "VmRSS:").unwrap_or(0);
        cost.pss_kib += kib(&format!("/proc/{member}/smaps_rollup"), "Pss:").unwrap_or(0);
    }
    anyhow::ensure!(cost.rss_kib > 0, "process {pid} has ended");
    Ok(cost)
}

fn family(root: u32) -> Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Ok(stat) = Stat::read(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut family = vec![root];
    let mut at = 0;
    while at < family.len() {
        family.extend(children.get(&family[at]).into_iter().flatten());
        at += 1;
    }
    Ok(family)
}

struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
    }

    /// The name in brackets may hold anything: fields are counted behind its last bracket.
    fn parse(text: &str) -> Result<Stat> {
        let (_, tail) = text.rsplit_once(')').context("no process name")?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let field =
            |n: usize| -> Result<u64> { Ok(fields.get(n).context("a short line")?.parse()?) };
        // user, system, and both of children that were waited for
        let ticks = field(11)? + field(12)? + field(13)? + field(14)?;
        Ok(Stat {
            parent: u32::try_from(field(1)?)?,
            ticks,
        })
    }
}

fn kib(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat =
            Stat::parse("7 (a) (b c)) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0").unwrap();
        assert_eq!((stat.parent, stat.ticks), (3, 100));
        assert!(Stat::parse("7 (a) S 3").is_err());
    }

    #[test]
    fn a_share_is_of_one_core() {
        let at = |ticks| Cost {
            ticks,
            ..Cost::default()
        };
        assert_eq!(share(at(100), at(150), 100.0), 0.5);
    }

    #[test]
    fn this_process_has_a_cost() {
        assert!(of(std::process::id()).unwrap().rss_kib > 0);
        assert!(of(u32::MAX).is_err());
    }
}
