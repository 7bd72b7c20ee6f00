//! The page for everybody: how the services it names are and were.
//!
//! It is made of names, states and times alone. No node, address, version, identity or reason ever enters it, because it
//! is read by people to whom the fleet says nothing else.

use std::collections::BTreeMap;

use stead_core::desired::StatusPage;
use stead_core::event::{Body, Event};
use stead_core::ids::{NodeName, ServiceName};
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_protocol::api;

use super::{Look, count, health};

/// Days shown.
pub const DAYS: i64 = 90;
const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;
/// Incidents listed.
const INCIDENTS: usize = 20;

/// The kinds of events that say how a service was.
pub const STATUS: [&str; 10] = [
    "service_healthy",
    "service_recovered",
    "service_unhealthy",
    "service_missing",
    "service_unknown",
    "containers_not_running",
    "mqtt_unreachable",
    "node_stale",
    "node_offline",
    "node_synced",
];

/// In the order in which they decide for several services of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Up,
    Unknown,
    Down,
}

/// One service while its events are gone through.
#[derive(Debug, Clone, Copy)]
struct Member {
    known: State,
    /// Its node is not heard: whatever is known is old.
    dark: bool,
}

impl Member {
    fn state(self) -> State {
        if self.dark {
            State::Unknown
        } else {
            self.known
        }
    }
}

/// The page at this moment. `events`: of the kinds in [`STATUS`], oldest first.
pub fn status_page(look: Look<'_>, page: &StatusPage, events: &[Event]) -> api::StatusPage {
    let shown = page.services(look.world);
    let mut histories = histories(&shown, events);
    let mut services = Vec::new();
    let mut incidents = Vec::new();
    for (name, behind) in &shown {
        let now = now(look, behind);
        let mut spans = histories.remove(name).unwrap_or_default();
        spans.push((look.now.at, now));
        let days = days(&spans, look.now.at);
        incidents.extend(downs(name, &spans, look.now.at));
        services.push(api::StatusService {
            name: name.clone(),
            state: word(now).to_string(),
            // Known for less than a millisecond: as it is now.
            uptime: total(&days).or(match now {
                State::Up => Some(100.0),
                State::Down => Some(0.0),
                State::Unknown => None,
            }),
            days: days.iter().map(|d| d.percent()).collect(),
        });
    }
    incidents.sort_by(|a, b| {
        let order = |i: &api::StatusIncident| (i.until.is_none(), i.since.clone());
        order(b).cmp(&order(a))
    });
    incidents.truncate(INCIDENTS);
    let (state, sentence) = sentence(&services);
    api::StatusPage {
        title: page.title.clone(),
        state: state.to_string(),
        sentence,
        services,
        incidents,
        at: look.now.at.to_string(),
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Down => "down",
        State::Unknown => "unknown",
    }
}

/// The worst of what is known of them now.
fn now(look: Look<'_>, behind: &[(NodeName, ServiceName)]) -> State {
    let states = behind.iter().map(|(node, service)| {
        let Some(desired) = look.world.fleet.service(node, service) else {
            return State::Unknown;
        };
        match health(look, node, service, desired).state {
            "healthy" => State::Up,
            "unhealthy" | "missing" => State::Down,
            _ => State::Unknown,
        }
    });
    states.max().unwrap_or(State::Unknown)
}

/// From when on each name was how: changes only, oldest first.
fn histories(
    shown: &BTreeMap<String, Vec<(NodeName, ServiceName)>>,
    events: &[Event],
) -> BTreeMap<String, Vec<(Time, State)>> {
    let mut members: BTreeMap<Subject, (&str, Member)> = BTreeMap::new();
    let mut on: BTreeMap<&NodeName, Vec<Subject>> = BTreeMap::new();
    for (name, behind) in shown {
        for (node, service) in behind {
            let subject = Subject::Service(node.clone(), service.clone());
            let member = Member {
                known: State::Unknown,
                dark: false,
            };
            on.entry(node).or_default().push(subject.clone());
            members.insert(subject, (name, member));
        }
    }
    let mut all: BTreeMap<String, Vec<(Time, State)>> = BTreeMap::new();
    for event in events {
        let touched: Vec<Subject> = match &event.subject {
            Subject::Node(node) => on.get(node).cloned().unwrap_or_default(),
            subject => vec![subject.clone()],
        };
        for subject in touched {
            let Some((name, member)) = members.get_mut(&subject) else {
                continue;
            };
            note(member, &event.body);
            let name = name.to_string();
            let state = members
                .values()
                .filter(|(of, _)| *of == name)
                .map(|(_, m)| m.state())
                .max()
                .unwrap_or(State::Unknown);
            let spans = all.entry(name).or_default();
            if spans.last().is_none_or(|(_, last)| *last != state) {
                spans.push((event.at, state));
            }
        }
    }
    all
}

