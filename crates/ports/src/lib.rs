//! What the shells around the core need of the outside, as traits. Each port has an in-memory fake that can inject faults
//! and stays the same for the same script, and a conformance suite that every real implementation runs. Where the real
//! one needs nothing but the operating system, it stands beside the trait.
//!
//! [`watch`] is no port: it is what those who wait use where a run must be repeatable.

pub mod clock;
pub mod disk;
pub mod entropy;
pub mod history;
pub mod log;
pub mod notify;
pub mod planted;
pub mod secrets;
pub mod watch;
