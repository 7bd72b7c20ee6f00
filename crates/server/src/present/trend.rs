//! Trends as people see them: a number, where it leads, and what happened meanwhile. Row S3. Pure.

use stead_core::desired::Thresholds;
use stead_core::ids::NodeName;
use stead_core::insight::amount;
use stead_core::insight::trend::{
    Bound, Direction, Point, Projection, Refusal, Trend, TrendSettings, trend as measure,
};
use stead_core::time::{Span, Time};
use stead_ports::history::{NAME, Op, Selector, Series};
use stead_protocol::api;

use super::history::point;
use crate::history::series;

/// What a trend can be asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metric {
    Disk,
    Memory,
    Swap,
    Steal,
    Containers,
    Io,
    /// Any other, by its own name.
    Named(String),
}

/// A bound that matters, how people call it, and what it means to be there.
type Mark = (Bound, String, &'static str);

/// What is known of a node beside the numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct About {
    pub thresholds: Thresholds,
    /// Bytes; 0 where it is not known.
    pub memory: u64,
}

impl Metric {
    pub const WORDS: [&'static str; 6] = ["disk", "memory", "swap", "steal", "containers", "io"];

    /// `None`: neither a word of the list nor the name of a metric.
    pub fn read(text: &str) -> Option<Metric> {
        Some(match text {
            "disk" => Metric::Disk,
            "memory" => Metric::Memory,
            "swap" => Metric::Swap,
            "steal" => Metric::Steal,
            "containers" => Metric::Containers,
            "io" => Metric::Io,
            name if is_name(name) => Metric::Named(name.to_string()),
            _ => return None,
        })
    }

    pub fn word(&self) -> &str {
        match self {
            Metric::Disk => "disk",
            Metric::Memory => "memory",
            Metric::Swap => "swap",
            Metric::Steal => "steal",
            Metric::Containers => "containers",
            Metric::Io => "io",
            Metric::Named(name) => name,
        }
    }

    pub fn title(&self) -> &str {
        match self {
            Metric::Disk => "Disk used",
            Metric::Memory => "Memory available",
            Metric::Swap => "Swap used",
            Metric::Steal => "Steal",
            Metric::Containers => "Unhealthy services",
            Metric::Io => "Written to disk",
            Metric::Named(name) => name,
        }
    }

    /// The name of the series it is read from.
    pub fn series(&self) -> &str {
        match self {
            Metric::Disk => series::DISK_USED,
            Metric::Memory => series::MEMORY_AVAILABLE,
            Metric::Swap => series::SWAP_USED,
            Metric::Steal => series::CPU,
            Metric::Containers => series::UNHEALTHY,
            Metric::Io => series::DISK_WRITE,
            Metric::Named(name) => name,
        }
    }

    pub fn unit(&self) -> &'static str {
        series::unit(self.series())
    }

    /// The series of `node`, or of all.
    pub fn selector(&self, node: Option<&NodeName>) -> Selector {
        let mut selector = Selector::metric(self.series());
        if *self == Metric::Steal {
            selector = selector.with("mode", Op::Equal, "steal");
        }
        match node {
            Some(node) => selector.with(series::NODE, Op::Equal, node.as_str()),
            None => selector,
        }
    }

    /// Less of it is worse.
    fn is_scarce(&self) -> bool {
        *self == Metric::Memory
    }

    fn marks(&self, about: &About) -> Vec<Mark> {
        let t = &about.thresholds;
        let percent = |bound: f64, level| {
            let label = format!("{} %", amount::number(bound));
            (Bound::RisesTo(bound), label, level)
        };
        match self {
            Metric::Disk => vec![
                percent(t.disk_note, "noted"),
                percent(t.disk_warn, "warning"),
                percent(t.disk_critical, "critical"),
            ],
            Metric::Steal => vec![
                percent(t.steal_warn, "warning"),
                percent(t.steal_critical, "critical"),
            ],
            Metric::Swap => {
                let label = amount::bytes(t.swap_used_warn);
                vec![(Bound::RisesTo(t.swap_used_warn as f64), label, "warning")]
            }
            Metric::Memory => {
                let least = match about.memory {
                    0 => amount::GIB,
                    all => amount::GIB.min(all / 10),
                };
                let label = format!("{} available", amount::bytes(least));
                vec![(Bound::FallsTo(least as f64), label, "critical")]
            }
            Metric::Containers | Metric::Io | Metric::Named(_) => Vec::new(),
        }
    }
}

fn is_name(text: &str) -> bool {
    let of = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.contains('_') && text.len() <= 200 && text.chars().all(of)
}

/// The worst first: the fullest, the busiest, the shortest of memory.
pub fn rank_trends(metric: &Metric, found: &mut [Series]) {
    let newest = |s: &Series| s.points.last().map_or(f64::NEG_INFINITY, |p| p.avg);
    found.sort_by(|a, b| {
        let order = newest(b).total_cmp(&newest(a));
        let order = if metric.is_scarce() {
            order.reverse()
        } else {
            order
        };
        order.then_with(|| a.labels.cmp(&b.labels))
    });
}

