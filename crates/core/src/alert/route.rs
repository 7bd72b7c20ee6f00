//! Which messages go where, and which of them make a noise. Rows T2 and T4.

use alloc::string::String;
use alloc::vec::Vec;

use crate::desired::{Fleet, Ping, Route, RouteMatch};
use crate::event::Severity;
use crate::policy::{Now, glob};
use crate::subject::Subject;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub channel: String,
    /// The first route that sends it there.
    pub route: String,
    pub ping: bool,
}

/// What one route says about a message. Row T4: "where would this go?"
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    pub route: String,
    pub to: Vec<String>,
    pub ping: bool,
    /// What does not match; `None` where the route takes it.
    pub against: Option<&'static str>,
}

/// Every channel that some route sends this to, once; it makes a noise where any of them says so.
pub fn of(
    fleet: &Fleet,
    kinds: &[&str],
    subject: &Subject,
    severity: Severity,
    now: Now,
) -> Vec<Destination> {
    let mut found: Vec<Destination> = Vec::new();
    for route in &fleet.routes {
        let takes = kinds
            .iter()
            .any(|kind| against(fleet, &route.matches, kind, subject, severity).is_none());
        if !takes {
            continue;
        }
        let ping = pings(fleet, route.ping, now);
        for channel in route.to.iter().filter(|c| fleet.channels.contains_key(*c)) {
            match found.iter_mut().find(|d| d.channel == *channel) {
                Some(known) => known.ping |= ping,
                None => found.push(Destination {
                    channel: channel.clone(),
                    route: route.name.clone(),
                    ping,
                }),
            }
        }
    }
    found
}

/// What each route would do with such a message.
pub fn simulate(
    fleet: &Fleet,
    kind: &str,
    subject: &Subject,
    severity: Severity,
    now: Now,
) -> Vec<Opinion> {
    let opinion = |route: &Route| Opinion {
        route: route.name.clone(),
        to: route.to.clone(),
        ping: pings(fleet, route.ping, now),
        against: against(fleet, &route.matches, kind, subject, severity),
    };
    fleet.routes.iter().map(opinion).collect()
}

fn pings(fleet: &Fleet, ping: Ping, now: Now) -> bool {
    match ping {
        Ping::Always => true,
        Ping::Never => false,
        Ping::OutsideBusinessHours => !fleet.policy.calendar.is_business(now.day, now.minute),
    }
}

