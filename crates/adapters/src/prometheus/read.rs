//! The history that a Prometheus has, read as Stead's own: metrics by their rules, machines by their names.
//!
//! A metric that is none of Stead's is read as it is, with the node beside its own labels. What is of no node of the fleet
//! is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use stead_core::desired::Source;
use stead_core::time::{Span, Time};
use stead_ports::clock::Clock;
use stead_ports::history::select::{self, Test};
use stead_ports::history::{
    Error, Labels, NAME, Op, Point, Quoted, Range, Reader, Selector, Series,
};
use stead_ports::secrets::Secrets;

use super::client::{self, Client, Found};
use super::rule::{How, Of, RULES, Rule};
use crate::door::{Absence, Away};
use crate::names::Names;

/// The label of Stead that tells nodes apart.
const NODE: &str = "node";
/// A rate needs two readings: this is twice the longest time between scrapes that is usual.
const LEAST: i64 = 120_000;
/// Points of one series: what Prometheus itself takes.
const POINTS: i64 = 11_000;
/// Series of an answer.
const SERIES: usize = 2_000;
/// Requests at a time.
const AT_ONCE: usize = 4;

/// A Prometheus that is read.
#[derive(Debug)]
pub struct Prometheus {
    client: Client,
    label: String,
    names: Names,
    clock: Arc<dyn Clock>,
    absence: Absence,
}

/// A question to it: an expression, and how its series are called.
struct Question {
    rule: Rule,
    /// Of a metric that has no rule: its name, and matchers beside those of the node.
    plain: Option<(String, String)>,
}

