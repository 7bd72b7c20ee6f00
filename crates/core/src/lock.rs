//! Locks: marks that keep repairs off a target, for a time.
//!
//! A lock on the fleet holds every node, one on a node everything on it, one on a service its containers and unit too.
//! Each ends by itself at its time; one with a heartbeat becomes stale when nobody gives a sign any more.

use alloc::format;
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::action::Principal;
use crate::drift;
use crate::ids::Seq;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::World;

/// What a lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockKind {
    /// A person works there: Stead does nothing there by itself, what a person starts is done.
    Maintenance,
    /// The same from a weekly window of the node's file.
    Window,
    /// A backup runs: nothing is changed, whoever asks.
    Backup,
    /// A restore runs: nothing is changed, whoever asks.
    Restore,
}

impl LockKind {
    pub const ALL: [LockKind; 4] = [
        LockKind::Maintenance,
        LockKind::Window,
        LockKind::Backup,
        LockKind::Restore,
    ];

    pub fn word(self) -> &'static str {
        match self {
            LockKind::Maintenance => "maintenance",
            LockKind::Window => "window",
            LockKind::Backup => "backup",
            LockKind::Restore => "restore",
        }
    }
    pub fn from_word(text: &str) -> Option<LockKind> {
        LockKind::ALL.into_iter().find(|k| k.word() == text)
    }
    /// Whether it holds what a person approved or started as well.
    pub fn holds_people(self) -> bool {
        matches!(self, LockKind::Backup | LockKind::Restore)
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A lock as the log knows it. Its target and kind are its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub by: Principal,
    pub why: String,
    pub since: Time,
    pub until: Time,
    pub seq: Seq,
    pub heartbeat: Option<Span>,
    /// Nobody gave a sign for too long.
    pub stale: Option<Time>,
}

/// What identifies a lock: one of each kind per target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LockKey {
    pub target: Subject,
    pub lock: LockKind,
}

impl LockKey {
    /// Every key of `target`, first to last.
    pub fn all_of(target: &Subject) -> core::ops::RangeInclusive<LockKey> {
        let [first, .., last] = LockKind::ALL;
        let key = |lock| LockKey {
            target: target.clone(),
            lock,
        };
        key(first)..=key(last)
    }
}

/// For people: `the maintenance lock on node/piha until 12:00 (anna: new disk)`.
pub fn text(key: &LockKey, lock: &Lock) -> String {
    let why = if lock.why.is_empty() {
        String::new()
    } else {
        format!(": {}", lock.why)
    };
    format!(
        "the {} lock on {} until {} ({}{why})",
        key.lock, key.target, lock.until, lock.by
    )
}

/// The locks that hold `subject` at `now`, the widest first.
pub fn holding<'a>(
    world: &'a World,
    subject: &Subject,
    now: Time,
) -> impl Iterator<Item = (&'a LockKey, &'a Lock)> + use<'a> {
    let mut around = [Some(Subject::Fleet), None, None, None];
    if !world.locks.is_empty() {
        around[1] = subject.node().cloned().map(Subject::Node);
        around[2] = service_of(world, subject);
        around[3] =
            Some(subject.clone()).filter(|s| !around[..3].iter().flatten().any(|known| known == s));
    }
    around
        .into_iter()
        .flatten()
        .flat_map(|target| world.locks.range(LockKey::all_of(&target)))
        .filter(move |(_, lock)| now < lock.until)
}

/// The service a container or unit belongs to.
fn service_of(world: &World, subject: &Subject) -> Option<Subject> {
    use crate::desired::ServiceKind;
    let node = subject.node()?;
    let desired = world.fleet.nodes.get(node)?;
    let name = match subject {
        Subject::Container(_, container) => drift::owner(world.node(node)?, desired, container)?,
        Subject::Unit(_, unit) => {
            let found = desired
                .services
                .iter()
                .find(|(_, s)| matches!(&s.kind, ServiceKind::Systemd { unit: u } if u == unit));
            found?.0
        }
        _ => return None,
    };
    Some(Subject::Service(node.clone(), name.clone()))
}
