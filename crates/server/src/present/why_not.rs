//! Row L13 for a subject: how it is, and why nothing happens to it, as the ordered list of what was considered.
//!
//! Nothing is decided here: each row asks the function of the core that decides it, so that both say the same.

use stead_core::action::{Action, ActionKind, Principal, State};
use stead_core::controller::{self, held};
use stead_core::desired::Service;
use stead_core::drift::{self, Drift};
use stead_core::event::{Event, Proposed};
use stead_core::ids::{NodeName, ServiceName};
use stead_core::policy::{self, Answer, Verdict};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_core::world::{EvidenceState, Status};
use stead_core::{assess, plan};
use stead_protocol::api;

use super::{Look, action, at, word};

/// Past actions shown.
const ACTIONS: usize = 5;
/// How far back messages are shown where no event says since when.
const BEFORE: Span = Span::days(1);

/// The page of a subject. `events`: the latest about it, oldest first.
pub fn why_subject(look: Look<'_>, subject: &Subject, events: &[Event]) -> api::Why {
    let considered = considered(look, subject);
    let since = events
        .first()
        .map_or(Time(look.now.at.0 - BEFORE.0 as i64), |e| e.at);
    let links = events.iter().map(|event| api::WhyLink {
        stage: "event".into(),
        at: Some(event.at.to_string()),
        text: super::text(event),
        rule: None,
        event: Some(super::event(event)),
    });
    let mut links: Vec<api::WhyLink> = links.collect();
    let blocked = considered.iter().find(|row| !row.passes);
    if let Some(row) = blocked {
        links.push(api::WhyLink {
            stage: "waiting".into(),
            at: None,
            text: row.text.clone(),
            rule: None,
            event: None,
        });
    }
    let open = open(look, subject);
    let ended = look.world.actions.ended.iter().rev();
    let ended = ended.filter(|a| a.key.subject == *subject).take(ACTIONS);
    api::Why {
        id: subject.to_string(),
        occurrence: 0,
        summary: summary(look, subject, open, blocked),
        links,
        subject: subject.to_string(),
        state: state(look, subject),
        drift: look
            .drift
            .get(subject)
            .iter()
            .map(|d| super::drift(look, d))
            .collect(),
        actions: open
            .into_iter()
            .chain(ended)
            .map(|a| action(look, a))
            .collect(),
        messages: super::message::about(look, subject, since, None).0,
        considered,
    }
}

fn open<'a>(look: Look<'a>, subject: &Subject) -> Option<&'a Action> {
    super::action::open_for(look.world, subject).filter(|a| a.key.kind != ActionKind::LockClear)
}

fn state(look: Look<'_>, subject: &Subject) -> String {
    let world = look.world;
    match subject {
        Subject::Fleet if world.brake.engaged.is_some() => "braked".to_string(),
        Subject::Service(node, name) => match world.fleet.service(node, name) {
            Some(desired) => super::health(look, node, name, desired).state.to_string(),
            None => "unknown".to_string(),
        },
        Subject::Node(node) => super::node::evidence(world.node(node)).to_string(),
        Subject::Container(node, name) => {
            let facts = world.node(node).and_then(|n| n.container(name));
            facts.map_or_else(|| "unknown".to_string(), |f| word(f.state))
        }
        Subject::Unit(node, name) => {
            let facts = world.node(node).and_then(|n| n.unit(name));
            facts.map_or_else(|| "unknown".to_string(), |f| f.active.clone())
        }
        _ => "watched".to_string(),
    }
}

fn summary(
    look: Look<'_>,
    subject: &Subject,
    open: Option<&Action>,
    blocked: Option<&api::Considered>,
) -> String {
    match (open, blocked) {
        (Some(a), _) if a.state == State::Running => {
            format!("{} works on {subject} now.", a.label())
        }
        (Some(a), Some(row)) => format!("{} waits: {}.", a.label(), row.text),
        (Some(a), None) => format!("{} is about to start.", a.label()),
        (None, Some(row)) if row.what == "drift" && look.drift.get(subject).is_empty() => {
            format!("Nothing is to be done about {subject}: {}.", row.text)
        }
        (None, Some(row)) => format!("Nothing is done about {subject}: {}.", row.text),
        (None, None) => format!("Nothing stands in the way of {subject}."),
    }
}

/// What was considered, in order.
#[derive(Default)]
struct Rows(Vec<api::Considered>);

