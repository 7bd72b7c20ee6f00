//! What people decide about Stead's restraint: locks and the brake.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Controller;
use super::decide::{Refusal, Reply, refuse};
use crate::action::Principal;
use crate::event::{Body, LockTaken};
use crate::ids::nearest;
use crate::lock::{LockKey, LockKind};
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::Span;
use crate::world::World;

/// A lock holds at most this long: whatever needs longer is taken again.
pub const LOCK_AT_MOST: Span = Span::days(30);

impl Controller {
    pub(super) fn lock(
        &mut self,
        now: Now,
        target: Subject,
        taken: LockTaken,
    ) -> Result<Reply, Refusal> {
        self.known_target(&target)?;
        if taken.until <= now.at {
            return Err(refuse(
                "bad-lock-time",
                format!(
                    "{} is not in the future: the lock would never hold",
                    taken.until
                ),
                "give it a time to come: --for 2h",
            ));
        }
        if taken.until.since(now.at) > LOCK_AT_MOST {
            return Err(refuse(
                "bad-lock-time",
                format!("a lock holds {LOCK_AT_MOST} at most"),
                "take it again before it ends, or set `monitor: false` in services.yaml",
            ));
        }
        let key = LockKey {
            target: target.clone(),
            lock: taken.lock,
        };
        self.beats.heard(key, now.at);
        self.cause = None;
        self.tell(now, target.clone(), Body::LockTaken(taken));
        Ok(Reply::Done {
            id: target.to_string(),
        })
    }

    /// Whether there is anything of that name to keep repairs off.
    fn known_target(&self, target: &Subject) -> Result<(), Refusal> {
        if is_known(&self.world, target) {
            return Ok(());
        }
        let all = known(&self.world);
        let remedy = match nearest(&target.to_string(), all.iter().map(|t| t.as_str())) {
            Some(near) => format!("did you mean {near}?"),
            None => "see `stead services` and `stead nodes` for what there is".to_string(),
        };
        Err(refuse(
            "unknown-target",
            format!("there is no {target}, so a lock on it would hold nothing"),
            remedy,
        ))
    }

    pub(super) fn beat(
        &mut self,
        now: Now,
        target: Subject,
        lock: LockKind,
    ) -> Result<Reply, Refusal> {
        let key = LockKey { target, lock };
        let id = key.target.to_string();
        match self.world.locks.get(&key) {
            None => Err(no_lock(&key.target)),
            Some(held) => {
                // A holder that comes back holds it again.
                let again = held.stale.map(|_| LockTaken {
                    lock,
                    by: held.by.clone(),
                    until: held.until,
                    why: held.why.clone(),
                    heartbeat: held.heartbeat,
                });
                self.beats.heard(key.clone(), now.at);
                if let Some(again) = again {
                    self.cause = None;
                    self.tell(now, key.target, Body::LockTaken(again));
                }
                Ok(Reply::Done { id })
            }
        }
    }

    pub(super) fn unlock(
        &mut self,
        now: Now,
        target: &Subject,
        lock: Option<LockKind>,
        by: Principal,
    ) -> Result<Reply, Refusal> {
        let held: Vec<LockKey> = self
            .world
            .locks
            .range(LockKey::all_of(target))
            .map(|(key, _)| key.clone())
            .filter(|key| lock.is_none_or(|kind| kind == key.lock))
            .collect();
        if held.is_empty() {
            return Err(no_lock(target));
        }
        for key in &held {
            self.cause = self.world.locks.get(key).map(|l| l.seq);
            self.release(now, key, "released", Some(by.clone()));
        }
        Ok(Reply::Done {
            id: target.to_string(),
        })
    }

    pub(super) fn let_brake_go(&mut self, now: Now, by: Principal) -> Result<Reply, Refusal> {
        if self.world.brake.engaged.is_none() {
            return Err(refuse(
                "no-brake",
                "the brake is not engaged: nothing is held by it",
                "see `stead why SUBJECT` for what holds a repair",
            ));
        }
        self.release_brake(now, "released", Some(by));
        Ok(Reply::Done {
            id: Subject::Fleet.to_string(),
        })
    }
}

/// Whether a file names `target` or a node was seen to have it.
pub fn is_known(world: &World, target: &Subject) -> bool {
    match target {
        Subject::Fleet => true,
        Subject::Node(node) => world.fleet.nodes.contains_key(node) || world.node(node).is_some(),
        Subject::Service(node, service) => world.fleet.service(node, service).is_some(),
        Subject::Container(node, container) => world
            .node(node)
            .is_some_and(|state| state.container(container).is_some()),
        Subject::Unit(node, unit) => world
            .node(node)
            .is_some_and(|state| state.unit(unit).is_some()),
        Subject::Model(node, model) => world
            .node(node)
            .is_some_and(|state| state.model(model).is_some()),
        Subject::Job(..) | Subject::Instance(..) => false,
    }
}

/// Every node and service of the files, as they are written.
pub fn known(world: &World) -> Vec<String> {
    let nodes = world.fleet.nodes.iter();
    nodes
        .flat_map(|(node, desired)| {
            let services = desired.services.keys();
            services
                .map(move |s| format!("service/{node}/{s}"))
                .chain([format!("node/{node}")])
        })
        .collect()
}

fn no_lock(target: &Subject) -> Refusal {
    refuse(
        "no-lock",
        format!("there is no lock on {target}"),
        "see `stead locks` for those there are",
    )
}
