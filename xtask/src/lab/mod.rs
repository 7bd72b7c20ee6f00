//! The lab: a Docker engine and an LXD of its own, on any Debian 12 machine, as root.
//!
//! Both have their own data, sockets, bridges and namespaces. An engine that the machine already runs is never
//! spoken to, no packet filter is changed, and `down` ends only the processes written down in `lab.json`.

mod docker;
mod leavings;
mod lxd;
mod state;
mod system_image;

use crate::{packages, process};
use anyhow::{Context, Result, bail};
use state::State;
use std::fs;
use std::path::{Path, PathBuf};

/// Short, since a socket's path holds 108 bytes.
const RUN: &str = "/run/stead-lab";
const DATA: &str = "/var/lib/stead-lab";

pub use docker::SOCKET as DOCKER_SOCKET;
pub use docker::import_busybox;

pub fn command(args: &[String]) -> Result<()> {
    match args.first().map(String::as_str) {
        Some("up") => up().map(drop),
        Some("down") => down(),
        Some("status") => status(),
        Some("env") => {
            for (name, value) in env() {
                println!("export {name}={value}");
            }
            Ok(())
        }
        Some("clean") => clean(),
        _ => bail!("lab what? up, down, status, env, clean"),
    }
}

/// What the tests find the lab by.
pub fn env() -> Vec<(&'static str, String)> {
    vec![
        ("STEAD_LAB", "1".into()),
        ("STEAD_LAB_DOCKER", format!("unix://{}", docker::SOCKET)),
        ("STEAD_LAB_IMAGE", docker::IMAGE.into()),
        ("STEAD_LAB_LXD_DIR", lxd::dir().display().to_string()),
        ("STEAD_LAB_LXC_IMAGE", lxd::IMAGE.into()),
        (
            "STEAD_LAB_LXC_CONF",
            lxd::client_config().display().to_string(),
        ),
    ]
}

/// Brings up whatever is not up. True when that was anything at all, so that a caller ends only what it began.
pub fn up() -> Result<bool> {
    packages::ensure(packages::LXD)?;
    // The slow part first, and without the lock: one minute the first time on a machine, then cached.
    let image = system_image::ready()?;
    let began = docker_up()?;
    let _one_at_a_time = lock()?;
    let mut state = State::load();
    let began = lxd::up(&mut state, &image).context("LXD of the lab")? || began;
    println!("lab: up");
    Ok(began)
}

/// The engine alone: all that a demonstration needs.
pub fn docker_up() -> Result<bool> {
    require_root()?;
    packages::ensure(packages::DOCKER)?;
    let _one_at_a_time = lock()?;
    docker::up(&mut State::load()).context("Docker engine of the lab")
}

pub fn down() -> Result<()> {
    require_root()?;
    if !Path::new(RUN).exists() {
        println!("lab: not up");
        return Ok(());
    }
    let _one_at_a_time = lock()?;
    let mut state = State::load();
    // Each is ended even when the other will not go.
    let lxd = lxd::down(&mut state).context("LXD of the lab");
    let docker = docker::down(&mut state).context("Docker engine of the lab");
    lxd.and(docker)?;
    println!("lab: down");
    Ok(())
}

fn clean() -> Result<()> {
    down()?;
    for folder in [RUN, DATA] {
        if Path::new(folder).exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {folder}"))?;
        }
    }
    system_image::forget()
}

fn status() -> Result<()> {
    let state = State::load();
    println!("docker  {}", docker::describe(&state));
    println!("lxd     {}", lxd::describe(&state));
    Ok(())
}

fn require_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the lab starts a Docker engine and LXD: run it as root");
    }
    Ok(())
}

/// Two `lab up` at once take turns. Released when the file is closed.
fn lock() -> Result<fs::File> {
    fs::create_dir_all(RUN)?;
    fs::create_dir_all(DATA)?;
    let file = fs::File::create(run_path("lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

fn run_path(name: &str) -> PathBuf {
    Path::new(RUN).join(name)
}

fn data_path(name: &str) -> PathBuf {
    Path::new(DATA).join(name)
}

/// Adds the last lines of a daemon's log to the error that says it did not come up.
fn with_log(outcome: Result<()>, log: &Path) -> Result<()> {
    outcome.with_context(|| {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines
            .iter()
            .skip(lines.len().saturating_sub(15))
            .copied()
            .collect::<Vec<_>>()
            .join("\n");
        format!("last lines of {}:\n{tail}\n", log.display())
    })
}

fn bridge_exists(name: &str) -> bool {
    process::succeeds(std::process::Command::new("ip").args(["link", "show", "dev", name]))
}
