//! Containers that write far above their own past, as the log knows them. Row O6.

use alloc::collections::{BTreeMap, VecDeque};
use serde::{Deserialize, Serialize};

use crate::event::{Body, Event};
use crate::ids::Seq;
use crate::insight::anomaly::Anomaly;
use crate::subject::Subject;
use crate::time::Time;

/// Every container of which that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Writes {
    /// Those that go on, and the events that say so.
    #[serde(with = "crate::pairs")]
    pub open: BTreeMap<Subject, (Anomaly, Seq)>,
    /// From and to of those that ended: no part of what is usual. Oldest first, at most [`Writes::MAX_PAST`] of each
    /// container and [`Writes::MAX_SUBJECTS`] containers.
    #[serde(with = "crate::pairs")]
    pub past: BTreeMap<Subject, VecDeque<(Time, Time)>>,
}

impl Writes {
    pub const MAX_PAST: usize = 8;
    pub const MAX_SUBJECTS: usize = 1000;

    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::WritesAnomalous(e) => {
                let known = (e.anomaly.clone(), event.seq);
                self.open.insert(event.subject.clone(), known);
            }
            Body::WritesUsual(e) => {
                self.open.remove(&event.subject);
                if e.reason == "gone" {
                    self.past.remove(&event.subject);
                    return;
                }
                if self.past.len() >= Writes::MAX_SUBJECTS
                    && !self.past.contains_key(&event.subject)
                {
                    self.past.pop_first();
                }
                let past = self.past.entry(event.subject.clone()).or_default();
                if past.len() >= Writes::MAX_PAST {
                    past.pop_front();
                }
                past.push_back((e.since, event.at));
            }
            _ => {}
        }
    }
}
