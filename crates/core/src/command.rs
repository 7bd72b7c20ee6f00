//! What an agent can be told to do: a closed list of typed commands, and how each can end.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::desired::ContainerDef;
use crate::ids::{ContainerName, ModelName, Seq, ServiceName, UnitName};
use crate::lock::LockKind;
use crate::subject::Subject;

/// One typed thing to do to a node. Its serialised form enters the plan digest, so it holds targets, never estimates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "a handful exist at a time; boxing would cost every reader of a plan"
)]
pub enum Command {
    /// Stop and start a container; only the one with this immutable ID.
    ContainerRestart {
        container: ContainerName,
        id: String,
    },
    /// Create the container from its definition, replacing the one with ID `replaces` if there is one.
    ContainerRecreate {
        service: ServiceName,
        container: ContainerName,
        /// Without the values of its environment: plans are kept for ever, secrets must not be. The agent has the whole
        /// definition in its bundle.
        definition: ContainerDef,
        /// Of the whole definition: the agent carries out this one and no other.
        digest: String,
        #[serde(default)]
        replaces: Option<String>,
    },
    /// `compose up -d --build --force-recreate` for one service of the file, or all of them.
    ComposeUp {
        path: String,
        #[serde(default)]
        file: Option<String>,
        #[serde(default)]
        project: Option<String>,
        /// Empty: every service of the file.
        services: Vec<String>,
    },
    /// Reset the failed state and restart the unit.
    UnitRestart { unit: UnitName },
    /// Stop a container; only the one with this immutable ID.
    ContainerStop {
        container: ContainerName,
        id: String,
    },
    /// Stop the unit.
    UnitStop { unit: UnitName },
    /// Kill the canary that Stead owns; the agent refuses any container without its label.
    CanaryKill {
        container: ContainerName,
        id: String,
    },
    /// Release a stale lock. Carried out by the server itself: a lock is a mark in its log.
    LockRelease { lock: LockKind, seq: Seq },
    /// Remove what no container uses: build cache, dangling images.
    DiskCleanup {
        build_cache: bool,
        dangling_images: bool,
    },
    /// Bring a model into memory; only the one with this digest.
    ModelLoad { model: ModelName, digest: String },
    /// Take a model out of memory.
    ModelUnload { model: ModelName },
}

impl Command {
    /// Whether repeating it after an outcome nobody saw does no more harm than doing it once.
    pub fn idempotent(&self) -> bool {
        match self {
            Command::ContainerRestart { .. } | Command::UnitRestart { .. } => false,
            Command::ContainerRecreate { .. } | Command::ComposeUp { .. } => false,
            Command::CanaryKill { .. } => false,
            // What is stopped already stays so.
            Command::ContainerStop { .. } | Command::UnitStop { .. } => true,
            Command::LockRelease { .. } | Command::DiskCleanup { .. } => true,
            // What is loaded stays loaded, what is not stays out.
            Command::ModelLoad { .. } | Command::ModelUnload { .. } => true,
        }
    }
}

/// An order to an agent: a command with the right to carry it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// `container-restart-piha-z2m`
    pub action: String,
    pub occurrence: u32,
    pub step: u32,
    /// Starts at 1; a repeated order with the same attempt gets the first result.
    pub attempt: u32,
    /// Fencing token; the agent refuses one lower than the highest it has seen for the target.
    pub token: u64,
    /// Of the leader that gives it; the agent refuses one lower than the highest it has seen. 0: none is kept.
    #[serde(default)]
    pub epoch: u64,
    /// The lease ends this many milliseconds after the agent got the order.
    pub lease_ms: u64,
    /// The command must have ended by then, else its outcome is unknown.
    pub timeout_ms: u64,
    pub target: Subject,
    /// A policy's decision (counts against the limit per hour) or a person's.
    pub automatic: bool,
    /// Bound on automatic orders for this target in an hour.
    pub per_hour: u32,
    pub command: Command,
}

impl Order {
    /// What makes it the same order again.
    pub fn key(&self) -> (&str, u32, u32, u32) {
        (&self.action, self.occurrence, self.step, self.attempt)
    }
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Carried out. `output` is for people, redacted, at most 16 KiB; `freed` in bytes where the command frees space.
    Done {
        #[serde(default)]
        output: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        freed: Option<u64>,
    },
    /// Not begun: stale token, wrong target, read-only, over the limit, a target that is not the planned one.
    Refused { code: String, why: String },
    /// Begun or attempted, and it is certain that it failed.
    Failed {
        code: String,
        why: String,
        #[serde(default)]
        output: String,
    },
    /// Nobody knows: a time-out, or a crash between effect and record. Observe before doing anything again.
    Unknown { why: String },
}
