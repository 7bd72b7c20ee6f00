//! The first page: is all well, what needs me, what did Stead do.

use std::collections::BTreeMap;

use stead_core::action::State;
use stead_core::event::Event;
use stead_core::facts::Level;
use stead_core::time::Span;
use stead_core::world::EvidenceState;
use stead_protocol::api;

use super::node::{evidence, node_names as names};
use super::{Look, Told, action, count, counts, node, rank_needs_you};

/// Bounds on the lists of one answer; their pages have the rest.
const NODES: usize = 48;
const ROWS: usize = 50;
/// What counts as lately where nobody says since when.
const LATELY: Span = Span::hours(24);

/// Nodes and services of the whole fleet, counted. Changes with the head of the log only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub nodes: api::NodeCounts,
    pub services: api::ServiceCounts,
}

pub fn counted(look: Look<'_>) -> Counted {
    let mut all = Counted::default();
    for name in names(look) {
        let state = look.world.node(name);
        all.nodes.total += 1;
        *match evidence(state) {
            "fresh" => &mut all.nodes.fresh,
            "stale" => &mut all.nodes.stale,
            _ => &mut all.nodes.unknown,
        } += 1;
        add(
            &mut all.services,
            counts(state, look.world.fleet.nodes.get(name)),
        );
    }
    all
}

pub fn summary(look: Look<'_>, counted: Counted) -> api::Summary {
    api::Summary {
        fleet: look.world.fleet.name.clone(),
        nodes: counted.nodes,
        services: counted.services,
        actions: actions(look),
        score: None,
        at: look.now.at.to_string(),
        brake: look.world.brake.engaged.is_some(),
        locks: look.world.locks.len() as u64,
        alerts: look.world.alerts.open.len() as u64,
    }
}

fn add(sum: &mut api::ServiceCounts, more: api::ServiceCounts) {
    sum.total += more.total;
    sum.healthy += more.healthy;
    sum.unhealthy += more.unhealthy;
    sum.missing += more.missing;
    sum.unknown += more.unknown;
    sum.stale += more.stale;
    sum.starting += more.starting;
}

fn actions(look: Look<'_>) -> api::ActionCounts {
    let mut counts = api::ActionCounts::default();
    let ended = look.world.actions.ended.iter().rev();
    let lately = ended.take_while(|a| look.now.at.since(a.updated_at) < LATELY);
    for action in look.world.actions.open.values().chain(lately) {
        *match action.state {
            State::Pending => &mut counts.pending,
            State::Approved => &mut counts.approved,
            State::Running => &mut counts.running,
            State::Completed => &mut counts.completed,
            State::Failed => &mut counts.failed,
            State::Rejected => &mut counts.rejected,
            State::Cancelled => &mut counts.cancelled,
        } += 1;
    }
    counts
}

/// The first page. `told`: since when its reader did not look, and what the log has of that time. `recent`: the latest
/// warnings, newest first.
pub fn overview(
    look: Look<'_>,
    counted: Counted,
    told: Told<'_>,
    recent: &[Event],
) -> api::Overview {
    let summary = summary(look, counted);
    let troubles = troubles(look);
    let (needs, needs_unlisted) = super::needs::needs(look, &troubles);
    let all = needs.len() as u64 + needs_unlisted;
    let (mood, sentence) = mood(look, &summary, &troubles, all);
    let nodes = nodes(look);
    let ended = look
        .world
        .actions
        .ended
        .iter()
        .rev()
        .filter(|a| told.holds(a.updated_at));
    let unanswered = look.drift.iter().filter(|d| {
        super::action::open_for(look.world, &d.subject).is_none_or(|a| a.state != State::Pending)
    });
    api::Overview {
        sentence,
        mood: mood.to_string(),
        needs_you: rank_needs_you(look.world)
            .into_iter()
            .take(ROWS)
            .map(|a| action(look, a))
            .collect(),
        drift: unanswered
            .take(ROWS)
            .map(|d| super::drift(look, d))
            .collect(),
        done: ended.take(ROWS).map(|a| action(look, a)).collect(),
        nodes_unlisted: summary.nodes.total.saturating_sub(nodes.len() as u64),
        nodes,
        recent: recent.iter().map(super::event).collect(),
        notices: look.world.fleet.notices.clone(),
        troubles,
        brake: super::brake(look),
        locks: super::locks(look),
        alerts_open: summary.alerts,
        alerts: super::alerts(look, ROWS).open,
        rollouts: open_rollouts(look),
        write_anomalies: super::write_anomalies(look, &BTreeMap::new()),
        did: super::did::did(look, told),
        needs,
        needs_unlisted,
        summary,
    }
}

