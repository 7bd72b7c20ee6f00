//! Backtest: what another policy would have done with what was recorded. Row R8.
//!
//! ```text
//! record ─► given: what was observed, and what people did to the machines and to Stead's restraint ─► rehearsal ─► would
//!       └─► decided: what Stead did then ──────────────────────────────────────────────────────────► tally ────► was
//! ```
//!
//! The rehearsal is a controller like the one that runs, on a world of its own; its clock is the record's. Every order
//! is answered at once as done: whether that would have helped nobody can know, so what verifies it is what the record
//! shows next. Nothing here writes, and nothing leaves: orders and messages are counted and dropped.
//!
//! | module | its noun |
//! |---|---|
//! | this | the run |
//! | [`given`] | what of the record is taken as it stands, and what belongs to one input |
//! | [`tally`] | decisions, counted |

pub mod given;
pub mod tally;

pub use tally::{Decided, Decision, Sum};

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::command::Outcome;
use crate::controller::{Controller, Effect, Input, Step};
use crate::desired::{Fleet, Policy};
use crate::event::{Body, Event};
use crate::policy::Now;
use crate::time::{Span, Time};
use crate::world::World;
use given::{Group, Part};
use tally::Tally;

/// Rounds of orders that one input may lead to: each answers those of the round before.
const ROUNDS: usize = 64;
/// A deadline that passed without anything coming of it is looked at again this much later.
const AGAIN: Span = Span::secs(1);

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub since: Time,
    pub until: Time,
    /// Events of the period, and how many of them the rehearsal was given.
    pub events: u64,
    pub given: u64,
    /// What the policy on trial would have done.
    pub would: Decided,
    /// What was done.
    pub was: Decided,
}

/// A policy on trial.
#[derive(Debug)]
pub struct Backtest<L> {
    controller: Controller,
    policy: Arc<Policy>,
    local: L,
    now: Now,
    until: Time,
    would: Tally,
    was: Tally,
    /// What was given and not yet handed on, because more may belong to it.
    open: Group,
    report: Report,
}

impl<L: Fn(Time) -> Now> Backtest<L> {
    /// Begins with the `world` of `since`. `local` tells the owner's time of day and day.
    pub fn new(world: World, policy: Policy, since: Time, until: Time, local: L) -> Backtest<L> {
        let policy = Arc::new(policy);
        let now = local(since);
        let mut run = Backtest {
            controller: Controller::rehearsal(fresh(world, &policy)),
            policy,
            local,
            now,
            until,
            would: Tally::default(),
            was: Tally::default(),
            open: Group::default(),
            report: Report {
                since,
                until,
                ..Report::default()
            },
        };
        let step = run.controller.rehearse_from(run.now);
        run.carry_out(step);
        run
    }

    /// The next events of the record, in its order. Events of kinds that [`given::matters`] denies may be left out.
    /// Leaves `events` empty, for its room to be used again.
    pub fn feed(&mut self, events: &mut Vec<Event>) {
        let times = given::times(events, self.now.at);
        for (event, at) in events.drain(..).zip(times) {
            self.report.events += 1;
            match given::part(&event) {
                Part::Given => {
                    self.report.given += 1;
                    self.give(at, event);
                }
                Part::Decided => {
                    self.hand_on();
                    self.was.note(&event, at);
                    self.stated(at, &event);
                }
                Part::Neither => {
                    self.hand_on();
                    self.stated(at, &event);
                }
            }
        }
    }

    /// Events that were left out of [`Backtest::feed`].
    pub fn skipped(&mut self, events: u64) {
        self.report.events += events;
    }

    /// The end of the record: time goes on to the end of the period.
    pub fn finish(mut self) -> Report {
        self.hand_on();
        self.wait(self.until);
        Report {
            would: self.would.finish(),
            was: self.was.finish(),
            ..self.report
        }
    }

