//! From what agents and others say to events. Only differences become events: saying the same twice changes nothing.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde_json::Value;

use super::tracker::Silence;
use super::{Controller, Effect};
use crate::event::{
    AgentSpool, Body, Event, Kind, LevelNote, NodeRebooted, NodeSynced, Severity, Source,
};
use crate::facts::{
    ContainerState, Fact, FactKey, Facts, HostFacts, Level, LevelFacts, SourceState, Verdict,
};
use crate::ids::NodeName;
use crate::planted::Bug;
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::Time;
use crate::world::EvidenceState;

/// One thing an agent says.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every change is the large one; boxing would cost each"
)]
pub enum Change {
    Seen(FactKey, Fact),
    Gone(FactKey),
    /// Something that happened: `id` is unique in the log, so that it is recorded once.
    Note {
        id: String,
        kind: Kind,
        subject: Subject,
        severity: Severity,
        data: Value,
    },
}

/// An event that somebody else wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignEvent {
    /// Derived from the content by whoever read it; the engine has checked that the log does not know it yet.
    pub id: String,
    pub at: Time,
    pub subject: Subject,
    pub kind: Kind,
    pub severity: Option<Severity>,
    pub data: Value,
    pub source: Source,
}

impl Controller {
    /// Any word from an agent.
    pub(super) fn heard(&mut self, now: Now, node: NodeName) {
        let node = self.resolve(&node);
        self.tracker.heard(now.at, node);
    }

    /// Nodes that have been silent for too long.
    pub(super) fn silent(&mut self, now: Now) {
        for (node, silence, last) in self.tracker.silent(now.at) {
            let mut data = serde_json::Map::new();
            data.insert(
                "last_seen".into(),
                serde_json::to_value(last).unwrap_or_default(),
            );
            let (severity, body) = match silence {
                Silence::Stale => (Severity::Info, Body::NodeStale(data)),
                Silence::Offline => (Severity::Warning, Body::NodeOffline(data)),
            };
            self.cause = None;
            self.emit(now.at, Subject::Node(node), severity, Source::Server, body);
        }
    }

    pub(super) fn linked(&mut self, now: Now, node: NodeName, spool: String, version: String) {
        let node = self.resolve(&node);
        self.tracker.linked(now.at, node.clone());
        if self.world.node(&node).is_none_or(|n| n.spool != spool) {
            let body = Body::AgentConnected(AgentSpool { spool, version });
            self.emit(
                now.at,
                Subject::Node(node),
                Severity::Info,
                Source::Agent,
                body,
            );
        }
    }

