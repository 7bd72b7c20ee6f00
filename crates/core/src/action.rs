//! Actions: what Stead does, or proposes to do, to a machine.
//!
//! ```text
//!            ┌────────── plan changed ──────────┐
//!            ▼                                  │
//! propose ► pending ─► approved ─► running ─► completed
//!            │  │         │          ├──────► failed
//!            │  └► rejected │        └ phases: executing, verifying, unknown
//!            └─────► cancelled ◄┘ (only what policy approved)
//! ```

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::command::{Command, Outcome};
use crate::ids::{Seq, digest};
use crate::subject::Subject;
use crate::time::Time;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    ContainerRestart,
    Redeploy,
    UnitRestart,
    DiskCleanup,
    LockClear,
    DnsPublish,
    ProxyRegister,
    AgentRestart,
    LoopRestart,
    WorkloadStart,
    WorkloadStop,
    AgentUpgrade,
    Provision,
    Patch,
    /// Brings a language model into memory.
    ModelLoad,
    /// Takes a language model out of memory.
    ModelUnload,
    /// Breaks the canary on purpose.
    Drill,
    Restore,
    Rebuild,
    Destroy,
}

impl ActionKind {
    pub const ALL: [ActionKind; 20] = [
        ActionKind::ContainerRestart,
        ActionKind::Redeploy,
        ActionKind::UnitRestart,
        ActionKind::DiskCleanup,
        ActionKind::LockClear,
        ActionKind::DnsPublish,
        ActionKind::ProxyRegister,
        ActionKind::AgentRestart,
        ActionKind::LoopRestart,
        ActionKind::WorkloadStart,
        ActionKind::WorkloadStop,
        ActionKind::AgentUpgrade,
        ActionKind::Provision,
        ActionKind::Patch,
        ActionKind::ModelLoad,
        ActionKind::ModelUnload,
        ActionKind::Drill,
        ActionKind::Restore,
        ActionKind::Rebuild,
        ActionKind::Destroy,
    ];

    pub fn word(self) -> &'static str {
        self.traits().0
    }
    /// Word, level and risk: the table of row R1.
    fn traits(self) -> (&'static str, u8, Risk) {
        use Risk::{Destructive, Guarded, Low};
        match self {
            ActionKind::LockClear => ("lock_clear", 1, Low),
            ActionKind::DnsPublish => ("dns_publish", 1, Low),
            ActionKind::ProxyRegister => ("proxy_register", 1, Low),
            ActionKind::ContainerRestart => ("container_restart", 2, Low),
            ActionKind::UnitRestart => ("unit_restart", 2, Low),
            ActionKind::AgentRestart => ("agent_restart", 2, Low),
            ActionKind::LoopRestart => ("loop_restart", 2, Low),
            ActionKind::WorkloadStart => ("workload_start", 2, Low),
            ActionKind::WorkloadStop => ("workload_stop", 2, Low),
            ActionKind::Drill => ("drill", 2, Low),
            ActionKind::ModelLoad => ("model_load", 2, Low),
            ActionKind::ModelUnload => ("model_unload", 2, Low),
            ActionKind::Redeploy => ("redeploy", 2, Guarded),
            ActionKind::DiskCleanup => ("disk_cleanup", 2, Guarded),
            ActionKind::AgentUpgrade => ("agent_upgrade", 2, Guarded),
            ActionKind::Provision => ("provision", 2, Guarded),
            ActionKind::Patch => ("patch", 2, Guarded),
            ActionKind::Restore => ("restore", 3, Destructive),
            ActionKind::Rebuild => ("rebuild", 3, Destructive),
            ActionKind::Destroy => ("destroy", 3, Destructive),
        }
    }
    pub fn from_word(text: &str) -> Option<ActionKind> {
        ActionKind::ALL.into_iter().find(|k| k.word() == text)
    }
    /// Level of row R1.
    pub fn level(self) -> u8 {
        self.traits().1
    }
    /// Risk of row R1.
    pub fn risk(self) -> Risk {
        self.traits().2
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    Guarded,
    Destructive,
}

impl Risk {
    pub fn word(self) -> &'static str {
        match self {
            Risk::Low => "low",
            Risk::Guarded => "guarded",
            Risk::Destructive => "destructive",
        }
    }
}

