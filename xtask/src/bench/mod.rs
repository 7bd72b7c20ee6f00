//! `make bench`: Stead beside its peers and its goals, each figure and its comparison from one run.
//!
//! Nothing here fails a build: a figure that misses its goal says so in the table. Results go into `docs/benchmarks.md`,
//! each part with the day and the machine it was measured on.

mod agent;
pub mod containers;
mod cost;
mod crowd;
mod pages;
mod peers;
mod raw_disk;
mod reaction;
mod rust;
pub mod server;
pub mod table;

use crate::{build, checkout, lab, packages, process};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use table::{Row, Table};

const PARTS: &[&str] = &[
    "core", "store", "past", "history", "agent", "reaction", "server", "ui",
];

/// How the parts run.
#[derive(Debug)]
pub struct Options {
    parts: Vec<String>,
    /// Length of the window in which resident memory and CPU are measured.
    pub seconds: u64,
    /// Times that a container falls ill.
    pub rounds: usize,
    /// Measure this binary instead of building one.
    binary: Option<PathBuf>,
    /// Print only.
    dry: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options {
            parts: Vec::new(),
            seconds: 90,
            rounds: 40,
            binary: None,
            dry: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} what?"));
            match arg.as_str() {
                "--seconds" => options.seconds = value()?.parse().context("--seconds")?,
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--binary" => options.binary = Some(PathBuf::from(value()?)),
                "--dry" => options.dry = true,
                part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
                other => bail!(
                    "no part or option `{other}`; parts are {}, options --seconds, --rounds, --binary, --dry",
                    PARTS.join(", ")
                ),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

pub fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let mut done = Vec::new();
    if options.wants("core") {
        done.push(finish(&options, "core", rust::core()?)?);
    }
    if options.wants("store") {
        done.push(finish(&options, "store", rust::store()?)?);
    }
    if options.wants("past") {
        done.push(finish(&options, "past", rust::past()?)?);
    }
    if options.wants("history") {
        packages::ensure(packages::PEERS)?;
        done.push(finish(&options, "history", rust::history()?)?);
    }
    if options.wants("agent") || options.wants("reaction") {
        done.extend(with_engine(&options)?);
    }
    if options.wants("server") {
        packages::ensure(packages::PEERS)?;
        let binary = product(&options)?;
        done.push(finish(
            &options,
            "server",
            crowd::footprint(&binary, &options)?,
        )?);
    }
    if options.wants("ui") {
        packages::ensure(packages::PEERS)?;
        let binary = product(&options)?;
        done.push(finish(&options, "ui", pages::measure(&binary, &options)?)?);
    }
    println!("\n{}", done.join("\n\n"));
    Ok(())
}

/// What is measured: the binary that was named, or one built now.
fn product(options: &Options) -> Result<PathBuf> {
    match &options.binary {
        Some(binary) => Ok(binary.clone()),
        None => build::product(),
    }
}

/// The parts that need the binary and a container engine.
fn with_engine(options: &Options) -> Result<Vec<String>> {
    let binary = product(options)?;
    packages::ensure(packages::PEERS)?;
    let ours = lab::docker_up()?;
    let measured = on_engine(options, &binary);
    process::forget_signals();
    let cleared = containers::clear();
    if ours {
        lab::command(&["down".into()])?;
    }
    let measured = measured?;
    cleared?;
    Ok(measured)
}

fn on_engine(options: &Options, binary: &std::path::Path) -> Result<Vec<String>> {
    containers::clear()?;
    let mut done = Vec::new();
    if options.wants("agent") {
        done.push(finish(
            options,
            "agent",
            agent::footprint(binary, options)?,
        )?);
    }
    if options.wants("reaction") {
        done.push(finish(
            options,
            "reaction",
            reaction::latency(binary, options)?,
        )?);
    }
    Ok(done)
}

/// An empty folder beside the build, on the disk that the data of a real Stead would be on.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let dir = checkout::target()
        .join("bench")
        .join(format!("{name}-{}", std::process::id()));
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn finish(options: &Options, part: &str, rows: Vec<Row>) -> Result<String> {
    record(part, rows, options.dry)
}

/// Prints a part's table and, unless told not to (`dry`), puts it into the document.
pub fn record(part: &str, rows: Vec<Row>, dry: bool) -> Result<String> {
    let table = Table {
        machine: machine(),
        rows,
    };
    let text = table.markdown();
    println!("\n{text}");
    if !dry {
        let document = checkout::root().join("docs/benchmarks.md");
        let before = std::fs::read_to_string(&document).context("docs/benchmarks.md")?;
        std::fs::write(&document, table::replace(&before, part, &text)?)?;
    }
    Ok(text)
}

/// Day, processor, kernel and how busy it was, as a reader needs it to judge a figure.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let day = process::quiet(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))
        .unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{}, {cores} × {model}, Linux {}, load {load} at the end",
        day.trim(),
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_is_refused_and_no_part_means_all() {
        assert!(Options::parse(&["cores".into()]).is_err());
        assert!(Options::parse(&["--seconds".into()]).is_err());
        assert!(Options::parse(&[]).unwrap().wants("ui"));
        let some = Options::parse(&["core".into(), "--dry".into()]).unwrap();
        assert!(some.wants("core") && !some.wants("ui") && some.dry);
    }
}