fn open_rollouts(look: Look<'_>) -> Vec<api::Rollout> {
    let open = look.world.rollouts.open.values();
    open.rev().take(ROWS).map(super::rollout).collect()
}

/// Nodes by name; of a very large fleet those that need a look first.
fn nodes(look: Look<'_>) -> Vec<api::Node> {
    let mut names: Vec<_> = names(look).into_iter().collect();
    if names.len() > NODES {
        names.sort_by_cached_key(|name| {
            let state = look.world.node(name);
            let c = counts(state, look.world.fleet.nodes.get(*name));
            (
                evidence(state) == "fresh" && c.unhealthy + c.missing == 0,
                (*name).clone(),
            )
        });
        names.truncate(NODES);
    }
    names
        .into_iter()
        .filter_map(|name| node(look, name))
        .collect()
}

/// Trouble of Stead itself, as banners.
pub fn troubles(look: Look<'_>) -> Vec<api::Trouble> {
    let raised: Vec<api::Trouble> = look
        .live
        .troubles()
        .into_iter()
        .map(|t| api::Trouble {
            code: t.code.clone(),
            text: t.text.clone(),
            remedy: t.remedy.clone(),
            since: t.since.to_string(),
        })
        .collect();
    // Whoever reads the files raises it too; right after a start only the log knows.
    let told = raised.iter().any(|t| t.code.starts_with("fleet-"));
    let broken = look.world.desired.rejected.as_ref().filter(|_| !told).map(|(since, first)| api::Trouble {
        code: "fleet-broken".to_string(),
        text: format!("The fleet files cannot be used, the last good ones stay in force: {first}"),
        remedy: "Run `stead check` on the fleet directory, mend what it names; the files are read again on change."
            .to_string(),
        since: since.to_string(),
    });
    raised.into_iter().chain(broken).collect()
}

/// `needs`: how much is listed as needing a person.
fn mood(
    look: Look<'_>,
    s: &api::Summary,
    troubles: &[api::Trouble],
    needs: u64,
) -> (&'static str, String) {
    let ill = s.services.unhealthy + s.services.missing;
    let offline: Vec<&str> = look
        .world
        .fleet
        .nodes
        .keys()
        .filter(|n| {
            look.world
                .node(n)
                .is_some_and(|s| s.evidence.state == EvidenceState::Offline)
        })
        .map(|n| n.as_str())
        .collect();
    let (warned, critical) = pressure(look);
    let brake = look.world.brake.engaged.as_ref();
    let trouble =
        brake.is_some() || ill > 0 || critical > 0 || !offline.is_empty() || !troubles.is_empty();
    let unsure = s.services.stale + s.services.unknown + s.nodes.stale + s.nodes.unknown;
    let mood = if trouble {
        "trouble"
    } else if s.nodes.fresh == 0 {
        "unknown"
    } else if s.actions.pending > 0 || warned > 0 || unsure > 0 {
        "attention"
    } else {
        "well"
    };
    let sentence = if let Some(brake) = brake {
        format!(
            "The brake holds all automatic repair: {} of {} drifted at once",
            brake.drifting,
            count(u64::from(brake.fresh), "service")
        )
    } else if s.actions.pending > 0 {
        let verb = if needs == 1 { "needs" } else { "need" };
        format!("{} {verb} you", count(needs, "thing"))
    } else if let Some(first) = troubles.first() {
        first.text.clone()
    } else {
        calm(s, ill, &offline, warned + critical)
    };
    (mood, sentence)
}

