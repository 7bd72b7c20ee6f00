//! Containers that write far above their own past, as people read it.

use std::collections::BTreeMap;

use stead_core::ids::Seq;
use stead_core::insight::anomaly::Anomaly;
use stead_core::subject::Subject;
use stead_protocol::api;

use super::{Look, annotation};

/// Those that go on, the one that fills its disk first first. `latest`: the same as they are now.
pub fn write_anomalies(
    look: Look<'_>,
    latest: &BTreeMap<Subject, Anomaly>,
) -> Vec<api::WriteAnomaly> {
    let open = look.world.writes.open.iter();
    let mut all: Vec<api::WriteAnomaly> = open
        .map(|(subject, (begun, seq))| {
            write_anomaly(subject, latest.get(subject).unwrap_or(begun), *seq)
        })
        .collect();
    all.sort_by_key(|a| (a.full_in_ms.unwrap_or(u64::MAX), std::cmp::Reverse(a.rate)));
    all
}

pub fn write_anomaly(subject: &Subject, anomaly: &Anomaly, event: Seq) -> api::WriteAnomaly {
    let node = subject.node().map(ToString::to_string).unwrap_or_default();
    let container = match subject {
        Subject::Container(_, name) => name.to_string(),
        _ => String::new(),
    };
    let before = anomaly.before.as_ref();
    api::WriteAnomaly {
        subject: subject.to_string(),
        text: format!("{container} on {node} {}", anomaly.words()),
        since: anomaly.since.to_string(),
        rate: anomaly.rate,
        usual: anomaly.usual,
        bound: anomaly.bound,
        factor: anomaly.factor,
        before: before.map(|b| annotation::noted(b, Some(node.clone()))),
        full_in_ms: anomaly.full_in.map(|span| span.0),
        event: event.0,
        node,
        container,
    }
}

#[cfg(test)]
mod tests {
    use stead_core::time::Span;
    use stead_core::world::EvidenceState;

    use super::super::tests::{NOW, Still, with, world};
    use super::*;

    fn anomaly(rate: u64, hours: Option<u64>) -> Anomaly {
        Anomaly {
            since: NOW.at,
            rate,
            usual: 1,
            bound: 2,
            factor: None,
            before: None,
            full_in: hours.map(Span::hours),
        }
    }

    #[test]
    fn the_disk_that_is_full_first_comes_first_and_then_who_writes_most() {
        let mut world = world(EvidenceState::Fresh);
        for (name, rate, hours) in [
            ("a", 9, None),
            ("b", 1, Some(5)),
            ("c", 2, Some(4)),
            ("d", 3, Some(4)),
            ("e", 99, None),
        ] {
            let subject: Subject = format!("container/piha/{name}").parse().expect("a subject");
            world
                .writes
                .open
                .insert(subject, (anomaly(rate, hours), Seq(7)));
        }
        let shown = |latest: &BTreeMap<Subject, Anomaly>| -> Vec<String> {
            let all = with(&world, &Still::default(), |look| {
                write_anomalies(look, latest)
            });
            all.into_iter().map(|a| a.container).collect()
        };
        assert_eq!(shown(&BTreeMap::new()), ["d", "c", "b", "e", "a"]);
        let b: Subject = "container/piha/b".parse().expect("a subject");
        let latest = BTreeMap::from([(b, anomaly(1, Some(1)))]);
        assert_eq!(shown(&latest), ["b", "d", "c", "e", "a"], "as it is now");
    }
}
