//! One-time login links: a secret that works once, for a quarter of an hour, and is nowhere on disk.

use std::sync::{Mutex, PoisonError};

use stead_core::ids::digest;
use stead_core::time::{Span, Time};

use super::{Error, random, same};

/// How long a link works.
const LIFE: Span = Span::mins(15);
/// Links that work at the same time; a new one pushes the oldest out.
const MOST: usize = 16;

/// The links that still work, by the digest of their secret.
#[derive(Default)]
pub struct Links(Mutex<Vec<(String, Time)>>);

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links { … }")
    }
}

impl Links {
    /// A new secret (128 random bits) and when it ends.
    pub fn mint(&self, now: Time) -> Result<(String, Time), Error> {
        let secret = random(16)?;
        let until = now + LIFE;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, until)| now < *until);
        if links.len() >= MOST {
            links.remove(0);
        }
        links.push((digest(secret.as_bytes()), until));
        Ok((secret, until))
    }

    /// Uses a secret up. True once.
    pub fn redeem(&self, now: Time, secret: &str) -> bool {
        let offered = digest(secret.as_bytes());
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|(_, until)| now < *until);
        let found = links.iter().position(|(known, _)| same(known, &offered));
        found.map(|at| links.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once() {
        let links = Links::default();
        let (secret, _) = links.mint(Time(0)).unwrap();
        assert_eq!(secret.len(), 32);
        assert!(!links.redeem(Time(1), "00000000000000000000000000000000"));
        assert!(links.redeem(Time(1), &secret));
        assert!(!links.redeem(Time(1), &secret));
    }

    #[test]
    fn a_link_ends_after_a_quarter_of_an_hour() {
        let links = Links::default();
        let (secret, until) = links.mint(Time(0)).unwrap();
        assert_eq!(until, Time(900_000));
        assert!(!links.redeem(until, &secret));
    }

    #[test]
    fn too_many_links_push_the_oldest_out() {
        let links = Links::default();
        let (first, _) = links.mint(Time(0)).unwrap();
        for _ in 0..MOST {
            links.mint(Time(0)).unwrap();
        }
        assert!(!links.redeem(Time(1), &first));
    }
}
