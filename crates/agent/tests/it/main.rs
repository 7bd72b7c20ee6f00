//! The agent as a whole: over a real tunnel, killed for real, and (in the lab) on a real engine.
#![allow(clippy::disallowed_methods)]

mod disk;
mod docker;
mod full;
mod history;
mod kill;
mod server;
mod session;
mod tunnel;
mod two_servers;
