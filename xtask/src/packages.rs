//! The Debian packages that tests and lab stand on, installed only where they are missing.

use crate::process;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// `apparmor`: without its parser Docker starts no container on a kernel that has AppArmor.
pub const DOCKER: &[&str] = &["docker.io", "busybox-static", "iproute2", "apparmor"];
pub const LXD: &[&str] = &[
    "lxd",
    "lxd-client",
    "dnsmasq-base",
    "debootstrap",
    "xz-utils",
];
/// What single tests drive: the old Compose, a broker, a name server, a browser with fonts to draw with, and those whose
/// queries and samples Stead speaks.
pub const TESTS: &[&str] = &[
    "docker-compose",
    "mosquitto",
    "dnsmasq-base",
    "git",
    "openssl",
    "chromium",
    "fonts-dejavu-core",
    "prometheus",
    "prometheus-node-exporter",
    "victoria-metrics",
];

/// What `make bench` measures beside, and the browser that it measures with.
pub const PEERS: &[&str] = &[
    "chromium",
    "fonts-dejavu-core",
    "glances",
    "monit",
    "netdata",
    "prometheus",
    "prometheus-node-exporter",
    "victoria-metrics",
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

pub fn ensure(wanted: &[&str]) -> Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| !installed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "not installed: {}; install them, or run this as root",
            missing.join(" ")
        );
    }
    println!("installing {}", missing.join(" "));
    let _policy = NoServices::begin()?;
    process::run(apt().arg("update").arg("-qq")).context("apt-get update")?;
    process::run(
        apt()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(missing),
    )
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "-o",
        "Dpkg::Use-Pty=0",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]);
    command
}

fn installed(name: &str) -> bool {
    process::quiet(Command::new("dpkg-query").args(["-W", "-f=${Status}", name]))
        .is_ok_and(|status| status.ends_with(" installed"))
}

/// While this lives, installed packages do not start their services: the lab brings up its own.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}