impl Rows {
    fn row(&mut self, what: &str, question: &str, passes: bool, text: impl Into<String>) {
        self.0.push(api::Considered {
            what: what.to_string(),
            question: question.to_string(),
            passes,
            text: text.into(),
            remedy: None,
        });
    }
    fn remedy(&mut self, remedy: impl Into<String>) {
        if let Some(row) = self.0.last_mut() {
            row.remedy = Some(remedy.into());
        }
    }
}

fn considered(look: Look<'_>, subject: &Subject) -> Vec<api::Considered> {
    let mut rows = Rows::default();
    named(look, subject, &mut rows);
    if let Some(node) = subject.node() {
        evidence(look, node, &mut rows);
    }
    let drifts = look.drift.get(subject);
    condition(look, subject, drifts.first(), &mut rows);
    if let Some(drift) = drifts.first() {
        answer(look, drift, &mut rows);
    } else {
        locks(look, subject, false, &mut rows);
        brake(look, matches!(subject, Subject::Fleet), &mut rows);
    }
    rows.0
}

/// Whether a file asks for it, and for watching it.
fn named(look: Look<'_>, subject: &Subject, rows: &mut Rows) {
    let question = "Is it in the fleet files?";
    let world = look.world;
    let add = |what: &str, node: &NodeName| {
        format!("no file asks for this {what}: Stead only watches it (hosts/{node})")
    };
    match subject {
        Subject::Service(node, name) => match world.fleet.service(node, name) {
            Some(desired) => {
                rows.row(
                    "known",
                    question,
                    true,
                    format!("hosts/{node}/services.yaml asks for it"),
                );
                monitored(node, desired, rows);
            }
            None => {
                rows.row("known", question, false, add("service", node));
                rows.remedy(format!("add it to hosts/{node}/services.yaml"));
            }
        },
        Subject::Node(node) => {
            let named = world.fleet.nodes.contains_key(node);
            let text = match named {
                true => format!("hosts/{node} is there"),
                false => add("node", node),
            };
            rows.row("known", question, named, text);
            if !named {
                rows.remedy(format!("add hosts/{node}/node.yaml"));
            }
        }
        Subject::Container(node, container) => {
            let desired = world.fleet.nodes.get(node);
            let owner = world.node(node).zip(desired);
            match owner.and_then(|(state, desired)| drift::owner(state, desired, container)) {
                Some(owner) => {
                    let text =
                        format!("it belongs to service/{node}/{owner}: repairs are decided there");
                    rows.row("known", question, false, text);
                    rows.remedy(format!("stead why service/{node}/{owner}"));
                }
                None => {
                    rows.row("known", question, false, add("container", node));
                    rows.remedy(format!("add it to hosts/{node}/services.yaml"));
                }
            }
        }
        Subject::Unit(node, _) => {
            rows.row("known", question, false, add("unit", node));
            rows.remedy(format!(
                "add it to hosts/{node}/services.yaml as `kind: systemd`"
            ));
        }
        _ => {}
    }
}

fn monitored(node: &NodeName, desired: &Service, rows: &mut Rows) {
    let question = "Is it watched?";
    if desired.monitor {
        rows.row("monitored", question, true, "it is watched");
    } else {
        rows.row(
            "monitored",
            question,
            false,
            "its file says `monitor: false`",
        );
        rows.remedy(format!(
            "remove `monitor: false` in hosts/{node}/services.yaml"
        ));
    }
}

fn evidence(look: Look<'_>, node: &NodeName, rows: &mut Rows) {
    let question = "Is the evidence fresh?";
    let state = look.world.node(node).filter(|s| s.ever_synced);
    let Some(state) = state else {
        let text = format!("no agent on {node} has connected yet, so nothing is known");
        rows.row("evidence", question, false, text);
        rows.remedy(format!(
            "start the agent on {node}: stead agent --server URL"
        ));
        return;
    };
    let since = at(Some(state.evidence.since)).map_or_else(String::new, |t| format!(" since {t}"));
    let text = match state.evidence.state {
        EvidenceState::Fresh => {
            rows.row(
                "evidence",
                question,
                true,
                format!("{node} is heard{since}"),
            );
            return;
        }
        EvidenceState::Unknown => {
            format!("{node} has not been heard since Stead started{since}")
        }
        EvidenceState::Stale | EvidenceState::Offline => {
            format!("{node} is silent{since}; what is stale is never acted on")
        }
    };
    rows.row("evidence", question, false, text);
    rows.remedy(format!(
        "look at the agent on {node}: systemctl status stead-agent"
    ));
}

