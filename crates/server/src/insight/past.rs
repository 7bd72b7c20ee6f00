//! What happened to containers, read from the log: to name what came before something began.

use std::collections::BTreeMap;

use stead_core::event::{Body, Event};
use stead_core::facts::Fact;
use stead_core::ids::NodeName;
use stead_core::insight::annotation::{Annotation, AnnotationKind};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};
use stead_ports::log::Filter;

use crate::http::{App, Problem, find};
use crate::present;

/// Events read of each sort, the newest.
const EVENTS: usize = 200;
/// An observation of a container that was made longer ago than this before it tells of no deploy.
const NEW: Span = Span::mins(10);

/// What happened to a container and its node from `from` on, oldest first.
pub async fn annotations(
    app: &App,
    subject: &Subject,
    node: &NodeName,
    from: Time,
) -> Result<Vec<Annotation>, Problem> {
    let filter = |kinds: &[&str]| Filter {
        since: Some(from),
        kinds: kinds.iter().map(ToString::to_string).collect(),
        newest_first: true,
        limit: EVENTS,
        ..Filter::default()
    };
    let own = Filter {
        subject: Some(subject.to_string()),
        ..filter(&["container_observed"])
    };
    let of_node = Filter {
        node: Some(node.to_string()),
        ..filter(&["node_rebooted", "action_completed"])
    };
    let mut events = find(app, own).await?;
    events.extend(find(app, of_node).await?);
    events.extend(find(app, filter(&["desired_loaded"])).await?);
    events.sort_by_key(|e| e.seq);
    Ok(of(&events))
}

/// As annotations: a container that was made anew is a deploy, one that was started again a restart.
pub fn of(events: &[Event]) -> Vec<Annotation> {
    let mut known: BTreeMap<&Subject, (&str, Option<Time>)> = BTreeMap::new();
    let mut all = Vec::new();
    for event in events {
        let Body::Observed(_, fact) = &event.body else {
            all.extend(present::annotated(event));
            continue;
        };
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
        all.push(Annotation {
            at,
            kind,
            what: format!("{name} ({})", c.image),
            event: Some(event.seq),
        });
    }
    all.sort_by_key(|a| a.at);
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stead_core::event::{Severity, Source};
    use stead_core::facts::{ContainerFacts, FactKey};
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
}
