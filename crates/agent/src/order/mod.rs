//! Orders: one at a time per target, four at a time in all, each carried out at most once.
//!
//! ```text
//! submit ─► known? ─ yes ─► its first result again
//!              │ no
//!              ▼
//!           queue of its target ─► admitted? ─ no ─► Refused
//!                                     │ yes
//!                                     ▼
//!      intent on disk ─► still led, still leased? ─► effect ─► seen on the board ─► result on disk ─► result in the stream
//! ```
//!
//! Whether an order is admitted is decided when its turn comes, not when it arrives: a lease may end, and a newer token
//! may come, while it waits. What comes from a server that does not lead any more is not taken, and gets no result: the
//! one that leads now has the same intent in its log and gives the same order again. Nothing is repeated here; what a crash
//! left open, [`recover`] settles by looking.

pub mod guard;
pub mod hands;
pub mod machine;
mod recover;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stead_core::command::{Order, Outcome};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::time::Span;
use stead_ports::clock::Clock;
use stead_ports::planted::{self, Bug};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::clock::Stamp;
use crate::journal::Journal;
use crate::journal::evidence::{Evidence, Sight};
use crate::journal::ledger::{Entry, Intent, Key, Refusal, Rules, STALE_EPOCH, Standing};
use hands::Hands;

/// Orders carried out at once.
const AT_ONCE: usize = 4;
/// Orders that wait, in all.
const WAITING: usize = 64;
/// What the watch saw of an effect reaches the stream before its result; a watch that says nothing holds up the result
/// no longer than this.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);
/// What carries out an order ends it by itself; this much later it is left alone.
const GRACE: Duration = Duration::from_secs(5);

/// What becomes of a submitted order.
#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    Accepted,
    /// The same order waits or is under way; its result will come once.
    Joined,
    /// It had ended already. The result is in the stream again.
    Ended(Outcome),
    /// Too many wait; nothing was taken.
    Full,
    /// Whoever gave it does not lead any more; nothing was taken, and nothing is said in the stream.
    Stale(Refusal),
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Mutex<Rules>,
    clock: Arc<dyn Clock>,
    journal: Journal,
    board: Board,
    hands: Arc<dyn Hands>,
    permits: Semaphore,
    queue: Mutex<Queue>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Subject, VecDeque<Held>>,
    /// Targets that somebody works on or recovers.
    busy: BTreeSet<Subject>,
    /// Orders that wait or are under way, each with the highest epoch it was given under.
    keys: BTreeMap<Key, u64>,
    /// Orders whose end is being found out, and the repetition that came meanwhile.
    recovering: BTreeMap<Key, Option<Held>>,
    closed: bool,
}

/// An order and when it came, in milliseconds since boot.
#[derive(Debug, Clone)]
struct Held {
    order: Order,
    came: u64,
}

impl Held {
    fn waited(&self, now: &Stamp) -> Span {
        Span(now.up.saturating_sub(self.came))
    }
}

