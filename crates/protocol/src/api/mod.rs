//! Between server and people: the JSON bodies of `/api/v1`, `/summary` and the CLI's `--json`.
//!
//! Field names are a contract with scripts; they are only ever added to.

mod action;
mod event;
mod fleet;
mod node;
mod past;
mod problem;
mod service;

pub use action::*;
pub use event::*;
pub use fleet::*;
pub use node::*;
pub use past::*;
pub use problem::*;
pub use service::*;
