//! A server with a fleet that does not exist: many agents in one process (`crates/server/examples/crowd.rs`), and what the
//! whole server costs with them beside a Prometheus that scrapes the same numbers from as many targets each second.

use super::Options;
use super::cost::{self, Cost};
use super::peers::{self, Peer};
use super::server::{self, Stead};
use super::table::Row;
use crate::{checkout, process};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Some 20,000 numbers a second.
const NODES: usize = 50;
const CONTAINERS: usize = 49;
/// Start-up is no part of the figure: snapshots are taken in, first appearances of series too.
const SETTLE: Duration = Duration::from_secs(60);

/// Ends with what it measures.
pub struct Crowd {
    pub stead: Stead,
    child: Child,
    /// Numbers of all nodes in a second.
    pub numbers: f64,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        server::end(&mut self.child);
    }
}

/// The program that is the agents.
pub fn program() -> Result<PathBuf> {
    process::run(checkout::cargo().args([
        "build",
        "--release",
        "--locked",
        "-p",
        "stead-server",
        "--example",
        "crowd",
    ]))?;
    Ok(checkout::target().join("release/examples/crowd"))
}

impl Crowd {
    /// With so many nodes, each with so many containers that are services; what they measure can be scraped at `scrape`.
    pub fn start(
        binary: &Path,
        program: &Path,
        dir: &Path,
        (nodes, containers): (usize, usize),
        scrape: u16,
    ) -> Result<Crowd> {
        let mut services = String::from("services:\n");
        for n in 0..containers {
            let _ = writeln!(
                services,
                "  app-{n:02}: {{ kind: container, container: app-{n:02} }}"
            );
        }
        let hosts: Vec<_> = (0..nodes).map(|n| (name(n), services.clone())).collect();
        let stead = Stead::serve(binary, dir, "fleet: crowd\n", &hosts)?;
        let mut child = Command::new(program)
            .args(["--server", stead.listens()])
            .args(["--token", &stead.agent_token()?])
            .args(["--nodes", &nodes.to_string()])
            .args(["--containers", &containers.to_string()])
            .args(["--scrape", &format!("127.0.0.1:{scrape}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("crowd")?;
        let mut told = String::new();
        let out = child.stdout.take().context("crowd")?;
        BufReader::new(out).read_line(&mut told)?;
        let numbers = told.trim().parse().context("how many numbers")?;
        let crowd = Crowd {
            stead,
            child,
            numbers,
        };
        crowd.stead.healthy((nodes * containers) as u64)?;
        Ok(crowd)
    }
}

pub fn name(n: usize) -> String {
    format!("crowd-{n:02}")
}

/// Stead's server and Prometheus over the same window.
pub fn footprint(binary: &Path, options: &Options) -> Result<Vec<Row>> {
    let program = program()?;
    let dir = super::scratch("crowd")?;
    let port = server::free_port()?;
    let crowd = Crowd::start(binary, &program, &dir, (NODES, CONTAINERS), port)?;
    let targets: Vec<_> = (0..NODES).map(name).collect();
    let prometheus = peers::prometheus(&dir, port, &targets)?;
    cost::rest(SETTLE)?;
    println!("measuring for {} s", options.seconds);
    let (begun, before) = (Instant::now(), Moment::of(&crowd, &prometheus)?);
    cost::rest(Duration::from_secs(options.seconds))?;
    let (after, seconds) = (
        Moment::of(&crowd, &prometheus)?,
        begun.elapsed().as_secs_f64(),
    );
    drop(prometheus);
    drop(crowd);
    std::fs::remove_dir_all(&dir)?;
    rows(before, after, seconds)
}

/// What both have spent and taken in until now.
#[derive(Debug, Clone, Copy)]
struct Moment {
    stead: Cost,
    theirs: Cost,
    /// Numbers that Stead folded, and samples that Prometheus appended.
    numbers: f64,
    samples: f64,
}

impl Moment {
    fn of(crowd: &Crowd, prometheus: &Peer) -> Result<Moment> {
        let ours = peers::get(crowd.stead.port()?, "/metrics", &crowd.stead.admin_token()?)?;
        let told = peers::get(prometheus.port, "/metrics", "")?;
        Ok(Moment {
            stead: cost::of(crowd.stead.server()).context("stead server")?,
            theirs: cost::of(prometheus.pid()).context("prometheus")?,
            numbers: peers::metric(&ours, "stead_history_readings_total")? * crowd.numbers
                / NODES as f64,
            samples: peers::metric(&told, "prometheus_tsdb_head_samples_appended_total")?,
        })
    }
}

fn rows(before: Moment, after: Moment, seconds: f64) -> Result<Vec<Row>> {
    let mib = |kib: u64| kib as f64 / 1024.0;
    let numbers = after.numbers - before.numbers;
    let samples = after.samples - before.samples;
    anyhow::ensure!(numbers > 0.0 && samples > 0.0, "nothing was taken in");
    let ours = cost::share(before.stead, after.stead, seconds);
    let theirs = cost::share(before.theirs, after.theirs, seconds);
    let per_core = |count: f64, share: f64| count / (seconds * share / 100.0);
    let peer = |value: f64| ("Prometheus", value);
    Ok(vec![
        Row::beside(
            "numbers taken in by a second",
            numbers / seconds,
            "",
            "Prometheus",
            samples / seconds,
        ),
        Row::at_most_beside(
            "whole server: resident",
            mib(after.stead.rss_kib),
            "MiB",
            peer(mib(after.theirs.rss_kib)),
            1.0,
        ),
        Row::at_most_beside(
            "whole server: proportional",
            mib(after.stead.pss_kib),
            "MiB",
            peer(mib(after.theirs.pss_kib)),
            1.0,
        ),
        Row::beside(
            "whole server: CPU of one core",
            ours,
            "%",
            "Prometheus",
            theirs,
        ),
        Row::beside(
            "whole server: numbers taken in by a core-second",
            per_core(numbers, ours),
            "/s",
            "Prometheus",
            per_core(samples, theirs),
        ),
    ])
}
