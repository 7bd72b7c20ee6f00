//! The chaos drill: the canary is broken on purpose, and what follows must be noticed, mended and told in time. Row R9.
//!
//! The drill only breaks and watches. That the canary is ill is found by the same eyes as for any service, its repair is
//! an action of its own, and the message one like any other: nothing here helps any of them along. What a drill has shown
//! is read from the world, so a restart in the middle of one changes nothing.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Controller;
use super::decide::{Refusal, refuse};
use crate::action::{Action, ActionKey, ActionKind, Phase, State};
use crate::alert::{Alerts, Message};
use crate::desired::CANARY;
use crate::event::{Body, DrillEnded, Severity, Source};
use crate::ids::{NodeName, ServiceName};
use crate::lock;
use crate::policy::{self, Now};
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::{Status, World};

/// Code of a drill that showed too little in time.
pub const FAILED: &str = "drill-failed";

/// Until when a drill must have shown everything; `None` for any other action.
pub(super) fn until(world: &World, action: &Action) -> Option<Time> {
    let drill = world.fleet.drill.as_ref()?;
    (action.key.kind == ActionKind::Drill).then(|| broken_at(action) + drill.within)
}

/// From when on its time counts: when the order to break was given.
fn broken_at(action: &Action) -> Time {
    let given = action.steps.first().and_then(|s| s.started_at);
    given.unwrap_or(action.updated_at)
}

fn canary_of(node: &NodeName) -> Option<Subject> {
    let name = ServiceName::new(CANARY).ok()?;
    Some(Subject::Service(node.clone(), name))
}

/// What a drill has shown so far.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Proof {
    /// From the break, each.
    detected: Option<Span>,
    repaired: Option<Span>,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// No route takes what there is to tell.
    Nobody,
    /// A message is on its way, or all were given up.
    Waits,
    Delivered(Span),
}

impl Proof {
    fn is_whole(&self) -> bool {
        self.detected.is_some() && self.repaired.is_some() && self.told != Told::Waits
    }
}

/// Reads from the world what `action`, a drill, has shown.
fn proof(world: &World, action: &Action, now: Now) -> Option<Proof> {
    let canary = canary_of(action.key.subject.node()?)?;
    let since = |at: Time| at.since(broken_at(action));
    let repairs = || repairs(world, &canary, action);
    let (node, service) = (canary.node()?, canary.service()?);
    let memory = world.memory(node, service);
    let stated = memory
        .filter(|m| m.troubled && m.seq > action.token)
        .map(|m| m.since);
    let detected = repairs().map(|r| r.created_at).chain(stated).min();
    let well = memory.is_some_and(|m| m.status == Status::Healthy) && world.is_fresh(&canary);
    let repaired = repairs()
        .filter(|r| r.state == State::Completed && well)
        .map(|r| r.updated_at)
        .min();
    Some(Proof {
        detected: detected.map(since),
        repaired: repaired.map(since),
        told: told(world, &canary, action, now),
    })
}

/// Repairs of the canary that were raised after the break, whether they ended or not.
fn repairs<'a>(
    world: &'a World,
    canary: &'a Subject,
    drill: &'a Action,
) -> impl Iterator<Item = &'a Action> {
    let open = world
        .actions
        .open
        .range(ActionKey::all_of(canary))
        .map(|(_, action)| action);
    let ended = world.actions.ended.iter().rev();
    open.chain(ended).filter(move |a| {
        let mends = matches!(
            a.key.kind,
            ActionKind::ContainerRestart | ActionKind::Redeploy
        );
        mends && !a.direct && a.seq > drill.token && a.key.subject == *canary
    })
}

fn told(world: &World, canary: &Subject, drill: &Action, now: Now) -> Told {
    let alerts: &Alerts = &world.alerts;
    let about = |m: &&Message| {
        let thread = m.what.thread.as_ref();
        let joined = thread.and_then(|id| alerts.open.get(id));
        let its_own = m.subject == *canary || joined.is_some_and(|t| t.joined.contains(canary));
        thread.is_some() && its_own && m.seq > drill.token
    };
    let delivered = alerts.log.iter().filter(about);
    let first = delivered
        .filter(|m| m.why.is_empty())
        .filter_map(|m| m.ended_at)
        .min();
    if let Some(at) = first {
        return Told::Delivered(at.since(broken_at(drill)));
    }
    let any = alerts.outbox.values().chain(&alerts.log).any(|m| about(&m));
    if any || policy::is_told(world, canary, now) {
        Told::Waits
    } else {
        Told::Nobody
    }
}

