//! The only place where this crate reads a clock or draws a random number.
#![allow(clippy::disallowed_methods)]

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use stead_core::time::{Span, Time};

/// An instant that survives both a clock that is set and a reboot: which one to believe is decided when two are
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Wall clock.
    pub at: Time,
    /// Identity of this run of the kernel.
    pub boot: String,
    /// Milliseconds since it booted, sleep included.
    pub up: u64,
}

impl Stamp {
    /// Time that passed since `earlier`: by the steady clock within one boot, else by the wall clock.
    pub fn since(&self, earlier: &Stamp) -> Span {
        if self.boot == earlier.boot && !self.boot.is_empty() {
            Span(self.up.saturating_sub(earlier.up))
        } else {
            self.at.since(earlier.at)
        }
    }
}

/// The wall clock.
pub fn wall() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds since boot, sleep included. Nobody can set it.
pub fn up() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let millis = i128::from(now.tv_sec) * 1000 + i128::from(now.tv_nsec) / 1_000_000;
    u64::try_from(millis).unwrap_or(0)
}

/// Identity of this run of the kernel; empty where the kernel does not tell.
pub fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

pub fn stamp(boot: &str) -> Stamp {
    Stamp {
        at: wall(),
        boot: boot.to_owned(),
        up: up(),
    }
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // Without a source of chance the steady clock still tells two starts apart.
        bytes
            .iter_mut()
            .zip(
                clock_gettime(ClockId::Monotonic)
                    .tv_nsec
                    .to_le_bytes()
                    .iter()
                    .cycle(),
            )
            .for_each(|(to, from)| *to = *from);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_changes_nothing_within_a_boot() {
        let stamp = |at, boot: &str, up| Stamp {
            at: Time(at),
            boot: boot.into(),
            up,
        };
        let hour = 3_600_000;
        assert_eq!(
            stamp(0, "a", 5_000).since(&stamp(hour, "a", 2_000)),
            Span(3_000)
        );
        assert_eq!(
            stamp(hour, "b", 1).since(&stamp(0, "a", 5_000)),
            Span(hour as u64)
        );
        assert_eq!(stamp(0, "b", 1).since(&stamp(hour, "a", 5_000)), Span::ZERO);
    }
}
