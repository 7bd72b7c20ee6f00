//! What happened to containers, read from the log: to name what came before something began.

use std::collections::BTreeMap;

use stead_core::event::{Body, Event};
use stead_core::facts::Fact;
use stead_core::ids::NodeName;
use stead_core::insight::amount;
use stead_core::insight::annotation::{Annotation, AnnotationKind};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_ports::log::Filter;
use stead_protocol::api;

use crate::http::{App, Problem, find};
use crate::present;

/// Events read of each sort, the newest.
const EVENTS: usize = 200;
/// The same, where they are drawn beside numbers.
const MARKS: usize = 500;
/// Observations of containers read to find those that were made anew, the newest.
const SEEN: usize = 1000;
/// An observation of a container that was made longer ago than this before it tells of no deploy.
const NEW: Span = Span::mins(10);

/// What happened to a container and its node from `from` on, oldest first.
pub async fn annotations(
    app: &App,
    subject: &Subject,
    node: &NodeName,
    from: Time,
) -> Result<Vec<Annotation>, Problem> {
    let own = Filter {
        subject: Some(subject.to_string()),
        ..newest(from, None, &["container_observed"], EVENTS)
    };
    let mut events = find(app, own).await?;
    let kinds = ["node_rebooted", "action_completed"];
    events.extend(find(app, newest(from, Some(node), &kinds, EVENTS)).await?);
    events.extend(find(app, newest(from, None, &["desired_loaded"], EVENTS)).await?);
    events.sort_by_key(|e| e.seq);
    Ok(of(&events))
}

/// As annotations: a container that was made anew is a deploy, one that was started again a restart, and a cleanup is one
/// whoever did it.
pub fn of(events: &[Event]) -> Vec<Annotation> {
    let mut all: Vec<Annotation> = told(events).into_iter().map(|(a, _)| a).collect();
    all.sort_by_key(|a| a.at);
    all
}

/// What moves numbers of `node`, or of any, and of the fleet as a whole, from `from` on; oldest first. Restarts are left to repairs:
/// a container that starts again and again would be all that is to be seen.
pub async fn of_fleet(
    app: &App,
    node: Option<&NodeName>,
    from: Time,
) -> Result<Vec<api::Annotation>, Problem> {
    let mut events = find(app, newest(from, node, &present::ANNOTATING, MARKS)).await?;
    events.extend(find(app, newest(from, node, &["node_observed"], MARKS)).await?);
    events.extend(find(app, newest(from, node, &["container_observed"], SEEN)).await?);
    if node.is_some() {
        // The fleet's files concern every node and are no node's.
        events.extend(find(app, newest(from, None, &["desired_loaded"], MARKS)).await?);
    }
    events.sort_by_key(|event| event.seq);
    events.dedup_by_key(|event| event.seq);
    let mut all = told(&events);
    all.retain(|(a, _)| a.kind != AnnotationKind::Restart && a.at >= from);
    all.sort_by_key(|(a, _)| a.at);
    let noted = |(a, event): &(Annotation, &Event)| {
        present::noted(a, event.subject.node().map(ToString::to_string))
    };
    Ok(all.iter().map(noted).collect())
}

fn newest(from: Time, node: Option<&NodeName>, kinds: &[&str], limit: usize) -> Filter {
    Filter {
        since: Some(from),
        node: node.map(ToString::to_string),
        kinds: kinds.iter().map(ToString::to_string).collect(),
        newest_first: true,
        limit,
        ..Filter::default()
    }
}

