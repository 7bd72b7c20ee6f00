//! What a seed means: a fleet, its policy, and what happens to it when. Data only; nothing is drawn while it runs that
//! could change when a move is left out, so that a failing plan can be made smaller.

mod draw;
pub mod fleet;
pub mod moves;

use stead_core::desired::Fleet;
use stead_core::time::Span;

use crate::chance::Chance;

/// A simulation before it runs.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub fleet: Fleet,
    /// The names the agents call by: the fleet's own, or an alias.
    pub called: Vec<Called>,
    /// In the order of their time. Each has a number, which stays its own when others are left out.
    pub moves: Vec<Move>,
    /// Faults end here; the world runs on until it is quiet.
    pub faults_end: u64,
    /// Everything ends here.
    pub end: u64,
    /// Milliseconds a message takes, and the log to become durable.
    pub latency: u64,
    pub sync: u64,
}

/// A node and the name its agent uses.
#[derive(Debug, Clone)]
pub struct Called {
    pub node: stead_core::ids::NodeName,
    pub by: stead_core::ids::NodeName,
}

/// Something that happens at an instant.
#[derive(Debug, Clone)]
pub struct Move {
    pub number: u32,
    /// Milliseconds after the beginning.
    pub at: u64,
    pub what: moves::What,
}

/// Quiet after the faults: long enough for every time-out, verification and back-off of one action.
const QUIET: Span = Span::mins(16);

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut chance = Chance::of(seed, "plan");
        let (fleet, called) = fleet::any(&mut Chance::of(seed, "fleet"));
        let length = Span::mins(chance.between(12, 30)).0;
        let latency = *chance.pick(&[0, 0, 1, 5, 40]);
        let sync = *chance.pick(&[0, 1, 3, 10, 60]);
        let moves = draw::any(&mut Chance::of(seed, "moves"), &fleet, length);
        Plan {
            seed,
            fleet,
            called,
            moves,
            faults_end: length,
            end: length + QUIET.0,
            latency,
            sync,
        }
    }

    /// The same without the moves of these numbers.
    pub fn without(&self, dropped: &[u32]) -> Plan {
        let mut plan = self.clone();
        plan.moves.retain(|m| !dropped.contains(&m.number));
        plan
    }
}
