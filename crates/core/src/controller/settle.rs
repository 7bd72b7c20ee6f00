//! After every input: state what changed for services, bring drift up to date, propose, review, start, cancel: until
//! nothing follows from anything any more.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::Controller;
use crate::action::{Action, ActionKey, ActionKind, Principal, Risk, State, Trigger};
use crate::drift::{self, Drift, DriftKind};
use crate::event::{
    Approved, Body, Cancelled, Event, PlanChanged, Proposed, ServiceNote, Severity, Source,
};
use crate::facts::FactKey;
use crate::ids::{NodeName, ServiceName};
use crate::plan::{self, Repair};
use crate::planted::Bug;
use crate::policy::{self, Answer, Now};
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::{EvidenceState, Memory, ServiceMemory, Status, World};
use crate::{assess, desired::ServiceKind};

/// Failures in a row after which Stead stops trying and waits for a person.
pub const GIVE_UP_AFTER: u32 = 3;
/// Bound on rounds in one step: each round can only follow from the events of the one before.
const MAX_ROUNDS: u32 = 64;

/// The subjects whose state may differ after `event`.
pub(super) fn touch(world: &World, event: &Event, touched: &mut BTreeSet<Subject>) {
    match &event.body {
        Body::Observed(key, _) | Body::Gone(key) => touch_fact(world, &event.subject, key, touched),
        Body::ServerStarted(_) | Body::DesiredLoaded(_) => {}
        // What is said of a subject changes nothing about it.
        Body::AlertOpened(_)
        | Body::AlertChanged(_)
        | Body::AlertClosed(_)
        | Body::MessageQueued(_)
        | Body::MessageDelivered(_)
        | Body::MessageFailed(_) => {}
        Body::NodeStale(_) | Body::NodeOffline(_) => {
            // Evidence is gone: drift of that node goes with it, and what waited on it must say so.
            if let Some(node) = event.node() {
                touched.insert(Subject::Node(node.clone()));
                if let Some(desired) = world.fleet.nodes.get(node) {
                    touched.extend(
                        desired
                            .services
                            .keys()
                            .map(|s| Subject::Service(node.clone(), s.clone())),
                    );
                }
            }
        }
        _ => {
            touched.insert(event.subject.clone());
        }
    }
}

fn touch_fact(world: &World, subject: &Subject, key: &FactKey, touched: &mut BTreeSet<Subject>) {
    let Some(node) = subject.node() else { return };
    let Some(desired) = world.fleet.nodes.get(node) else {
        touched.insert(Subject::Node(node.clone()));
        return;
    };
    let service = |name: &ServiceName| Subject::Service(node.clone(), name.clone());
    let by_kind = |wanted: &dyn Fn(&ServiceKind) -> bool| {
        desired
            .services
            .iter()
            .filter(|(_, s)| wanted(&s.kind))
            .map(|(n, _)| service(n))
            .collect::<Vec<_>>()
    };
    match key {
        FactKey::Host | FactKey::Level(_) => {
            touched.insert(Subject::Node(node.clone()));
        }
        FactKey::Source(_) => touched.extend(by_kind(&|_| true)),
        FactKey::Container(name) => {
            touched.insert(Subject::Container(node.clone(), name.clone()));
            touched.extend(by_kind(&|kind| match kind {
                ServiceKind::Container { container, .. } => container == name,
                ServiceKind::Compose { .. } => true,
                _ => false,
            }));
        }
        FactKey::Unit(name) => {
            touched.extend(by_kind(
                &|kind| matches!(kind, ServiceKind::Systemd { unit } if unit == name),
            ));
        }
        FactKey::Check(name, _) | FactKey::Compose(name) => {
            touched.insert(service(name));
        }
        FactKey::Model(name) => {
            touched.insert(Subject::Model(node.clone(), name.clone()));
        }
    }
}

impl Controller {
    pub(super) fn settle(&mut self, now: Now) {
        for _ in 0..MAX_ROUNDS {
            let touched = core::mem::take(&mut self.touched);
            for subject in &touched {
                self.cause = None;
                if let Subject::Service(node, service) = subject {
                    self.state_service(now, node, service);
                }
                if subject.service().is_some() || !self.world.planted.on(Bug::DriftNotUpdated) {
                    self.drift.update(&self.world, subject);
                }
                self.brake.note(&self.world, &self.drift, subject);
            }
            // Before anything is proposed or started: much at once is no time to act.
            self.guard(now);
            for subject in &touched {
                self.review_subject(now, subject);
            }
            self.roll_on(now);
            self.drive(now);
            if self.touched.is_empty() {
                return;
            }
        }
    }

