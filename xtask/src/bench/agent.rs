//! What an agent costs that samples its machine each second, beside its peers over the same window.

use super::cost::{self, Cost};
use super::peers::{self, Peer};
use super::server::{NODE, Stead};
use super::table::Row;
use super::{Options, containers};
use crate::process;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::{Duration, Instant};

const CONTAINERS: usize = 20;
/// Start-up is no part of the figure: settings are read, caches filled.
const SETTLE: Duration = Duration::from_secs(20);

pub fn footprint(binary: &Path, options: &Options) -> Result<Vec<Row>> {
    let dir = super::scratch("agent")?;
    let alone = window(binary, &dir.join("alone"), 0, options)?;
    let crowded = window(binary, &dir.join("crowded"), CONTAINERS, options)?;
    std::fs::remove_dir_all(&dir)?;
    let mut rows = Vec::new();
    for (with, window, cpu) in [
        ("no container", alone, 0.4),
        ("20 containers", crowded, 1.0),
    ] {
        rows.push(Row::at_most(
            format!("agent, {with}: resident"),
            window.agent.rss_mib,
            "MiB",
            10.0,
        ));
        rows.push(Row::at_most(
            format!("agent, {with}: CPU of one core"),
            window.agent.share,
            "%",
            cpu,
        ));
        for (name, theirs) in &window.peers {
            let what = |of: &str| format!("{with}: {of} beside {name}");
            rows.push(Row::beside(
                what("resident"),
                window.agent.rss_mib,
                "MiB",
                name,
                theirs.rss_mib,
            ));
            rows.push(Row::beside(
                what("proportional"),
                window.agent.pss_mib,
                "MiB",
                name,
                theirs.pss_mib,
            ));
            rows.push(Row::beside(
                what("CPU"),
                window.agent.share,
                "%",
                name,
                theirs.share,
            ));
            if let Some(numbers) = theirs.numbers {
                rows.push(Row::beside(
                    what("numbers"),
                    window.agent.numbers.unwrap_or_default(),
                    "",
                    name,
                    numbers,
                ));
            }
        }
        rows.push(Row::told(
            format!("server for it, {with}: resident"),
            window.server.rss_mib,
            "MiB",
        ));
        rows.push(Row::told(
            format!("server for it, {with}: CPU of one core"),
            window.server.share,
            "%",
        ));
    }
    Ok(rows)
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    rss_mib: f64,
    pss_mib: f64,
    share: f64,
    /// How many numbers it tells, where that can be counted.
    numbers: Option<f64>,
}

struct Window {
    agent: Spent,
    server: Spent,
    peers: Vec<(&'static str, Spent)>,
}

fn window(binary: &Path, dir: &Path, count: usize, options: &Options) -> Result<Window> {
    std::fs::create_dir_all(dir)?;
    let mut services = String::from("services:\n");
    for n in 0..count {
        containers::idle(&format!("stead-bench-{n}"))?;
        services.push_str(&format!(
            "  app-{n}: {{ kind: container, container: stead-bench-{n} }}\n"
        ));
    }
    if count == 0 {
        services = "services: {}\n".to_owned();
    }
    let stead = Stead::start(binary, dir, "fleet: bench\n", &services)?;
    let node = || stead.ask(&["nodes", NODE]).is_ok();
    process::until(Duration::from_secs(30), "the agent does not connect", node)?;
    stead.healthy(count as u64)?;
    let (exporter, scraper) = peers::node_exporter(dir)?;
    let others = [
        exporter,
        peers::monit(dir)?,
        peers::netdata(dir)?,
        peers::glances(dir)?,
    ];
    cost::rest(SETTLE)?;
    println!(
        "measuring for {} s with {count} containers",
        options.seconds
    );
    let begun = Instant::now();
    let before = spent(&stead, &others)?;
    cost::rest(Duration::from_secs(options.seconds))?;
    let after = spent(&stead, &others)?;
    let seconds = begun.elapsed().as_secs_f64();
    let ours = peers::get(stead.port()?, "/metrics", &stead.admin_token()?)?;
    let ours = peers::metric(&ours, "stead_history_series")?;
    let scraped = scraper.end();
    anyhow::ensure!(
        scraped as f64 >= seconds * 0.9,
        "node_exporter answered only {scraped} times"
    );
    let took = |n: usize| {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let share = cost::share(before[n], after[n], seconds);
        Spent {
            rss_mib: mib(after[n].rss_kib),
            pss_mib: mib(after[n].pss_kib),
            share,
            numbers: None,
        }
    };
    let peers = others
        .iter()
        .enumerate()
        .map(|(n, peer)| {
            let numbers = peer.numbers();
            (
                peer.name,
                Spent {
                    numbers,
                    ..took(n + 2)
                },
            )
        })
        .collect();
    containers::clear()?;
    Ok(Window {
        agent: Spent {
            numbers: Some(ours),
            ..took(0)
        },
        server: took(1),
        peers,
    })
}

fn spent(stead: &Stead, others: &[Peer]) -> Result<Vec<Cost>> {
    let pids = [
        ("stead agent", stead.agent()),
        ("stead server", stead.server()),
    ];
    let pids = pids
        .into_iter()
        .chain(others.iter().map(|peer| (peer.name, peer.pid())));
    pids.map(|(name, pid)| cost::of(pid).with_context(|| name.to_owned()))
        .collect()
}
