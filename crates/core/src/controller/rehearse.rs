//! Deciding anew on what was recorded: the part of a controller that a backtest needs and life does not.
//!
//! What the record gives (observations, silences, what people did) is taken as it stands; what followed from it is decided
//! again. Heartbeats are not in the log, so whoever fell silent is what the record says, never a guess.

use alloc::vec::Vec;

use super::{Controller, RECONCILE_EVERY, Step};
use crate::event::{Body, Event};
use crate::lock::LockKey;
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::World;

/// Subjects in drift that one pass a minute may cost; with more of them the passes are further apart.
const PASS: usize = 16;
/// But never further than this.
const PASS_AT_LEAST: Span = Span::mins(15);

impl Controller {
    /// A controller that decides anew, beginning with `world`.
    pub(crate) fn rehearsal(world: World) -> Controller {
        Controller {
            rehearsal: true,
            ..Controller::new(world, "rehearsal")
        }
    }

    /// Takes what the record gives for one input, and returns what follows from it. Events are numbered anew.
    pub(crate) fn rehear(&mut self, now: Now, given: impl Iterator<Item = Event>) -> Step {
        self.keep_pace(now);
        let reconciled = self.reconciled_at;
        for event in given {
            self.cause = None;
            self.cursor = 0;
            match &event.body {
                Body::ClockJumped(by) => self.shift(*by),
                Body::LockReleased(e) => {
                    let key = LockKey {
                        target: event.subject.clone(),
                        lock: e.lock,
                    };
                    if self.world.locks.contains_key(&key) {
                        let by = e.by.clone();
                        self.release(now, &key, "released", by);
                    }
                    continue;
                }
                Body::BrakeReleased(e) => {
                    if self.world.brake.engaged.is_some() {
                        let by = e.by.clone();
                        self.release_brake(now, "released", by);
                    }
                    continue;
                }
                _ => {}
            }
            self.take(now, event);
        }
        self.follow(now, reconciled)
    }

    fn take(&mut self, now: Now, event: Event) {
        let (loaded, synced) = match &event.body {
            Body::DesiredLoaded(_) => (true, None),
            Body::NodeSynced(_) => (false, event.node().cloned()),
            _ => (false, None),
        };
        let seq = self.world.head.next();
        self.record(Event {
            seq,
            cause: None,
            ..event
        });
        if let Some(node) = synced {
            self.touch_all_of(&node);
        }
        if loaded {
            self.reconcile(now);
        }
    }

    /// Takes back the room of a step that was looked at, for the next one: there are millions of them.
    pub(crate) fn recycle(&mut self, mut events: Vec<Event>) {
        if events.capacity() > self.step.events.capacity() && self.step.events.is_empty() {
            events.clear();
            self.step.events = events;
        }
    }

    /// Looks at everything once: what was open before the rehearsal is not open in it.
    pub(crate) fn rehearse_from(&mut self, now: Now) -> Step {
        let reconciled = self.reconciled_at;
        self.reconcile(now);
        self.follow(now, reconciled)
    }

    /// Looks at `subject` again, as something was decided about it then: limits and windows end between two passes, and
    /// the record must not show the end of a trouble before the rehearsal had its chance.
    pub(crate) fn rehearse_subject(&mut self, now: Now, subject: &Subject) -> Step {
        let reconciled = self.reconciled_at;
        if self.drift.get(subject).is_empty() {
            return Step::default();
        }
        self.touched.insert(subject.clone());
        self.follow(now, reconciled)
    }

    /// When a tick is needed; `None` while nothing depends on time.
    pub(crate) fn rehearsal_deadline(&self, now: Time) -> Option<Time> {
        let pass = self
            .reconciled_at
            .filter(|_| self.is_pass_needed())
            .map(|at| at + self.pass_every());
        self.due(now).chain(pass).min()
    }

    /// Whether there is anything for a pass to look at.
    fn is_pass_needed(&self) -> bool {
        !self.drift.is_empty() || !self.world.actions.open.is_empty()
    }

    /// Passes with nothing to look at are not made, but counted as if they had been: in life they are made, so the ones
    /// that matter come at the same moments in both, and a limit that ends is noticed at the same pass.
    pub(super) fn keep_pace(&mut self, now: Now) {
        if !self.rehearsal || self.is_pass_needed() {
            return;
        }
        let Some(latest) = self.reconciled_at else {
            return;
        };
        let every = self.pass_every();
        let missed = now.at.since(latest).0.saturating_sub(1) / every.0;
        self.reconciled_at = Some(latest + Span(every.0 * missed));
    }

    /// How far apart the passes are: each must look at everything in drift.
    pub(super) fn pass_every(&self) -> Span {
        if !self.rehearsal {
            return RECONCILE_EVERY;
        }
        let times = (self.drift.map().len() / PASS).max(1) as u64;
        Span(RECONCILE_EVERY.0.saturating_mul(times)).min(PASS_AT_LEAST)
    }
}
