//! Which checks are due, and what their answers mean. Pure: who asks and when is somebody else's.
//!
//! Bounds: [`AT_ONCE`] questions under way; a check is never asked twice at once.

use std::collections::BTreeMap;

use stead_core::desired::{Check, Node, Probe};
use stead_core::facts::{Fact, FactKey};
use stead_core::ids::{CheckName, ServiceName};
use stead_core::judge::{Answer, CheckState, ProbeResult, Schedule};
use stead_core::time::{Span, Time};

use crate::board::Change;

/// Questions under way at once.
pub const AT_ONCE: usize = 32;

pub type Key = (ServiceName, CheckName);

/// All checks of a node.
#[derive(Debug, Default)]
pub struct Checks {
    items: BTreeMap<Key, Item>,
    running: usize,
}

#[derive(Debug)]
struct Item {
    check: Check,
    failures: u32,
    patience: Span,
    /// What fails this soon after its service started is still starting.
    start: Span,
    schedule: Schedule,
    state: CheckState,
    /// Number of the question under way: an answer to an earlier one, from before the check was changed, is no answer.
    asked: Option<u64>,
}

/// One question to ask now.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub key: Key,
    pub number: u64,
    pub probe: Probe,
    pub timeout: Span,
}

impl Checks {
    /// Takes the checks of a new bundle. What did not change keeps its state; what is left out is told as gone.
    pub fn set(&mut self, node: &Node, steady: Time) -> Vec<Change> {
        let mut items = BTreeMap::new();
        for (service, desired) in node.services.iter().filter(|(_, s)| s.monitor) {
            for check in desired.effective_checks() {
                let failures = check.failures.unwrap_or(desired.patience.failures);
                let patience = desired.patience.time;
                let start = desired.patience.start;
                let key = (service.clone(), check.name.clone());
                let same = |item: &Item| {
                    item.check == check && item.failures == failures && item.patience == patience
                };
                let item = match self.items.remove(&key) {
                    Some(item) if same(&item) => Item { start, ..item },
                    before => {
                        // Asked by somebody else's words now, but the place under way is still taken.
                        self.running -= usize::from(before.is_some_and(|b| b.asked.is_some()));
                        let schedule =
                            Schedule::new(&format!("{}/{}", key.0, key.1), check.every, steady);
                        let state = CheckState::new(&check.probe);
                        Item {
                            failures,
                            patience,
                            start,
                            schedule,
                            state,
                            asked: None,
                            check,
                        }
                    }
                };
                items.insert(key, item);
            }
        }
        let gone = std::mem::replace(&mut self.items, items);
        self.running -= gone.values().filter(|item| item.asked.is_some()).count();
        gone.into_keys()
            .map(|(service, check)| (FactKey::Check(service, check), None))
            .collect()
    }

    /// What is due at `steady`, as many as may be asked; `number` makes questions unique.
    pub fn due(&mut self, steady: Time, number: &mut u64) -> Vec<Question> {
        let mut due = Vec::new();
        for (key, item) in &mut self.items {
            if self.running >= AT_ONCE {
                break;
            }
            if item.asked.is_some() || !item.schedule.take(steady) {
                continue;
            }
            *number += 1;
            item.asked = Some(*number);
            self.running += 1;
            let (probe, timeout) = (item.check.probe.clone(), item.check.timeout);
            due.push(Question {
                key: key.clone(),
                number: *number,
                probe,
                timeout,
            });
        }
        due
    }

    /// When to look again; `None`: only when something changes.
    pub fn next(&self, steady: Time) -> Option<Time> {
        if self.running >= AT_ONCE {
            return None;
        }
        self.items
            .values()
            .filter(|i| i.asked.is_none())
            .map(|i| i.schedule.next(steady))
            .min()
    }

    /// Whether an answer of this check is only judged knowing when its service started.
    pub fn asks_start(&self, key: &Key) -> bool {
        self.items
            .get(key)
            .is_some_and(|item| !item.start.is_zero())
    }

