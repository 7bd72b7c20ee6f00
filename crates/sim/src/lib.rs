//! A whole fleet in one thread: the engine, controller, sessions and agents of the binary, with disks, wires, machines
//! and clocks replaced, and everything going wrong that a seed says.
//!
//! ```text
//!  seed ─► plan (fleet, policy, moves)
//!            │
//!            ▼            real code                          real code
//!  machine ◄─ hands ◄─ agent (desk, journal, ─► wire ─► server (sessions, engine, ─► log (fake, watched)
//!     └─────► eyes ──► board, spool, routes)            controller)                       │
//!                                   │                                                     ▼
//!                                   └──────────────► truth ◄──── every commit, every effect
//!                                                      │
//!                                                      ▼
//!                                                 invariants ─► finding ─► shrink ─► story
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`plan`] | what a seed means |
//! | [`run`] | one simulation; [`run::once`] |
//! | [`fleet`] | the fleet while it runs |
//! | [`machine`], [`eyes`], [`hands`] | a machine, and what of an agent touches it |
//! | [`agent`], [`server`], [`life`] | processes that can be killed at any step |
//! | [`wire`], [`net`], [`log`] | what is between them, and breaks |
//! | [`person`] | people |
//! | [`truth`], [`invariant`] | what really happened, and what must hold of it |
//! | [`shrink`], [`story`] | a failure made short and readable |
//!
//! Nothing here reads a real clock, starts a thread, touches a file or opens a socket while a fleet runs: the same seed
//! gives the same log, byte for byte. Nothing here decides for Stead.

pub mod agent;
pub mod chance;
pub mod eyes;
pub mod fleet;
pub mod hands;
pub mod invariant;
pub mod life;
pub mod log;
pub mod machine;
pub mod net;
pub mod panics;
pub mod person;
pub mod plan;
pub mod run;
pub mod server;
pub mod shrink;
pub mod story;
pub mod truth;
pub mod wire;