/// Each with the event that tells of it.
fn told(events: &[Event]) -> Vec<(Annotation, &Event)> {
    let mut known: BTreeMap<&Subject, (&str, Option<Time>)> = BTreeMap::new();
    let mut cleaned: BTreeMap<&Subject, Time> = BTreeMap::new();
    let mut all = Vec::new();
    for event in events {
        let Body::Observed(_, fact) = &event.body else {
            all.extend(present::annotated(event).map(|a| (a, event)));
            continue;
        };
        if let Fact::Host(host) = &**fact
            && let Some(cleanup) = &host.last_cleanup
            && cleaned.insert(&event.subject, cleanup.at) != Some(cleanup.at)
        {
            let cleanup = Annotation {
                at: cleanup.at,
                kind: AnnotationKind::Cleanup,
                what: format!("a cleanup freed {}", amount::bytes(cleanup.freed)),
                event: Some(event.seq),
            };
            all.push((cleanup, event));
        }
        let Fact::Container(c) = &**fact else {
            continue;
        };
        let before = known.insert(&event.subject, (&c.id, c.started_at));
        let kind = match before {
            Some((id, _)) if id != c.id => AnnotationKind::Deploy,
            Some((_, started)) if started < c.started_at => AnnotationKind::Restart,
            None if event.at.since(c.created_at) < NEW => AnnotationKind::Deploy,
            _ => continue,
        };
        let at = match kind {
            AnnotationKind::Deploy => c.created_at,
            _ => c.started_at.unwrap_or(event.at),
        };
        let name = match &event.subject {
            Subject::Container(_, name) => name.as_str(),
            _ => "",
        };
        let annotation = Annotation {
            at,
            kind,
            what: format!("{name} ({})", c.image),
            event: Some(event.seq),
        };
        all.push((annotation, event));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stead_core::event::{Severity, Source};
    use stead_core::facts::{CleanupSeen, ContainerFacts, FactKey, HostFacts};
    use stead_core::ids::{ContainerName, Seq};

    use super::*;

    fn seen(minute: u32, id: &str, created: u32, started: u32) -> Event {
        let at = |minute: u32| Time(1_795_000_000_000 + i64::from(minute) * 60_000);
        let facts = ContainerFacts {
            id: id.to_string(),
            image: "db:1".to_string(),
            created_at: at(created),
            started_at: Some(at(started)),
            ..ContainerFacts::default()
        };
        let name: ContainerName = "db".parse().unwrap();
        let fact = Arc::new(Fact::Container(facts));
        Event {
            seq: Seq(u64::from(minute)),
            id: String::new(),
            at: at(minute),
            subject: Subject::Container("piha".parse().unwrap(), name.clone()),
            severity: Severity::Info,
            source: Source::Server,
            cause: None,
            cursor: 0,
            body: Body::Observed(FactKey::Container(name), fact),
        }
    }

    #[test]
    fn made_anew_is_a_deploy_and_started_again_a_restart() {
        let events = [
            seen(100, "a", 0, 0),
            seen(110, "a", 0, 0),
            seen(120, "a", 0, 119),
            seen(130, "b", 129, 130),
            seen(140, "b", 129, 130),
        ];
        let told: Vec<(AnnotationKind, u64)> = of(&events)
            .iter()
            .map(|a| (a.kind, a.event.unwrap().0))
            .collect();
        let expected = [
            (AnnotationKind::Restart, 120),
            (AnnotationKind::Deploy, 130),
        ];
        assert_eq!(
            told, expected,
            "an old one is no deploy when it is first seen"
        );
        let fresh = of(&[seen(5, "a", 1, 1)]);
        assert_eq!(fresh[0].kind, AnnotationKind::Deploy);
        assert_eq!(fresh[0].what, "db (db:1)");
    }

    #[test]
    fn a_cleanup_is_told_once_whoever_did_it() {
        let host = |minute: u32, cleanup: Option<(i64, u64)>| {
            let facts = HostFacts {
                last_cleanup: cleanup.map(|(at, freed)| CleanupSeen {
                    at: Time(at),
                    freed,
                }),
                ..HostFacts::default()
            };
            Event {
                subject: Subject::Node("piha".parse().unwrap()),
                body: Body::Observed(FactKey::Host, Arc::new(Fact::Host(facts))),
                ..seen(minute, "a", 0, 0)
            }
        };
        let all = of(&[
            host(1, None),
            host(2, Some((60_000, 1 << 30))),
            host(3, Some((60_000, 1 << 30))),
            host(4, Some((180_000, 512))),
        ]);
        let told: Vec<_> = all
            .iter()
            .map(|a| (a.kind, a.at.0, a.what.as_str()))
            .collect();
        let expected = [
            (AnnotationKind::Cleanup, 60_000, "a cleanup freed 1 GiB"),
            (AnnotationKind::Cleanup, 180_000, "a cleanup freed 512 B"),
        ];
        assert_eq!(told, expected);
    }
}
