//! A directory read through open folders, so that a link swapped in meanwhile leads nowhere.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use stead_core::ids::nearest;

use super::{MAX_ENTRIES, MAX_FILE, Tree};
use crate::problem::Code;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Reads the fleet directory at `root`. The root itself may be a link: the user named it.
pub(super) fn read(root: &Path) -> Tree {
    let mut tree = Tree::default();
    let folder = match openat(CWD, root, FOLDER, Mode::empty()) {
        Ok(folder) => folder,
        Err(error) => {
            let help = match error {
                Errno::NOENT => {
                    "check the path, or make a first fleet directory with `stead init DIR`"
                }
                Errno::NOTDIR => "--fleet takes the directory that holds stead.yaml",
                _ => "let the user that runs stead read it",
            };
            let message = format!(
                "cannot read the fleet directory {}: {}",
                root.display(),
                words(error)
            );
            tree.problem("", Code::Unreadable, message, help);
            return tree;
        }
    };
    for (name, kind) in entries(&folder, "", &mut tree) {
        match (name.as_str(), kind) {
            ("hosts" | "runbooks", FileType::Symlink) => symlink(&name, &mut tree),
            ("hosts", FileType::Directory) => hosts(&folder, &mut tree),
            ("runbooks", FileType::Directory) => {
                if let Some(inner) = descend(&folder, "runbooks", "runbooks", &mut tree) {
                    files(&inner, "runbooks/", &mut tree);
                }
            }
            ("hosts" | "runbooks", _) => not_a_file(&name, "a folder", &mut tree),
            (_, FileType::Directory) => {
                if let Some(near) = nearest(&name, ["hosts", "runbooks"]) {
                    let message = format!("the folder `{name}` is not read");
                    tree.problem(
                        &name,
                        Code::UnknownFile,
                        message,
                        format!("did you mean `{near}`?"),
                    );
                }
            }
            (_, kind) => file(&folder, &name, &name, kind, &mut tree),
        }
    }
    tree
}

fn hosts(root: &OwnedFd, tree: &mut Tree) {
    let Some(folder) = descend(root, "hosts", "hosts", tree) else {
        return;
    };
    for (name, kind) in entries(&folder, "hosts/", tree) {
        let path = format!("hosts/{name}");
        match kind {
            _ if name.starts_with('.') => {}
            FileType::Symlink => symlink(&path, tree),
            FileType::Directory => {
                tree.host(&name);
                if let Some(inner) = descend(&folder, &name, &path, tree) {
                    files(&inner, &format!("{path}/"), tree);
                }
            }
            _ => {
                tree.admit(&path);
            }
        }
    }
}

/// The files of one folder; folders in it are not looked into.
fn files(folder: &OwnedFd, prefix: &str, tree: &mut Tree) {
    for (name, kind) in entries(folder, prefix, tree) {
        if kind != FileType::Directory {
            file(folder, &name, &format!("{prefix}{name}"), kind, tree);
        }
    }
}

fn file(folder: &OwnedFd, name: &str, path: &str, kind: FileType, tree: &mut Tree) {
    if !tree.admit(path) {
        return;
    }
    if kind == FileType::Symlink {
        return symlink(path, tree);
    }
    match open_file(folder, name) {
        Ok(Opened::Bytes(bytes)) => tree.put(path, bytes),
        Ok(Opened::TooLarge(size)) => tree.too_large(path, size),
        Ok(Opened::Other) => not_a_file(path, "a file", tree),
        Err(Errno::LOOP) => symlink(path, tree),
        Err(error) => unreadable(path, error, tree),
    }
}

enum Opened {
    Bytes(Vec<u8>),
    TooLarge(u64),
    Other,
}

fn open_file(folder: &OwnedFd, name: &str) -> Result<Opened, Errno> {
    // Not blocking: opening a pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NXIO) => return Ok(Opened::Other),
        other => other?,
    };
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Opened::Other);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size > MAX_FILE {
        return Ok(Opened::TooLarge(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    File::from(file)
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))?;
    match bytes.len() as u64 {
        size if size > MAX_FILE => Ok(Opened::TooLarge(size)),
        _ => Ok(Opened::Bytes(bytes)),
    }
}

fn descend(parent: &OwnedFd, name: &str, path: &str, tree: &mut Tree) -> Option<OwnedFd> {
    match openat(parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(folder) => Some(folder),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            symlink(path, tree);
            None
        }
        Err(error) => {
            unreadable(path, error, tree);
            None
        }
    }
}

/// Names and kinds in a folder, sorted. Names that are not UTF-8 are problems where they could matter.
fn entries(folder: &OwnedFd, prefix: &str, tree: &mut Tree) -> Vec<(String, FileType)> {
    let mut found = Vec::new();
    let listing = match Dir::read_from(folder) {
        Ok(listing) => listing,
        Err(error) => {
            unreadable(prefix.trim_end_matches('/'), error, tree);
            return found;
        }
    };
    for entry in listing {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                unreadable(prefix.trim_end_matches('/'), error, tree);
                break;
            }
        };
        let Ok(name) = entry.file_name().to_str() else {
            let shown = format!("{prefix}{}", entry.file_name().to_string_lossy());
            tree.problem(
                &shown,
                Code::BadName,
                "a file name is not UTF-8",
                "rename it",
            );
            continue;
        };
        if name == "." || name == ".." {
            continue;
        }
        if found.len() == MAX_ENTRIES {
            let message = format!("`{prefix}` has more than {MAX_ENTRIES} entries");
            tree.problem(
                prefix,
                Code::TreeTooLarge,
                message,
                "point --fleet at the directory that holds stead.yaml",
            );
            break;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |s| FileType::from_raw_mode(s.st_mode)),
            kind => kind,
        };
        found.push((name.to_owned(), kind));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn symlink(path: &str, tree: &mut Tree) {
    let message = format!("`{path}` is a symbolic link, and links are not followed");
    tree.problem(
        path,
        Code::Symlink,
        message,
        "put the file itself in its place",
    );
}

fn not_a_file(path: &str, wanted: &str, tree: &mut Tree) {
    tree.problem(
        path,
        Code::NotAFile,
        format!("`{path}` is not {wanted}"),
        format!("put {wanted} in its place"),
    );
}

fn unreadable(path: &str, error: Errno, tree: &mut Tree) {
    let message = format!("cannot read `{path}`: {}", words(error));
    tree.problem(
        path,
        Code::Unreadable,
        message,
        "let the user that runs stead read it",
    );
}

fn words(error: Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
