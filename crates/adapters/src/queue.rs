//! Which subjects to look at next: each at most once in flight and once waiting, however many events name it. Pure.

use std::collections::{BTreeSet, VecDeque};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<String>,
    queued: BTreeSet<String>,
    busy: BTreeSet<String>,
}

impl Queue {
    /// Asks for a look; `first` goes before all others. Bounded by the number of subjects.
    pub fn push(&mut self, id: &str, first: bool) {
        if self.queued.insert(id.to_owned()) {
            if first {
                self.waiting.push_front(id.to_owned())
            } else {
                self.waiting.push_back(id.to_owned())
            }
        } else if first && let Some(at) = self.waiting.iter().position(|waiting| waiting == id) {
            self.waiting.remove(at);
            self.waiting.push_front(id.to_owned());
        }
    }

    /// The next one to look at, if fewer than `at_once` are in flight. One that is being looked at waits its turn: the
    /// look under way may have begun before the event.
    pub fn take(&mut self, at_once: usize) -> Option<String> {
        if self.busy.len() >= at_once {
            return None;
        }
        let at = self.waiting.iter().position(|id| !self.busy.contains(id))?;
        let id = self.waiting.remove(at)?;
        self.queued.remove(&id);
        self.busy.insert(id.clone());
        Some(id)
    }

    pub fn done(&mut self, id: &str) {
        self.busy.remove(id);
    }

    pub fn idle(&self) -> bool {
        self.waiting.is_empty() && self.busy.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_events_of_one_container_are_one_look_and_one_more_if_it_was_under_way() {
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.push("a", false);
        }
        assert_eq!(queue.take(4).as_deref(), Some("a"));
        assert_eq!(queue.take(4), None);
        queue.push("a", false);
        queue.push("a", true);
        assert_eq!(queue.take(4), None, "never two at once");
        queue.done("a");
        assert_eq!(queue.take(4).as_deref(), Some("a"));
        queue.done("a");
        assert!(queue.idle());
    }

    #[test]
    fn urgent_ones_come_first_and_the_bound_holds() {
        let mut queue = Queue::default();
        for id in ["a", "b", "c"] {
            queue.push(id, false);
        }
        queue.push("c", true);
        assert_eq!(queue.take(2).as_deref(), Some("c"));
        assert_eq!(queue.take(2).as_deref(), Some("a"));
        assert_eq!(queue.take(2), None);
    }
}
