//! One folder per outside system. Adapters observe and act; they never decide.

pub mod act;
mod ask;
pub mod chores;
pub mod compose;
pub mod docker;
mod door;
pub mod host;
mod json;
pub mod loki;
pub mod names;
pub mod observation;
pub mod ollama;
pub mod plain;
pub mod portainer;
pub mod probe;
pub mod program;
pub mod prometheus;
mod queue;
pub mod redact;
pub mod systemd;
pub mod webhook;
