//! The fleet directory: what its files may say, whether they say it rightly, and where they come from.
//!
//! Files become a [`Tree`] of bytes (from a directory or from a git commit), a tree becomes [`Loaded`]: either a
//! [`stead_core::desired::Fleet`] or the list of everything that is wrong with it, each problem with file, line, column
//! and remedy. A tree with an error never yields a fleet, not even part of one: half a desired state would look like
//! services that were removed.
//!
//! | module | its noun |
//! |---|---|
//! | [`grammar`] | what the YAML files may say, as types; the JSON Schemas come from them |
//! | [`load`] | the way from a tree to a fleet, and every rule on the way |
//! | [`problem`] | what is wrong, where, and what to do |
//! | [`tree`] | the files of a fleet as bytes, bounded, never through a link |
//! | [`source`] | where a tree comes from: a directory, a checkout, a git repository |
//! | [`watch`] | when to read it again |
//! | [`init`] | a first fleet directory, written from what a machine runs |
//! | [`compose_patch`] | a memory limit as a patch to a compose file |
//! | [`render`] | problems for a terminal |
#![forbid(unsafe_code)]

pub mod compose_patch;
pub mod grammar;
pub mod init;
pub mod load;
mod node;
pub mod problem;
pub mod render;
pub mod schema;
mod shape;
pub mod source;
pub mod tree;
pub mod watch;
mod yaml;

pub use load::{Loaded, Options, load, trial};
pub use problem::{Code, Problem, Severity};
pub use render::render;
pub use schema::schema;
pub use tree::Tree;

pub use source::Source;