impl Desk {
    pub fn new(
        rules: Rules,
        journal: Journal,
        board: Board,
        hands: Arc<dyn Hands>,
        clock: Arc<dyn Clock>,
    ) -> Desk {
        Desk(Arc::new(Inner {
            rules: Mutex::new(rules),
            clock,
            journal,
            board,
            hands,
            permits: Semaphore::new(AT_ONCE),
            queue: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Stamp {
        Stamp::of(&*self.0.clock)
    }

    /// What the fleet calls this node from now on: orders name their targets by it.
    pub fn set_name(&self, node: NodeName) {
        self.0
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .node = node;
    }

    /// Whether the node may be changed from now on.
    pub fn set_read_only(&self, read_only: bool) {
        self.0
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read_only = read_only;
    }

    fn rules(&self) -> Rules {
        self.0
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes an order. Returns at once; its outcome is a frame.
    pub fn submit(&self, order: Order) -> Submitted {
        self.submit_at(order, self.0.clock.up())
    }

    /// Remembers on disk that a server leads with `epoch`, or says that another one does by now.
    pub async fn heed(&self, epoch: u64) -> Result<(), Refusal> {
        self.0.journal.ledger().heed(epoch)?;
        if epoch > self.0.journal.ledger().epoch() {
            let written = self
                .0
                .journal
                .write(Entry::Epoch { epoch }, &self.now())
                .await;
            if let Err(error) = written {
                tracing::warn!(%error, "who leads is remembered only until the agent ends");
                self.0.journal.ledger().fold(Entry::Epoch { epoch });
            }
        }
        Ok(())
    }

    fn submit_at(&self, order: Order, came: u64) -> Submitted {
        let key = Key::of(&order);
        let mut queue = self.queue();
        if let Err(refusal) = self.0.journal.ledger().heed(order.epoch) {
            return Submitted::Stale(refusal);
        }
        // On disk it is with the intent.
        let epoch = Entry::Epoch { epoch: order.epoch };
        self.0.journal.ledger().fold(epoch);
        if let Some(under) = queue.keys.get_mut(&key) {
            *under = order.epoch.max(*under);
        }
        match self.0.journal.ledger().standing(&key) {
            Standing::Ended(outcome) => {
                drop(queue);
                self.0.board.result(&key, outcome.clone());
                return Submitted::Ended(outcome);
            }
            Standing::Open => {
                if let Some(again) = queue.recovering.get_mut(&key) {
                    *again = Some(Held { order, came });
                }
                return Submitted::Joined;
            }
            Standing::New if queue.keys.contains_key(&key) => return Submitted::Joined,
            Standing::New => {}
        }
        if queue.closed || queue.keys.len() >= WAITING {
            return Submitted::Full;
        }
        self.0.journal.ledger().saw(&order.target, order.token);
        queue.keys.insert(key, order.epoch);
        self.enqueue(&mut queue, Held { order, came });
        Submitted::Accepted
    }

    fn enqueue(&self, queue: &mut Queue, held: Held) {
        let target = held.order.target.clone();
        queue
            .waiting
            .entry(target.clone())
            .or_default()
            .push_back(held);
        if queue.busy.insert(target.clone()) || planted::on(Bug::TargetShared) {
            let desk = self.clone();
            self.0.tasks.spawn(async move { desk.work(target).await });
        }
    }

    /// Carries out what waits for a target until nothing does.
    async fn work(&self, target: Subject) {
        loop {
            let mut held = {
                let mut queue = self.queue();
                match queue.waiting.get_mut(&target).and_then(VecDeque::pop_front) {
                    Some(held) => held,
                    None => {
                        queue.waiting.remove(&target);
                        queue.busy.remove(&target);
                        return;
                    }
                }
            };
            let Ok(_permit) = self.0.permits.acquire().await else {
                return;
            };
            while self.is_led(&mut held.order) {
                if self.carry_out(&held).await {
                    self.queue().keys.remove(&Key::of(&held.order));
                    break;
                }
            }
        }
    }

    fn admit(&self, order: &Order, held: Span, now: &Stamp) -> Result<(), Refusal> {
        self.0
            .journal
            .ledger()
            .admit(order, &self.rules(), held, now)?;
        guard::bound(order)
    }

    /// Puts an order whose turn has come under the newest epoch it was given under. `false`: whoever gave it does not
    /// lead any more, and it is forgotten; decided with the queue held, so that one given again meanwhile is not.
    fn is_led(&self, order: &mut Order) -> bool {
        let key = Key::of(order);
        let mut queue = self.queue();
        order.epoch = order.epoch.max(queue.keys.get(&key).copied().unwrap_or(0));
        let Err(refusal) = self.0.journal.ledger().heed(order.epoch) else {
            return true;
        };
        tracing::warn!(action = order.action, why = refusal.why, "order dropped");
        queue.keys.remove(&key);
        false
    }

    /// Whether the order has its outcome; else whoever gave it was deposed before it began, and nothing was done.
    async fn carry_out(&self, held: &Held) -> bool {
        let order = &held.order;
        let key = Key::of(order);
        let now = self.now();
        if let Err(refusal) = self.admit(order, held.waited(&now), &now) {
            self.refuse(order, refusal).await;
            return true;
        }
        let evidence = self
            .0
            .board
            .facts(|facts| Evidence::of(&order.command, facts));
        let intent = Intent {
            order: order.clone(),
            evidence: evidence.clone(),
            stamp: now.clone(),
        };
        let entry = Entry::Intent(Box::new(intent));
        if let Err(error) = self.0.journal.write(entry, &now).await {
            tracing::error!(%error, "nothing is done: {}", error.remedy());
            let why = format!("{error}; nothing was done. {}", error.remedy());
            let code = error.code().into();
            self.0.board.result(&key, Outcome::Refused { code, why });
            return true;
        }
        // A disk takes as long as it takes: what was true before it may not be any more.
        let waited = held.waited(&self.now());
        if let Err(refusal) = self.may_begin(order, waited) {
            self.void(&key).await;
            let deposed = refusal.code == STALE_EPOCH;
            if !deposed {
                self.refuse(order, refusal).await;
            }
            return !deposed;
        }
        let limit = order
            .timeout_ms
            .min(order.lease_ms.saturating_sub(waited.0));
        let limit = Duration::from_millis(limit);
        let effect = self.0.hands.carry_out(order, limit);
        let outcome = tokio::time::timeout(limit + GRACE, effect)
            .await
            .unwrap_or_else(|_| Outcome::Unknown {
                why: format!("it did not end within {}", Span(order.timeout_ms)),
            });
        if matches!(outcome, Outcome::Done { .. }) {
            self.show(order, &evidence).await;
        }
        self.end(key, outcome).await;
        true
    }

    /// Asked of what was admitted, right before its effect.
    fn may_begin(&self, order: &Order, waited: Span) -> Result<(), Refusal> {
        let again = self.queue().keys.get(&Key::of(order)).copied();
        let ledger = self.0.journal.ledger();
        ledger.heed(order.epoch.max(again.unwrap_or(0)))?;
        ledger.leased(order, waited)
    }

    /// What was about to begin did not.
    async fn void(&self, key: &Key) {
        let entry = Entry::Void { key: key.clone() };
        if let Err(error) = self.0.journal.write(entry, &self.now()).await {
            // After a restart it is found out by looking that nothing was done.
            tracing::error!(%error, "what did not begin could not be recorded: {}", error.remedy());
        }
    }

    async fn refuse(&self, order: &Order, refusal: Refusal) {
        tracing::warn!(
            action = order.action,
            code = refusal.code,
            why = refusal.why,
            "order refused"
        );
        let key = Key::of(order);
        let outcome = refusal.outcome();
        if refusal.is_final() {
            self.end(key, outcome).await;
        } else {
            self.0.board.result(&key, outcome);
        }
    }

    /// Waits until what was done can be seen by whoever reads the frames.
    async fn show(&self, order: &Order, evidence: &Evidence) {
        self.0.hands.look_again(&order.command).await;
        let shown = |facts: &_| {
            let sight = evidence.sight(&order.command, facts);
            sight == Sight::Effect || sight == Sight::Blind
        };
        if !self.0.board.shows(SHOWN_WITHIN, shown).await {
            tracing::debug!(action = order.action, "done, but nothing shows it yet");
        }
    }

    /// Puts the result on disk, then into the stream.
    async fn end(&self, key: Key, outcome: Outcome) {
        tracing::info!(
            action = key.action,
            attempt = key.attempt,
            ?outcome,
            "order ended"
        );
        let entry = Entry::Result {
            key: key.clone(),
            outcome: outcome.clone(),
        };
        if let Err(error) = self.0.journal.write(entry, &self.now()).await {
            // What happened, happened. After a restart it is found out again by looking.
            tracing::error!(%error, "a result could not be recorded: {}", error.remedy());
        }
        self.0.board.result(&key, outcome);
    }

    /// Takes nothing more and waits for what is under way, at most `limit`. What is not done by then is found out at the
    /// next start.
    pub async fn close(&self, limit: Duration) {
        {
            let mut queue = self.queue();
            queue.closed = true;
            queue.waiting.clear();
        }
        self.0.tasks.close();
        let _ = tokio::time::timeout(limit, self.0.tasks.wait()).await;
    }
}
