//! What the engine needs of the outside, as traits. Each port has an in-memory fake that can inject faults, and a
//! conformance suite that every real implementation runs.

pub mod log;
