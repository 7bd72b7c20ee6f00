//! `make sim`: the simulator, built by itself: its build alone has bugs planted to prove that it would find them.

use crate::{checkout, process};
use anyhow::Result;
use std::process::Command;

pub fn run(args: &[String]) -> Result<()> {
    process::run(checkout::cargo().args([
        "build",
        "--release",
        "--locked",
        "-p",
        "stead-sim",
        "--bin",
        "stead-sim",
    ]))?;
    process::run(Command::new(checkout::target().join("release/stead-sim")).args(args))
}
