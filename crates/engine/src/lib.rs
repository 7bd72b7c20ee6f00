//! The loops that drive the core.
//!
//! ```text
//! Handle ─► queue ─► control loop ─► Controller::handle ─► EventLog::append (one commit for all that waited)
//!                        │                                        │ durable
//!                        ▼                                        ▼
//!                     View (world, drift)          acknowledgements, effects, feed
//! ```
//!
//! One writer: the control loop owns the numbers of the log. Whatever arrives while a commit is under way shares the
//! next one. Nothing is acknowledged and no effect leaves before its events are durable.

pub mod backtest;
mod clock;
mod control;
mod handle;
mod lead;
pub mod notify;
pub mod past;
mod replay;
mod retention;
pub mod schedule;
mod view;
pub mod zone;

pub use clock::Clock;
pub use control::{Engine, LOG_FULL, Options};
pub use handle::{Done, Error, Handle, Recorded};
pub use lead::{Lead, lead};
pub use past::Past;
pub use replay::{Replayed, decode, encode, replay, split, world_digest};
pub use retention::compact;
pub use view::{Feed, Trouble, View};
