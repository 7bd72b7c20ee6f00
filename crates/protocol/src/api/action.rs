//! Actions as people see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Drift, Event, Held, Message, Verdict};

/// One action: an element of `stead actions --json`, a file under `actions/<state>/`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// `container-restart-piha-z2m`
    pub id: String,
    /// Counts how often this repair was raised; people read `ID#3`.
    pub occurrence: u32,
    /// `container_restart`, `redeploy`, `unit_restart`, `disk_cleanup`.
    pub kind: String,
    pub node: Option<String>,
    pub service: Option<String>,
    pub subject: String,
    /// `pending`, `approved`, `running`, `completed`, `failed`, `rejected`, `cancelled`.
    pub state: String,
    /// Within `running`: `executing`, `verifying`, `unknown`.
    pub phase: Option<String>,
    /// `low`, `guarded`, `destructive`.
    pub risk: String,
    pub level: u8,
    /// Why it was raised, for people.
    pub reason: String,
    /// Why it ended as it did (`drift_resolved_auto`, an error, …).
    pub outcome: Option<String>,
    /// What it waits for now, for people; null when nothing.
    pub waits_for: Option<String>,
    /// What policy says: now while it is open and nobody approved it, else what it said then. Null for what a person
    /// started.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// The lock that keeps it from starting, or that lies on its subject.
    #[serde(default)]
    pub held: Option<Held>,
    pub created_at: String,
    pub updated_at: String,
    /// Digest of the plan an approval binds to.
    pub digest: String,
    pub steps: Vec<Step>,
    /// What it touches and what notices: for people.
    pub blast_radius: Vec<String>,
    pub decided_by: Option<String>,
    pub note: Option<String>,
    /// Bytes freed, for cleanups.
    pub freed: Option<u64>,
    /// Bytes it would free, an estimate.
    pub would_free: Option<u64>,
    pub trigger: String,
    pub drift: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    pub index: u32,
    /// For people: "Restart container z2m (3f9c2b…)".
    pub title: String,
    /// The typed command.
    pub command: serde_json::Value,
    /// `waiting`, `running`, `done`, `failed`, `refused`, `unknown`.
    pub state: String,
    pub attempt: u32,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub output: String,
}

/// `POST /api/v1/actions/{id}/approve` and `…/reject`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// The plan that was read; refused with `plan-changed` when it is another by now. Absent: the current one.
    #[serde(default)]
    pub digest: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
}

/// `POST /api/v1/actions`: start something directly, approved by whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StartAction {
    /// `container_restart`, `redeploy`, `unit_restart`, `disk_cleanup`.
    pub kind: String,
    /// `service/NODE/NAME`, `container/NODE/NAME`, `unit/NODE/NAME` or `node/NAME`.
    pub subject: String,
    #[serde(default)]
    pub note: Option<String>,
}

/// 202: it will be done; look it up by this ID.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    pub id: String,
    pub occurrence: u32,
    pub state: String,
}

/// `GET /api/v1/actions/{id}/estimate`: what a cleanup would free now. An estimate: no part of what is approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// Bytes.
    pub would_free: u64,
    pub build_cache: u64,
    pub dangling_images: u64,
    /// How many images.
    pub images: u32,
}

/// `GET /api/v1/actions/{id}/why`: the chain from first event to last message. `GET /api/v1/why/{about}`: the same for an
/// action, and for a subject how it is and why nothing happens to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The action's ID, or the subject.
    pub id: String,
    /// 0 for a subject.
    pub occurrence: u32,
    /// One sentence.
    pub summary: String,
    pub links: Vec<WhyLink>,
    /// What it is about.
    #[serde(default)]
    #[schema(required = true)]
    pub subject: String,
    /// State of the action, or of the subject.
    #[serde(default)]
    #[schema(required = true)]
    pub state: String,
    /// Where it differs from the files.
    #[serde(default)]
    #[schema(required = true)]
    pub drift: Vec<Drift>,
    /// What was considered, in order. The first that does not pass is why nothing happens. Empty for an action.
    #[serde(default)]
    #[schema(required = true)]
    pub considered: Vec<Considered>,
    /// The open action and the latest that ended, newest first. Empty for an action.
    #[serde(default)]
    #[schema(required = true)]
    pub actions: Vec<Action>,
    /// Messages about it, oldest first.
    #[serde(default)]
    #[schema(required = true)]
    pub messages: Vec<Message>,
}

/// One thing that must be so for a repair to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Considered {
    /// `known`, `monitored`, `evidence`, `patience`, `drift`, `repair`, `memory`, `policy`, `lock`, `brake`, `flapping`,
    /// `limit`, `ready`.
    pub what: String,
    /// For people: "Is the evidence fresh?"
    pub question: String,
    /// It does not stand in the way.
    pub passes: bool,
    pub text: String,
    /// What to do about it; null where nothing is to be done.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyLink {
    /// `event`, `drift`, `policy`, `approval`, `step`, `outcome`, `message`, `waiting`.
    pub stage: String,
    pub at: Option<String>,
    pub text: String,
    /// The rule or limit that decided, where one did.
    pub rule: Option<String>,
    pub event: Option<Event>,
}