fn note(member: &mut Member, body: &Body) {
    match body {
        Body::ServiceHealthy(_) | Body::ServiceRecovered(_) => member.known = State::Up,
        Body::ServiceUnhealthy(_)
        | Body::ServiceMissing(_)
        | Body::ContainersNotRunning(_)
        | Body::MqttUnreachable(_) => member.known = State::Down,
        Body::ServiceUnknown(_) => member.known = State::Unknown,
        Body::NodeStale(_) | Body::NodeOffline(_) => member.dark = true,
        Body::NodeSynced(_) => member.dark = false,
        _ => {}
    }
}

/// Milliseconds of one day of which something is known.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    up: i64,
    down: i64,
}

impl Share {
    fn percent(&self) -> Option<f64> {
        let known = self.up + self.down;
        (known > 0).then(|| (self.up as f64 / known as f64 * 10_000.0).floor() / 100.0)
    }
}

/// The last [`DAYS`] days of UTC.
fn days(spans: &[(Time, State)], now: Time) -> Vec<Share> {
    let today = now.0.div_euclid(DAY);
    let first = today - DAYS + 1;
    let mut days = vec![Share::default(); DAYS as usize];
    for (i, (from, state)) in spans.iter().enumerate() {
        let end = spans.get(i + 1).map_or(now, |(at, _)| *at).0.min(now.0);
        let mut at = from.0.max(first * DAY);
        while at < end {
            let day = at.div_euclid(DAY);
            let until = ((day + 1) * DAY).min(end);
            if let Some(share) = days.get_mut(usize::try_from(day - first).unwrap_or(usize::MAX)) {
                match state {
                    State::Up => share.up += until - at,
                    State::Down => share.down += until - at,
                    State::Unknown => {}
                }
            }
            at = until;
        }
    }
    days
}

fn total(days: &[Share]) -> Option<f64> {
    let sum = days.iter().fold(Share::default(), |sum, day| Share {
        up: sum.up + day.up,
        down: sum.down + day.down,
    });
    sum.percent()
}

/// The times it was down, within the days shown; shorter than a minute is none, unless it lasts.
fn downs(name: &str, spans: &[(Time, State)], now: Time) -> Vec<api::StatusIncident> {
    let first = Time(now.0 - DAYS * DAY);
    let mut all: Vec<(Time, Option<Time>)> = Vec::new();
    for (i, (from, state)) in spans.iter().enumerate() {
        if *state != State::Down {
            continue;
        }
        // The last span is of this moment: what is down in it lasts.
        let until = spans.get(i + 1).map(|(at, _)| *at);
        match all.last_mut() {
            Some((_, end)) if *end == Some(*from) => *end = until,
            _ => all.push((*from, until)),
        }
    }
    all.into_iter()
        .filter(|(from, until)| until.is_none_or(|end| end.0 - from.0 >= MINUTE && end >= first))
        .map(|(from, until)| api::StatusIncident {
            name: name.to_string(),
            since: from.to_string(),
            until: until.map(|at| at.to_string()),
            minutes: u64::try_from((until.unwrap_or(now).0 - from.0) / MINUTE).unwrap_or(0),
        })
        .collect()
}

