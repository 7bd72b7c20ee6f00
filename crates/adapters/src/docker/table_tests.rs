use stead_core::facts::ContainerState;

use stead_core::time::Span;

use super::super::translate::{Probed, ProbedStatus};
use super::*;

const NOW: Time = Time(1_000_000);

fn patience(failures: u32, start: Span) -> BTreeMap<ContainerName, Patience> {
    let web = ContainerName::new("web").expect("a name");
    [(web, Patience { failures, start })].into()
}

fn seen(id: &str, name: &str, status: ProbedStatus, streak: u32) -> Seen {
    let facts = ContainerFacts {
        id: id.into(),
        state: ContainerState::Running,
        failing_streak: streak,
        restart_policy: "no".into(),
        ..ContainerFacts::default()
    };
    Seen {
        id: id.into(),
        raw_name: name.into(),
        name: ContainerName::new(name).ok(),
        pid: 7,
        probed: Probed { status, streak },
        start_failed: false,
        facts,
    }
}

fn exited(id: &str, name: &str) -> Seen {
    let mut seen = seen(id, name, ProbedStatus::None, 0);
    seen.facts.state = ContainerState::Exited;
    seen.facts.finished_at = Some(Time(5));
    seen.pid = 0;
    seen
}

fn event(id: &str, action: &str, signal: &str, second: i64) -> Event {
    Event {
        id: id.into(),
        action: action.into(),
        signal: signal.into(),
        at: Time(second * 1000),
    }
}

fn key(name: &str) -> FactKey {
    FactKey::Container(ContainerName::new(name).expect("a name"))
}

fn told(news: &[Observation]) -> Vec<(FactKey, ContainerFacts)> {
    let fact = |observation: &Observation| match observation {
        Observation::Put(key, fact) => match &**fact {
            Fact::Container(facts) => Some((key.clone(), facts.clone())),
            _ => None,
        },
        _ => None,
    };
    news.iter().filter_map(fact).collect()
}

#[test]
fn equal_facts_are_told_once_and_a_growing_streak_is_no_news() {
    let mut table = Table::default();
    assert_eq!(
        told(&table.inspected(seen("1", "web", ProbedStatus::Unhealthy, 3), false, NOW)).len(),
        1
    );
    assert_eq!(
        table.inspected(seen("1", "web", ProbedStatus::Unhealthy, 3), false, NOW),
        vec![]
    );
    assert_eq!(
        table.inspected(seen("1", "web", ProbedStatus::Unhealthy, 9), false, NOW),
        vec![]
    );
    assert_eq!(
        told(&table.inspected(seen("1", "web", ProbedStatus::Healthy, 0), false, NOW)).len(),
        1
    );
}

#[test]
fn failing_turns_unhealthy_as_the_streak_grows_and_only_then_is_it_left_alone() {
    let mut table = Table::default();
    let news = table.inspected(seen("1", "web", ProbedStatus::Unhealthy, 2), false, NOW);
    assert_eq!(told(&news)[0].1.health, Health::Failing);
    assert_eq!(table.failing().collect::<Vec<_>>(), ["1"]);
    let news = table.inspected(seen("1", "web", ProbedStatus::Unhealthy, 3), false, NOW);
    assert_eq!(told(&news)[0].1.health, Health::Unhealthy);
    assert_eq!(told(&news)[0].1.failing_streak, 3);
    assert_eq!(table.failing().count(), 0);
}

#[test]
fn new_patience_is_judged_at_once() {
    let mut table = Table::default();
    table.inspected(seen("1", "web", ProbedStatus::Unhealthy, 2), false, NOW);
    let news = table.set_patience(patience(0, Span::ZERO), NOW);
    assert_eq!(told(&news)[0].1.health, Health::Unhealthy);
    assert_eq!(table.set_patience(patience(1, Span::ZERO), NOW), vec![]);
}

#[test]
fn a_start_period_ends_by_itself() {
    let mut table = Table::default();
    table.set_patience(patience(1, Span::secs(60)), NOW);
    let mut ill = seen("1", "web", ProbedStatus::Unhealthy, 5);
    ill.facts.started_at = Some(NOW);
    let after = |seconds: i64| Time(NOW.0 + seconds * 1000);
    let news = table.inspected(ill.clone(), false, after(10));
    assert_eq!(told(&news)[0].1.health, Health::Starting);
    assert_eq!(
        table.failing().collect::<Vec<_>>(),
        ["1"],
        "looked at again"
    );
    assert_eq!(table.inspected(ill.clone(), false, after(59)), vec![]);
    let news = table.inspected(ill, false, after(60));
    assert_eq!(told(&news)[0].1.health, Health::Unhealthy);
    assert_eq!(table.failing().count(), 0);
}

