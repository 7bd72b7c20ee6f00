//! Policy: may this happen without asking? Always answered with the rule or the limit that decided.

use alloc::format;
use alloc::string::{String, ToString};

use crate::action::{Action, Risk};
use crate::desired::{Access, Rule, Service};
use crate::facts::ContainerState;
use crate::subject::Subject;
use crate::time::{Span, Time};
use crate::world::{EvidenceState, Status, World};

/// The instant a decision is made at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    pub at: Time,
    /// Minute of the day where the owner lives, 0–1439: what `between:` of a rule is about.
    pub minute: u16,
}

/// What policy says about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may run without asking.
    Ready { rule: String },
    /// A person decides.
    Ask { rule: String },
    /// It must not run now, whoever asks by policy; a person may still approve it.
    Refused { rule: String },
}

impl Verdict {
    pub fn rule(&self) -> &str {
        match self {
            Verdict::Ready { rule } | Verdict::Ask { rule } | Verdict::Refused { rule } => rule,
        }
    }
    /// For people.
    pub fn text(&self) -> String {
        match self {
            Verdict::Ready { rule } => format!("automatic: {rule}"),
            Verdict::Ask { rule } => format!("asks a person: {rule}"),
            Verdict::Refused { rule } => format!("not automatic now: {rule}"),
        }
    }
}

/// Reviews a pending action.
pub fn review(world: &World, action: &Action, now: Now) -> Verdict {
    let ask = |rule: String| Verdict::Ask { rule };
    if action.risk == Risk::Destructive {
        return ask("what destroys is never automatic".to_string());
    }
    if stopped_by_person(world, &action.key.subject) {
        return ask("a person stopped it".to_string());
    }
    let memory = world.actions.memory.get(&action.key);
    if memory.is_some_and(|m| m.unknown) {
        return ask("nobody knows how the last attempt ended".to_string());
    }
    let policy = &world.fleet.policy;
    let hit = policy
        .rules
        .iter()
        .enumerate()
        .find(|(_, rule)| matches(rule, action, now));
    let rule = match hit {
        Some((i, rule)) if rule.automatic => format!("policy.rules[{i}]"),
        Some((i, _)) => return ask(format!("policy.rules[{i}]")),
        None if action.level <= policy.automatic.max_level && action.risk == Risk::Low => {
            format!(
                "policy.automatic.max_level {} covers level {}",
                policy.automatic.max_level, action.level
            )
        }
        None if action.risk != Risk::Low => {
            return ask(format!(
                "no rule names it, and its risk is {}",
                action.risk.word()
            ));
        }
        None => {
            return ask(format!(
                "level {} is above policy.automatic.max_level {}",
                action.level, policy.automatic.max_level
            ));
        }
    };
    let limit = policy.limits.per_target_per_hour;
    let used = starts_within(world, &action.key.subject, now.at, Span::hours(1));
    if used >= limit {
        let rule = format!("policy.limits.per_target_per_hour: {used} of {limit} used");
        return Verdict::Refused { rule };
    }
    Verdict::Ready { rule }
}

/// Automatic repairs of `subject` that started within `span` before `now`.
pub fn starts_within(world: &World, subject: &Subject, now: Time, span: Span) -> u32 {
    let starts = world.actions.starts.get(subject);
    starts.map_or(0, |s| {
        s.iter().filter(|at| now.since(**at) < span).count() as u32
    })
}

fn stopped_by_person(world: &World, subject: &Subject) -> bool {
    let Subject::Service(node, name) = subject else {
        return false;
    };
    let (Some(state), Some(service)) = (world.node(node), world.fleet.service(node, name)) else {
        return false;
    };
    crate::assess::containers(state, name, service)
        .iter()
        .any(|(_, c, _)| c.stopped_by_person && c.state == ContainerState::Exited)
}

fn matches(rule: &Rule, action: &Action, now: Now) -> bool {
    let m = &rule.matches;
    if m.action.is_none() && m.node.is_none() && m.service.is_none() {
        return false;
    }
    let node = action.key.subject.node().map_or("", |n| n.as_str());
    let service = action.key.subject.service().map_or("", |s| s.as_str());
    let fits =
        |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|p| glob(p, text));
    fits(&m.action, action.key.kind.word())
        && fits(&m.node, node)
        && fits(&m.service, service)
        && rule.between.is_none_or(|w| w.contains(now.minute))
}

/// Whether `text` matches `pattern`, where `*` is any text and `?` any character.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (alloc::vec::Vec<char>, alloc::vec::Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((si, sj)) = star {
            i = si + 1;
            j = sj + 1;
            star = Some((si, sj + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

/// Why an approved action does not start yet, for people; `None`: it may start.
pub fn waits_for(world: &World, action: &Action) -> Option<String> {
    let node = action.key.subject.node()?;
    let desired = world.fleet.nodes.get(node);
    if desired.is_some_and(|n| n.access == Access::Inspector) {
        return Some(format!(
            "{node} is `access: inspector`: nothing may be changed there"
        ));
    }
    let Some(state) = world.node(node).filter(|s| s.ever_synced) else {
        return Some(format!("an agent on {node}: none has connected yet"));
    };
    match state.evidence.state {
        EvidenceState::Fresh => {}
        EvidenceState::Unknown => return Some(format!("the agent of {node} to connect")),
        EvidenceState::Stale | EvidenceState::Offline => {
            return Some(format!("the agent of {node}: it is silent"));
        }
    }
    if state.host().is_some_and(|h| h.read_only) {
        return Some(format!(
            "the agent of {node} runs with --read-only: it changes nothing"
        ));
    }
    if !crate::plan::has_known_target(&action.plan) {
        return Some(format!("{node} to say which container it is"));
    }
    let limits = &world.fleet.policy.limits;
    let mut running = 0;
    let mut here = 0;
    for other in world
        .actions
        .open
        .values()
        .filter(|a| a.state == crate::action::State::Running)
    {
        running += 1;
        if other.key.subject == action.key.subject {
            return Some(format!(
                "{} to end: one at a time on a target",
                other.label()
            ));
        }
        here += u32::from(other.key.subject.node() == Some(node));
    }
    if here >= limits.concurrent_per_node {
        return Some(format!(
            "other work on {node} (concurrent_per_node {})",
            limits.concurrent_per_node
        ));
    }
    if running >= limits.concurrent {
        return Some(format!(
            "other work in the fleet (concurrent {})",
            limits.concurrent
        ));
    }
    needs(world, action)
}

fn needs(world: &World, action: &Action) -> Option<String> {
    let Subject::Service(node, service) = &action.key.subject else {
        return None;
    };
    let desired: &Service = world.fleet.service(node, service)?;
    let ill = |s: &&crate::ids::ServiceName| {
        matches!(
            world.memory(node, s).map(|m| m.status),
            Some(Status::Unhealthy | Status::Missing)
        ) && world.fleet.service(node, s).is_some_and(|s| s.monitor)
    };
    let first = desired.needs.iter().find(ill)?;
    (!action.direct).then(|| format!("{first} to be well first"))
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs_match_as_people_expect() {
        assert!(glob("web-*", "web-1"));
        assert!(glob("*", ""));
        assert!(glob("a?c*e", "abcde"));
        assert!(!glob("web-*", "db-web-1"));
        assert!(!glob("", "x"));
    }
}
