//! What each known kind of event carries. One table: kind ↔ variant ↔ data.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::Kind;
use super::autonomy::*;
use super::insight::{ImageAged, WritesAnomalous, WritesUsual};
use crate::action::{ActionKey, Plan, Principal, Risk, Trigger};
use crate::command::Outcome;
use crate::desired::Fleet;
use crate::facts::{Fact, FactKey};
use crate::time::{Span, Time};

/// A service changed its state, as Stead judged it or as somebody reported it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceNote {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// How long the state before had lasted, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<Span>,
    /// Whatever else a reporter wrote; kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A threshold was crossed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LevelNote {
    pub metric: String,
    pub what: String,
    pub value: f64,
    pub level: String,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeRebooted {
    pub old_boot_id: String,
    pub new_boot_id: String,
    pub clean: Option<bool>,
    /// From the last word of the old boot to the new boot, milliseconds; none where no server was there to hear it.
    pub away_ms: Option<Span>,
}

/// The agent's snapshot is folded in: from here the node's evidence is fresh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSynced {
    pub spool: String,
    pub cursor: u64,
    pub digest: String,
    pub facts: u64,
}

/// An agent with another spool than before: places in it start anew.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentSpool {
    pub spool: String,
    pub version: String,
}

/// A desired state took effect. The fleet itself is a document kept under `digest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredLoaded {
    pub digest: String,
    /// Directory or repository it came from.
    pub origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub dirty: bool,
    pub nodes: u64,
    pub services: u64,
    /// Filled in from the document store before the event is applied; never written into the log.
    #[serde(skip)]
    pub fleet: Option<Arc<Fleet>>,
}

