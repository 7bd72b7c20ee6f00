//! What needs a person, as one list: whatever it is, it says what to do next.
//!
//! Nothing is listed twice: a repair that failed stands for the difference it did not mend, and an action that waits
//! stands for the one it would.

use std::collections::BTreeSet;

use stead_core::action::{ActionKey, State};
use stead_core::facts::{FactKey, Level, SourceFacts, SourceKind, SourceState};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::world::{EvidenceState, NodeState};
use stead_protocol::api;

use super::text::{cut, on};
use super::{Look, at, drift, rank_needs_you, segment};

/// Needs listed at once: nobody reads more in one look.
const MOST: usize = 50;
/// Longest text of one.
const TEXT: usize = 300;

/// All of it, worst first; and how many more there are.
pub(super) fn needs(look: Look<'_>, troubles: &[api::Trouble]) -> (Vec<api::Need>, u64) {
    let mut all: Vec<api::Need> = own(look, troubles);
    let mut told = BTreeSet::new();
    for action in rank_needs_you(look.world) {
        told.insert(action.key.subject.clone());
        all.push(api::Need {
            command: Some(format!("stead actions show {}", action.id())),
            page: Some(format!("/actions/{}", segment(&action.id()))),
            ..need(
                "question",
                "warning",
                &action.reason,
                "read the plan, then approve or reject it",
                Some(&action.key.subject),
                Some(action.created_at),
            )
        });
    }
    failures(look, &mut told, &mut all);
    for (name, state) in &look.world.nodes {
        node(look, name, state, &mut told, &mut all);
    }
    for unseen in look.world.fleet.nodes.keys() {
        if !look.world.nodes.contains_key(unseen) {
            all.push(unheard(unseen));
        }
    }
    differences(look, &told, &mut all);
    all.sort_by_key(|n| (rank(&n.severity), n.kind != "question"));
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    (all, more as u64)
}

fn rank(severity: &str) -> u8 {
    match severity {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    }
}

fn need(
    kind: &str,
    severity: &str,
    text: &str,
    next: &str,
    subject: Option<&Subject>,
    since: Option<stead_core::time::Time>,
) -> api::Need {
    api::Need {
        kind: kind.to_string(),
        severity: severity.to_string(),
        text: cut(text, TEXT),
        next: cut(next, TEXT),
        subject: subject.map(ToString::to_string),
        page: subject.and_then(page),
        command: None,
        since: at(since),
    }
}

/// Where the UI shows a subject.
fn page(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Node(node) => Some(format!("/nodes/{}", segment(node.as_str()))),
        Subject::Service(node, name) => Some(format!(
            "/services/{}/{}",
            segment(node.as_str()),
            segment(name.as_str())
        )),
        Subject::Container(node, name) => Some(format!(
            "/containers/{}/{}",
            segment(node.as_str()),
            segment(name.as_str())
        )),
        Subject::Unit(node, name) => Some(format!(
            "/nodes/{}?tab=units&unit={}",
            segment(node.as_str()),
            segment(name.as_str())
        )),
        _ => None,
    }
}

/// Trouble of Stead itself, and its brake.
fn own(look: Look<'_>, troubles: &[api::Trouble]) -> Vec<api::Need> {
    let mut all = Vec::new();
    for trouble in troubles {
        all.push(api::Need {
            since: Some(trouble.since.clone()),
            page: Some(format!("/errors/{}", trouble.code)),
            ..need(
                "trouble",
                "critical",
                &trouble.text,
                &trouble.remedy,
                None,
                None,
            )
        });
    }
    let brake = super::brake(look);
    if brake.engaged {
        all.push(api::Need {
            command: Some("stead brake release".to_string()),
            page: Some("/autonomy".to_string()),
            since: brake.since.clone(),
            ..need(
                "brake",
                "critical",
                &brake.text,
                brake
                    .remedy
                    .as_deref()
                    .unwrap_or("look why, then release it"),
                None,
                None,
            )
        });
    }
    all
}

/// Repairs that failed and whose trouble is still there.
fn failures(look: Look<'_>, told: &mut BTreeSet<Subject>, all: &mut Vec<api::Need>) {
    let drifting: BTreeSet<&Subject> = look.drift.iter().map(|d| &d.subject).collect();
    for (key, memory) in &look.world.actions.memory {
        let lasts = memory.failures > 0 && drifting.contains(&key.subject);
        if !lasts || told.contains(&key.subject) || under_way(look, key) {
            continue;
        }
        told.insert(key.subject.clone());
        let times = match memory.failures {
            1 => "failed".to_string(),
            n => format!("failed {n} times in a row"),
        };
        let text = format!("{} of {} {times}", key.kind, on(&key.subject));
        let next = if memory.unknown {
            "look at it: nobody knows what the last try did"
        } else {
            "read why, then mend it by hand or start the repair again"
        };
        all.push(api::Need {
            command: Some(format!("stead why {}", key.subject)),
            ..need(
                "failure",
                "critical",
                &text,
                next,
                Some(&key.subject),
                memory.failed_at,
            )
        });
    }
}

