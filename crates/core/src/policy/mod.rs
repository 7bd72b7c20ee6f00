//! Policy: may this happen without asking? Always answered with the rule that decided, and the limit that holds it where
//! one does.
//!
//! | module | its noun |
//! |---|---|
//! | this | the verdict |
//! | [`rules`] | which rule of the files speaks, now |
//! | [`limits`] | what holds even that which may |
//! | [`waits`] | why an approved action does not start yet |

pub mod limits;
pub mod rules;
mod waits;

pub use rules::{glob, progress};
pub use waits::{counts, is_told, waits_for};

use alloc::format;
use alloc::string::String;

use crate::action::{Action, ActionKind, Risk, Trigger};
use crate::facts::ContainerState;
use crate::planted::Bug;
use crate::subject::Subject;
use crate::time::Time;
use crate::world::World;

/// The instant a decision is made at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    pub at: Time,
    /// Minute of the day where the owner lives, 0–1439: what `between:` of a rule is about.
    pub minute: u16,
    /// The day where the owner lives, in days since 1970-01-01.
    pub day: i32,
}

impl Now {
    /// The same instant for an owner who lives at UTC.
    pub fn utc(at: Time) -> Now {
        let minutes = at.0.div_euclid(60_000);
        Now {
            at,
            minute: u16::try_from(minutes.rem_euclid(1440)).unwrap_or(0),
            day: i32::try_from(minutes.div_euclid(1440)).unwrap_or(0),
        }
    }
}

/// Whether an action may run without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may.
    Ready,
    /// A person decides.
    Ask,
    /// A rule lets it, a limit does not now; a person may still approve it.
    Refused,
}

impl Answer {
    pub fn word(self) -> &'static str {
        match self {
            Answer::Ready => "ready",
            Answer::Ask => "ask",
            Answer::Refused => "refused",
        }
    }
}

/// What policy says about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub answer: Answer,
    /// What decided: `policy.rules[2]`, or a built-in rule in words.
    pub rule: String,
    /// What holds it although the rule lets it.
    pub limit: Option<String>,
}

/// The words of a verdict's text, which the log keeps.
const AUTOMATIC: &str = "automatic: ";
const ASKS: &str = "asks a person: ";
const HELD: &str = "not automatic now: ";
const ELSE: &str = " (else automatic: ";

impl Verdict {
    fn ready(rule: impl Into<String>) -> Verdict {
        Verdict {
            answer: Answer::Ready,
            rule: rule.into(),
            limit: None,
        }
    }
    fn ask(rule: impl Into<String>) -> Verdict {
        Verdict {
            answer: Answer::Ask,
            ..Verdict::ready(rule)
        }
    }
    /// Back from its own text, as the log keeps it; whatever else stands there asks.
    pub fn read(text: &str) -> Verdict {
        if let Some(rule) = text.strip_prefix(AUTOMATIC) {
            return Verdict::ready(rule);
        }
        if let Some(held) = text.strip_prefix(HELD) {
            let (limit, rule) = match held.strip_suffix(')').and_then(|h| h.rsplit_once(ELSE)) {
                Some((limit, rule)) => (Some(String::from(limit)), rule),
                None => (None, held),
            };
            return Verdict {
                answer: Answer::Refused,
                limit,
                ..Verdict::ready(rule)
            };
        }
        Verdict::ask(text.strip_prefix(ASKS).unwrap_or(text))
    }

    /// For people.
    pub fn text(&self) -> String {
        let rule = &self.rule;
        match (self.answer, &self.limit) {
            (Answer::Ready, _) => format!("{AUTOMATIC}{rule}"),
            (Answer::Ask, _) => format!("{ASKS}{rule}"),
            (Answer::Refused, Some(limit)) => format!("{HELD}{limit}{ELSE}{rule})"),
            (Answer::Refused, None) => format!("{HELD}{rule}"),
        }
    }
}

/// Reviews a pending action.
pub fn review(world: &World, action: &Action, now: Now) -> Verdict {
    let permitted = permit(world, action, now);
    if permitted.answer != Answer::Ready {
        return permitted;
    }
    match limits::holding(world, action, now) {
        Some(limit) => Verdict {
            answer: Answer::Refused,
            limit: Some(limit),
            ..permitted
        },
        None => permitted,
    }
}

/// What the rules say, before any limit.
fn permit(world: &World, action: &Action, now: Now) -> Verdict {
    if action.risk == Risk::Destructive || action.level > 2 {
        return Verdict::ask("what destroys is never automatic");
    }
    if stopped_by_person(world, &action.key.subject) && !world.planted.on(Bug::PersonsStopIgnored) {
        return Verdict::ask("a person stopped it");
    }
    if action.trigger == Trigger::UnitInactive {
        return Verdict::ask("the unit was stopped, it did not fail");
    }
    let memory = world.actions.memory.get(&action.key);
    if memory.is_some_and(|m| m.unknown) {
        return Verdict::ask("nobody knows how the last attempt ended");
    }
    if action.key.kind == ActionKind::WorkloadStop && action.trigger == Trigger::Suspended {
        // The owner's files say that it must not run; a rule may still say that it asks.
        let verdict = rules::permit(world, action, now);
        return match verdict.rule.starts_with("policy.rules") {
            true => verdict,
            false => Verdict::ready("what the files suspend is stopped"),
        };
    }
    if is_canary(world, action) {
        return Verdict::ready("the canary is Stead's own");
    }
    rules::permit(world, action, now)
}

/// Repairs of the canary prove that repairs work: they wait for nobody.
fn is_canary(world: &World, action: &Action) -> bool {
    rules::is_practice(world, &action.key.subject)
        && matches!(
            action.key.kind,
            ActionKind::ContainerRestart | ActionKind::Redeploy
        )
}

fn stopped_by_person(world: &World, subject: &Subject) -> bool {
    let stopped =
        |c: &crate::facts::ContainerFacts| c.stopped_by_person && c.state == ContainerState::Exited;
    match subject {
        Subject::Service(node, name) => {
            let (Some(state), Some(service)) = (world.node(node), world.fleet.service(node, name))
            else {
                return false;
            };
            crate::assess::containers(state, name, service)
                .iter()
                .any(|(_, c, _)| stopped(c))
        }
        Subject::Container(node, name) => world
            .node(node)
            .and_then(|state| state.container(name))
            .is_some_and(stopped),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_verdict_comes_back_from_its_text() {
        let limit = "policy.limits.per_target_per_hour: 3 of 3 used".to_string();
        for verdict in [
            Verdict::ready("policy.rules[0]"),
            Verdict::ask("level 2 is above policy.automatic.max_level 1"),
            Verdict {
                answer: Answer::Refused,
                limit: Some(limit),
                ..Verdict::ready("policy.rules[1] (at night)")
            },
            Verdict {
                answer: Answer::Refused,
                ..Verdict::ready("policy.rules[1]")
            },
        ] {
            assert_eq!(Verdict::read(&verdict.text()), verdict);
        }
        assert_eq!(Verdict::read("something older").answer, Answer::Ask);
    }
}
