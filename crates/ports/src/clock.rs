//! What time it is: the wall's, which people read and somebody may set, and steady ones, which nobody can.
//!
//! Only the system's clock reads the real one, here and nowhere else. Waiting is not among it: timers are tokio's, so
//! that a paused runtime moves them, and [`ManualClock::with_timers`] moves along.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stead_core::time::Time;

/// Reads clocks.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock. It may jump, both ways.
    fn wall(&self) -> Time;

    /// Milliseconds since boot, sleep included. Comparable within one [`Clock::boot`] only.
    fn up(&self) -> u64;

    /// Milliseconds since boot, sleep left out: timers count by this one. It never goes back.
    fn awake(&self) -> u64 {
        self.up()
    }

    /// Identity of this run of the kernel; empty where that is not told.
    fn boot(&self) -> String;
}

/// The machine's own clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot: String,
}

impl SystemClock {
    pub fn new() -> SystemClock {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        SystemClock {
            boot: text.trim().to_owned(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn wall(&self) -> Time {
        use std::time::{SystemTime, UNIX_EPOCH};
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Time(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        })
    }

    fn up(&self) -> u64 {
        millis(rustix::time::ClockId::Boottime)
    }

    fn awake(&self) -> u64 {
        millis(rustix::time::ClockId::Monotonic)
    }

    fn boot(&self) -> String {
        self.boot.clone()
    }
}

fn millis(id: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(id);
    let millis = i128::from(now.tv_sec) * 1000 + i128::from(now.tv_nsec) / 1_000_000;
    u64::try_from(millis).unwrap_or(0)
}

/// The rate of a clock that neither gains nor loses, in parts per million.
pub const TRUE_RATE: u32 = 1_000_000;
const MILLI: i128 = 1_000_000;

/// A clock that goes as it is told. The wall can be set apart from the steady one, and both can run fast or slow.
#[derive(Debug)]
pub struct ManualClock(Mutex<Dial>);

/// In nanoseconds, so that a slow rate loses nothing to rounding.
#[derive(Debug)]
struct Dial {
    wall: i128,
    up: i128,
    /// Sleep and reboots of the machine do not touch it.
    awake: i128,
    rate: u32,
    boot: String,
    /// What tokio's clock said when this one was last looked at.
    followed: Option<tokio::time::Instant>,
}

impl ManualClock {
    /// It stands still at `wall`, in a machine that just booted, until it is moved.
    pub fn at(wall: Time) -> ManualClock {
        ManualClock(Mutex::new(Dial {
            wall: i128::from(wall.0) * MILLI,
            up: 0,
            awake: 0,
            rate: TRUE_RATE,
            boot: "boot-1".to_owned(),
            followed: None,
        }))
    }

    /// As [`ManualClock::at`], but it goes on as tokio's clock does: in a runtime whose time is paused, both stand and
    /// move together.
    pub fn with_timers(wall: Time) -> ManualClock {
        let clock = ManualClock::at(wall);
        clock.raw().followed = Some(tokio::time::Instant::now());
        clock
    }

    fn raw(&self) -> MutexGuard<'_, Dial> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dial(&self) -> MutexGuard<'_, Dial> {
        let mut dial = self.raw();
        if let Some(before) = dial.followed {
            let now = tokio::time::Instant::now();
            dial.followed = Some(now);
            dial.pass(now.saturating_duration_since(before));
        }
        dial
    }

    /// `by` of true time passes; the clock shows as much of it as its rate makes.
    pub fn advance(&self, by: Duration) {
        self.dial().pass(by);
    }

    /// The machine sleeps: wall and boot clock go on, timers do not.
    pub fn sleep(&self, by: Duration) {
        let mut dial = self.dial();
        let awake = dial.awake;
        dial.pass(by);
        dial.awake = awake;
    }

    /// Somebody sets the wall clock. The steady ones do not notice.
    pub fn set_wall(&self, wall: Time) {
        self.dial().wall = i128::from(wall.0) * MILLI;
    }

    /// Somebody moves the wall clock by `millis`.
    pub fn step_wall(&self, millis: i64) {
        self.dial().wall += i128::from(millis) * MILLI;
    }

    /// From now on the clock gains or loses: [`TRUE_RATE`] is right, 1,000,100 gains 100 µs a second.
    pub fn set_rate(&self, parts_per_million: u32) {
        self.dial().rate = parts_per_million;
    }

    /// The machine boots again, as `boot`.
    pub fn reboot(&self, boot: &str) {
        let mut dial = self.dial();
        dial.up = 0;
        dial.boot = boot.to_owned();
    }
}

impl Dial {
    fn pass(&mut self, by: Duration) {
        let shown = i128::try_from(by.as_nanos()).unwrap_or(i128::MAX / i128::from(TRUE_RATE))
            * i128::from(self.rate)
            / i128::from(TRUE_RATE);
        self.wall += shown;
        self.up += shown;
        self.awake += shown;
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Time {
        Time(i64::try_from(self.dial().wall.div_euclid(MILLI)).unwrap_or(i64::MAX))
    }

    fn up(&self) -> u64 {
        u64::try_from(self.dial().up / MILLI).unwrap_or(u64::MAX)
    }

    fn awake(&self) -> u64 {
        u64::try_from(self.dial().awake / MILLI).unwrap_or(u64::MAX)
    }

    fn boot(&self) -> String {
        self.raw().boot.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_steady_clocks_never_go_back_and_its_boot_has_a_name() {
        let clock = SystemClock::new();
        let (up, awake) = (clock.up(), clock.awake());
        assert!(clock.up() >= up && clock.awake() >= awake && up >= awake);
        assert!(!clock.boot().is_empty());
        assert!(clock.wall() > Time(1_700_000_000_000));
    }

    #[test]
    fn a_wall_that_is_set_moves_nothing_else() {
        let clock = ManualClock::at(Time(1_000));
        clock.advance(Duration::from_millis(500));
        clock.step_wall(-700);
        assert_eq!((clock.wall(), clock.up()), (Time(800), 500));
        clock.set_wall(Time(-5));
        clock.sleep(Duration::from_millis(10));
        assert_eq!(
            (clock.wall(), clock.up(), clock.awake()),
            (Time(5), 510, 500)
        );
    }

    #[test]
    fn a_clock_that_gains_shows_more_than_passed() {
        let clock = ManualClock::at(Time(0));
        clock.set_rate(1_100_000);
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!((clock.wall(), clock.up()), (Time(1_100), 1_100));
        clock.reboot("boot-2");
        assert_eq!((clock.up(), clock.boot().as_str()), (0, "boot-2"));
        assert_eq!(clock.awake(), 1_100, "timers of the test go on");
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_timers_of_a_paused_runtime() {
        let clock = ManualClock::with_timers(Time(0));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!((clock.wall(), clock.up()), (Time(3_600_000), 3_600_000));
        clock.step_wall(1_000);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((clock.wall(), clock.up()), (Time(3_602_000), 3_601_000));
    }
}
