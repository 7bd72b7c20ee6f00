//! `make soak`: server and agent are killed a thousand times at random moments while they work, and at the end the log,
//! the engine and those who got an answer must agree: nothing lost, nothing doubled.
//!
//! ```text
//! lane ─► kill -9, start again          poster, dropper, approver ─► what was acknowledged ─┐
//!   │     containers fall ill, crash                                                       ▼
//!   └───► at the end: heal, wait until quiet ─► the whole log, starts by the engine ─► verdict
//! ```
//!
//! Several lanes, each a Stead of its own, share the lab's engine. The binary is the released one; no test switch is in it.

mod lane;
mod load;
mod verdict;

use crate::bench::containers::{self, Events};
use crate::bench::table::Row;
use crate::{bench, build, lab, process};
use anyhow::{Context, Result, bail, ensure};
use lane::Lane;
use std::path::{Path, PathBuf};
use std::time::Instant;
use verdict::Verdict;

struct Options {
    kills: u64,
    lanes: u64,
    binary: Option<PathBuf>,
    dry: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options {
            kills: 1000,
            lanes: 4,
            binary: None,
            dry: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} what?"));
            match arg.as_str() {
                "--kills" => options.kills = value()?.parse().context("--kills")?,
                "--lanes" => options.lanes = value()?.parse().context("--lanes")?,
                "--binary" => options.binary = Some(PathBuf::from(value()?)),
                "--dry" => options.dry = true,
                other => {
                    bail!("no option `{other}`; options are --kills, --lanes, --binary, --dry")
                }
            }
        }
        ensure!(
            options.lanes > 0 && options.kills >= options.lanes,
            "at least one lane, and a kill for each"
        );
        Ok(options)
    }
}

pub fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build::product()?,
    };
    let ours = lab::docker_up()?;
    containers::clear()?;
    let dir = bench::scratch("soak")?;
    let began = Instant::now();
    let outcome = all_lanes(&options, &binary, &dir);
    process::forget_signals();
    let cleared = containers::clear();
    if ours {
        lab::command(&["down".into()])?;
    }
    let verdict = outcome?;
    cleared?;
    bench::record(
        "soak",
        rows(&options, &verdict, began.elapsed().as_secs_f64()),
        options.dry,
    )?;
    if !verdict.findings.is_empty() {
        for finding in &verdict.findings {
            println!("soak: {finding}");
        }
        bail!(
            "{} promises were broken; what the processes said is in {}",
            verdict.findings.len(),
            dir.display()
        );
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn all_lanes(options: &Options, binary: &Path, dir: &Path) -> Result<Verdict> {
    let lanes = (0..options.lanes).map(|n| {
        // What does not divide goes to the first ones.
        let kills = options.kills / options.lanes + u64::from(n < options.kills % options.lanes);
        let lane = Lane::prepare(n, kills, binary, &dir.join(format!("lane-{n}")))?;
        Ok(lane)
    });
    let lanes = lanes.collect::<Result<Vec<Lane>>>()?;
    // From here on each start of a container is somebody's doing.
    let events = Events::listen()?;
    let threads: Vec<_> = lanes
        .into_iter()
        .map(|lane| std::thread::spawn(move || lane.live()))
        .collect();
    let lived: Vec<Result<lane::Lived>> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|_| bail!("a lane panicked")))
        .collect();
    let starts = events.taken()?;
    let mut verdict = Verdict::default();
    for lived in lived {
        verdict.add(&lived?, &starts)?;
    }
    Ok(verdict)
}

fn rows(options: &Options, verdict: &Verdict, seconds: f64) -> Vec<Row> {
    let count = |what: &str, n: u64| Row::told(what, n as f64, "");
    let none = |what: &str, n: u64| Row::at_most(what, n as f64, "", 0.0);
    vec![
        Row::at_least(
            "kill -9 of server, agent or both",
            verdict.kills as f64,
            "",
            options.kills as f64,
        ),
        count("events acknowledged over HTTP", verdict.posted),
        count("events acknowledged as files", verdict.dropped),
        none("acknowledged events lost", verdict.lost),
        none("events doubled", verdict.doubled),
        count("restarts ordered", verdict.ordered),
        count("restarts whose outcome was done", verdict.done),
        count("starts the engine saw", verdict.started),
        none("restarts said to be done that never were", verdict.missing),
        none("restarts more than were ordered", verdict.extra),
        count("actions approved by a person", verdict.approved),
        none("approved actions that did not end", verdict.unended),
        count("leaders elected", verdict.elected),
        count("records in the logs, all sound", verdict.records),
        Row::told("time", seconds, "s"),
    ]
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn options_are_read_and_nonsense_is_refused() {
        let parse = |args: &[&str]| {
            Options::parse(&args.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let options = parse(&["--kills", "50", "--lanes", "2", "--dry"]).unwrap();
        assert_eq!((options.kills, options.lanes, options.dry), (50, 2, true));
        assert!(parse(&["--kills"]).is_err() && parse(&["--lanes", "0"]).is_err());
        assert!(parse(&["--forever"]).is_err());
    }
}
