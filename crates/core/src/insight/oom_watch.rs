//! Whether a new memory limit holds: 48 hours in which the container was seen and was not killed at it. Row R10.
//!
//! A function of what was seen since the roll-out. Time in which nobody looked does not count: a node that was offline for a
//! day is watched for a day longer. A kill because the whole machine ran out is not the limit's doing and is passed over.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// How long a limit is watched.
pub const WATCHED: Span = Span::hours(48);

/// What was seen since the roll-out, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The kernel killed in the container; `limit`: because of the container's own limit.
    OomKill { at: Time, limit: bool },
    /// The node was stale, offline or unknown.
    Unseen { from: Time, to: Time },
    /// The container got another limit, or is gone: this watch is over.
    Replaced { at: Time },
}

/// How the limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// So far it holds; the end moves on while nobody looks.
    Watching {
        until: Time,
    },
    /// It was watched to the end.
    Held {
        at: Time,
    },
    /// It is too low: raise it, or go back to what was before.
    Killed {
        at: Time,
        kills: u32,
    },
    Replaced {
        at: Time,
    },
}

/// The verdict at `now` on a limit rolled out at `from`.
pub fn watch(from: Time, length: Span, seen: &[Seen], now: Time) -> Verdict {
    let end = watched_until(from, length, seen, now);
    let over = |at: Time| from <= at && at < end && at <= now;
    let replaced = seen.iter().filter_map(|seen| match seen {
        Seen::Replaced { at } if over(*at) => Some(*at),
        _ => None,
    });
    let replaced = replaced.min();
    let mut kills: Vec<Time> = Vec::new();
    for seen in seen {
        if let Seen::OomKill { at, limit: true } = seen
            && over(*at)
            && replaced.is_none_or(|replaced| *at <= replaced)
        {
            kills.push(*at);
        }
    }
    match (kills.iter().min(), replaced) {
        (Some(at), _) => Verdict::Killed {
            at: *at,
            kills: u32::try_from(kills.len()).unwrap_or(u32::MAX),
        },
        (None, Some(at)) => Verdict::Replaced { at },
        (None, None) if end <= now => Verdict::Held { at: end },
        (None, None) => Verdict::Watching { until: end },
    }
}

/// When `length` of looking is over, if nobody looks away after `now`.
fn watched_until(from: Time, length: Span, seen: &[Seen], now: Time) -> Time {
    let mut unseen: Vec<(Time, Time)> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Unseen { from: a, to: b } => Some((*a.max(&from), *b.min(&now))),
            _ => None,
        })
        .filter(|(a, b)| a < b)
        .collect();
    unseen.sort_unstable();
    let mut end = from + length;
    // Up to here it is already counted.
    let mut counted = from;
    for (a, b) in unseen {
        let a = a.max(counted);
        if a >= end {
            break;
        }
        end = end + b.since(a);
        counted = counted.max(b);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: Time = Time(1_790_000_000_000);

    fn hour(n: u64) -> Time {
        FROM + Span::hours(n)
    }
    fn at(seen: &[Seen], now: u64) -> Verdict {
        watch(FROM, WATCHED, seen, hour(now))
    }
    fn kill(n: u64) -> Seen {
        Seen::OomKill {
            at: hour(n),
            limit: true,
        }
    }

    #[test]
    fn two_quiet_days_are_the_proof() {
        assert_eq!(at(&[], 0), Verdict::Watching { until: hour(48) });
        assert_eq!(at(&[], 47), Verdict::Watching { until: hour(48) });
        assert_eq!(at(&[], 48), Verdict::Held { at: hour(48) });
        assert_eq!(at(&[kill(49)], 60), Verdict::Held { at: hour(48) });
    }

    #[test]
    fn a_kill_at_its_own_limit_ends_it_and_kills_are_counted() {
        let seen = [kill(30), kill(20)];
        let killed = Verdict::Killed {
            at: hour(20),
            kills: 2,
        };
        assert_eq!(at(&seen, 31), killed);
        assert_eq!(at(&seen, 100), killed, "it stays so");
        let before = [Seen::OomKill {
            at: Time(FROM.0 - 1),
            limit: true,
        }];
        assert_eq!(at(&before, 1), Verdict::Watching { until: hour(48) });
        let machine = [Seen::OomKill {
            at: hour(5),
            limit: false,
        }];
        assert_eq!(at(&machine, 48), Verdict::Held { at: hour(48) });
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let away = |a, b| Seen::Unseen {
            from: hour(a),
            to: hour(b),
        };
        assert_eq!(
            at(&[away(10, 34)], 48),
            Verdict::Watching { until: hour(72) }
        );
        assert_eq!(at(&[away(10, 34)], 72), Verdict::Held { at: hour(72) });
        let twice = [away(20, 40), away(10, 34), away(50, 60)];
        assert_eq!(at(&twice, 200), Verdict::Held { at: hour(88) });
        assert_eq!(
            at(&[away(10, 500)], 20),
            Verdict::Watching { until: hour(58) },
            "still away"
        );
        assert_eq!(at(&[away(49, 60)], 70), Verdict::Held { at: hour(48) });
    }

    #[test]
    fn another_limit_ends_the_watch_without_a_verdict_on_this_one() {
        let seen = [Seen::Replaced { at: hour(10) }, kill(11)];
        assert_eq!(at(&seen, 60), Verdict::Replaced { at: hour(10) });
        let seen = [Seen::Replaced { at: hour(10) }, kill(9)];
        assert_eq!(
            at(&seen, 60),
            Verdict::Killed {
                at: hour(9),
                kills: 1
            }
        );
    }

    proptest! {
        #[test]
        fn it_takes_exactly_48_hours_of_looking(away in prop::collection::vec((0u64..100, 0u64..30), 0..6)) {
            let seen: Vec<Seen> = away.iter().map(|(a, n)| Seen::Unseen { from: hour(*a), to: hour(a + n) }).collect();
            let Verdict::Held { at } = at(&seen, 1000) else {
                panic!("long over")
            };
            let end = at.since(FROM).0 / 3_600_000;
            let looked = (0..end).filter(|h| !away.iter().any(|(a, n)| (*a..a + n).contains(h))).count();
            prop_assert_eq!(looked, 48);
        }
    }
}
