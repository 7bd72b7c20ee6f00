//! How far files that others go on writing have been read. A cache: without it they are read again, and what they say
//! is known by its content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Error;
use super::tree::{self, Tree};

const FILE: &str = "state/read.json";

/// How far one file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// Another one means another file under the same name.
    pub inode: u64,
    pub bytes: u64,
    pub lines: usize,
    /// In the middle of a line that is too long to be an event.
    #[serde(default)]
    pub skipping: bool,
}

#[derive(Debug, Default)]
pub struct Offsets {
    known: BTreeMap<String, Offset>,
    changed: bool,
}

impl Offsets {
    pub fn open(tree: &Tree) -> Offsets {
        let known = tree::read(&tree.path(FILE))
            .ok()
            .and_then(|b| serde_json::from_slice(&b).ok());
        Offsets {
            known: known.unwrap_or_default(),
            changed: false,
        }
    }

    /// Where to go on in a file that is `len` long now.
    pub fn of(&self, path: &str, inode: u64, len: u64) -> Offset {
        let known = self
            .known
            .get(path)
            .filter(|o| o.inode == inode && o.bytes <= len);
        known.cloned().unwrap_or(Offset {
            inode,
            ..Offset::default()
        })
    }

    pub fn set(&mut self, path: &str, offset: Offset) {
        if self.known.get(path) != Some(&offset) {
            self.known.insert(path.to_string(), offset);
            self.changed = true;
        }
    }

    /// Forgets the files of days that are gone.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let before = self.known.len();
        self.known.retain(|path, _| keep(path));
        self.changed |= self.known.len() != before;
    }

    pub fn keep(&mut self, tree: &Tree) -> Result<(), Error> {
        if self.changed {
            tree.write(FILE, &serde_json::to_vec(&self.known).unwrap_or_default())?;
            self.changed = false;
        }
        Ok(())
    }
}
