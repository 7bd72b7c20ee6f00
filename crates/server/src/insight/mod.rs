//! What recorded numbers mean, found by looking at them now and then: who writes far above its own past, and which memory
//! limit fits.
//!
//! | module | its noun |
//! |---|---|
//! | [`writes`] | the watch for write anomalies: the only one that states something |
//! | [`memory`] | memory advice and the watch over new limits: asked for, never stated |
//! | [`past`] | what happened to containers, read from the log |
//!
//! Everything is judged by the core's functions. Nothing here decides what to do about it, and a history that cannot be read
//! means no verdict, never a good one.

pub mod memory;
pub mod past;
pub mod writes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stead_core::insight::anomaly::Anomaly;
use stead_core::subject::Subject;

/// The latest readings of what is stated in the log: rates and days left move on while an anomaly lasts.
#[derive(Debug, Clone, Default)]
pub struct Latest(Arc<Mutex<BTreeMap<Subject, Anomaly>>>);

impl Latest {
    /// At most one per anomaly of the world.
    pub fn set(&self, all: BTreeMap<Subject, Anomaly>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    pub fn get(&self) -> BTreeMap<Subject, Anomaly> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
