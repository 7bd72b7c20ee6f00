//! A process that can be killed and stopped at any step. Tasks of a killed process stay where they are: whatever they
//! reach for (disk, machine, log) lets them wait for ever, just as a process that is gone does nothing any more.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stead_ports::watch;
use tokio_util::sync::CancellationToken;

/// One run of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Life {
    dead: Arc<AtomicBool>,
    paused: Arc<watch::Sender<bool>>,
    /// Ends the loops of the process; what they were doing does not come to its end.
    pub stop: CancellationToken,
}

impl Life {
    pub fn new() -> Life {
        Life {
            dead: Arc::default(),
            paused: Arc::new(watch::Sender::new(false)),
            stop: CancellationToken::new(),
        }
    }

    /// Nothing it does moves any more.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Stopped by a signal, or continued.
    pub fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Goes on when the process may.
    pub async fn gate(&self) {
        let mut paused = self.paused.subscribe();
        while *paused.borrow_and_update() {
            if paused.changed().await.is_err() {
                break;
            }
        }
        if self.is_dead() {
            future::pending::<()>().await;
        }
    }
}

impl Default for Life {
    fn default() -> Self {
        Life::new()
    }
}
