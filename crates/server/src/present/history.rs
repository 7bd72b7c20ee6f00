//! Series of samples as the API has them.

use std::collections::BTreeMap;

use stead_ports::history::{Labels, NAME, Point, Series};
use stead_protocol::api;

use crate::history::series;

pub fn history_series(found: &Series) -> api::HistorySeries {
    let metric = found.labels.metric();
    api::HistorySeries {
        metric: metric.to_string(),
        labels: labels(&found.labels),
        unit: series::unit(metric).to_string(),
        points: found.points.iter().map(|p| point(metric, p)).collect(),
    }
}

pub fn history_name(name: &Labels) -> api::HistoryName {
    api::HistoryName {
        metric: name.metric().to_string(),
        labels: labels(name),
        unit: series::unit(name.metric()).to_string(),
        selector: name.to_string(),
    }
}

/// What was highest and lowest is as it was measured; an average is as exact as that.
pub(super) fn point(metric: &str, p: &Point) -> api::HistoryPoint {
    api::HistoryPoint(p.at.0, p.min, series::rounded(metric, p.avg), p.max)
}

fn labels(labels: &Labels) -> BTreeMap<String, String> {
    let own = labels.iter().filter(|(name, _)| *name != NAME);
    own.map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use stead_core::time::Time;

    use super::*;

    #[test]
    fn a_series_says_what_it_is_and_how_it_is_asked_for() {
        let labels = Labels::new(
            "stead_node_disk_busy_percent",
            [("device", "<b>"), ("node", "a")],
        );
        let point = Point {
            at: Time(10_000),
            min: 1.0,
            max: 2.0,
            avg: 1.333_333,
        };
        let shown = history_series(&Series {
            labels: labels.clone(),
            points: vec![point],
        });
        assert_eq!(shown.unit, "percent");
        assert_eq!(shown.labels.len(), 2);
        assert_eq!(
            serde_json::to_string(&shown.points).unwrap(),
            "[[10000,1.0,1.33,2.0]]"
        );
        let name = history_name(&labels);
        assert_eq!(
            name.selector,
            "stead_node_disk_busy_percent{device=\"<b>\",node=\"a\"}"
        );
    }
}
