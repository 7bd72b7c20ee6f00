//! The controller: the one place that decides.
//!
//! ```text
//! input ──► handle ──► events ──┬─► world ──► touched subjects ──► settle ──► more events
//!                               └─► log (by the engine, before any effect leaves)
//! ```
//!
//! It numbers the events it returns, folds them into its own world, and goes on until nothing follows. Replaying the
//! log folds what was decided and decides nothing anew. Effects may be carried out only once the events are durable.

mod decide;
mod drill;
mod execute;
mod guard;
mod image;
mod ingest;
mod insight;
mod messages;
mod orders;
mod rehearse;
mod restrain;
mod roll;
mod settle;
mod tracker;

pub use decide::{Command, Refusal, Reply};
pub use guard::{FLAP_CHANGES, FLAP_WITHIN, STEADY_AFTER};
pub use ingest::{Change, ForeignEvent};
pub use insight::WritesTurn;
pub use restrain::{LOCK_AT_MOST, is_known, known};
pub use roll::{MAX_OPEN as MAX_OPEN_ROLLOUTS, workable};
pub use settle::{GIVE_UP_AFTER, held, preview, why_not};
pub use tracker::{OFFLINE_AFTER, STALE_AFTER};

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::action::{Action, ActionKey, State};
use crate::brake;
use crate::command::{Order, Outcome};
use crate::desired::Fleet;
use crate::drift;
use crate::event::{Body, DesiredLoaded, DesiredRejected, Event, Severity, Source};
use crate::ids::{NodeName, Seq};
use crate::planted::Bug;
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::World;
use tracker::Tracker;

/// The level-triggered pass over everything happens at least this often.
pub const RECONCILE_EVERY: Span = Span::secs(60);

/// What reaches the controller.
#[derive(Debug, Clone)]
pub enum Input {
    /// The process begins: nothing is known to be fresh.
    Started {
        version: String,
    },
    Stopping,
    /// This server took the lead; what an older epoch orders is refused from here on.
    Leading {
        epoch: u64,
        holder: String,
    },
    /// Wall clock moved by this many milliseconds against the steady one.
    ClockJumped(i64),
    Desired {
        loaded: DesiredLoaded,
        fleet: Arc<Fleet>,
    },
    DesiredBroken(DesiredRejected),
    /// An agent said something; nothing else is needed to know it is there.
    Heard {
        node: NodeName,
    },
    /// An agent is linked; `spool` names where its places count from.
    Linked {
        node: NodeName,
        spool: String,
        version: String,
    },
    /// `cursor`: place in the agent's spool; what is recorded already is not recorded again.
    Observed {
        node: NodeName,
        at: Time,
        cursor: u64,
        changes: Vec<Change>,
    },
    /// Everything the agent sees now. What it does not name is gone.
    Snapshot {
        node: NodeName,
        at: Time,
        facts: crate::facts::Facts,
        spool: String,
        cursor: u64,
        digest: String,
    },
    /// How an order ended.
    Result {
        action: String,
        occurrence: u32,
        step: u32,
        attempt: u32,
        outcome: Outcome,
    },
    /// How the delivery of a message ended; `why` is empty where it was delivered.
    Delivered {
        id: String,
        attempts: u32,
        why: String,
    },
    /// A container's writing left the ordinary, or came back.
    Writes {
        subject: Subject,
        turn: WritesTurn,
    },
    /// Recorded as it came; `id` is derived from its content.
    Foreign(ForeignEvent),
    /// A person or a file decides.
    Command(Command),
    Tick,
}

/// What is to be done once the events are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Give this order to the node's agent. Safe to repeat: the agent knows it by its key.
    Order { node: NodeName, order: Box<Order> },
    /// The node's part of the desired state changed: hand the agent its bundle.
    Bundle { node: NodeName },
    /// Deliver this message of the world's outbox. Safe to repeat: the receiver knows it by its ID.
    Message { id: String },
}

/// What handling an input led to.
#[derive(Debug, Default)]
pub struct Step {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub reply: Option<Result<Reply, Refusal>>,
}

/// The deterministic state machine behind everything Stead decides.
#[derive(Debug)]
pub struct Controller {
    world: World,
    drift: drift::Index,
    tracker: Tracker,
    log_id: String,
    /// Caches over `world.actions.open`, so that one event does not look at every open action.
    busy: BTreeSet<ActionKey>,
    /// How much drifts, and of how much: a cache over drift and world.
    brake: brake::Watch,
    /// Services that flap, with their latest change: a cache over the world.
    flapping: BTreeMap<Subject, Time>,
    beats: guard::Beats,
    reconciled_at: Option<Time>,
    /// When the age of every image was last looked at.
    images_at: Option<Time>,
    /// Decides anew on what was recorded: silence is the record's to tell.
    rehearsal: bool,
    /// The step being built.
    step: Step,
    touched: BTreeSet<Subject>,
    cause: Option<Seq>,
    cursor: u64,
}

