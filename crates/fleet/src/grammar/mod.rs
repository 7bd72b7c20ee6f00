//! What the YAML files may say, as types. Everything else comes from them: the JSON Schemas for editors, the shape check
//! of `stead check`, and the reference.
//!
//! Every key is optional to serde, and what must be given is marked `x-must` (the schema turns it into `required`): the shape check names all
//! missing keys of a file at once, where serde would stop at the first. Nothing here has defaults that mean something;
//! those are filled in by [`crate::load`].

pub mod backup;
pub mod channel;
pub mod check;
pub mod drill;
pub mod insight;
pub mod inventory;
pub mod job;
pub mod loki;
pub mod metrics;
pub mod node;
pub mod page;
pub mod policy;
pub mod runbook;
pub mod scalar;
pub mod service;
pub mod stead;
pub mod when;

/// The kinds of files, by where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// `stead.yaml`
    Stead,
    /// `hosts/<node>/node.yaml`
    Node,
    /// `hosts/<node>/services.yaml`
    Services,
    /// `hosts/<node>/jobs.yaml`
    Jobs,
    /// `runbooks/*.yaml`
    Runbook,
}

impl FileKind {
    pub const ALL: [FileKind; 5] = [
        FileKind::Stead,
        FileKind::Node,
        FileKind::Services,
        FileKind::Jobs,
        FileKind::Runbook,
    ];

    pub fn word(self) -> &'static str {
        match self {
            FileKind::Stead => "stead",
            FileKind::Node => "node",
            FileKind::Services => "services",
            FileKind::Jobs => "jobs",
            FileKind::Runbook => "runbook",
        }
    }

    /// Where such files lie, for people.
    pub fn place(self) -> &'static str {
        match self {
            FileKind::Stead => "stead.yaml",
            FileKind::Node => "hosts/<node>/node.yaml",
            FileKind::Services => "hosts/<node>/services.yaml",
            FileKind::Jobs => "hosts/<node>/jobs.yaml",
            FileKind::Runbook => "runbooks/<name>.yaml",
        }
    }
}
