//! Where a fleet comes from: a directory, a checkout, or a git repository read straight from its commits.
//!
//! Git is the `git` command with a closed list of arguments: nothing of a repository is ever run (no hooks, no filters,
//! no external diff or credential prompts), every call has a deadline, and no text of the user's can become an option.

mod checkout;
mod git;
mod mirror;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::time::Instant;

use crate::tree::Tree;
pub use checkout::Checkout;
pub use mirror::Mirror;

/// A mirror or an upstream is fetched at most this often.
pub const FETCH_EVERY: Duration = Duration::from_secs(60);

/// What `--fleet` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory, perhaps inside a git checkout.
    Dir(PathBuf),
    /// A git repository, read without a checkout.
    Git(GitSource),
}

/// A git repository and what of it to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSource {
    /// What git is given: `https://…`, `ssh://…`, `file://…` or a path.
    pub url: String,
    /// Branch, tag or full commit; absent: the repository's own default branch.
    pub reference: Option<String>,
}

impl FromStr for Source {
    type Err = Error;

    /// `DIR`, or `git+URL[#REF]` with the schemes `https`, `http`, `ssh`, `git` and `file`.
    fn from_str(text: &str) -> Result<Source, Error> {
        let refused = |why: &str, remedy: &'static str| Error::BadSource {
            text: shown(text),
            why: why.to_owned(),
            remedy,
        };
        let Some(rest) = text.strip_prefix("git+") else {
            return match text {
                "" => Err(refused(
                    "it is empty",
                    "name the directory that holds stead.yaml",
                )),
                _ if text.starts_with("https://")
                    || text.starts_with("ssh://")
                    || text.starts_with("git@") =>
                {
                    Err(refused(
                        "it is an address, not a directory",
                        "write git+https://… or git+ssh://…",
                    ))
                }
                dir => Ok(Source::Dir(PathBuf::from(dir))),
            };
        };
        let (url, reference) = match rest.split_once('#') {
            Some((url, reference)) => (url, Some(reference)),
            None => (rest, None),
        };
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("https" | "http" | "ssh" | "git" | "file")) {
            return Err(refused(
                "its scheme is none of https, http, ssh, git, file",
                "write git+https://HOST/PATH.git#BRANCH",
            ));
        }
        let host = url.split_once("://").map_or("", |(_, rest)| rest);
        if host.is_empty()
            || host.starts_with('-')
            || host.contains("@-")
            || url.chars().any(|c| c.is_control() || c == ' ')
        {
            return Err(refused(
                "its host is missing, or starts with `-`",
                "write git+https://HOST/PATH.git#BRANCH",
            ));
        }
        if let Some(reference) = reference {
            check_reference(reference)?;
        }
        Ok(Source::Git(GitSource {
            url: url.to_owned(),
            reference: reference.map(str::to_owned),
        }))
    }
}

impl fmt::Display for Source {
    /// Without what may let somebody in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Dir(path) => write!(f, "{}", path.display()),
            Source::Git(git) => {
                write!(f, "git+{}", without_credentials(&git.url))?;
                match &git.reference {
                    Some(reference) => write!(f, "#{reference}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// `https://user:token@host/x` → `https://…@host/x`
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) if scheme != "ssh" => format!("{scheme}://…{}", &rest[at..]),
        _ => url.to_owned(),
    }
}

fn shown(text: &str) -> String {
    without_credentials(text).chars().take(200).collect()
}

/// A branch, tag or commit as git allows it, minus everything that git would take for something else.
fn check_reference(text: &str) -> Result<(), Error> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.starts_with('-') {
        "it starts with `-`"
    } else if text.len() > 255 {
        "it is longer than 255 bytes"
    } else if text.contains("..")
        || text.contains("@{")
        || text.ends_with('/')
        || text.ends_with(".lock")
    {
        "git does not allow it"
    } else if text
        .chars()
        .any(|c| c.is_control() || " ~^:?*[\\".contains(c))
    {
        "it contains a character that git does not allow"
    } else {
        return Ok(());
    };
    Err(Error::BadReference {
        reference: text.chars().take(80).collect(),
        why,
    })
}

/// The state of the git repository a tree was read from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Revision {
    /// Full hash.
    pub commit: String,
    /// The branch or tag that led to it, where one did.
    pub reference: Option<String>,
    /// First line of the commit's message, at most 200 characters.
    pub subject: String,
    /// Whether the directory holds changes that are in no commit; absent where git does not trust its owner enough to
    /// look. Never for a mirror.
    pub dirty: Option<bool>,
    /// Commits that the upstream has and this checkout has not; 0 for a mirror.
    pub behind: u32,
    /// Why the newest state could not be fetched; the tree is then the last one that could.
    pub stale: Option<String>,
}

/// A tree and where it is from.
#[derive(Debug, Clone)]
pub struct Reading {
    pub tree: Tree,
    /// Absent for a directory that is in no git checkout.
    pub revision: Option<Revision>,
}

/// How a source is read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Fast-forward a checkout that is behind its upstream. Never anything but a fast-forward.
    pub pull: bool,
    /// Read exactly this commit or tag of a git source instead of its branch.
    pub pin: Option<String>,
    /// Where a mirror lives: `<data>/fleet.git`.
    pub mirror: PathBuf,
}

/// An open source: reads a tree whenever it is asked to.
#[derive(Debug)]
pub enum Reader {
    Dir {
        path: PathBuf,
        pull: bool,
        pulled: Option<Instant>,
    },
    Git(Mirror),
}

