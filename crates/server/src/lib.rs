//! The server: HTTP, sessions, the files mirror, the embedded UI.
//!
//! | module | its noun |
//! |---|---|
//! | [`access`] | tokens, login links, sessions |
//! | [`agents`] | the agents' side of the server |
//! | [`files`] | the plain-file mirror of the state, in both directions |
//! | [`history`] | samples recorded and read |
//! | [`http`] | routes, live feed, pages |
//! | `inventory` | the inventory as CSV and as a report |
//! | `portainers` | what Portainers told lately |
//! | `listen` | the accept loop |
//! | `logs` | a text looked for in the logs of all nodes |
//! | [`present`] | from the world to what people read |
//! | [`proxy`] | what agents are asked on behalf of people |
//! | [`report`] | events that others report |
//! | [`server`] | all of it together |
//!
//! Nothing here decides what happens to a machine: decisions are handed to the engine and its answers passed on.

pub mod access;
pub mod agents;
pub mod files;
pub mod history;
pub mod http;
pub mod insight;
mod inventory;
mod portainers;
pub mod present;
pub mod proxy;
pub mod report;
pub mod secrets;
pub mod server;

mod listen;
mod logs;

pub use http::FleetProblems;
pub use proxy::{AgentProxy, Chunks, ProxyError};
pub use server::{Error, Options, Server};
