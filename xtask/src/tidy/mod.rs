//! The guards that reviewers should not have to be: a pure core, arrows that point inwards, files of readable size,
//! and faults whose tests exist.

mod arrows;
mod proofs;
mod purity;
mod source;
mod tree;

use crate::{checkout, process};
use anyhow::{Result, bail};
use std::path::Path;

pub fn all() -> Result<()> {
    let root = checkout::root();
    let found = findings(&root)?;
    for finding in &found {
        eprintln!("tidy: {finding}");
    }
    if !found.is_empty() {
        bail!("tidy found {} thing(s) to mend", found.len());
    }
    // Alone, since other members of the workspace can switch on features that hide a clock or std.
    process::run(checkout::cargo().args(["check", "--quiet", "--release", "-p", "stead-core"]))?;
    println!("tidy: nothing to mend");
    Ok(())
}

fn findings(root: &Path) -> Result<Vec<String>> {
    let mut found = purity::findings(&root.join("crates/core"))?;
    found.extend(arrows::findings(root)?);
    found.extend(tree::findings(root)?);
    found.extend(proofs::findings(root)?);
    Ok(found)
}