impl Prometheus {
    pub fn new(
        source: &Source,
        names: Names,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Result<Prometheus, Error> {
        let client = Client::new(source.door.clone(), secrets);
        Ok(Prometheus {
            client: client.map_err(|e| Error::Away(e.to_string()))?,
            label: source.label.clone(),
            names,
            clock,
            absence: Absence::default(),
        })
    }

    /// Whether it answers; says since when it does not.
    pub async fn look(&self) -> Result<(), Error> {
        let now = self.clock.wall().0;
        self.ask("vector(1)", now, now, 1_000).await.map(drop)
    }

    fn told(&self, away: &Away) -> Error {
        let at = self.client.shown();
        let since = away.since;
        Error::Away(format!(
            "Prometheus at {at} does not answer since {since}: {}",
            away.why
        ))
    }

    /// One request, unless it was tried in vain just now.
    async fn ask(&self, query: &str, from: i64, to: i64, step: i64) -> Result<Vec<Found>, Error> {
        if let Some(away) = self.absence.lately(&*self.clock) {
            return Err(self.told(&away));
        }
        let answer = self.client.range(query, from, to, step).await;
        match answer {
            Ok(found) => {
                self.absence.over();
                few(found.len()).map(|()| found)
            }
            Err(client::Error::TooLarge) => {
                self.absence.over();
                Err(Error::TooMuch {
                    what: "MiB of an answer or more",
                    asked: 33,
                    limit: 32,
                    hint: "ask with a longer step, for a shorter time, or for fewer series",
                })
            }
            Err(client::Error::Refused { status, said }) if [400, 422].contains(&status) => {
                self.absence.over();
                Err(Error::Query(format!("Prometheus says: {said}")))
            }
            Err(error) => {
                let away = self.absence.begin(&*self.clock, error.to_string());
                Err(self.told(&away))
            }
        }
    }

    /// Matchers that leave the nodes that are meant; none where none is.
    fn machines(&self, tests: &[Test]) -> Option<String> {
        let meant = |name: &str| {
            let mut of_node = tests.iter().filter(|test| test.label == NODE);
            of_node.all(|test| test.fits(name))
        };
        let expression = self.names.expression(|node| meant(node.as_str()))?;
        Some(format!("{}=~{}", self.label, Quoted(&expression)))
    }

    fn questions(&self, selector: &Selector, tests: &[Test]) -> Vec<Question> {
        let named = |metric: &str| {
            let mut of_name = tests.iter().filter(|test| test.label == NAME);
            of_name.all(|test| test.fits(metric))
        };
        let rules = RULES.iter().filter(|rule| named(rule.metric));
        let mut questions: Vec<Question> = rules
            .map(|rule| Question {
                rule: *rule,
                plain: None,
            })
            .collect();
        let theirs = selector.matchers.iter().find_map(|m| {
            let named = m.label == NAME && m.op == Op::Equal && !m.value.starts_with("stead_");
            named.then(|| m.value.clone())
        });
        if let Some(metric) = theirs.filter(|name| is_name(name)) {
            let own = selector.matchers.iter();
            let own = own.filter(|m| m.label != NAME && m.label != NODE && is_name(&m.label));
            let own: Vec<String> = own.map(ToString::to_string).collect();
            questions.push(Question {
                rule: Rule {
                    metric: "",
                    labels: &[],
                    fixed: &[],
                    how: How::Gauge(""),
                },
                plain: Some((metric, own.join(","))),
            });
        }
        questions
    }

    /// Every series that the selector means, with its points: asked from the first multiple of `step` to the last.
    async fn read(&self, selector: &Selector, stretch: Stretch) -> Result<Vec<Series>, Error> {
        let tests = select::compile(selector)?;
        let Some(machines) = self.machines(&tests) else {
            return Ok(Vec::new());
        };
        let questions = self.questions(selector, &tests);
        let (machines, tests) = (&machines, &tests);
        let answers = stream::iter(questions)
            .map(|question| async move { self.answer(&question, machines, tests, stretch).await })
            .buffered(AT_ONCE);
        let mut all: BTreeMap<Labels, Vec<Point>> = BTreeMap::new();
        let answers: Vec<Vec<Series>> = answers.try_collect().await?;
        for series in answers.into_iter().flatten() {
            // Two jobs may scrape one machine: the first one is as good as the other.
            all.entry(series.labels).or_insert(series.points);
        }
        few(all.len())?;
        let series = |(labels, points)| Series { labels, points };
        Ok(all.into_iter().map(series).collect())
    }

    async fn answer(
        &self,
        question: &Question,
        machines: &str,
        tests: &[Test],
        stretch: Stretch,
    ) -> Result<Vec<Series>, Error> {
        let of = |of: Of| self.expression(question, machines, stretch.step, of);
        let ask = |query: String| async move {
            let (from, to) = (stretch.first + stretch.step, stretch.last + stretch.step);
            self.ask(&query, from, to, stretch.step).await
        };
        let mut found = self.named(question, ask(of(Of::Mean)).await?, tests, stretch);
        let spread = question.rule.is_gauge() && stretch.step >= LEAST;
        if spread && !found.is_empty() {
            let lowest = self.named(question, ask(of(Of::Lowest)).await?, tests, stretch);
            let highest = self.named(question, ask(of(Of::Highest)).await?, tests, stretch);
            for series in &mut found {
                widen(series, &lowest, |point, at| point.min = at);
                widen(series, &highest, |point, at| point.max = at);
            }
        }
        Ok(found)
    }

    fn expression(&self, question: &Question, machines: &str, step: i64, of: Of) -> String {
        let Some((metric, own)) = &question.plain else {
            let rule = &question.rule;
            return rule.expression(machines, step, LEAST, &self.label, of);
        };
        let selector = format!("{metric}{{{machines},{own}}}");
        if step < LEAST {
            return selector;
        }
        let word = match of {
            Of::Lowest => "min",
            Of::Mean => "avg",
            Of::Highest => "max",
        };
        format!("{word}_over_time({selector}[{}s])", step / 1_000)
    }

    /// Series under Stead's names, of the nodes of the fleet, that every test fits.
    fn named(
        &self,
        question: &Question,
        found: Vec<Found>,
        tests: &[Test],
        stretch: Stretch,
    ) -> Vec<Series> {
        let mut all: BTreeMap<Labels, Vec<Point>> = BTreeMap::new();
        for found in found {
            let Some(labels) = self.labels(question, &found.metric) else {
                continue;
            };
            let fits = |test: &Test| test.fits(labels.get(&test.label).unwrap_or_default());
            if tests.iter().all(fits) {
                let points = points(&found.values, stretch);
                all.entry(labels).or_insert(points);
            }
        }
        all.into_iter()
            .filter(|(_, points)| !points.is_empty())
            .map(|(labels, points)| Series { labels, points })
            .collect()
    }

    fn labels(&self, question: &Question, theirs: &BTreeMap<String, String>) -> Option<Labels> {
        let node = self.names.node(theirs.get(&self.label)?)?.as_str();
        if let Some((metric, _)) = &question.plain {
            let own = theirs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            let own = own.filter(|(name, _)| *name != NAME && *name != NODE);
            return Some(Labels::new(metric, own.chain([(NODE, node)])));
        }
        let rule = &question.rule;
        let mut labels = vec![(NODE, node)];
        for (there, here) in rule.labels {
            labels.push((here, theirs.get(*there)?));
        }
        labels.extend(rule.fixed);
        Some(Labels::new(rule.metric, labels))
    }
}

fn few(series: usize) -> Result<(), Error> {
    if series <= SERIES {
        return Ok(());
    }
    Err(Error::TooMuch {
        what: "series",
        asked: series as u64,
        limit: SERIES as u64,
        hint: "name more labels",
    })
}

/// Where points stand.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: i64,
    last: i64,
    step: i64,
}