fn under_way(look: Look<'_>, key: &ActionKey) -> bool {
    let open = super::action::open_for(look.world, &key.subject);
    open.is_some_and(|a| matches!(a.state, State::Approved | State::Running))
}

/// Silence, sources that do not answer, thresholds that are crossed.
fn node(
    look: Look<'_>,
    name: &NodeName,
    state: &NodeState,
    told: &mut BTreeSet<Subject>,
    all: &mut Vec<api::Need>,
) {
    let subject = Subject::Node(name.clone());
    match state.evidence.state {
        EvidenceState::Fresh => {}
        EvidenceState::Unknown if !state.ever_synced => {
            if look.world.fleet.nodes.contains_key(name) {
                all.push(unheard(name));
            }
            return;
        }
        silent => {
            let offline = silent == EvidenceState::Offline;
            let text = format!("{name} is silent: what is known of it is old");
            let next = "see that it is on and reaches this server, and that its agent runs";
            let severity = if offline { "critical" } else { "warning" };
            told.insert(subject.clone());
            all.push(need(
                "silence",
                severity,
                &text,
                next,
                Some(&subject),
                Some(state.evidence.since),
            ));
            return;
        }
    }
    let down = state
        .sources()
        .filter(|(_, s)| s.state == SourceState::Down);
    for (kind, facts) in down {
        all.push(source(name, &subject, state, kind, facts));
    }
    if let Some(limit) = state.host().and_then(|host| host.limit.as_deref()) {
        let seen = state.facts.get(&FactKey::Host).map(|seen| seen.at);
        let text = format!("{name}: {}", limit.text);
        let about = Some(&subject);
        all.push(need("limit", "warning", &text, &limit.remedy, about, seen));
    }
    let crossed: Vec<_> = state
        .levels()
        .filter(|(_, facts, _)| facts.level >= Level::Warning)
        .collect();
    if crossed
        .iter()
        .any(|(metric, ..)| metric.starts_with("disk:"))
    {
        // The drift is this very reading.
        told.insert(subject.clone());
    }
    for (metric, facts, seen) in crossed {
        let critical = facts.level == Level::Critical;
        let text = format!(
            "{} of {name} is {}",
            facts.what,
            super::text::reading(metric, facts.value)
        );
        let disk = metric.starts_with("disk:");
        let next = if disk {
            "see what grows, clean up, or give it more room"
        } else {
            "open the node: its history shows since when and beside what"
        };
        all.push(api::Need {
            command: disk.then(|| format!("stead actions start disk_cleanup {subject}")),
            ..need(
                "level",
                if critical { "critical" } else { "warning" },
                &text,
                next,
                Some(&subject),
                Some(seen.at),
            )
        });
    }
}

fn unheard(name: &NodeName) -> api::Need {
    let subject = Subject::Node(name.clone());
    api::Need {
        command: Some("stead agent --server URL".to_string()),
        ..need(
            "silence",
            "warning",
            &format!("{name} was never heard"),
            "start an agent on it; it dials this server",
            Some(&subject),
            None,
        )
    }
}

fn source(
    name: &NodeName,
    subject: &Subject,
    state: &NodeState,
    kind: SourceKind,
    facts: &SourceFacts,
) -> api::Need {
    let seen = state.facts.get(&FactKey::Source(kind));
    let what = match facts.detail.trim() {
        "" => format!("{} on {name} does not answer", kind.word()),
        detail => format!("{} on {name} is down: {detail}", kind.word()),
    };
    let (next, command) = match kind {
        SourceKind::Docker => (
            "look on the node; what runs in it is not known until it answers",
            "systemctl status docker",
        ),
        SourceKind::Systemd => (
            "look on the node; units are not known until it answers",
            "systemctl is-system-running",
        ),
        SourceKind::Compose => (
            "look on the node; stacks are not known until it answers",
            "docker compose version",
        ),
        SourceKind::Ollama => (
            "look on the node; its models are not known until it answers",
            "ollama ps",
        ),
    };
    api::Need {
        command: Some(command.to_string()),
        ..need(
            "source",
            "warning",
            &what,
            next,
            Some(subject),
            seen.map(|s| s.at),
        )
    }
}