/// What started the trouble that an action answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    ContainersNotRunning,
    ContainerUnhealthy,
    MqttUnreachable,
    CheckFailed,
    UnitFailed,
    UnitInactive,
    ProcessAbsent,
    /// Desired and seen absent.
    Absent,
    ImageChanged,
    ComposeChanged,
    DefinitionChanged,
    UnitFileChanged,
    DiskFull,
    AgentSilent,
    RebootRequired,
    NotInAnyFile,
    Suspended,
    /// Somebody else's report that names no reason Stead knows.
    Reported,
    /// A person asked for it.
    Person,
    NoProgress,
    /// Whoever holds a lock gives no sign any more.
    HolderSilent,
}

impl Trigger {
    pub fn word(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(word)) => word,
            _ => String::new(),
        }
    }
}

/// What an action mends: its identity. At most one occurrence per key is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ActionKey {
    pub kind: ActionKind,
    pub subject: Subject,
}

/// By subject first: what concerns one subject lies together, and is found by one look.
impl Ord for ActionKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.subject
            .cmp(&other.subject)
            .then(self.kind.cmp(&other.kind))
    }
}

impl PartialOrd for ActionKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl ActionKey {
    /// Every key of `subject`, first to last.
    pub fn all_of(subject: &Subject) -> core::ops::RangeInclusive<ActionKey> {
        let [first, .., last] = ActionKind::ALL;
        let key = |kind| ActionKey {
            kind,
            subject: subject.clone(),
        };
        key(first)..=key(last)
    }

    /// Whether `text` is its [`ActionKey::id`], without writing that down.
    pub fn has_id(&self, text: &str) -> bool {
        struct Rest<'a>(&'a str);
        impl fmt::Write for Rest<'_> {
            fn write_str(&mut self, part: &str) -> fmt::Result {
                self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
                Ok(())
            }
        }
        let mut rest = Rest(text);
        self.write_id(&mut rest).is_ok() && rest.0.is_empty()
    }

    /// `container-restart-{node}-{service}`, `disk-cleanup-{node}`.
    pub fn id(&self) -> String {
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = self.write_id(&mut text);
        text
    }

    fn write_id(&self, to: &mut impl fmt::Write) -> fmt::Result {
        for (i, part) in self.kind.word().split('_').enumerate() {
            if i > 0 {
                to.write_str("-")?;
            }
            to.write_str(part)?;
        }
        match &self.subject {
            Subject::Fleet => Ok(()),
            Subject::Node(n) => write!(to, "-{n}"),
            Subject::Service(n, s) => write!(to, "-{n}-{s}"),
            Subject::Container(n, c) => write!(to, "-{n}-{c}"),
            Subject::Unit(n, u) => write!(to, "-{n}-{u}"),
            Subject::Job(n, j) => write!(to, "-{n}-{j}"),
            // An ID names a file and a part of an address; neither sign occurs in a model's name.
            Subject::Model(n, m) => {
                write!(to, "-{n}-")?;
                for part in m.as_str().split_inclusive(['/', ':']) {
                    let plain = part.trim_end_matches(['/', ':']);
                    to.write_str(plain)?;
                    to.write_str(match part.as_bytes().last() {
                        Some(b'/') => "~",
                        Some(b':') => "@",
                        _ => "",
                    })?;
                }
                Ok(())
            }
            Subject::Instance(p, i) => write!(to, "-{p}-{i}"),
        }
    }
}

/// An action's steps. Executing it leaves no choice open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub steps: Vec<Command>,
    /// Over kind, subject and steps; what an approval binds to.
    pub digest: String,
}

impl Plan {
    pub fn new(key: &ActionKey, steps: Vec<Command>) -> Plan {
        let text = serde_json::to_vec(&(key, &steps)).unwrap_or_default();
        Plan {
            steps,
            digest: digest(&text),
        }
    }
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    Policy,
    /// Whoever may write the files directory.
    Files,
    User(String),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Policy => f.pad("policy"),
            Principal::Files => f.pad("files"),
            Principal::User(name) => f.pad(name),
        }
    }
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    Approved,
    Running,
    Completed,
    Failed,
    Rejected,
    Cancelled,
}

impl State {
    pub const ALL: [State; 7] = [
        State::Pending,
        State::Approved,
        State::Running,
        State::Completed,
        State::Failed,
        State::Rejected,
        State::Cancelled,
    ];
    pub fn word(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Approved => "approved",
            State::Running => "running",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Rejected => "rejected",
            State::Cancelled => "cancelled",
        }
    }
    pub fn from_word(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.word() == text)
    }
    pub fn is_open(self) -> bool {
        matches!(self, State::Pending | State::Approved | State::Running)
    }
}