    /// Says in the log what changed for a service.
    fn state_service(&mut self, now: Now, node: &NodeName, service: &ServiceName) {
        let Some(seen) = assess::service(&self.world, node, service) else {
            return;
        };
        let never = ServiceMemory::default();
        let memory = self.world.memory(node, service).unwrap_or(&never);
        if memory.states(&seen) {
            return;
        }
        // A report that Stead's own evidence answers is cleared by saying so.
        let answered = memory.answers_report(&seen);
        let note = ServiceNote {
            trigger: seen.trigger,
            detail: seen.detail,
            after_ms: (memory.seq.0 > 0).then(|| now.at.since(memory.since)),
            extra: Default::default(),
        };
        let (severity, body) = match seen.status {
            Status::Healthy if memory.troubled || answered => {
                (Severity::Info, Body::ServiceRecovered(note))
            }
            Status::Healthy => (Severity::Info, Body::ServiceHealthy(note)),
            Status::Starting => (Severity::Info, Body::ServiceStarting(note)),
            Status::Unknown => (Severity::Info, Body::ServiceUnknown(note)),
            Status::Missing => (Severity::Warning, Body::ServiceMissing(note)),
            Status::Unhealthy => match seen.trigger {
                Some(Trigger::ContainersNotRunning) => {
                    (Severity::Warning, Body::ContainersNotRunning(note))
                }
                Some(Trigger::MqttUnreachable) => (Severity::Warning, Body::MqttUnreachable(note)),
                _ => (Severity::Warning, Body::ServiceUnhealthy(note)),
            },
        };
        self.cause = Some(seen.seq);
        let subject = Subject::Service(node.clone(), service.clone());
        self.emit(now.at, subject, severity, Source::Server, body);
        let subject = Subject::Service(node.clone(), service.clone());
        self.watch_flapping(now, &subject);
        // What it just said is not news to itself.
        self.touched.remove(&subject);
    }

    /// Open actions and drift of one subject, held against each other.
    fn review_subject(&mut self, now: Now, subject: &Subject) {
        let open: Vec<ActionKey> = self
            .world
            .actions
            .open
            .range(ActionKey::all_of(subject))
            .map(|(key, _)| key.clone())
            .collect();
        let found = self.drift.get(subject).to_vec();
        if open.is_empty() && found.is_empty() {
            return;
        }
        for key in &open {
            self.review_open(now, key, &found);
        }
        for drift in &found {
            self.propose(now, drift);
        }
    }

