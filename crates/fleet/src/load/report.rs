//! Where rules say what is wrong.

use crate::node::{Cursor, Mark};
use crate::problem::{Code, MAX_PROBLEMS, Problem};

/// Names compared while looking for near ones, in one file: a file of a thousand mistakes must not cost minutes.
const COMPARISONS: usize = 20_000;

#[derive(Debug)]
pub(super) struct Report {
    problems: Vec<Problem>,
    comparisons: usize,
}

impl Report {
    pub fn new(already: &[Problem]) -> Report {
        Report {
            problems: already.to_vec(),
            comparisons: COMPARISONS,
        }
    }

    /// The known name nearest to `text`, as long as looking for it is affordable.
    pub fn near<'a>(
        &mut self,
        text: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        let known: Vec<&str> = known.into_iter().take(self.comparisons).collect();
        self.comparisons -= known.len();
        match text.len() <= 255 {
            true => stead_core::ids::nearest(text, known),
            false => None,
        }
    }

    pub fn push(&mut self, problem: Problem) {
        // Ten times what is shown: enough to let errors through before warnings, and still bounded.
        if self.problems.len() < MAX_PROBLEMS * 10 {
            self.problems.push(problem);
        }
    }

    /// About the value at `at`.
    pub fn value(
        &mut self,
        at: Cursor<'_>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.mark(at.file, at.at(), code, message, help);
    }

    /// About the key at `at`, or the list item itself.
    pub fn key(
        &mut self,
        at: Cursor<'_>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.mark(at.file, at.key_at(), code, message, help);
    }

    fn mark(
        &mut self,
        file: &str,
        at: Mark,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Problem::at(file, at, code, message, help));
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
