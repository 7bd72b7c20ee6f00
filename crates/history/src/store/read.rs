//! Ranges and names. What is in memory is copied while the store is held, parts are read afterwards: they never
//! change, and one that is dropped meanwhile stays open until it was read.

use std::collections::BTreeSet;
use std::ops::Range as Span;
use std::sync::Arc;

use async_trait::async_trait;
use stead_core::time::Time;
use stead_ports::disk::aside;
use stead_ports::history::{Error, Labels, Point, Range, Reader, Selector, Series};

use super::part::Part;
use super::{Frozen, Inner, State, Store, fault};
use crate::catalogue::{Catalogue, NEVER};
use crate::chunk::Chunk;
use crate::fold::{Fold, Row, floor};
use crate::tier::{self, Leg};
use stead_ports::history::select::{self, Test};

/// A series, with what of it is in memory, newest first.
type Found = (u32, Labels, Vec<(i64, f64)>);

/// Series and their samples in memory, and whatever else is needed to read them.
struct View {
    series: Vec<Found>,
    frozen: Option<Arc<Frozen>>,
    parts: Arc<Vec<Arc<Part>>>,
    legs: Vec<Leg>,
}

/// Takes a row: its time, the step of its tier, and what was seen within.
type Into<'a> = dyn FnMut(i64, i64, &Fold) + 'a;

/// Rows of one series by time: when, the step of the tier, and what was seen within.
#[cfg(feature = "promql")]
pub(crate) type Rows = Vec<(i64, i64, Fold)>;

#[async_trait]
impl Reader for Store {
    async fn range(&self, range: &Range) -> Result<Vec<Series>, Error> {
        let grid = self.0.grid(range)?;
        let tests = select::compile(&range.selector)?;
        self.aside(move |inner| inner.range(&tests, grid)).await
    }

    async fn series(&self, selector: &Selector, from: Time) -> Result<Vec<Labels>, Error> {
        let tests = select::compile(selector)?;
        let state = self.0.state();
        let most = self.0.options.limits.names;
        let found = select(&state, &tests, from.0, most)?;
        Ok(found.into_iter().map(|(_, labels)| labels).collect())
    }
}

/// Series that fit, in the order of their labels.
fn select(
    state: &State,
    tests: &[Test],
    from: i64,
    most: usize,
) -> Result<Vec<(u32, Labels)>, Error> {
    let found = state.catalogue.select(tests, from, most);
    let found = found.ok_or(Error::TooMuch {
        what: "series or more",
        asked: most as u64 + 1,
        limit: most as u64,
        hint: "name more labels",
    })?;
    let named = |series| (series, state.catalogue.labels(series));
    let mut found: Vec<(u32, Labels)> = found.into_iter().map(named).collect();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// Where points stand: at multiples of `step` from `first`, for times within `span`.
#[derive(Debug, Clone)]
struct Grid {
    span: Span<i64>,
    first: i64,
    step: i64,
    points: usize,
}

impl Grid {
    fn add(&self, cells: &mut [Fold], at: i64, fold: &Fold) {
        let cell = (floor(at, self.step) - self.first) / self.step;
        let cell = usize::try_from(cell).ok();
        if let Some(cell) = cell.and_then(|cell| cells.get_mut(cell)) {
            cell.add(fold);
        }
    }
}

impl Store {
    /// Names of the labels of every series that one of the `selectors` fits and that had a sample at `from` or later;
    /// of all series where there is no selector. By name.
    pub fn label_names(&self, selectors: &[Selector], from: Time) -> Result<Vec<String>, Error> {
        self.texts(selectors, from, Catalogue::names)
    }

    /// Values that the label has, of the same series, in order.
    pub fn label_values(
        &self,
        label: &str,
        selectors: &[Selector],
        from: Time,
    ) -> Result<Vec<String>, Error> {
        self.texts(selectors, from, |catalogue, series, found| {
            catalogue.values(label, series, found);
        })
    }

    /// What `of` finds of each series: numbers of texts.
    fn texts(
        &self,
        selectors: &[Selector],
        from: Time,
        of: impl Fn(&Catalogue, u32, &mut BTreeSet<u32>),
    ) -> Result<Vec<String>, Error> {
        let selectors: Result<Vec<Vec<Test>>, Error> =
            selectors.iter().map(select::compile).collect();
        let mut selectors = selectors?;
        if selectors.is_empty() {
            selectors.push(Vec::new());
        }
        let state = self.0.state();
        let mut found = BTreeSet::new();
        for tests in &selectors {
            let all = state.catalogue.select(tests, from.0, usize::MAX - 1);
            for series in all.unwrap_or_default() {
                of(&state.catalogue, series, &mut found);
            }
        }
        let limit = self.0.options.limits.names;
        if found.len() > limit {
            return Err(Error::TooMuch {
                what: "names",
                asked: found.len() as u64,
                limit: limit as u64,
                hint: "name more labels",
            });
        }
        let mut texts: Vec<String> = found
            .into_iter()
            .map(|number| state.catalogue.text(number).to_owned())
            .collect();
        texts.sort();
        Ok(texts)
    }

    /// For engines that ask in their own way. At most `most` rows are looked at.
    #[cfg(feature = "promql")]
    pub(crate) async fn all_rows(
        &self,
        selector: &Selector,
        span: Span<i64>,
        step: i64,
        most: u64,
    ) -> Result<Vec<(Labels, Rows)>, Error> {
        let tests = select::compile(selector)?;
        let work = move |inner: &Inner| inner.all_rows(&tests, &span, step, most);
        self.aside(work).await
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.0);
        aside(&*self.0.disk, move || work(&inner))
            .await
            .map_err(fault)?
    }
}

