//! The event log and its snapshots on SQL engines.
//!
//! An engine stores bytes and keeps the promises of [`stead_ports::log`]; it decides nothing. What a record means is
//! never looked at here.

pub mod sqlite;