impl Controller {
    /// Whether the canary of `subject` may be broken now: a drill begins where everything is well, or it proves nothing.
    pub(super) fn may_drill(&self, now: Now, subject: &Subject) -> Result<(), Refusal> {
        let no = |why: String, remedy: String| Err(refuse("drill-refused", why, remedy));
        let world = &self.world;
        let desired = world.fleet.drill.as_ref();
        let Some((node, canary)) = subject
            .node()
            .filter(|node| desired.is_some_and(|d| d.node == **node))
            .and_then(|node| Some((node, canary_of(node)?)))
        else {
            // The plan says what is missing in the files.
            return Ok(());
        };
        if let Some(brake) = policy::limits::brake(world) {
            let remedy = "wait until it lets go, or release it: stead brake release";
            return no(format!("repairs are held by {brake}"), remedy.to_string());
        }
        if let Some((key, held)) = lock::holding(world, &canary, now.at).next() {
            return no(
                format!("{} holds its repair", lock::text(key, held)),
                format!(
                    "wait until it ends, or release it: stead unlock {}",
                    key.target
                ),
            );
        }
        let memory = canary.service().and_then(|s| world.memory(node, s));
        let well = memory.is_some_and(|m| m.status == Status::Healthy && m.flapping.is_none());
        let at_work = world.actions.open.range(ActionKey::all_of(&canary)).next();
        if !well || !world.is_fresh(&canary) || at_work.is_some() {
            return no(
                "the canary is not well, so breaking it would prove nothing".to_string(),
                format!("see what it lacks: stead why {canary}"),
            );
        }
        let limit = world.fleet.policy.limits.per_target_per_hour;
        let used = policy::limits::starts_within(world, &canary, now.at, Span::hours(1));
        if used >= limit {
            return no(
                format!(
                    "the canary was repaired {used} times within the hour already: policy.limits.per_target_per_hour"
                ),
                "run the drill later".to_string(),
            );
        }
        Ok(())
    }

    /// The canary is broken, or may be: looks at what that has shown.
    pub(super) fn drilling(&mut self, now: Now, key: &ActionKey, until: Time) {
        let Some(action) = self.world.actions.open.get(key) else {
            return;
        };
        let Some(proof) = proof(&self.world, action, now) else {
            return;
        };
        if proof.is_whole() {
            self.complete(now, key, shown(&proof));
        } else if now.at >= until {
            let why = self.missing(now, action, &proof);
            self.fail(now, key, FAILED, why);
        }
    }

    /// What a drill did not show in time, for people.
    fn missing(&self, now: Now, action: &Action, proof: &Proof) -> String {
        let within = until(&self.world, action).map(|end| end.since(broken_at(action)));
        let within = within.map_or_else(String::new, |span| format!(" within {span}"));
        let unknown = matches!(action.phase, Some(Phase::Unknown { .. }));
        if proof.detected.is_none() && unknown {
            return "nobody knows whether the canary was broken: the agent did not say how it ended"
                .to_string();
        }
        let mut parts: Vec<String> = Vec::new();
        if proof.detected.is_none() {
            parts.push(format!(
                "that the canary was broken was not noticed{within}"
            ));
        } else if proof.repaired.is_none() {
            let held = self.what_holds(now, action);
            let held = held.map_or_else(String::new, |why| format!(" ({why})"));
            parts.push(format!("it was not mended{within}{held}"));
        }
        if proof.told == Told::Waits {
            parts.push(format!("no message about it was delivered{within}"));
        }
        parts.join("; ")
    }

    /// Why the canary's repair has not ended, where something can be named.
    fn what_holds(&self, now: Now, drill: &Action) -> Option<String> {
        let canary = canary_of(drill.key.subject.node()?)?;
        let Some(repair) = repairs(&self.world, &canary, drill).next() else {
            let drift = self.drift.get(&canary).first()?;
            return super::why_not(&self.world, drift, now.at).map(|(why, _)| why);
        };
        match repair.state {
            State::Pending => Some(policy::review(&self.world, repair, now).text()),
            State::Approved => {
                let waits = policy::waits_for(&self.world, repair, now);
                waits.map(|what| format!("{} waits for {what}", repair.label()))
            }
            State::Running => Some(format!("{} is still at work", repair.label())),
            _ => repair.outcome.clone(),
        }
    }

