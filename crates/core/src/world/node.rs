//! One node of the world: what was seen there, how sure that is, and what is remembered of its services.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

use crate::action::Trigger;
use crate::assess::Assessment;
use crate::event::{Body, Event};
use crate::facts::{
    CheckFacts, ComposeFacts, ContainerFacts, Fact, FactKey, HostFacts, LevelFacts, ModelFacts,
    SourceFacts, SourceKind, UnitFacts,
};
use crate::ids::{CheckName, ContainerName, ModelName, Seq, ServiceName, UnitName};
use crate::time::Time;

/// One machine as the log knows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    pub evidence: Evidence,
    /// A snapshot was folded in at least once.
    pub ever_synced: bool,
    /// The agent's spool, and how far of it is in the log.
    pub spool: String,
    pub cursor: u64,
    #[serde(with = "crate::pairs")]
    pub facts: BTreeMap<FactKey, Seen>,
    pub services: BTreeMap<ServiceName, ServiceMemory>,
    /// Digest of a unit's files when it last started: another one now means it runs an old definition.
    pub unit_digests: BTreeMap<UnitName, String>,
    pub reboots: u32,
    pub last_reboot: Option<Time>,
}

/// How sure a node's facts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub state: EvidenceState,
    pub since: Time,
    pub seq: Seq,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// Not seen since the server started.
    #[default]
    Unknown,
    Fresh,
    /// Silent for longer than its interval allows.
    Stale,
    /// Silent for so long that the silence itself is drift.
    Offline,
}

/// A fact, and when it became so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub fact: Arc<Fact>,
    pub at: Time,
    pub seq: Seq,
}

/// What is remembered of a service across events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceMemory {
    /// The state last stated in the log.
    pub status: Status,
    pub trigger: Option<Trigger>,
    pub detail: String,
    pub since: Time,
    /// The event that stated it.
    pub seq: Seq,
    /// It was in trouble and has not been well since.
    #[serde(default)]
    pub troubled: bool,
    /// Somebody else says it is in trouble.
    pub report: Option<Report>,
    /// Somebody else last said that it is well.
    #[serde(default)]
    pub vouched: Option<(Time, Seq)>,
    /// Stead has seen it well at least once: before that it is being set up, not falling ill.
    #[serde(default)]
    pub been_well: bool,
    /// Latest changes between well and ill, oldest first, at most [`ServiceMemory::MAX_CHANGES`].
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub changes: VecDeque<Time>,
    /// It has been changing too often since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping: Option<Time>,
}

/// A state of a service, as the log states it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Never judged, or evidence is missing.
    #[default]
    Unknown,
    Healthy,
    Starting,
    Unhealthy,
    Missing,
}

/// Trouble that somebody else reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub trigger: Trigger,
    pub detail: String,
    pub at: Time,
    pub seq: Seq,
}

impl NodeState {
    pub(super) fn apply(&mut self, event: &Event) {
        self.cursor = self.cursor.max(event.cursor);
        match &event.body {
            Body::AgentConnected(agent) => {
                self.spool.clone_from(&agent.spool);
                self.cursor = 0;
            }
            Body::Observed(key, fact) => {
                if let (FactKey::Unit(name), Fact::Unit(unit)) = (key, &**fact) {
                    self.remember_unit(name, unit);
                }
                self.facts.insert(
                    key.clone(),
                    Seen {
                        fact: Arc::clone(fact),
                        at: event.at,
                        seq: event.seq,
                    },
                );
            }
            Body::Gone(key) => {
                self.facts.remove(key);
                if let FactKey::Unit(name) = key {
                    self.unit_digests.remove(name);
                }
            }
            Body::NodeSynced(sync) => {
                self.ever_synced = true;
                if self.spool != sync.spool {
                    self.spool.clone_from(&sync.spool);
                    self.cursor = 0;
                }
                self.cursor = self.cursor.max(sync.cursor);
                self.evidence(EvidenceState::Fresh, event);
            }
            Body::NodeStale(_) => self.evidence(EvidenceState::Stale, event),
            Body::NodeOffline(_) => self.evidence(EvidenceState::Offline, event),
            Body::NodeRebooted(_) => {
                self.reboots += 1;
                self.last_reboot = Some(event.at);
            }
            _ => self.apply_service(event),
        }
    }

