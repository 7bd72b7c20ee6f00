//! A memory limit that fits what was measured. Row R10.
//!
//! The limit is the highest use ever measured and room above it, the reservation is what it uses nearly always; both are
//! rounded up to sizes a person would write. A container that was killed at its limit gets a higher one whatever it was seen
//! to use: it could not use more. Nothing is advised for names on the exclusion list, from less than a day, or where the
//! machine has no room for it; and nothing here changes a file, a [`Change`] is data a patch is made from.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::amount::{GIB, KIB, MIB, bytes, span, span_down};
use super::trend::{Point, TrendSettings, trend};
use crate::policy::glob;
use crate::time::{Span, Time};

/// A limit is raised by half where it killed.
const RAISE_PERCENT: u64 = 150;
/// Room above the usual for the reservation.
const RESERVE_PERCENT: u64 = 110;
/// A limit of at most so many times the proposed one is left alone: changing it restarts the container for little.
const LEFT_ALONE: u64 = 2;
/// Of the machine's memory, at most this for one container.
const OF_NODE_PERCENT: u64 = 90;
/// Growth that would meet the limit within this is told of.
const SOON: Span = Span::days(30);

/// What a container used in one stretch of time. Bytes, without page cache that can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub at: Time,
    pub max: u64,
    pub average: u64,
}

/// What is known of a container.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub name: &'a str,
    /// As its creator wrote it.
    pub image: &'a str,
    /// Oldest first. Where nothing was read there is none.
    pub used: &'a [Used],
    pub width: Span,
    /// Bytes; 0: none.
    pub limit: u64,
    pub reservation: u64,
    /// How often it was killed at its own limit while this was measured.
    pub killed: u32,
    /// Of the machine.
    pub node_memory: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemorySettings {
    /// Measured time that is needed.
    pub least: Span,
    /// Percent of it in which something was read.
    pub coverage: u64,
    /// Percent above the peak, and the least of it in bytes.
    pub headroom: u64,
    pub least_headroom: u64,
    /// Never advised for: globs over the container's name and its image.
    pub exclude: Vec<String>,
}

impl Default for MemorySettings {
    /// LLM runtimes map models of many gigabytes on demand: a day without one says nothing of the next.
    fn default() -> MemorySettings {
        let runtimes = [
            "*ollama*",
            "*llama*",
            "*vllm*",
            "*localai*",
            "*local-ai*",
            "*text-generation*",
            "*lmstudio*",
            "*koboldcpp*",
            "*sglang*",
        ];
        MemorySettings {
            least: Span::days(1),
            coverage: 80,
            headroom: 30,
            least_headroom: 32 * MIB,
            exclude: runtimes.map(String::from).to_vec(),
        }
    }
}

/// What to do about a container's memory limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "advice", rename_all = "snake_case")]
pub enum Advice {
    Change(Change),
    /// Its limit fits.
    Fits {
        peak: u64,
        why: String,
    },
    Refused {
        why: Refusal,
    },
}

/// A change to a container's definition. Bytes; 0: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub limit: u64,
    pub reservation: u64,
    pub was_limit: u64,
    pub was_reservation: u64,
    /// The highest use measured.
    pub peak: u64,
    /// What it stays below 19 times of 20, on average over a stretch.
    pub usual: u64,
    /// Sentences, the deciding one first.
    pub why: Vec<String>,
}

/// Why nothing is advised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refusal {
    #[error(
        "{name} matches {pattern:?} on the exclusion list: what it needs depends on the model it loads"
    )]
    Excluded { name: String, pattern: String },
    #[error("measured for {}, and advice takes {}", span_down(*has), span(*need))]
    Thin { has: Span, need: Span },
    #[error("only {percent} % of the time was measured, and advice takes {need} %")]
    Gaps { percent: u64, need: u64 },
    #[error(
        "it would take a limit of {}, and the machine has {}: move it, or what runs beside it",
        bytes(*wants), bytes(*has)
    )]
    NoRoom { wants: u64, has: u64 },
}

/// Advice on `container` from what was measured until `now`.
pub fn advise(container: &Container<'_>, now: Time, settings: &MemorySettings) -> Advice {
    if let Some(why) = refusal(container, settings) {
        return Advice::Refused { why };
    }
    let used = container.used;
    let peak = used.iter().map(|u| u.max.max(u.average)).max().unwrap_or(0);
    let usual = usual(used);
    let headroom = (peak / 100).saturating_mul(settings.headroom);
    let needs = peak.saturating_add(headroom.max(settings.least_headroom));
    let killed = container.killed > 0 && container.limit > 0;
    let raised = if killed {
        (container.limit / 100).saturating_mul(RAISE_PERCENT)
    } else {
        0
    };
    let limit = readable(needs.max(raised));
    let has = container.node_memory;
    if has > 0 && limit > has / 100 * OF_NODE_PERCENT {
        let why = Refusal::NoRoom { wants: limit, has };
        return Advice::Refused { why };
    }
    let fits = (needs..=limit.saturating_mul(LEFT_ALONE)).contains(&container.limit);
    if fits && !killed {
        let why = format!(
            "it used at most {} in {}, and its limit of {} leaves room without waste",
            bytes(peak),
            span(measured(container)),
            bytes(container.limit)
        );
        return Advice::Fits { peak, why };
    }
    let reservation = readable((usual / 100).saturating_mul(RESERVE_PERCENT).max(usual)).min(limit);
    let mut change = Change {
        limit,
        reservation,
        was_limit: container.limit,
        was_reservation: container.reservation,
        peak,
        usual,
        why: Vec::new(),
    };
    change.why = reasons(container, &change, now);
    Advice::Change(change)
}

