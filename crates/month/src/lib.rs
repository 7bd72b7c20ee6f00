//! Thirty days of a small invented fleet, lived in minutes and left on disk: what pages are looked at on, and numbers taken.
//!
//! ```text
//!  course ─► houses ─► agents (board, spool, journal, desk, ─► wire ─► server (sessions, engine, recorder) ─► log, history
//!             ▲        frames and routes of the binary)                  of the binary
//!             └──────────────── orders ◄──────────────────────────────────┘
//! ```
//!
//! | module | its noun |
//! |---|---|
//! | [`fleet`], [`places`] | the files of the fleet, and what stands behind each name |
//! | [`course`] | what happens when |
//! | [`house`], [`reading`] | a machine, and what it measures |
//! | [`agent`] | the binary's agent on such a machine |
//! | [`owner`] | the person, who looks now and then |
//! | [`log`] | the event log on the disk, from a runtime whose time is not real |
//! | [`live`] | all of it together: the month, then the present |
//!
//! Nothing is written past the server: each event and each sample comes in as from any agent. The clock of the runtime jumps
//! from timer to timer until the month is over; from then on it goes as everybody's does, and the fleet lives on.

pub mod agent;
pub mod course;
pub mod fleet;
pub mod house;
pub mod live;
pub mod log;
pub mod owner;
pub mod places;
pub mod reading;
