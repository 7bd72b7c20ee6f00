//! How a container was, read from events made by hand.

use std::sync::Arc;

use serde_json::Map;
use stead_core::event::{NodeSynced, Severity, Source};
use stead_core::facts::FactKey;
use stead_core::ids::Seq;

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
