//! `make month`: the UI with the binary's own server behind it, and thirty days of an invented fleet in it.

use crate::{build, checkout, process};
use anyhow::Result;
use std::process::Command;

pub fn run(args: &[String]) -> Result<()> {
    build::ui()?;
    let mut build = checkout::cargo();
    build.args(["build", "--release", "--locked", "-p", "stead-month"]);
    process::run(&mut build)?;
    process::run(Command::new(checkout::target().join("release/stead-month")).args(args))
}
