//! `stead-core` holds no clock, no chance, no I/O, no async and no logging, and leans on nothing that does.

use super::source::{code_only, has_word, without_tests};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// (what must not stand in core, what to do instead)
const REFUSED: &[(&str, &str)] = &[
    ("async", "core never waits: return an effect"),
    (".await", "core never waits: return an effect"),
    ("std::", "core is no_std: use core:: or alloc::"),
    ("extern crate std", "core is no_std"),
    ("::now", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("Instant::", "time is an argument"),
    ("getrandom", "chance is an argument"),
    ("rand::", "chance is an argument"),
    ("thread_rng", "chance is an argument"),
    ("tracing::", "reasons are return values"),
    ("log::", "reasons are return values"),
    ("println!", "reasons are return values"),
];

/// External crates that core may use; each works without std, clock and I/O.
const DEPENDENCIES: &[&str] = &[
    "serde",
    "serde_json",
    "thiserror",
    "jiff",
    "hashbrown",
    "sha2",
];

pub fn findings(core: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let entry = fs::read_to_string(core.join("src/lib.rs")).context("crates/core/src/lib.rs")?;
    if !code_only(&entry).contains("#![no_std]") {
        found.push("crates/core/src/lib.rs: core must be #![no_std]".into());
    }
    for file in rust_files(&core.join("src"))? {
        let shown = file
            .strip_prefix(core)
            .unwrap_or(&file)
            .display()
            .to_string();
        if shown.ends_with("/tests.rs") || shown.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        found.extend(in_text(&shown, &text));
    }
    let manifest = fs::read_to_string(core.join("Cargo.toml")).context("crates/core/Cargo.toml")?;
    found.extend(in_manifest(&manifest));
    Ok(found)
}

fn in_text(shown: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in code_only(without_tests(text)).lines().enumerate() {
        for (word, instead) in REFUSED {
            if has_word(line, word) {
                found.push(format!(
                    "crates/core/{shown}:{}: `{word}` in core; {instead}",
                    number + 1
                ));
            }
        }
    }
    found
}

/// The manifest's own keys; `[dev-dependencies]` are free.
fn in_manifest(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            if let Some(dependency) = section.strip_prefix("dependencies.") {
                found.extend(off_list(dependency));
            }
        } else if matches!(section, "dependencies" | "build-dependencies")
            && let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#'))
        {
            found.extend(off_list(key.trim().split('.').next().unwrap_or_default()));
        }
    }
    found
}

fn off_list(dependency: &str) -> Option<String> {
    (!DEPENDENCIES.contains(&dependency)).then(|| {
        format!(
            "crates/core/Cargo.toml: `{dependency}` is not on core's list ({})",
            DEPENDENCIES.join(", ")
        )
    })
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy_of_core() -> tempfile::TempDir {
        fn copy(from: &Path, to: &Path) {
            fs::create_dir_all(to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                let target = to.join(path.file_name().unwrap());
                if path.is_dir() {
                    copy(&path, &target);
                } else {
                    fs::copy(&path, target).unwrap();
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        copy(&crate::checkout::root().join("crates/core"), folder.path());
        folder
    }

    fn plant(code: &str) -> Vec<String> {
        let core = copy_of_core();
        assert_eq!(
            findings(core.path()).unwrap(),
            Vec::<String>::new(),
            "core itself is not clean"
        );
        fs::write(core.path().join("src/planted.rs"), code).unwrap();
        findings(core.path()).unwrap()
    }

    #[test]
    fn a_clock_call_planted_in_core_is_found() {
        let found = plant("pub fn late() -> bool { jiff::Timestamp::now().as_second() > 0 }\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("planted.rs:1") && found[0].contains("time is an argument"),
            "{found:?}"
        );
    }

    #[test]
    fn each_refused_word_fires_on_its_own() {
        for code in [
            "async fn wait() {}",
            "let x = y.await;",
            "use std::fs;",
            "extern crate std;",
            "let t = Zoned::now();",
            "fn f(t: SystemTime) {}",
            "let t = Instant::from(x);",
            "getrandom(&mut buf);",
            "let x = rand::random();",
            "let x = thread_rng();",
            "tracing::info!(\"x\");",
            "log::info!(\"x\");",
            "println!(\"x\");",
        ] {
            assert!(
                !in_text("src/x.rs", code).is_empty(),
                "nothing found in {code}"
            );
        }
    }

    #[test]
    fn tests_at_the_end_of_a_file_may_use_std() {
        assert!(
            in_text(
                "src/x.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n}\n"
            )
            .is_empty()
        );
        assert!(
            in_text(
                "src/x.rs",
                "//! Never calls `SystemTime::now`.\nfn a() {}\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_dependency_off_the_list_is_found_in_either_spelling() {
        assert_eq!(
            in_manifest("[dependencies]\nserde = \"1\"\ntokio.workspace = true\n").len(),
            1
        );
        assert_eq!(
            in_manifest("[dependencies.rand]\nversion = \"1\"\n").len(),
            1
        );
        assert!(
            in_manifest("[dependencies]\nserde = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n")
                .is_empty()
        );
    }

    #[test]
    fn leaving_out_no_std_is_found() {
        let core = copy_of_core();
        let entry = core.path().join("src/lib.rs");
        let text = fs::read_to_string(&entry)
            .unwrap()
            .replace("#![no_std]", "");
        fs::write(&entry, text).unwrap();
        assert!(
            findings(core.path())
                .unwrap()
                .iter()
                .any(|line| line.contains("no_std"))
        );
    }
}
