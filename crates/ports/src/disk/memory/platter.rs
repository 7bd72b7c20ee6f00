//! What the fake disk holds, written and durable apart, and which of it a power cut leaves. No fault is decided here.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Loss;
use crate::entropy::split_mix;

/// Disks lose pages, not bytes.
const PAGE: u64 = 4096;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Dir,
    File(u64),
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Debug, Clone)]
enum NameChange {
    Put(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Put(path, node) => drop(names.insert(path.clone(), *node)),
            NameChange::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
            NameChange::Remove(path) => drop(names.remove(path)),
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        match self {
            NameChange::Put(path, _) | NameChange::Remove(path) => path.parent() == Some(dir),
            NameChange::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

/// A change to a file that is not durable yet.
#[derive(Debug, Clone)]
enum Edit {
    Write { at: u64, bytes: Vec<u8> },
    Size(u64),
}

impl Edit {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Edit::Write { at, bytes } => put(to, *at, bytes),
            Edit::Size(size) => to.resize(*size as usize, 0),
        }
    }
}

fn put(to: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (start, end) = (at as usize, at as usize + bytes.len());
    if to.len() < end {
        to.resize(end, 0);
    }
    to[start..end].copy_from_slice(bytes);
}

#[derive(Debug, Default)]
struct Contents {
    written: Vec<u8>,
    durable: Vec<u8>,
    edits: Vec<Edit>,
}

#[derive(Debug, Default)]
pub struct Platter {
    names: Names,
    durable: Names,
    changes: Vec<NameChange>,
    files: BTreeMap<u64, Contents>,
    /// The file written to last.
    last: u64,
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Platter {
    pub fn node(&self, path: &Path) -> Option<Node> {
        // What every path begins with is always there.
        let root = path.parent().is_none().then_some(Node::Dir);
        self.names.get(path).copied().or(root)
    }

    pub fn has_dir(&self, dir: &Path) -> bool {
        dir.as_os_str().is_empty() || self.node(dir) == Some(Node::Dir)
    }

    pub fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        for above in dir.ancestors().filter(|p| !p.as_os_str().is_empty()) {
            match self.node(above) {
                Some(Node::Dir) => {}
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    self.names.insert(above.to_owned(), Node::Dir);
                    self.durable.insert(above.to_owned(), Node::Dir);
                }
            }
        }
        Ok(())
    }

    pub fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if !self.has_dir(dir) {
            return Err(missing());
        }
        let within = self.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(within.cloned().collect())
    }

    /// The file called `path`.
    pub fn file(&self, path: &Path) -> io::Result<u64> {
        match self.node(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(missing()),
        }
    }

    pub fn create(&mut self, path: &Path) -> io::Result<u64> {
        if !path.parent().is_some_and(|dir| self.has_dir(dir)) {
            return Err(missing());
        }
        let file = self.files.keys().next_back().map_or(1, |last| last + 1);
        self.files.insert(file, Contents::default());
        self.change(NameChange::Put(path.to_owned(), Node::File(file)));
        Ok(file)
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.file(from)?;
        self.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.change(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    pub fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.has_dir(dir) {
            return Err(missing());
        }
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let here = change.is_in(dir);
            if here {
                change.apply(durable);
            }
            !here
        });
        Ok(())
    }

    /// What a file holds; a file that was lost with the power is empty.
    pub fn bytes(&self, file: u64) -> &[u8] {
        self.files.get(&file).map_or(&[], |c| c.written.as_slice())
    }

    fn edit(&mut self, file: u64, edit: Edit) {
        let contents = self.files.entry(file).or_default();
        edit.apply(&mut contents.written);
        contents.edits.push(edit);
        self.last = file;
    }

    pub fn write(&mut self, file: u64, at: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            let bytes = bytes.to_vec();
            self.edit(file, Edit::Write { at, bytes });
        }
    }

    pub fn set_size(&mut self, file: u64, size: u64) {
        self.edit(file, Edit::Size(size));
    }

    pub fn sync(&mut self, file: u64) {
        if let Some(contents) = self.files.get_mut(&file) {
            for edit in contents.edits.drain(..) {
                edit.apply(&mut contents.durable);
            }
        }
    }

    /// A sync failed: the kernel takes the pages for clean, and no later sync writes them.
    pub fn forget(&mut self, file: u64) {
        if let Some(contents) = self.files.get_mut(&file) {
            contents.edits.clear();
        }
    }

    pub fn flip(&mut self, file: u64, byte: usize, bit: u8) -> bool {
        let Some(contents) = self.files.get_mut(&file) else {
            return false;
        };
        let mut found = false;
        for bytes in [&mut contents.written, &mut contents.durable] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << (bit & 7);
                found = true;
            }
        }
        found
    }

    /// What is left when the power goes is all there is from now on.
    pub fn cut_power(&mut self, loss: Loss) {
        let mut chance = match loss {
            Loss::Pages(seed) => seed,
            Loss::Unsynced | Loss::Torn(_) => 0,
        };
        // Journalling keeps names in the order in which they changed.
        let kept = match loss {
            Loss::Unsynced => 0,
            Loss::Torn(_) => self.changes.len(),
            Loss::Pages(_) => (split_mix(&mut chance) % (self.changes.len() as u64 + 1)) as usize,
        };
        for change in self.changes.drain(..).take(kept) {
            change.apply(&mut self.durable);
        }
        let last = self.last;
        for (file, contents) in &mut self.files {
            let edits = std::mem::take(&mut contents.edits);
            match loss {
                Loss::Unsynced => {}
                Loss::Torn(keep) => tear(&mut contents.durable, edits, keep, *file == last),
                Loss::Pages(_) => scatter(&mut contents.durable, &edits, &mut chance),
            }
            contents.written = contents.durable.clone();
        }
        self.names = self.durable.clone();
        self.sweep();
    }

    /// Files nothing leads to any more are gone with the process that had them open.
    pub fn sweep(&mut self) {
        let named = |names: &Names| {
            names
                .values()
                .filter_map(|node| match node {
                    Node::File(file) => Some(*file),
                    Node::Dir => None,
                })
                .collect::<Vec<u64>>()
        };
        let (mut kept, durable) = (named(&self.names), named(&self.durable));
        kept.extend(durable);
        kept.sort_unstable();
        self.files
            .retain(|file, _| kept.binary_search(file).is_ok());
    }
}

/// Everything stays, but of the last write to the `last` file only the first `keep` bytes.
fn tear(durable: &mut Vec<u8>, mut edits: Vec<Edit>, keep: usize, last: bool) {
    if last && let Some(Edit::Write { bytes, .. }) = edits.last_mut() {
        bytes.truncate(keep);
        if bytes.is_empty() {
            edits.pop();
        }
    }
    for edit in &edits {
        edit.apply(durable);
    }
}

/// Of each page a coin says whether it stays, whole or its beginning.
fn scatter(durable: &mut Vec<u8>, edits: &[Edit], chance: &mut u64) {
    for edit in edits {
        let Edit::Write { at, bytes } = edit else {
            if split_mix(chance).is_multiple_of(2) {
                edit.apply(durable);
            }
            continue;
        };
        let mut done = 0;
        while done < bytes.len() {
            let from = at + done as u64;
            let room = (PAGE - from % PAGE) as usize;
            let page = &bytes[done..bytes.len().min(done + room)];
            let drawn = split_mix(chance);
            match drawn % 4 {
                0 => {}
                1 => put(durable, from, &page[..(drawn >> 8) as usize % page.len()]),
                _ => put(durable, from, page),
            }
            done += page.len();
        }
    }
}
