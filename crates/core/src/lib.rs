//! The pure domain of Stead.
//!
//! Everything that decides lives here and is a function of its arguments: no clock, no randomness, no I/O, no async, no
//! logging. Reasons are return values. That is what makes replay, time travel, simulation and the same verdict on an
//! agent without its server possible. `cargo xtask tidy` checks it.
//!
//! | module | its noun |
//! |---|---|
//! | [`ids`], [`time`], [`subject`] | names and instants |
//! | [`desired`] | what the fleet directory says |
//! | [`facts`] | what an agent has seen on its node |
//! | [`sample`] | what a machine measures every second |
//! | [`judge`] | when readings and answers become a verdict, and when to ask again |
//! | [`event`] | immutable facts in the log |
//! | [`world`] | the fold of the log |
//! | [`assess`] | how a service is doing |
//! | [`drift`] | where world and desired state differ |
//! | [`action`] | what Stead does or proposes to do, as a state machine with a plan |
//! | [`plan`] | from drift to an action's steps |
//! | [`policy`] | what may happen without asking |
//! | [`insight`] | what measured numbers mean: score, trend, anomaly, advice |
//! | [`lock`] | marks that keep repairs off a target |
//! | [`brake`] | when much drifts at once, the fault is probably here |
//! | [`selector`] | how people name many things at once |
//! | [`alert`] | one cause, one thread: what people are told |
//! | [`backtest`] | what another policy would have done with what was recorded |
//! | [`planted`] | bugs on purpose, in no build but the simulator's |
//! | [`controller`] | consumes events and the clock, returns events and effects |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod action;
pub mod alert;
pub mod assess;
pub mod backtest;
pub mod brake;
pub mod command;
pub mod container_sample;
pub mod controller;
pub mod desired;
pub mod drift;
pub mod event;
pub mod facts;
pub mod ids;
pub mod insight;
pub mod judge;
pub mod lock;
pub mod plan;
pub mod planted;
pub mod policy;
pub mod sample;
pub mod selector;
pub mod subject;
pub mod time;
pub mod world;

mod pairs;