/// What of `m` does not match.
fn against(
    fleet: &Fleet,
    m: &RouteMatch,
    kind: &str,
    subject: &Subject,
    severity: Severity,
) -> Option<&'static str> {
    let empty = m.kind.is_none()
        && m.severity.is_none()
        && m.node.is_none()
        && m.service.is_none()
        && m.labels.is_empty();
    if empty {
        return Some("match");
    }
    let node = subject.node().map(|n| n.as_str());
    let service = subject.service().map(|s| s.as_str());
    let fits = |pattern: &Option<String>, text: Option<&str>| match (pattern, text) {
        (None, _) => true,
        (Some(pattern), Some(text)) => glob(pattern, text),
        (Some(_), None) => false,
    };
    let labels = subject
        .node()
        .and_then(|n| fleet.nodes.get(n))
        .map(|n| &n.labels);
    let labelled = m
        .labels
        .iter()
        .all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value));
    [
        ("kind", fits(&m.kind, Some(kind))),
        ("severity", m.severity.is_none_or(|least| severity >= least)),
        ("node", fits(&m.node, node)),
        ("service", fits(&m.service, service)),
        ("labels", labelled),
    ]
    .into_iter()
    .find(|(_, fits)| !fits)
    .map(|(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Channel, Node, Webhook};
    use alloc::borrow::ToOwned;
    use alloc::vec;

    fn route(name: &str, matches: RouteMatch, to: &[&str], ping: Ping) -> Route {
        Route {
            name: name.to_owned(),
            matches,
            to: to.iter().map(|c| (*c).to_owned()).collect(),
            ping,
        }
    }

    fn fleet(routes: Vec<Route>) -> Fleet {
        let mut fleet = Fleet {
            routes,
            ..Fleet::default()
        };
        for channel in ["a", "b"] {
            fleet
                .channels
                .insert(channel.to_owned(), Channel::Webhook(Webhook::default()));
        }
        let node = Node {
            labels: [("site".to_owned(), "home".to_owned())].into(),
            ..Node::default()
        };
        fleet.nodes.insert("piha".parse().unwrap(), node);
        fleet
    }

    fn severe(least: Severity) -> RouteMatch {
        RouteMatch {
            severity: Some(least),
            ..RouteMatch::default()
        }
    }

    #[test]
    fn every_route_that_matches_is_used_and_a_channel_hears_it_once() {
        let all = fleet(vec![
            route(
                "one",
                severe(Severity::Warning),
                &["a", "gone"],
                Ping::Never,
            ),
            route("two", severe(Severity::Info), &["a", "b"], Ping::Always),
            route("empty", RouteMatch::default(), &["b"], Ping::Always),
        ]);
        let subject = "service/piha/z2m".parse().unwrap();
        let found = of(
            &all,
            &["service_missing"],
            &subject,
            Severity::Warning,
            Now::default(),
        );
        let expected = [("a", "one", true), ("b", "two", true)];
        let shown: Vec<_> = found
            .iter()
            .map(|d| (d.channel.as_str(), d.route.as_str(), d.ping))
            .collect();
        assert_eq!(shown, expected);
        assert!(
            of(
                &fleet(vec![]),
                &["x"],
                &subject,
                Severity::Critical,
                Now::default()
            )
            .is_empty()
        );
    }

    #[test]
    fn the_simulator_says_what_speaks_against_a_route() {
        let labelled = RouteMatch {
            labels: [("site".to_owned(), "office".to_owned())].into(),
            ..RouteMatch::default()
        };
        let about = |kind: &str, node: &str, service: &str| RouteMatch {
            kind: Some(kind.to_owned()),
            node: Some(node.to_owned()),
            service: Some(service.to_owned()),
            ..RouteMatch::default()
        };
        let all = fleet(vec![
            route("kind", about("node_*", "*", "*"), &["a"], Ping::Never),
            route("severity", severe(Severity::Critical), &["a"], Ping::Never),
            route("node", about("service_*", "x*", "*"), &["a"], Ping::Never),
            route(
                "service",
                about("service_*", "pi*", "web"),
                &["a"],
                Ping::Never,
            ),
            route("labels", labelled, &["a"], Ping::Never),
            route("match", RouteMatch::default(), &["a"], Ping::Never),
            route(
                "takes",
                about("service_*", "pi?a", "z*"),
                &["a"],
                Ping::Never,
            ),
        ]);
        let subject = "service/piha/z2m".parse().unwrap();
        let opinions = simulate(
            &all,
            "service_missing",
            &subject,
            Severity::Warning,
            Now::default(),
        );
        for opinion in opinions {
            let expected = (opinion.route != "takes").then_some(opinion.route.as_str());
            assert_eq!(opinion.against, expected);
        }
    }

    #[test]
    fn a_noise_outside_business_hours_keeps_to_the_calendar() {
        let all = fleet(vec![route(
            "night",
            severe(Severity::Warning),
            &["a"],
            Ping::OutsideBusinessHours,
        )]);
        let subject = "node/piha".parse().unwrap();
        // 2026-11-26 is a Thursday.
        let at = |day, hour: u16| Now {
            day,
            minute: hour * 60,
            ..Now::default()
        };
        let pings = |now| of(&all, &["node_offline"], &subject, Severity::Warning, now)[0].ping;
        assert!(!pings(at(20_783, 12)));
        assert!(pings(at(20_783, 22)));
        assert!(pings(at(20_785, 12)), "Saturday");
    }
}
