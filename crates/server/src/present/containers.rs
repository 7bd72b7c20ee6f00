//! Containers across nodes: the list with its filters, one in detail, what a restart of the unhealthy ones touches.
//!
//! Pure. Empty means none: a plan without targets restarts nothing, and a filter that fits nothing leaves nothing.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::action::ActionKind;
use stead_core::command::Command;
use stead_core::controller::workable;
use stead_core::event::{Body, Event};
use stead_core::facts::{ContainerFacts, ContainerState, Fact, Health};
use stead_core::ids::{ContainerName, NodeName};
use stead_core::plan;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_protocol::api;

use super::container::{container, is_unhealthy, owners, restarts_as, stack};
use super::{Look, count, word};

/// Actions shown with a container.
const ACTIONS: usize = 20;

/// Which containers are asked for. What is not said leaves all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub node: Option<NodeName>,
    pub stack: Option<String>,
    /// A run state: `running`, `exited`, …
    pub state: Option<String>,
    pub health: Option<String>,
    pub unhealthy: bool,
    pub no_limit: bool,
    /// In its name, image, stack, ports or labels; case does not matter.
    pub text: Option<String>,
}

impl Filter {
    pub fn fits(&self, c: &api::Container) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        self.node.as_ref().is_none_or(|n| n.as_str() == c.node)
            && self
                .stack
                .as_deref()
                .is_none_or(|s| c.stack.as_deref() == Some(s))
            && same(&self.state, &c.state)
            && same(&self.health, &c.health)
            && (!self.unhealthy || c.unhealthy)
            && (!self.no_limit || without_limit(c))
            && self.text.as_deref().is_none_or(|text| says(c, text))
    }
}

fn without_limit(c: &api::Container) -> bool {
    c.state == "running" && c.memory_limit == 0
}

fn says(c: &api::Container, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |field: &str| field.to_lowercase().contains(&text);
    has(&c.name)
        || has(&c.image)
        || c.stack.as_deref().is_some_and(has)
        || c.service.as_deref().is_some_and(has)
        || c.ports.iter().any(|port| has(port))
        || c.labels.iter().any(|(key, value)| has(key) || has(value))
}

/// Every container of a node.
pub fn containers_of(look: Look<'_>, node: &NodeName) -> Vec<api::Container> {
    let Some(state) = look.world.node(node) else {
        return Vec::new();
    };
    let owned = owners(state, look.world.fleet.nodes.get(node));
    let samples: BTreeMap<&ContainerName, _> = look
        .live
        .container_samples(node)
        .iter()
        .map(|s| (&s.name, s))
        .collect();
    let row = |(name, facts, _): (&ContainerName, &ContainerFacts, _)| {
        let service = owned.get(name).copied();
        container(look, node, name, facts, service, samples.get(name).copied())
    };
    state.containers().map(row).collect()
}

/// How many are how, whatever is asked for.
pub fn container_counts(all: &[api::Container]) -> api::ContainerCounts {
    let many =
        |fits: &dyn Fn(&api::Container) -> bool| all.iter().filter(|c| fits(c)).count() as u64;
    api::ContainerCounts {
        total: all.len() as u64,
        unhealthy: many(&|c| c.unhealthy),
        not_running: many(&|c| c.state != "running"),
        no_limit: many(&without_limit),
        not_fresh: many(&|c| c.evidence != "fresh"),
    }
}

pub fn stacks(all: &[api::Container]) -> Vec<api::Stack> {
    let mut found: BTreeMap<&str, api::Stack> = BTreeMap::new();
    for c in all {
        let Some(name) = c.stack.as_deref() else {
            continue;
        };
        let stack = found.entry(name).or_insert_with(|| api::Stack {
            name: name.to_string(),
            ..api::Stack::default()
        });
        stack.total += 1;
        stack.unhealthy += u64::from(c.unhealthy);
    }
    found.into_values().collect()
}

/// Unhealthy ones first, then by node and name.
pub fn arrange(list: &mut [api::Container]) {
    list.sort_by(|a, b| (!a.unhealthy, &a.node, &a.name).cmp(&(!b.unhealthy, &b.node, &b.name)));
}

/// One container with everything that explains its state. `events` are its latest, newest first; `history` how it was;
/// `changed_before` what happened on its node shortly before it fell ill.
pub fn container_detail(
    look: Look<'_>,
    node: &NodeName,
    name: &ContainerName,
    events: &[Event],
    history: Vec<api::HealthSpan>,
    changed_before: &[Event],
) -> Option<api::ContainerDetail> {
    let state = look.world.node(node)?;
    let (name, facts, seen) = state.containers().find(|(n, _, _)| *n == name)?;
    let owned = owners(state, look.world.fleet.nodes.get(node));
    let service = owned.get(name).copied();
    let samples = look.live.container_samples(node);
    let sample = samples.iter().find(|s| s.name == *name);
    let subject = restarts_as(look, node, name, service);
    let mut health =
        super::drilldown::why_ill(look, node, &[(name, facts, seen)], &subject).unwrap_or_default();
    if is_unhealthy(state, facts) {
        let begun = history.last().filter(|span| span.state == "unhealthy");
        health.unhealthy_since = begun
            .map(|span| span.from.clone())
            .or(health.unhealthy_since);
    } else {
        health.unhealthy_since = None;
    }
    let own = Subject::Container(node.clone(), name.clone());
    let actions = &look.world.actions;
    let actions = actions.open.values().chain(actions.ended.iter().rev());
    Some(api::ContainerDetail {
        container: container(look, node, name, facts, service, sample),
        health_detail: health,
        health_history: history,
        write_anomaly: None,
        changed_before: changed_before.iter().map(super::event).collect(),
        events: events.iter().map(super::event).collect(),
        actions: actions
            .filter(|a| a.key.subject == own || a.key.subject == subject)
            .take(ACTIONS)
            .map(|a| super::action(look, a))
            .collect(),
    })
}

