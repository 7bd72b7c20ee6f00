//! PromQL over the store, evaluated by a library.
//!
//! ```text
//! text ─► rewrite: selectors get names ─► demand: what must be read ─► read, bounded ─► memory ─► evaluate, step by step
//! ```
//!
//! Everything a query may look at is read before it is evaluated, so that its cost is known and refused where it is too
//! large, and so that the library never waits for a disk. It runs on a thread of its own, with a stack that the deepest
//! query of the longest text cannot exhaust, and stops at the next step when nobody waits any more.
//!
//! Where the past is coarse, a counter is drawn straight from one step's end to the next, and a gauge stays at its
//! average: a rate over five minutes works on what is kept by the quarter of an hour.

mod demand;
mod memory;
mod rewrite;
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stead_core::time::{Span, Time};
use stead_ports::history::{Error, Labels, NAME, Sample};
use tsink::promql::{Engine, PromqlValue};
use tsink::{Label, TimestampPrecision};

use crate::store::Store;
use crate::store::read::Rows;
use demand::Demand;
use memory::Memory;
use rewrite::Rewritten;

/// Bytes of a query. Dashboards send some hundred.
const TEXT: usize = 4096;
/// Steps of a range: as in Prometheus.
const STEPS: i64 = 11_000;
/// Samples read for one query, of 40 bytes each.
const SAMPLES: u64 = 2_000_000;
/// Samples looked at while evaluating, over all steps: some ten seconds of one core.
const WORK: u64 = 100_000_000;
/// Values of an answer, over all steps and series: some 15 MB of JSON.
const VALUES: usize = 500_000;
/// Evaluation ends here, at the next step.
const TIME: Span = Span::secs(30);
/// Of the evaluating thread. Only what is used of it takes memory.
const STACK: usize = 256 * 1024 * 1024;

/// What a query comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Scalar(Sample),
    Text(String),
    /// At one instant.
    Vector(Vec<(Labels, Sample)>),
    /// Over time.
    Matrix(Vec<(Labels, Vec<Sample>)>),
}

/// When a query is evaluated: once, or at every step from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct When {
    from: i64,
    to: i64,
    step: i64,
}

impl Store {
    /// Evaluates `query` at `at`.
    pub async fn promql_instant(&self, query: &str, at: Time) -> Result<Answer, Error> {
        let when = When {
            from: at.0,
            to: at.0,
            step: 0,
        };
        let mut values = self.promql(query, when).await?;
        values.pop().map_or_else(
            || Err(refused("it came to nothing")),
            |(_, value)| Ok(at_instant(answer(value), at)),
        )
    }

    /// Evaluates `query` every `step` from `from` to `to`, both of them included.
    pub async fn promql_range(
        &self,
        query: &str,
        from: Time,
        to: Time,
        step: Span,
    ) -> Result<Answer, Error> {
        let step = i64::try_from(step.0).unwrap_or(i64::MAX).max(1);
        if from > to {
            return Err(refused("it ends before it begins"));
        }
        let steps = (to.0.saturating_sub(from.0)) / step;
        if steps >= STEPS {
            return Err(Error::TooMuch {
                what: "steps",
                asked: steps as u64 + 1,
                limit: STEPS as u64,
                hint: "ask with a longer step or for a shorter time",
            });
        }
        let when = When {
            from: from.0,
            to: to.0,
            step,
        };
        matrix(self.promql(query, when).await?)
    }

    async fn promql(&self, query: &str, when: When) -> Result<Vec<(i64, PromqlValue)>, Error> {
        if query.len() > TEXT {
            return Err(refused("it is longer than 4096 bytes"));
        }
        let rewritten = Arc::new(rewrite::rewrite(query, when)?);
        let parsed = Arc::clone(&rewritten);
        let (demands, named) = on_a_thread(move |_| demand::demands(&parsed, when)).await?;
        let memory = Arc::new(self.read_all(demands).await?);
        let clock = self.clock();
        let until = clock.up().saturating_add(TIME.0);
        let evaluate = move |stop: &AtomicBool| {
            let engine = Engine::with_precision(memory, TimestampPrecision::Milliseconds);
            let late = || stop.load(Ordering::Relaxed) || clock.up() >= until;
            evaluate(&engine, &rewritten, when, named, late)
        };
        on_a_thread(evaluate).await
    }

    /// What the query looks at, if that is not too much.
    async fn read_all(&self, demands: Vec<Demand>) -> Result<Memory, Error> {
        let mut memory = Memory::default();
        let finest = self.options().tiers.step(0);
        let (mut left, mut work) = (SAMPLES, 0_u64);
        for demand in demands {
            for (labels, rows) in self.read_one(&demand, left).await? {
                let samples = samples::from_rows(&labels, &rows, finest, demand.spacing);
                let each = samples.len() as u64 * demand.window / demand.length().max(1);
                work = work.saturating_add(demand.times.saturating_mul(each + 1));
                left = left.saturating_sub(samples.len() as u64);
                if left == 0 || work > WORK {
                    return Err(too_much(work));
                }
                memory.add(&demand.metric, &labels, !demand.named, samples);
            }
        }
        Ok(memory)
    }

