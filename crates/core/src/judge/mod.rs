//! When answers and readings become a verdict, and when to ask again. The same functions on the agent, in simulation and
//! without a server: what leaves here is transitions only, never "still the same".

mod check;
mod level;
mod schedule;

pub use check::{Answer, CheckState, ProbeResult, asked};
pub use level::{LevelChange, Levels};
pub use schedule::Schedule;
