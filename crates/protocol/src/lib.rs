//! Wire types: what goes over HTTP, between server and agent and between server and people. Shapes only, no behaviour.
//!
//! `agent` is versioned by its path (`/agent/v1/…`), `api` by its own (`/api/v1/…`); within a version fields are only
//! added.

pub mod agent;
pub mod api;
#[cfg(feature = "tunnel")]
pub mod tunnel;
