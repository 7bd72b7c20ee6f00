//! Images that have grown old become a fact: said once of each, whoever runs it.

use alloc::vec::Vec;

use super::{Change, Controller};
use crate::event::{Body, ImageAged, Severity, Source};
use crate::facts::Fact;
use crate::ids::NodeName;
use crate::policy::Now;
use crate::subject::Subject;
use crate::time::Span;
use crate::world::EvidenceState;

/// Age is a matter of days.
const EVERY: Span = Span::mins(10);
const DAY: u64 = Span::days(1).0;

impl Controller {
    /// Every so often, everywhere.
    pub(super) fn age_images(&mut self, now: Now) {
        let early = |at| now.at.since(at) < EVERY;
        if self.rehearsal || self.images_at.is_some_and(early) {
            return;
        }
        self.images_at = Some(now.at);
        let nodes: Vec<NodeName> = self.world.nodes.keys().cloned().collect();
        for node in &nodes {
            self.age_images_of(now, node);
        }
    }

    /// Whether it tells of a container whose image has grown old.
    pub(super) fn is_old(&self, now: Now, change: &Change) -> bool {
        let Change::Seen(_, Fact::Container(facts)) = change else {
            return false;
        };
        let bound = self.world.fleet.inventory.image_max_age;
        let old = |made| now.at.since(made) > bound;
        facts.image_created_at.is_some_and(old) && !self.world.aged.contains(&facts.image_id)
    }

    /// On one node, as soon as it told what it has.
    pub(super) fn age_images_of(&mut self, now: Now, node: &NodeName) {
        let node = self.resolve(node);
        let Some(state) = self.world.node(&node) else {
            return;
        };
        if self.rehearsal || state.evidence.state != EvidenceState::Fresh {
            return;
        }
        let bound = self.world.fleet.inventory.image_max_age;
        let mut found: Vec<(Subject, ImageAged)> = Vec::new();
        for (name, facts, _) in state.containers() {
            let Some(created_at) = facts.image_created_at else {
                continue;
            };
            let age = now.at.since(created_at);
            let told = self.world.aged.contains(&facts.image_id);
            let twice = || found.iter().any(|(_, e)| e.image_id == facts.image_id);
            if age <= bound || told || twice() {
                continue;
            }
            let aged = ImageAged {
                image: facts.image.clone(),
                image_id: facts.image_id.clone(),
                created_at,
                days: age.0 / DAY,
                bound: bound.0 / DAY,
            };
            found.push((Subject::Container(node.clone(), name.clone()), aged));
        }
        for (subject, aged) in found {
            let body = Body::ImageAged(aged);
            self.emit(now.at, subject, Severity::Info, Source::Server, body);
        }
    }
}