fn refusal(container: &Container<'_>, settings: &MemorySettings) -> Option<Refusal> {
    for name in [container.name, container.image] {
        let lower = name.to_lowercase();
        if let Some(pattern) = settings
            .exclude
            .iter()
            .find(|p| glob(&p.to_lowercase(), &lower))
        {
            return Some(Refusal::Excluded {
                name: name.to_string(),
                pattern: pattern.clone(),
            });
        }
    }
    let (has, need) = (measured(container), settings.least);
    if container.used.is_empty() || has < need {
        return Some(Refusal::Thin { has, need });
    }
    let read = (container.used.len() as u64).saturating_mul(container.width.0);
    let percent = read.saturating_mul(100) / has.0.max(1);
    (percent < settings.coverage).then_some(Refusal::Gaps {
        percent,
        need: settings.coverage,
    })
}

fn measured(container: &Container<'_>) -> Span {
    match (container.used.first(), container.used.last()) {
        (Some(first), Some(last)) => (last.at + container.width).since(first.at),
        _ => Span::ZERO,
    }
}

/// The 95th of a hundred averages.
fn usual(used: &[Used]) -> u64 {
    let mut averages: Vec<u64> = used.iter().map(|u| u.average).collect();
    averages.sort_unstable();
    let place = (averages.len().saturating_sub(1)) * 95 / 100;
    averages.get(place).copied().unwrap_or_default()
}

fn reasons(container: &Container<'_>, change: &Change, now: Time) -> Vec<String> {
    let peak = format!(
        "it used at most {} in {}; the limit leaves {} above that",
        bytes(change.peak),
        span(measured(container)),
        bytes(change.limit.saturating_sub(change.peak))
    );
    let times = if container.killed == 1 {
        "once"
    } else {
        "more than once"
    };
    let mut why = match (container.killed, container.limit) {
        (0, 0) => vec!["it has no limit: one leak would take the whole machine".to_string()],
        (0, was) if was < change.limit => vec![format!(
            "its limit of {} leaves {} above its peak: too little for a busy day",
            bytes(was),
            bytes(was.saturating_sub(change.peak))
        )],
        (0, was) => vec![format!(
            "its limit of {} is {} times what it takes: others could use that",
            bytes(was),
            was / change.limit.max(1)
        )],
        (_, 0) => vec![format!(
            "it was killed {times} when memory ran out, and it has no limit of its own"
        )],
        (_, was) => vec![format!(
            "it was killed {times} at its limit of {}: what it needs beyond that was never seen",
            bytes(was)
        )],
    };
    why.push(peak);
    why.push(format!(
        "it stays below {} nearly always: that is the reservation, with a little room",
        bytes(change.usual)
    ));
    why.extend(growth(container, change, now));
    why
}

/// A warning where use grows towards the limit.
fn growth(container: &Container<'_>, change: &Change, now: Time) -> Option<String> {
    let point = |u: &Used| Point {
        at: u.at,
        value: u.average as f64,
    };
    let points: Vec<Point> = container.used.iter().map(point).collect();
    let trend = trend(&points, now, &TrendSettings::default()).ok()?;
    let gap = change.limit as f64 - trend.level;
    let days = gap / trend.per_day;
    let soon = trend.low > 0.0 && days > 0.0 && days < SOON.0 as f64 / 86_400_000.0;
    soon.then(|| {
        format!(
            "its use has been growing by {} a day and would meet this limit in {}: look for a leak first",
            bytes(trend.per_day as u64),
            span(Span((days * 86_400_000.0) as u64))
        )
    })
}

/// The next size up that a person would write.
pub fn readable(n: u64) -> u64 {
    let step = match n {
        0..=0x1000_0000 => 16 * MIB,
        0x1000_0001..=0x4000_0000 => 64 * MIB,
        0x4000_0001..=0x1_0000_0000 => 256 * MIB,
        0x1_0000_0001..=0x4_0000_0000 => 512 * MIB,
        _ => GIB,
    };
    n.max(1).div_ceil(step).saturating_mul(step)
}

/// A size as a compose file writes it: `512m`, `2g`.
pub fn compose_size(n: u64) -> String {
    match n {
        n if n > 0 && n.is_multiple_of(GIB) => format!("{}g", n / GIB),
        n if n > 0 && n.is_multiple_of(MIB) => format!("{}m", n / MIB),
        n if n > 0 && n.is_multiple_of(KIB) => format!("{}k", n / KIB),
        n => format!("{n}b"),
    }
}

#[cfg(test)]
mod tests;