    fn review_open(&mut self, now: Now, key: &ActionKey, found: &[Drift]) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        self.cause = Some(action.chain.last().map_or(action.seq, |l| l.seq));
        let by_policy = action.approved_by == Some(Principal::Policy);
        let undecided =
            action.state == State::Pending || (action.state == State::Approved && by_policy);
        if undecided
            && !action.direct
            && let Some(reason) = self.no_longer_needed(key, found)
        {
            self.cancel(now, key, reason, None);
            return;
        }
        if matches!(
            self.world.actions.open.get(key).map(|a| a.state),
            Some(State::Pending | State::Approved)
        ) {
            self.refresh_plan(now, key, found);
            self.let_policy_decide(now, key);
        }
    }

    /// Why a proposed action is moot, where positive evidence says so.
    fn no_longer_needed(&self, key: &ActionKey, found: &[Drift]) -> Option<&'static str> {
        let about_lock = key.kind == ActionKind::LockClear;
        if let (Subject::Service(node, service), false) = (&key.subject, about_lock) {
            let desired = self.world.fleet.service(node, service);
            if desired.is_none_or(|s| !s.monitor) {
                return Some("service_removed_from_desired_state");
            }
        }
        let action = self.world.actions.open.get(key)?;
        // A service has one drift of its own, which may change its kind; a node can have several that have nothing in
        // common, and a lock lies beside either.
        let is_service = key.subject.service().is_some() && !about_lock;
        let its_own = |d: &&Drift| {
            d.kind.word() == action.drift || (is_service && d.kind != DriftKind::StaleLock)
        };
        if let Some(drift) = found.iter().find(its_own) {
            if action.state != State::Pending || drift.trigger == action.trigger {
                return None;
            }
            // The trouble became another one; does another action answer it?
            let answer = plan::repair(&self.world, drift, self.world.at);
            return (!answer.is_ok_and(|r| r.key == *key)).then_some("superseded");
        }
        let gone = match &key.subject {
            _ if about_lock => true,
            Subject::Service(node, service) => assess::service(&self.world, node, service)
                .is_some_and(|seen| seen.status == Status::Healthy),
            subject => self.world.is_fresh(subject),
        };
        gone.then_some("drift_resolved_auto")
    }

    pub(super) fn cancel(
        &mut self,
        now: Now,
        key: &ActionKey,
        reason: &str,
        by: Option<Principal>,
    ) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let body = Cancelled {
            action: action.id(),
            occurrence: action.occurrence,
            reason: reason.to_string(),
            by,
        };
        self.tell(now, key.subject.clone(), Body::ActionCancelled(body));
    }

    /// The plan as the world is now; an approval of another one does not count any more.
    fn refresh_plan(&mut self, now: Now, key: &ActionKey, found: &[Drift]) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        if found.is_empty() && !action.direct {
            return;
        }
        let Ok(Repair { plan, .. }) = plan::plan(&self.world, key.kind, &key.subject) else {
            return;
        };
        if plan.digest == action.plan.digest {
            return;
        }
        let reason = match (action.state, &action.approved_by) {
            (State::Approved, Some(by)) => {
                format!("what {by} approved is not what would be done now")
            }
            _ => "what would be done changed".to_string(),
        };
        let body = PlanChanged {
            action: action.id(),
            occurrence: action.occurrence,
            plan,
            reason,
        };
        self.tell(now, key.subject.clone(), Body::ActionPlanChanged(body));
    }

    fn let_policy_decide(&mut self, now: Now, key: &ActionKey) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        if action.state != State::Pending || action.direct {
            return;
        }
        // Waiting for a node to be seen is no time for policy to commit to anything.
        if !self.world.is_fresh(&key.subject) && key.kind != ActionKind::LockClear {
            return;
        }
        let verdict = policy::review(&self.world, action, now);
        if verdict.answer != Answer::Ready {
            return;
        }
        let body = Approved {
            action: action.id(),
            occurrence: action.occurrence,
            by: Principal::Policy,
            digest: action.plan.digest.clone(),
            note: None,
            rule: Some(verdict.rule),
        };
        self.tell(now, key.subject.clone(), Body::ActionApproved(body));
    }

    /// Raises the action that answers `drift`, unless one is open, or a rejection or back-off holds.
    fn propose(&mut self, now: Now, drift: &Drift) {
        let Ok(kind) = plan::answer(&self.world, drift, now.at) else {
            return;
        };
        if any_open(&self.world, &drift.subject, kind) {
            return;
        }
        let Ok(repair) = plan::repair(&self.world, drift, now.at) else {
            return;
        };
        if held(&self.world, &repair.key, drift, now.at).is_some() {
            return;
        }
        self.cause = Some(drift.cause);
        let draft = Draft {
            drift: drift.kind.word(),
            trigger: drift.trigger,
            direct: false,
        };
        let key = repair.key.clone();
        self.raise(now, repair, draft);
        self.let_policy_decide(now, &key);
    }

    /// Logs a proposal.
    pub(super) fn raise(&mut self, now: Now, repair: Repair, draft: Draft) -> u32 {
        let Repair { key, plan, reason } = repair;
        let occurrence = self
            .world
            .actions
            .memory
            .get(&key)
            .map_or(0, |m| m.occurrences)
            + 1;
        let mut proposed = Proposed {
            action: key.id(),
            occurrence,
            key: key.clone(),
            plan,
            risk: key.kind.risk(),
            level: key.kind.level(),
            drift: draft.drift.to_string(),
            trigger: draft.trigger,
            reason,
            policy: "started directly".to_string(),
            direct: draft.direct,
        };
        if !draft.direct {
            proposed.policy = policy::review(&self.world, &preview(&proposed), now).text();
        }
        let severity = if draft.direct {
            Severity::Info
        } else {
            Severity::Warning
        };
        let subject = key.subject.clone();
        let seq = self.emit(
            now.at,
            subject,
            severity,
            Source::Server,
            Body::ActionProposed(proposed),
        );
        self.cause = Some(seq);
        occurrence
    }
}

/// What raised an action.
pub(super) struct Draft {
    pub drift: &'static str,
    pub trigger: Trigger,
    pub direct: bool,
}

/// The action as it will be, for policy to look at before it exists.
pub fn preview(p: &Proposed) -> Action {
    Action {
        key: p.key.clone(),
        occurrence: p.occurrence,
        state: State::Pending,
        plan: p.plan.clone(),
        risk: p.risk,
        level: p.level,
        drift: p.drift.clone(),
        trigger: p.trigger,
        reason: p.reason.clone(),
        direct: p.direct,
        created_at: Time::ZERO,
        updated_at: Time::ZERO,
        seq: Default::default(),
        approved_by: None,
        approved_digest: None,
        note: None,
        phase: None,
        token: Default::default(),
        effect_seq: Default::default(),
        steps: Vec::new(),
        outcome: None,
        code: None,
        freed: None,
        chain: Vec::new(),
    }
}

