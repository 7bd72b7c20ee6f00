//! Why an agent cannot run. Everything that may pass by itself (a server that is away, an engine that is down) is not
//! among it.

use std::io;
use std::path::PathBuf;

use crate::{journal, spool};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{url:?} is not a server's address: {why}")]
    Address { url: String, why: &'static str },
    #[error("{url:?} is on another machine")]
    NotLocal { url: String },
    #[error("{url:?} asks for TLS")]
    Tls { url: String },
    #[error("{0}")]
    Engine(#[from] stead_adapters::docker::Error),
    #[error("the data directory {}: {source}", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("another agent uses {}", .0.display())]
    InUse(PathBuf),
    #[error("the spool cannot be used: {0}")]
    Spool(#[from] spool::Error),
    #[error("{0}")]
    Journal(#[from] journal::Error),
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::Address { .. } => "server-address",
            Error::NotLocal { .. } => "server-not-local",
            Error::Tls { .. } => "server-tls",
            Error::Engine(error) => error.code(),
            Error::Data { .. } => "data-directory",
            Error::InUse(_) => "data-in-use",
            Error::Spool(error) => error.code(),
            Error::Journal(error) => error.code(),
        }
    }

    /// What to do next.
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Address { .. } => {
                "Write it like http://127.0.0.1:18180 or unix:///run/stead/server.sock."
            }
            Error::NotLocal { .. } => {
                "Until agents can be enrolled, they talk only to a server on their own machine: use http://127.0.0.1:PORT or unix:///PATH."
            }
            Error::Tls { .. } => {
                "A server on the same machine needs none: write http:// instead of https://, or unix:///PATH."
            }
            Error::Engine(error) => error.remedy(),
            Error::Data { .. } => {
                "Give another directory by --data, or make this one writable for the agent."
            }
            Error::InUse(_) => {
                "Stop the other agent, or give this one a data directory of its own by --data."
            }
            Error::Spool(_) => {
                "Look at the disk (df, dmesg). What the spool holds was not yet at the server."
            }
            Error::Journal(error) => error.remedy(),
        }
    }
}
