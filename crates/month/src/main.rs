//! `stead-month`: the chore behind `make month`.
// A shell: it reads the clock that everybody reads.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use stead_core::time::{Span, Time};
use stead_month::live::{Options, month};
use stead_ports::clock::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

/// What the binary has (docs/adr/0067).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: stead-month --data DIR [--days N] [--end TIME] [--listen ADDRESS:PORT] [--exit]

  --data DIR       a new or empty folder: everything a server keeps is made there, and the fleet's files
  --days N         how long it was (30)
  --end TIME       when it ended, RFC 3339 (now); the same end gives the same month
  --listen A:P     where its pages are (127.0.0.1:18290)
  --exit           end when the month is over; else the fleet lives on until Ctrl-C

afterwards an ordinary server can serve it: stead server --data DIR --fleet DIR/fleet";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match wanted(&args)
        .map_err(|error| (2, error))
        .and_then(|wanted| lived(&wanted).map_err(|error| (1, error)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            eprintln!("stead-month: {error:#}");
            if code == 2 {
                eprintln!("\n{USAGE}");
            }
            ExitCode::from(code)
        }
    }
}

fn wanted(args: &[String]) -> Result<Options> {
    let mut data = None;
    let (mut days, mut end, mut stay) = (30u64, SystemClock::new().wall(), true);
    let mut listen = "127.0.0.1:18290".parse()?;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--data" => data = Some(PathBuf::from(value()?)),
            "--days" => days = value()?.parse().context("--days is a number")?,
            "--end" => {
                end = value()?
                    .parse::<Time>()
                    .map_err(|e| anyhow::anyhow!("{e}"))?
            }
            "--listen" => listen = value()?.parse().context("--listen is ADDRESS:PORT")?,
            "--exit" => stay = false,
            other => bail!("no option {other}"),
        }
    }
    if !(1..=730).contains(&days) {
        bail!("--days is from 1 to 730");
    }
    Ok(Options {
        data: data.context("--data is missing")?,
        length: Span::hours(days * 24),
        end,
        listen,
        stay,
    })
}

fn lived(options: &Options) -> Result<()> {
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let mut tell = |text: &str| println!("{text}   ({:.0} s)", begun.elapsed().as_secs_f64());
    let lived = month(options, &stop, &mut tell)?;
    println!("{} events in {}", lived.events, options.data.display());
    Ok(())
}
