//! The brake on guessing secrets: failures per address and in all, in a sliding minute. Pure: time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use stead_core::time::{Span, Time};

const WINDOW: Span = Span::mins(1);
/// Failures of one address in a minute.
const PER_ADDRESS: usize = 10;
/// Failures of everybody in a minute.
const IN_ALL: usize = 100;

/// Remembers failures of the last minute; at most [`IN_ALL`] of them, since nothing is tried beyond that.
#[derive(Debug, Default)]
pub struct Limiter {
    failures: BTreeMap<IpAddr, VecDeque<Time>>,
}

impl Limiter {
    /// Whether `from` may try now; else how long it has to wait.
    pub fn may_try(&mut self, now: Time, from: IpAddr) -> Result<(), Span> {
        self.failures.retain(|_, times| {
            while times.front().is_some_and(|at| now.since(*at) >= WINDOW) {
                times.pop_front();
            }
            !times.is_empty()
        });
        let of = self.failures.get(&from);
        let oldest = if of.is_some_and(|times| times.len() >= PER_ADDRESS) {
            of.and_then(|times| times.front().copied())
        } else if self.failures.values().map(VecDeque::len).sum::<usize>() >= IN_ALL {
            self.failures
                .values()
                .filter_map(|times| times.front().copied())
                .min()
        } else {
            None
        };
        match oldest {
            None => Ok(()),
            Some(at) => Err(Span(WINDOW.0.saturating_sub(now.since(at).0).max(1000))),
        }
    }

    pub fn failed(&mut self, now: Time, from: IpAddr) {
        self.failures.entry(from).or_default().push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn guessing_is_slowed_per_address_and_forgiven_after_a_minute() {
        let mut limiter = Limiter::default();
        for i in 0..PER_ADDRESS {
            assert!(limiter.may_try(Time(i as i64), address(1)).is_ok());
            limiter.failed(Time(i as i64), address(1));
        }
        assert_eq!(limiter.may_try(Time(1000), address(1)), Err(Span(59_000)));
        assert!(
            limiter.may_try(Time(1000), address(2)).is_ok(),
            "others are not punished"
        );
        assert!(limiter.may_try(Time(60_000), address(1)).is_ok());
    }

    #[test]
    fn many_addresses_together_are_slowed_too() {
        let mut limiter = Limiter::default();
        for n in 0..IN_ALL {
            limiter.failed(Time(0), address((n % 50) as u8));
        }
        assert!(limiter.may_try(Time(1), address(200)).is_err());
        assert!(limiter.may_try(Time(60_001), address(200)).is_ok());
    }
}
