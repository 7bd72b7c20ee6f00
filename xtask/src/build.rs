//! Building what is shipped: the UI, and the binary with the UI inside.

use crate::{checkout, process};
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// Leaves `target/release/stead` and returns where that is.
pub fn product() -> Result<PathBuf> {
    ui()?;
    process::run(checkout::cargo().args(["build", "--release", "--locked", "-p", "stead"]))?;
    let binary = checkout::target().join("release/stead");
    ensure!(binary.exists(), "the build left no {}", binary.display());
    println!("built {}", binary.display());
    Ok(binary)
}

/// Leaves `ui/dist`, which the server crate takes into the binary.
pub fn ui() -> Result<()> {
    install("ui")?;
    process::run(checkout::npm("ui").args(["run", "build"]))
}

/// `npm ci`, and only where the lock file changed since the last time: it empties `node_modules` first.
pub fn install(folder: &str) -> Result<()> {
    let lock = checkout::root().join(folder).join("package-lock.json");
    let stamp = checkout::root()
        .join(folder)
        .join("node_modules/.stead-installed");
    let wanted = std::fs::read(&lock)?;
    if std::fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    process::run(checkout::npm(folder).args([
        "ci",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
    ]))?;
    Ok(std::fs::write(stamp, wanted)?)
}

/// Writes the checked-in API description from the server's own routes, then the UI's client from that.
pub fn openapi() -> Result<()> {
    // The test that holds the description against the routes also writes it.
    process::run(
        checkout::cargo()
            .env("UPDATE", "1")
            .args(["test", "--release", "--locked", "-p", "stead-server"])
            .args(["--test", "it", "openapi"]),
    )?;
    install("ui")?;
    process::run(checkout::npm("ui").args(["run", "client"]))
}
