//! Reading the past from wherever it lies: Stead's own history and, where the fleet's files name one, a Prometheus.
//!
//! Of what both know, Stead's own counts. While the Prometheus does not answer, what Stead has itself is answered; what only
//! that Prometheus could have is an error that says so, never an empty answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use stead_adapters::prometheus::Prometheus;
use stead_core::time::Time;
use stead_history::store::Store;
use stead_ports::history::{Error, Labels, Range, Reader, Selector, Series};

/// Who is asked. One of them at least is there.
#[derive(Debug, Clone)]
pub struct Reading {
    pub(super) own: Option<Store>,
    pub(super) theirs: Option<Arc<Prometheus>>,
}

/// Both answers as one.
fn both<T>(
    own: Result<Vec<T>, Error>,
    theirs: Result<Vec<T>, Error>,
    merge: impl Fn(Vec<T>, Vec<T>) -> Vec<T>,
) -> Result<Vec<T>, Error> {
    let own = own?;
    match theirs {
        Ok(theirs) => Ok(merge(own, theirs)),
        Err(Error::Away(_)) if !own.is_empty() => Ok(own),
        Err(error) => Err(error),
    }
}

/// Series of both; of one that both have, the points that Stead has not.
fn merged(own: Vec<Series>, theirs: Vec<Series>) -> Vec<Series> {
    let mut all: BTreeMap<Labels, Series> = BTreeMap::new();
    for series in own.into_iter().chain(theirs) {
        match all.get_mut(&series.labels) {
            None => drop(all.insert(series.labels.clone(), series)),
            Some(known) => {
                known.points.extend(series.points);
                // Stable: of two at one time, Stead's own stands first.
                known.points.sort_by_key(|point| point.at);
                known.points.dedup_by_key(|point| point.at);
            }
        }
    }
    all.into_values().collect()
}

impl Reading {
    async fn own<T>(
        &self,
        ask: impl AsyncFnOnce(&Store) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        match &self.own {
            Some(store) => ask(store).await,
            None => Ok(Vec::new()),
        }
    }
}

#[async_trait]
impl Reader for Reading {
    async fn range(&self, range: &Range) -> Result<Vec<Series>, Error> {
        let own = self.own(async |store| store.range(range).await).await;
        let Some(theirs) = &self.theirs else {
            return own;
        };
        both(own, theirs.range(range).await, merged)
    }

    async fn series(&self, selector: &Selector, from: Time) -> Result<Vec<Labels>, Error> {
        let own = self
            .own(async |store| store.series(selector, from).await)
            .await;
        let Some(theirs) = &self.theirs else {
            return own;
        };
        both(
            own,
            theirs.series(selector, from).await,
            |mut own, theirs| {
                own.extend(theirs);
                own.sort();
                own.dedup();
                own
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use stead_ports::history::Point;

    use super::*;

    fn series(metric: &str, points: &[(i64, f64)]) -> Series {
        let point = |(at, value): &(i64, f64)| Point {
            at: Time(*at),
            min: *value,
            max: *value,
            avg: *value,
        };
        Series {
            labels: Labels::new(metric, []),
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn what_both_have_is_steads_own() {
        let own = vec![series("a", &[(2, 1.0), (3, 1.0)])];
        let theirs = vec![series("a", &[(1, 9.0), (2, 9.0)]), series("b", &[(1, 9.0)])];
        assert_eq!(
            merged(own, theirs),
            [
                series("a", &[(1, 9.0), (2, 1.0), (3, 1.0)]),
                series("b", &[(1, 9.0)])
            ]
        );
    }

    #[test]
    fn who_is_away_takes_nothing_from_what_is_known_and_is_named_where_nothing_is() {
        let away = || Err(Error::Away("gone".to_owned()));
        let keep = |own: Vec<u8>, _| own;
        assert_eq!(both(Ok(vec![1]), away(), keep), Ok(vec![1]));
        assert_eq!(both(Ok(vec![]), away(), keep), away());
        let own = Err(Error::Io("x".to_owned()));
        assert!(both(own, Ok(vec![1]), keep).is_err());
    }
}
