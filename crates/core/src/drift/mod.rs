//! Drift: where the world and the desired state differ.
//!
//! [`of`] is a function of the world for one subject; [`all`] recomputes everything; [`Index`] keeps the result up to
//! date incrementally, and a property test proves it equal to [`all`].

mod changed;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::action::Trigger;
use crate::desired::{Service, ServiceKind};
use crate::facts::Level;
use crate::ids::{ContainerName, NodeName, Seq, ServiceName};
use crate::lock::LockKey;
use crate::subject::Subject;
use crate::time::Time;
use crate::world::{EvidenceState, NodeState, ServiceMemory, Status, World};
use crate::{assess, desired::Node};

/// Kinds of difference.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    MissingService,
    UnhealthyService,
    UnexpectedService,
    ChangedService,
    SuspendedButRunning,
    DiskPressure,
    AgentOffline,
    StaleLock,
    MissingDns,
    MissingRegistration,
    StuckAction,
    BackupMissed,
    RebootRequired,
    UpdatesPending,
}

impl DriftKind {
    pub fn word(self) -> &'static str {
        match self {
            DriftKind::MissingService => "missing_service",
            DriftKind::UnhealthyService => "unhealthy_service",
            DriftKind::UnexpectedService => "unexpected_service",
            DriftKind::ChangedService => "changed_service",
            DriftKind::SuspendedButRunning => "suspended_but_running",
            DriftKind::DiskPressure => "disk_pressure",
            DriftKind::AgentOffline => "agent_offline",
            DriftKind::StaleLock => "stale_lock",
            DriftKind::MissingDns => "missing_dns",
            DriftKind::MissingRegistration => "missing_registration",
            DriftKind::StuckAction => "stuck_action",
            DriftKind::BackupMissed => "backup_missed",
            DriftKind::RebootRequired => "reboot_required",
            DriftKind::UpdatesPending => "updates_pending",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    pub subject: Subject,
    pub kind: DriftKind,
    pub trigger: Trigger,
    /// For people.
    pub detail: String,
    pub since: Time,
    /// The event that showed it.
    pub cause: Seq,
}

/// The drift of one subject. Stale and unknown evidence is never drift.
pub fn of(world: &World, subject: &Subject) -> Vec<Drift> {
    let mut found = match subject {
        Subject::Service(node, service) => {
            service_drift(world, node, service).into_iter().collect()
        }
        Subject::Node(node) => node_drift(world, node),
        Subject::Container(node, container) => {
            unexpected(world, node, container).into_iter().collect()
        }
        _ => Vec::new(),
    };
    if !world.locks.is_empty() {
        found.extend(stale_lock(world, subject));
    }
    found
}

/// A lock whose holder gives no sign any more.
fn stale_lock(world: &World, subject: &Subject) -> Option<Drift> {
    let locks = world.locks.range(LockKey::all_of(subject));
    let (key, lock) = locks.into_iter().find(|(_, l)| l.stale.is_some())?;
    Some(Drift {
        subject: subject.clone(),
        kind: DriftKind::StaleLock,
        trigger: Trigger::HolderSilent,
        detail: format!(
            "whoever holds the {} lock ({}) gives no sign any more",
            key.lock, lock.by
        ),
        since: lock.stale?,
        cause: lock.seq,
    })
}

/// Everything, from nothing.
pub fn all(world: &World) -> BTreeMap<Subject, Vec<Drift>> {
    let mut found = BTreeMap::new();
    for subject in subjects(world) {
        let drift = of(world, &subject);
        if !drift.is_empty() {
            found.insert(subject, drift);
        }
    }
    found
}

/// Every subject that can have drift.
pub fn subjects(world: &World) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (name, node) in &world.fleet.nodes {
        subjects.extend(
            node.services
                .keys()
                .map(|s| Subject::Service(name.clone(), s.clone())),
        );
        if !world.nodes.contains_key(name) {
            subjects.push(Subject::Node(name.clone()));
        }
    }
    for (name, node) in &world.nodes {
        subjects.push(Subject::Node(name.clone()));
        if world.fleet.nodes.get(name).is_some_and(|n| n.strict) {
            subjects.extend(
                node.containers()
                    .map(|(c, _, _)| Subject::Container(name.clone(), c.clone())),
            );
        }
    }
    // Any subject can be locked; those above need not be named twice.
    let mut subjects: alloc::collections::BTreeSet<Subject> = subjects.into_iter().collect();
    subjects.extend(world.locks.keys().map(|key| key.target.clone()));
    subjects.into_iter().collect()
}