    /// Says in the log how a drill ended. `action` as it was before it ended.
    pub(super) fn drill_ended(&mut self, now: Now, action: &Action, ok: bool, detail: String) {
        let proof = proof(&self.world, action, now);
        let within = until(&self.world, action).map(|end| end.since(broken_at(action)));
        let body = DrillEnded {
            action: action.id(),
            occurrence: action.occurrence,
            ok,
            within: within.unwrap_or_default(),
            detected: proof.as_ref().and_then(|p| p.detected),
            repaired: proof.as_ref().and_then(|p| p.repaired),
            told: proof.and_then(|p| match p.told {
                Told::Delivered(after) => Some(after),
                Told::Nobody | Told::Waits => None,
            }),
            detail,
            broken: action.effect_seq,
        };
        let severity = if ok {
            Severity::Info
        } else {
            Severity::Critical
        };
        self.cause = Some(self.world.head);
        let subject = action.key.subject.clone();
        self.emit(
            now.at,
            subject,
            severity,
            Source::Server,
            Body::DrillEnded(body),
        );
    }
}

/// `noticed after 1.2 s, mended after 8.0 s, told after 1.9 s`
fn shown(proof: &Proof) -> String {
    let part = |what: &str, after: Option<Span>| {
        after.map(|span| format!("{what} after {}.{} s", span.0 / 1000, span.0 % 1000 / 100))
    };
    let told = match proof.told {
        Told::Delivered(after) => part("told", Some(after)),
        Told::Nobody | Told::Waits => Some("no route takes it to anybody".to_string()),
    };
    let parts = [
        part("noticed", proof.detected),
        part("mended", proof.repaired),
        told,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Plan, Principal, StepState, Trigger};
    use crate::event::MessageQueued;
    use crate::ids::Seq;

    fn drill() -> Action {
        let key = ActionKey {
            kind: ActionKind::Drill,
            subject: "node/piha".parse().expect("a subject"),
        };
        let step = StepState {
            started_at: Some(Time(1_000)),
            ..StepState::default()
        };
        Action {
            plan: Plan::new(&key, Vec::new()),
            occurrence: 1,
            state: State::Running,
            risk: key.kind.risk(),
            level: key.kind.level(),
            key,
            drift: String::new(),
            trigger: Trigger::Person,
            reason: String::new(),
            direct: true,
            created_at: Time(1_000),
            updated_at: Time(1_000),
            seq: Seq(5),
            approved_by: Some(Principal::Files),
            approved_digest: None,
            note: None,
            phase: None,
            token: Seq(7),
            effect_seq: Seq(9),
            steps: alloc::vec![step],
            outcome: None,
            code: None,
            freed: None,
            chain: Vec::new(),
        }
    }

    fn message(seq: u64, thread: Option<&str>, subject: &str) -> Message {
        Message {
            what: MessageQueued {
                id: format!("m{seq}"),
                thread: thread.map(ToString::to_string),
                channel: "hook".to_string(),
                route: "all".to_string(),
                sort: "opened".to_string(),
                severity: Severity::Warning,
                title: String::new(),
                text: String::new(),
                ping: false,
            },
            subject: subject.parse().expect("a subject"),
            queued_at: Time(2_000),
            seq: Seq(seq),
            ended_at: None,
            attempts: 0,
            why: String::new(),
        }
    }

    #[test]
    fn a_message_counts_when_it_is_about_the_canary_since_the_break_and_delivered() {
        let canary: Subject = "service/piha/stead-canary".parse().expect("a subject");
        let mut world = World::default();
        let says = |world: &World| told(world, &canary, &drill(), Now::default());
        for other in [
            message(6, Some("t0"), "service/piha/stead-canary"),
            message(8, Some("t1"), "service/piha/z2m"),
            message(9, None, "service/piha/stead-canary"),
        ] {
            world.alerts.outbox.insert(other.what.id.clone(), other);
        }
        assert_eq!(says(&world), Told::Nobody, "before, about another, a test");
        let mut own = message(10, Some("t2"), "service/piha/stead-canary");
        world.alerts.outbox.insert("m10".to_string(), own.clone());
        assert_eq!(says(&world), Told::Waits);
        world.alerts.outbox.remove("m10");
        own.ended_at = Some(Time(4_500));
        own.why = "refused".to_string();
        world.alerts.log.push_back(own.clone());
        assert_eq!(says(&world), Told::Waits, "given up is not told");
        own.why.clear();
        world.alerts.log.push_back(own);
        assert_eq!(says(&world), Told::Delivered(Span::millis(3_500)));
    }
}
