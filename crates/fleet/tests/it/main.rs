//! Whole trees through the public door: what loads, what is refused and how it says so.

mod bad_input;
mod compose_patch;
mod example;
mod git_source;
mod hostile;
mod policy;
mod published;
mod watching;