/// How a container was from `from` to `to`, from the events about it and its node, oldest first; those before `from` say how
/// it was then. Whatever was not seen is `unknown`.
pub fn health_history(events: &[Event], from: Time, to: Time) -> Vec<api::HealthSpan> {
    let mut spans: Vec<(Time, String)> = vec![(from, "unknown".to_string())];
    let (mut known, mut heard) = (None::<String>, true);
    for event in events.iter().filter(|e| e.at < to) {
        match &event.body {
            Body::Observed(_, fact) => match &**fact {
                Fact::Container(c) => known = Some(how(c)),
                _ => continue,
            },
            Body::Gone(_) => known = Some("absent".to_string()),
            Body::NodeStale(_) | Body::NodeOffline(_) | Body::ServerStarted(_) => heard = false,
            Body::NodeSynced(_) | Body::NodeUp(_) => heard = true,
            _ => continue,
        }
        let state = match (&known, heard) {
            (Some(state), true) => state.clone(),
            _ => "unknown".to_string(),
        };
        let begins = event.at.max(from);
        // What was replaced at once was never so.
        if spans.last().is_some_and(|(at, _)| *at == begins) {
            spans.pop();
        }
        if spans.last().is_none_or(|(_, before)| *before != state) {
            spans.push((begins, state));
        }
    }
    let ends: Vec<Time> = spans
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain([to])
        .collect();
    let span = |((begin, state), end): ((Time, String), Time)| api::HealthSpan {
        from: begin.to_string(),
        to: end.to_string(),
        state,
    };
    spans.into_iter().zip(ends).map(span).collect()
}

/// The one word that matters: its health while it runs, else its state.
fn how(c: &ContainerFacts) -> String {
    match (c.state, c.health) {
        (ContainerState::Running, Health::None) => "running".to_string(),
        (ContainerState::Running, health) => word(health),
        (state, _) => word(state),
    }
}

/// What would be restarted for the unhealthy containers of a node, each subject once.
pub fn unhealthy_subjects(look: Look<'_>, node: &NodeName, in_stack: Option<&str>) -> Vec<Subject> {
    let Some(state) = look.world.node(node) else {
        return Vec::new();
    };
    let owned = owners(state, look.world.fleet.nodes.get(node));
    let ill = state.containers().filter(|(_, facts, _)| {
        is_unhealthy(state, facts) && in_stack.is_none_or(|s| stack(facts) == Some(s))
    });
    let subjects: BTreeSet<Subject> = ill
        .map(|(name, _, _)| restarts_as(look, node, name, owned.get(name).copied()))
        .collect();
    subjects.into_iter().collect()
}

/// What a restart does to `subject` now. `read`: the digest of the plan somebody has read.
pub fn planned_restart(
    look: Look<'_>,
    subject: &Subject,
    read: Option<&str>,
) -> api::PlannedRestart {
    let node = subject.node().map(ToString::to_string).unwrap_or_default();
    let mut planned = api::PlannedRestart {
        subject: subject.to_string(),
        node,
        ..api::PlannedRestart::default()
    };
    let kind = ActionKind::ContainerRestart;
    if let Err(no) = workable(look.world, kind, subject) {
        planned.left_out = Some(format!("{}: {}", no.detail, no.remedy));
        return planned;
    }
    let Ok(repair) = plan::plan(look.world, kind, subject) else {
        planned.left_out = Some("nothing says how to restart it".to_string());
        return planned;
    };
    let steps = repair.plan.steps.iter();
    let touched = |step: &Command| match step {
        Command::ContainerRestart { container, id } => Some((container.clone(), id.clone())),
        _ => None,
    };
    let touched: Vec<(ContainerName, String)> = steps.filter_map(touched).collect();
    let state = subject.node().and_then(|n| look.world.node(n));
    let ill = |name: &ContainerName| {
        let facts = state.and_then(|s| Some((s, s.container(name)?)));
        facts.filter(|(s, c)| is_unhealthy(s, c)).map(|(_, c)| c)
    };
    let reasons: Vec<String> = touched
        .iter()
        .filter_map(|(name, _)| ill(name).map(reason))
        .collect();
    planned.digest = repair.plan.digest;
    planned.why = reasons.first().cloned().unwrap_or_default();
    planned.left_out = if reasons.is_empty() {
        Some("it is not unhealthy any more".to_string())
    } else if read.is_some_and(|read| read != planned.digest) {
        Some("what a restart of it touches changed after it was read".to_string())
    } else {
        None
    };
    planned.containers = touched
        .into_iter()
        .map(|(name, id)| api::PlannedContainer {
            name: name.to_string(),
            id,
        })
        .collect();
    planned
}

fn reason(c: &ContainerFacts) -> String {
    match c.state {
        ContainerState::Running => {
            let times = count(u64::from(c.failing_streak), "time");
            format!("its health check failed {times} in a row")
        }
        state => format!("it is {}", word(state)),
    }
}

#[cfg(test)]
mod tests;