/// Whether something is open for the same subject; clearing its lock is no repair of it, and neither hinders the other.
fn any_open(world: &World, subject: &Subject, wanted: ActionKind) -> bool {
    let about_lock = |kind| kind == ActionKind::LockClear;
    world
        .actions
        .open
        .range(ActionKey::all_of(subject))
        .any(|(key, _)| about_lock(key.kind) == about_lock(wanted))
}

/// Another destructive action for the same target that waits for its review.
fn destructive_candidate<'a>(world: &'a World, key: &ActionKey) -> Option<&'a Action> {
    world
        .actions
        .open
        .range(ActionKey::all_of(&key.subject))
        .map(|(_, action)| action)
        .find(|a| a.risk == Risk::Destructive && a.state == State::Pending)
}

/// Why a repair that could be proposed is not, for people.
pub fn held(
    world: &World,
    key: &ActionKey,
    drift: &Drift,
    now: Time,
) -> Option<alloc::string::String> {
    if key.kind != ActionKind::LockClear
        && let Some(brake) = policy::limits::brake(world)
    {
        return Some(brake);
    }
    if key.kind.risk() == Risk::Destructive
        && let Some(other) = destructive_candidate(world, key)
    {
        return Some(format!(
            "{} destroys something there too and nobody has reviewed it yet",
            other.label()
        ));
    }
    let memory: &Memory = world.actions.memory.get(key)?;
    if memory.rejected == Some(drift.trigger) {
        return Some("it was rejected; that holds until the trouble clears or changes".to_string());
    }
    let failed_at = memory.failed_at?;
    if memory.failures >= GIVE_UP_AFTER {
        return Some(format!(
            "it failed {} times in a row: Stead stopped trying, a person must look",
            memory.failures
        ));
    }
    let wait =
        Span(world.fleet.policy.limits.back_off.0 << (memory.failures.saturating_sub(1)).min(16));
    let until = failed_at + wait;
    (now < until).then(|| format!("it failed; the next try is not before {until}"))
}

/// Why there is drift without an open action: for people, with a remedy where there is one.
pub fn why_not(
    world: &World,
    drift: &Drift,
    now: Time,
) -> Option<(alloc::string::String, Option<alloc::string::String>)> {
    match plan::repair(world, drift, now) {
        Err(no) => Some((no.why, Some(no.remedy))),
        Ok(repair) => held(world, &repair.key, drift, now).map(|why| {
            let start = format!(
                "start it yourself: stead actions start {} {}",
                repair.key.kind, drift.subject
            );
            (why, Some(start))
        }),
    }
}

/// Whether the drift that `action` answers is gone, on evidence newer than the effect. `None`: nobody can say now.
pub(super) fn mended(world: &World, index: &drift::Index, action: &Action) -> Option<bool> {
    let subject = &action.key.subject;
    if action.key.kind == ActionKind::LockClear {
        let stale = index
            .get(subject)
            .iter()
            .any(|d| d.kind == DriftKind::StaleLock);
        return Some(!stale);
    }
    if !world.is_fresh(subject) {
        return None;
    }
    let still = index
        .get(subject)
        .iter()
        .any(|d| d.kind != DriftKind::StaleLock);
    match subject {
        Subject::Service(node, service) => {
            let Some(seen) = assess::service(world, node, service) else {
                return Some(true);
            };
            match seen.status {
                Status::Healthy if !still && (seen.seq > action.token || action.direct) => {
                    Some(true)
                }
                Status::Healthy => None,
                Status::Starting | Status::Unknown => None,
                Status::Unhealthy | Status::Missing => {
                    (seen.seq > action.effect_seq).then_some(false)
                }
            }
        }
        Subject::Container(node, name) => {
            let facts = world.node(node)?.container(name)?;
            let running = facts.state == crate::facts::ContainerState::Running;
            use crate::facts::Health;
            match facts.health {
                Health::None | Health::Healthy if running => Some(true),
                _ => None,
            }
        }
        Subject::Unit(node, name) => {
            (world.node(node)?.unit(name)?.active == "active").then_some(true)
        }
        Subject::Model(node, name) => {
            let (facts, _) = world.node(node)?.model(name)?;
            let wanted = action.key.kind == ActionKind::ModelLoad;
            (facts.loaded.is_some() == wanted).then_some(true)
        }
        _ if action.drift == DriftKind::DiskPressure.word() => {
            let full = index
                .get(subject)
                .iter()
                .any(|d| d.kind == DriftKind::DiskPressure);
            (!full).then_some(true)
        }
        _ => Some(true),
    }
}

/// Whether a node has evidence at all to work with.
pub(super) fn is_silent(world: &World, subject: &Subject) -> bool {
    subject
        .node()
        .and_then(|n| world.node(n))
        .is_none_or(|n| n.evidence.state != EvidenceState::Fresh)
}
