//! What to do about a lost point. One sentence, and the command or page that does it or shows more.
//!
//! A fix is advice to a person; nothing is done because a point was lost.

use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::ids::NodeName;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// A sentence that says what to do.
    pub what: String,
    /// Where the UI shows what it is about.
    pub page: String,
    /// To run as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

pub(super) fn fix(kind: Kind, node: &NodeName) -> Fix {
    let page = |tab: &str| format!("/nodes/{node}{tab}");
    let cleanup = format!("stead actions start disk_cleanup node/{node}");
    let (what, page, command) = match kind {
        Kind::Cpu => (
            "The hypervisor gives this machine's CPU time to others: ask the provider why, or move what is \
             heavy to another node",
            page("#cpu"),
            None,
        ),
        Kind::Memory => (
            "Look for the largest containers and set memory limits that fit what they use, or move one to a \
             node with more room",
            page("#memory"),
            None,
        ),
        Kind::Disk => (
            "Start the disk cleanup: it removes dangling images and build cache; then look for what writes most",
            page("#disk"),
            Some(cleanup),
        ),
        Kind::Services => (
            "Look at each unhealthy service: what failed, since when, and what changed just before; then let \
             the proposed repair run",
            format!("/services?node={node}"),
            Some(format!("stead services --node {node} --state unhealthy")),
        ),
        Kind::Maintenance => (
            "Start a cleanup now, and give the node one each week so that it does not depend on anybody's memory",
            page("#maintenance"),
            Some(cleanup),
        ),
        Kind::Llm => (
            "Unload a model that is not in use, stop what can wait, or run models on a node with more memory",
            page("#memory"),
            None,
        ),
    };
    Fix {
        what: what.into(),
        page,
        command,
    }
}
