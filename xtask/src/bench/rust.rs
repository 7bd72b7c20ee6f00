//! The benchmarks that are programs of their own (`benches/` of a crate): each prints one line of JSON per figure.

use super::table::Row;
use crate::{checkout, process};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

type Figures = BTreeMap<String, f64>;

pub fn core() -> Result<Vec<Row>> {
    let found = bench("stead-core", "core", &[])?;
    let figure = |name: &str| {
        found
            .get(name)
            .copied()
            .with_context(|| format!("the bench told no {name}"))
    };
    Ok(vec![
        Row::at_least(
            "fold: snapshots of 10,000 nodes",
            figure("core_fold_snapshots")?,
            "events/s",
            1e6,
        ),
        Row::at_least(
            "fold: containers falling ill, actions raised and cancelled",
            figure("core_fold_stream")?,
            "events/s",
            1e6,
        ),
        Row::at_most(
            "one event at 200,000 services, median",
            figure("core_one_event_p50")?,
            "ms",
            1.0,
        ),
        Row::at_most(
            "one event at 200,000 services, p99",
            figure("core_one_event_p99")?,
            "ms",
            1.0,
        ),
        Row::at_most(
            "one event at 200,000 services, slowest",
            figure("core_one_event_max")?,
            "ms",
            1.0,
        ),
        Row::at_most(
            "full reconcile of 200,000 services",
            figure("core_reconcile_converged")?,
            "ms",
            250.0,
        ),
        Row::at_most(
            "full reconcile, 500 in drift",
            figure("core_reconcile_with_drift")?,
            "ms",
            250.0,
        ),
        Row::told(
            "drift of everything from nothing",
            figure("core_drift_from_nothing")?,
            "ms",
        ),
        Row::told("a heartbeat, p99", figure("core_heartbeat_p99")?, "ms"),
        Row::told(
            "snapshots of 10,000 nodes taken in",
            figure("core_snapshots_in")?,
            "events/s",
        ),
        Row::at_most(
            "memory of fleet and world",
            figure("core_memory")?,
            "MiB",
            1024.0,
        ),
    ])
}

pub fn store() -> Result<Vec<Row>> {
    let found = bench("stead-store", "log", &[])?;
    let replay = bench("stead-engine", "replay", &[])?;
    let figure = |name: &str| {
        let value = found.get(name).or_else(|| replay.get(name));
        value
            .copied()
            .with_context(|| format!("the bench told no {name}"))
    };
    let bursts = figure("log_append_bursts")?;
    let ratio = figure("log_append_bursts_ratio")?;
    let mut rows = vec![
        Row::beside(
            "durable, 64 producers, one at a time",
            figure("log_append_single")?,
            "events/s",
            "raw",
            figure("log_append_single_raw_control")?,
        ),
        Row::beside(
            "durable, 64 producers, 32 at a time",
            bursts,
            "events/s",
            "raw",
            figure("log_append_bursts_raw_control")?,
        ),
    ];
    // Either is enough: a slow disk must not make a fast log look bad.
    rows.push(if bursts >= 50_000.0 {
        Row::at_least("the same against the goal", bursts, "events/s", 50_000.0)
    } else {
        Row::at_least(
            "the same as a share of raw group commit",
            ratio,
            "× raw",
            0.5,
        )
    });
    rows.push(Row::at_least(
        "cold replay: from disk to the world",
        figure("replay_cold")?,
        "events/s",
        200_000.0,
    ));
    rows.push(Row::told(
        "cold read of records",
        figure("log_cold_read")?,
        "records/s",
    ));
    for name in found.keys().filter(|name| name.starts_with("log_query_")) {
        let what = name.trim_start_matches("log_query_").replace('_', " ");
        rows.push(Row::told(
            format!("a page of 50 by {what}"),
            figure(name)?,
            "ms",
        ));
    }
    Ok(rows)
}

pub fn past() -> Result<Vec<Row>> {
    let found = bench("stead-engine", "backtest", &[])?;
    let figure = |name: &str| {
        found
            .get(name)
            .copied()
            .with_context(|| format!("the bench told no {name}"))
    };
    Ok(vec![
        Row::at_most(
            "a policy tried on 1,000,000 events, from disk",
            figure("backtest_1m")?,
            "s",
            5.0,
        ),
        Row::told(
            "the world after 1,000,000 events, from nothing",
            figure("past_cold_1m")?,
            "ms",
        ),
        Row::told("ten minutes further", figure("past_step")?, "ms"),
        Row::told("an eighth of the log away", figure("past_far")?, "ms"),
    ])
}

