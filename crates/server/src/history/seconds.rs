//! What nodes keep of themselves, each second for a day: asked for while somebody looks, and joined with what the server has.
//!
//! A node that is away or slow never makes an answer late or wrong: its stretch is then that of the server, and a sentence
//! says so. An older agent, which keeps no seconds, is no news and gets no sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use stead_core::ids::NodeName;
use stead_core::time::{Span, Time};
use stead_history::fold::floor;
use stead_ports::history::select;
use stead_ports::history::{Error, Labels, Point, Range, Selector, Series};
use stead_protocol::agent::Kept;

use super::series::NODE;
use crate::proxy::{AgentProxy, ProxyError};

/// How long nodes keep their seconds, and a little more: they drop hours as a whole.
pub const KEPT: Span = Span::hours(26);
/// Nodes asked for one answer.
const NODES: usize = 16;
/// Of those, at a time.
const AT_ONCE: usize = 8;
/// A node that has not answered by then does not answer: people wait for the page.
const WITHIN: Duration = Duration::from_secs(3);
/// Stretches told of one answer: whoever was away more often is told as the last of them.
const STRETCHES: usize = 50;

/// What nodes answered.
#[derive(Debug, Default)]
pub struct Seconds {
    pub series: Vec<Series>,
    /// Why there is not more, as sentences.
    pub limits: Vec<String>,
}

/// Which of `all` the selector means.
pub fn nodes(selector: &Selector, all: BTreeSet<NodeName>) -> Result<Vec<NodeName>, Error> {
    let tests = select::compile(selector)?;
    let meant = |node: &NodeName| {
        let mut of_node = tests.iter().filter(|test| test.label == NODE);
        of_node.all(|test| test.fits(node.as_str()))
    };
    Ok(all.into_iter().filter(meant).collect())
}

/// Asks each of `nodes` for its seconds.
pub async fn ask(agents: &dyn AgentProxy, nodes: Vec<NodeName>, range: &Range) -> Seconds {
    let mut all = Seconds::default();
    if nodes.len() > NODES {
        let of = nodes.len();
        let text = format!(
            "Seconds are asked of {NODES} nodes at most, and {of} are meant: name fewer of them."
        );
        all.limits.push(text);
        return all;
    }
    let path = path(range);
    let path = &path;
    let answers = stream::iter(nodes).map(|node| async move {
        let answer = tokio::time::timeout(WITHIN, agents.get(&node, path)).await;
        let answer = answer.unwrap_or_else(|_| Err(ProxyError::TimedOut(node.clone())));
        (node, answer)
    });
    let mut answers = answers.buffered(AT_ONCE);
    while let Some((node, answer)) = answers.next().await {
        match answer.map(|bytes| serde_json::from_slice::<Kept>(&bytes)) {
            Ok(Ok(kept)) => all.series.extend(named(&node, kept)),
            Ok(Err(error)) => all.limits.push(without(&node, &error.to_string())),
            // An older agent.
            Err(ProxyError::Answered { status: 404, .. }) => {}
            Err(error) => all.limits.push(without(&node, &error.to_string())),
        }
    }
    all
}

fn without(node: &NodeName, why: &str) -> String {
    format!(
        "The seconds of {node} are not there: {}.",
        why.trim_end_matches('.')
    )
}

/// The agent knows itself by the name it was last told; the server knows better.
fn path(range: &Range) -> String {
    let mut selector = range.selector.clone();
    selector.matchers.retain(|matcher| matcher.label != NODE);
    // Where only the node is named, it is what the selector is about.
    let selector = if selector.matchers.is_empty() {
        &range.selector
    } else {
        &selector
    };
    let text = crate::present::segment(&selector.to_string());
    let (from, to, step) = (range.from.0, range.to.0, range.step.0);
    format!("/v1/history?match={text}&from={from}&to={to}&step={step}")
}

fn named(node: &NodeName, kept: Kept) -> impl Iterator<Item = Series> {
    kept.series.into_iter().map(move |series| {
        let own = series.labels.iter().filter(|(name, _)| *name != NODE);
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = Labels::new(&series.metric, own.chain([(NODE, node.as_str())]));
        let point = |p: &stead_protocol::agent::KeptPoint| Point {
            at: Time(p.0),
            min: p.1,
            avg: p.2,
            max: p.3,
        };
        let mut points: Vec<Point> = series.points.iter().map(point).collect();
        points.sort_by_key(|p| p.at);
        points.dedup_by_key(|p| p.at);
        Series { labels, points }
    })
}

