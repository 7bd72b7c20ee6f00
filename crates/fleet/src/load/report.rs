//! Where rules say what is wrong.

use crate::node::{Cursor, Mark};
use crate::problem::{Code, MAX_PROBLEMS, Problem};

#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    pub fn new(already: &[Problem]) -> Report {
        Report {
            problems: already.to_vec(),
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
