//! The chores behind `make`. Each subcommand is one module; the `Makefile` only names them.
//!
//! Nothing here is part of the product, and nothing here ends a process it did not start.

// A shell: it waits with deadlines and times its stages.
#![allow(clippy::disallowed_methods)]

mod bench;
mod build;
mod checkout;
mod demo;
mod lab;
mod month;
mod packages;
mod process;
mod run;
mod sim;
mod soak;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  build                    the UI, then target/release/stead with the UI inside
  run [ARGS]               build, then `stead up` on this machine; ARGS go to `stead up`
  demo                     build, then watch Stead repair real containers that fall ill
  test [--only STAGES] [--cache]
                           everything: lint, ui, rust, e2e (STAGES: a comma-separated choice)
  lint                     fmt check, clippy, tidy
  fmt                      format the Rust code
  tidy                     the purity, dependency and tree guards alone
  lab up|down|status|env|clean
                           the test lab: a Docker engine and an LXD of its own
  bench [PARTS] [--seconds N] [--rounds N] [--binary FILE] [--dry]
                           the benchmarks; results in docs/benchmarks.md
                           (PARTS: core, store, agent, reaction, ui; none: all)
  soak [--kills N] [--lanes N] [--binary FILE] [--dry]
                           kill -9 of server and agent under load; nothing lost, nothing doubled
  sim [--seeds N] [--from SEED] | --seed SEED [--drop A,B] [--story]
                           the simulator: many seeds on every core, or one that is told
  month --data DIR [--days N] [--end TIME] [--listen ADDRESS:PORT] [--exit]
                           thirty days of an invented fleet, lived in minutes, then looked at
  deny                     licences, bans and sources of every dependency
  openapi                  write the API description and the typed client made from it";

fn main() -> ExitCode {
    process::catch_signals();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("build") => build::product().map(drop),
        Some("run") => run::on_this_machine(rest),
        Some("demo") => demo::play(),
        Some("test") => test::everything(rest),
        Some("lint") => test::lint_alone(),
        Some("fmt") => process::run(checkout::cargo().args(["fmt", "--all"])),
        Some("tidy") => tidy::all(),
        Some("lab") => lab::command(rest),
        Some("bench") => bench::run(rest),
        Some("soak") => soak::run(rest),
        Some("sim") => sim::run(rest),
        Some("month") => month::run(rest),
        Some("deny") => deny(),
        Some("openapi") => build::openapi(),
        Some("help" | "--help" | "-h") | None => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("no command `{other}`\n\n{USAGE}"),
    }
}

/// Needs `cargo install cargo-deny --locked`; no part of `make test`.
fn deny() -> Result<()> {
    let mut command = checkout::cargo();
    command.args(["deny", "--version"]);
    if !process::succeeds(&mut command) {
        bail!("cargo-deny is not installed: cargo install cargo-deny --locked");
    }
    process::run(checkout::cargo().args(["deny", "check", "bans", "licenses", "sources"]))
}
