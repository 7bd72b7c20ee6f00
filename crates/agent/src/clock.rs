//! Instants that are kept: in the journal they outlive the clock that gave them.

use serde::{Deserialize, Serialize};
use stead_core::time::{Span, Time};
use stead_ports::clock::Clock;

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
    /// Now, by `clock`.
    pub fn of(clock: &dyn Clock) -> Stamp {
        Stamp {
            at: clock.wall(),
            boot: clock.boot(),
            up: clock.up(),
        }
    }

    /// Time that passed since `earlier`: by the steady clock within one boot, else by the wall clock.
    pub fn since(&self, earlier: &Stamp) -> Span {
        if self.boot == earlier.boot && !self.boot.is_empty() {
            Span(self.up.saturating_sub(earlier.up))
        } else {
            self.at.since(earlier.at)
        }
    }
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