impl Inner {
    /// The points of an answer, if they are not too many.
    fn grid(&self, range: &Range) -> Result<Grid, Error> {
        let finest = self.options.tiers.step(0);
        let step = i64::try_from(range.step.0)
            .unwrap_or(i64::MAX / 4)
            .min(i64::MAX / 4)
            .max(finest);
        // Nothing is kept of times beyond, and sums of these cannot overflow.
        let (least, most) = (-(1_i64 << 50), 1_i64 << 50);
        let span = range.from.0.clamp(least, most)..range.to.0.clamp(least, most);
        let first = floor(span.start, step);
        let points = if span.is_empty() {
            0
        } else {
            (floor(span.end - 1, step) - first) / step + 1
        };
        let limit = self.options.limits.points;
        if points > limit as i64 {
            return Err(Error::TooMuch {
                what: "points of one series",
                asked: points as u64,
                limit: limit as u64,
                hint: "ask with a longer step or for a shorter time",
            });
        }
        Ok(Grid {
            span,
            first,
            step,
            points: points as usize,
        })
    }

    /// What is needed to read the series that fit, from `span`.
    fn view(&self, tests: &[Test], span: &Span<i64>, step: i64) -> Result<View, Error> {
        let era = self.era();
        let state = self.state();
        let tiers = &self.options.tiers;
        let horizon = |tier| {
            let dropped = state.ledger.dropped.get(&tiers.step(tier)).copied();
            tiers.horizon(tier, era).max(dropped.unwrap_or(NEVER))
        };
        let horizons: Vec<i64> = (0..tiers.len()).map(horizon).collect();
        let found = select(&state, tests, span.start, self.options.limits.series)?;
        let with_head = |(series, labels)| {
            let samples = state.head.of(series);
            let samples = samples
                .skip_while(|(at, _)| *at >= span.end)
                .take_while(|(at, _)| *at >= span.start);
            (series, labels, samples.collect())
        };
        Ok(View {
            series: found.into_iter().map(with_head).collect(),
            frozen: state.frozen.clone(),
            parts: Arc::clone(&state.ledger.parts),
            legs: tier::stitch(tiers, &horizons, span.start, span.end, step),
        })
    }

