//! The files under docs/ that are made from the types are current. `UPDATE=1` writes them anew.

use std::path::{Path, PathBuf};

use stead_fleet::grammar::FileKind;
use stead_fleet::{Code, Severity, schema};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn current(path: &Path, wanted: &str) {
    if std::env::var_os("UPDATE").is_some_and(|v| v == "1") {
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, wanted).expect("written");
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not current: run the tests of stead-fleet with UPDATE=1",
        path.display()
    );
}

#[test]
fn the_published_schemas_are_current() {
    for (word, schema) in schema() {
        let text = format!(
            "{}\n",
            serde_json::to_string_pretty(&schema).expect("serialises")
        );
        current(
            &docs().join("schema").join(format!("{word}.schema.json")),
            &text,
        );
    }
    assert_eq!(schema().len(), FileKind::ALL.len());
}

#[test]
fn the_list_of_codes_is_current() {
    let mut text = String::from(
        "# Problems of a fleet directory\n\nEvery problem that `stead check` names, by its code. An error refuses the \
         whole tree and the last good one stays;\na warning does not. This page is made from the code.\n",
    );
    for severity in [Severity::Error, Severity::Warning] {
        let heading = if severity == Severity::Error {
            "Errors"
        } else {
            "Warnings"
        };
        text.push_str(&format!("\n## {heading}\n"));
        let mut codes: Vec<&Code> = Code::ALL
            .iter()
            .filter(|c| c.severity() == severity)
            .collect();
        codes.sort_by_key(|c| c.as_str());
        for code in codes {
            text.push_str(&format!("\n### `{code}`\n\n{}\n", code.explanation()));
        }
    }
    text.push_str("\n## Where the fleet comes from, and `stead init`\n");
    for (code, sentence) in stead_fleet::source::CODES
        .into_iter()
        .chain(stead_fleet::init::CODES)
    {
        text.push_str(&format!("\n### `{code}`\n\n{sentence}\n"));
    }
    current(&docs().join("errors").join("fleet.md"), &text);
}

#[test]
fn the_reference_is_current() {
    let path = docs().join("fleet.md");
    let found = std::fs::read_to_string(&path).expect("docs/fleet.md");
    let marker = "<!-- From here on this page is made from the code. -->\n";
    let (head, _) = found
        .split_once(marker)
        .expect("docs/fleet.md has its marker");
    current(
        &path,
        &format!("{head}{marker}{}", stead_fleet::schema::reference()),
    );
}

#[test]
fn every_yaml_example_of_the_reference_loads() {
    let text = std::fs::read_to_string(docs().join("fleet.md")).expect("docs/fleet.md");
    let mut files: Vec<(String, String)> = Vec::new();
    for block in text.split("```yaml\n").skip(1) {
        let block = block.split("```").next().expect("an end");
        let Some(path) = block.strip_prefix("# ").and_then(|b| b.lines().next()) else {
            continue;
        };
        if path.ends_with(".yaml") && !path.contains(' ') {
            files.push((path.to_owned(), block.to_owned()));
        }
    }
    assert!(files.len() >= 5, "{files:?}");
    let loaded = stead_fleet::load(
        &stead_fleet::Tree::from_files(files),
        &stead_fleet::Options::default(),
    );
    assert_eq!(loaded.problems, []);
}
