//! What was read for a query, as the library asks for it. Nothing can be written to it, and nothing else is in it.

use std::collections::HashMap;

use stead_ports::history::{Labels, NAME};
use tsink::{
    DataPoint, Label, MetricSeries, QueryOptions, Result, Row, SeriesMatcherOp, SeriesSelection,
    Storage, TsinkError,
};

use super::samples::Plain;

/// The label that holds a metric's name while the library evaluates; nothing else is called so.
pub const METRIC: &str = "stead:metric";

/// Labels, and samples by time.
type Series = (Vec<Label>, Vec<Plain>);

/// Series by the metric that the query calls them.
#[derive(Debug, Default)]
pub struct Memory(HashMap<String, Vec<Series>>);

impl Memory {
    /// `told`: the metric's own name goes along as a label, since the query may mean several.
    pub fn add(&mut self, metric: &str, labels: &Labels, told: bool, samples: Vec<Plain>) {
        let label = |(name, value): (&str, &str)| match name {
            NAME => told.then(|| Label::new(METRIC, value)),
            _ => Some(Label::new(name, value)),
        };
        let mut own: Vec<Label> = labels.iter().filter_map(label).collect();
        own.sort();
        let series = self.0.entry(metric.to_owned()).or_default();
        // The same selector may stand in a query twice, with other windows.
        match series.iter_mut().find(|(labels, _)| *labels == own) {
            Some((_, all)) => {
                all.extend(samples);
                all.sort_by_key(|(at, _)| *at);
                all.dedup_by_key(|(at, _)| *at);
            }
            None => series.push((own, samples)),
        }
    }

    fn of(&self, metric: &str) -> &[Series] {
        self.0.get(metric).map_or(&[], Vec::as_slice)
    }
}

fn within(samples: &[Plain], start: i64, end: i64) -> Vec<DataPoint> {
    let from = samples.partition_point(|(at, _)| *at < start);
    let to = samples.partition_point(|(at, _)| *at < end);
    let points = samples.get(from..to).unwrap_or_default().iter();
    points
        .map(|(at, value)| DataPoint::new(*at, *value))
        .collect()
}

fn unsupported<T>(operation: &'static str) -> Result<T> {
    Err(TsinkError::UnsupportedOperation {
        operation,
        reason: "samples of a query are only read".to_owned(),
    })
}

impl Storage for Memory {
    fn insert_rows(&self, _: &[Row]) -> Result<()> {
        unsupported("insert_rows")
    }

    fn select(
        &self,
        metric: &str,
        labels: &[Label],
        start: i64,
        end: i64,
    ) -> Result<Vec<DataPoint>> {
        let found = self.of(metric).iter().find(|(own, _)| own == labels);
        Ok(found.map_or_else(Vec::new, |(_, samples)| within(samples, start, end)))
    }

    fn select_with_options(&self, _: &str, _: QueryOptions) -> Result<Vec<DataPoint>> {
        unsupported("select_with_options")
    }

    fn select_all(
        &self,
        metric: &str,
        start: i64,
        end: i64,
    ) -> Result<Vec<(Vec<Label>, Vec<DataPoint>)>> {
        let points = |(labels, samples): &Series| {
            let points = within(samples, start, end);
            (!points.is_empty()).then(|| (labels.clone(), points))
        };
        Ok(self.of(metric).iter().filter_map(points).collect())
    }

    fn list_metrics(&self) -> Result<Vec<MetricSeries>> {
        let named = |(name, all): (&String, &Vec<Series>)| {
            let series = |(labels, _): &Series| MetricSeries {
                name: name.clone(),
                labels: labels.clone(),
            };
            all.iter().map(series).collect::<Vec<_>>()
        };
        Ok(self.0.iter().flat_map(named).collect())
    }

    /// Every selector has a name of its own, so that there is nothing but equality to ask for.
    fn select_series(&self, selection: &SeriesSelection) -> Result<Vec<MetricSeries>> {
        let is = |series: &MetricSeries| {
            let named = selection
                .metric
                .as_ref()
                .is_none_or(|name| *name == series.name);
            let has = |name: &str, value: &str| {
                let found = series.labels.iter().find(|label| label.name == name);
                found.map_or("", |label| &label.value) == value
            };
            let fits = selection.matchers.iter().all(|matcher| {
                matches!(matcher.op, SeriesMatcherOp::Equal) && has(&matcher.name, &matcher.value)
            });
            named && fits
        };
        Ok(self.list_metrics()?.into_iter().filter(is).collect())
    }

    fn close(&self) -> Result<()> {
        Ok(())
    }
}
