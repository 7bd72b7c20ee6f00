//! Which reading gives how many points. Settings, with the numbers of row S2 unless somebody writes others.

use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::insight::amount::GIB;

/// What the points of all dimensions add up to.
pub const WHOLE: u32 = 100;
/// Steps of one dimension, at most.
const MAX_STEPS: usize = 16;

/// A dimension of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Steal, in percent.
    Cpu,
    /// Available memory, in bytes.
    Memory,
    /// The fullest filesystem, in percent.
    Disk,
    /// Unhealthy services, counted.
    Services,
    /// Age of the last cleanup, in days.
    Maintenance,
    /// Memory a model could be loaded into, in bytes.
    Llm,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::Cpu,
        Kind::Memory,
        Kind::Disk,
        Kind::Services,
        Kind::Maintenance,
        Kind::Llm,
    ];

    /// The name in settings and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Cpu => "cpu",
            Kind::Memory => "memory",
            Kind::Disk => "disk",
            Kind::Services => "services",
            Kind::Maintenance => "maintenance",
            Kind::Llm => "llm",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Cpu => "CPU efficiency",
            Kind::Memory => "Memory",
            Kind::Disk => "Disk",
            Kind::Services => "Services",
            Kind::Maintenance => "Maintenance",
            Kind::Llm => "LLM readiness",
        }
    }

    /// On which side of a bound a reading is better.
    pub fn side(self) -> Side {
        match self {
            Kind::Memory | Kind::Llm => Side::Above,
            Kind::Cpu | Kind::Disk | Kind::Services | Kind::Maintenance => Side::Below,
        }
    }
}

/// Where the better readings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Below,
    Above,
}

/// Points for a reading strictly on the better side of `bound`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub bound: f64,
    pub points: u8,
}

/// The steps of a dimension, the best first. The first step's points are its weight; without a step it is switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub steps: Vec<Step>,
    /// Points for a reading beyond every bound.
    pub otherwise: u8,
}

impl Scale {
    fn new(steps: &[(f64, u8)], otherwise: u8) -> Scale {
        let step = |&(bound, points): &(f64, u8)| Step { bound, points };
        Scale {
            steps: steps.iter().map(step).collect(),
            otherwise,
        }
    }

    /// The most it can give.
    pub fn weight(&self) -> u8 {
        self.steps.first().map_or(0, |step| step.points)
    }
}

/// Bounds and points of every dimension. Units are those of [`Kind`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoreSettings {
    pub cpu: Scale,
    pub memory: Scale,
    pub disk: Scale,
    pub services: Scale,
    /// The best step also asks that the cleanup freed something.
    pub maintenance: Scale,
    pub llm: Scale,
}

impl Default for ScoreSettings {
    /// The numbers of row S2. Counts are whole, so "below 3" is "one or two".
    fn default() -> ScoreSettings {
        let gib = |n: u64| (n * GIB) as f64;
        ScoreSettings {
            cpu: Scale::new(&[(2.0, 20), (5.0, 15), (10.0, 10)], 5),
            memory: Scale::new(&[(gib(6), 20), (gib(3), 15), (gib(1), 5)], 0),
            disk: Scale::new(&[(40.0, 15), (55.0, 10), (70.0, 5)], 0),
            services: Scale::new(&[(1.0, 20), (3.0, 15), (6.0, 8)], 2),
            maintenance: Scale::new(&[(7.0, 15), (30.0, 8)], 0),
            llm: Scale::new(&[(gib(8), 10), (gib(4), 7), (gib(2), 4)], 1),
        }
    }
}

impl ScoreSettings {
    pub fn scale(&self, kind: Kind) -> &Scale {
        match kind {
            Kind::Cpu => &self.cpu,
            Kind::Memory => &self.memory,
            Kind::Disk => &self.disk,
            Kind::Services => &self.services,
            Kind::Maintenance => &self.maintenance,
            Kind::Llm => &self.llm,
        }
    }

    /// Everything that is wrong with them; empty when they can be used.
    pub fn problems(&self) -> Vec<InvalidScore> {
        let mut found: Vec<InvalidScore> = Kind::ALL
            .into_iter()
            .flat_map(|kind| scale_problems(kind, self.scale(kind)))
            .collect();
        let sum = Kind::ALL
            .into_iter()
            .map(|kind| u32::from(self.scale(kind).weight()))
            .sum();
        if sum != WHOLE {
            found.push(InvalidScore::Sum { sum });
        }
        found
    }
}

fn scale_problems(kind: Kind, scale: &Scale) -> Vec<InvalidScore> {
    let mut found = vec![];
    if scale.steps.len() > MAX_STEPS {
        found.push(InvalidScore::Steps { kind });
    }
    if scale
        .steps
        .iter()
        .any(|step| !step.bound.is_finite() || step.bound < 0.0)
    {
        found.push(InvalidScore::Bound { kind });
    }
    let pairs = || scale.steps.iter().zip(scale.steps.iter().skip(1));
    let worsens = |(better, worse): (&Step, &Step)| match kind.side() {
        Side::Below => better.bound < worse.bound,
        Side::Above => better.bound > worse.bound,
    };
    if !pairs().all(worsens) {
        found.push(InvalidScore::Order { kind });
    }
    let last = scale.steps.last().map_or(0, |step| step.points);
    // Without steps there is nothing to give, so nothing may be given otherwise either.
    let falls = if scale.steps.is_empty() {
        scale.otherwise == 0
    } else {
        pairs().all(|(a, b)| a.points > b.points) && last > scale.otherwise
    };
    if !falls {
        found.push(InvalidScore::Points { kind });
    }
    found
}

/// Why settings cannot be used, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScore {
    #[error("the weights add up to {sum}; make the first steps of all dimensions add up to 100")]
    Sum { sum: u32 },
    #[error("{}: the bounds are out of order; write the best first: {}", kind.word(), order(*kind))]
    Order { kind: Kind },
    #[error("{}: points must fall from step to step, and `otherwise` must be the least", kind.word())]
    Points { kind: Kind },
    #[error("{}: a bound is negative or no number", kind.word())]
    Bound { kind: Kind },
    #[error("{}: more than 16 steps; join some", kind.word())]
    Steps { kind: Kind },
}

fn order(kind: Kind) -> &'static str {
    match kind.side() {
        Side::Below => "each bound is larger than the one before",
        Side::Above => "each bound is smaller than the one before",
    }
}
