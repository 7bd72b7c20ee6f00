//! How a container was, read from events made by hand.

use std::sync::Arc;

use serde_json::Map;
use stead_core::event::{NodeSynced, Severity, Source};
use stead_core::facts::FactKey;
use stead_core::ids::Seq;

use super::super::tests::{Still, contained, piha, set, with, world};
use super::*;

const FROM: Time = Time(1_795_000_000_000);

fn event(minute: i64, body: Body) -> Event {
    Event {
        seq: Seq(1),
        id: String::new(),
        at: Time(FROM.0 + minute * 60_000),
        subject: Subject::Fleet,
        severity: Severity::Info,
        source: Source::Server,
        cause: None,
        cursor: 0,
        body,
    }
}

fn seen(minute: i64, state: ContainerState, health: Health) -> Event {
    let facts = ContainerFacts {
        state,
        health,
        ..ContainerFacts::default()
    };
    let key = FactKey::Container("web".parse().unwrap());
    event(
        minute,
        Body::Observed(key, Arc::new(Fact::Container(facts))),
    )
}

fn told(events: &[Event]) -> Vec<(i64, String)> {
    let to = Time(FROM.0 + 60 * 60_000);
    let spans = health_history(events, FROM, to);
    for pair in spans.windows(2) {
        assert_eq!(pair[0].to, pair[1].from, "no gaps");
        assert_ne!(pair[0].state, pair[1].state);
    }
    assert_eq!(spans[0].from, FROM.to_string());
    assert_eq!(spans.last().unwrap().to, to.to_string());
    let minute = |text: &str| (text.parse::<Time>().unwrap().0 - FROM.0) / 60_000;
    spans
        .iter()
        .map(|s| (minute(&s.from), s.state.clone()))
        .collect()
}

fn spans(list: &[(i64, &str)]) -> Vec<(i64, String)> {
    list.iter()
        .map(|(at, word)| (*at, word.to_string()))
        .collect()
}

#[test]
fn a_strip_says_how_it_was_without_gaps() {
    use ContainerState::{Exited, Running};
    let key = FactKey::Container("web".parse().unwrap());
    let events = [
        seen(-10, Running, Health::Healthy),
        seen(5, Running, Health::Failing),
        seen(5, Running, Health::Unhealthy),
        seen(6, Running, Health::Unhealthy),
        seen(9, Exited, Health::Unhealthy),
        event(20, Body::Gone(key)),
        seen(30, Running, Health::None),
        seen(90, Exited, Health::None),
    ];
    let expected = [
        (0, "healthy"),
        (5, "unhealthy"),
        (9, "exited"),
        (20, "absent"),
        (30, "running"),
    ];
    assert_eq!(told(&events), spans(&expected));
}

#[test]
fn what_nobody_saw_is_unknown_and_not_well() {
    assert_eq!(told(&[]), spans(&[(0, "unknown")]));
    let healthy = || seen(1, ContainerState::Running, Health::Healthy);
    let events = [
        healthy(),
        event(10, Body::NodeStale(Map::new())),
        event(12, Body::NodeOffline(Map::new())),
        event(20, Body::NodeSynced(NodeSynced::default())),
        event(40, Body::ServerStarted(Map::new())),
    ];
    let expected = [
        (0, "unknown"),
        (1, "healthy"),
        (10, "unknown"),
        (20, "healthy"),
        (40, "unknown"),
    ];
    assert_eq!(told(&events), spans(&expected));
}

fn listed(node: &str, name: &str) -> api::Container {
    api::Container {
        node: node.to_string(),
        name: name.to_string(),
        state: "running".to_string(),
        evidence: "fresh".to_string(),
        ..api::Container::default()
    }
}

#[test]
fn a_filter_leaves_what_it_says() {
    let stopped = api::Container {
        state: "exited".to_string(),
        evidence: "stale".to_string(),
        ..listed("attic", "old")
    };
    let limited = api::Container {
        memory_limit: 64,
        unhealthy: true,
        ..listed("piha", "web")
    };
    let mut all = vec![listed("piha", "db"), stopped, limited];
    let left = |filter: Filter| -> Vec<&str> {
        let fits = all.iter().filter(|c| filter.fits(c));
        fits.map(|c| c.name.as_str()).collect()
    };
    let no_limit = Filter {
        no_limit: true,
        ..Filter::default()
    };
    assert_eq!(left(no_limit), ["db"], "what does not run takes nothing");
    let of_attic = Filter {
        node: Some("attic".parse().unwrap()),
        ..Filter::default()
    };
    assert_eq!(left(of_attic), ["old"]);
    let counts = container_counts(&all);
    assert_eq!(
        (counts.no_limit, counts.not_running, counts.not_fresh),
        (1, 1, 1)
    );
    arrange(&mut all);
    let order: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(order, ["web", "old", "db"], "unhealthy ones first");
}

