//! `docs/faults.md` names a test for each fault and each attack. A name that no test has any more proves nothing, and it
//! is the first thing that a renamed test leaves behind.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/faults.md";
/// Rows of the page: each letter up to its number.
const ROWS: [(char, usize); 2] = [('F', 20), ('S', 20)];
/// Begins a cell that says why there is no test.
const NOT_YET: &str = "not yet:";
/// Lines above a function in which its attribute stands.
const NEAR: usize = 4;

pub fn findings(root: &Path) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let exists = |file: &str, name: &str| {
        fs::read_to_string(root.join(file)).is_ok_and(|text| has_test(file, &text, name))
    };
    Ok(in_page(&page, exists))
}

fn in_page(page: &str, exists: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, line) in page.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, row, _, proofs, ..] = cells.as_slice() else {
            continue;
        };
        if !is_row(row) {
            continue;
        }
        seen.insert((*row).to_owned());
        let named: Vec<(&str, &str)> = proofs
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|span| span.split_once("::"))
            .collect();
        if named.is_empty() && !proofs.starts_with(NOT_YET) {
            found.push(format!(
                "{PAGE}:{}: {row} names no test; name one, or write `{NOT_YET}` and why",
                number + 1
            ));
        }
        for (file, name) in named {
            if !exists(file, name) {
                found.push(format!(
                    "{PAGE}:{}: {row}: {file} has no test {name:?}",
                    number + 1
                ));
            }
        }
    }
    for (letter, last) in ROWS {
        let missing = (1..=last).map(|n| format!("{letter}{n}"));
        found.extend(
            missing
                .filter(|row| !seen.contains(row))
                .map(|row| format!("{PAGE}: there is no row {row}")),
        );
    }
    found
}

fn is_row(cell: &str) -> bool {
    let mut chars = cell.chars();
    let letter = chars.next();
    ROWS.iter().any(|(known, _)| letter == Some(*known)) && chars.as_str().parse::<usize>().is_ok()
}

/// Whether `text`, the contents of `file`, holds a test of this name.
fn has_test(file: &str, text: &str, name: &str) -> bool {
    if file.ends_with(".mjs") {
        return text.contains(&format!("test('{name}'"))
            || text.contains(&format!("test(\"{name}\""));
    }
    let lines: Vec<&str> = text.lines().collect();
    let function = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        line.contains(&function)
            && lines[at.saturating_sub(NEAR)..at]
                .iter()
                .any(|above| above.contains("test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(first: &str) -> String {
        let rest = ROWS.into_iter().flat_map(|(letter, last)| {
            (1..=last).map(move |n| format!("| {letter}{n} | x | `a.rs::there` |\n"))
        });
        format!(
            "| row | what | proven by |\n{first}{}",
            rest.skip(1).collect::<String>()
        )
    }

    #[test]
    fn a_name_that_no_test_has_and_a_row_without_one_are_found() {
        let there = |_: &str, name: &str| name == "there";
        let lines = |first: &str| in_page(&page(first), there);
        assert!(lines("| F1 | x | `a.rs::there`, `b.rs::there` |\n").is_empty());
        assert!(lines("| F1 | x | not yet: it needs more |\n").is_empty());
        assert_eq!(lines("| F1 | x | `a.rs::there`, `a.rs::gone` |\n").len(), 1);
        assert_eq!(lines("| F1 | x | some day |\n").len(), 1);
        assert_eq!(lines("").len(), 1, "a row that is left out");
    }

    #[test]
    fn only_a_test_counts() {
        let rust = "#[tokio::test]\nasync fn it_holds() {}\n\nfn it_helps() {}\n";
        assert!(has_test("a.rs", rust, "it_holds"));
        assert!(!has_test("a.rs", rust, "it_hold"));
        assert!(!has_test("a.rs", "fn it_helps() {}\n", "it_helps"));
        let node = "test('F3: it holds', async (t) => {\n";
        assert!(has_test("a.test.mjs", node, "F3: it holds"));
        assert!(!has_test("a.test.mjs", node, "F3: it"));
    }
}
