//! A receiver in memory that takes, loses, refuses or swallows letters as it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, Letter, Notify};

/// How a receiver treats a letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Take,
    /// It has the letter, but its answer is lost: the sender cannot know.
    TakeAndLoseAnswer,
    Fail,
    Refuse,
    /// It never answers.
    BlackHole,
}

/// A receiver that does as it is told, and remembers.
#[derive(Debug, Default)]
pub struct Post {
    state: Mutex<State>,
    inside: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// For the next letters, one each.
    next: VecDeque<Way>,
    /// For every one after.
    always: Way,
    received: Vec<Letter>,
    attempts: usize,
}

impl Post {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on.
    pub fn always(&self, way: Way) {
        let mut state = self.state();
        state.next.clear();
        state.always = way;
    }

    /// For the next letter that has no way yet.
    pub fn once(&self, way: Way) {
        self.state().next.push_back(way);
    }

    /// What the receiver has, in the order it came; a letter that came twice stands there twice.
    pub fn received(&self) -> Vec<Letter> {
        self.state().received.clone()
    }

    pub fn attempts(&self) -> usize {
        self.state().attempts
    }

    /// The most attempts that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// Counts an attempt for as long as it lasts.
struct Inside<'a>(&'a Post);

impl<'a> Inside<'a> {
    fn enter(post: &'a Post) -> Inside<'a> {
        let now = post.inside.fetch_add(1, Ordering::Relaxed) + 1;
        post.most.fetch_max(now, Ordering::Relaxed);
        Inside(post)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Notify for Post {
    async fn deliver(&self, letter: &Letter) -> Result<(), Error> {
        let _inside = Inside::enter(self);
        let way = {
            let mut state = self.state();
            state.attempts += 1;
            let way = state.next.pop_front().unwrap_or(state.always);
            if matches!(way, Way::Take | Way::TakeAndLoseAnswer) {
                state.received.push(letter.clone());
            }
            way
        };
        match way {
            Way::Take => Ok(()),
            Way::TakeAndLoseAnswer => Err(Error::Later("the answer was lost".to_owned())),
            Way::Fail => Err(Error::Later("the receiver failed".to_owned())),
            Way::Refuse => Err(Error::Never("the receiver refuses".to_owned())),
            Way::BlackHole => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{self, Rig};
    use super::*;
    use std::sync::Arc;

    #[derive(Debug, Default)]
    struct Here(Arc<Post>);

    #[async_trait::async_trait]
    impl Rig for Here {
        fn notify(&self) -> Arc<dyn Notify> {
            self.0.clone()
        }
        fn letter(&self, id: &str) -> Letter {
            conformance::letter(id, Default::default())
        }
        async fn behave(&self, way: Way) {
            self.0.always(way);
        }
        async fn received(&self) -> Vec<String> {
            self.0.received().into_iter().map(|l| l.id).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_receiver_in_memory_is_one() {
        conformance::suite(&Here::default()).await;
    }
}
