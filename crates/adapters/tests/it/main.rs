//! Adapters against the real thing: a Docker engine and docker-compose of the lab.
//!
//! Without `STEAD_LAB` each test says that it needs the lab and returns; with it, anything missing is a failure.
#![allow(clippy::disallowed_methods)]

mod act;
mod compose;
mod docker_act;
mod docker_sample;
mod docker_watch;
mod engine;
mod ollama;
mod portainer;
mod proxy;
mod published;
mod seen;
mod systemd;
mod webhook;