    /// Rows of every series that fits, within `span`, by time, from the coarsest tiers that are as fine as `step`.
    #[cfg(feature = "promql")]
    fn all_rows(
        &self,
        tests: &[Test],
        span: &Span<i64>,
        step: i64,
        most: u64,
    ) -> Result<Vec<(Labels, Rows)>, Error> {
        // A coarse row before the first one says where a counter came from.
        let before = self.tier_at(span.start).filter(|tier| *tier > 0);
        let reach = before.map_or(0, |tier| 2 * self.options.tiers.step(tier));
        let span = span.start.saturating_sub(reach)..span.end;
        let view = self.view(tests, &span, step)?;
        let mut left = most;
        let mut answer = Vec::new();
        for (series, labels, samples) in &view.series {
            let mut rows = Rows::new();
            let into = &mut |at, step, fold: &Fold| rows.push((at, step, *fold));
            self.rows(&view, *series, samples, &mut left, into)?;
            rows.sort_by_key(|(at, ..)| *at);
            rows.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.2.add(&next.2);
                }
                same
            });
            answer.push((labels.clone(), rows));
        }
        Ok(answer)
    }

    fn range(&self, tests: &[Test], grid: Grid) -> Result<Vec<Series>, Error> {
        if grid.points == 0 {
            return Ok(Vec::new());
        }
        let view = self.view(tests, &(grid.first..grid.span.end), grid.step)?;
        let mut cells = vec![Fold::EMPTY; grid.points];
        let mut answer = Vec::new();
        let mut left = self.options.limits.rows;
        for (series, labels, samples) in &view.series {
            cells.fill(Fold::EMPTY);
            let into = &mut |at, _, fold: &Fold| grid.add(&mut cells, at, fold);
            self.rows(&view, *series, samples, &mut left, into)?;
            let seen = cells.iter().enumerate().filter(|(_, fold)| fold.count > 0);
            let point = |(n, fold): (usize, &Fold)| Point {
                at: Time(grid.first + n as i64 * grid.step),
                min: fold.min,
                max: fold.max,
                avg: fold.average(),
            };
            let points: Vec<Point> = seen.map(point).collect();
            if !points.is_empty() {
                answer.push(Series {
                    labels: labels.clone(),
                    points,
                });
            }
        }
        Ok(answer)
    }

    /// Hands every row of a series to `into`, in no order. `left` is how many may still be looked at.
    fn rows(
        &self,
        view: &View,
        series: u32,
        samples: &[(i64, f64)],
        left: &mut u64,
        into: &mut Into<'_>,
    ) -> Result<(), Error> {
        let frozen = view.frozen.as_ref().map(|frozen| frozen.head.of(series));
        let in_memory: Vec<(i64, f64)> = samples
            .iter()
            .copied()
            .chain(frozen.into_iter().flatten())
            .collect();
        for leg in &view.legs {
            let step = self.options.tiers.step(leg.tier);
            // A fold stands at the start of its step, which may be before the leg.
            let from = if leg.tier == 0 {
                leg.from
            } else {
                floor(leg.from, step)
            };
            for (at, value) in &in_memory {
                if (leg.from..leg.to).contains(at) {
                    // Where it will be once it is in a part.
                    let at = if leg.tier == 0 { *at } else { floor(*at, step) };
                    into(at, step, &Fold::of(*value));
                }
            }
            let overlaps = |part: &&Arc<Part>| {
                part.about.step == step && part.first < leg.to && part.last >= from
            };
            for part in view.parts.iter().filter(overlaps) {
                self.rows_of(part, series, from..leg.to, left, into)?;
            }
        }
        Ok(())
    }

    fn rows_of(
        &self,
        part: &Part,
        series: u32,
        span: Span<i64>,
        left: &mut u64,
        into: &mut Into<'_>,
    ) -> Result<(), Error> {
        let entries = match part.of(series) {
            Ok(entries) => entries,
            Err(why) => return self.pass_over(why),
        };
        for entry in entries {
            if entry.first >= span.end || entry.last < span.start {
                continue;
            }
            *left = left
                .checked_sub(u64::from(entry.count))
                .ok_or(Error::TooMuch {
                    what: "rows to read or more",
                    asked: self.options.limits.rows + 1,
                    limit: self.options.limits.rows,
                    hint: "ask with a longer step, for a shorter time, or for fewer series",
                })?;
            match part.chunk(&entry) {
                Ok(Chunk::Readings { times, values }) => {
                    let from = times.partition_point(|at| *at < span.start);
                    let to = times.partition_point(|at| *at < span.end);
                    for n in from..to {
                        into(times[n], part.about.step, &Fold::of(values[n]));
                    }
                }
                Ok(Chunk::Folds(rows)) => {
                    for Row { at, fold } in rows.iter().filter(|row| span.contains(&row.at)) {
                        into(*at, part.about.step, fold);
                    }
                }
                Err(why) => self.pass_over(why)?,
            }
        }
        Ok(())
    }

    /// The finest tier that still has what was at `at`.
    #[cfg(feature = "promql")]
    fn tier_at(&self, at: i64) -> Option<usize> {
        let (tiers, era) = (&self.options.tiers, self.era());
        (0..tiers.len()).find(|tier| tiers.horizon(*tier, era) <= at)
    }
}
