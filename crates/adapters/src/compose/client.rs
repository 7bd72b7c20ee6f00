//! Finds compose and runs it, bounded in time and output.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{Invalid, Target};
use super::{Compose, Options};
use crate::program::{self, Call, Ended};
use crate::redact::redact;

/// Where compose is found, best first. The plugin's file runs by itself; it needs no `docker` command beside it.
pub(super) const PROGRAMS: [&str; 6] = [
    "/usr/local/lib/docker/cli-plugins/docker-compose",
    "/usr/local/libexec/docker/cli-plugins/docker-compose",
    "/usr/lib/docker/cli-plugins/docker-compose",
    "/usr/libexec/docker/cli-plugins/docker-compose",
    "/root/.docker/cli-plugins/docker-compose",
    "docker-compose",
];
/// Longest answer read from `config`; of more services than fit, none is judged.
const ANSWER: usize = 256 * 1024;
pub(super) const OUTPUT: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    V1,
    V2,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub flavor: Flavor,
    pub version: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "Docker Compose is not installed. Install docker-compose-plugin (or docker-compose) on this node."
    )]
    Absent,
    #[error("{0} does not say its version; reinstall Docker Compose.")]
    Version(String),
    #[error("there is no compose file in {0}. Correct `path` or `file` in services.yaml.")]
    NoFile(String),
    #[error("{0}")]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Program(#[from] program::Error),
    /// Compose's own words, redacted.
    #[error("{0}")]
    Compose(String),
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Error::Absent => "compose-absent",
            Error::Version(_) => "compose-version",
            Error::NoFile(_) => "compose-file-missing",
            Error::Invalid(_) => "bad-target",
            Error::Program(program::Error::TimedOut { .. }) => "compose-timeout",
            Error::Program(_) => "compose-not-run",
            Error::Compose(_) => "compose-failed",
        }
    }
}

pub(super) async fn locate(options: &Options) -> Result<Program, Error> {
    let names: Vec<&str> = options.programs.iter().map(String::as_str).collect();
    let path = program::find(&names).ok_or(Error::Absent)?;
    let call = Call {
        program: path.clone(),
        args: ["version", "--short"].map(ToOwned::to_owned).into(),
        folder: Some(PathBuf::from("/")),
        env: Vec::new(),
        limit: options.read_limit,
        keep: 1024,
    };
    let ended = program::run(call).await?;
    let version = version(&String::from_utf8_lossy(&ended.stdout));
    let version = version
        .filter(|_| ended.ok())
        .ok_or_else(|| Error::Version(path.display().to_string()))?;
    let flavor = if version.starts_with("1.") {
        Flavor::V1
    } else {
        Flavor::V2
    };
    Ok(Program {
        path,
        flavor,
        version,
    })
}

/// `1.29.2`, `v2.24.5`, `2.24.5-desktop.1`.
fn version(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?.trim_start_matches('v');
    word.starts_with(|c: char| c.is_ascii_digit())
        .then(|| word.to_owned())
}

impl Compose {
    /// Runs a compose command on a target. A non-zero exit is an answer, not an error.
    pub(super) async fn run(
        &self,
        program: &Program,
        target: &Target,
        words: &[&str],
        limit: Duration,
        keep: usize,
    ) -> Result<Ended, Error> {
        if target.main_file().is_none() {
            return Err(Error::NoFile(target.folder().display().to_string()));
        }
        let mut args = target.arguments();
        args.extend(words.iter().map(|word| (*word).to_owned()));
        let engine = self
            .0
            .options
            .engine
            .iter()
            .map(|host| ("DOCKER_HOST".to_owned(), host.clone()));
        let call = Call {
            program: program.path.clone(),
            args,
            folder: Some(target.folder().to_owned()),
            env: engine.collect(),
            limit,
            keep,
        };
        Ok(program::run(call).await?)
    }

    /// Services of a file → digest of their resolved definition.
    pub(super) async fn hashes(
        &self,
        program: &Program,
        target: &Target,
    ) -> Result<std::collections::BTreeMap<String, String>, Error> {
        let ended = self
            .run(
                program,
                target,
                &["config", "--hash", "*"],
                self.0.options.read_limit,
                ANSWER,
            )
            .await?;
        if !ended.ok() {
            return Err(Error::Compose(words_of(&ended, 1024)));
        }
        if ended.stdout.len() >= ANSWER {
            return Err(Error::Compose(
                "its list of services is longer than 256 KiB".into(),
            ));
        }
        Ok(hashes(&String::from_utf8_lossy(&ended.stdout)))
    }
}

/// `SERVICE HASH` lines, the same from both versions.
fn hashes(text: &str) -> std::collections::BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, hash) = line.trim().rsplit_once(' ')?;
        let hex = hash.len() >= 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| (name.trim().to_owned(), hash.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// What compose said, for people: errors if there are any, without escape sequences, redacted.
pub(super) fn words_of(ended: &Ended, max: usize) -> String {
    let text = if ended.stderr.is_empty() {
        ended.text()
    } else {
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    redact(plain(&text).trim(), max)
}

/// Without escape sequences and other control characters; the end of what is too long.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        if c == '\u{1b}' {
            if letters.next_if_eq(&'[').is_some() {
                while letters.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                letters.next();
            }
        } else if !c.is_control() || c == '\n' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_versions_are_read_from_both() {
        let two = "db 0b1f6a0e8f5c4a529d432f7a4be21f10\nweb 9f86d081884c7d659a2feaa0c55ad015\nwarning: x\n";
        assert_eq!(hashes(two).into_keys().collect::<Vec<_>>(), ["db", "web"]);
        assert_eq!(version("1.29.2\n").as_deref(), Some("1.29.2"));
        assert_eq!(version("v2.24.5").as_deref(), Some("2.24.5"));
        assert_eq!(version("no such command"), None);
    }

    #[test]
    fn escape_sequences_are_taken_out() {
        assert_eq!(
            plain("\u{1b}[1A\u{1b}[2K\rCreating x ... \u{1b}[32mdone\u{1b}[0m\n"),
            "Creating x ... done\n"
        );
    }
}
