//! What a container's state means. Pure: the engine's words, the event trail and the patience are arguments.

use stead_core::facts::{ContainerState, Health};
use stead_core::time::{Span, Time};

use super::translate::{Probed, ProbedStatus, Seen};

/// How patiently a container is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Failures in a row that count; 0 and 1: the first.
    pub failures: u32,
    /// What fails this soon after its start is still starting.
    pub start: Span,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            failures: 3,
            start: Span::ZERO,
        }
    }
}

/// A stop signal this old has nothing to do with a death any more.
const STOP_HOLDS: Span = Span::hours(1);

/// Health after patience: the engine's *unhealthy* counts once the streak is as long as the patience. A container that
/// does not run has no health. `age`: how long it runs; what is younger than its start period is not failing yet.
pub(super) fn health(
    state: ContainerState,
    probed: Probed,
    patience: Patience,
    age: Option<Span>,
) -> Health {
    if state != ContainerState::Running {
        return Health::None;
    }
    match probed.status {
        ProbedStatus::None => Health::None,
        ProbedStatus::Starting => Health::Starting,
        ProbedStatus::Healthy => Health::Healthy,
        ProbedStatus::Unhealthy if age.is_some_and(|age| age < patience.start) => Health::Starting,
        ProbedStatus::Unhealthy if patience.failures <= 1 || probed.streak >= patience.failures => {
            Health::Unhealthy
        }
        ProbedStatus::Unhealthy => Health::Failing,
    }
}

/// What the event stream has told about one container's last end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trail {
    asked: Option<Asked>,
    /// Whether a person stopped it; `None`: no end was seen.
    verdict: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    at: Time,
    by_us: bool,
}

/// What happened, as far as the trail cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment<'a> {
    Kill {
        signal: &'a str,
    },
    Die,
    /// An end from before we watched: what led to it may be forgotten already.
    OldDie,
    Stop,
    Start,
    Other,
}

impl Trail {
    /// `ours`: Stead itself is restarting this container.
    pub fn saw(&mut self, moment: Moment<'_>, at: Time, ours: bool) {
        match moment {
            Moment::Kill { signal } if ends(signal) => {
                let by_us = ours || self.asked.is_some_and(|a| a.by_us);
                self.asked = Some(Asked { at, by_us });
            }
            Moment::OldDie if self.asked.is_none() => self.verdict = None,
            Moment::Die | Moment::OldDie => {
                let person = self
                    .asked
                    .is_some_and(|a| !a.by_us && at.since(a.at) <= STOP_HOLDS);
                self.verdict = Some(person && !ours);
            }
            // The engine says so only after a stop that was asked for.
            Moment::Stop => self.verdict = Some(!ours && !self.asked.is_some_and(|a| a.by_us)),
            Moment::Start => *self = Trail::default(),
            Moment::Kill { .. } | Moment::Other => {}
        }
    }
}

/// Signals that ask a process to end. `HUP`, `USR1`, `USR2`, `WINCH`, `CONT` and their like are messages to it.
fn ends(signal: &str) -> bool {
    let word = signal.trim().to_ascii_uppercase();
    matches!(
        word.trim_start_matches("SIG"),
        "" | "2" | "3" | "6" | "9" | "15" | "INT" | "QUIT" | "ABRT" | "KILL" | "TERM"
    )
}