/// The fleet directory could not be used; the last good one stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredRejected {
    pub origin: String,
    pub problems: u64,
    /// The first one, as `file:line:column: message`.
    pub first: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    pub action: String,
    pub occurrence: u32,
    pub key: ActionKey,
    pub plan: Plan,
    pub risk: Risk,
    pub level: u8,
    pub drift: String,
    pub trigger: Trigger,
    pub reason: String,
    /// What policy says about it at this moment, for people.
    pub policy: String,
    /// Started by a person instead of by drift.
    #[serde(default)]
    pub direct: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanChanged {
    pub action: String,
    pub occurrence: u32,
    pub plan: Plan,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approved {
    pub action: String,
    pub occurrence: u32,
    pub by: Principal,
    /// Digest of the plan this approval binds to.
    pub digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The rule that decided, where policy did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    pub action: String,
    pub occurrence: u32,
    pub by: Principal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cancelled {
    pub action: String,
    pub occurrence: u32,
    /// `drift_resolved_auto`, `service_removed_from_desired_state`, `cancelled_by_person`, `superseded`,
    /// `policy_changed`, `rollout_held_back`, `drill_not_possible`.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
}

/// The lease is taken. Its fencing token is this event's sequence number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    pub action: String,
    pub occurrence: u32,
    /// Policy started it, so it counts against the automatic limits.
    pub automatic: bool,
}

/// Intent: logged before the order leaves the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepStarted {
    pub action: String,
    pub occurrence: u32,
    pub step: u32,
    pub attempt: u32,
    /// The outcome is unknown after this.
    pub deadline: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEnded {
    pub action: String,
    pub occurrence: u32,
    pub step: u32,
    pub attempt: u32,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Verification ends then (after the last step), or observation of an unknown outcome does.
    pub until: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionEnded {
    pub action: String,
    pub occurrence: u32,
    /// Stable code of a failure; empty when completed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    pub detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed: Option<u64>,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $kind:literal $variant:ident($data:ty),)*) => {
        /// What an event says. Variants are kinds; `Observed`/`Gone` stand for one kind per sort of fact.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Body {
            $($(#[$doc])* $variant($data),)*
            /// An agent saw this state: `container_observed`, `unit_observed`, …
            Observed(FactKey, Arc<Fact>),
            /// An agent saw that it is no more: `container_gone`, …
            Gone(FactKey),
            /// Nothing this build knows; kept, shown, searched.
            Other(Kind, Value),
        }

        impl Body {
            pub fn kind(&self) -> Kind {
                match self {
                    $(Body::$variant(_) => Kind::known($kind),)*
                    Body::Observed(key, _) => Kind::known(observed_kind(key)),
                    Body::Gone(key) => Kind::known(gone_kind(key)),
                    Body::Other(kind, _) => kind.clone(),
                }
            }

            /// The data as JSON, as the log and the API show it.
            pub fn data(&self) -> Value {
                let shown = match self {
                    $(Body::$variant(data) => serde_json::to_value(data),)*
                    Body::Observed(key, fact) => serde_json::to_value((key, fact))
                        .map(|pair| serde_json::json!({"key": pair[0], "fact": pair[1]})),
                    Body::Gone(key) => serde_json::to_value(key).map(|key| serde_json::json!({"key": key})),
                    Body::Other(_, data) => Ok(data.clone()),
                };
                shown.unwrap_or(Value::Null)
            }

            /// Reads `data` as what `kind` carries; data that does not fit is kept as it is.
            pub fn read(kind: &str, data: Value) -> Body {
                match (Body::read_known(kind, &data), Kind::new(kind)) {
                    (Ok(body), _) => body,
                    (Err(_), Ok(kind)) => Body::Other(kind, data),
                    (Err(_), Err(_)) => Body::Other(Kind::known("invalid_kind"), data),
                }
            }

            /// The same on the way through a text, without the detour over a value: only what fits the type of a known kind,
            /// so the caller must be able to begin anew.
            pub(super) fn read_known<'de, D: Deserializer<'de>>(
                kind: &str,
                data: D,
            ) -> Result<Body, D::Error> {
                match kind {
                    $($kind => <$data>::deserialize(data).map(Body::$variant),)*
                    _ => read_known_fact(kind, data),
                }
            }

            /// Every kind this build knows, for completion and documentation.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];
        }
    };
}

bodies! {
    "server_started" ServerStarted(Map<String, Value>),
    "server_stopped" ServerStopped(Map<String, Value>),
    "clock_jumped" ClockJumped(i64),
    "desired_loaded" DesiredLoaded(DesiredLoaded),
    "desired_rejected" DesiredRejected(DesiredRejected),
    "agent_connected" AgentConnected(AgentSpool),
    "node_synced" NodeSynced(NodeSynced),
    "node_up" NodeUp(Map<String, Value>),
    "node_stale" NodeStale(Map<String, Value>),
    "node_offline" NodeOffline(Map<String, Value>),
    "node_rebooted" NodeRebooted(NodeRebooted),
    "service_healthy" ServiceHealthy(ServiceNote),
    "service_unhealthy" ServiceUnhealthy(ServiceNote),
    "service_recovered" ServiceRecovered(ServiceNote),
    "service_missing" ServiceMissing(ServiceNote),
    "service_starting" ServiceStarting(ServiceNote),
    "service_unknown" ServiceUnknown(ServiceNote),
    "containers_not_running" ContainersNotRunning(ServiceNote),
    "mqtt_unreachable" MqttUnreachable(ServiceNote),
    "disk_pressure" DiskPressure(LevelNote),
    "disk_recovered" DiskRecovered(LevelNote),
    "level_raised" LevelRaised(LevelNote),
    "level_lowered" LevelLowered(LevelNote),
    "oom_kill" OomKill(Map<String, Value>),
    "spool_gap" SpoolGap(Map<String, Value>),
    "action_proposed" ActionProposed(Proposed),
    "action_plan_changed" ActionPlanChanged(PlanChanged),
    "action_approved" ActionApproved(Approved),
    "action_rejected" ActionRejected(Rejected),
    "action_cancelled" ActionCancelled(Cancelled),
    "action_started" ActionStarted(Started),
    "action_step_started" ActionStepStarted(StepStarted),
    "action_step_ended" ActionStepEnded(StepEnded),
    "action_completed" ActionCompleted(ActionEnded),
    "action_failed" ActionFailed(ActionEnded),
    "lock_taken" LockTaken(LockTaken),
    "lock_stale" LockStale(LockStale),
    "lock_released" LockReleased(LockReleased),
    "brake_engaged" BrakeEngaged(BrakeEngaged),
    "brake_released" BrakeReleased(BrakeReleased),
    "service_flapping" ServiceFlapping(Flapping),
    "service_steady" ServiceSteady(Flapping),
    "autonomy_earned" AutonomyEarned(Earned),
    "autonomy_lost" AutonomyLost(Earned),
    "leader_elected" LeaderElected(LeaderElected),
    "alert_opened" AlertOpened(AlertOpened),
    "alert_changed" AlertChanged(AlertChanged),
    "alert_closed" AlertClosed(AlertClosed),
    "message_queued" MessageQueued(MessageQueued),
    "message_delivered" MessageDelivered(MessageEnded),
    "message_failed" MessageFailed(MessageEnded),
    "rollout_started" RolloutStarted(RolloutStarted),
    "rollout_target" RolloutTarget(RolloutTarget),
    "rollout_paused" RolloutPaused(RolloutChanged),
    "rollout_resumed" RolloutResumed(RolloutChanged),
    "rollout_cancelled" RolloutCancelled(RolloutChanged),
    "rollout_completed" RolloutCompleted(RolloutChanged),
    "drill_ended" DrillEnded(DrillEnded),
    "writes_anomalous" WritesAnomalous(WritesAnomalous),
    "writes_usual" WritesUsual(WritesUsual),
    "image_aged" ImageAged(ImageAged),
}

fn observed_kind(key: &FactKey) -> &'static str {
    match key {
        FactKey::Host => "node_observed",
        FactKey::Source(_) => "source_observed",
        FactKey::Container(_) => "container_observed",
        FactKey::Unit(_) => "unit_observed",
        FactKey::Check(..) => "check_observed",
        FactKey::Compose(_) => "compose_observed",
        FactKey::Model(_) => "model_observed",
        FactKey::Level(_) => "level_observed",
    }
}

fn gone_kind(key: &FactKey) -> &'static str {
    match key {
        FactKey::Host => "node_gone",
        FactKey::Source(_) => "source_gone",
        FactKey::Container(_) => "container_gone",
        FactKey::Unit(_) => "unit_gone",
        FactKey::Check(..) => "check_gone",
        FactKey::Compose(_) => "compose_gone",
        FactKey::Model(_) => "model_gone",
        FactKey::Level(_) => "level_gone",
    }
}

