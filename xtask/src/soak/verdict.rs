//! Whether log, engine and those who got an answer agree. Pure.

use super::lane::Lived;
use crate::bench::containers::Event;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Findings told one by one; more are only counted.
const TOLD: usize = 50;

/// All lanes together.
#[derive(Debug, Default)]
pub struct Verdict {
    pub kills: u64,
    pub posted: u64,
    pub dropped: u64,
    pub lost: u64,
    pub doubled: u64,
    pub ordered: u64,
    pub done: u64,
    pub started: u64,
    pub missing: u64,
    pub extra: u64,
    pub approved: u64,
    pub unended: u64,
    pub elected: u64,
    pub records: u64,
    pub findings: Vec<String>,
}

/// The steps of one service, by what became of them.
#[derive(Debug, Default)]
struct Steps {
    ordered: BTreeSet<Key>,
    /// Outcome of each that ended.
    ended: BTreeMap<Key, String>,
}

/// Action, occurrence, step, attempt.
type Key = (String, u64, u64, u64);

impl Verdict {
    /// Takes in what a lane left; `starts` are the engine's events of all lanes.
    pub fn add(&mut self, lived: &Lived, starts: &[Event]) -> Result<()> {
        self.kills += lived.kills;
        self.records += lived.records;
        let said = &lived.acknowledged;
        self.posted += said.posted.len() as u64;
        self.dropped += said.dropped.len() as u64;
        self.reports(lived, "soak_posted", &said.posted);
        self.reports(lived, "soak_dropped", &said.dropped);
        self.actions(lived);
        self.restarts(lived, starts)?;
        self.elected += of_kind(lived, "leader_elected").count() as u64;
        if lived.records < lived.events.len() as u64 {
            self.find(format!(
                "lane {}: {} events were read, but only {} records are sound",
                lived.number,
                lived.events.len(),
                lived.records
            ));
        }
        Ok(())
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < TOLD {
            self.findings.push(finding);
        }
    }

    /// Each event that was acknowledged is in the log once; none is there twice, acknowledged or not.
    fn reports(&mut self, lived: &Lived, kind: &str, acknowledged: &BTreeSet<u64>) {
        let mut times: BTreeMap<u64, u64> = BTreeMap::new();
        for event in of_kind(lived, kind) {
            if let Some(n) = event["data"]["n"].as_u64() {
                *times.entry(n).or_default() += 1;
            }
        }
        for n in acknowledged {
            if !times.contains_key(n) {
                self.lost += 1;
                self.find(format!(
                    "lane {}: {kind} {n} was acknowledged and is lost",
                    lived.number
                ));
            }
        }
        for (n, times) in times.into_iter().filter(|(_, times)| *times > 1) {
            self.doubled += times - 1;
            self.find(format!(
                "lane {}: {kind} {n} is there {times} times",
                lived.number
            ));
        }
    }

    /// Each approval that was answered is in the log, and its action ended.
    fn actions(&mut self, lived: &Lived) {
        let of = |kinds: &[&str]| -> BTreeSet<(String, u64)> {
            let wanted = |event: &&Value| kinds.iter().any(|kind| event["kind"] == *kind);
            let events = lived.events.iter().filter(wanted);
            events.filter_map(action_of).collect()
        };
        let (approved, ended) = (
            of(&["action_approved"]),
            of(&[
                "action_completed",
                "action_failed",
                "action_cancelled",
                "action_rejected",
            ]),
        );
        self.approved += lived.acknowledged.approved.len() as u64;
        for (id, occurrence) in &lived.acknowledged.approved {
            let key = (id.clone(), *occurrence);
            if !approved.contains(&key) {
                self.lost += 1;
                self.find(format!(
                    "lane {}: the approval of {id}#{occurrence} is lost",
                    lived.number
                ));
            }
        }
        for (id, occurrence) in approved.difference(&ended) {
            self.unended += 1;
            self.find(format!(
                "lane {}: {id}#{occurrence} was approved and did not end",
                lived.number
            ));
        }
    }

    /// Each restart that is said to be done happened once; one whose end nobody saw, once at most; no other happened.
    fn restarts(&mut self, lived: &Lived, starts: &[Event]) -> Result<()> {
        for (n, container) in lived.containers.iter().enumerate() {
            let steps = steps(lived, n)?;
            let seen = |event: &&Event| event.name == *container && event.action == "start";
            let started = starts.iter().filter(seen).count() as u64;
            let with =
                |outcome: &str| steps.ended.values().filter(|o| *o == outcome).count() as u64;
            let (ordered, done, refused) =
                (steps.ordered.len() as u64, with("done"), with("refused"));
            self.ordered += ordered;
            self.done += done;
            self.started += started;
            let (least, most) = (done, ordered.saturating_sub(refused));
            if started < least {
                self.missing += least - started;
            }
            if started > most {
                self.extra += started - most;
            }
            if !(least..=most).contains(&started) {
                self.find(format!(
                    "{container}: {ordered} restarts ordered, {done} done, {refused} refused, but the engine saw \
                     {started} starts"
                ));
            }
        }
        Ok(())
    }
}