fn sentence(services: &[api::StatusService]) -> (&'static str, String) {
    let of = |state: &str| services.iter().filter(|s| s.state == state).count() as u64;
    let (all, down, unknown) = (services.len() as u64, of("down"), of("unknown"));
    let are = |n: u64| if n == 1 { "is" } else { "are" };
    if all == 0 {
        return ("unknown", "Nothing is shown here yet.".to_string());
    }
    if down > 0 {
        let text = format!("{} {} down.", count(down, "service"), are(down));
        return ("outage", text);
    }
    if unknown > 0 {
        let text = format!(
            "{} {} not known now.",
            count(unknown, "service"),
            are(unknown)
        );
        return ("unknown", text);
    }
    let text = match all {
        1 => "The service is up.".to_string(),
        n => format!("All {n} services are up."),
    };
    ("operational", text)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use stead_core::event::{NodeSynced, ServiceNote};
    use stead_core::facts::FactKey;
    use stead_core::world::{EvidenceState, World};

    use super::super::tests::{NOW as NOW_HERE, Still, contained, with, world};
    use super::*;

    const NOW_OF_WORLD: Time = NOW_HERE.at;
    const NOW: Time = Time(20_000 * DAY + DAY / 2);

    fn hours(n: i64) -> Time {
        Time(NOW.0 - n * 3_600_000)
    }

    #[test]
    fn a_day_is_the_share_of_what_is_known_of_it() {
        // Up since 36 h, down from 30 to 27 h before now, unknown from 6 h on.
        let spans = [
            (hours(36), State::Up),
            (hours(30), State::Down),
            (hours(27), State::Up),
            (hours(6), State::Unknown),
        ];
        let days = days(&spans, NOW);
        assert_eq!(days.len(), 90);
        assert_eq!(
            days[89].percent(),
            Some(100.0),
            "six hours are known of today"
        );
        assert_eq!(days[88].percent(), Some(87.5), "21 of 24 hours");
        assert_eq!(days[87].percent(), None, "nothing is known before");
        assert_eq!(total(&days), Some(90.0), "27 of 30 hours");
    }

    #[test]
    fn a_whole_never_is_less_than_all_of_it() {
        let share = Share {
            up: DAY * 90 - 1,
            down: 1,
        };
        assert_eq!(share.percent(), Some(99.99), "never rounded up to 100");
    }

    #[test]
    fn what_is_down_lasts_and_a_blink_is_no_incident() {
        let spans = [
            (hours(50), State::Up),
            (hours(40), State::Down),
            (hours(39), State::Up),
            (Time(hours(30).0), State::Down),
            (Time(hours(30).0 + 30_000), State::Up),
            (hours(2), State::Down),
            (NOW, State::Down),
        ];
        let all = downs("web", &spans, NOW);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!((all[0].minutes, all[0].until.is_some()), (60, true));
        assert_eq!((all[1].minutes, all[1].until.clone()), (120, None));
    }

    fn event(subject: &str, at: i64, body: Body) -> Event {
        Event {
            seq: stead_core::ids::Seq(1),
            id: String::new(),
            at: hours(at),
            subject: subject.parse().expect("a subject"),
            severity: stead_core::event::Severity::Info,
            cause: None,
            source: stead_core::event::Source::Server,
            cursor: 0,
            body,
        }
    }

    #[test]
    fn a_name_is_as_ill_as_the_worst_behind_it_and_of_a_silent_node_nobody_knows() {
        let place = |node: &str| (node.parse().unwrap(), "web".parse().unwrap());
        let shown = BTreeMap::from([("web".to_string(), vec![place("attic"), place("piha")])]);
        let note = ServiceNote::default;
        let events = [
            event("service/piha/web", 10, Body::ServiceHealthy(note())),
            event("service/attic/web", 9, Body::ServiceHealthy(note())),
            event("service/piha/web", 8, Body::MqttUnreachable(note())),
            event("service/piha/web", 7, Body::ServiceRecovered(note())),
            event("node/attic", 6, Body::NodeStale(Map::new())),
            event("node/attic", 5, Body::NodeSynced(NodeSynced::default())),
            event("service/attic/web", 4, Body::ServiceUnknown(note())),
        ];
        let told = histories(&shown, &events);
        let expected = [
            (10, State::Unknown),
            (9, State::Up),
            (8, State::Down),
            (7, State::Up),
            (6, State::Unknown),
            (5, State::Up),
            (4, State::Unknown),
        ];
        assert_eq!(told["web"], expected.map(|(at, state)| (hours(at), state)));
    }

    fn page_of(world: &World, events: &[Event]) -> api::StatusPage {
        let page = StatusPage {
            services: "service/*/web, service/*/db".into(),
            ..StatusPage::default()
        };
        with(world, &Still::default(), |look| {
            status_page(look, &page, events)
        })
    }

    fn states(page: &api::StatusPage) -> Vec<(&str, Option<f64>)> {
        let services = page.services.iter();
        services.map(|s| (s.state.as_str(), s.uptime)).collect()
    }

    #[test]
    fn what_is_shown_now_is_the_worst_of_all_nodes_and_missing_is_down() {
        let mut world = world(EvidenceState::Fresh);
        assert_eq!(states(&page_of(&world, &[])), [("up", Some(100.0))]);
        let fleet = std::sync::Arc::make_mut(&mut world.fleet);
        let node = fleet.nodes.values().next().expect("piha").clone();
        fleet.nodes.insert("attic".parse().unwrap(), node);
        assert_eq!(
            states(&page_of(&world, &[])),
            [("unknown", None)],
            "of one of two nothing is known"
        );
        let piha = world.nodes.values_mut().next().expect("piha");
        let web = FactKey::Container("web".parse().unwrap());
        piha.facts.remove(&web).expect("it ran");
        let page = page_of(&world, &[]);
        assert_eq!(states(&page), [("down", Some(0.0))]);
        assert_eq!(page.state, "outage");
    }

    #[test]
    fn what_lasts_comes_first_and_the_list_of_incidents_has_an_end() {
        let mut world = world(EvidenceState::Fresh);
        let fleet = std::sync::Arc::make_mut(&mut world.fleet);
        let services = &mut fleet.nodes.values_mut().next().expect("piha").services;
        services.insert("db".parse().unwrap(), contained("db"));
        let at = |n: i64| Time(NOW_OF_WORLD.0 - n * 3_600_000);
        let mut events = vec![event(
            "service/piha/db",
            0,
            Body::ServiceMissing(ServiceNote::default()),
        )];
        events[0].at = at(900);
        for n in (1..=30).rev() {
            let down = Body::ServiceUnhealthy(ServiceNote::default());
            let up = Body::ServiceRecovered(ServiceNote::default());
            for (hour, body) in [(2 * n + 1, down), (2 * n, up)] {
                let mut told = event("service/piha/web", 0, body);
                told.at = at(hour);
                events.push(told);
            }
        }
        let page = page_of(&world, &events);
        assert_eq!(page.incidents.len(), INCIDENTS);
        let first = &page.incidents[0];
        assert_eq!((first.name.as_str(), &first.until), ("db", &None));
        assert_eq!(
            page.incidents[1].since,
            at(3).to_string(),
            "then the newest"
        );
    }
}