/// How `found` moves, and where it leads as far as `horizon`.
pub fn trend(
    metric: &Metric,
    found: &Series,
    about: &About,
    horizon: Span,
    now: Time,
) -> api::Trend {
    let settings = TrendSettings::default();
    let points: Vec<Point> = found
        .points
        .iter()
        .map(|p| Point {
            at: p.at,
            value: p.avg,
        })
        .collect();
    let measured = measure(&points, now, &settings);
    let projections = match &measured {
        Ok(trend) => projections(metric, trend, about, horizon, &settings),
        Err(_) => Vec::new(),
    };
    let latest = found.points.last().map(|p| p.avg);
    let sentence = sentence(metric, latest, &measured, &projections);
    api::Trend {
        node: found.labels.get(series::NODE).map(str::to_string),
        name: part(metric, found),
        selector: found.labels.to_string(),
        sentence,
        latest: latest.map(|value| series::rounded(metric.series(), value)),
        points: found
            .points
            .iter()
            .map(|p| point(metric.series(), p))
            .collect(),
        annotations: Vec::new(),
        slope: measured.as_ref().ok().map(slope),
        refusal: measured.as_ref().err().map(refusal),
        projections,
    }
}

/// What of the node it is: everything its labels say beside the node, and what the metric fixes.
fn part(metric: &Metric, found: &Series) -> Option<String> {
    let fixed = |name: &str| *metric == Metric::Steal && name == "mode";
    let own = found
        .labels
        .iter()
        .filter(|(name, _)| *name != NAME && *name != series::NODE && !fixed(name));
    let values: Vec<&str> = own.map(|(_, value)| value).collect();
    (!values.is_empty()).then(|| values.join(" "))
}

fn slope(t: &Trend) -> api::Slope {
    api::Slope {
        per_day: t.per_day,
        low: t.low,
        high: t.high,
        direction: super::word(t.direction()),
        level: t.level,
        level_error: t.level_error,
        points: t.points,
        span_ms: t.span.0,
        jumps: t
            .jumps
            .iter()
            .map(|jump| api::TrendJump {
                at: jump.at.to_string(),
                by: jump.by,
            })
            .collect(),
    }
}

fn refusal(why: &Refusal) -> api::TrendRefusal {
    api::TrendRefusal {
        why: why.word().to_string(),
        text: why.to_string(),
    }
}

fn projections(
    metric: &Metric,
    trend: &Trend,
    about: &About,
    horizon: Span,
    settings: &TrendSettings,
) -> Vec<api::TrendProjection> {
    let project = |(bound, label, level): Mark| {
        let answer = trend.reaches(bound, horizon, settings);
        let value = match bound {
            Bound::RisesTo(value) | Bound::FallsTo(value) => value,
        };
        let mut shown = api::TrendProjection {
            bound: value,
            level: level.to_string(),
            ..api::TrendProjection::default()
        };
        match answer {
            Ok(projection) => {
                shown.text = projection.words(&label);
                shown.answer = answer_word(&projection).to_string();
                if let Projection::Within { earliest, latest } = projection {
                    shown.earliest = Some((trend.at + earliest).to_string());
                    shown.latest = Some((trend.at + latest).to_string());
                }
            }
            Err(why) => {
                shown.text = format!("when it reaches {label} cannot be said: {why}");
                shown.answer = "refused".to_string();
                shown.refusal = Some(refusal(&why));
            }
        }
        shown.label = label;
        shown
    };
    metric.marks(about).into_iter().map(project).collect()
}

fn answer_word(projection: &Projection) -> &'static str {
    match projection {
        Projection::Reached => "reached",
        Projection::Away { .. } => "away",
        Projection::NotWithin { .. } => "not_within",
        Projection::Within { .. } => "within",
    }
}

/// `62 % now, rising by 0.8 points a day; reaches 70 % in 9 to 14 days`.
fn sentence(
    metric: &Metric,
    latest: Option<f64>,
    measured: &Result<Trend, Refusal>,
    projections: &[api::TrendProjection],
) -> String {
    let Some(latest) = latest else {
        return "Nothing was measured".to_string();
    };
    let now = format!("{} now", shown(metric.unit(), latest));
    let trend = match measured {
        Ok(trend) => trend,
        Err(why) => return format!("{now}; where it leads cannot be said: {why}"),
    };
    let by = per_day(metric.unit(), trend.per_day);
    let moves = match trend.direction() {
        Direction::Rising => format!("rising by {by} a day"),
        Direction::Falling => format!("falling by {by} a day"),
        Direction::Unclear => "no clear direction".to_string(),
    };
    // What is reached already is said only where nothing lies ahead.
    let ahead = projections.iter().find(|p| p.answer != "reached");
    match ahead.or(projections.last()) {
        Some(projection) => format!("{now}, {moves}; {}", projection.text),
        None => format!("{now}, {moves}"),
    }
}

/// A value with its unit, for people.
pub(super) fn shown(unit: &str, value: f64) -> String {
    match unit {
        "percent" => format!("{} %", amount::number(value)),
        "bytes" => amount::bytes(value.max(0.0) as u64),
        "bytes_per_second" => format!("{}/s", amount::bytes(value.max(0.0) as u64)),
        "per_second" => format!("{}/s", amount::number(value)),
        "celsius" => format!("{} °C", amount::number(value)),
        "seconds" => format!("{} s", amount::number(value)),
        _ => amount::number(value),
    }
}

fn per_day(unit: &str, change: f64) -> String {
    let change = change.abs();
    match unit {
        "percent" if change < 0.05 => "less than 0.1 points".to_string(),
        "percent" => format!("{} points", amount::number(change)),
        unit => shown(unit, change),
    }
}

#[cfg(test)]
mod tests;
