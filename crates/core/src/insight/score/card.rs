//! From readings to cards.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::fix::{Fix, fix};
use super::scale::{Kind, Scale, ScoreSettings, Side};
use crate::ids::NodeName;
use crate::insight::amount;
use crate::time::Time;

/// What is known of a node, from fresh evidence. What is stale or was never read is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    /// Steal in percent, as a mean over the time the card speaks of.
    pub steal: Option<f64>,
    /// Bytes programs could still get without swapping.
    pub memory_available: Option<u64>,
    /// Percent used of the fullest filesystem.
    pub disk_used: Option<f64>,
    /// Services that are unhealthy or missing.
    pub unhealthy: Option<u32>,
    pub upkeep: Option<Upkeep>,
    /// Bytes a model could be loaded into.
    pub llm_free: Option<u64>,
}

/// What is known of cleanups. That none was ever seen is a reading too, and not the same as not knowing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    pub last: Option<Cleanup>,
}

/// The last cleanup that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleanup {
    pub at: Time,
    /// Bytes.
    pub freed: u64,
}

/// The card of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// 0–100, rounded; `None` where nothing at all is known.
    pub score: Option<u8>,
    /// Points reached, of `weight`: what the score is made of.
    pub points: u32,
    pub weight: u32,
    /// Some dimension has no data.
    pub partial: bool,
    /// Those that are switched on, in the order of the settings.
    pub dimensions: Vec<Dimension>,
}

/// One dimension of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    pub kind: Kind,
    pub title: String,
    pub weight: u8,
    /// `None`: no data, left out of the total.
    pub points: Option<u8>,
    /// In the unit of [`Kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The reading for people; without data, what is missing.
    pub measured: String,
    /// What would give more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// How to get there; present exactly when points are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

impl Dimension {
    /// Points it lost; 0 where nothing is known.
    pub fn lost(&self) -> u8 {
        self.points
            .map_or(0, |points| self.weight.saturating_sub(points))
    }
}

/// The nearest step that is better than the one reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Next {
    pub points: u8,
    /// For people: `below 55 %`.
    pub wants: String,
}

/// The fleet's score: the mean of its nodes, never without its worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetCard {
    pub score: Option<u8>,
    pub partial: bool,
    /// The lowest; the first by name among equals.
    pub worst: Option<(NodeName, u8)>,
    /// Nodes in the mean.
    pub nodes: u32,
    /// Nodes of which nothing is known.
    pub unscored: u32,
}

/// A reading in its dimension's unit, and whether it may have the best step.
struct Value {
    amount: f64,
    best: bool,
}

/// The card of `node` at `now`.
pub fn card(node: &NodeName, readings: &Readings, settings: &ScoreSettings, now: Time) -> Card {
    let dimensions: Vec<Dimension> = Kind::ALL
        .into_iter()
        .filter(|kind| settings.scale(*kind).weight() > 0)
        .map(|kind| dimension(kind, node, readings, settings.scale(kind), now))
        .collect();
    let known = || dimensions.iter().filter(|d| d.points.is_some());
    let weight: u32 = known().map(|d| u32::from(d.weight)).sum();
    let points: u32 = known().filter_map(|d| d.points).map(u32::from).sum();
    Card {
        score: ratio(points * 100, weight),
        points,
        weight,
        partial: dimensions.iter().any(|d| d.points.is_none()),
        dimensions,
    }
}

/// The card of the fleet from those of its nodes.
pub fn fleet<'a>(cards: impl IntoIterator<Item = (&'a NodeName, &'a Card)>) -> FleetCard {
    let (mut sum, mut nodes, mut unscored, mut partial) = (0, 0, 0, false);
    let mut worst: Option<(&NodeName, u8)> = None;
    for (node, card) in cards {
        let Some(score) = card.score else {
            unscored += 1;
            continue;
        };
        sum += u32::from(score);
        nodes += 1;
        partial |= card.partial;
        if worst.is_none_or(|(name, low)| (score, node) < (low, name)) {
            worst = Some((node, score));
        }
    }
    FleetCard {
        score: ratio(sum, nodes),
        partial: partial || unscored > 0,
        worst: worst.map(|(node, score)| (node.clone(), score)),
        nodes,
        unscored,
    }
}