fn of_kind<'a>(lived: &'a Lived, kind: &str) -> impl Iterator<Item = &'a Value> {
    lived
        .events
        .iter()
        .filter(move |event| event["kind"] == kind)
}

fn action_of(event: &Value) -> Option<(String, u64)> {
    let data = &event["data"];
    Some((
        data["action"].as_str()?.to_owned(),
        data["occurrence"].as_u64()?,
    ))
}

/// The restarts of the lane's service `n`: `auto-N` or `asks-N`.
fn steps(lived: &Lived, n: usize) -> Result<Steps> {
    let mut steps = Steps::default();
    for kind in ["action_step_started", "action_step_ended"] {
        for event in of_kind(lived, kind) {
            let data = &event["data"];
            let (action, occurrence) = action_of(event).context("a step without an action")?;
            let number = |key: &str| data[key].as_u64().context("a step without a number");
            let key = (action, occurrence, number("step")?, number("attempt")?);
            if !key.0.ends_with(&format!("-{n}")) {
                continue;
            }
            if kind == "action_step_started" {
                steps.ordered.insert(key);
            } else {
                let outcome = data["outcome"]
                    .as_str()
                    .context("an end without an outcome")?;
                steps.ended.insert(key, outcome.to_owned());
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::super::load::Acknowledged;
    use super::*;
    use serde_json::json;

    fn step(kind: &str, attempt: u64, outcome: &str) -> Value {
        json!({ "kind": kind, "data": { "action": "container-restart-bench-auto-0", "occurrence": 1, "step": 0,
            "attempt": attempt, "outcome": outcome } })
    }

    fn judged(events: Vec<Value>, acknowledged: Acknowledged, starts: usize) -> Verdict {
        let start = Event {
            name: "c".into(),
            action: "start".into(),
            nanos: 0,
        };
        let lived = Lived {
            number: 0,
            kills: 1,
            containers: vec!["c".into()],
            acknowledged,
            records: events.len() as u64,
            events,
        };
        let mut verdict = Verdict::default();
        verdict.add(&lived, &vec![start; starts]).unwrap();
        verdict
    }

    #[test]
    fn what_was_acknowledged_must_be_there_once() {
        let mark = |n: u64| json!({ "kind": "soak_posted", "data": { "n": n } });
        let acknowledged = || Acknowledged {
            posted: [1, 2].into(),
            ..Acknowledged::default()
        };
        let good = judged(vec![mark(1), mark(2), mark(3)], acknowledged(), 0);
        assert!(good.findings.is_empty(), "{good:?}");
        assert_eq!(judged(vec![mark(1)], acknowledged(), 0).lost, 1);
        assert_eq!(
            judged(vec![mark(1), mark(2), mark(2)], acknowledged(), 0).doubled,
            1
        );
    }

    #[test]
    fn a_restart_that_is_done_happened_once_and_an_unknown_one_at_most() {
        let ordered = |attempt| step("action_step_started", attempt, "");
        let ended = |attempt, outcome| step("action_step_ended", attempt, outcome);
        let none = Acknowledged::default;
        for (starts, good) in [(0, false), (1, true), (2, false)] {
            let verdict = judged(vec![ordered(1), ended(1, "done")], none(), starts);
            assert_eq!(verdict.findings.is_empty(), good, "{starts}: {verdict:?}");
        }
        let unknown = vec![
            ordered(1),
            ended(1, "unknown"),
            ordered(2),
            ended(2, "done"),
        ];
        for (starts, extra) in [(1, 0), (2, 0), (3, 1)] {
            assert_eq!(judged(unknown.clone(), none(), starts).extra, extra);
        }
        let refused = vec![ordered(1), ended(1, "refused")];
        assert_eq!(judged(refused, none(), 1).extra, 1);
    }

    #[test]
    fn an_approved_action_ends() {
        let event =
            |kind: &str| json!({ "kind": kind, "data": { "action": "a-9", "occurrence": 2 } });
        let acknowledged = || Acknowledged {
            approved: [("a-9".to_owned(), 2)].into(),
            ..Acknowledged::default()
        };
        let good = judged(
            vec![event("action_approved"), event("action_failed")],
            acknowledged(),
            0,
        );
        assert!(good.findings.is_empty(), "{good:?}");
        assert_eq!(
            judged(vec![event("action_approved")], acknowledged(), 0).unended,
            1
        );
        assert_eq!(judged(vec![], acknowledged(), 0).lost, 1);
    }
}