/// Which part of an answer came from where: steps of the server's finest tier, by what they are made of.
#[derive(Debug, Default)]
pub struct Made {
    /// Begin of a step, and whether seconds of a node are in it.
    steps: BTreeMap<i64, bool>,
}

/// A node's seconds where it has them, steps of `step` milliseconds of the server's where not. Of one step never both.
pub fn join(own: Vec<Series>, kept: Vec<Series>, step: i64) -> (Vec<Series>, Made) {
    let mut made = Made::default();
    let mut all: BTreeMap<Labels, Vec<Point>> = BTreeMap::new();
    for series in kept {
        let steps = series.points.iter().map(|p| floor(p.at.0, step));
        made.steps.extend(steps.map(|at| (at, true)));
        all.insert(series.labels, series.points);
    }
    for series in own {
        let there = all.entry(series.labels).or_default();
        let fine: BTreeSet<i64> = there.iter().map(|p| floor(p.at.0, step)).collect();
        for point in series.points {
            let at = floor(point.at.0, step);
            if !fine.contains(&at) {
                made.steps.entry(at).or_insert(false);
                there.push(point);
            }
        }
        there.sort_by_key(|p| p.at);
    }
    let series = |(labels, points)| Series { labels, points };
    (all.into_iter().map(series).collect(), made)
}

impl Made {
    pub fn has_seconds(&self) -> bool {
        self.steps.values().any(|fine| *fine)
    }