    /// Takes an answer; returns what it changes. `started`: when its service was last started, as far as that is known.
    pub fn answered(
        &mut self,
        key: &Key,
        number: u64,
        wall: Time,
        result: &ProbeResult,
        started: Option<Time>,
    ) -> Option<Change> {
        let item = self
            .items
            .get_mut(key)
            .filter(|item| item.asked == Some(number))?;
        item.asked = None;
        self.running -= 1;
        let starting = started.is_some_and(|at| wall.since(at) < item.start);
        if starting && result.outcome == Answer::Failed {
            return None;
        }
        let facts = item
            .state
            .observe(wall, result, item.failures, item.patience)?;
        let (service, check) = key.clone();
        Some((FactKey::Check(service, check), Some(Fact::Check(facts))))
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_core::desired::{Patience, Service, ServiceKind};
    use stead_core::facts::Verdict;

    fn check(name: &str, port: u16) -> Check {
        let probe = Probe::Tcp {
            host: "h".into(),
            port,
        };
        let name = name.parse().expect("name");
        Check {
            name,
            probe,
            every: Span::secs(1),
            timeout: Span::secs(1),
            failures: None,
        }
    }
    fn node(checks: Vec<Check>) -> Node {
        let service = Service {
            kind: ServiceKind::External,
            monitor: true,
            suspended: false,
            needs: vec![],
            patience: Patience {
                failures: 2,
                time: Span::ZERO,
                ..Patience::default()
            },
            checks,
        };
        Node {
            services: [("web".parse().expect("name"), service)].into(),
            ..Default::default()
        }
    }
    fn answer(outcome: Answer) -> ProbeResult {
        ProbeResult {
            outcome,
            answer: "said".into(),
            took: Span::ZERO,
        }
    }

    /// Asks all that is due each 100 ms from `from`, answering at once.
    fn run(checks: &mut Checks, from: i64, to: i64, outcome: Answer) -> (usize, Vec<Change>) {
        let (mut asked, mut changes, mut number) = (0, vec![], from as u64);
        for at in (from..to).step_by(100) {
            for question in checks.due(Time(at), &mut number) {
                asked += 1;
                changes.extend(checks.answered(
                    &question.key,
                    question.number,
                    Time(at),
                    &answer(outcome),
                    None,
                ));
            }
        }
        (asked, changes)
    }

    #[test]
    fn a_check_is_asked_at_its_interval_and_told_when_its_verdict_changes() {
        let mut checks = Checks::default();
        assert!(checks.set(&node(vec![check("tcp", 1)]), Time(0)).is_empty());
        let (asked, changes) = run(&mut checks, 0, 10_000, Answer::Ok);
        assert!((9..=11).contains(&asked), "{asked}");
        assert_eq!(changes.len(), 1);
        let (_, changes) = run(&mut checks, 10_000, 20_000, Answer::Failed);
        assert_eq!(changes.len(), 1);
        assert!(matches!(&changes[0].1, Some(Fact::Check(c)) if c.verdict == Verdict::Failing));
    }

    #[test]
    fn what_did_not_change_keeps_its_state_and_what_left_is_gone() {
        let mut checks = Checks::default();
        checks.set(&node(vec![check("a", 1), check("b", 2)]), Time(0));
        run(&mut checks, 0, 3000, Answer::Ok);
        let gone = checks.set(&node(vec![check("a", 1)]), Time(3000));
        assert_eq!(gone.len(), 1);
        assert!(gone[0].1.is_none());
        let (_, changes) = run(&mut checks, 3000, 6000, Answer::Ok);
        assert!(changes.is_empty(), "it was passing before: {changes:?}");
        checks.set(&node(vec![check("a", 9)]), Time(6000));
        let (_, changes) = run(&mut checks, 6000, 9000, Answer::Ok);
        assert_eq!(changes.len(), 1, "another question has another answer");
    }

    #[test]
    fn an_answer_to_a_question_that_was_changed_meanwhile_is_none() {
        let mut checks = Checks::default();
        checks.set(&node(vec![check("a", 1)]), Time(0));
        let mut number = 0;
        let old = checks.due(Time(5000), &mut number).remove(0);
        checks.set(&node(vec![check("a", 2)]), Time(5000));
        assert_eq!(
            checks.answered(&old.key, old.number, Time(5000), &answer(Answer::Ok), None),
            None
        );
        assert_eq!(checks.running, 0);
        assert_eq!(checks.due(Time(20_000), &mut number).len(), 1);
    }

    #[test]
    fn what_fails_in_its_start_period_does_not_count() {
        let mut starting = node(vec![check("a", 1)]);
        for service in starting.services.values_mut() {
            service.patience.start = Span::secs(30);
            service.patience.failures = 1;
        }
        let mut checks = Checks::default();
        checks.set(&starting, Time(0));
        let mut number = 0;
        let mut ask = |checks: &mut Checks, at: i64, outcome, started| {
            let question = checks.due(Time(at), &mut number).remove(0);
            let key = question.key.clone();
            assert!(checks.asks_start(&key));
            let change = checks.answered(&key, number, Time(at), &answer(outcome), started);
            change.and_then(|(_, fact)| match fact {
                Some(Fact::Check(facts)) => Some(facts.verdict),
                _ => None,
            })
        };
        let started = Some(Time(5_000));
        assert_eq!(ask(&mut checks, 6_000, Answer::Failed, started), None);
        let well = ask(&mut checks, 10_000, Answer::Ok, started);
        assert_eq!(well, Some(Verdict::Passing), "well is well at once");
        assert_eq!(ask(&mut checks, 34_000, Answer::Failed, started), None);
        let over = ask(&mut checks, 36_000, Answer::Failed, started);
        assert_eq!(over, Some(Verdict::Failing));
        ask(&mut checks, 40_000, Answer::Ok, None);
        let unknown = ask(&mut checks, 50_000, Answer::Failed, None);
        assert_eq!(unknown, Some(Verdict::Failing), "nobody knows its start");
    }

    #[test]
    fn no_more_are_under_way_than_the_bound_and_the_others_get_their_turn() {
        let mut checks = Checks::default();
        let many = (0..100).map(|n| check(&format!("c{n}"), n)).collect();
        checks.set(&node(many), Time(0));
        let mut number = 0;
        let first = checks.due(Time(60_000), &mut number);
        assert_eq!(first.len(), AT_ONCE);
        assert!(checks.due(Time(60_000), &mut number).is_empty());
        assert_eq!(checks.next(Time(60_000)), None);
        let mut seen: std::collections::BTreeSet<Key> =
            first.iter().map(|q| q.key.clone()).collect();
        let mut asked = first;
        while !asked.is_empty() {
            for question in asked {
                checks.answered(
                    &question.key,
                    question.number,
                    Time(60_000),
                    &answer(Answer::Ok),
                    None,
                );
            }
            asked = checks.due(Time(60_000), &mut number);
            seen.extend(asked.iter().map(|q| q.key.clone()));
        }
        assert_eq!(seen.len(), 100);
    }
}