/// Every subject that is not plainly as it should be: the rest has no drift and its state is stated already, so nothing
/// can follow from looking at it again.
pub fn unsettled(world: &World) -> Vec<Subject> {
    let mut found = Vec::new();
    for (name, node) in &world.fleet.nodes {
        let Some(state) = world.nodes.get(name) else {
            continue;
        };
        let open = node
            .services
            .iter()
            .filter(|(service, desired)| !is_settled(state, service, desired));
        found.extend(open.map(|(service, _)| Subject::Service(name.clone(), service.clone())));
        if node.strict {
            let strangers = state
                .containers()
                .filter(|(c, _, _)| unexpected(world, name, c).is_some());
            found.extend(strangers.map(|(c, _, _)| Subject::Container(name.clone(), c.clone())));
        }
        if !node_drift(world, name).is_empty() {
            found.push(Subject::Node(name.clone()));
        }
    }
    let stale = world.locks.iter().filter(|(_, lock)| lock.stale.is_some());
    found.extend(stale.map(|(key, _)| key.target.clone()));
    found
}

fn is_settled(state: &NodeState, service: &ServiceName, desired: &Service) -> bool {
    let Some(seen) = assess::judge(state, service, desired) else {
        return true;
    };
    let stated = match state.services.get(service) {
        Some(memory) => memory.states(&seen),
        None => ServiceMemory::default().states(&seen),
    };
    let changed =
        || is_comparable(state, desired) && changed::of(state, service, desired).is_some();
    stated
        && match seen.status {
            Status::Missing | Status::Unhealthy => false,
            Status::Healthy => !changed(),
            Status::Unknown | Status::Starting => true,
        }
}

/// Whether what runs can be held against its definition now.
fn is_comparable(state: &NodeState, desired: &Service) -> bool {
    !desired.suspended && state.evidence.state == EvidenceState::Fresh
}

fn service_drift(world: &World, node: &NodeName, service: &ServiceName) -> Option<Drift> {
    let desired = world.fleet.service(node, service)?;
    let state = world.nodes.get(node)?;
    let seen = assess::judge(state, service, desired)?;
    let drift = |kind, trigger, detail, since, cause| Drift {
        subject: Subject::Service(node.clone(), service.clone()),
        kind,
        trigger,
        detail,
        since,
        cause,
    };
    let memory = state.services.get(service);
    let stated = memory.filter(|m| m.status == seen.status);
    let since = stated.map_or(world.at, |m| m.since);
    let cause = stated.map_or(seen.seq, |m| m.seq);
    match seen.status {
        Status::Missing => Some(drift(
            DriftKind::MissingService,
            Trigger::Absent,
            seen.detail,
            since,
            cause,
        )),
        Status::Unhealthy if seen.trigger == Some(Trigger::Suspended) => Some(drift(
            DriftKind::SuspendedButRunning,
            Trigger::Suspended,
            seen.detail,
            since,
            cause,
        )),
        Status::Unhealthy => {
            let trigger = seen.trigger.unwrap_or(Trigger::Reported);
            Some(drift(
                DriftKind::UnhealthyService,
                trigger,
                seen.detail,
                since,
                cause,
            ))
        }
        Status::Healthy if is_comparable(state, desired) => {
            let change = changed::of(state, service, desired)?;
            Some(drift(
                DriftKind::ChangedService,
                change.trigger,
                change.detail,
                change.at,
                change.seq,
            ))
        }
        _ => None,
    }
}

fn node_drift(world: &World, node: &NodeName) -> Vec<Drift> {
    let mut found = Vec::new();
    // A machine that no file names is shown, and left alone.
    let (Some(state), true) = (world.nodes.get(node), world.fleet.nodes.contains_key(node)) else {
        return found;
    };
    let subject = Subject::Node(node.clone());
    match state.evidence.state {
        EvidenceState::Offline => found.push(Drift {
            subject,
            kind: DriftKind::AgentOffline,
            trigger: Trigger::AgentSilent,
            detail: format!("the agent of {node} is silent"),
            since: state.evidence.since,
            cause: state.evidence.seq,
        }),
        EvidenceState::Fresh => {
            found.extend(disk_pressure(subject.clone(), state));
            found.extend(reboot_required(subject, state));
        }
        _ => {}
    }
    found
}

