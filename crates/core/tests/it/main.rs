//! Stories and properties of the whole core: no I/O, no async, no clock.

mod alerts;
mod faults;
mod properties;
mod stage;
mod stories;
