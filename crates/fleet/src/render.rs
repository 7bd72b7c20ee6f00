//! Problems for a terminal: each with its snippet, a caret and what to do.

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use std::fmt::{self, Write};

use crate::problem::{Problem, Severity};
use crate::tree::Tree;

/// Columns a line may take.
const WIDTH: usize = 110;
/// Longer lines are cut before they are shown: nobody reads them, and a megabyte on one line is a file, too.
const LONGEST_LINE: usize = 400;

/// The problems as `stead check` shows them, and a last line that counts them. Empty when there is none.
pub fn render(problems: &[Problem], tree: &Tree, color: bool) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .with_context_lines(1);
    let mut out = String::new();
    for problem in problems {
        let shown = Shown::new(problem, tree);
        // The handler only fails when writing fails, and a String never does.
        if handler.render_report(&mut out, &shown).is_err() {
            let _ = writeln!(out, "{problem}");
        }
        out.push('\n');
    }
    let errors = problems.iter().filter(|p| p.is_error()).count();
    let warnings = problems.len() - errors;
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let _ = writeln!(
        out,
        "{}, {}",
        count(errors, "error"),
        count(warnings, "warning")
    );
    out
}

/// One problem as miette wants it: with the lines around it.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: Option<NamedSource<String>>,
    span: Option<(usize, usize)>,
}

impl<'a> Shown<'a> {
    fn new(problem: &'a Problem, tree: &Tree) -> Shown<'a> {
        let text = tree
            .file(&problem.file)
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let (Some(text), true) = (text, problem.line > 0) else {
            return Shown {
                problem,
                source: None,
                span: None,
            };
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (shown, span) = excerpt(text, problem);
        Shown {
            problem,
            source: Some(NamedSource::new(&problem.file, shown)),
            span,
        }
    }
}

/// The text with over-long lines cut, and the bytes of it to underline.
fn excerpt(text: &str, problem: &Problem) -> (String, Option<(usize, usize)>) {
    let (line, column) = (problem.line as usize, problem.column.max(1) as usize);
    let mut shown = String::new();
    let mut span = None;
    for (index, content) in text.lines().enumerate() {
        let number = index + 1;
        let near = number.abs_diff(line) <= 2;
        if number == line {
            let cut: String = content
                .chars()
                .take(LONGEST_LINE.max(column + 40))
                .collect();
            let start = cut
                .char_indices()
                .nth(column - 1)
                .map_or(cut.len(), |(at, _)| at);
            let rest: usize = cut[start..]
                .chars()
                .take(problem.length.max(1) as usize)
                .map(char::len_utf8)
                .sum();
            span = Some((shown.len() + start, rest));
            shown.push_str(&cut);
        } else if near {
            shown.extend(content.chars().take(LONGEST_LINE));
        }
        // Lines further away stay as empty lines, so that the numbers are right.
        shown.push('\n');
    }
    // A place past the end: an unfinished file.
    let end = shown.len();
    (shown, span.or(Some((end.saturating_sub(1), 0))))
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_none() && !self.problem.file.is_empty() {
            write!(f, "{}: ", self.problem.file)?;
        }
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.problem.help))
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (start, length) = self.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new(
            None, start, length,
        ))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Options, load};

    #[test]
    fn a_problem_is_shown_with_its_line_a_mark_and_the_remedy() {
        let tree = Tree::from_files([
            ("stead.yaml", "fleet: home\n"),
            (
                "hosts/piha/services.yaml",
                "services:\n  web:\n    kind: container\n    contianer: web\n",
            ),
        ]);
        let loaded = load(&tree, &Options::default());
        let text = render(&loaded.problems, &tree, false);
        for part in [
            "unknown-key",
            "hosts/piha/services.yaml:4:5",
            "contianer: web",
            "did you mean `container`?",
            "1 error, 0 warnings",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(render(&loaded.problems, &tree, true).contains('\u{1b}'));
    }

    #[test]
    fn a_problem_of_no_file_names_its_place() {
        let tree = Tree::default();
        let loaded = load(&tree, &Options::default());
        let text = render(&loaded.problems, &tree, false);
        assert!(
            text.contains("no-stead-yaml") && text.contains("stead init"),
            "{text}"
        );
    }

    #[test]
    fn odd_places_never_panic() {
        let tree = Tree::from_files([("stead.yaml", "ä: [\n".repeat(3))]);
        for (line, column, length) in [
            (0, 0, 0),
            (1, 1, 99),
            (3, 99, 1),
            (4, 1, 1),
            (99, 99, 99),
            (u32::MAX, u32::MAX, u32::MAX),
        ] {
            let mut problem = Problem::of_file("stead.yaml", crate::Code::YamlSyntax, "m", "h");
            (problem.line, problem.column, problem.length) = (line, column, length);
            assert!(!render(&[problem], &tree, false).is_empty());
        }
    }
}
