//! How long it takes from a container falling ill to its restart being asked for, by the engine's own clock.
//!
//! Raw durable writes on the same disk are interleaved: what the disk costs is not Stead's doing.

use super::containers::{self, Events};
use super::raw_disk::{quantile, syncs};
use super::server::Stead;
use super::table::Row;
use super::{Options, server};
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Containers that fall ill in turn: one can recover while another is measured.
const PATIENTS: usize = 4;
/// Durable writes in sequence on the way: what the agent spools and what the server logs.
const SYNCS: f64 = 2.0;
const RAW: usize = 5;

/// What happens of itself: each repair without asking, and more often than anybody would want.
const POLICY: &str = "fleet: bench
policy:
  rules:
    - { match: { action: container_restart }, automatic: true }
  limits: { per_target_per_hour: 100, concurrent: 4, concurrent_per_node: 4 }
  repairs:
    - { drift: unhealthy_service, trigger: check_failed, action: container_restart }
    - { drift: unhealthy_service, trigger: container_unhealthy, action: container_restart }
";

pub fn latency(binary: &Path, options: &Options) -> Result<Vec<Row>> {
    let dir = super::scratch("reaction")?;
    let engine = by_engine(binary, &dir.join("engine"), options.rounds)?;
    let check = by_check(binary, &dir.join("check"), options.rounds.div_ceil(2))?;
    fs::remove_dir_all(&dir)?;
    let beyond: Vec<f64> = engine
        .iter()
        .map(|round| round.taken - SYNCS * quantile(&round.raw, 0.5))
        .collect();
    let taken: Vec<f64> = engine.iter().map(|round| round.taken).collect();
    let raw: Vec<f64> = engine
        .iter()
        .flat_map(|round| round.raw.iter().copied())
        .collect();
    let checks: Vec<f64> = check.iter().map(|ms| ms / 1e3).collect();
    let what = "unhealthy → restart asked for";
    Ok(vec![
        Row::beside(
            format!("{what}, median"),
            quantile(&taken, 0.5),
            "ms",
            "one raw sync, median",
            quantile(&raw, 0.5),
        ),
        Row::beside(
            format!("{what}, p99"),
            quantile(&taken, 0.99),
            "ms",
            "one raw sync, p99",
            quantile(&raw, 0.99),
        ),
        Row::told(
            format!("{what}, median beyond two raw syncs"),
            quantile(&beyond, 0.5),
            "ms",
        ),
        Row::at_most(
            format!("{what}, p99 beyond two raw syncs"),
            quantile(&beyond, 0.99),
            "ms",
            50.0,
        ),
        Row::told(
            format!("rounds of that: {}", engine.len()),
            engine.len() as f64,
            "rounds",
        ),
        Row::told(
            "check begins to fail → restart asked for, median",
            quantile(&checks, 0.5),
            "s",
        ),
        Row::at_most(
            "check (1 s, 2 failures) → restart asked for, slowest",
            quantile(&checks, 1.0),
            "s",
            2.5,
        ),
        Row::told(
            format!("rounds of that: {}", check.len()),
            check.len() as f64,
            "rounds",
        ),
    ])
}

struct Round {
    taken: f64,
    raw: Vec<f64>,
}

fn name(n: usize) -> String {
    format!("stead-bench-{}", n % PATIENTS)
}

/// From `health_status: unhealthy` to `kill` on the engine's event stream.
fn by_engine(binary: &Path, dir: &Path, rounds: usize) -> Result<Vec<Round>> {
    fs::create_dir_all(dir)?;
    let mut services = String::from("services:\n");
    for n in 0..PATIENTS {
        containers::fragile(&name(n))?;
        let container = name(n);
        services.push_str(&format!(
            "  app-{n}: {{ kind: container, container: {container}, patience: {{ failures: 0 }} }}\n"
        ));
    }
    let stead = Stead::start(binary, dir, POLICY, &services)?;
    stead.healthy(PATIENTS as u64)?;
    let events = Events::listen()?;
    let mut taken = Vec::new();
    for n in 0..rounds {
        let container = name(n);
        well(&stead, &container)?;
        let mut raw = syncs(dir, RAW)?;
        events.skip();
        process::quiet(containers::docker().args(["exec", &container, "rm", "-f", "/srv/open"]))?;
        let limit = Duration::from_secs(30);
        let ill = events.wait(limit, "the engine does not call it unhealthy", |e| {
            e.name == container && e.action == "health_status: unhealthy"
        })?;
        let asked = events
            .wait(limit, "no restart was asked for", |e| {
                e.name == container && e.action == "kill"
            })
            .with_context(|| format!("round {n}"))?;
        raw.extend(syncs(dir, RAW)?);
        let ms = (asked.nanos - ill.nanos) as f64 / 1e6;
        println!(
            "  round {n}: {ms:.1} ms, raw sync {:.2} ms",
            quantile(&raw, 0.5)
        );
        taken.push(Round { taken: ms, raw });
    }
    drop(stead);
    containers::clear()?;
    Ok(taken)
}

/// From a file being taken away, which a check of Stead's looks for, to `kill`.
fn by_check(binary: &Path, dir: &Path, rounds: usize) -> Result<Vec<f64>> {
    fs::create_dir_all(dir)?;
    let mut services = String::from("services:\n");
    let watched = |n: usize| dir.join(format!("open-{}", n % PATIENTS));
    for n in 0..PATIENTS {
        containers::idle(&name(n))?;
        fs::write(watched(n), "")?;
        let (container, file) = (name(n), watched(n).display().to_string());
        services.push_str(&format!(
            "  app-{n}:\n    kind: container\n    container: {container}\n    checks:\n      \
             - file: {{ path: \"{file}\", every: 1s, failures: 2 }}\n"
        ));
    }
    let stead = Stead::start(binary, dir, POLICY, &services)?;
    stead.healthy(PATIENTS as u64)?;
    let events = Events::listen()?;
    let mut taken = Vec::new();
    for n in 0..rounds {
        let container = name(n);
        idle(&stead)?;
        events.skip();
        fs::remove_file(watched(n))?;
        let from = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let asked = events.wait(Duration::from_secs(30), "no restart was asked for", |e| {
            e.name == container && e.action == "kill"
        })?;
        fs::write(watched(n), "")?;
        let ms = (i128::from(asked.nanos) - i128::try_from(from)?) as f64 / 1e6;
        println!("  round {n}: {ms:.0} ms");
        taken.push(ms);
        // Each begins at another place within the checks' second.
        std::thread::sleep(Duration::from_millis(137 * (n as u64 % 7)));
    }
    drop(stead);
    containers::clear()?;
    Ok(taken)
}

/// The container is well for the engine, and nothing is under way in Stead.
fn well(stead: &server::Stead, container: &str) -> Result<()> {
    process::until(
        Duration::from_secs(60),
        &format!("{container} does not become healthy"),
        || containers::health(container).is_ok_and(|health| health == "healthy"),
    )?;
    idle(stead)
}

fn idle(stead: &server::Stead) -> Result<()> {
    stead.healthy(PATIENTS as u64)?;
    let limit = Duration::from_secs(60);
    process::until(limit, "an action does not end", || {
        stead.ask(&["status"]).is_ok_and(|status| {
            let open = ["pending", "approved", "running"];
            open.iter()
                .all(|state| status["actions"][state].as_u64() == Some(0))
        })
    })
}