impl Controller {
    /// Goes on from a world that was replayed. `log_id` makes event IDs unique across logs.
    pub fn new(world: World, log_id: impl Into<String>) -> Controller {
        let drift = drift::Index::rebuild(&world);
        let busy = busy(&world);
        Controller {
            brake: brake::Watch::rebuild(&world, &drift),
            flapping: guard::flapping(&world),
            beats: guard::Beats::default(),
            world,
            drift,
            tracker: Tracker::default(),
            log_id: log_id.into(),
            busy,
            reconciled_at: None,
            images_at: None,
            rehearsal: false,
            step: Step::default(),
            touched: BTreeSet::new(),
            cause: None,
            cursor: 0,
        }
    }

    pub fn world(&self) -> &World {
        &self.world
    }
    pub fn drift(&self) -> &drift::Index {
        &self.drift
    }
    /// How much drifts, and of how much.
    pub fn brake(&self) -> &brake::Watch {
        &self.brake
    }

    /// Handles one input: returns what is to be logged, and what is to be done once it is.
    pub fn handle(&mut self, now: Now, input: Input) -> Step {
        self.cause = None;
        self.cursor = 0;
        self.keep_pace(now);
        let reconciled = self.reconciled_at;
        match input {
            Input::Started { version } => self.started(now, version),
            Input::Stopping => {
                self.tell(now, Subject::Fleet, Body::ServerStopped(Default::default()));
            }
            Input::Leading { epoch, holder } => self.leading(now, epoch, holder),
            Input::Delivered { id, attempts, why } => self.delivered(now, &id, attempts, why),
            Input::ClockJumped(by) => {
                self.shift(by);
                self.emit(
                    now.at,
                    Subject::Fleet,
                    Severity::Warning,
                    Source::Server,
                    Body::ClockJumped(by),
                );
            }
            Input::Desired { loaded, fleet } => self.load(now, loaded, fleet),
            Input::DesiredBroken(no) => self.reject_desired(now, no),
            Input::Heard { node } => self.heard(now, node),
            Input::Linked {
                node,
                spool,
                version,
            } => self.linked(now, node, spool, version),
            Input::Observed {
                node,
                at,
                cursor,
                changes,
            } => {
                let old = changes.iter().any(|change| self.is_old(now, change));
                self.observed(now, node.clone(), at, cursor, changes);
                if old {
                    self.age_images_of(now, &node);
                }
            }
            Input::Snapshot {
                node,
                at,
                facts,
                spool,
                cursor,
                digest,
            } => {
                self.snapshot(now, node.clone(), at, facts, spool, cursor, digest);
                self.age_images_of(now, &node);
            }
            Input::Result {
                action,
                occurrence,
                step,
                attempt,
                outcome,
            } => {
                self.ended(now, &action, occurrence, step, attempt, outcome);
            }
            Input::Writes { subject, turn } => self.writes_turned(now, subject, turn),
            Input::Foreign(event) => self.foreign(now, event),
            Input::Command(command) => {
                let reply = self.decide(now, command);
                self.step.reply = Some(reply);
            }
            Input::Tick => {}
        }
        self.cursor = 0;
        self.silent(now);
        self.follow(now, reconciled)
    }

    /// Everything that follows from what was recorded, and from time. `reconciled`: the latest pass before this input.
    fn follow(&mut self, now: Now, reconciled: Option<Time>) -> Step {
        self.guard(now);
        if self
            .reconciled_at
            .is_none_or(|at| now.at.since(at) >= self.pass_every())
        {
            match self.rehearsal {
                true => self.pass(now),
                false => self.reconcile(now),
            }
        }
        self.age_images(now);
        self.settle(now);
        self.speak(now, self.reconciled_at != reconciled);
        core::mem::take(&mut self.step)
    }

    /// The clock was set: what is remembered beside the world keeps its length.
    fn shift(&mut self, by: i64) {
        self.images_at = None;
        self.tracker.shift(by);
        self.beats.shift(by);
        self.flapping
            .values_mut()
            .for_each(|at| at.0 = at.0.saturating_add(by));
    }

    /// When [`Input::Tick`] is needed at the latest.
    pub fn next_deadline(&self, now: Time) -> Time {
        let reconcile = self.reconciled_at.map_or(now, |at| at + RECONCILE_EVERY);
        self.due(now).chain([reconcile]).min().unwrap_or(reconcile)
    }

    /// Every deadline there is beside the regular pass.
    fn due(&self, now: Time) -> impl Iterator<Item = Time> {
        let silent = self.tracker.next_deadline();
        let running = self
            .busy
            .iter()
            .filter_map(|key| self.world.actions.open.get(key))
            .filter_map(move |action| execute::deadlines(action, now));
        running
            .chain(silent)
            .chain(self.guard_deadline(now))
            .chain(crate::alert::next_deadline(&self.world))
    }

    /// Looks at everything again, as if nothing were known of what changed.
    ///
    /// What [`drift::unsettled`] leaves out has neither drift nor anything to state; what had drift or an open action
    /// is looked at whatever it says.
    pub fn reconcile(&mut self, now: Now) {
        self.touched.extend(drift::unsettled(&self.world));
        self.pass(now);
    }

