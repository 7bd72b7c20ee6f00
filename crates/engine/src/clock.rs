//! Time as the engine takes it: a wall clock that does not jump by itself, and the owner's time of day by it.
//!
//! Deadlines need a clock that never jumps, people need the wall's. So: the wall's at the start, advanced by the steady
//! one. Where the two part by more than [`TOLERANCE_MS`], somebody set the clock: that is an event of its own, and what
//! waits keeps its length. No clock is read here: they are the port's.

use std::sync::Arc;

use jiff::tz::TimeZone;
use stead_core::policy::Now;
use stead_core::time::Time;
use stead_ports::clock;

use crate::zone;

/// Parting of wall and steady clock that counts as a jump.
pub const TOLERANCE_MS: i64 = 5_000;

/// Wall time that does not jump by itself.
#[derive(Debug)]
pub struct Clock {
    source: Arc<dyn clock::Clock>,
    /// Wall time at [`Clock::started`].
    base: i64,
    /// By the clock that timers count by.
    started: u64,
    zone: TimeZone,
    /// The zone where the fleet names none.
    own: TimeZone,
    /// What the fleet names.
    named: Option<String>,
}

impl Clock {
    /// `own`: where the owner lives, unless the fleet says it.
    pub fn new(source: Arc<dyn clock::Clock>, own: TimeZone) -> Clock {
        Clock {
            base: source.wall().0,
            started: source.awake(),
            source,
            zone: own.clone(),
            own,
            named: None,
        }
    }

    /// The clocks that are read.
    pub fn source(&self) -> Arc<dyn clock::Clock> {
        Arc::clone(&self.source)
    }

    pub fn now(&self) -> Now {
        let passed = self.source.awake().saturating_sub(self.started);
        let at = self
            .base
            .saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        zone::local(&self.zone, Time(at))
    }

    /// Where the owner lives, unless the fleet says it.
    pub fn own_zone(&self) -> TimeZone {
        self.own.clone()
    }

    /// The owner's time of day and day at `at`.
    pub fn local(&self, at: Time) -> Now {
        zone::local(&self.zone, at)
    }

    /// Where the owner lives.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// How far the wall was moved since the last look, if it was; follows it.
    pub fn jumped(&mut self) -> Option<i64> {
        let by = self.source.wall().0.saturating_sub(self.now().at.0);
        if by.abs() < TOLERANCE_MS {
            return None;
        }
        self.base = self.base.saturating_add(by);
        Some(by)
    }

    /// The owner lives where the fleet says (an IANA name), or where this machine does. A name that nobody knows changes
    /// nothing.
    pub fn follow(&mut self, named: Option<&str>) -> Moved {
        if self.named.as_deref() == named {
            return Moved::No;
        }
        self.named = named.map(str::to_owned);
        self.zone = match named.map(zone::named) {
            None => self.own.clone(),
            Some(Some(zone)) => zone,
            Some(None) => return Moved::Unknown,
        };
        Moved::Yes
    }
}

/// What became of the owner's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    No,
    Yes,
    /// It was to become one that is not in the database.
    Unknown,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stead_ports::clock::ManualClock;

    use super::*;

    #[test]
    fn a_moved_wall_is_told_once_and_followed() {
        let source = Arc::new(ManualClock::at(Time(1_000_000)));
        let mut clock = Clock::new(source.clone(), TimeZone::UTC);
        source.advance(Duration::from_secs(2));
        assert_eq!(clock.now().at, Time(1_002_000));
        source.step_wall(4_999);
        assert_eq!(clock.jumped(), None);
        source.step_wall(3_600_000);
        assert_eq!(
            clock.now().at,
            Time(1_002_000),
            "it does not jump by itself"
        );
        assert_eq!(clock.jumped(), Some(3_604_999));
        assert_eq!(clock.now().at, Time(4_606_999));
        assert_eq!(clock.jumped(), None);
        source.step_wall(-10_000_000);
        assert_eq!(clock.jumped(), Some(-10_000_000));
        assert_eq!(clock.now().at, source_wall(&source));
    }

    fn source_wall(source: &ManualClock) -> Time {
        clock::Clock::wall(source)
    }

    #[test]
    fn a_machine_that_slept_finds_the_wall_moved_and_its_waits_as_long_as_before() {
        let source = Arc::new(ManualClock::at(Time(0)));
        let mut clock = Clock::new(source.clone(), TimeZone::UTC);
        source.sleep(Duration::from_secs(3600));
        assert_eq!(clock.now().at, Time(0));
        assert_eq!(clock.jumped(), Some(3_600_000));
    }

    #[test]
    fn the_fleets_zone_comes_first_and_an_unknown_one_changes_nothing() {
        let source = Arc::new(ManualClock::at(Time(0)));
        let mut clock = Clock::new(source, zone::offset(60));
        assert_eq!(clock.now().minute, 60);
        assert_eq!(clock.follow(Some("Asia/Kolkata")), Moved::Yes);
        assert_eq!(clock.now().minute, 330);
        assert_eq!(clock.follow(Some("Middle/Earth")), Moved::Unknown);
        assert_eq!(clock.follow(Some("Middle/Earth")), Moved::No, "said once");
        assert_eq!(clock.now().minute, 330);
        assert_eq!(clock.follow(None), Moved::Yes);
        assert_eq!(clock.now().minute, 60);
    }
}
