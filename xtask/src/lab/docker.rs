//! A Docker engine beside any other: own socket, data, bridge and containerd namespace, no packet filter rules.
//!
//! Published ports work through Docker's proxy process on loopback; containers have no way out, and need none.

use super::state::State;
use super::{bridge_exists, data_path, leavings, run_path, with_log};
use crate::process;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

pub const SOCKET: &str = "/run/stead-lab/docker.sock";
pub const IMAGE: &str = "stead-lab/busybox:1";

const NAME: &str = "dockerd";
const BRIDGE: &str = "stead-lab0";
const ADDRESS: &str = "10.213.57.1/24";
const BUSYBOX: &str = "/bin/busybox";

pub fn up(state: &mut State) -> Result<bool> {
    if state.running(NAME).is_some() && answers() {
        return Ok(false);
    }
    down(state)?;
    if !bridge_exists(BRIDGE) {
        process::quiet(Command::new("ip").args(["link", "add", BRIDGE, "type", "bridge"]))?;
        process::quiet(Command::new("ip").args(["addr", "add", ADDRESS, "dev", BRIDGE]))?;
    }
    process::quiet(Command::new("ip").args(["link", "set", BRIDGE, "up"]))?;
    if let Err(error) = start(state, "overlay2") {
        println!("lab: {error:#}\nlab: trying again with the vfs storage driver");
        down(state)?;
        start(state, "vfs")?;
    }
    import_busybox(&format!("unix://{SOCKET}"), IMAGE)?;
    println!("lab: Docker engine at unix://{SOCKET}, image {IMAGE}");
    Ok(true)
}

pub fn down(state: &mut State) -> Result<()> {
    if state.running(NAME).is_some() && answers() {
        // All containers of this engine are the lab's.
        let ids = process::quiet(docker().args(["ps", "-aq"]))?;
        if !ids.trim().is_empty() {
            process::quiet(
                docker()
                    .args(["rm", "-f", "-v"])
                    .args(ids.split_whitespace()),
            )?;
        }
    }
    state.end(NAME, Duration::from_secs(20))?;
    if bridge_exists(BRIDGE) {
        process::quiet(Command::new("ip").args(["link", "del", BRIDGE]))?;
    }
    let _ = fs::remove_file(SOCKET);
    leavings::end_processes(&run_path("docker"))?;
    leavings::remove_tree(&run_path("docker"))?;
    // Started afresh each time: what a killed engine leaves behind is no test's business.
    leavings::remove_tree(&data_path("docker"))
}

pub fn describe(state: &State) -> String {
    match state.running(NAME) {
        Some(pid) if answers() => format!("up, pid {pid}, unix://{SOCKET}"),
        Some(pid) => format!("pid {pid} does not answer at {SOCKET}"),
        None => "down".into(),
    }
}

fn start(state: &mut State, storage: &str) -> Result<()> {
    let log = run_path("dockerd.log");
    // Of its own, so that settings meant for the machine's engine are not read.
    let config = run_path("daemon.json");
    fs::write(&config, "{}")?;
    let mut command = Command::new("dockerd");
    command
        .arg(format!("--host=unix://{SOCKET}"))
        .arg(format!("--data-root={}", data_path("docker").display()))
        .arg(format!("--exec-root={}", run_path("docker").display()))
        .arg(format!("--pidfile={}", run_path("docker.pid").display()))
        .arg(format!("--bridge={BRIDGE}"))
        .arg(format!("--storage-driver={storage}"))
        .arg(format!("--config-file={}", config.display()))
        .args(["--iptables=false", "--ip6tables=false"])
        .args(["--ip-masq=false", "--ip-forward=false"])
        .args([
            "--containerd-namespace=stead-lab",
            "--containerd-plugins-namespace=stead-lab-plugins",
        ])
        .env_remove("DOCKER_HOST");
    let pid = process::daemon(&mut command, &log)?;
    state.remember(NAME, pid)?;
    let mut gone = false;
    let waited = process::until(
        Duration::from_secs(60),
        "the engine does not answer",
        || {
            gone = state.running(NAME).is_none();
            gone || answers()
        },
    );
    with_log(
        waited.and_then(|()| {
            if gone {
                bail!("dockerd left at once")
            } else {
                Ok(())
            }
        }),
        &log,
    )
}

fn answers() -> bool {
    process::succeeds(docker().args(["version", "--format", "{{.Server.Version}}"]))
}

fn docker() -> Command {
    let mut command = Command::new("docker");
    command
        .env("DOCKER_HOST", format!("unix://{SOCKET}"))
        .env_remove("DOCKER_CONTEXT");
    command
}

/// An image from the machine's own static busybox: nothing is downloaded.
pub fn import_busybox(host: &str, image: &str) -> Result<()> {
    let archive = busybox_archive()?;
    let mut child = Command::new("docker")
        .env("DOCKER_HOST", host)
        .env_remove("DOCKER_CONTEXT")
        .args(["import", "--change", "ENV PATH=/bin"])
        // A shell as pid 1 ignores SIGTERM unless it has a trap: without it each stop takes ten seconds.
        .args([
            "--change",
            r#"CMD ["/bin/sh","-c","trap exit TERM; while :; do sleep 1 & wait $!; done"]"#,
        ])
        .args(["-", image])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start docker import")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&archive)?;
    }
    if !child.wait()?.success() {
        bail!("docker import of {image} failed");
    }
    Ok(())
}

fn busybox_archive() -> Result<Vec<u8>> {
    let root = std::env::temp_dir().join(format!("stead-busybox-{}", std::process::id()));
    let bin = root.join("bin");
    fs::create_dir_all(&bin)?;
    for folder in ["etc", "tmp", "www", "srv"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n")?;
    fs::copy(BUSYBOX, bin.join("busybox")).context("busybox-static is not installed")?;
    for applet in process::quiet(Command::new(BUSYBOX).arg("--list"))?.split_whitespace() {
        if applet != "busybox" {
            std::os::unix::fs::symlink("busybox", bin.join(applet))?;
        }
    }
    let tar = Command::new("tar")
        .args(["--numeric-owner", "--owner=0", "--group=0", "-C"])
        .arg(&root)
        .args(["-c", "."])
        .output()?;
    fs::remove_dir_all(&root)?;
    if !tar.status.success() {
        bail!("tar: {}", String::from_utf8_lossy(&tar.stderr));
    }
    Ok(tar.stdout)
}
