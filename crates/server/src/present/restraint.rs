//! What keeps Stead from acting by itself, in words: verdicts, locks, the brake.

use stead_core::action::{Action, Link, Principal, State};
use stead_core::brake;
use stead_core::lock::{self, LockKey};
use stead_core::policy::{self, Verdict};
use stead_core::subject::Subject;
use stead_protocol::api;

use super::{Look, at};

/// What policy says of an action: now while nobody approved it, else what it said then.
pub(super) fn verdict(look: Look<'_>, a: &Action) -> Option<api::Verdict> {
    if a.direct {
        return None;
    }
    if a.state == State::Pending {
        return Some(shown(&policy::review(look.world, a, look.now)));
    }
    if a.approved_by == Some(Principal::Policy) {
        let rule = last(a, "approval").and_then(|link| link.rule.clone())?;
        let text = format!("automatic: {rule}");
        return Some(api::Verdict {
            answer: "ready".to_string(),
            rule,
            limit: None,
            text,
        });
    }
    last(a, "policy").and_then(|link| read_verdict(&link.text))
}

fn last<'a>(a: &'a Action, stage: &str) -> Option<&'a Link> {
    a.chain.iter().rev().find(|link| link.stage == stage)
}

pub(super) fn shown(verdict: &Verdict) -> api::Verdict {
    api::Verdict {
        answer: verdict.answer.word().to_string(),
        rule: verdict.rule.clone(),
        limit: verdict.limit.clone(),
        text: verdict.text(),
    }
}

/// A verdict as the log keeps it: the text that [`Verdict::text`] writes.
pub(super) fn read_verdict(text: &str) -> Option<api::Verdict> {
    let (answer, rule, limit) = if let Some(rule) = text.strip_prefix("automatic: ") {
        ("ready", rule, None)
    } else if let Some(rule) = text.strip_prefix("asks a person: ") {
        ("ask", rule, None)
    } else {
        let held = text.strip_prefix("not automatic now: ")?;
        let parts = held.strip_suffix(')').unwrap_or(held);
        match parts.rsplit_once(" (else automatic: ") {
            Some((limit, rule)) => ("refused", rule, Some(limit.to_string())),
            None => ("refused", held, None),
        }
    };
    Some(api::Verdict {
        answer: answer.to_string(),
        rule: rule.to_string(),
        limit,
        text: text.to_string(),
    })
}

fn row((key, held): (&LockKey, &lock::Lock)) -> api::Lock {
    api::Lock {
        target: key.target.to_string(),
        lock: key.lock.word().to_string(),
        by: held.by.to_string(),
        why: held.why.clone(),
        since: held.since.to_string(),
        until: held.until.to_string(),
        heartbeat_ms: held.heartbeat.map(|every| every.0),
        stale: at(held.stale),
        seq: held.seq.0,
        text: lock::text(key, held),
    }
}

/// Every lock that holds now, the soonest to end first.
pub fn locks(look: Look<'_>) -> Vec<api::Lock> {
    let mut held: Vec<_> = look
        .world
        .locks
        .iter()
        .filter(|(_, l)| look.now.at < l.until)
        .collect();
    held.sort_by_key(|(key, l)| (l.until, (*key).clone()));
    held.into_iter().map(row).collect()
}

/// The locks that hold `subject` now, its own and those around it.
pub fn locks_on(look: Look<'_>, subject: &Subject) -> Vec<api::Lock> {
    lock::holding(look.world, subject, look.now.at)
        .map(row)
        .collect()
}

/// The lock that holds `subject` hardest: one that holds people too before one that does not, then the last to end.
pub(super) fn held(look: Look<'_>, subject: &Subject) -> Option<api::Held> {
    let locks = lock::holding(look.world, subject, look.now.at);
    let (key, held) = locks.max_by_key(|(key, l)| (key.lock.holds_people(), l.until))?;
    Some(api::Held {
        target: key.target.to_string(),
        lock: key.lock.word().to_string(),
        by: held.by.to_string(),
        why: held.why.clone(),
        until: held.until.to_string(),
        text: lock::text(key, held),
    })
}

pub fn brake(look: Look<'_>) -> api::Brake {
    let brake = &look.world.brake;
    let limit = brake::share(look.world);
    let engaged = brake.engaged.as_ref();
    let text = policy::limits::brake(look.world).unwrap_or_else(|| {
        format!(
            "not engaged: it takes {} services or more, and {limit} % of those that can be judged, drifting within {}",
            brake::AT_LEAST,
            brake::WINDOW
        )
    });
    let remedy = "see `stead drift` for what drifts; mend the cause, or let repairs go on: stead brake release";
    api::Brake {
        engaged: engaged.is_some(),
        since: engaged.map(|e| e.since.to_string()),
        drifting: engaged.map_or(0, |e| e.drifting),
        fresh: engaged.map_or(0, |e| e.fresh),
        limit,
        at_least: u32::try_from(brake::AT_LEAST).unwrap_or(u32::MAX),
        window_ms: brake::WINDOW.0,
        released_at: at(brake.released_at),
        seq: engaged.map(|e| e.seq.0),
        text,
        remedy: engaged.map(|_| remedy.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use stead_core::policy::{Answer, Verdict};

    use super::{read_verdict, shown};

    #[test]
    fn a_verdict_is_read_back_as_it_was_written() {
        for (answer, limit) in [
            (Answer::Ready, None),
            (Answer::Ask, None),
            (
                Answer::Refused,
                Some("3 of 3 used (in an hour)".to_string()),
            ),
        ] {
            let verdict = Verdict {
                answer,
                rule: "policy.rules[2] (earned)".to_string(),
                limit,
            };
            assert_eq!(read_verdict(&verdict.text()), Some(shown(&verdict)));
        }
        assert_eq!(read_verdict("the plan changed: another image"), None);
    }
}
