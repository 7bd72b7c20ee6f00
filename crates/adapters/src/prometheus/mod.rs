//! A Prometheus or VictoriaMetrics of the owner's: its samples read as Stead's, and Stead's sent to it.
//!
//! ```text
//! selector ─► map: rules, nodes ─► PromQL ─► client ─► answer ─► map: labels ─► series
//! samples ─► write: protobuf, snappy ─► client
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`client`] | its two questions |
//! | [`rule`] | which expression over node-exporter's and cAdvisor's metrics is which metric of Stead; pure |
//! | [`read`] | the history as it is there |
//! | [`write`] | samples as remote-write wants them |
//!
//! Nothing is copied: what is read is forgotten. Nothing is retried here, and nothing waits longer than a request's time.

mod client;
mod read;
mod rule;
mod write;

pub use crate::names::Names;
pub use read::Prometheus;
pub use write::{Receiver, Undelivered};
