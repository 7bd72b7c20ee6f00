//! Between server and people: the JSON bodies of `/api/v1`, `/summary` and the CLI's `--json`.
//!
//! Field names are a contract with scripts; they are only ever added to.

mod action;
mod container;
mod event;
mod fleet;
mod history;
mod inventory;
mod message;
mod model;
mod node;
mod overview;
mod past;
mod policy;
mod problem;
mod restraint;
mod rollout;
mod score;
mod service;

pub use action::*;
pub use container::*;
pub use event::*;
pub use fleet::*;
pub use history::*;
pub use inventory::*;
pub use message::*;
pub use model::*;
pub use node::*;
pub use overview::*;
pub use past::*;
pub use policy::*;
pub use problem::*;
pub use restraint::*;
pub use rollout::*;
pub use score::*;
pub use service::*;
