//! What runs by the calendar: drills on schedule, maintenance windows of nodes.
//!
//! The calendar is read here and nowhere in the core: it becomes commands, of a principal of their own, and what they
//! lead to is in the log like anybody's. Nothing is made up for: a drill that was missed is missed. A window that somebody
//! released early is not taken again.

mod calendar;

pub use calendar::{Due, LATE, Window, due};

use std::collections::BTreeMap;
use std::time::Duration;

use stead_core::action::{ActionKind, Principal};
use stead_core::controller::Command;
use stead_core::ids::NodeName;
use stead_core::lock::{LockKey, LockKind};
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_core::world::World;
use tokio_util::sync::CancellationToken;

use crate::handle::{Error, Handle};

/// Who starts what runs by schedule.
pub const SCHEDULE: &str = "schedule";
/// The calendar is read at least this often: files may have changed, and the clock may have been set.
const EVERY: Duration = Duration::from_secs(10);

/// What was done by the calendar so far.
#[derive(Debug)]
pub struct Schedule {
    handle: Handle,
    last: Time,
    /// Windows that were taken. What is in here is not taken a second time.
    taken: BTreeMap<NodeName, Window>,
}

/// Follows the calendar until `stop`.
pub async fn run(handle: Handle, stop: CancellationToken) {
    let mut schedule = Schedule::new(handle);
    loop {
        let idle = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            idle = schedule.turn() => idle,
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(idle) => {}
        }
    }
}

impl Schedule {
    /// From now on: what was before is over.
    pub fn new(handle: Handle) -> Schedule {
        Schedule {
            last: handle.now().at,
            handle,
            taken: BTreeMap::new(),
        }
    }

    /// Does what is due. Returns after which time to look again.
    pub async fn turn(&mut self) -> Duration {
        let (now, zone) = (self.handle.now().at, self.handle.zone());
        let (due, stale) = self.handle.read(|view| {
            let world = view.world();
            let due = due(&world.fleet, &zone, self.last, now);
            let stale = left_behind(world, &due, now);
            (due, stale)
        });
        self.last = now;
        for node in stale {
            self.release(node).await;
        }
        self.taken
            .retain(|node, window| due.windows.get(node) == Some(window));
        for (node, window) in &due.windows {
            if self.taken.get(node) != Some(window) && self.take(node, window).await {
                self.taken.insert(node.clone(), window.clone());
            }
        }
        if let Some(node) = due.drill {
            self.drill(node).await;
        }
        let next = due.next.map(|at| Duration::from_millis(at.since(now).0));
        next.map_or(EVERY, |next| next.clamp(Duration::from_millis(100), EVERY))
    }

    /// Whether the window is settled: held, or refused for good.
    async fn take(&self, node: &NodeName, window: &Window) -> bool {
        let key = window_of(node);
        let holds = self.handle.read(|view| {
            let lock = view.world().locks.get(&key);
            lock.is_some_and(|lock| lock.until == window.ends)
        });
        if holds {
            return true;
        }
        let command = Command::Lock {
            target: key.target,
            lock: LockKind::Window,
            until: window.ends,
            why: window.why.clone(),
            by: Principal::Files,
            heartbeat: None,
        };
        self.give(command, "the maintenance window could not be taken")
            .await
    }

    async fn release(&self, node: NodeName) {
        let command = Command::Unlock {
            target: Subject::Node(node),
            lock: Some(LockKind::Window),
            by: Principal::Files,
        };
        self.give(command, "the maintenance window could not be released")
            .await;
    }

    async fn drill(&self, node: NodeName) {
        let command = Command::Start {
            kind: ActionKind::Drill,
            subject: Subject::Node(node),
            by: Principal::User(SCHEDULE.to_string()),
            note: None,
        };
        self.give(command, "the scheduled drill does not begin")
            .await;
    }

    /// Whether it needs no second try.
    async fn give(&self, command: Command, trouble: &str) -> bool {
        match self.handle.command(command).await {
            Ok(_) => true,
            Err(Error::Refused(no)) => {
                tracing::warn!(code = no.code, "{trouble}: {no}; {}", no.remedy);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "{trouble}");
                false
            }
        }
    }
}

fn window_of(node: &NodeName) -> LockKey {
    LockKey {
        target: Subject::Node(node.clone()),
        lock: LockKind::Window,
    }
}

/// Nodes that a window of the files holds although none is open any more: it was taken out of them.
fn left_behind(world: &World, due: &Due, now: Time) -> Vec<NodeName> {
    let windows = world.locks.iter().filter(|(key, lock)| {
        key.lock == LockKind::Window && lock.by == Principal::Files && now < lock.until
    });
    windows
        .filter_map(|(key, _)| key.target.node())
        .filter(|node| !due.windows.contains_key(*node))
        .cloned()
        .collect()
}