/// What differs, is told nowhere else, and nothing is done about.
fn differences(look: Look<'_>, told: &BTreeSet<Subject>, all: &mut Vec<api::Need>) {
    for one in look.drift.iter() {
        let open = super::action::open_for(look.world, &one.subject);
        if told.contains(&one.subject) || open.is_some() {
            continue;
        }
        if all.len() > MOST * 20 {
            // Counted roughly: a fleet with a thousand needs has one, and it is no single service.
            break;
        }
        let shown = drift(look, one);
        let Some(why) = shown.why_not else { continue };
        let text = format!("{}: {}", on(&one.subject), shown.detail);
        let next = shown.remedy.unwrap_or(why);
        all.push(api::Need {
            command: Some(format!("stead why {}", one.subject)),
            ..need(
                "drift",
                "warning",
                &text,
                &next,
                Some(&one.subject),
                Some(one.since),
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use stead_core::action::ActionKind;
    use stead_core::facts::{Fact, LevelFacts};
    use stead_core::time::Time;
    use stead_core::world::{Memory, Status, World};

    use super::super::tests::{NOW, Still, set, with, world};
    use super::*;

    fn told(world: &World) -> Vec<api::Need> {
        with(world, &Still::default(), |look| needs(look, &[])).0
    }

    fn kinds(world: &World) -> Vec<String> {
        told(world).into_iter().map(|n| n.kind).collect()
    }

    /// `web` is not there any more, and has been missed.
    fn missing() -> World {
        let mut world = world(EvidenceState::Fresh);
        let node = world.nodes.values_mut().next().expect("piha");
        node.facts
            .remove(&FactKey::Container("web".parse().expect("a name")));
        let web = node.services.values_mut().next().expect("web");
        web.status = Status::Missing;
        web.since = Time(NOW.at.0 - 60_000);
        world
    }

    #[test]
    fn a_fleet_that_is_well_needs_nobody() {
        assert_eq!(told(&world(EvidenceState::Fresh)), []);
    }

    #[test]
    fn a_source_that_does_not_answer_says_where_to_look() {
        let mut world = world(EvidenceState::Fresh);
        let down = SourceFacts {
            state: SourceState::Down,
            version: String::new(),
            detail: "connection refused".into(),
        };
        set(
            &mut world,
            FactKey::Source(SourceKind::Docker),
            Fact::Source(down),
        );
        let needs = told(&world);
        let source = needs.iter().find(|n| n.kind == "source").expect("told");
        assert_eq!(source.text, "docker on piha is down: connection refused");
        assert_eq!(source.command.as_deref(), Some("systemctl status docker"));
        assert_eq!(source.page.as_deref(), Some("/nodes/piha"));
        assert!(source.since.is_some());
    }

    #[test]
    fn silence_is_told_once_and_nothing_old_beside_it() {
        assert_eq!(kinds(&world(EvidenceState::Offline)), ["silence"]);
        assert_eq!(told(&world(EvidenceState::Offline))[0].severity, "critical");
        let mut never = world(EvidenceState::Unknown);
        never.nodes.clear();
        let needs = told(&never);
        assert_eq!(needs[0].text, "piha was never heard");
        assert_eq!(
            needs[0].command.as_deref(),
            Some("stead agent --server URL")
        );
    }

    #[test]
    fn a_repair_that_failed_stands_for_what_it_did_not_mend() {
        let mut world = missing();
        assert_eq!(kinds(&world), ["drift"]);
        let web: Subject = "service/piha/web".parse().expect("a subject");
        let key = ActionKey {
            kind: ActionKind::Redeploy,
            subject: web,
        };
        let memory = Memory {
            failures: 2,
            failed_at: Some(NOW.at),
            ..Memory::default()
        };
        world.actions.memory.insert(key, memory);
        let needs = told(&world);
        assert_eq!(needs.len(), 1, "{needs:?}");
        assert_eq!(
            needs[0].text,
            "redeploy of web on piha failed 2 times in a row"
        );
        assert_eq!(
            needs[0].command.as_deref(),
            Some("stead why service/piha/web")
        );
        assert_eq!(needs[0].page.as_deref(), Some("/services/piha/web"));
    }

    #[test]
    fn the_worst_comes_first_and_the_list_has_an_end() {
        let mut world = world(EvidenceState::Fresh);
        for n in 0..80 {
            let level = LevelFacts {
                level: if n == 70 {
                    Level::Critical
                } else {
                    Level::Warning
                },
                value: 71.0,
                what: format!("/srv/{n}"),
            };
            set(
                &mut world,
                FactKey::Level(format!("disk:/srv/{n}")),
                Fact::Level(level),
            );
        }
        let (needs, more) = with(&world, &Still::default(), |look| needs(look, &[]));
        assert_eq!((needs.len(), more), (MOST, 30));
        assert_eq!(needs[0].severity, "critical");
        assert_eq!(needs[0].text, "/srv/70 of piha is 71.0 %");
        assert_eq!(
            needs[0].command.as_deref(),
            Some("stead actions start disk_cleanup node/piha")
        );
    }

    #[test]
    fn what_needs_somebody_leads_to_its_own_page() {
        for (subject, expected) in [
            ("node/piha", "/nodes/piha"),
            ("service/piha/web", "/services/piha/web"),
            ("container/piha/web", "/containers/piha/web"),
            (
                "unit/piha/a@b.service",
                "/nodes/piha?tab=units&unit=a%40b.service",
            ),
        ] {
            let subject: Subject = subject.parse().unwrap();
            assert_eq!(page(&subject).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_brake_steads_own_trouble_and_an_agents_limit_say_what_to_do() {
        let mut world = world(EvidenceState::Fresh);
        world.brake.engaged = Some(stead_core::world::Engaged {
            since: NOW.at,
            seq: stead_core::ids::Seq(9),
            drifting: 6,
            fresh: 9,
            limit: 55.0,
        });
        let limit = stead_core::facts::Limit {
            code: "history-full".into(),
            text: "Seconds are not kept".into(),
            remedy: "Free some space".into(),
        };
        let host = stead_core::facts::HostFacts {
            limit: Some(Box::new(limit)),
            ..Default::default()
        };
        set(&mut world, FactKey::Host, Fact::Host(host));
        let trouble = api::Trouble {
            code: "log-full".into(),
            text: "The disk is full.".into(),
            remedy: "Free some.".into(),
            since: NOW.at.to_string(),
        };
        let needs = with(&world, &Still::default(), |look| needs(look, &[trouble])).0;
        let told: Vec<(&str, &str)> = needs
            .iter()
            .map(|n| (n.kind.as_str(), n.text.as_str()))
            .collect();
        assert_eq!(told[0], ("trouble", "The disk is full."));
        assert_eq!(needs[0].page.as_deref(), Some("/errors/log-full"));
        assert_eq!(told[1].0, "brake");
        assert_eq!(needs[1].command.as_deref(), Some("stead brake release"));
        assert_eq!(told[2], ("limit", "piha: Seconds are not kept"));
        assert_eq!(needs[2].next, "Free some space");
        assert_eq!(told.len(), 3);
    }

    fn failed(world: &mut World) {
        let key = ActionKey {
            kind: ActionKind::Redeploy,
            subject: "service/piha/web".parse().expect("a subject"),
        };
        let memory = Memory {
            failures: 2,
            ..Memory::default()
        };
        world.actions.memory.insert(key, memory);
    }

    #[test]
    fn a_failure_is_told_while_its_trouble_lasts_and_nobody_is_at_it() {
        let mut mended = world(EvidenceState::Fresh);
        failed(&mut mended);
        assert_eq!(kinds(&mended), Vec::<String>::new());
        let mut tried = missing();
        failed(&mut tried);
        let again = super::super::tests::an_action(State::Running);
        tried.actions.open.insert(again.key.clone(), again);
        assert_eq!(kinds(&tried), Vec::<String>::new());
    }

    #[test]
    fn a_full_disk_is_told_once_and_a_node_of_no_file_is_not_missed() {
        let mut full = world(EvidenceState::Fresh);
        let level = LevelFacts {
            level: Level::Warning,
            value: 71.0,
            what: "/srv".into(),
        };
        let key = FactKey::Level("disk:/srv".into());
        set(&mut full, key, Fact::Level(level));
        assert_eq!(kinds(&full), ["level"]);
        // Nothing is done about it: still it is the same reading.
        full.brake.engaged = Some(stead_core::world::Engaged {
            since: NOW.at,
            seq: stead_core::ids::Seq(9),
            drifting: 6,
            fresh: 9,
            limit: 55.0,
        });
        assert_eq!(kinds(&full), ["brake", "level"]);
        let mut silent = world(EvidenceState::Unknown);
        silent.nodes.values_mut().next().expect("piha").ever_synced = false;
        assert_eq!(told(&silent)[0].text, "piha was never heard");
        std::sync::Arc::make_mut(&mut silent.fleet).nodes.clear();
        assert_eq!(kinds(&silent), Vec::<String>::new());
    }
}
