//! An LXD beside any other: `LXD_DIR` of its own, a private bridge, a folder as storage pool.
//!
//! Its containers boot a real systemd and get a new `boot_id` at each restart, so they stand in for machines.

use super::state::State;
use super::{bridge_exists, data_path, leavings, run_path, with_log};
use crate::process;
use anyhow::{Result, bail};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub const IMAGE: &str = "stead-lab/bookworm";

const NAME: &str = "lxd";
const BRIDGE: &str = "steadlab0";

/// No NAT and no rules: machines in the lab reach each other and the host, nothing else.
const PRESEED: &str = "
networks:
- name: steadlab0
  type: bridge
  config: { ipv4.address: 10.213.58.1/24, ipv4.nat: 'false', ipv4.firewall: 'false', ipv6.address: none }
storage_pools:
- { name: default, driver: dir }
profiles:
- name: default
  devices:
    root: { type: disk, path: /, pool: default }
    eth0: { type: nic, name: eth0, network: steadlab0 }
";

pub fn dir() -> PathBuf {
    data_path("lxd")
}

/// The client's own settings go here instead of into the home directory.
pub fn client_config() -> PathBuf {
    data_path("lxc")
}

pub fn up(state: &mut State, image: &Path) -> Result<bool> {
    if state.running(NAME).is_some() && has_image() {
        return Ok(false);
    }
    down(state)?;
    fs::create_dir_all(dir())?;
    let log = run_path("lxd.log");
    let mut command = Command::new("lxd");
    command.env("LXD_DIR", dir());
    let pid = process::daemon(&mut command, &log)?;
    state.remember(NAME, pid)?;
    let mut gone = false;
    let waited = process::until(Duration::from_secs(60), "LXD does not answer", || {
        gone = state.running(NAME).is_none();
        gone || process::succeeds(lxc().args(["query", "/1.0"]))
    });
    with_log(
        waited.and_then(|()| {
            if gone {
                bail!("lxd left at once")
            } else {
                Ok(())
            }
        }),
        &log,
    )?;
    with_log(
        process::quiet(lxd().args(["waitready", "--timeout=60"])).map(drop),
        &log,
    )?;
    preseed()?;
    process::quiet(
        lxc()
            .args(["image", "import"])
            .arg(image)
            .args(["--alias", IMAGE]),
    )?;
    println!("lab: LXD in {}, image {IMAGE}", dir().display());
    Ok(true)
}

pub fn down(state: &mut State) -> Result<()> {
    if state.running(NAME).is_some() {
        delete_containers();
        // `lxd shutdown` also takes the bridge and its DNS server away; ending it by its pid would leave both.
        let asked = process::quiet(lxd().args(["shutdown", "--timeout=30"]));
        if let Err(error) = asked {
            println!("lab: {error:#}");
        }
    }
    state.end(NAME, Duration::from_secs(20))?;
    leavings::end_processes(&dir())?;
    if bridge_exists(BRIDGE) {
        process::quiet(Command::new("ip").args(["link", "del", BRIDGE]))?;
    }
    leavings::remove_tree(&dir())
}

pub fn describe(state: &State) -> String {
    match state.running(NAME) {
        Some(pid) if has_image() => format!("up, pid {pid}, LXD_DIR={}", dir().display()),
        Some(pid) => format!("pid {pid} has no image {IMAGE}"),
        None => "down".into(),
    }
}

fn delete_containers() {
    let names =
        process::quiet(lxc().args(["list", "--format=csv", "--columns=n"])).unwrap_or_default();
    for name in names.split_whitespace() {
        if let Err(error) = process::quiet(lxc().args(["delete", "--force", name])) {
            println!("lab: {error:#}");
        }
    }
}

fn preseed() -> Result<()> {
    let mut child = lxd()
        .args(["init", "--preseed"])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(PRESEED.as_bytes())?;
    }
    if !child.wait()?.success() {
        bail!("lxd init refused its settings");
    }
    Ok(())
}

fn has_image() -> bool {
    process::succeeds(lxc().args(["image", "info", IMAGE]))
}

fn lxc() -> Command {
    let mut command = Command::new("lxc");
    command
        .env("LXD_DIR", dir())
        .env("LXD_CONF", client_config());
    command
}

fn lxd() -> Command {
    let mut command = Command::new("lxd");
    command
        .env("LXD_DIR", dir())
        .env("LXD_CONF", client_config());
    command
}
