//! The worlds that are kept: the latest that were asked for, and marks along the log to walk from. Nothing here reads.

use std::collections::VecDeque;
use std::sync::Arc;

use stead_core::time::Time;
use stead_core::world::World;

use super::Frame;
use super::walk::Start;

/// Worlds of the latest questions.
const FRAMES: usize = 6;
/// Worlds to walk from, evenly along the log.
pub(super) const MARKS: u64 = 8;
/// Facts in all kept worlds together, about half a kilobyte each: the largest fleets keep two worlds.
const FACTS: usize = 400_000;
/// Kept whatever they weigh.
const AT_LEAST: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// The latest question last.
    frames: VecDeque<Arc<Frame>>,
    /// By place in the log.
    marks: Vec<Arc<World>>,
}

impl Shelf {
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.marks.clear();
    }

    /// The very world of that instant.
    pub(super) fn hit(&mut self, asked: Time) -> Option<Arc<Frame>> {
        let found = self.frames.iter().position(|frame| {
            frame.world.at <= asked && frame.until.is_some_and(|until| asked < until)
        })?;
        let frame = self.frames.remove(found)?;
        self.frames.push_back(Arc::clone(&frame));
        Some(frame)
    }

    /// The latest world that is not later than `asked`.
    pub(super) fn nearest(&self, asked: Time) -> Option<Start> {
        let frames = self.frames.iter().filter(|f| f.world.at <= asked);
        let frame = frames.max_by_key(|f| f.world.head);
        let marks = self.marks.iter().filter(|w| w.at <= asked);
        let mark = marks.max_by_key(|w| w.head);
        match (frame, mark) {
            (Some(frame), Some(mark)) if mark.head > frame.world.head => {
                Some(Start::Mark(Arc::clone(mark)))
            }
            (Some(frame), _) => Some(Start::Frame(Arc::clone(frame))),
            (None, mark) => mark.map(|mark| Start::Mark(Arc::clone(mark))),
        }
    }

    pub(super) fn keep(&mut self, frame: Arc<Frame>) {
        self.frames.retain(|f| f.world.head != frame.world.head);
        self.frames.push_back(frame);
        while self.frames.len() > FRAMES {
            self.frames.pop_front();
        }
        self.lighten();
    }

    pub(super) fn mark(&mut self, world: Arc<World>) {
        match self.marks.binary_search_by_key(&world.head, |w| w.head) {
            Ok(_) => {}
            Err(at) => self.marks.insert(at, world),
        }
        while self.marks.len() > 2 * MARKS as usize {
            // The two that lie closest tell least apart.
            let closest = (1..self.marks.len())
                .min_by_key(|i| self.marks[*i].head.0 - self.marks[*i - 1].head.0);
            self.marks.remove(closest.unwrap_or(0));
        }
    }

    fn lighten(&mut self) {
        while self.frames.len() + self.marks.len() > AT_LEAST && self.weight() > FACTS {
            if self.marks.is_empty() {
                self.frames.pop_front();
            } else {
                // Every other one goes, so that the rest still lie evenly.
                let mut odd = false;
                self.marks.retain(|_| {
                    odd = !odd;
                    !odd
                });
            }
        }
    }

    fn weight(&self) -> usize {
        let frames = self.frames.iter().map(|f| weight(&f.world));
        frames.sum::<usize>() + self.marks.iter().map(|w| weight(w)).sum::<usize>()
    }
}

fn weight(world: &World) -> usize {
    let nodes = world.nodes.values();
    let actions = &world.actions;
    nodes
        .map(|n| n.facts.len() + n.services.len())
        .sum::<usize>()
        + 2 * (actions.open.len() + actions.ended.len() + actions.memory.len())
}

#[cfg(test)]
mod tests {
    use stead_core::ids::Seq;

    use super::*;

    fn world(head: u64, at: i64) -> World {
        World {
            head: Seq(head),
            at: Time(at),
            ..World::default()
        }
    }

    fn frame(head: u64, at: i64, until: Option<i64>) -> Arc<Frame> {
        Arc::new(Frame {
            world: world(head, at),
            drift: Default::default(),
            until: until.map(Time),
        })
    }

    fn head(start: Option<Start>) -> Option<u64> {
        start.map(|s| s.head().0)
    }

    #[test]
    fn a_world_is_found_for_every_instant_until_the_log_knows_more() {
        let mut shelf = Shelf::default();
        shelf.keep(frame(10, 100, Some(200)));
        assert!(shelf.hit(Time(99)).is_none());
        assert!(shelf.hit(Time(100)).is_some());
        assert!(shelf.hit(Time(199)).is_some());
        assert!(shelf.hit(Time(200)).is_none());
        shelf.keep(frame(20, 300, None));
        assert!(shelf.hit(Time(300)).is_none(), "the log may have grown");
    }

    #[test]
    fn the_walk_begins_at_the_latest_world_that_is_not_too_late() {
        let mut shelf = Shelf::default();
        assert!(shelf.nearest(Time(1_000)).is_none());
        shelf.keep(frame(10, 100, Some(200)));
        shelf.mark(Arc::new(world(50, 500)));
        shelf.mark(Arc::new(world(30, 300)));
        assert_eq!(head(shelf.nearest(Time(250))), Some(10));
        assert_eq!(head(shelf.nearest(Time(499))), Some(30));
        assert_eq!(head(shelf.nearest(Time(900))), Some(50));
        assert_eq!(head(shelf.nearest(Time(99))), None);
        shelf.clear();
        assert_eq!(head(shelf.nearest(Time(900))), None);
    }

    #[test]
    fn it_stays_small() {
        let mut shelf = Shelf::default();
        for n in 1..100 {
            shelf.keep(frame(n, n as i64, Some(n as i64 + 1)));
            shelf.mark(Arc::new(world(n * n, n as i64)));
        }
        assert_eq!(shelf.frames.len(), FRAMES);
        assert_eq!(shelf.marks.len(), 2 * MARKS as usize);
    }
}