/// What a running action is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Executing,
    /// All steps are done; fresh evidence must show that the drift is gone, until then.
    Verifying {
        until: Time,
    },
    /// Nobody knows how the step ended; observing, until then.
    Unknown {
        until: Time,
    },
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Phase::Executing => "executing",
            Phase::Verifying { .. } => "verifying",
            Phase::Unknown { .. } => "unknown",
        }
    }
}

/// How far one step of the plan is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// 0: not begun.
    pub attempt: u32,
    pub started_at: Option<Time>,
    /// The outcome is unknown after this.
    pub deadline: Option<Time>,
    pub ended_at: Option<Time>,
    pub outcome: Option<Outcome>,
}

/// One link of the chain that explains an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub seq: Seq,
    pub at: Time,
    /// `event`, `drift`, `policy`, `approval`, `step`, `outcome`.
    pub stage: String,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// One occurrence of an action, as the log has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub key: ActionKey,
    pub occurrence: u32,
    pub state: State,
    pub plan: Plan,
    pub risk: Risk,
    pub level: u8,
    pub drift: String,
    pub trigger: Trigger,
    pub reason: String,
    pub direct: bool,
    pub created_at: Time,
    pub updated_at: Time,
    /// The proposal.
    pub seq: Seq,
    pub approved_by: Option<Principal>,
    /// Digest the approval was given for.
    pub approved_digest: Option<String>,
    pub note: Option<String>,
    pub phase: Option<Phase>,
    /// Fencing token; zero before it runs.
    pub token: Seq,
    /// The last step's end: evidence must be newer.
    pub effect_seq: Seq,
    pub steps: Vec<StepState>,
    pub outcome: Option<String>,
    pub code: Option<String>,
    pub freed: Option<u64>,
    /// Oldest first, at most [`Action::MAX_CHAIN`].
    pub chain: Vec<Link>,
}

impl Action {
    /// Bound on the chain: a longer story keeps its beginning and its latest links.
    pub const MAX_CHAIN: usize = 64;

    pub fn id(&self) -> String {
        self.key.id()
    }

    /// `ID#3`, or just the ID for the first one.
    pub fn label(&self) -> String {
        if self.occurrence > 1 {
            format!("{}#{}", self.id(), self.occurrence)
        } else {
            self.id()
        }
    }

    pub(crate) fn tell(
        &mut self,
        seq: Seq,
        at: Time,
        stage: &str,
        text: String,
        rule: Option<String>,
    ) {
        if self.chain.len() >= Action::MAX_CHAIN {
            self.chain.remove(Action::MAX_CHAIN / 2);
        }
        self.chain.push(Link {
            seq,
            at,
            stage: stage.to_string(),
            text,
            rule,
        });
    }

    /// The step that is to be carried out or is being carried out.
    pub fn current_step(&self) -> Option<usize> {
        self.steps
            .iter()
            .position(|s| !matches!(s.outcome, Some(Outcome::Done { .. })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn key(kind: ActionKind, subject: &str) -> ActionKey {
        ActionKey {
            kind,
            subject: subject.parse().unwrap(),
        }
    }

    #[test]
    fn an_id_is_known_without_writing_it_down() {
        let key = key(ActionKind::ContainerRestart, "service/piha/z2m");
        assert_eq!(key.id(), "container-restart-piha-z2m");
        assert!(key.has_id("container-restart-piha-z2m"));
        for other in [
            "",
            "container-restart-piha-z2",
            "container-restart-piha-z2m-",
            "unit-restart-piha-z2m",
        ] {
            assert!(!key.has_id(other), "{other}");
        }
    }

    #[test]
    fn the_keys_of_a_subject_are_all_of_them_and_no_others() {
        let subjects = [
            "service/a/x",
            "service/a/xy",
            "node/a",
            "container/a/x",
            "unit/a/x",
        ];
        let keys: BTreeSet<ActionKey> = subjects
            .iter()
            .flat_map(|s| ActionKind::ALL.map(|kind| key(kind, s)))
            .collect();
        for subject in subjects {
            let found: Vec<ActionKind> = keys
                .range(ActionKey::all_of(&subject.parse().unwrap()))
                .map(|k| k.kind)
                .collect();
            assert_eq!(found, ActionKind::ALL);
        }
    }
}
