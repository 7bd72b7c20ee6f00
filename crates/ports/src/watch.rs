//! A value that tells when it changes. As `tokio::sync::watch`, but whoever waits is woken in the order in which they
//! began to: tokio draws lots, and a run of the same seed would then not be the same run.
//!
//! Only the newest value is kept; a receiver that is slow misses the ones between.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

/// The sender is gone: nothing will change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing will change any more")]
pub struct Closed;

#[derive(Debug)]
struct Shared<T> {
    state: RwLock<State<T>>,
    changed: Notify,
    senders: AtomicUsize,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    version: u64,
    closed: bool,
}

impl<T> Shared<T> {
    fn read(&self) -> Ref<'_, T> {
        Ref(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }
}

/// A look at the value; it cannot change meanwhile.
#[derive(Debug)]
pub struct Ref<'a, T>(RwLockReadGuard<'a, State<T>>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// Changes the value. Clones change the same one.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

/// Looks at the value and waits for changes.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// A value, and the first to look at it.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    pub fn new(value: T) -> Sender<T> {
        Sender(Arc::new(Shared {
            state: RwLock::new(State {
                value,
                version: 0,
                closed: false,
            }),
            changed: Notify::new(),
            senders: AtomicUsize::new(1),
        }))
    }

    /// A receiver that has seen the value as it is now.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver {
            seen: self.0.read().0.version,
            shared: Arc::clone(&self.0),
        }
    }

    pub fn borrow(&self) -> Ref<'_, T> {
        self.0.read()
    }

    /// Sets the value; the one before.
    pub fn send_replace(&self, value: T) -> T {
        let mut new = value;
        self.0.change(|state| {
            std::mem::swap(&mut state.value, &mut new);
            state.version += 1;
        });
        new
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.change(|state| state.closed = true);
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver {
            shared: Arc::clone(&self.shared),
            seen: self.seen,
        }
    }
}

impl<T> Receiver<T> {
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.read()
    }

    /// The value, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let now = self.shared.read();
        self.seen = now.0.version;
        now
    }

    /// Waits for a value that was not seen, which then counts as seen. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            // From here on no change is missed.
            let changed = self.shared.changed.notified();
            {
                let now = self.shared.read();
                if now.0.version != self.seen {
                    self.seen = now.0.version;
                    return Ok(());
                }
                if now.0.closed {
                    return Err(Closed);
                }
            }
            changed.await;
        }
    }

    /// Waits for a value that `fits`, the present one included.
    pub async fn wait_for(&mut self, mut fits: impl FnMut(&T) -> bool) -> Result<(), Closed> {
        while !fits(&self.borrow_and_update()) {
            self.changed().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_in_order_each_time() {
        let (sender, first) = channel(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for n in 0..20 {
            let (mut receiver, order) = (first.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                while receiver.changed().await.is_ok() {
                    order.lock().expect("lock").push(n);
                }
            }));
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
            sender.send_replace(1);
            tokio::task::yield_now().await;
            let woken = std::mem::take(&mut *order.lock().expect("lock"));
            assert_eq!(woken, (0..20).collect::<Vec<_>>());
        }
        drop(sender);
        for task in waiting {
            task.await.expect("it ends with its sender");
        }
    }

    #[tokio::test]
    async fn a_change_is_seen_once_and_none_is_missed() {
        let (sender, mut receiver) = channel("a");
        assert_eq!(sender.send_replace("b"), "a");
        assert_eq!(*receiver.borrow(), "b");
        assert_eq!(receiver.changed().await, Ok(()));
        sender.send_replace("c");
        assert_eq!(*receiver.borrow_and_update(), "c");
        let mut late = sender.subscribe();
        drop(sender.clone());
        let (waited, ()) = tokio::join!(late.wait_for(|value| *value == "d"), async {
            sender.send_replace("d");
        });
        assert_eq!(waited, Ok(()));
        drop(sender);
        assert_eq!(
            receiver.changed().await,
            Ok(()),
            "what is unseen comes first"
        );
        assert_eq!(receiver.changed().await, Err(Closed));
        assert_eq!(late.wait_for(|value| *value == "e").await, Err(Closed));
    }
}
