//! Insight: what measured numbers mean to the owner. How good is it, where does it lead, what is out of the ordinary, and
//! what limit would fit?
//!
//! Every answer is a function of readings, settings and an instant. Where the readings do not carry an answer there is none,
//! and the reason is the answer: thin data is refused by name, never guessed over. Nothing here is logged, ordered or drawn;
//! nothing here reads a history, the caller hands over the part that is asked about.
//!
//! | module | its noun |
//! |---|---|
//! | [`score`] | the score card of a node and of the fleet |
//! | [`trend`] | a robust slope, and the projection from it |
//! | [`anomaly`] | a container that writes far above its own past |
//! | [`memory_advice`] | a memory limit that fits what was measured |
//! | [`oom_watch`] | whether a new limit holds |
//! | [`annotation`] | what happened, to draw beside numbers and to name as what came before |
//! | [`amount`] | bytes, shares and lengths of time as people read them |

pub mod amount;
pub mod annotation;
pub mod anomaly;
pub mod memory_advice;
pub mod oom_watch;
pub mod score;
pub mod trend;