/// Whether its patience is over, and whether it differs from the files.
fn condition(look: Look<'_>, subject: &Subject, drift: Option<&Drift>, rows: &mut Rows) {
    let question = "Does it differ from the files?";
    if let Some(drift) = drift {
        if subject.service().is_some() {
            rows.row(
                "patience",
                "Has it been in trouble long enough?",
                true,
                "its patience is over",
            );
        }
        let text = format!(
            "{} since {}: {}",
            drift.kind.word(),
            drift.since,
            drift.detail
        );
        rows.row("drift", question, true, text);
        return;
    }
    let Subject::Service(node, name) = subject else {
        rows.row("drift", question, false, "nothing differs from the files");
        return;
    };
    let desired = look.world.fleet.service(node, name);
    match (assess::service(look.world, node, name), desired) {
        (Some(seen), Some(desired)) if seen.status == Status::Starting => {
            patience(look, (node, name), desired, &seen.detail, rows);
        }
        (Some(seen), Some(desired)) if desired.suspended => {
            let text = format!(
                "the files suspend it, and it does not run ({})",
                seen.detail
            );
            rows.row("drift", question, false, text);
        }
        (Some(seen), _) if seen.status == Status::Healthy => {
            rows.row(
                "drift",
                question,
                false,
                "it is well, nothing differs from the files",
            );
        }
        (Some(seen), _) => {
            let detail = if seen.detail.is_empty() {
                "nobody can say how it is".to_string()
            } else {
                seen.detail
            };
            rows.row("drift", question, false, detail);
        }
        (None, _) => rows.row(
            "drift",
            question,
            false,
            "nothing may be concluded about it now",
        ),
    }
}

fn patience(
    look: Look<'_>,
    (node, name): (&NodeName, &ServiceName),
    desired: &Service,
    detail: &str,
    rows: &mut Rows,
) {
    let p = &desired.patience;
    let since = look.world.memory(node, name).map(|m| m.since);
    let since = at(since).map_or_else(String::new, |t| format!(" since {t}"));
    let text = format!(
        "it is starting, or has not failed for long enough{since} ({}): {detail}",
        words_of(p.failures, p.time)
    );
    rows.row(
        "patience",
        "Has it been in trouble long enough?",
        false,
        text,
    );
    rows.remedy("wait, or set `patience:` in its services.yaml");
}

fn words_of(failures: u32, time: Span) -> String {
    if time.is_zero() {
        format!("patience: {failures} failures in a row")
    } else {
        format!("patience: {failures} failures in a row, {time}")
    }
}

/// What is done about a difference, or why not yet.
fn answer(look: Look<'_>, drift: &Drift, rows: &mut Rows) {
    let world = look.world;
    let open = open(look, &drift.subject);
    let question = "Is there a repair for it?";
    let candidate = match (plan::repair(world, drift, look.now.at), open) {
        (_, Some(open)) => {
            rows.row(
                "repair",
                question,
                true,
                format!("{} answers it", open.label()),
            );
            open.clone()
        }
        (Ok(repair), None) => {
            let steps: Vec<String> = repair.plan.steps.iter().map(plan::title).collect();
            let text = format!("{}: {}", repair.key.kind, steps.join(", "));
            rows.row("repair", question, true, text);
            preview(repair, drift)
        }
        (Err(no), None) => {
            rows.row("repair", question, false, no.why);
            rows.remedy(no.remedy);
            return;
        }
    };
    let person = candidate.direct
        || candidate
            .approved_by
            .as_ref()
            .is_some_and(|by| *by != Principal::Policy);
    let verdict = policy::review(world, &candidate, look.now);
    let braked = open.is_none() || (!person && verdict.answer == Answer::Refused);
    brake(look, braked, rows);
    if open.is_none() {
        remembered(look, drift, &candidate, rows);
    }
    permission(&candidate, open.is_some(), &verdict, rows);
    locks(look, &drift.subject, person, rows);
    restraint(look, &candidate, person, &verdict, rows);
    ready(look, &candidate, rows);
}

/// The action that a repair would be.
fn preview(repair: plan::Repair, drift: &Drift) -> Action {
    let plan::Repair { key, plan, reason } = repair;
    controller::preview(&Proposed {
        action: key.id(),
        occurrence: 1,
        plan,
        risk: key.kind.risk(),
        level: key.kind.level(),
        drift: drift.kind.word().to_string(),
        trigger: drift.trigger,
        reason,
        policy: String::new(),
        direct: false,
        key,
    })
}

