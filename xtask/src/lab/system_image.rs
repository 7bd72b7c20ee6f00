//! A Debian system with systemd, made once per machine by debootstrap and kept in the cache as an LXD image.

use crate::{checkout, process};
use anyhow::{Context, Result};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Raise it when the recipe below changes: older images are then made anew.
const RECIPE: u32 = 3;
const INCLUDE: &str = "systemd-sysv,dbus,udev,procps,iproute2,openssh-server";

/// The image file, made now if the cache has none.
pub fn ready() -> Result<PathBuf> {
    let arch = process::quiet(Command::new("dpkg").arg("--print-architecture"))?
        .trim()
        .to_owned();
    let file = checkout::cache().join(format!("bookworm-{RECIPE}-{arch}.tar.gz"));
    if !file.exists() {
        println!(
            "lab: making the system image (about a minute, kept in {})",
            checkout::cache().display()
        );
        fs::create_dir_all(checkout::cache())?;
        let work = checkout::cache().join(format!("image-{}", std::process::id()));
        let made = make(&work, &arch, &file);
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
        made.context("system image of the lab")?;
    }
    Ok(file)
}

pub fn forget() -> Result<()> {
    for entry in fs::read_dir(checkout::cache()).into_iter().flatten() {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("bookworm-"))
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn make(work: &Path, arch: &str, file: &Path) -> Result<()> {
    let rootfs = work.join("rootfs");
    fs::create_dir_all(&rootfs)?;
    let include = format!("--include={INCLUDE}");
    process::quiet(
        Command::new("debootstrap")
            .args(["--variant=minbase", &include, "bookworm"])
            .arg(&rootfs),
    )?;
    slim(&rootfs)?;
    settle(&rootfs)?;
    let metadata = json!({
        "architecture": match arch { "amd64" => "x86_64", "arm64" => "aarch64", other => other },
        "creation_date": 1_700_000_000,
        "properties": { "description": "Stead lab", "os": "debian", "release": "bookworm" },
    });
    // YAML is a superset of JSON.
    fs::write(work.join("metadata.yaml"), metadata.to_string())?;
    let half = work.join("image.tar.gz");
    process::quiet(
        Command::new("tar")
            .args(["--numeric-owner", "--use-compress-program=gzip -1", "-cf"])
            .arg(&half)
            .arg("-C")
            .arg(work)
            .args(["metadata.yaml", "rootfs"]),
    )?;
    // In one step, so that a half-made image is never found in the cache.
    Ok(fs::rename(&half, file)?)
}

fn slim(rootfs: &Path) -> Result<()> {
    for folder in [
        "var/cache/apt/archives",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
    ] {
        let path = rootfs.join(folder);
        if path.exists() {
            fs::remove_dir_all(&path)?;
            fs::create_dir_all(&path)?;
        }
    }
    // Name and resolver are copied from the machine that makes the image; each container has its own.
    for file in [
        "var/cache/apt/pkgcache.bin",
        "var/cache/apt/srcpkgcache.bin",
        "etc/hostname",
        "etc/resolv.conf",
    ] {
        let _ = fs::remove_file(rootfs.join(file));
    }
    Ok(())
}

/// Each machine gets its own identity and address, and nothing runs that the tests did not ask for.
fn settle(rootfs: &Path) -> Result<()> {
    let write = |path: &str, text: &str| -> Result<()> {
        let path = rootfs.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    write("etc/machine-id", "")?;
    write(
        "etc/systemd/network/10-eth0.network",
        "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n",
    )?;
    write(
        "etc/systemd/system/ssh.service.d/keys.conf",
        "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n",
    )?;
    for entry in fs::read_dir(rootfs.join("etc/ssh"))? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("ssh_host_"))
        {
            fs::remove_file(path)?;
        }
    }
    let units = rootfs.join("etc/systemd/system");
    fs::create_dir_all(units.join("multi-user.target.wants"))?;
    symlink(
        "/lib/systemd/system/systemd-networkd.service",
        units.join("multi-user.target.wants/systemd-networkd.service"),
    )?;
    for unit in [
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
    ] {
        let mask = units.join(unit);
        let _ = fs::remove_file(&mask);
        symlink("/dev/null", mask)?;
    }
    Ok(())
}
