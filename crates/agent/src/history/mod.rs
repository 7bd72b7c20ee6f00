//! The node's own history: each second for a day, kept where it was measured.
//!
//! ```text
//! observer ─ offer ─► queue (bounded) ─► take ─► store ─► ask ─► route
//! ```
//!
//! Servers keep steps of ten seconds; what was in between is asked of the node. Nothing here holds up observing, the spool or
//! an order: a sample that finds the queue full is dropped and counted, and a store that cannot be opened or written is a
//! [`Limit`] that the node's facts show, while everything else goes on. Whoever asks gets an answer of bounded size.

mod recorder;
mod take;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stead_core::container_sample::ContainerSample;
use stead_core::facts::Limit;
use stead_core::ids::NodeName;
use stead_core::sample::HostSample;
use stead_core::time::{Span, Time};
use stead_history::series::NODE;
use stead_history::store::{Options, Stats, Store};
use stead_ports::clock::Clock;
use stead_ports::disk::Disk;
use stead_ports::history::select;
use stead_ports::history::{Error, NAME, Op, Range, Reader, Selector};
use stead_protocol::agent::{Kept, KeptPoint, KeptSeries};
use tokio::sync::mpsc;

pub use recorder::Recorder;

/// Samples that wait for the disk.
const QUEUE: usize = 16;
/// Points of one answer: some 2 MiB of JSON.
const POINTS: u64 = 40_000;

/// What was measured in a second.
#[derive(Debug)]
struct Reading {
    host: HostSample,
    containers: Vec<ContainerSample>,
}

/// The history as observer and routes see it. Clones are the same.
#[derive(Debug, Clone)]
pub struct History(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Reading>,
    /// Empty until the store could be opened.
    store: OnceLock<Store>,
    dropped: AtomicU64,
    limit: Mutex<Option<Limit>>,
}

/// A question about what was kept: `from` is part of it, `to` is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub selector: Selector,
    pub from: Time,
    pub to: Time,
    pub step: Span,
}

impl History {
    /// A history in `dir`, and who has to be run so that it keeps anything.
    pub fn new(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        dir: &Path,
        options: Options,
    ) -> (History, Recorder) {
        let (queue, readings) = mpsc::channel(QUEUE);
        let history = History(Arc::new(Inner {
            queue,
            store: OnceLock::new(),
            dropped: AtomicU64::new(0),
            limit: Mutex::new(None),
        }));
        let recorder = Recorder::new(history.clone(), readings, disk, clock, dir, options);
        (history, recorder)
    }

    /// Hands over what was measured. Never waits.
    pub fn offer(&self, host: &HostSample, containers: &[ContainerSample]) {
        let reading = Reading {
            host: host.clone(),
            containers: containers.to_vec(),
        };
        if self.0.queue.try_send(reading).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Why nothing is kept now, and what to do about it.
    pub fn limit(&self) -> Option<Limit> {
        let limit = self.0.limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.clone()
    }

    fn set_limit(&self, limit: Option<Limit>) {
        *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    /// Samples that were not kept because the disk was too slow.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// What the store holds; `None` while it is not open.
    pub fn stats(&self) -> Option<Stats> {
        self.0.store.get().map(Store::stats)
    }

    /// What was kept, as the series of `node`; `None` while the store is not open.
    pub async fn ask(&self, node: &NodeName, question: Question) -> Option<Result<Kept, Error>> {
        let store = self.0.store.get()?;
        Some(answer(store, node, question).await)
    }
}

async fn answer(store: &Store, node: &NodeName, question: Question) -> Result<Kept, Error> {
    let Question {
        selector,
        from,
        to,
        step,
    } = question;
    let step = step.max(store.options().tiers.get(0).step);
    let mut kept = Kept {
        step_ms: step.0,
        series: Vec::new(),
    };
    let Some(selector) = own(selector, node)? else {
        return Ok(kept);
    };
    let series = store.series(&selector, from).await?.len() as u64;
    let points = series.saturating_mul(to.since(from).0 / step.0 + 1);
    if points > POINTS {
        return Err(Error::TooMuch {
            what: "points",
            asked: points,
            limit: POINTS,
            hint: "ask with a longer step, for a shorter time, or for fewer series",
        });
    }
    let range = Range {
        selector,
        from,
        to,
        step,
    };
    let found = store.range(&range).await?;
    kept.series.extend(found.into_iter().map(|series| {
        let labels = series.labels.iter().filter(|(name, _)| *name != NAME);
        let labels = labels.chain([(NODE, node.as_str())]);
        let points = series.points.iter();
        KeptSeries {
            metric: series.labels.metric().to_owned(),
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            points: points
                .map(|p| KeptPoint(p.at.0, p.min, p.avg, p.max))
                .collect(),
        }
    }));
    Ok(kept)
}

/// The selector for series that carry no node; `None` where another node is meant, or none at all.
fn own(mut selector: Selector, node: &NodeName) -> Result<Option<Selector>, Error> {
    if selector.matchers.is_empty() {
        return Ok(None);
    }
    let tests = select::compile(&selector)?;
    let mut of_node = tests.iter().filter(|test| test.label == NODE);
    if !of_node.all(|test| test.fits(node.as_str())) {
        return Ok(None);
    }
    selector.matchers.retain(|matcher| matcher.label != NODE);
    // `{node="piha"}` means all of them.
    if selector.matchers.is_empty() {
        selector = selector.with(NAME, Op::NotEqual, "");
    }
    Ok(Some(selector))
}

#[cfg(test)]
mod tests {
    use stead_history::selector;

    use super::*;

    #[test]
    fn a_node_answers_for_itself_alone() {
        let piha: NodeName = "piha".parse().expect("a name");
        let own = |text: &str| {
            let selector = selector::read(text).expect("a selector");
            own(selector, &piha).expect("it compiles")
        };
        let cpu = own(r#"cpu{node="piha",mode="steal"}"#).expect("itself");
        assert_eq!(
            cpu,
            Selector::metric("cpu").with("mode", Op::Equal, "steal")
        );
        assert_eq!(own(r#"cpu{node="attic"}"#), None);
        assert_eq!(own(r#"cpu{node!~"pi.*"}"#), None);
        assert_eq!(own("cpu"), Some(Selector::metric("cpu")));
        let all = own(r#"{node=~"pi.*"}"#).expect("itself");
        assert_eq!(all.matchers.len(), 1);
        let none = super::own(Selector::default(), &piha);
        assert_eq!(none, Ok(None), "an empty selector means none");
    }
}
