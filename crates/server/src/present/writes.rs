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
