//! Metric samples over time, embedded: compressed, tiered, bounded on disk, read by range.
//!
//! ```text
//! append ─► admit ─► write-ahead file ─► head (memory) ─┐
//!                                                      ├─► range, names
//! keep ───► flush: readings and their folds ─► parts ───┘
//!      └──► merge small parts, drop old ones
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`tier`] | how finely what is kept how long, and who answers which stretch; pure |
//! | [`fold`] | many readings as one; pure |
//! | [`chunk`] | rows of one series as bytes; pure |
//! | [`store`] | the files, and everything that reads and writes them |
//! | [`promql`] | queries, evaluated by a library on what was read for them |
//! | [`selector`] | series, as people ask for them; pure |
//! | [`openmetrics`] | the text in which programs show their metrics, read; pure |
//! | [`series`] | which number of a machine's sample has which name; pure |
//! | [`corpus`] | samples as machines make them, to measure on |
//!
//! Nothing here but [`series`] knows what a metric means; nothing reads a clock but through its port, or retries.

mod admit;
mod catalogue;
pub mod chunk;
pub mod corpus;
pub mod fold;
mod head;
pub mod openmetrics;
#[cfg(feature = "promql")]
pub mod promql;
pub mod selector;
pub mod series;
pub mod store;
pub mod tier;
