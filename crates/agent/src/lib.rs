//! The node daemon: looks at one machine, tells a server, and does what it is told, once.
//!
//! ```text
//!            ┌────────────── agent ──────────────┐
//! adapters ─►│ observe ─► board ─► spool ─► frames│─► tunnel ─► server
//!            │             ▲                     │
//! adapters ◄─│ machine ◄─ order ◄─ journal ◄─ routes │◄─ tunnel, local socket
//!            └───────────────────────────────────┘
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | `run` | an agent put together from the machine's own clock, disk and adapters: [`Options`], [`run`] |
//! | [`observe`] | looking: machine, engine, manager, checks |
//! | [`board`] | what is known now, and the one lock that keeps facts and frames in step |
//! | [`spool`] | frames the server has not confirmed, on disk |
//! | [`frames`] | the endless stream of them |
//! | [`history`] | the node's own seconds, for a day |
//! | [`order`] | commands carried out at most once |
//! | [`journal`] | what was intended and how it ended, on disk |
//! | [`routes`], [`bundle`], `socket`, `link`, [`session`] | how it is spoken to, and what it was last told to look at |
//!
//! Clock, disk and chance are ports ([`stead_ports`]): the same parts, put together with other ones, are an agent in a
//! simulation.
//!
//! It never decides what to repair, never repeats an effect by itself, never sends what looks like a secret, and keeps
//! working without a server, without an engine and without systemd.

pub mod board;
pub mod bundle;
pub mod clock;
pub mod frames;
pub mod history;
pub mod journal;
pub mod observe;
pub mod order;
pub mod routes;
pub mod session;
pub mod spool;

mod address;
mod error;
mod footprint;
mod link;
mod record;
mod run;
mod socket;

pub use error::Error;
pub use run::{Options, run};