    /// The same over what is in drift or has an open action: only that can depend on time.
    fn pass(&mut self, now: Now) {
        self.reconciled_at = Some(now.at);
        self.touched.extend(self.drift.map().keys().cloned());
        self.touched
            .extend(self.world.actions.open.keys().map(|k| k.subject.clone()));
    }

    /// Follows one alias.
    fn resolve(&self, node: &NodeName) -> NodeName {
        self.world.fleet.resolve(node).clone()
    }

    fn started(&mut self, now: Now, version: String) {
        let known = self
            .world
            .nodes
            .iter()
            .filter(|(_, n)| n.ever_synced)
            .map(|(n, _)| n.clone());
        self.tracker.expect(now.at, known.collect());
        let mut data = serde_json::Map::new();
        data.insert("version".into(), version.into());
        self.tell(now, Subject::Fleet, Body::ServerStarted(data));
        self.deliver_again();
    }

    /// Says in the log who decides from here on.
    fn leading(&mut self, now: Now, epoch: u64, holder: String) {
        if epoch > self.world.epoch {
            let body = crate::event::LeaderElected { epoch, holder };
            self.tell(now, Subject::Fleet, Body::LeaderElected(body));
        }
    }

    fn load(&mut self, now: Now, mut loaded: DesiredLoaded, fleet: Arc<Fleet>) {
        if loaded.digest == self.world.desired.digest
            && loaded.commit == self.world.desired.commit
            && loaded.origin == self.world.desired.origin
            && self.world.desired.rejected.is_none()
        {
            return;
        }
        let before = Arc::clone(&self.world.fleet);
        loaded.fleet = Some(Arc::clone(&fleet));
        self.tell(now, Subject::Fleet, Body::DesiredLoaded(loaded));
        for (name, node) in &fleet.nodes {
            if before.nodes.get(name) != Some(node) {
                self.step
                    .effects
                    .push(Effect::Bundle { node: name.clone() });
            }
        }
        for name in before
            .nodes
            .keys()
            .filter(|n| !fleet.nodes.contains_key(*n))
        {
            self.step
                .effects
                .push(Effect::Bundle { node: name.clone() });
        }
        self.reconcile(now);
    }

    fn reject_desired(&mut self, now: Now, no: DesiredRejected) {
        let same = self
            .world
            .desired
            .rejected
            .as_ref()
            .is_some_and(|(_, first)| *first == no.first);
        if !same {
            self.emit(
                now.at,
                Subject::Fleet,
                Severity::Warning,
                Source::Server,
                Body::DesiredRejected(no),
            );
        }
    }

    /// One of Stead's own statements, of no particular weight.
    fn tell(&mut self, now: Now, subject: Subject, body: Body) -> Seq {
        self.emit(now.at, subject, Severity::Info, Source::Server, body)
    }

    /// Numbers an event, folds it in, and notes what it touches.
    fn emit(
        &mut self,
        at: Time,
        subject: Subject,
        severity: Severity,
        source: Source,
        body: Body,
    ) -> Seq {
        let seq = self.world.head.next();
        let id = format!("{}-{seq}", self.log_id);
        self.record(Event {
            seq,
            id,
            at,
            subject,
            severity,
            cause: if self.world.planted.on(Bug::CauseAhead) {
                Some(seq.next())
            } else {
                self.cause
            },
            source,
            cursor: self.cursor,
            body,
        })
    }

    fn record(&mut self, event: Event) -> Seq {
        let seq = event.seq;
        self.world.apply(&event);
        if let Some((id, _)) = event.body.action() {
            self.note_busy(id, &event.subject);
        }
        settle::touch(&self.world, &event, &mut self.touched);
        match &event.body {
            Body::NodeSynced(_) | Body::NodeStale(_) | Body::NodeOffline(_) => {
                if let Some(node) = event.node() {
                    self.brake.note_node(&self.world, node);
                }
            }
            Body::ServerStarted(_) | Body::DesiredLoaded(_) => {
                self.brake.note_all_nodes(&self.world);
            }
            _ => {}
        }
        self.step.events.push(event);
        seq
    }

    fn note_busy(&mut self, id: &str, subject: &Subject) {
        let all = ActionKey::all_of(subject);
        let open = &self.world.actions.open;
        let ended = |key: &&ActionKey| key.has_id(id) && !open.get(*key).is_some_and(is_busy);
        if let Some(key) = self.busy.range(all.clone()).find(ended).cloned() {
            self.busy.remove(&key);
        }
        let busy = open.range(all).filter(|(_, a)| is_busy(a));
        self.busy.extend(busy.map(|(key, _)| key.clone()));
    }

    /// Actions that are approved or running, in the order of their keys.
    fn busy(&self) -> Vec<ActionKey> {
        self.busy.iter().cloned().collect()
    }
}

fn busy(world: &World) -> BTreeSet<ActionKey> {
    let open = world.actions.open.iter();
    open.filter(|(_, a)| is_busy(a))
        .map(|(k, _)| k.clone())
        .collect()
}

/// Approved or running.
fn is_busy(action: &Action) -> bool {
    matches!(action.state, State::Approved | State::Running)
}
