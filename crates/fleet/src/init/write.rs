//! The first fleet directory on disk. What exists is never overwritten, not even in part.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} exists already, and is left as it is (name another directory, or remove the file)", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write {}: {source} (check that you may write there)", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The codes of [`Error`], each with a sentence for the reference.
pub const CODES: [(&str, &str); 2] = [
    (
        "fleet-init-exists",
        "`stead init` found one of its files in place. Nothing was written.",
    ),
    (
        "fleet-init-write",
        "`stead init` could not write a file or make its folder.",
    ),
];

impl Error {
    /// Stable; the documentation names it. One of [`CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Error::Exists { .. } => "fleet-init-exists",
            Error::Write { .. } => "fleet-init-write",
        }
    }
}

/// Writes `files` below `root` and returns what it wrote. Looks at all of them before it writes the first.
pub fn write(root: &Path, files: &[(String, String)]) -> Result<Vec<PathBuf>, Error> {
    for (path, _) in files {
        let path = root.join(path);
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path });
        }
    }
    let mut written = Vec::new();
    for (path, content) in files {
        let path = root.join(path);
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists { path: path.clone() },
            _ => Error::Write {
                path: path.clone(),
                source,
            },
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(failed)?;
        file.write_all(content.as_bytes()).map_err(failed)?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_stays_and_nothing_is_written_beside_it() {
        let root = tempfile::tempdir().expect("tempdir");
        fs::create_dir(root.path().join("hosts")).expect("mkdir");
        fs::write(root.path().join("hosts/a"), "mine").expect("write");
        let files = [
            ("stead.yaml".to_owned(), "x".to_owned()),
            ("hosts/a".to_owned(), "theirs".to_owned()),
        ];
        let error = write(root.path(), &files).expect_err("refused");
        assert_eq!(error.code(), "fleet-init-exists");
        assert!(!root.path().join("stead.yaml").exists());
        assert_eq!(
            fs::read_to_string(root.path().join("hosts/a")).expect("read"),
            "mine"
        );

        let written = write(&root.path().join("new/deep"), &files[..1]).expect("written");
        assert_eq!(fs::read_to_string(&written[0]).expect("read"), "x");
    }
}
