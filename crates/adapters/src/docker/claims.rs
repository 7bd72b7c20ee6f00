//! Which containers Stead itself is stopping and starting right now, so that their end is not taken for a person's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stead_core::time::{Span, Time};

use crate::observation::wall_clock;

/// Events of an effect may arrive this long after it ended.
const GRACE: Span = Span::secs(5);

/// Bounded by the orders an agent carries out at once; ended claims are dropped whenever one is added.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<BTreeMap<String, Time>>>);

impl Claims {
    pub fn holds(&self, id: &str, now: Time) -> bool {
        self.lock().get(id).is_some_and(|until| now <= *until)
    }

    /// From now until `length` from now.
    pub fn add(&self, id: &str, length: Span) -> Claim {
        let now = wall_clock();
        let mut claims = self.lock();
        claims.retain(|_, until| *until >= now);
        claims.insert(id.to_owned(), now + length + GRACE);
        Claim {
            claims: self.clone(),
            id: id.to_owned(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Time>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held while the effect lasts; what follows within the grace still counts as ours.
#[derive(Debug)]
#[must_use = "the claim ends when it is dropped"]
pub struct Claim {
    claims: Claims,
    id: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let until = wall_clock() + GRACE;
        if let Some(end) = self.claims.lock().get_mut(&self.id) {
            *end = (*end).min(until);
        }
    }
}
