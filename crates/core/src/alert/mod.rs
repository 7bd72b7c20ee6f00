//! Alerts: one cause, one thread; a recovery for every alarm; nothing said twice. Row T3.
//!
//! Pure. [`Alerts`] is part of the world (the fold); [`consider`] and [`due`] say what is to be stated next, as events;
//! nothing here sends anything.

mod state;

pub use state::{Alerts, Message, Thread};

use alloc::vec::Vec;

use crate::drift;
use crate::event::{Body, Event, Severity};
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::Time;
use crate::world::World;

/// An event that follows for the alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub subject: Subject,
    pub severity: Severity,
    pub body: Body,
}

/// What follows for the alerts from `event`, which is folded into `world` already.
pub fn consider(
    _world: &World,
    _drift: &drift::Index,
    _event: &Event,
    _now: Now,
) -> Vec<Statement> {
    Vec::new()
}

/// What follows from time alone.
pub fn due(_world: &World, _drift: &drift::Index, _now: Now) -> Vec<Statement> {
    Vec::new()
}

/// When [`due`] may have something to say at the latest.
pub fn next_deadline(_world: &World) -> Option<Time> {
    None
}
