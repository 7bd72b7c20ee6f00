//! A Loki of the owner's: lines that others sent there, read where they are.
//!
//! ```text
//! wanted ─► label: which say node, container, unit ─► logql ─► client ─► streams ─► read: lines of the fleet
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`client`] | its three questions, each under a limit |
//! | [`label`] | which label says what; pure |
//! | [`logql`] | a question in its language; pure |
//! | [`read`] | lines as the search shows them |
//!
//! Nothing is copied, kept or sent there. What is of no node of the fleet is left out, and a line is shown as one from a node is:
//! without what looks like a secret, and cut where it is too long.

mod client;
mod error;
mod label;
mod logql;
mod read;

pub use error::Error;
pub use read::{Answer, Line, Loki, Of, Wanted};
