//! `make run`: Stead on this very machine, with a fleet directory that it writes itself the first time.

use crate::{build, checkout, process};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn on_this_machine(args: &[String]) -> Result<()> {
    let binary = build::product()?;
    let data = checkout::data();
    fs::create_dir_all(&data)?;
    if !docker_answers(None) {
        println!("no Docker engine answers here: Stead shows the machine and its units");
    }
    let fleet = fleet(&binary, &data)?;
    process::run(
        Command::new(&binary)
            .arg("up")
            .arg("--fleet")
            .arg(fleet)
            .arg("--data")
            .arg(&data)
            .args(args),
    )
}

/// `./fleet` if there is one, else what `stead init` made of this machine.
fn fleet(binary: &Path, data: &Path) -> Result<PathBuf> {
    let own = checkout::root().join("fleet");
    if own.join("stead.yaml").exists() {
        return Ok(own);
    }
    let written = data.join("fleet");
    if !written.join("stead.yaml").exists() {
        process::run(Command::new(binary).arg("init").arg(&written))?;
    }
    Ok(written)
}

/// Whether an engine answers, at `host` or where the environment says.
pub fn docker_answers(host: Option<&str>) -> bool {
    let mut command = Command::new("docker");
    if let Some(host) = host {
        command.env("DOCKER_HOST", host);
    }
    process::succeeds(command.args(["version", "--format", "{{.Server.Version}}"]))
}