    /// As fine as it is kept; where that is too much, as fine as the query needs.
    async fn read_one(&self, demand: &Demand, most: u64) -> Result<Vec<(Labels, Rows)>, Error> {
        let span = demand.from..demand.to;
        let fine = self.all_rows(&demand.selector, span.clone(), 0, most).await;
        match fine {
            Err(Error::TooMuch { .. }) => {
                self.all_rows(&demand.selector, span, demand.spacing, most)
                    .await
            }
            other => other,
        }
    }
}

fn refused(why: &str) -> Error {
    Error::Query(why.to_owned())
}

fn too_much(work: u64) -> Error {
    Error::TooMuch {
        what: "samples to look at or more",
        asked: work.max(SAMPLES),
        limit: if work > WORK { WORK } else { SAMPLES },
        hint: "ask with a longer step, for a shorter time or range, or for fewer series",
    }
}

/// Tells the thread that nobody waits.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` on a thread with a large stack.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let _stop = Stop(Arc::clone(&stop));
    let (done, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("promql".to_owned())
        .stack_size(STACK)
        .spawn(move || drop(done.send(work(&stop))));
    thread.map_err(|error| Error::Io(format!("no thread for a query: {error}")))?;
    let lost = |_| Err(refused("its evaluation broke off"));
    result.await.unwrap_or_else(lost)
}

/// One value a step. The library's own ranges look at every sample at every step.
fn evaluate(
    engine: &Engine,
    query: &Rewritten,
    when: When,
    named: bool,
    late: impl Fn() -> bool,
) -> Result<Vec<(i64, PromqlValue)>, Error> {
    let unusable =
        |error: tsink::promql::PromqlError| Error::Query(query.original(&error.to_string()));
    let mut values = Vec::new();
    let mut count = 0;
    let mut at = when.from;
    while at <= when.to {
        if late() {
            return Err(Error::Slow(TIME.0 / 1_000));
        }
        let value = engine.instant_query(&query.text, at).map_err(unusable)?;
        let value = query.named(value, named)?;
        count += length(&value);
        if count > VALUES {
            return Err(Error::TooMuch {
                what: "values or more",
                asked: count as u64,
                limit: VALUES as u64,
                hint: "ask with a longer step, for a shorter time, or for fewer series",
            });
        }
        values.push((at, value));
        if when.step == 0 {
            break;
        }
        at += when.step;
    }
    Ok(values)
}

/// How many values it holds.
fn length(value: &PromqlValue) -> usize {
    match value {
        PromqlValue::Scalar(..) | PromqlValue::String(..) => 1,
        PromqlValue::InstantVector(all) => all.len(),
        PromqlValue::RangeVector(all) => all.iter().map(|series| series.samples.len()).sum(),
    }
}

fn labels(metric: &str, labels: &[Label]) -> Labels {
    let pairs = labels
        .iter()
        .map(|label| (label.name.as_str(), label.value.as_str()));
    Labels::from_pairs(pairs.chain([(NAME, metric)]))
}

fn sample(at: i64, value: f64) -> Sample {
    Sample {
        at: Time(at),
        value,
    }
}

/// What was found counts at the instant that was asked about, whenever it was sampled. Ranges keep their times.
fn at_instant(answer: Answer, at: Time) -> Answer {
    let then = |of: Sample| sample(at.0, of.value);
    match answer {
        Answer::Scalar(of) => Answer::Scalar(then(of)),
        Answer::Vector(all) => {
            let moved = all.into_iter().map(|(labels, of)| (labels, then(of)));
            Answer::Vector(moved.collect())
        }
        other => other,
    }
}

fn answer(value: PromqlValue) -> Answer {
    match value {
        PromqlValue::Scalar(value, at) => Answer::Scalar(sample(at, value)),
        PromqlValue::String(text, _) => Answer::Text(text),
        PromqlValue::InstantVector(all) => {
            let mut all: Vec<(Labels, Sample)> = all
                .into_iter()
                .map(|s| (labels(&s.metric, &s.labels), sample(s.timestamp, s.value)))
                .collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            Answer::Vector(all)
        }
        PromqlValue::RangeVector(all) => {
            let series = |series: tsink::promql::Series| {
                let samples = series.samples.iter().map(|(at, value)| sample(*at, *value));
                (labels(&series.metric, &series.labels), samples.collect())
            };
            Answer::Matrix(all.into_iter().map(series).collect())
        }
    }
}

/// Values of all steps, by series.
fn matrix(values: Vec<(i64, PromqlValue)>) -> Result<Answer, Error> {
    let mut series: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for (at, value) in values {
        match answer(value) {
            Answer::Scalar(scalar) => {
                let of = series.entry(Labels::from_pairs([])).or_default();
                of.push(sample(at, scalar.value));
            }
            Answer::Vector(vector) => {
                for (labels, found) in vector {
                    series
                        .entry(labels)
                        .or_default()
                        .push(sample(at, found.value));
                }
            }
            Answer::Text(_) | Answer::Matrix(_) => {
                return Err(refused(
                    "over a range, it must come to numbers of one instant",
                ));
            }
        }
    }
    Ok(Answer::Matrix(series.into_iter().collect()))
}

#[cfg(test)]
mod tests;
