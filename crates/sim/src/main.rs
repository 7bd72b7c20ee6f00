//! `stead-sim`: many seeds, or one that is told. The chore behind `cargo xtask sim`.
// A shell: it times its run and uses every core.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stead_ports::planted::Bug;
use stead_sim::plan::Plan;
use stead_sim::run::{self, Options, Report};
use stead_sim::{shrink, story};

/// What the binary has (docs/adr/0067).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: stead-sim [--seeds N] [--from SEED]     run N seeds (1000), from SEED (1) on, on every core
       stead-sim --seed SEED [--drop A,B] [--story]
                                               run one, without the moves A and B, and tell its story
       --bug NAME                              the same with a bug planted in the real code, if this build has any";

/// Broken invariants after which no more seeds are run.
const ENOUGH: usize = 4;

struct Wanted {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    dropped: Vec<u32>,
    story: bool,
    bug: Option<Bug>,
}

impl Wanted {
    fn options(&self) -> Options {
        Options {
            bug: self.bug,
            ..Options::default()
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = wanted(&args).map(|wanted| match wanted.seed {
        Some(seed) => one(seed, &wanted),
        None => many(&wanted),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stead-sim: {error:#}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wanted(args: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted {
        seeds: 1000,
        from: 1,
        seed: None,
        dropped: Vec::new(),
        story: false,
        bug: None,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--seeds" => wanted.seeds = number(value()?)?,
            "--from" => wanted.from = number(value()?)?,
            "--seed" => wanted.seed = Some(number(value()?)?),
            "--drop" => {
                let parts = value()?.split(',').map(number);
                wanted.dropped = parts.map(|n| Ok(n? as u32)).collect::<Result<_>>()?;
            }
            "--story" => wanted.story = true,
            "--bug" => wanted.bug = Some(bug(value()?)?),
            other => bail!("no option {other}"),
        }
    }
    Ok(wanted)
}

fn bug(name: &str) -> Result<Bug> {
    if !cfg!(feature = "planted") {
        bail!(
            "this build has no bugs planted: it needs `--features planted`, which `cargo xtask sim --bug` asks for"
        );
    }
    let found = Bug::ALL.iter().find(|b| format!("{b:?}") == name);
    found
        .copied()
        .with_context(|| format!("no bug {name}; there are {:?}", Bug::ALL))
}

fn number(text: impl AsRef<str>) -> Result<u64> {
    let text = text.as_ref();
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.with_context(|| format!("{text:?} is no number"))
}

/// One seed, told. Whether every invariant held.
fn one(seed: u64, wanted: &Wanted) -> bool {
    let plan = Plan::of(seed).without(&wanted.dropped);
    let report = run::once(
        &plan,
        &Options {
            story: true,
            aloud: wanted.story,
            bug: wanted.bug,
        },
    );
    match &report.finding {
        Some(finding) => {
            // It was told as it happened.
            let lines = if wanted.story { &[][..] } else { &report.story };
            print!(
                "{}",
                story::told(seed, &wanted.dropped, lines, finding, false)
            );
            false
        }
        None => {
            println!(
                "seed {seed:#x}: every invariant held over {} of simulated time, {} events, {} effects; log {}",
                story::clock(report.length),
                report.events,
                report.effects.len(),
                report.log
            );
            true
        }
    }
}

#[derive(Default)]
struct Tally {
    next: AtomicU64,
    done: AtomicU64,
    length: AtomicU64,
    events: AtomicU64,
    effects: AtomicU64,
    over: AtomicBool,
    /// Names of broken invariants: one story each.
    broken: Mutex<BTreeSet<String>>,
}

impl Tally {
    /// Whether nobody told of this invariant yet. After a few the run is over: there is enough to mend.
    fn is_new(&self, name: &str) -> bool {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let new = broken.insert(name.to_owned());
        if broken.len() >= ENOUGH {
            self.over.store(true, Ordering::Relaxed);
        }
        new
    }

    fn count(&self, report: &Report) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.length.fetch_add(report.length, Ordering::Relaxed);
        self.events.fetch_add(report.events, Ordering::Relaxed);
        let effects = report.effects.len() as u64;
        self.effects.fetch_add(effects, Ordering::Relaxed);
    }

    fn line(&self, began: Instant) -> String {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let passed = began.elapsed().as_secs_f64().max(0.001);
        let hours = load(&self.length) as f64 / 3.6e6;
        format!(
            "{} seeds in {passed:.0} s: {:.0} seeds/s, {hours:.0} simulated hours, {:.1} of them a second, {} events, {} effects",
            load(&self.done),
            load(&self.done) as f64 / passed,
            hours / passed,
            load(&self.events),
            load(&self.effects)
        )
    }
}

/// Many seeds on every core. Whether every invariant held.
fn many(wanted: &Wanted) -> bool {
    let tally = Tally::default();
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| work(&tally, wanted));
        }
        scope.spawn(|| progress(&tally, began, wanted.seeds));
    });
    println!("{}", tally.line(began));
    let broken = tally.broken.into_inner();
    broken.unwrap_or_else(PoisonError::into_inner).is_empty()
}

fn work(tally: &Tally, wanted: &Wanted) {
    while !tally.over.load(Ordering::Relaxed) {
        let n = tally.next.fetch_add(1, Ordering::Relaxed);
        if n >= wanted.seeds {
            return;
        }
        let seed = wanted.from + n;
        let plan = Plan::of(seed);
        let options = wanted.options();
        let report = run::once(&plan, &options);
        tally.count(&report);
        if let Some((_, finding)) = &report.finding
            && tally.is_new(&finding.name)
        {
            let story = short(seed, &plan, &options, &finding.name);
            println!("{story}");
        }
    }
}

/// The story of a failing seed, without what is not needed for it.
fn short(seed: u64, plan: &Plan, options: &Options, name: &str) -> String {
    let dropped = shrink::shrink(plan, options, name);
    let telling = Options {
        story: true,
        ..*options
    };
    let report = run::once(&plan.without(&dropped), &telling);
    match &report.finding {
        Some(finding) => story::told(seed, &dropped, &report.story, finding, false),
        None => format!("seed {seed:#x} broke {name}, and did not when it was run again"),
    }
}

fn progress(tally: &Tally, began: Instant, seeds: u64) {
    let mut told = Instant::now();
    while tally.done.load(Ordering::Relaxed) < seeds && !tally.over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("{}", tally.line(began));
        }
    }
}
