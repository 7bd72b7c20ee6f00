//! Self-restraint: locks and their end, the brake, flapping, what rules earned. Stated in the log before anything else
//! follows from it.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Controller;
use crate::brake::Call;
use crate::desired::Says;
use crate::event::{
    Body, BrakeReleased, Earned, Flapping, LockReleased, LockStale, Severity, Source,
};
use crate::lock::{LockKey, LockKind};
use crate::policy::{self, Now};
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::ServiceMemory;

/// This many changes between well and ill within [`FLAP_WITHIN`] are flapping.
pub const FLAP_CHANGES: usize = 6;
pub const FLAP_WITHIN: Span = Span::mins(10);
/// Without a change for this long it is steady again.
pub const STEADY_AFTER: Span = Span::mins(10);

/// Signs of life of lock holders: not events, so kept beside the log; after a start everybody has a heartbeat's time.
#[derive(Debug, Default)]
pub(super) struct Beats(BTreeMap<LockKey, Time>);

impl Beats {
    pub(super) fn heard(&mut self, key: LockKey, at: Time) {
        self.0.insert(key, at);
    }
    pub(super) fn shift(&mut self, by: i64) {
        for at in self.0.values_mut() {
            at.0 = at.0.saturating_add(by);
        }
    }
}

impl Controller {
    /// States what follows from time and from what happened for locks, brake and flapping.
    pub(super) fn guard(&mut self, now: Now) {
        self.end_locks(now);
        self.steady(now);
        self.hold_or_release(now);
    }

    pub(super) fn guard_deadline(&self, now: Time) -> Option<Time> {
        let locks = self.world.locks.iter().map(|(key, lock)| {
            let beat = lock
                .heartbeat
                .filter(|_| lock.stale.is_none() && !self.rehearsal)
                .map(|every| self.last_beat(key, lock.since) + every);
            beat.map_or(lock.until, |at| at.min(lock.until))
        });
        let flapping = self.flapping.values().map(|last| *last + STEADY_AFTER);
        let brake = self.brake.next_deadline(&self.world, now);
        locks.chain(flapping).chain(brake).min()
    }

    fn last_beat(&self, key: &LockKey, since: Time) -> Time {
        let started = self.world.server_started.unwrap_or(since);
        self.beats
            .0
            .get(key)
            .copied()
            .unwrap_or_else(|| since.max(started))
    }

    fn end_locks(&mut self, now: Now) {
        let over = |until: Time| now.at >= until;
        let mut ended: Vec<(LockKey, Option<Time>)> = Vec::new();
        for (key, lock) in &self.world.locks {
            if over(lock.until) {
                ended.push((key.clone(), None));
                continue;
            }
            let last = self.last_beat(key, lock.since);
            let silent = lock
                .heartbeat
                .is_some_and(|every| now.at.since(last) >= every);
            if silent && lock.stale.is_none() && !self.rehearsal {
                ended.push((key.clone(), Some(last)));
            }
        }
        for (key, silent_since) in ended {
            self.cause = self.world.locks.get(&key).map(|l| l.seq);
            match silent_since {
                None => self.release(now, &key, "expired", None),
                Some(last) => {
                    let body = Body::LockStale(LockStale {
                        lock: key.lock,
                        last,
                    });
                    self.emit(now.at, key.target, Severity::Warning, Source::Server, body);
                }
            }
        }
    }

    pub(super) fn release(
        &mut self,
        now: Now,
        key: &LockKey,
        reason: &str,
        by: Option<crate::action::Principal>,
    ) {
        let reason = match (reason, key.lock) {
            ("expired", LockKind::Window) => "window_ended",
            (reason, _) => reason,
        };
        let body = LockReleased {
            lock: key.lock,
            reason: reason.to_string(),
            by,
        };
        self.beats.0.remove(key);
        self.tell(now, key.target.clone(), Body::LockReleased(body));
        // What was held may go on.
        self.touch_held(&key.target);
    }

    /// Everything a lock on `target` holds is looked at again.
    fn touch_held(&mut self, target: &Subject) {
        let about = |subject: &Subject| match target {
            Subject::Fleet => true,
            Subject::Node(node) => subject.node() == Some(node),
            other => subject == other,
        };
        let drifting = self.drift.map().keys().filter(|s| about(s)).cloned();
        self.touched.extend(drifting);
        let open = self.world.actions.open.keys().map(|k| &k.subject);
        self.touched.extend(open.filter(|s| about(s)).cloned());
    }

