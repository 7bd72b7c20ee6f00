//! From single answers to the verdict of a check.

use alloc::format;
use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

use crate::desired::{LogSource, Probe};
use crate::facts::{CheckFacts, Verdict};
use crate::time::{Span, Time};

/// What one run of a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    pub outcome: Answer,
    /// For people, at most 1 KiB, redacted. For [`Answer::Unknown`] it says what to do.
    pub answer: String,
    pub took: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Ok,
    Failed,
    /// It could not be asked.
    Unknown,
}

/// A check between its answers.
///
/// Failing needs its patience, passing one success. Not being able to ask needs as many answers as failing does, so that
/// a source that is away for a moment changes nothing; meanwhile failures are neither forgotten nor added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckState {
    probe: &'static str,
    asked: String,
    verdict: Option<Verdict>,
    failures: u32,
    unknowns: u32,
    /// First failure of the streak.
    failing_since: Time,
}

impl CheckState {
    /// A check never asked: it has no verdict, so nothing is reported until it has one.
    pub fn new(probe: &Probe) -> CheckState {
        CheckState {
            probe: probe.word(),
            asked: asked(probe),
            verdict: None,
            failures: 0,
            unknowns: 0,
            failing_since: Time::ZERO,
        }
    }

    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Consecutive failures up to now, before and after they count.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes an answer; returns the new facts if the verdict changed.
    ///
    /// `failures` consecutive ones (0 and 1: the first) over at least `patience` make it failing. The facts of a failing
    /// check date from the first failure of the streak, others from `now`.
    pub fn observe(
        &mut self,
        now: Time,
        result: &ProbeResult,
        failures: u32,
        patience: Span,
    ) -> Option<CheckFacts> {
        let needed = failures.max(1);
        let (verdict, since) = match result.outcome {
            Answer::Ok => {
                self.failures = 0;
                self.unknowns = 0;
                (Verdict::Passing, now)
            }
            Answer::Failed => {
                self.unknowns = 0;
                // A clock that was set back would otherwise make the trouble look younger than nothing for an hour.
                if self.failures == 0 || now < self.failing_since {
                    self.failing_since = now;
                }
                self.failures = self.failures.saturating_add(1);
                if self.failures < needed || now.since(self.failing_since) < patience {
                    return None;
                }
                (Verdict::Failing, self.failing_since)
            }
            Answer::Unknown => {
                self.unknowns = self.unknowns.saturating_add(1);
                if self.unknowns < needed {
                    return None;
                }
                (Verdict::Unknown, now)
            }
        };
        if self.verdict == Some(verdict) {
            return None;
        }
        self.verdict = Some(verdict);
        Some(CheckFacts {
            verdict,
            since,
            probe: self.probe.to_string(),
            asked: self.asked.clone(),
            answer: result.answer.clone(),
        })
    }
}

/// What a probe asks, for people: `GET http://127.0.0.1/`. Never a password: user and password of a URL are left out.
pub fn asked(probe: &Probe) -> String {
    match probe {
        Probe::Http(http) => format!("{} {}", http.method, without_user(&http.url)),
        Probe::Tcp { host, port } => format!("connect {host}:{port}"),
        Probe::Dns {
            name,
            record,
            server,
            ..
        } => match server {
            Some(server) => format!("{record} {name} at {server}"),
            None => format!("{record} {name}"),
        },
        Probe::Mqtt {
            host, port, topic, ..
        } => match topic {
            Some(topic) => format!("mqtt {host}:{port} {topic}"),
            None => format!("mqtt {host}:{port}"),
        },
        Probe::Tls {
            host, port, days, ..
        } => format!("certificate of {host}:{port} valid for {days} days"),
        Probe::Icmp { host } => format!("ping {host}"),
        Probe::File { path, .. } => format!("file {path}"),
        // Arguments may hold what nobody should read in a log.
        Probe::Command { run, .. } => format!("run {}", run.first().map_or("", String::as_str)),
        Probe::Process { process, .. } => format!("process {process}"),
        Probe::Container { container } => format!("container {container}"),
        Probe::Unit { unit } => format!("unit {unit}"),
        Probe::Log {
            source,
            pattern,
            absent,
            ..
        } => {
            let source = match source {
                LogSource::File(path) => path.clone(),
                LogSource::Unit(unit) => format!("unit {unit}"),
                LogSource::Container(container) => format!("container {container}"),
            };
            format!(
                "{}/{pattern}/ in {source}",
                if *absent { "no " } else { "" }
            )
        }
    }
}

fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_string();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    // A query often carries a token.
    let path = path.split(['?', '#']).next().unwrap_or("");
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state() -> CheckState {
        CheckState::new(&Probe::Tcp {
            host: "h".into(),
            port: 1,
        })
    }
    fn said(outcome: Answer) -> ProbeResult {
        ProbeResult {
            outcome,
            answer: "said".into(),
            took: Span::ZERO,
        }
    }
    fn verdicts(
        failures: u32,
        patience: Span,
        answers: &[(i64, Answer)],
    ) -> alloc::vec::Vec<(i64, Verdict, i64)> {
        let mut state = state();
        let step = |&(at, a): &(i64, Answer)| {
            let facts = state.observe(Time(at), &said(a), failures, patience)?;
            Some((at, facts.verdict, facts.since.0))
        };
        answers.iter().filter_map(step).collect()
    }
    use Answer::{Failed, Ok as Good, Unknown};

    #[test]
    fn failing_needs_consecutive_failures_and_passing_one_success() {
        let got = verdicts(
            3,
            Span::ZERO,
            &[
                (0, Good),
                (10, Failed),
                (20, Failed),
                (30, Good),
                (40, Failed),
                (50, Failed),
                (60, Failed),
                (70, Good),
            ],
        );
        assert_eq!(
            got,
            [
                (0, Verdict::Passing, 0),
                (60, Verdict::Failing, 40),
                (70, Verdict::Passing, 70)
            ]
        );
    }

    #[test]
    fn zero_failures_means_at_once() {
        assert_eq!(
            verdicts(0, Span::ZERO, &[(5, Failed)]),
            [(5, Verdict::Failing, 5)]
        );
    }

    #[test]
    fn trouble_must_also_last_as_long_as_patience_asks() {
        let answers = [(0, Failed), (10, Failed), (20, Failed), (30, Failed)];
        assert_eq!(verdicts(2, Span(25), &answers), [(30, Verdict::Failing, 0)]);
    }

    #[test]
    fn a_clock_set_back_delays_a_verdict_by_the_patience_at_most() {
        let hour = 3_600_000;
        let answers = [(hour, Failed), (0, Failed), (10, Failed), (20, Failed)];
        assert_eq!(verdicts(2, Span(20), &answers), [(20, Verdict::Failing, 0)]);
    }

    #[test]
    fn not_being_able_to_ask_is_neither_trouble_nor_health() {
        let got = verdicts(
            2,
            Span::ZERO,
            &[
                (0, Good),
                (10, Unknown),
                (20, Good),
                (30, Failed),
                (40, Unknown),
                (50, Failed),
                (60, Unknown),
                (70, Unknown),
            ],
        );
        assert_eq!(
            got,
            [
                (0, Verdict::Passing, 0),
                (50, Verdict::Failing, 30),
                (70, Verdict::Unknown, 70)
            ]
        );
    }

    #[test]
    fn what_was_asked_never_shows_a_password() {
        let url = "https://bob:hunter2@example.org:8443/a?token=abc#x";
        assert_eq!(without_user(url), "https://example.org:8443/a");
        let run = Probe::Command {
            run: alloc::vec!["curl".into(), "-uadmin:hunter2".into()],
            exit: 0,
        };
        assert_eq!(asked(&run), "run curl");
    }

    proptest! {
        #[test]
        fn facts_leave_only_when_the_verdict_changes(
            answers in prop::collection::vec((0i64..100_000, 0u8..3), 0..60), failures in 0u32..5, patience in 0u64..1000,
        ) {
            let mut state = state();
            let mut last = None;
            for (at, a) in answers {
                let before = state.failures();
                let answer = [Good, Failed, Unknown][usize::from(a)];
                if let Some(facts) = state.observe(Time(at), &said(answer), failures, Span(patience)) {
                    prop_assert_ne!(last, Some(facts.verdict));
                    if facts.verdict == Verdict::Failing {
                        prop_assert!(before + 1 >= failures.max(1));
                    }
                    last = Some(facts.verdict);
                }
                prop_assert_eq!(state.verdict(), last);
                if answer == Good {
                    prop_assert_eq!(last, Some(Verdict::Passing));
                }
            }
        }
    }
}