impl Source {
    /// Opens the source. Reaches out to nothing yet.
    pub fn open(&self, options: &ReadOptions) -> Result<Reader, Error> {
        if let Some(pin) = &options.pin {
            check_reference(pin)?;
        }
        match self {
            Source::Dir(_) if options.pin.is_some() => Err(Error::BadSource {
                text: shown(&self.to_string()),
                why: "a directory cannot be pinned to a commit".into(),
                remedy: "use git+file://DIR as the source, or check that commit out",
            }),
            Source::Dir(path) => Ok(Reader::Dir {
                path: path.clone(),
                pull: options.pull,
                pulled: None,
            }),
            Source::Git(git) => Ok(Reader::Git(Mirror::new(
                git.clone(),
                options.pin.clone(),
                options.mirror.clone(),
            ))),
        }
    }

    /// The directory to watch for changes, where there is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Source::Dir(path) => Some(path),
            Source::Git(_) => None,
        }
    }
}

impl Reader {
    /// Reads the newest tree. A fetch that fails is no error as long as there is something to read; see
    /// [`Revision::stale`].
    pub async fn read(&mut self) -> Result<Reading, Error> {
        match self {
            Reader::Dir { path, pull, pulled } => {
                let now = Instant::now();
                let pull = *pull && pulled.is_none_or(|at| now.duration_since(at) >= FETCH_EVERY);
                if pull {
                    *pulled = Some(now);
                }
                let revision = match Checkout::find(path).await {
                    Some(checkout) => Some(checkout.revision(pull).await?),
                    None => None,
                };
                let root = path.clone();
                let tree = tokio::task::spawn_blocking(move || Tree::from_dir(&root))
                    .await
                    .map_err(|error| Error::Unreadable {
                        path: path.clone(),
                        why: error.to_string(),
                    })?;
                Ok(Reading { tree, revision })
            }
            Reader::Git(mirror) => mirror.read().await,
        }
    }
}

/// Why a source could not be read. Each says where, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{text:?} is no fleet source: {why} ({remedy})")]
    BadSource {
        text: String,
        why: String,
        remedy: &'static str,
    },
    #[error(
        "{reference:?} is no branch, tag or commit: {why} (name one that `git branch` or `git tag` shows)"
    )]
    BadReference {
        reference: String,
        why: &'static str,
    },
    #[error("cannot read {}: {why} (check that the user that runs stead may read it)", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error(
        "the git command cannot be started: {why} (install git, or use a plain directory as --fleet)"
    )]
    NoGit { why: String },
    #[error("git {what} on {place} took longer than {} s (check the network and the server)", limit.as_secs())]
    TimedOut {
        what: &'static str,
        place: String,
        limit: Duration,
    },
    #[error("git {what} on {place} failed: {why} ({remedy})")]
    Git {
        what: &'static str,
        place: String,
        why: String,
        remedy: &'static str,
    },
    #[error("{place} has no branch, tag or commit {reference:?} (name one that it has after `#`)")]
    NoReference { place: String, reference: String },
}

/// The codes of [`Error`], each with a sentence for the reference.
pub const CODES: [(&str, &str); 7] = [
    (
        "fleet-bad-source",
        "What `--fleet` names is neither a directory nor `git+https://`, `git+ssh://` or `git+file://`.",
    ),
    (
        "fleet-bad-reference",
        "The branch, tag or commit after `#`, or the pin, is not one that git allows.",
    ),
    (
        "fleet-unreadable",
        "The directory or the mirror cannot be read or made.",
    ),
    ("fleet-no-git", "The `git` command cannot be started."),
    (
        "fleet-git-timeout",
        "Git did not answer in time: 20 s on this machine, 120 s over the network.",
    ),
    ("fleet-git-failed", "Git refused; its own words follow."),
    (
        "fleet-no-reference",
        "The repository has no such branch, tag or commit.",
    ),
];

impl Error {
    /// Stable; the documentation names it. One of [`CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Error::BadSource { .. } => "fleet-bad-source",
            Error::BadReference { .. } => "fleet-bad-reference",
            Error::Unreadable { .. } => "fleet-unreadable",
            Error::NoGit { .. } => "fleet-no-git",
            Error::TimedOut { .. } => "fleet-git-timeout",
            Error::Git { .. } => "fleet-git-failed",
            Error::NoReference { .. } => "fleet-no-reference",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        assert_eq!(
            "/etc/fleet".parse::<Source>().expect("dir"),
            Source::Dir("/etc/fleet".into())
        );
        let git = |text: &str| match text.parse::<Source>() {
            Ok(Source::Git(git)) => (git.url, git.reference),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            git("git+https://h/x.git#main"),
            ("https://h/x.git".into(), Some("main".into()))
        );
        assert_eq!(
            git("git+file:///srv/x.git"),
            ("file:///srv/x.git".into(), None)
        );
        assert_eq!(
            git("git+ssh://git@h/x.git#v1.2"),
            ("ssh://git@h/x.git".into(), Some("v1.2".into()))
        );
    }

    #[test]
    fn what_could_become_an_option_or_run_something_is_refused() {
        for bad in [
            "",
            "git+ext::sh -c id",
            "git+https://",
            "git+ssh://-oProxyCommand=id/x",
            "git+ssh://git@-oProxyCommand=id/x",
            "git+https://h/x.git#",
            "git+https://h/x.git#--upload-pack=id",
            "git+https://h/x.git#a..b",
            "git+https://h/x.git#a b",
            "git+https://h/x.git#HEAD@{1}",
            "https://h/x.git",
        ] {
            assert!(bad.parse::<Source>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn credentials_are_never_shown() {
        let source: Source = "git+https://me:t0ken@h/x.git#main".parse().expect("source");
        assert_eq!(source.to_string(), "git+https://…@h/x.git#main");
    }
}