    fn hold_or_release(&mut self, now: Now) {
        let call = self.brake.call(&self.world, now.at);
        match call {
            Some(Call::Engage(body)) => {
                self.cause = None;
                self.emit(
                    now.at,
                    Subject::Fleet,
                    Severity::Critical,
                    Source::Server,
                    Body::BrakeEngaged(body),
                );
            }
            Some(Call::Release) => self.release_brake(now, "share_fell", None),
            None => {}
        }
    }

    pub(super) fn release_brake(
        &mut self,
        now: Now,
        reason: &str,
        by: Option<crate::action::Principal>,
    ) {
        self.cause = self.world.brake.engaged.as_ref().map(|e| e.seq);
        let body = BrakeReleased {
            reason: reason.to_string(),
            by,
        };
        self.tell(now, Subject::Fleet, Body::BrakeReleased(body));
        self.touch_held(&Subject::Fleet);
    }

    /// A service changed between well and ill: does it flap?
    pub(super) fn watch_flapping(&mut self, now: Now, subject: &Subject) {
        let Subject::Service(node, service) = subject else {
            return;
        };
        let Some(memory) = self.world.memory(node, service) else {
            return;
        };
        let Some(last) = memory.changes.back().copied() else {
            return;
        };
        if memory.flapping.is_some() {
            self.flapping.insert(subject.clone(), last);
            return;
        }
        let changes = lately(memory, now.at);
        if changes < FLAP_CHANGES {
            return;
        }
        let body = Flapping {
            changes: u32::try_from(changes).unwrap_or(u32::MAX),
            within: FLAP_WITHIN,
        };
        self.flapping.insert(subject.clone(), last);
        self.emit(
            now.at,
            subject.clone(),
            Severity::Warning,
            Source::Server,
            Body::ServiceFlapping(body),
        );
    }

    fn steady(&mut self, now: Now) {
        let steady: Vec<Subject> = self
            .flapping
            .iter()
            .filter(|(_, last)| now.at.since(**last) >= STEADY_AFTER)
            .map(|(subject, _)| subject.clone())
            .collect();
        for subject in steady {
            self.flapping.remove(&subject);
            self.cause = None;
            let body = Flapping {
                changes: 0,
                within: STEADY_AFTER,
            };
            self.tell(now, subject.clone(), Body::ServiceSteady(body));
        }
    }

    /// An action ended: rules that earn their autonomy may have earned or lost it. Row R7.
    pub(super) fn reckon(&mut self, now: Now, action: &str) {
        let rules = self.world.fleet.policy.rules.iter().enumerate();
        let mut changes: Vec<(bool, Earned)> = Vec::new();
        for (index, rule) in rules {
            let Says::Earn(wanted) = rule.says else {
                continue;
            };
            let digest = rule.digest();
            let successes = policy::progress(&self.world, rule);
            let (has, gets) = (self.world.earned.contains(&digest), successes >= wanted);
            // What was earned is lost by a failure only, never because old successes are forgotten.
            let lost = has && successes == 0;
            if (gets && !has) || lost {
                let earned = Earned {
                    rule: alloc::format!("policy.rules[{index}]"),
                    digest,
                    successes,
                    action: String::from(action),
                };
                changes.push((gets, earned));
            }
        }
        for (gets, earned) in changes {
            if gets {
                self.tell(now, Subject::Fleet, Body::AutonomyEarned(earned));
            } else {
                self.emit(
                    now.at,
                    Subject::Fleet,
                    Severity::Warning,
                    Source::Server,
                    Body::AutonomyLost(earned),
                );
            }
        }
    }
}

/// Changes between well and ill within [`FLAP_WITHIN`].
fn lately(memory: &ServiceMemory, now: Time) -> usize {
    memory
        .changes
        .iter()
        .filter(|at| now.since(**at) < FLAP_WITHIN)
        .count()
}

/// Services that flap, with their latest change.
pub(super) fn flapping(world: &crate::world::World) -> BTreeMap<Subject, Time> {
    let mut found = BTreeMap::new();
    for (node, state) in &world.nodes {
        for (service, memory) in &state.services {
            if let (Some(since), last) = (memory.flapping, memory.changes.back()) {
                let subject = Subject::Service(node.clone(), service.clone());
                found.insert(subject, last.copied().unwrap_or(since));
            }
        }
    }
    found
}
