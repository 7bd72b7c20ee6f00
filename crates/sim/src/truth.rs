//! What really happened, written down beside Stead and never read by it: effects at the machines, orders that left the
//! server, events that are durable, answers people were given. The invariants are asked of this.
//!
//! It is also where a finding stops the run, and where the story is kept when somebody wants to read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use stead_core::action::{Plan, Principal};
use stead_core::command::{Command, Order};
use stead_core::controller::Reply;
use stead_core::drift;
use stead_core::event::{Body, Event};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_core::world::World;
use stead_ports::log::Record;
use stead_ports::planted;
use tokio::sync::Notify;

use crate::invariant::{self, Finding, Moment, Scene};

/// Action, occurrence, step, attempt.
pub type Key = (String, u32, u32, u32);

pub fn key(order: &Order) -> Key {
    let (action, occurrence, step, attempt) = order.key();
    (action.to_owned(), occurrence, step, attempt)
}

/// Something done to a machine.
#[derive(Debug, Clone)]
pub struct Effect {
    pub node: NodeName,
    pub order: Order,
    /// Milliseconds after the beginning.
    pub begun: u64,
    pub ended: Option<u64>,
    /// It changed something.
    pub done: bool,
    /// When the agent got the order.
    pub came: u64,
}

/// The decision an action runs by.
#[derive(Debug, Clone)]
pub struct Approval {
    pub digest: String,
    pub by: Principal,
}

/// A message of an agent that is in its spool.
#[derive(Debug, Clone)]
pub struct Note {
    pub node: NodeName,
    pub spool: String,
    pub cursor: u64,
    pub id: String,
}

/// Everything written down.
#[derive(Debug, Default)]
pub struct History {
    pub effects: Vec<Effect>,
    /// When each order came to its agent, as that one knows.
    pub came: BTreeMap<(NodeName, Key), u64>,
    /// Plans by their digest.
    pub plans: BTreeMap<String, Plan>,
    pub approvals: BTreeMap<(String, u32), Approval>,
    /// The durable log, folded event by event.
    pub world: World,
    pub ids: BTreeSet<String>,
    pub events: u64,
    /// Events of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Notes not confirmed yet.
    pub notes: Vec<Note>,
    /// By target: locks in the log, and those that people were told of. A lock may be over before its taker hears of it.
    pub locks: BTreeMap<String, (u64, u64)>,
    /// Subjects that were in trouble at some time, or of which somebody said so.
    pub suffered: BTreeSet<Subject>,
    /// Nodes whose snapshot came in since the server's last start.
    pub synced: BTreeSet<NodeName>,
    /// The latest event of each action that people were answered about.
    pub stories: u64,
    /// The newest leader each agent heard of, and when.
    pub leaders: BTreeMap<NodeName, (u64, u64)>,
    hash: Sha256,
}

/// A line of the story.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: u64,
    pub text: String,
}

#[derive(Debug, Default)]
struct Inner {
    history: History,
    finding: Option<(u64, Finding)>,
    story: Vec<Line>,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Truth {
    inner: Arc<Mutex<Inner>>,
    began: tokio::time::Instant,
    telling: bool,
    /// The story is printed as it happens, too.
    aloud: bool,
    /// A finding ends the run.
    pub found: Arc<Notify>,
}

impl Truth {
    /// `telling`: keep the story, which costs more than everything else; `aloud`: print it as it happens.
    pub fn new(telling: bool, aloud: bool) -> Truth {
        let mut inner = Inner::default();
        inner.history.world.planted = planted::planted();
        Truth {
            inner: Arc::new(Mutex::new(inner)),
            began: tokio::time::Instant::now(),
            telling,
            aloud,
            found: Arc::default(),
        }
    }