    fn give(&mut self, at: Time, mut event: Event) {
        if let Body::DesiredLoaded(loaded) = &mut event.body
            && let Some(fleet) = &loaded.fleet
        {
            loaded.fleet = Some(on_trial(fleet, &self.policy));
        }
        if !self.open.takes(&event) {
            self.hand_on();
        }
        self.open.push(at, event);
    }

    /// Stead stated something at that moment, so all that was due by then was done before what comes next in the record,
    /// be that of the same millisecond. Where it started something, the policy on trial decides about the same.
    fn stated(&mut self, at: Time, event: &Event) {
        if !given::is_own(event) {
            return;
        }
        if at > self.now.at {
            self.pass(at);
        }
        if matches!(event.body, Body::ActionStarted(_)) {
            let step = self.controller.rehearse_subject(self.now, &event.subject);
            self.carry_out(step);
        }
    }

    fn hand_on(&mut self) {
        let Some(at) = self.open.at() else {
            return;
        };
        // The clock was set, in whichever direction.
        if self.open.is_clock_jump() {
            self.now = (self.local)(at);
        } else {
            self.wait(at);
        }
        let step = self.controller.rehear(self.now, self.open.take());
        self.carry_out(step);
    }

    /// Lets time pass until `to`. What is due at `to` itself is left to what comes in then.
    fn wait(&mut self, to: Time) {
        self.tick_while(|due| due < to);
        self.now_is(to);
    }

    /// Lets time pass until `to`, with all that is due by then.
    fn pass(&mut self, to: Time) {
        self.tick_while(|due| due <= to);
        self.now_is(to);
    }

    fn tick_while(&mut self, is_before: impl Fn(Time) -> bool) {
        while let Some(due) = self.controller.rehearsal_deadline(self.now.at) {
            let due = if due > self.now.at {
                due
            } else {
                self.now.at + AGAIN
            };
            if !is_before(due) {
                return;
            }
            self.now = (self.local)(due);
            let step = self.controller.handle(self.now, Input::Tick);
            self.carry_out(step);
        }
    }

    fn now_is(&mut self, at: Time) {
        if at > self.now.at {
            self.now = (self.local)(at);
        }
    }

    /// Counts what was decided, and answers every order and every message.
    fn carry_out(&mut self, first: Step) {
        let mut answers = self.count(first);
        for _ in 1..ROUNDS {
            if answers.is_empty() {
                return;
            }
            let mut next = Vec::new();
            for input in answers {
                let step = self.controller.handle(self.now, input);
                next.extend(self.count(step));
            }
            answers = next;
        }
    }

    /// Counts the decisions of one step; returns the answers to what it would send.
    fn count(&mut self, step: Step) -> Vec<Input> {
        for event in &step.events {
            self.would.note(event, self.now.at);
        }
        self.controller.recycle(step.events);
        step.effects.into_iter().filter_map(answer).collect()
    }
}

/// The world to begin with: under the policy on trial, with nothing open that was decided under another.
fn fresh(mut world: World, policy: &Policy) -> World {
    world.fleet = on_trial(&world.fleet, policy);
    world.actions.open.clear();
    world.rollouts.open.clear();
    world.alerts.outbox.clear();
    world
}

fn on_trial(fleet: &Fleet, policy: &Policy) -> Arc<Fleet> {
    Arc::new(Fleet {
        policy: policy.clone(),
        ..fleet.clone()
    })
}

/// What an agent or a channel would have said at once.
fn answer(effect: Effect) -> Option<Input> {
    match effect {
        Effect::Order { order, .. } => Some(Input::Result {
            action: order.action,
            occurrence: order.occurrence,
            step: order.step,
            attempt: order.attempt,
            outcome: Outcome::Done {
                output: Default::default(),
                freed: None,
            },
        }),
        Effect::Message { id } => Some(Input::Delivered {
            id,
            attempts: 1,
            why: Default::default(),
        }),
        Effect::Bundle { .. } => None,
    }
}
