//! The files of a fleet as bytes: from a directory, from git, or from memory.
//!
//! Bounded in number and size. Nothing is ever read through a symbolic link, below the directory the user named: each
//! file is opened relative to its already opened folder, without following, and is looked at again once it is open.

mod dir;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stead_core::ids::digest;

use crate::problem::{Code, Problem};
pub use place::{Place, place};

/// Bytes in one file.
pub const MAX_FILE: u64 = 1024 * 1024;
/// Files in one tree.
pub const MAX_FILES: usize = 50_000;
/// Bytes in one tree.
pub const MAX_TREE: u64 = 256 * 1024 * 1024;
/// Names looked at in one folder.
pub const MAX_ENTRIES: usize = 100_000;

/// The files of a fleet.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    /// Folders under `hosts/` that were seen, with or without files.
    hosts: BTreeSet<String>,
    problems: Vec<Problem>,
    bytes: u64,
}

impl Tree {
    /// Reads the directory `root`. What cannot be read is a problem of the tree, never left out silently.
    pub fn from_dir(root: &Path) -> Tree {
        dir::read(root)
    }

    /// A tree from memory. Paths are relative, with `/`.
    pub fn from_files<P: Into<String>, B: Into<Vec<u8>>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Tree {
        let mut tree = Tree::default();
        for (path, bytes) in files {
            tree.add(&path.into(), bytes.into());
        }
        tree
    }

    /// Takes a file in if it lies where Stead reads files; says so if it looks as if it should.
    pub(crate) fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let place = self.admit(path);
        if place {
            self.put(path, bytes);
        }
    }

    /// Whether the file at `path` is to be read; notes its host, and warns about near misses.
    pub(crate) fn admit(&mut self, path: &str) -> bool {
        match place(path) {
            Place::File(..) => {
                self.host_of(path);
                true
            }
            Place::Odd(help) => {
                self.host_of(path);
                self.problem(
                    path,
                    Code::UnknownFile,
                    format!("`{path}` is not read"),
                    help,
                );
                false
            }
            Place::Elsewhere => false,
        }
    }

    fn host_of(&mut self, path: &str) {
        let mut parts = path.split('/');
        if let (Some("hosts"), Some(host), Some(_)) = (parts.next(), parts.next(), parts.next()) {
            self.hosts.insert(host.to_owned());
        }
    }

    pub(crate) fn host(&mut self, name: &str) {
        self.hosts.insert(name.to_owned());
    }

    /// Stores an admitted file within the bounds.
    pub(crate) fn put(&mut self, path: &str, bytes: Vec<u8>) {
        if bytes.len() as u64 > MAX_FILE {
            self.too_large(path, bytes.len() as u64);
        } else if self.has_room(bytes.len() as u64) {
            self.bytes += bytes.len() as u64;
            self.files.insert(path.to_owned(), bytes);
        }
    }

    pub(crate) fn too_large(&mut self, path: &str, size: u64) {
        let message = format!("`{path}` has {size} bytes");
        self.problem(
            path,
            Code::FileTooLarge,
            message,
            "a file may have 1 MiB; split it, or remove what is not YAML",
        );
    }

    fn has_room(&mut self, more: u64) -> bool {
        if self.files.len() < MAX_FILES && self.bytes + more <= MAX_TREE {
            return true;
        }
        if !self.problems.iter().any(|p| p.code == Code::TreeTooLarge) {
            let message = format!(
                "the tree has more than {MAX_FILES} files or {} MiB",
                MAX_TREE >> 20
            );
            self.problem(
                "",
                Code::TreeTooLarge,
                message,
                "point --fleet at the directory that holds stead.yaml",
            );
        }
        false
    }

    pub(crate) fn problem(
        &mut self,
        path: &str,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.problems.len() <= crate::problem::MAX_PROBLEMS {
            self.problems
                .push(Problem::of_file(path, code, message, help));
        }
    }

    /// The files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// What went wrong while reading.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Content address of all files and of what could not be read: equal digests load equally.
    pub fn digest(&self) -> String {
        let mut lines = String::new();
        for (path, bytes) in &self.files {
            lines.push_str(&format!("{} {path}\n", digest(bytes)));
        }
        for host in &self.hosts {
            lines.push_str(&format!("host {host}\n"));
        }
        for problem in &self.problems {
            lines.push_str(&format!("{problem}\n"));
        }
        digest(lines.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_bounded() {
        let mut tree = Tree::default();
        for n in 0..=MAX_FILES {
            tree.add(&format!("hosts/n{n}/node.yaml"), Vec::new());
        }
        assert_eq!(tree.files().count(), MAX_FILES);
        assert_eq!(
            tree.problems()
                .iter()
                .filter(|p| p.code == Code::TreeTooLarge)
                .count(),
            1
        );
    }

    #[test]
    fn the_digest_follows_the_content_and_what_was_refused() {
        let one = Tree::from_files([("stead.yaml", "a: 1"), ("README.md", "x")]);
        let same = Tree::from_files([("stead.yaml", "a: 1"), ("README.md", "y")]);
        let other = Tree::from_files([("stead.yaml", "a: 2")]);
        let worse = Tree::from_files([("stead.yaml", "a: 1"), ("hosts/a/servces.yaml", "")]);
        assert_eq!(one.digest(), same.digest());
        assert_ne!(one.digest(), other.digest());
        assert_ne!(one.digest(), worse.digest());
    }
}