/// Whether a person stopped it. The trail knows best; without one, what was known before the agent started; without
/// that, the engine's own policy: one that would have been started again but stays down was told to.
pub(super) fn stopped_by_person(seen: &Seen, trail: Trail, remembered: bool, ours: bool) -> bool {
    if seen.facts.state != ContainerState::Exited || ours {
        return false;
    }
    let policy = matches!(
        seen.facts.restart_policy.as_str(),
        "always" | "unless-stopped"
    );
    trail
        .verdict
        .unwrap_or(remembered || (policy && !seen.start_failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::facts::ContainerFacts;

    fn unhealthy(streak: u32) -> Probed {
        Probed {
            status: ProbedStatus::Unhealthy,
            streak,
        }
    }

    #[test]
    fn unhealthy_counts_only_after_the_patience() {
        let patience = |failures| Patience {
            failures,
            ..Patience::default()
        };
        let judge = |streak, failures| {
            let probed = unhealthy(streak);
            health(ContainerState::Running, probed, patience(failures), None)
        };
        assert_eq!(judge(2, 3), Health::Failing);
        assert_eq!(judge(3, 3), Health::Unhealthy);
        assert_eq!(judge(1, 1), Health::Unhealthy);
        assert_eq!(
            judge(0, 0),
            Health::Unhealthy,
            "patience zero means at once"
        );
        assert_eq!(
            health(ContainerState::Exited, unhealthy(9), patience(1), None),
            Health::None
        );
        let starting = Probed {
            status: ProbedStatus::Starting,
            streak: 9,
        };
        assert_eq!(
            health(ContainerState::Running, starting, patience(0), None),
            Health::Starting
        );
    }

    #[test]
    fn what_fails_in_its_start_period_is_starting() {
        let patience = Patience {
            failures: 1,
            start: Span::secs(60),
        };
        let judge = |age| health(ContainerState::Running, unhealthy(9), patience, age);
        assert_eq!(judge(Some(Span::secs(59))), Health::Starting);
        assert_eq!(judge(Some(Span::secs(60))), Health::Unhealthy);
        assert_eq!(judge(None), Health::Unhealthy, "nobody knows its start");
        let healthy = Probed {
            status: ProbedStatus::Healthy,
            streak: 0,
        };
        assert_eq!(
            health(ContainerState::Running, healthy, patience, Some(Span::ZERO)),
            Health::Healthy,
            "well is well at once"
        );
    }

    fn exited(policy: &str, start_failed: bool) -> Seen {
        let facts = ContainerFacts {
            state: ContainerState::Exited,
            restart_policy: policy.into(),
            ..ContainerFacts::default()
        };
        Seen {
            id: "1".into(),
            raw_name: "web".into(),
            name: None,
            pid: 0,
            probed: Probed::default(),
            start_failed,
            facts,
        }
    }

    fn trail(moments: &[(Moment<'_>, i64, bool)]) -> Trail {
        let mut trail = Trail::default();
        for (moment, second, ours) in moments {
            trail.saw(*moment, Time(second * 1000), *ours);
        }
        trail
    }

    #[test]
    fn a_stop_that_was_not_ours_was_a_persons() {
        let term = Moment::Kill { signal: "15" };
        let person =
            |moments: &[_]| stopped_by_person(&exited("no", false), trail(moments), false, false);
        assert!(person(&[
            (term, 0, false),
            (Moment::Die, 1, false),
            (Moment::Stop, 1, false)
        ]));
        assert!(person(&[
            (Moment::Kill { signal: "SIGKILL" }, 0, false),
            (Moment::Die, 1, false)
        ]));
        assert!(!person(&[(Moment::Die, 1, false)]), "it died by itself");
        assert!(person(&[(term, 0, false), (Moment::OldDie, 1, false)]));
        let old = trail(&[(Moment::OldDie, 1, false)]);
        assert!(
            stopped_by_person(&exited("no", false), old, true, false),
            "the memory knows better"
        );
        let hup = Moment::Kill { signal: "1" };
        assert!(
            !person(&[(hup, 0, false), (Moment::Die, 60, false)]),
            "a reload is no stop"
        );
        assert!(
            !person(&[(term, 0, false), (Moment::Die, 7200, false)]),
            "an old signal is no reason"
        );
        assert!(
            !person(&[
                (term, 0, true),
                (Moment::Die, 1, true),
                (Moment::Stop, 1, true)
            ]),
            "ours"
        );
        // Our own stop escalates to a kill after its grace; the claim may have ended by then.
        let kill = Moment::Kill { signal: "9" };
        assert!(!person(&[
            (term, 0, true),
            (kill, 10, false),
            (Moment::Die, 10, false)
        ]));
        assert!(!person(&[
            (term, 0, false),
            (Moment::Die, 1, false),
            (Moment::Start, 2, false)
        ]));
    }

    #[test]
    fn without_a_trail_the_policy_and_the_memory_tell() {
        let none = Trail::default();
        assert!(stopped_by_person(
            &exited("always", false),
            none,
            false,
            false
        ));
        assert!(
            !stopped_by_person(&exited("always", true), none, false, false),
            "it could not be started"
        );
        assert!(!stopped_by_person(&exited("no", false), none, false, false));
        assert!(stopped_by_person(&exited("no", false), none, true, false));
        assert!(
            !stopped_by_person(&exited("always", false), none, true, true),
            "we are at it"
        );
    }
}