/// The sentence where nothing waits for a person.
fn calm(s: &api::Summary, ill: u64, offline: &[&str], full: u64) -> String {
    if s.nodes.total == 0 {
        return "No machine is watched yet".to_string();
    }
    if ill > 0 {
        let verb = if ill == 1 { "is" } else { "are" };
        let working = if s.actions.approved + s.actions.running > 0 {
            "; Stead is working on it"
        } else {
            ""
        };
        return format!("{} {verb} in trouble{working}", count(ill, "service"));
    }
    match offline {
        [] => {}
        [one] => return format!("{one} is silent"),
        many => return format!("{} nodes are silent: {}", many.len(), first_few(many)),
    }
    if s.nodes.fresh == 0 {
        return format!(
            "Nothing has been heard from {} yet",
            count(s.nodes.total, "node")
        );
    }
    let unsure = s.services.stale + s.services.unknown;
    let on = format!("on {}", count(s.nodes.total, "node"));
    if unsure > 0 || s.services.starting > 0 {
        let mut rest = Vec::new();
        for (n, word) in [(unsure, "not known now"), (s.services.starting, "starting")] {
            if n > 0 {
                rest.push(format!("{n} {word}"));
            }
        }
        return format!(
            "{} of {} {on} are well, {}",
            s.services.healthy,
            count(s.services.total, "service"),
            rest.join(", ")
        );
    }
    if full > 0 {
        let verb = if full == 1 { "wants" } else { "want" };
        return format!(
            "All services {on} are well, but {} {verb} a look",
            count(full, "crossed threshold")
        );
    }
    match s.services.total {
        0 => format!(
            "{} watched, no services named yet",
            count(s.nodes.total, "node")
        ),
        1 => format!("The one service {on} is well"),
        n => format!("All {n} services {on} are well"),
    }
}

fn first_few(names: &[&str]) -> String {
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        format!("{shown}, …")
    } else {
        shown
    }
}

/// Thresholds at warning, and at critical, on nodes whose readings are fresh.
fn pressure(look: Look<'_>) -> (u64, u64) {
    let fresh = look
        .world
        .nodes
        .values()
        .filter(|n| n.evidence.state == EvidenceState::Fresh);
    fresh
        .flat_map(|n| n.levels())
        .fold((0, 0), |(warned, critical), (_, facts, _)| {
            match facts.level {
                Level::Warning => (warned + 1, critical),
                Level::Critical => (warned, critical + 1),
                _ => (warned, critical),
            }
        })
}

/// Where the desired state comes from. `problems`: of its last reading, where they are known one by one.
pub fn desired_info(look: Look<'_>, problems: Vec<api::FleetProblem>) -> api::DesiredInfo {
    let d = &look.world.desired;
    let problems = match (&d.rejected, problems.is_empty()) {
        (Some((_, first)), true) => vec![read_problem(first)],
        _ => problems,
    };
    api::DesiredInfo {
        source: d.origin.clone(),
        commit: d.commit.clone(),
        dirty: d.dirty,
        digest: d.digest.clone(),
        loaded_at: super::at(d.loaded_at),
        problems,
        notices: look.world.fleet.notices.clone(),
    }
}

/// `file:line:column: message`, as the log keeps the first problem.
fn read_problem(text: &str) -> api::FleetProblem {
    let mut parts = text.splitn(4, ':');
    let (file, line, column, message) = (parts.next(), parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|p| p.trim().parse::<u64>().ok());
    let mut problem = api::FleetProblem {
        code: "fleet-broken".into(),
        severity: "error".into(),
        ..Default::default()
    };
    match (file, number(line), number(column), message) {
        (Some(file), Some(line), Some(column), Some(message)) => {
            problem.file = file.to_string();
            (problem.line, problem.column) = (line, column);
            problem.message = message.trim().to_string();
        }
        _ => problem.message = text.to_string(),
    }
    problem
}
