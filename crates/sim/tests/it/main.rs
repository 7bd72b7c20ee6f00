//! The simulation as part of the ordinary test run: many seeds, each planted bug found, and the named incidents (F).

mod bugs;
mod incidents;
mod seeds;
