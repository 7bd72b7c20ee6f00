//! A program ends with the exit code it should. Never a shell, never along the caller's `PATH` (S19), and what it
//! started ends with it when its time is over.

use std::path::PathBuf;
use std::time::Duration;

use stead_core::time::Span;

use super::{Found, Miss, Stage};
use crate::program::{self, Call, Ended};

/// Output kept of each stream: the last bytes, as errors come last.
const OUTPUT: usize = 16 * 1024;
/// Of that, what an answer shows.
const SHOWN: usize = 900;

/// Runs the check's program and compares its exit code.
pub(super) async fn ask(argv: &[String], expected: i32, limit: Span, stage: &Stage) -> Found {
    stage.enter("running");
    let ended = run(argv, OUTPUT, limit).await?;
    let exit = match ended.code {
        Some(code) => format!("exit {code}"),
        None => "ended by a signal".into(),
    };
    // Redacted as a whole, then cut: half a secret is not recognised.
    let output = crate::redact::redact(ended.text().trim(), usize::MAX);
    let text = if output.is_empty() {
        exit
    } else {
        format!("{exit}: {}", tail(&output, SHOWN))
    };
    if ended.code == Some(expected) {
        Ok(text)
    } else {
        Err(Miss::Failed(text))
    }
}

/// Runs `argv` without a shell, keeping the last `keep` bytes of each stream. Dropping the future ends its group.
pub(super) async fn run(argv: &[String], keep: usize, limit: Span) -> Result<Ended, Miss> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| Miss::Unknown("the command is empty".into()))?;
    let call = Call {
        program: find(program)?,
        args: arguments.to_vec(),
        folder: Some("/".into()),
        env: Vec::new(),
        // A little sooner than the question itself ends, so that what it wrote until then is shown.
        limit: Duration::from_millis(limit.0 - (limit.0 / 10).min(250)),
        keep,
    };
    program::run(call).await.map_err(|error| match error {
        program::Error::TimedOut { output, .. } => {
            let output = String::from_utf8_lossy(&output).trim().to_owned();
            Miss::Failed(format!(
                "stopped after {limit}: {}",
                tail(&crate::redact::redact(&output, usize::MAX), SHOWN)
            ))
        }
        error => Miss::Unknown(error.to_string()),
    })
}

fn find(program: &str) -> Result<PathBuf, Miss> {
    let refuse = |why: &str| Err(Miss::Unknown(format!("{program:?} {why}")));
    if program.is_empty() || program.starts_with('-') || program.contains('\0') {
        return refuse("is no program: correct it in the fleet's files");
    }
    if program.contains('/') && !program.starts_with('/') {
        return refuse("is a relative path: write it from the root");
    }
    match program::find(&[program]) {
        Some(path) => Ok(path),
        None => refuse("is not there or cannot be run: install it, or correct the path"),
    }
}

/// The last `max` bytes of `text`, on a character.
fn tail(text: &str, max: usize) -> String {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    if start == 0 {
        text.to_owned()
    } else {
        format!("…{}", &text[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_along_a_fixed_path_only() {
        assert_eq!(find("sh").unwrap().file_name().unwrap(), "sh");
        assert_eq!(find("/bin/sh").unwrap(), PathBuf::from("/bin/sh"));
        for bad in [
            "",
            "-c",
            "./sh",
            "bin/sh",
            "no-such-program-here",
            "/no/such",
            "/etc/passwd",
            "sh; id",
        ] {
            assert!(matches!(find(bad), Err(Miss::Unknown(_))), "{bad}");
        }
    }

    #[test]
    fn the_end_of_a_long_output_is_shown() {
        assert_eq!(tail("aéb", 2), "…b");
        assert_eq!(tail("ab", 2), "ab");
    }
}