#[test]
fn a_rename_moves_the_facts() {
    let mut table = Table::default();
    table.inspected(seen("1", "web", ProbedStatus::None, 0), false, NOW);
    let news = table.inspected(seen("1", "old", ProbedStatus::None, 0), false, NOW);
    assert_eq!(news[0], Observation::Gone(key("web")));
    assert_eq!(told(&news)[0].0, key("old"));
}

#[test]
fn a_successor_under_the_same_name_is_never_taken_away_by_its_predecessors_end() {
    let mut table = Table::default();
    table.inspected(seen("1", "web", ProbedStatus::None, 0), false, NOW);
    let news = table.inspected(seen("2", "web", ProbedStatus::None, 0), false, NOW);
    assert_eq!(told(&news)[0].1.id, "2");
    assert_eq!(table.gone("1"), vec![]);
    assert_eq!(table.gone("2"), vec![Observation::Gone(key("web"))]);
}

#[test]
fn what_a_listing_no_longer_names_is_gone() {
    let mut table = Table::default();
    table.inspected(seen("1", "web", ProbedStatus::None, 0), false, NOW);
    table.inspected(seen("2", "db", ProbedStatus::None, 0), false, NOW);
    assert_eq!(
        table.listed(&["2".into()]),
        vec![Observation::Gone(key("web"))]
    );
    assert_eq!(table.running().len(), 1);
}

#[test]
fn the_trail_says_who_stopped_it_even_if_the_events_came_first() {
    let mut table = Table::default();
    assert_eq!(
        table.event(&event("1", "kill", "15", 1), false),
        Reaction::Nothing
    );
    assert_eq!(
        table.event(&event("1", "die", "", 2), false),
        Reaction::Inspect
    );
    assert_eq!(
        table.event(&event("1", "stop", "", 2), false),
        Reaction::Inspect
    );
    let news = table.inspected(exited("1", "web"), false, NOW);
    assert!(told(&news)[0].1.stopped_by_person);

    let mut table = Table::default();
    table.event(&event("1", "die", "", 2), false);
    assert!(
        !told(&table.inspected(exited("1", "web"), false, NOW))[0]
            .1
            .stopped_by_person
    );
}

#[test]
fn a_stop_known_from_before_holds_until_it_ran_again() {
    let mut table = Table::default();
    table.remember("1".into(), Some(Time(5)));
    assert!(
        told(&table.inspected(exited("1", "web"), false, NOW))[0]
            .1
            .stopped_by_person
    );
    let mut table = Table::default();
    table.remember("1".into(), Some(Time(4)));
    assert!(
        !told(&table.inspected(exited("1", "web"), false, NOW))[0]
            .1
            .stopped_by_person,
        "another end"
    );
}

#[test]
fn probes_cost_nothing_and_health_comes_first() {
    let mut table = Table::default();
    for quiet in [
        "exec_create: /bin/sh -c true",
        "exec_start: /bin/sh",
        "exec_die",
        "top",
        "attach",
        "resize",
    ] {
        assert_eq!(
            table.event(&event("1", quiet, "", 1), false),
            Reaction::Nothing,
            "{quiet}"
        );
    }
    assert_eq!(
        table.event(&event("1", "health_status: unhealthy", "", 1), false),
        Reaction::InspectFirst
    );
    assert_eq!(
        table.event(&event("1", "destroy", "", 1), false),
        Reaction::Gone
    );
}

#[test]
fn a_name_stead_does_not_accept_is_noted_once() {
    let mut table = Table::default();
    assert!(matches!(
        table.inspected(seen("1", "a/../b", ProbedStatus::None, 0), false, NOW)[..],
        [Observation::Note {
            code: "container-name",
            ..
        }]
    ));
    assert_eq!(
        table.inspected(seen("1", "a/../b", ProbedStatus::None, 0), false, NOW),
        vec![]
    );
}
