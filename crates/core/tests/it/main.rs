//! Stories and properties of the whole core: no I/O, no async, no clock.

mod alerts;
mod backtest;
mod drill;
mod faults;
mod properties;
mod restraint;
mod rollout;
mod stage;
mod stories;
mod writes;