    /// `from` to `to` in stretches, the newest first: whether each is of seconds. What nobody knows belongs to what was
    /// before it.
    pub fn stretches(&self, from: i64, to: i64) -> Vec<(i64, i64, bool)> {
        let mut runs: Vec<(i64, bool)> = Vec::new();
        for (at, fine) in self.steps.iter().map(|(at, fine)| (*at, *fine)) {
            if at < to && runs.last().is_none_or(|(_, last)| *last != fine) {
                runs.push((at, fine));
            }
        }
        if let Some(first) = runs.first_mut() {
            first.0 = from;
        } else {
            runs.push((from, false));
        }
        let skip = runs.len().saturating_sub(STRETCHES);
        let ends = runs.iter().skip(1).map(|(at, _)| *at).chain([to]);
        let stretches = runs.iter().zip(ends).skip(skip);
        let mut stretches: Vec<_> = stretches
            .map(|((at, fine), end)| (*at, end, *fine))
            .collect();
        if let Some(oldest) = stretches.first_mut() {
            oldest.0 = from;
        }
        stretches.reverse();
        stretches
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use proptest::prelude::*;
    use stead_history::selector;

    use super::*;

    fn series(metric: &str, times: impl IntoIterator<Item = i64>) -> Series {
        let point = |at| Point {
            at: Time(at),
            min: 0.0,
            avg: at as f64,
            max: 0.0,
        };
        Series {
            labels: Labels::new(metric, [(NODE, "piha")]),
            points: times.into_iter().map(point).collect(),
        }
    }

    fn times(series: &Series) -> Vec<i64> {
        series.points.iter().map(|p| p.at.0).collect()
    }

    #[test]
    fn seconds_take_the_place_of_the_steps_they_are_in() {
        let own = vec![series("cpu", [0, 10_000, 20_000]), series("up", [10_000])];
        let kept = vec![series("cpu", [10_000, 11_000, 19_000])];
        let (joined, made) = join(own, kept, 10_000);
        assert_eq!(times(&joined[0]), [0, 10_000, 11_000, 19_000, 20_000]);
        assert_eq!(times(&joined[1]), [10_000], "what only the server knows");
        assert_eq!(
            made.stretches(0, 30_000),
            [
                (20_000, 30_000, false),
                (10_000, 20_000, true),
                (0, 10_000, false)
            ]
        );
    }

    #[test]
    fn what_is_not_over_yet_belongs_to_the_seconds_before_it() {
        let kept = vec![series("cpu", [10_000, 21_000])];
        let (_, made) = join(Vec::new(), kept, 10_000);
        assert_eq!(made.stretches(5_000, 25_000), [(5_000, 25_000, true)]);
        assert_eq!(Made::default().stretches(0, 5), [(0, 5, false)]);
        assert!(!Made::default().has_seconds());
    }

    #[test]
    fn of_many_stretches_the_newest_are_told_and_the_last_of_them_has_the_rest() {
        let steps = (0..120).map(|n| (n * 10_000, n % 2 == 0));
        let made = Made {
            steps: steps.collect(),
        };
        let told = made.stretches(0, 1_200_000);
        assert_eq!(told.len(), STRETCHES);
        assert_eq!(told[0], (1_190_000, 1_200_000, false));
        assert_eq!(told[STRETCHES - 1], (0, 710_000, true));
    }

    proptest! {
        #[test]
        fn no_time_is_told_twice_nothing_of_a_node_is_lost_and_stretches_are_whole(
            own in prop::collection::btree_set(0_i64..60, 0..40),
            kept in prop::collection::btree_set(0_i64..600, 0..200),
            from in 0_i64..300_000,
            long in 1_i64..300_000,
        ) {
            let seconds: Vec<i64> = kept.iter().map(|n| n * 1_000).collect();
            let steps: Vec<i64> = own.iter().map(|n| n * 10_000).collect();
            let (joined, made) = join(
                vec![series("cpu", steps.clone())], vec![series("cpu", seconds.clone())], 10_000,
            );
            let there = times(&joined[0]);
            prop_assert!(there.is_sorted_by(|a, b| a < b));
            prop_assert!(seconds.iter().all(|at| there.contains(at)));
            for at in steps {
                let fine = seconds.iter().any(|s| floor(*s, 10_000) == at);
                let alone = there.contains(&at) && !seconds.contains(&at);
                prop_assert_eq!(alone, !fine);
            }
            let stretches = made.stretches(from, from + long);
            prop_assert_eq!(stretches[0].1, from + long);
            prop_assert_eq!(stretches[stretches.len() - 1].0, from);
            for pair in stretches.windows(2) {
                prop_assert_eq!(pair[1].1, pair[0].0);
            }
        }
    }

    /// Answers by name.
    struct Fleet;

    #[async_trait]
    impl AgentProxy for Fleet {
        async fn get(&self, node: &NodeName, path: &str) -> Result<Bytes, ProxyError> {
            assert_eq!(
                path,
                "/v1/history?match=%7B__name__%3D%22cpu%22%7D&from=0&to=9000&step=1000"
            );
            let kept = r#"{"step_ms":1000,"series":[{"metric":"cpu","labels":{"node":"old-name","mode":"user"},"points":[[1000,1,2,3]]}]}"#;
            match node.as_str() {
                "piha" => Ok(kept.into()),
                "slow" => std::future::pending().await,
                "old" => Err(ProxyError::answered(404, b"{}")),
                "odd" => Ok("<html>".into()),
                "full" => Err(ProxyError::answered(
                    422,
                    br#"{"code":"history-too-much","detail":"too many points","remedy":"r"}"#,
                )),
                _ => Err(ProxyError::NotConnected(node.clone())),
            }
        }
    }

    fn range(text: &str) -> Range {
        Range {
            selector: selector::read(text).unwrap(),
            from: Time(0),
            to: Time(9_000),
            step: Span::secs(1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_answer_is_named_but_for_older_agents() {
        let named = |names: &[&str]| names.iter().map(|n| n.parse().unwrap()).collect();
        let all: Vec<NodeName> = named(&["away", "full", "odd", "old", "piha", "slow"]);
        let found = ask(&Fleet, all, &range(r#"cpu{node=~".+"}"#)).await;
        assert_eq!(found.series.len(), 1);
        let labels = found.series[0].labels.to_string();
        assert_eq!(labels, r#"cpu{mode="user",node="piha"}"#);
        let limits = found.limits.join("\n");
        assert_eq!(found.limits.len(), 4, "{limits}");
        for part in [
            "away are not there: no agent of away is connected.",
            "full are not there: too many points.",
            "The seconds of odd",
            "slow did not answer in time",
        ] {
            assert!(limits.contains(part), "{limits}");
        }
        let many = (0..17).map(|n| format!("n{n}").parse().unwrap()).collect();
        let found = ask(&Fleet, many, &range("cpu")).await;
        assert!(found.limits[0].contains("17"), "{:?}", found.limits);
    }

    #[test]
    fn the_nodes_that_are_meant_are_asked() {
        let all = || ["attic", "piha"].map(|n| n.parse().unwrap()).into();
        let meant = |text: &str| {
            let nodes = nodes(&selector::read(text).unwrap(), all()).unwrap();
            nodes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(meant("cpu"), ["attic", "piha"]);
        assert_eq!(meant(r#"cpu{node="piha"}"#), ["piha"]);
        assert_eq!(meant(r#"cpu{node!~"pi.*"}"#), ["attic"]);
        let path = path(&range(r#"{node="piha"}"#));
        assert!(path.contains("node%3D%22piha%22"), "{path}");
    }
}
