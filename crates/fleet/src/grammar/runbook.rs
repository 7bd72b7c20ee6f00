//! `runbooks/*.yaml`: written procedures that Stead carries out with people.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::check::Check;
use super::scalar::{Duration, Text, Words};

/// `runbooks/<name>.yaml`: a written procedure that Stead carries out with people.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunbookFile {
    /// What it does, in a few words. Default: the file's name.
    pub title: Option<String>,
    /// When to use it, in Markdown.
    pub description: Option<String>,
    /// What is asked before it starts, by name.
    pub inputs: BTreeMap<String, Input>,
    /// What must hold before it starts.
    pub preconditions: Vec<Check>,
    /// What is done, in order.
    #[schemars(extend("x-must" = true))]
    pub steps: Vec<Step>,
}

/// What is asked before a runbook starts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    pub description: Option<String>,
    pub default: Option<Text>,
}

/// One step. Exactly one of `run`, `action`, `approve`, `ask`, `wait`, `check`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    #[schemars(extend("x-must" = true))]
    pub name: Option<String>,
    /// The node it works on.
    pub node: Option<String>,
    /// A program and its arguments, run on the node.
    pub run: Option<Words>,
    /// An action kind of Stead's, done to `service` or to the node.
    pub action: Option<String>,
    /// The service the action is done to.
    pub service: Option<String>,
    /// What a person must confirm.
    pub approve: Option<String>,
    /// What a person must answer; the answer is known to later steps by the step's name.
    pub ask: Option<String>,
    /// How long to wait.
    pub wait: Option<Duration>,
    /// What must become true.
    pub check: Option<Check>,
    /// What must hold after the step.
    pub verify: Vec<Check>,
    /// What undoes the step: a program and its arguments, run on the node.
    pub rollback: Option<Words>,
    /// The step has failed when it takes longer.
    pub timeout: Option<Duration>,
}