pub fn history() -> Result<Vec<Row>> {
    let found = bench("stead-history", "history", &[])?;
    let sizes = bench("stead-history", "sizes", &[])?;
    let beside = bench("stead-server", "ingest", &[])?;
    let figure = |name: &str| {
        let value = found.get(name).or_else(|| beside.get(name));
        value
            .or_else(|| sizes.get(name))
            .copied()
            .with_context(|| format!("the bench told no {name}"))
    };
    let taken = figure("ingest_stead")?;
    let prometheus = figure("ingest_prometheus")?;
    let mut rows = kept(&figure)?;
    rows.extend([
        Row::at_least_beside(
            "samples taken in by a core-second",
            taken,
            "/s",
            ("Prometheus", prometheus),
            2.0,
        ),
        Row::beside(
            "the same beside VictoriaMetrics",
            taken,
            "/s",
            "VictoriaMetrics",
            figure("ingest_victoria_metrics")?,
        ),
        Row::beside(
            "the same beside Prometheus' storage alone",
            taken,
            "/s",
            "`promtool tsdb bench write`",
            figure("ingest_prometheus_storage")?,
        ),
        Row::beside(
            "the same, worst round of each",
            figure("ingest_stead_worst")?,
            "/s",
            "Prometheus",
            figure("ingest_prometheus_worst")?,
        ),
        Row::beside(
            "resident after that",
            figure("ingest_stead_resident")?,
            "MiB",
            "Prometheus",
            figure("ingest_prometheus_resident")?,
        ),
        Row::at_most(
            "30 days of one series, 960 points",
            figure("history_30_days_wide")?,
            "ms",
            10.0,
        ),
        Row::at_most(
            "30 days of one series, 8,640 points",
            figure("history_30_days_fine")?,
            "ms",
            10.0,
        ),
    ]);
    Ok(rows)
}

/// What a sample takes on disk, beside those that keep the same corpus.
fn kept(figure: &dyn Fn(&str) -> Result<f64>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (step, at) in [("10s", "10 s"), ("1s", "1 s")] {
        for (part, what) in [
            ("samples", "samples alone"),
            ("whole", "with names and index"),
        ] {
            let of = |who: &str| figure(&format!("sizes_{step}_{who}_{part}"));
            let name = format!("bytes a sample at {at}, {what}");
            let victoria = ("VictoriaMetrics", of("victoria_metrics")?);
            rows.push(Row::at_most_beside(
                name,
                of("stead")?,
                "bytes",
                victoria,
                1.0,
            ));
            rows.push(Row::beside(
                "the same",
                of("stead")?,
                "bytes",
                "Prometheus",
                of("prometheus")?,
            ));
        }
    }
    Ok(rows)
}

fn bench(package: &str, name: &str, args: &[&str]) -> Result<Figures> {
    let dir = checkout::target().join("bench");
    std::fs::create_dir_all(&dir)?;
    let mut command = checkout::cargo();
    command
        .args([
            "bench", "--locked", "-p", package, "--bench", name, "--", "--dir",
        ])
        .arg(dir)
        .args(args);
    let (lines, outcome) = process::run_keeping(&mut command, |line| line.starts_with('{'));
    outcome?;
    lines.iter().map(|line| figure(line)).collect()
}

fn figure(line: &str) -> Result<(String, f64)> {
    let said: Value =
        serde_json::from_str(line).with_context(|| format!("not a figure: {line}"))?;
    let name = said["bench"]
        .as_str()
        .with_context(|| format!("a figure without a name: {line}"))?;
    let value = said["value"]
        .as_f64()
        .with_context(|| format!("a figure without a value: {line}"))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn a_line_is_a_figure_or_an_error() {
        assert_eq!(
            figure(r#"{"bench":"a","value":1.5,"unit":"ms"}"#).unwrap(),
            ("a".into(), 1.5)
        );
        assert!(figure(r#"{"bench":"a"}"#).is_err());
        assert!(figure("{").is_err());
    }
}
