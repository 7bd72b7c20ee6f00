//! The server from outside: a real engine on the log in memory, requests through the whole router, files in real
//! directories.

mod api;
mod auth;
mod containers;
mod errors;
mod feed;
mod files;
mod history;
mod insight;
mod inventory;
mod loki;
mod messages;
mod openapi;
mod outside;
mod overview;
mod past;
mod peer;
mod prometheus;
mod reasons;
mod restraint;
mod rollouts;
mod scene;
mod seconds;
mod status;
mod vm;
mod wire;
