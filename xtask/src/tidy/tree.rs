//! Files that can be read in one sitting, and a tree that names neither package hosts nor one machine's folders.

use super::source::without_tests;
use crate::process;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::process::Command;

const LINES: usize = 600;

/// Put together here so that this file does not find itself. A word that starts with `/` counts at the start of a path only.
const REFUSED: &[(&str, &str)] = &[
    (
        concat!("crates", ".io"),
        "package hosts are the machine's business",
    ),
    (
        concat!("registry", ".npmjs"),
        "package hosts are the machine's business",
    ),
    (
        concat!("deb.", "debian.org"),
        "package hosts are the machine's business",
    ),
    (concat!("/ro", "ot/"), "a folder of one machine"),
    (concat!("/wo", "rk/"), "a folder of one machine"),
];

/// Where root's own plugins of Docker are, on every machine.
const ALLOWED: &str = concat!("/ro", "ot/.docker/");

/// Lock files name hosts by design.
const LOCKS: &[&str] = &["Cargo.lock", "package-lock.json"];

pub fn findings(root: &Path) -> Result<Vec<String>> {
    let listed = process::quiet(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut found = Vec::new();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        // Listed and just deleted, or not text: neither has lines to read.
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            found.extend(in_file(name, &text));
        }
    }
    Ok(found)
}

fn in_file(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if is_source(name) && !is_test(name) && !is_generated(name, text) {
        let count = if name.ends_with(".rs") {
            without_tests(text).lines().count()
        } else {
            text.lines().count()
        };
        if count > LINES {
            found.push(format!("{name}: {count} lines; {LINES} are the most"));
        }
    }
    if LOCKS.iter().any(|lock| name.ends_with(lock)) {
        return found;
    }
    for (number, line) in text.lines().enumerate() {
        for (word, why) in REFUSED {
            if stands_in(line, word) {
                found.push(format!("{name}:{}: `{word}`: {why}", number + 1));
            }
        }
    }
    found
}

fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let allowed = line[at..].starts_with(ALLOWED);
        let relative = word.starts_with('/')
            && before.is_some_and(|c| c.is_alphanumeric() || "._-}~*)".contains(c));
        !allowed && !relative
    })
}

fn is_source(name: &str) -> bool {
    [".rs", ".ts", ".svelte", ".mjs", ".js"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

fn is_test(name: &str) -> bool {
    name.contains("tests/")
        || name.ends_with("tests.rs")
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.contains("conformance")
}

fn is_generated(name: &str, text: &str) -> bool {
    name.contains("generated/") || text.lines().take(5).any(|line| line.contains("generated"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_unless_it_is_a_test_or_generated() {
        let long = "x\n".repeat(LINES + 1);
        assert_eq!(in_file("crates/a/src/b.rs", &long).len(), 1);
        assert_eq!(in_file("ui/src/page.svelte", &long).len(), 1);
        assert!(in_file("crates/a/tests/it/main.rs", &long).is_empty());
        assert!(in_file("ui/src/api.ts", &format!("// generated\n{long}")).is_empty());
        let with_tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(in_file("crates/a/src/b.rs", &with_tests).is_empty());
    }

    #[test]
    fn package_hosts_and_one_machines_folders_are_found_outside_of_lock_files() {
        for (word, _) in REFUSED {
            let line = format!("see {word}x");
            assert_eq!(in_file("docs/a.md", &line).len(), 1, "{word}");
            assert!(in_file("ui/package-lock.json", &line).is_empty());
        }
    }

    #[test]
    fn the_same_letters_inside_a_longer_path_are_fine() {
        assert!(in_file("docs/a.md", &format!("{ALLOWED}cli-plugins")).is_empty());
        assert!(in_file("docs/a.md", concat!("cd src/wo", "rk/ and ~/wo", "rk/")).is_empty());
    }
}