/// A value that Prometheus has of the end of a step stands at the step's beginning, as everywhere in Stead.
fn points(values: &[(f64, String)], stretch: Stretch) -> Vec<Point> {
    let point = |(at, text): &(f64, String)| {
        let value: f64 = match text.as_str() {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().ok()?,
        };
        let at = Time((at * 1_000.0).round() as i64 - stretch.step);
        value.is_finite().then_some(Point {
            at,
            min: value,
            max: value,
            avg: value,
        })
    };
    values.iter().filter_map(point).collect()
}

/// Puts what is in `other` of the same series and time into the points.
fn widen(series: &mut Series, other: &[Series], put: impl Fn(&mut Point, f64)) {
    let Some(other) = other.iter().find(|other| other.labels == series.labels) else {
        return;
    };
    for point in &mut series.points {
        let same = other.points.binary_search_by_key(&point.at, |p| p.at);
        if let Ok(at) = same {
            put(point, other.points[at].avg);
        }
    }
}

#[async_trait]
impl Reader for Prometheus {
    async fn range(&self, range: &Range) -> Result<Vec<Series>, Error> {
        let step = i64::try_from(range.step.0)
            .unwrap_or(i64::MAX / 4)
            .max(1_000);
        let (from, to) = (range.from.0, range.to.0);
        if from >= to {
            return Ok(Vec::new());
        }
        let first = from.div_euclid(step) * step;
        let last = (to - 1).div_euclid(step) * step;
        let count = (last - first) / step + 1;
        if count > POINTS {
            return Err(Error::TooMuch {
                what: "points of one series",
                asked: count as u64,
                limit: POINTS as u64,
                hint: "ask with a longer step or for a shorter time",
            });
        }
        let stretch = Stretch { first, last, step };
        self.read(&range.selector, stretch).await
    }

    /// Looked for at ten instants since `from`: what was there only between two of them is not found.
    async fn series(&self, selector: &Selector, from: Time) -> Result<Vec<Labels>, Error> {
        let now = self.clock.wall();
        let step = Span(now.since(from).0.div_ceil(10).max(60_000));
        let range = Range {
            selector: selector.clone(),
            from: Time(from.0.min(now.0)),
            to: Time(now.0 + 1),
            step,
        };
        let found = self.range(&range).await?;
        Ok(found.into_iter().map(|series| series.labels).collect())
    }
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !text.is_empty() && text.chars().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit())
}