fn brake(look: Look<'_>, blocks: bool, rows: &mut Rows) {
    let question = "Is the brake off?";
    match policy::limits::brake(look.world) {
        Some(text) if blocks => {
            rows.row("brake", question, false, text);
            rows.remedy("mend the cause, or let repairs go on: stead brake release");
        }
        Some(text) => rows.row(
            "brake",
            question,
            true,
            format!("{text}; it does not hold this"),
        ),
        None => rows.row(
            "brake",
            question,
            true,
            "the mass-drift brake is not engaged",
        ),
    }
}

/// Rejected, backing off, given up.
fn remembered(look: Look<'_>, drift: &Drift, candidate: &Action, rows: &mut Rows) {
    if look.world.brake.engaged.is_some() {
        return;
    }
    let question = "May it be tried again?";
    match held(look.world, &candidate.key, drift, look.now.at) {
        Some(why) => {
            rows.row("memory", question, false, why);
            rows.remedy(format!(
                "start it yourself: stead actions start {} {}",
                candidate.key.kind, drift.subject
            ));
        }
        None => rows.row(
            "memory",
            question,
            true,
            "it was neither rejected nor is it backing off",
        ),
    }
}

fn permission(candidate: &Action, is_open: bool, verdict: &Verdict, rows: &mut Rows) {
    let question = "May it run without asking?";
    if candidate.state != State::Pending {
        let by = candidate
            .approved_by
            .as_ref()
            .map_or_else(String::new, |by| format!(" by {by}"));
        rows.row("policy", question, true, format!("approved{by}"));
        return;
    }
    if candidate.direct {
        rows.row(
            "policy",
            question,
            false,
            "what would be done changed since it was approved",
        );
    } else if verdict.answer == Answer::Ask {
        rows.row("policy", question, false, verdict.text());
    } else {
        rows.row(
            "policy",
            question,
            true,
            format!("automatic: {}", verdict.rule),
        );
        return;
    }
    if is_open {
        rows.remedy(format!("decide: stead actions approve {}", candidate.id()));
    }
}

fn locks(look: Look<'_>, subject: &Subject, person: bool, rows: &mut Rows) {
    let question = "Is it free of locks?";
    let held = stead_core::lock::holding(look.world, subject, look.now.at);
    let (mut blocking, mut passing) = (Vec::new(), Vec::new());
    for (key, lock) in held {
        let text = stead_core::lock::text(key, lock);
        match person && !key.lock.holds_people() {
            true => passing.push(text),
            false => blocking.push((key.target.to_string(), text)),
        }
    }
    if let Some((target, text)) = blocking.into_iter().next() {
        rows.row("lock", question, false, text);
        rows.remedy(format!("wait for its end, or: stead unlock {target}"));
    } else if let Some(text) = passing.first() {
        rows.row(
            "lock",
            question,
            true,
            format!("{text}; it does not hold what a person approved"),
        );
    } else {
        rows.row("lock", question, true, "no lock lies on it");
    }
}

/// Flapping, and repairs per hour.
fn restraint(look: Look<'_>, candidate: &Action, person: bool, verdict: &Verdict, rows: &mut Rows) {
    let world = look.world;
    let subject = &candidate.key.subject;
    let flapping = match subject {
        Subject::Service(node, name) => world.memory(node, name).and_then(|m| m.flapping),
        _ => None,
    };
    let question = "Is it steady?";
    match flapping {
        Some(since) => {
            let text =
                format!("it has been flapping since {since}: repairing it again would not hold");
            rows.row("flapping", question, person, text);
            rows.remedy(
                "find out why it changes; it counts as steady after ten minutes without a change",
            );
        }
        None => rows.row("flapping", question, true, "it does not flap"),
    }
    let most = world.fleet.policy.limits.per_target_per_hour;
    let used = policy::limits::starts_within(world, subject, look.now.at, Span::hours(1));
    let question = "Is there a repair left this hour?";
    let text =
        format!("{used} of {most} automatic repairs used (policy.limits.per_target_per_hour)");
    let over = !person
        && candidate.state == State::Pending
        && verdict.answer != Answer::Ask
        && used >= most;
    rows.row("limit", question, !over, text);
    if over {
        rows.remedy(format!(
            "approve it yourself: stead actions approve {}",
            candidate.id()
        ));
    }
}

fn ready(look: Look<'_>, candidate: &Action, rows: &mut Rows) {
    let question = "Can it start now?";
    if candidate.state == State::Running {
        rows.row(
            "ready",
            question,
            true,
            format!("{} runs", candidate.label()),
        );
        return;
    }
    match policy::waits_for(look.world, candidate, look.now) {
        Some(wait) => rows.row("ready", question, false, format!("it waits for {wait}")),
        None => rows.row("ready", question, true, "nothing else has to end first"),
    }
}