/// The fullest disk over its warning threshold.
fn disk_pressure(subject: Subject, state: &NodeState) -> Option<Drift> {
    let (_, facts, seen) = state
        .levels()
        .filter(|(metric, facts, _)| metric.starts_with("disk:") && facts.level >= Level::Warning)
        .max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    Some(Drift {
        subject,
        kind: DriftKind::DiskPressure,
        trigger: Trigger::DiskFull,
        detail: format!("{} is {:.0} % full", facts.what, facts.value),
        since: seen.at,
        cause: seen.seq,
    })
}

/// The machine says that it waits for a reboot.
fn reboot_required(subject: Subject, state: &NodeState) -> Option<Drift> {
    let host = state.host()?;
    let packages = host.reboot_required.as_ref()?;
    let seen = state.facts.get(&crate::facts::FactKey::Host)?;
    let detail = match packages.as_slice() {
        [] => String::from("a reboot is required"),
        some => format!("a reboot is required by {}", some.join(", ")),
    };
    Some(Drift {
        subject,
        kind: DriftKind::RebootRequired,
        trigger: Trigger::RebootRequired,
        detail,
        // The fact is seen anew whenever anything else of the machine changes.
        since: host.reboot_required_since.unwrap_or(seen.at),
        cause: seen.seq,
    })
}

/// A container that no file names, on a node that wants none of these.
fn unexpected(world: &World, node: &NodeName, container: &ContainerName) -> Option<Drift> {
    let desired = world.fleet.nodes.get(node).filter(|n| n.strict)?;
    let state = world
        .nodes
        .get(node)
        .filter(|s| s.evidence.state == EvidenceState::Fresh)?;
    let facts = state.container(container)?;
    if facts.state != crate::facts::ContainerState::Running
        || owner(state, desired, container).is_some()
    {
        return None;
    }
    let seen = state
        .facts
        .get(&crate::facts::FactKey::Container(container.clone()))?;
    Some(Drift {
        subject: Subject::Container(node.clone(), container.clone()),
        kind: DriftKind::UnexpectedService,
        trigger: Trigger::NotInAnyFile,
        detail: format!("{container} ({}) runs, but no file names it", facts.image),
        since: seen.at,
        cause: seen.seq,
    })
}

/// The service of the files that a container belongs to.
pub fn owner<'a>(
    state: &NodeState,
    desired: &'a Node,
    container: &ContainerName,
) -> Option<&'a ServiceName> {
    let named = desired.services.iter().find(
        |(_, s)| matches!(&s.kind, ServiceKind::Container { container: c, .. } if c == container),
    );
    if let Some((name, _)) = named {
        return Some(name);
    }
    state.container(container)?.compose_project()?;
    desired
        .services
        .iter()
        .filter(|(_, s)| matches!(s.kind, ServiceKind::Compose { .. }))
        .find(|(name, s)| {
            assess::containers(state, name, s)
                .iter()
                .any(|(c, _, _)| *c == container)
        })
        .map(|(name, _)| name)
}

/// Drift, kept up to date subject by subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Index {
    drift: BTreeMap<Subject, Vec<Drift>>,
}

impl Index {
    /// Everything, from nothing.
    pub fn rebuild(world: &World) -> Index {
        Index { drift: all(world) }
    }

    /// Looks at one subject again. Returns whether anything changed.
    pub fn update(&mut self, world: &World, subject: &Subject) -> bool {
        let now = of(world, subject);
        if now.is_empty() {
            return self.drift.remove(subject).is_some();
        }
        match self.drift.get(subject) {
            Some(before) if *before == now => false,
            _ => {
                self.drift.insert(subject.clone(), now);
                true
            }
        }
    }

    pub fn get(&self, subject: &Subject) -> &[Drift] {
        self.drift.get(subject).map_or(&[], Vec::as_slice)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Drift> {
        self.drift.values().flatten()
    }
    pub fn map(&self) -> &BTreeMap<Subject, Vec<Drift>> {
        &self.drift
    }
    pub fn len(&self) -> usize {
        self.drift.len()
    }
    pub fn is_empty(&self) -> bool {
        self.drift.is_empty()
    }
}
