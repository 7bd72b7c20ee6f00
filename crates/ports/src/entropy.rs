//! Chance: names that must differ, pauses that should. Nothing that decides draws from it.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// Draws random bytes.
pub trait Entropy: Debug + Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// `N` random bytes.
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The kernel's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods)]
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_ok() {
            return;
        }
        // Without a source of chance the steady clock still tells two starts apart.
        let nanos = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_nsec;
        let from = nanos.to_le_bytes().into_iter().cycle();
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = from);
    }
}

/// The same bytes for the same seed (splitmix64). No secret can come of it.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy(Mutex::new(seed))
    }
}

/// The next number after `state`.
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.chunks_mut(8) {
            let next = split_mix(&mut state).to_le_bytes();
            part.copy_from_slice(&next[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_differ_and_the_seeded_do_not() {
        let system: &dyn Entropy = &SystemEntropy;
        assert_ne!(system.array::<16>(), system.array::<16>());
        let draw = |seed| {
            let seeded = SeededEntropy::new(seed);
            let seeded: &dyn Entropy = &seeded;
            (seeded.array::<13>(), seeded.array::<2>())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(7).0[..2], draw(7).1);
    }
}