    fn evidence(&mut self, state: EvidenceState, event: &Event) {
        self.evidence = Evidence {
            state,
            since: event.at,
            seq: event.seq,
        };
    }

    /// The running process has the definition that was there when it started.
    fn remember_unit(&mut self, name: &UnitName, now: &UnitFacts) {
        let same_run = self
            .unit(name)
            .is_some_and(|before| before.active_since == now.active_since);
        if !same_run || !self.unit_digests.contains_key(name) {
            self.unit_digests
                .insert(name.clone(), now.fragment_digest.clone());
        }
    }

    fn apply_service(&mut self, event: &Event) {
        let Some(service) = event.subject.service() else {
            return;
        };
        match &event.body {
            Body::ServiceFlapping(_) => {
                self.services.entry(service.clone()).or_default().flapping = Some(event.at);
                return;
            }
            Body::ServiceSteady(_) => {
                self.services.entry(service.clone()).or_default().flapping = None;
                return;
            }
            _ => {}
        }
        let (status, trigger, note) = match &event.body {
            Body::ServiceHealthy(n) | Body::ServiceRecovered(n) => (Status::Healthy, None, n),
            Body::ServiceUnhealthy(n) => (
                Status::Unhealthy,
                Some(n.trigger.unwrap_or(Trigger::Reported)),
                n,
            ),
            Body::ContainersNotRunning(n) => {
                (Status::Unhealthy, Some(Trigger::ContainersNotRunning), n)
            }
            Body::MqttUnreachable(n) => (Status::Unhealthy, Some(Trigger::MqttUnreachable), n),
            Body::ServiceMissing(n) => (Status::Missing, Some(Trigger::Absent), n),
            Body::ServiceStarting(n) => (Status::Starting, n.trigger, n),
            Body::ServiceUnknown(n) => (Status::Unknown, n.trigger, n),
            _ => return,
        };
        let memory = self.services.entry(service.clone()).or_default();
        if event.source.is_foreign() {
            memory.apply_report(status, trigger, &note.detail, event);
        } else {
            memory.state(status, trigger, &note.detail, event);
        }
    }

