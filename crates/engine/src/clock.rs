//! The only place of the engine that reads a clock.
//!
//! Deadlines need a clock that never jumps, people need the wall's. So: the wall's at the start, advanced by the steady
//! one. Where the two part by more than [`TOLERANCE_MS`], somebody set the clock: that is an event of its own, and what
//! waits keeps its length.
#![allow(clippy::disallowed_methods)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use stead_core::policy::Now;
use stead_core::time::Time;

/// Parting of wall and steady clock that counts as a jump.
pub const TOLERANCE_MS: i64 = 5_000;

/// Wall time that does not jump by itself.
#[derive(Debug)]
pub struct Clock {
    base: i64,
    started: Instant,
    /// Minutes to add to UTC for the owner's time of day.
    offset_minutes: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            base: wall(),
            started: Instant::now(),
            offset_minutes: 0,
        }
    }
}

fn wall() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

impl Clock {
    /// `offset_minutes`: the owner's offset from UTC.
    pub fn with_offset(offset_minutes: i64) -> Clock {
        Clock {
            offset_minutes,
            ..Clock::default()
        }
    }

    pub fn now(&self) -> Now {
        let at = self.base + i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let local = Now::utc(Time(at + self.offset_minutes * 60_000));
        Now {
            at: Time(at),
            ..local
        }
    }

    /// How far the wall was moved since the last look, if it was; follows it.
    pub fn jumped(&mut self) -> Option<i64> {
        let by = wall() - self.now().at.0;
        if by.abs() < TOLERANCE_MS {
            return None;
        }
        self.base += by;
        Some(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_wall_is_told_once_and_followed() {
        let mut clock = Clock::default();
        assert_eq!(clock.jumped(), None);
        clock.base -= 3_600_000;
        let by = clock.jumped().expect("an hour is a jump");
        assert!((3_599_000..=3_601_000).contains(&by), "{by}");
        assert_eq!(clock.jumped(), None);
    }
}
