//! `make sim` and `make bugs`: the simulator on what ships, or on a build of its own that has bugs planted to prove that it
//! would find them.

use crate::{checkout, process};
use anyhow::Result;
use std::process::Command;

pub fn run(args: &[String]) -> Result<()> {
    if args == ["--bugs"] {
        return bugs();
    }
    let mut build = checkout::cargo();
    build.args([
        "build",
        "--profile",
        "sim",
        "--locked",
        "-p",
        "stead-sim",
        "--bin",
        "stead-sim",
    ]);
    if args.iter().any(|arg| arg == "--bug") {
        build.args(["--features", "planted"]);
    }
    process::run(&mut build)?;
    process::run(Command::new(checkout::target().join("sim/stead-sim")).args(args))
}

/// Each bug is planted, and must be found within the seeds of `make test`.
fn bugs() -> Result<()> {
    process::run(checkout::cargo().args([
        "test",
        "--release",
        "--locked",
        "-p",
        "stead-sim",
        "--features",
        "planted",
        "--test",
        "it",
        "--",
        "planted",
        "a_finding",
    ]))
}
