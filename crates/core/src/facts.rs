//! What an agent has seen on its node: one [`Fact`] per [`FactKey`], the unit of snapshots, deltas and the log.
//!
//! Facts hold states, never readings that change every second: those travel as samples beside the log. Two facts that
//! are equal are the same observation, so whatever is volatile (CPU, uptime as a duration) stays out.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::ids::{CheckName, ContainerName, ModelName, ServiceName, UnitName};
use crate::time::Time;

/// Names a fact within its node. Written `host`, `source/docker`, `container/NAME`, `unit/NAME`, `check/SERVICE/NAME`,
/// `level/METRIC` in wire frames (as an enum with its own serde form).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKey {
    Host,
    Source(SourceKind),
    Container(ContainerName),
    Unit(UnitName),
    Check(ServiceName, CheckName),
    Compose(ServiceName),
    /// A language model that the node's model server has on disk.
    Model(ModelName),
    /// A threshold with hysteresis: `disk:/srv`, `steal`, `swap_used`, `swap_cached`.
    Level(String),
}

/// One thing seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Host(HostFacts),
    Source(SourceFacts),
    Container(ContainerFacts),
    Unit(UnitFacts),
    Check(CheckFacts),
    Compose(ComposeFacts),
    Model(ModelFacts),
    Level(LevelFacts),
}

/// Everything seen on a node at one moment.
pub type Facts = BTreeMap<FactKey, Fact>;

/// The machine itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    pub hostname: String,
    pub boot_id: String,
    pub booted_at: Time,
    /// Whether the boot before this one ended in an orderly shutdown; `None` where it cannot be known.
    pub clean_shutdown: Option<bool>,
    /// `PRETTY_NAME` of os-release.
    pub os: String,
    pub kernel: String,
    pub arch: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub swap_bytes: u64,
    /// `kvm`, `lxc`, `docker`, … or empty on bare metal.
    pub virtualization: String,
    pub agent_version: String,
    /// Started with `--read-only`.
    pub read_only: bool,
    /// The machine waits for a reboot; the packages that ask for it, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<Vec<String>>,
    /// Since when it waits for that; absent where the machine does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_required_since: Option<Time>,
    /// What could compute for a language model; empty: none that the kernel shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// The last cleanup that a script of the owner's told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cleanup: Option<CleanupSeen>,
    /// What the agent itself cannot do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Box<Limit>>,
}

/// Something an agent cannot do now, while everything else goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Has a page under `docs/errors/`.
    pub code: String,
    pub text: String,
    /// What to do about it.
    pub remedy: String,
}

/// A graphics processor with a driver that can compute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// `NVIDIA GeForce RTX 3060`, or the driver and its PCI identity where it has no name.
    pub name: String,
    /// `nvidia`, `amdgpu`, `i915`, `xe`.
    pub driver: String,
    /// Bytes of its own memory; `None` where the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// A cleanup that ended well, as its own log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupSeen {
    pub at: Time,
    /// Bytes.
    pub freed: u64,
}

/// Where an agent gets facts from, and whether it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Docker,
    Systemd,
    Compose,
    /// A server of language models.
    Ollama,
}

impl SourceKind {
    pub fn word(self) -> &'static str {
        match self {
            SourceKind::Docker => "docker",
            SourceKind::Systemd => "systemd",
            SourceKind::Compose => "compose",
            SourceKind::Ollama => "ollama",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    pub state: SourceState,
    /// Version of the engine or manager, where it answered.
    pub version: String,
    /// What the user should know or do when it is not up.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    Up,
    /// Not on this machine: nothing to wait for.
    Absent,
    /// There, but it hangs or fails: what it told before is unknown now.
    Down,
}

/// A container as its engine describes it. Never its environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerFacts {
    /// Full ID: immutable; a new one means it was recreated.
    pub id: String,
    /// As the creator wrote it.
    pub image: String,
    pub image_id: String,
    /// When its image was made, where the engine could say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_created_at: Option<Time>,
    pub created_at: Time,
    pub state: ContainerState,
    pub health: Health,
    /// Instant of the last start; `None` if never started.
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    /// Restarts by the engine's own policy.
    pub restart_count: u32,
    /// It was stopped on request (`stop`, `kill`), not by itself and not by Stead.
    pub stopped_by_person: bool,
    pub failing_streak: u32,
    /// Last three health-check outputs, newest last, each at most 1 KiB, redacted.
    pub health_log: Vec<ProbeOutput>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<String>,
    /// Bytes; 0: none.
    pub memory_limit: u64,
    /// Engine restart policy: `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: String,
}