    pub fn host(&self) -> Option<&HostFacts> {
        match &*self.facts.get(&FactKey::Host)?.fact {
            Fact::Host(host) => Some(host),
            _ => None,
        }
    }
    pub fn source(&self, kind: SourceKind) -> Option<&SourceFacts> {
        match &*self.facts.get(&FactKey::Source(kind))?.fact {
            Fact::Source(source) => Some(source),
            _ => None,
        }
    }
    pub fn container(&self, name: &ContainerName) -> Option<&ContainerFacts> {
        self.container_seen(name).map(|(facts, _)| facts)
    }
    pub fn container_seen(&self, name: &ContainerName) -> Option<(&ContainerFacts, &Seen)> {
        let seen = self.facts.get(&FactKey::Container(name.clone()))?;
        match &*seen.fact {
            Fact::Container(container) => Some((container, seen)),
            _ => None,
        }
    }
    pub fn unit(&self, name: &UnitName) -> Option<&UnitFacts> {
        match &*self.facts.get(&FactKey::Unit(name.clone()))?.fact {
            Fact::Unit(unit) => Some(unit),
            _ => None,
        }
    }
    pub fn model(&self, name: &ModelName) -> Option<(&ModelFacts, &Seen)> {
        let seen = self.facts.get(&FactKey::Model(name.clone()))?;
        match &*seen.fact {
            Fact::Model(model) => Some((model, seen)),
            _ => None,
        }
    }
    /// Every language model on its disk, by name.
    pub fn models(&self) -> impl Iterator<Item = (&ModelName, &ModelFacts)> {
        self.facts
            .iter()
            .filter_map(|(key, seen)| match (key, &*seen.fact) {
                (FactKey::Model(name), Fact::Model(model)) => Some((name, model)),
                _ => None,
            })
    }
    pub fn check(&self, service: &ServiceName, check: &CheckName) -> Option<(&CheckFacts, &Seen)> {
        let seen = self
            .facts
            .get(&FactKey::Check(service.clone(), check.clone()))?;
        match &*seen.fact {
            Fact::Check(facts) => Some((facts, seen)),
            _ => None,
        }
    }
    pub fn compose(&self, service: &ServiceName) -> Option<&ComposeFacts> {
        match &*self.facts.get(&FactKey::Compose(service.clone()))?.fact {
            Fact::Compose(compose) => Some(compose),
            _ => None,
        }
    }
    pub fn containers(&self) -> impl Iterator<Item = (&ContainerName, &ContainerFacts, &Seen)> {
        self.facts
            .iter()
            .filter_map(|(key, seen)| match (key, &*seen.fact) {
                (FactKey::Container(name), Fact::Container(facts)) => Some((name, facts, seen)),
                _ => None,
            })
    }
    pub fn units(&self) -> impl Iterator<Item = (&UnitName, &UnitFacts, &Seen)> {
        self.facts
            .iter()
            .filter_map(|(key, seen)| match (key, &*seen.fact) {
                (FactKey::Unit(name), Fact::Unit(facts)) => Some((name, facts, seen)),
                _ => None,
            })
    }
    pub fn levels(&self) -> impl Iterator<Item = (&str, &LevelFacts, &Seen)> {
        self.facts
            .iter()
            .filter_map(|(key, seen)| match (key, &*seen.fact) {
                (FactKey::Level(name), Fact::Level(facts)) => Some((name.as_str(), facts, seen)),
                _ => None,
            })
    }
    pub fn sources(&self) -> impl Iterator<Item = (SourceKind, &SourceFacts)> {
        self.facts
            .iter()
            .filter_map(|(key, seen)| match (key, &*seen.fact) {
                (FactKey::Source(kind), Fact::Source(facts)) => Some((*kind, facts)),
                _ => None,
            })
    }
}

impl ServiceMemory {
    /// More than decide whether a service flaps.
    pub const MAX_CHANGES: usize = 8;

    /// Whether the log says so already, and nobody's report is left to be answered.
    pub fn states(&self, seen: &Assessment) -> bool {
        let same = self.status == seen.status && self.trigger == seen.trigger;
        same && !self.answers_report(seen)
    }

    /// Whether `seen` is Stead's own word against somebody's report of trouble.
    pub fn answers_report(&self, seen: &Assessment) -> bool {
        seen.status == Status::Healthy && self.report.is_some()
    }

    fn state(&mut self, status: Status, trigger: Option<Trigger>, detail: &str, event: &Event) {
        if self.status != status {
            self.since = event.at;
        }
        self.status = status;
        self.trigger = trigger;
        self.detail = detail.to_string();
        self.seq = event.seq;
        // Stead's own word that it is well answers whatever was reported before.
        if status == Status::Healthy {
            self.report = None;
            self.been_well = true;
        }
        let troubled = match status {
            Status::Healthy => false,
            Status::Unhealthy | Status::Missing => true,
            Status::Unknown | Status::Starting => self.troubled,
        };
        if troubled != self.troubled {
            if self.changes.len() >= ServiceMemory::MAX_CHANGES {
                self.changes.pop_front();
            }
            self.changes.push_back(event.at);
        }
        self.troubled = troubled;
    }

    fn apply_report(
        &mut self,
        status: Status,
        trigger: Option<Trigger>,
        detail: &str,
        event: &Event,
    ) {
        match (status, trigger) {
            (Status::Healthy, _) => {
                self.report = None;
                self.vouched = Some((event.at, event.seq));
            }
            (_, Some(trigger)) => {
                let detail = detail.to_string();
                self.report = Some(Report {
                    trigger,
                    detail,
                    at: event.at,
                    seq: event.seq,
                });
            }
            _ => {}
        }
    }
}