#[derive(Deserialize)]
struct Seen {
    key: FactKey,
    #[serde(default)]
    fact: Option<Arc<Fact>>,
}

fn fact_body(kind: &str, seen: Seen) -> Option<Body> {
    let body = match seen.fact {
        Some(fact) => Body::Observed(seen.key, fact),
        None => Body::Gone(seen.key),
    };
    (body.kind().as_str() == kind).then_some(body)
}

fn is_fact(kind: &str) -> bool {
    kind.ends_with("_observed") || kind.ends_with("_gone")
}

fn read_known_fact<'de, D: Deserializer<'de>>(kind: &str, data: D) -> Result<Body, D::Error> {
    let misfit = || D::Error::custom("no data of a known kind");
    if !is_fact(kind) {
        return Err(misfit());
    }
    fact_body(kind, Seen::deserialize(data)?).ok_or_else(misfit)
}

impl Body {
    /// The action an event belongs to: ID and occurrence.
    pub fn action(&self) -> Option<(&str, u32)> {
        Some(match self {
            Body::ActionProposed(e) => (&e.action, e.occurrence),
            Body::ActionPlanChanged(e) => (&e.action, e.occurrence),
            Body::ActionApproved(e) => (&e.action, e.occurrence),
            Body::ActionRejected(e) => (&e.action, e.occurrence),
            Body::ActionCancelled(e) => (&e.action, e.occurrence),
            Body::ActionStarted(e) => (&e.action, e.occurrence),
            Body::ActionStepStarted(e) => (&e.action, e.occurrence),
            Body::ActionStepEnded(e) => (&e.action, e.occurrence),
            Body::ActionCompleted(e) | Body::ActionFailed(e) => (&e.action, e.occurrence),
            _ => return None,
        })
    }

    /// Kinds that compaction keeps for ever: who decided what, and what was done.
    pub fn audit_kinds() -> Vec<String> {
        let kept = |k: &&&str| {
            const KEPT: [&str; 10] = [
                "action_",
                "desired_",
                "node_rebooted",
                "lock_",
                "brake_",
                "autonomy_",
                "leader_",
                "rollout_",
                "drill_",
                "alert_",
            ];
            KEPT.iter().any(|start| k.starts_with(start))
        };
        Body::KINDS
            .iter()
            .filter(kept)
            .map(ToString::to_string)
            .collect()
    }
}