    pub(super) fn observed(
        &mut self,
        now: Now,
        node: NodeName,
        at: Time,
        cursor: u64,
        changes: Vec<Change>,
    ) {
        let node = self.resolve(&node);
        self.tracker.told(now.at, node.clone());
        if cursor > 0 && self.world.node(&node).is_some_and(|n| cursor <= n.cursor) {
            return;
        }
        self.cursor = cursor;
        for change in changes {
            self.cause = None;
            match change {
                Change::Seen(key, fact) => self.seen(&node, at, key, fact),
                Change::Gone(key) => self.gone(&node, at, key),
                Change::Note {
                    id,
                    kind,
                    subject,
                    severity,
                    data,
                } => {
                    let seq = self.world.head.next();
                    let body = Body::read(kind.as_str(), data);
                    let subject = self.local_subject(subject);
                    let source = Source::Agent;
                    self.record(Event {
                        seq,
                        id,
                        at,
                        subject,
                        severity,
                        cause: None,
                        source,
                        cursor,
                        body,
                    });
                }
            }
        }
        // Once its evidence went stale, only a whole snapshot makes it fresh again: the agent sends one on reconnect.
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn snapshot(
        &mut self,
        now: Now,
        node: NodeName,
        at: Time,
        facts: Facts,
        spool: String,
        cursor: u64,
        digest: String,
    ) {
        let node = self.resolve(&node);
        self.tracker.told(now.at, node.clone());
        let count = facts.len() as u64;
        // Empty means none: a snapshot without even the host is no snapshot of a machine.
        let believed = self.world.planted.on(Bug::EmptyMeansGone);
        if !facts.contains_key(&FactKey::Host) && !believed {
            return;
        }
        // Believed is a snapshot of nothing with the sources still trusted: without them nothing is known at all.
        let trusted = |key: &FactKey| believed && matches!(key, FactKey::Source(_));
        let ghosts: Vec<FactKey> = self.world.node(&node).map_or_else(Vec::new, |state| {
            state
                .facts
                .keys()
                .filter(|k| !facts.contains_key(*k) && !trusted(k))
                .cloned()
                .collect()
        });
        for (key, fact) in facts {
            self.cause = None;
            self.seen(&node, at, key, fact);
        }
        for key in ghosts {
            self.cause = None;
            self.gone(&node, at, key);
        }
        self.cause = None;
        let before = self
            .world
            .node(&node)
            .map(|n| (n.evidence.state, n.ever_synced));
        let sync = NodeSynced {
            spool,
            cursor,
            digest,
            facts: count,
        };
        self.tell(now, Subject::Node(node.clone()), Body::NodeSynced(sync));
        if !matches!(
            before,
            Some((
                EvidenceState::Fresh | EvidenceState::Unknown | EvidenceState::Stale,
                true
            ))
        ) {
            self.tell(
                now,
                Subject::Node(node.clone()),
                Body::NodeUp(Default::default()),
            );
        }
        self.touch_all_of(&node);
        self.step
            .effects
            .push(Effect::Bundle { node: node.clone() });
        self.order_again(now, &node);
    }

    /// Has everything on `node` looked at.
    pub(super) fn touch_all_of(&mut self, node: &NodeName) {
        self.touched.insert(Subject::Node(node.clone()));
        let Some(desired) = self.world.fleet.nodes.get(node) else {
            return;
        };
        let services = desired.services.keys();
        self.touched
            .extend(services.map(|s| Subject::Service(node.clone(), s.clone())));
        if let Some(state) = self.world.node(node).filter(|_| desired.strict) {
            let containers = state.containers();
            self.touched
                .extend(containers.map(|(c, ..)| Subject::Container(node.clone(), c.clone())));
        }
    }

    fn seen(&mut self, node: &NodeName, at: Time, key: FactKey, fact: Fact) {
        let before = self
            .world
            .node(node)
            .and_then(|n| n.facts.get(&key))
            .map(|s| &*s.fact);
        if before == Some(&fact) {
            return;
        }
        let severity = severity(before, &fact);
        let was_level = match before {
            Some(Fact::Level(level)) => level.level,
            _ => Level::Ok,
        };
        if let (Some(Fact::Host(old)), Fact::Host(new)) = (before, &fact)
            && old.boot_id != new.boot_id
            && !old.boot_id.is_empty()
        {
            let rebooted = self.rebooted(node, old, new);
            self.emit(
                at,
                Subject::Node(node.clone()),
                Severity::Warning,
                Source::Agent,
                Body::NodeRebooted(rebooted),
            );
        }
        let level = match (&key, &fact) {
            (FactKey::Level(metric), Fact::Level(level)) => Some((metric.clone(), level.clone())),
            _ => None,
        };
        let subject = subject_of(node, &key);
        let seq = self.emit(
            at,
            subject,
            severity,
            Source::Agent,
            Body::Observed(key, Arc::new(fact)),
        );
        if let Some((metric, level)) = level {
            self.cause = Some(seq);
            self.crossed(node, at, metric, was_level, level);
        }
    }

    fn gone(&mut self, node: &NodeName, at: Time, key: FactKey) {
        let known = self.world.node(node).and_then(|n| n.facts.get(&key));
        let Some(known) = known else { return };
        let was = match &*known.fact {
            Fact::Level(level) => Some(level.clone()),
            _ => None,
        };
        let subject = subject_of(node, &key);
        let seq = self.emit(
            at,
            subject,
            Severity::Info,
            Source::Agent,
            Body::Gone(key.clone()),
        );
        if let (Some(was), FactKey::Level(metric)) = (was, key) {
            self.cause = Some(seq);
            let now = LevelFacts {
                level: Level::Ok,
                ..was.clone()
            };
            self.crossed(node, at, metric, was.level, now);
        }
    }

    fn rebooted(&self, node: &NodeName, old: &HostFacts, new: &HostFacts) -> NodeRebooted {
        let last = self.tracker.before(node);
        NodeRebooted {
            old_boot_id: old.boot_id.clone(),
            new_boot_id: new.boot_id.clone(),
            clean: new.clean_shutdown,
            away_ms: last.map(|last| new.booted_at.since(last)),
        }
    }

    /// A threshold was crossed: the disk's crossings are `disk_pressure` and `disk_recovered`, which people wait for.
    fn crossed(&mut self, node: &NodeName, at: Time, metric: String, was: Level, now: LevelFacts) {
        if was == now.level {
            return;
        }
        let disk = metric.starts_with("disk:");
        let word = match now.level {
            Level::Ok => "ok",
            Level::Noted => "noted",
            Level::Warning => "warning",
            Level::Critical => "critical",
        };
        let raised = now.level > was;
        let severity = match now.level {
            Level::Critical if raised => Severity::Critical,
            Level::Warning if raised => Severity::Warning,
            _ => Severity::Info,
        };
        let note = LevelNote {
            metric,
            what: now.what,
            value: now.value,
            level: word.into(),
            extra: Default::default(),
        };
        let body = match (disk, raised) {
            (true, true) if now.level >= Level::Warning => Body::DiskPressure(note),
            (true, false) if was >= Level::Warning && now.level < Level::Warning => {
                Body::DiskRecovered(note)
            }
            (_, true) => Body::LevelRaised(note),
            (_, false) => Body::LevelLowered(note),
        };
        self.emit(
            at,
            Subject::Node(node.clone()),
            severity,
            Source::Server,
            body,
        );
    }

    /// An event that somebody else wrote: recorded once, as it is.
    pub(super) fn foreign(&mut self, now: Now, event: ForeignEvent) {
        let body = Body::read(event.kind.as_str(), event.data);
        // Others may report and remark; what only Stead may state stays what it is: a remark.
        let body = match body {
            Body::ServiceHealthy(_)
            | Body::ServiceUnhealthy(_)
            | Body::ServiceRecovered(_)
            | Body::ServiceMissing(_)
            | Body::ContainersNotRunning(_)
            | Body::MqttUnreachable(_)
            | Body::OomKill(_)
            | Body::Other(..) => body,
            own => Body::Other(event.kind.clone(), own.data()),
        };
        let severity = event.severity.unwrap_or(match &body {
            Body::ServiceUnhealthy(_)
            | Body::ServiceMissing(_)
            | Body::ContainersNotRunning(_)
            | Body::MqttUnreachable(_)
            | Body::OomKill(_) => Severity::Warning,
            _ => Severity::Info,
        });
        let subject = self.local_subject(event.subject);
        let at = if event.at == Time::ZERO {
            now.at
        } else {
            event.at
        };
        let seq = self.world.head.next();
        let source = event.source;
        self.record(Event {
            seq,
            id: event.id,
            at,
            subject,
            severity,
            cause: None,
            source,
            cursor: 0,
            body,
        });
    }

    /// The subject under the fleet's own name for its node.
    fn local_subject(&self, subject: Subject) -> Subject {
        match subject {
            Subject::Node(n) => Subject::Node(self.resolve(&n)),
            Subject::Service(n, s) => Subject::Service(self.resolve(&n), s),
            Subject::Container(n, c) => Subject::Container(self.resolve(&n), c),
            Subject::Unit(n, u) => Subject::Unit(self.resolve(&n), u),
            Subject::Job(n, j) => Subject::Job(self.resolve(&n), j),
            Subject::Model(n, m) => Subject::Model(self.resolve(&n), m),
            other => other,
        }
    }
}

fn subject_of(node: &NodeName, key: &FactKey) -> Subject {
    match key {
        FactKey::Host | FactKey::Source(_) | FactKey::Level(_) => Subject::Node(node.clone()),
        FactKey::Container(c) => Subject::Container(node.clone(), c.clone()),
        FactKey::Unit(u) => Subject::Unit(node.clone(), u.clone()),
        FactKey::Check(s, _) | FactKey::Compose(s) => Subject::Service(node.clone(), s.clone()),
        FactKey::Model(m) => Subject::Model(node.clone(), m.clone()),
    }
}

/// A change for the worse is a warning; the rest is information.
fn severity(before: Option<&Fact>, now: &Fact) -> Severity {
    let bad = match (before, now) {
        (_, Fact::Check(c)) => c.verdict == Verdict::Failing,
        (Some(_), Fact::Container(c)) => {
            c.health == crate::facts::Health::Unhealthy
                || c.oom_killed
                || (matches!(c.state, ContainerState::Exited | ContainerState::Dead)
                    && c.exit_code != Some(0))
        }
        (Some(_), Fact::Unit(u)) => u.active == "failed",
        (_, Fact::Source(s)) => s.state == SourceState::Down,
        _ => false,
    };
    if bad {
        Severity::Warning
    } else {
        Severity::Info
    }
}