impl ContainerFacts {
    /// Compose project this container belongs to.
    pub fn compose_project(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.project")
            .map(String::as_str)
    }
    pub fn compose_service(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.service")
            .map(String::as_str)
    }
    pub fn compose_folder(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.project.working_dir")
            .map(String::as_str)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    #[default]
    Exited,
    Dead,
}

/// A container's own health-check, after the service's patience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has no health-check.
    #[default]
    None,
    Starting,
    Healthy,
    /// Failing, but not yet for as long as the service's patience asks.
    Failing,
    Unhealthy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeOutput {
    pub at: Time,
    pub exit_code: i64,
    pub output: String,
}

/// A systemd unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFacts {
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active: String,
    pub sub: String,
    pub description: String,
    /// `success`, `exit-code`, `signal`, `timeout`, `oom-kill`, …
    pub result: String,
    pub exit_status: i32,
    pub restarts: u32,
    pub main_pid: u32,
    pub active_since: Option<Time>,
    /// `enabled`, `disabled`, `static`, `masked`, …
    pub enabled: String,
    /// SHA-256 over the unit file and its drop-ins; empty where unreadable.
    pub fragment_digest: String,
}

/// A check's verdict, after its patience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFacts {
    pub verdict: Verdict,
    /// Since when this verdict holds.
    pub since: Time,
    /// Word of the probe: `http`, `mqtt`, …
    pub probe: String,
    /// What was asked, for people: `GET http://127.0.0.1/`.
    pub asked: String,
    /// The answer that decided, at most 1 KiB, redacted.
    pub answer: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passing,
    Failing,
    /// It cannot be asked (no permission, source down); never counted as trouble nor as health.
    Unknown,
}

/// What the compose file of a service says now, as compose itself resolves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeFacts {
    /// Services in the file → digest of their resolved definition (`config --hash`).
    pub services: BTreeMap<String, String>,
    /// Project name compose would use.
    pub project: String,
    /// Why the file could not be read; empty when it could.
    pub error: String,
}

/// A language model on a node's disk, and whether it is in memory. When it leaves memory by itself moves with each question
/// put to it, so that is no fact: whoever looks asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Of its contents.
    pub digest: String,
    /// Bytes on disk.
    pub size: u64,
    pub modified_at: Option<Time>,
    /// `gemma3`, `llama`, …
    pub family: String,
    /// As its maker counts them: `4.3B`.
    pub parameters: String,
    /// `Q4_K_M`
    pub quantization: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<LoadedModel>,
}

/// What a loaded model takes up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// Bytes in all: weights, context and working space.
    pub size: u64,
    /// Bytes of them in a graphics processor's memory.
    pub vram: u64,
    /// Tokens it was loaded for; 0: it does not say.
    #[serde(default)]
    pub context: u64,
}

impl LoadedModel {
    /// Bytes in the machine's own memory.
    pub fn ram(self) -> u64 {
        self.size.saturating_sub(self.vram)
    }

    /// Percent of it that the CPU computes.
    pub fn cpu_percent(self) -> u8 {
        let share = u128::from(self.ram()) * 100;
        // A size of nothing is computed by nobody.
        u8::try_from(share.checked_div(u128::from(self.size)).unwrap_or(0)).unwrap_or(100)
    }
}

/// A reading that crossed a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelFacts {
    pub level: Level,
    /// The reading when it crossed: percent, or bytes for sizes.
    pub value: f64,
    /// What was measured, for people: `/srv (ext4)`.
    pub what: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[default]
    Ok,
    Noted,
    Warning,
    Critical,
}

impl Level {
    /// The level of `value` under `note`, `warn` and `critical`, left only when `hysteresis` below its bound.
    pub fn judge(
        before: Level,
        value: f64,
        note: f64,
        warn: f64,
        critical: f64,
        hysteresis: f64,
    ) -> Level {
        let bare = |v: f64| {
            if v >= critical {
                Level::Critical
            } else if v >= warn {
                Level::Warning
            } else if v >= note {
                Level::Noted
            } else {
                Level::Ok
            }
        };
        let now = bare(value);
        if now >= before {
            now
        } else {
            bare(value + hysteresis).min(before)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_entered_at_its_bound_and_left_below_it() {
        let judge = |before, value| Level::judge(before, value, 55.0, 70.0, 85.0, 2.0);
        assert_eq!(judge(Level::Ok, 70.0), Level::Warning);
        assert_eq!(judge(Level::Warning, 69.0), Level::Warning);
        assert_eq!(judge(Level::Warning, 67.9), Level::Noted);
        assert_eq!(judge(Level::Critical, 10.0), Level::Ok);
        assert_eq!(judge(Level::Ok, 86.0), Level::Critical);
    }

    #[test]
    fn what_is_not_in_video_memory_is_the_machines_and_the_cpus() {
        let loaded = |size, vram| LoadedModel {
            size,
            vram,
            context: 0,
        };
        assert_eq!((loaded(8, 6).ram(), loaded(8, 6).cpu_percent()), (2, 25));
        assert_eq!(
            (loaded(8, 0).cpu_percent(), loaded(8, 8).cpu_percent()),
            (100, 0)
        );
        assert_eq!((loaded(0, 0).ram(), loaded(0, 0).cpu_percent()), (0, 0));
    }
}
