//! The pages in a browser on a slow processor: a server with a crowd of agents, Debian's Chromium, `e2e/bench/pages.mjs`.

use super::Options;
use super::crowd::{self, Crowd};
use super::server;
use super::table::Row;
use crate::{build, checkout, process};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A thousand services.
const NODES: usize = 20;
const CONTAINERS: usize = 50;
/// Clicks that are measured, as the script names them, and as people read them.
const CLICKS: [(&str, &str); 8] = [
    ("chip", "a chip that filters"),
    ("chip_all", "the chip that shows all again"),
    ("sort", "sort by name"),
    ("sort_back", "sort the other way round"),
    ("filter", "first letter of a filter"),
    ("filter_more", "second letter of a filter"),
    ("columns", "choose columns"),
    ("open", "open a service"),
];

pub fn measure(binary: &Path, options: &Options) -> Result<Vec<Row>> {
    let mut rows = vec![first_load()?];
    build::install("e2e")?;
    let program = crowd::program()?;
    let dir = super::scratch("pages")?;
    let port = server::free_port()?;
    let crowd = Crowd::start(binary, &program, &dir, (NODES, CONTAINERS), port)?;
    let link = crowd.stead.login_link()?;
    let mut command = std::process::Command::new("node");
    command
        .current_dir(checkout::root().join("e2e"))
        .args(["bench/pages.mjs", &link])
        .args(["--rounds", &options.rounds.min(5).to_string()])
        .args(["--services", &(NODES * CONTAINERS).to_string()]);
    let (lines, outcome) = process::run_keeping(&mut command, |line| line.starts_with('{'));
    outcome?;
    drop(crowd);
    std::fs::remove_dir_all(&dir)?;
    let found: BTreeMap<String, f64> = lines
        .iter()
        .filter_map(|line| {
            let said: Value = serde_json::from_str(line).ok()?;
            Some((said["bench"].as_str()?.to_owned(), said["value"].as_f64()?))
        })
        .collect();
    rows.extend(told(&found)?);
    Ok(rows)
}

fn told(found: &BTreeMap<String, f64>) -> Result<Vec<Row>> {
    let figure = |name: &str| {
        let value = found.get(name).copied();
        value.with_context(|| format!("the browser told no {name}"))
    };
    let mut rows = vec![
        Row::told("services on the page", figure("pages_rows")?, ""),
        Row::at_most(
            "first visit at 4 × slow-down, rows can be read",
            figure("pages_useful_cold")?,
            "ms",
            1000.0,
        ),
        Row::told(
            "the same, slowest of all visits",
            figure("pages_useful_cold_worst")?,
            "ms",
        ),
        Row::at_most(
            "second visit at 4 × slow-down",
            figure("pages_useful_warm")?,
            "ms",
            1000.0,
        ),
    ];
    rows.push(Row::told(
        "the page's own work of a first visit, four times its processor time",
        figure("pages_useful_work")? * 4.0,
        "ms",
    ));
    for (name, what) in CLICKS {
        rows.push(Row::at_most(
            format!("click to paint at 4 ×: {what}"),
            figure(&format!("pages_click_{name}"))?,
            "ms",
            100.0,
        ));
    }
    Ok(rows)
}

fn first_load() -> Result<Row> {
    build::ui()?;
    let said = process::quiet(checkout::npm("ui").args(["run", "--silent", "size"]))?;
    let kib = said
        .split_whitespace()
        .zip(said.split_whitespace().skip(1))
        .find(|(_, unit)| *unit == "KiB")
        .and_then(|(number, _)| number.parse::<f64>().ok())
        .with_context(|| format!("no size in: {said}"))?;
    Ok(Row::at_most(
        "JavaScript of a first visit, gzip",
        kib,
        "KiB",
        150.0,
    ))
}