#[test]
fn only_fresh_evidence_calls_a_container_unhealthy_and_one_that_never_gets_up_is() {
    let is = |state, health, evidence| {
        let world = world(evidence);
        let facts = ContainerFacts {
            state,
            health,
            ..ContainerFacts::default()
        };
        is_unhealthy(&world.nodes[&piha()], &facts)
    };
    use ContainerState::{Dead, Exited, Restarting, Running};
    use stead_core::world::EvidenceState::{Fresh, Stale};
    assert!(is(Running, Health::Unhealthy, Fresh));
    assert!(!is(Running, Health::Unhealthy, Stale));
    assert!(!is(Running, Health::Failing, Fresh));
    assert!(is(Restarting, Health::None, Fresh) && is(Dead, Health::None, Fresh));
    assert!(!is(Exited, Health::None, Fresh));
}

#[test]
fn a_container_is_shown_with_its_stack_its_age_and_what_it_writes() {
    let world = world(stead_core::world::EvidenceState::Fresh);
    let labels = [("com.docker.stack.namespace", "shop")];
    let facts = ContainerFacts {
        labels: labels.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        image_created_at: Some(Time(7)),
        ..ContainerFacts::default()
    };
    let sample = stead_core::container_sample::ContainerSample {
        name: "web".parse().unwrap(),
        cpu_percent: 1.0,
        memory_bytes: 2,
        memory_limit: 3,
        net_rx_per_s: Some(4.0),
        net_tx_per_s: Some(5.0),
        block_read_per_s: 6.0,
        block_write_per_s: 7.0,
    };
    let shown = with(&world, &Still::default(), |look| {
        let name = "web".parse().unwrap();
        container(look, &piha(), &name, &facts, None, Some(&sample))
    });
    assert_eq!(shown.stack.as_deref(), Some("shop"));
    assert_eq!(shown.image_created_at, Some(Time(7).to_string()));
    assert_eq!(
        (
            shown.cpu_percent,
            shown.memory_bytes,
            shown.block_write_bytes
        ),
        (Some(1.0), Some(2), Some(7.0))
    );
    assert_eq!(
        (shown.net_rx_bytes, shown.net_tx_bytes),
        (Some(4.0), Some(5.0))
    );
}

#[test]
fn a_service_that_names_a_container_owns_it_before_its_compose_project_does() {
    use stead_core::desired::ServiceKind;
    use stead_core::world::EvidenceState::Fresh;
    let mut world = world(Fresh);
    let labels = [("com.docker.compose.project", "shop")];
    let facts = ContainerFacts {
        state: ContainerState::Running,
        labels: labels.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        ..ContainerFacts::default()
    };
    for name in ["web", "stray"] {
        let key = FactKey::Container(name.parse().unwrap());
        set(&mut world, key, Fact::Container(facts.clone()));
    }
    let node = Arc::make_mut(&mut world.fleet).nodes.get_mut(&piha());
    let services = &mut node.unwrap().services;
    let compose = stead_core::desired::Service {
        kind: ServiceKind::Compose {
            path: "/srv/shop".to_string(),
            service: None,
            project: Some("shop".to_string()),
            file: None,
        },
        ..contained("web")
    };
    for name in ["a-shop", "z-shop"] {
        services.insert(name.parse().unwrap(), compose.clone());
    }
    let owned = owners(&world.nodes[&piha()], world.fleet.nodes.get(&piha()));
    let of = |name: &str| owned[&name.parse::<ContainerName>().unwrap()].as_str();
    assert_eq!(of("web"), "web");
    assert!(of("stray").ends_with("-shop"), "{owned:?}");
}

#[test]
fn what_cannot_be_restarted_is_left_out_and_says_why() {
    use stead_core::world::EvidenceState::Fresh;
    let mut world = world(Fresh);
    let node = Arc::make_mut(&mut world.fleet).nodes.get_mut(&piha());
    for service in node.unwrap().services.values_mut() {
        service.suspended = true;
    }
    let subject: Subject = "service/piha/web".parse().unwrap();
    let planned = with(&world, &Still::default(), |look| {
        planned_restart(look, &subject, None)
    });
    let why = planned.left_out.unwrap();
    assert!(why.starts_with("the files suspend it"), "{why}");
    assert!(why.contains("take `suspended: true` out"), "{why}");
    assert_eq!((planned.digest.as_str(), planned.containers.len()), ("", 0));
}
