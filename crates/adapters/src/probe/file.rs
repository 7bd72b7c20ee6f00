//! A file, or the newest that matches a glob, is there, young enough and large enough.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use stead_core::time::Span;

use super::{Found, Miss, Prober, plain};

/// Matches looked at; a folder that holds more needs a narrower glob.
const MATCHES: usize = 10_000;

/// What is known of the file that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Newest {
    path: PathBuf,
    age: Span,
    size: u64,
}

impl Prober {
    pub(super) async fn file(
        &self,
        path: &str,
        max_age: Option<Span>,
        min_size: Option<u64>,
    ) -> Found {
        let path = path.to_owned();
        let newest = self
            .blocking(move || newest(&path, SystemTime::now()))
            .await?;
        judge(&newest, max_age, min_size)
    }
}

fn judge(newest: &Newest, max_age: Option<Span>, min_size: Option<u64>) -> Found {
    let text = format!(
        "{}: {} bytes, {} old",
        newest.path.display(),
        newest.size,
        people(newest.age)
    );
    if let Some(max) = max_age.filter(|max| newest.age > *max) {
        return Err(Miss::Failed(format!("{text}; older than {max}")));
    }
    if let Some(min) = min_size.filter(|min| newest.size < *min) {
        return Err(Miss::Failed(format!("{text}; smaller than {min} bytes")));
    }
    Ok(text)
}

/// The newest regular file at `pattern`. Links are followed: backups are often linked into place.
fn newest(pattern: &str, now: SystemTime) -> Result<Newest, Miss> {
    if !pattern.starts_with('/') || pattern.contains('\0') {
        return Err(Miss::Unknown(format!(
            "{pattern:?} must be an absolute path: correct it in the fleet's files"
        )));
    }
    if !pattern.contains(['*', '?', '[']) {
        return one(Path::new(pattern), now);
    }
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..Default::default()
    };
    let paths = glob::glob_with(pattern, options)
        .map_err(|error| Miss::Unknown(format!("{pattern:?} is no glob ({error}): correct it")))?;
    let mut best: Option<Newest> = None;
    let mut denied = None;
    for (count, path) in paths.enumerate() {
        if count == MATCHES {
            return Err(Miss::Unknown(format!(
                "more than {MATCHES} files match: narrow the glob"
            )));
        }
        match path {
            Ok(path) => {
                // A match that vanished meanwhile, or is a folder, is none.
                if let Ok(found) = one(&path, now)
                    && best.as_ref().is_none_or(|best| found.age < best.age)
                {
                    best = Some(found);
                }
            }
            Err(error) => {
                denied = Some(format!(
                    "{}: {}",
                    error.path().display(),
                    plain(error.error())
                ))
            }
        }
    }
    match (best, denied) {
        (Some(best), _) => Ok(best),
        (None, Some(why)) => Err(Miss::Unknown(format!("{why}: let the agent read it"))),
        (None, None) => Err(Miss::Failed("no file matches".into())),
    }
}

fn one(path: &Path, now: SystemTime) -> Result<Newest, Miss> {
    let data = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Miss::Unknown(format!("{}: let the agent read it", plain(&error)))
        }
        _ => Miss::Failed(plain(&error)),
    })?;
    if !data.is_file() {
        return Err(Miss::Failed(format!("{} is not a file", path.display())));
    }
    // A file from the future is new.
    let age = data
        .modified()
        .ok()
        .and_then(|at| now.duration_since(at).ok())
        .unwrap_or_default();
    let age = Span(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    Ok(Newest {
        path: path.to_path_buf(),
        age,
        size: data.len(),
    })
}

/// The two largest units, for reading.
fn people(age: Span) -> String {
    let seconds = age.0 / 1000;
    let (d, h, m, s) = (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m {s}s"),
        (0, ..) => format!("{h}h {m}m"),
        _ => format!("{d}d {h}h"),
    }
}
