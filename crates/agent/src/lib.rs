//! The node daemon.
pub mod clock;
pub mod journal;
mod record;
pub mod spool;