    /// Milliseconds after the beginning, by a clock nobody can set.
    pub fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn look<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.lock().history)
    }

    pub fn note<T>(&self, note: impl FnOnce(&mut History) -> T) -> T {
        note(&mut self.lock().history)
    }

    /// Adds to the story.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if self.telling {
            let at = self.now();
            let text = line();
            if self.aloud {
                println!("{} {text}", crate::story::clock(at));
            }
            self.lock().story.push(Line { at, text });
        }
    }

    pub fn is_telling(&self) -> bool {
        self.telling
    }

    /// Asks every invariant about `moment`; the first that does not hold ends the run.
    pub fn ask(&self, moment: &Moment<'_>) {
        let mut inner = self.lock();
        if inner.finding.is_some() {
            return;
        }
        let now = self.now();
        let scene = Scene {
            now,
            history: &inner.history,
        };
        if let Some(finding) = invariant::first_broken(&scene, moment) {
            inner.finding = Some((now, finding));
            self.found.notify_one();
        }
    }

    /// Something no invariant is asked about went wrong: a panic, a log that cannot be read.
    pub fn fail(&self, finding: Finding) {
        let now = self.now();
        let mut inner = self.lock();
        if inner.finding.is_none() {
            inner.finding = Some((now, finding));
            self.found.notify_one();
        }
    }

    /// Records are durable now.
    pub fn durable(&self, records: &[Record], events: &[Event]) {
        for record in records {
            self.hash(record);
        }
        for event in events {
            self.ask(&Moment::Event(event));
            self.tell(|| crate::story::event(event));
            self.lock().history.fold(event);
        }
    }

    fn hash(&self, record: &Record) {
        let mut inner = self.lock();
        let hash = &mut inner.history.hash;
        hash.update(record.seq.0.to_le_bytes());
        hash.update(record.at.0.to_le_bytes());
        for text in [&record.id, &record.kind, &record.subject] {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hash.update(&record.body);
    }

    /// The world as it is live, and its drift, right after a commit.
    pub fn committed(&self, world: &World, drift: &drift::Index) {
        self.ask(&Moment::Committed { world, drift });
    }

    /// Somebody who leads with `epoch` spoke to an agent.
    pub fn heard_of(&self, node: &NodeName, epoch: u64) {
        let now = self.now();
        let leaders = &mut self.lock().history.leaders;
        let newest = leaders.entry(node.clone()).or_insert((epoch, now));
        if epoch > newest.0 {
            *newest = (epoch, now);
        }
    }

    /// An agent took an order that came at `at`. `new`: it did not have it before.
    pub fn came(&self, node: &NodeName, order: &Order, at: u64, new: bool) {
        let key = (node.clone(), key(order));
        let came = &mut self.lock().history.came;
        if new {
            came.insert(key, at);
        } else {
            came.entry(key).or_insert(at);
        }
    }

    /// A new process does not know what came to the last one.
    pub fn forgets(&self, node: &NodeName) {
        let came = &mut self.lock().history.came;
        came.retain(|(at, _), _| at != node);
    }

    /// An effect is about to begin. Returns its place.
    pub fn begin(&self, node: &NodeName, order: &Order) -> usize {
        let now = self.now();
        let mut inner = self.lock();
        let known = inner.history.came.get(&(node.clone(), key(order)));
        let came = known.copied().unwrap_or(now);
        let effect = Effect {
            node: node.clone(),
            order: order.clone(),
            begun: now,
            ended: None,
            done: false,
            came,
        };
        inner.history.effects.push(effect.clone());
        let place = inner.history.effects.len() - 1;
        drop(inner);
        self.tell(|| format!("{node}: begins {}", command(&order.command)));
        self.ask(&Moment::Begun {
            effect: &effect,
            place,
        });
        place
    }

    /// The effect ended; `done`: it changed something.
    pub fn end(&self, place: usize, done: bool) {
        let now = self.now();
        let mut inner = self.lock();
        let open = inner.history.effects.get_mut(place);
        let Some(effect) = open.filter(|e| e.ended.is_none()) else {
            return;
        };
        effect.ended = Some(now);
        effect.done = done;
        let effect = effect.clone();
        drop(inner);
        let word = if done { "did" } else { "could not" };
        self.tell(|| format!("{}: {word} {}", effect.node, command(&effect.order.command)));
        self.ask(&Moment::Ended {
            effect: &effect,
            place,
        });
    }

    /// A machine went down: nothing is under way on it any more.
    pub fn down(&self, node: &NodeName) {
        let effects = self.look(|h| {
            let all = h.effects.iter().enumerate();
            let open = all.filter(|(_, e)| e.node == *node && e.ended.is_none());
            open.map(|(place, _)| place).collect::<Vec<_>>()
        });
        effects.into_iter().for_each(|place| self.end(place, false));
    }

    /// A person was told that this was decided.
    pub fn answered(&self, reply: &Reply, decided: &'static str, digest: Option<&str>) {
        self.ask(&Moment::Answered {
            reply,
            decided,
            digest,
        });
        if decided == "locked" {
            let target = reply.id().to_string();
            self.note(|h| h.locks.entry(target).or_default().1 += 1);
        }
    }

    pub fn finding(&self) -> Option<(u64, Finding)> {
        self.lock().finding.clone()
    }

    pub fn story(&self) -> Vec<Line> {
        self.lock().story.clone()
    }

    /// Content address of the whole log.
    pub fn log_hash(&self) -> String {
        let hash = self.lock().history.hash.clone().finalize();
        hash.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl History {
    fn fold(&mut self, event: &Event) {
        self.events += 1;
        *self.kinds.entry(event.kind().to_string()).or_default() += 1;
        self.ids.insert(event.id.clone());
        match &event.body {
            Body::ActionProposed(p) => {
                self.plans.insert(p.plan.digest.clone(), p.plan.clone());
            }
            Body::ActionPlanChanged(p) => {
                self.plans.insert(p.plan.digest.clone(), p.plan.clone());
            }
            Body::ActionApproved(a) => {
                let approval = Approval {
                    digest: a.digest.clone(),
                    by: a.by.clone(),
                };
                self.approvals
                    .insert((a.action.clone(), a.occurrence), approval);
            }
            Body::LockTaken(_) => {
                let target = event.subject.to_string();
                self.locks.entry(target).or_default().0 += 1;
            }
            Body::ServerStarted(_) => self.synced.clear(),
            Body::NodeStale(_) | Body::NodeOffline(_) => {
                if let Some(node) = event.node() {
                    self.synced.remove(node);
                }
            }
            Body::NodeSynced(_) => self.synced.extend(event.node().cloned()),
            Body::DesiredLoaded(_) | Body::Observed(..) => {}
            _ if event.source.is_foreign() => {
                self.suffered.insert(event.subject.clone());
            }
            _ => {}
        }
        self.world.apply(event);
    }

    /// Effects on `target` that changed something within `span` before `now`, automatic ones only.
    pub fn repairs(&self, target: &Subject, now: u64, span: u64) -> usize {
        self.effects
            .iter()
            .filter(|e| e.order.automatic && e.order.target == *target)
            .filter(|e| e.ended.is_none() || e.done)
            .filter(|e| e.begun + span > now)
            .count()
    }
}

/// A command, for people.
pub fn command(command: &Command) -> String {
    match command {
        Command::ContainerRestart { container, id } => {
            format!("restart container {container} ({id})")
        }
        Command::ContainerRecreate {
            container,
            replaces,
            ..
        } => format!(
            "recreate container {container} in place of {}",
            replaces.as_deref().unwrap_or("none")
        ),
        Command::UnitRestart { unit } => format!("restart unit {unit}"),
        Command::DiskCleanup { .. } => "clean up the disk".to_string(),
        Command::ComposeUp { path, .. } => format!("compose up {path}"),
        #[allow(unreachable_patterns)]
        other => format!("{other:?}"),
    }
}

/// The instant everything begins at, on clocks that are right.
pub const BEGAN: Time = Time(1_795_000_000_000);
