//! How a command ends badly: an exit code, what happened, and what to do next.

use stead_protocol::api::Problem;

/// Exit codes are a contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Failed = 1,
    Usage = 2,
    Refused = 3,
    NotFound = 4,
    Unreachable = 5,
}

/// What a user sees when a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    pub exit: Exit,
    pub code: String,
    pub what: String,
    pub remedy: String,
}

impl Failure {
    pub fn new(
        exit: Exit,
        code: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Failure {
        Failure {
            exit,
            code: code.to_string(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    pub fn of_problem(problem: Problem) -> Failure {
        let exit = match (problem.status, problem.code.as_str()) {
            (404, _) => Exit::NotFound,
            (403 | 409 | 422, _) => Exit::Refused,
            (400, _) => Exit::Usage,
            (503, _) => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let what = if problem.detail.is_empty() {
            problem.title
        } else {
            problem.detail
        };
        Failure {
            exit,
            code: problem.code,
            what,
            remedy: problem.remedy,
        }
    }

    /// Prints itself to standard error, as JSON where JSON was asked for.
    pub fn print(&self, json: bool) {
        if json {
            let body = serde_json::json!({"error": {"code": self.code, "detail": self.what, "remedy": self.remedy}});
            eprintln!("{body}");
            return;
        }
        eprintln!("error[{}]: {}", self.code, self.what);
        if !self.remedy.is_empty() {
            eprintln!("  next: {}", self.remedy);
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Failed, "failed", format!("{error:#}"), "")
    }
}