/// `a / b` rounded half up; `None` of nothing.
fn ratio(a: u32, b: u32) -> Option<u8> {
    let rounded = (2 * a + b).checked_div(2 * b)?;
    u8::try_from(rounded).ok()
}

fn dimension(
    kind: Kind,
    node: &NodeName,
    readings: &Readings,
    scale: &Scale,
    now: Time,
) -> Dimension {
    let value = value(kind, readings, now).filter(|v| !v.amount.is_nan() && v.amount >= 0.0);
    let mut made = Dimension {
        kind,
        title: kind.title().to_string(),
        weight: scale.weight(),
        points: None,
        value: None,
        measured: measured(kind, readings, value.as_ref()),
        next: None,
        fix: None,
    };
    let Some(value) = value else {
        return made;
    };
    let reached = reached(kind, scale, &value);
    let points = reached.map_or(scale.otherwise, |index| scale.steps[index].points);
    made.points = Some(points);
    // Infinity is "never": a number no JSON can carry.
    made.value = Some(value.amount).filter(|amount| amount.is_finite());
    let better = reached.unwrap_or(scale.steps.len()).checked_sub(1);
    made.next = better.map(|index| Next {
        points: scale.steps[index].points,
        wants: wants(kind, scale.steps[index].bound, index == 0),
    });
    made.fix = (made.lost() > 0).then(|| fix(kind, node));
    made
}

/// The first step whose bound the reading is on the better side of.
fn reached(kind: Kind, scale: &Scale, value: &Value) -> Option<usize> {
    let holds = |bound: f64| match kind.side() {
        Side::Below => value.amount < bound,
        Side::Above => value.amount > bound,
    };
    let mut steps = scale.steps.iter().enumerate();
    steps
        .find(|(index, step)| holds(step.bound) && (value.best || *index > 0))
        .map(|(index, _)| index)
}

fn value(kind: Kind, readings: &Readings, now: Time) -> Option<Value> {
    let plain = |amount: f64| Value { amount, best: true };
    match kind {
        Kind::Cpu => readings.steal.map(plain),
        Kind::Memory => readings.memory_available.map(|n| plain(n as f64)),
        Kind::Disk => readings.disk_used.map(plain),
        Kind::Services => readings.unhealthy.map(|n| plain(f64::from(n))),
        Kind::Llm => readings.llm_free.map(|n| plain(n as f64)),
        Kind::Maintenance => readings.upkeep.as_ref().map(|upkeep| match upkeep.last {
            Some(cleanup) => Value {
                amount: now.since(cleanup.at).0 as f64 / 86_400_000.0,
                best: cleanup.freed > 0,
            },
            None => plain(f64::INFINITY),
        }),
    }
}

fn measured(kind: Kind, readings: &Readings, value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "no data yet".to_string();
    };
    let amount = value.amount;
    match kind {
        Kind::Cpu => format!("{} % steal", amount::number(amount)),
        Kind::Memory => format!("{} available", amount::bytes(amount as u64)),
        Kind::Disk => format!("the fullest disk is {} % full", amount::number(amount)),
        Kind::Services => match readings.unhealthy {
            Some(0) => "all services are well".to_string(),
            Some(1) => "1 service is unhealthy".to_string(),
            _ => format!("{} services are unhealthy", amount::number(amount)),
        },
        Kind::Llm => format!("{} free for a model", amount::bytes(amount as u64)),
        Kind::Maintenance => match readings.upkeep.as_ref().and_then(|upkeep| upkeep.last) {
            Some(cleanup) => format!(
                "last cleanup {} days ago, freed {}",
                amount::number(amount),
                amount::bytes(cleanup.freed)
            ),
            None => "no cleanup was ever seen".to_string(),
        },
    }
}

fn wants(kind: Kind, bound: f64, best: bool) -> String {
    match kind {
        Kind::Cpu => format!("less than {} % steal", amount::number(bound)),
        Kind::Memory => format!("more than {} available", amount::bytes(bound as u64)),
        Kind::Disk => format!("less than {} % used", amount::number(bound)),
        Kind::Services => format!("fewer than {} unhealthy", amount::number(bound)),
        Kind::Llm => format!("more than {} free", amount::bytes(bound as u64)),
        Kind::Maintenance => {
            let freed = if best { " that freed something" } else { "" };
            format!(
                "a cleanup{freed} less than {} days ago",
                amount::number(bound)
            )
        }
    }
}
