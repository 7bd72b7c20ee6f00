//! Bytes to typed files: encoding, YAML, shape, types, in that order, each with its own problems.

use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use stead_core::ids::digest;

use super::LoadedFile;
use super::report::Report;
use crate::grammar::FileKind;
use crate::grammar::{
    job::JobsFile, node::NodeFile, runbook::RunbookFile, service::ServicesFile, stead::SteadFile,
};
use crate::node::{Cursor, Node};
use crate::problem::{Code, Problem};
use crate::schema;
use crate::shape::Shape;
use crate::tree::{Place, Tree, place};

static SHAPES: LazyLock<BTreeMap<FileKind, Shape>> = LazyLock::new(|| {
    FileKind::ALL
        .into_iter()
        .map(|kind| (kind, Shape::compile(&schema::of(kind))))
        .collect()
});

#[derive(Debug)]
pub(super) enum Content {
    Stead(Box<SteadFile>),
    Node(NodeFile),
    Services(ServicesFile),
    Jobs(JobsFile),
    Runbook(RunbookFile),
}

/// A file, read as far as it could be.
#[derive(Debug)]
pub(super) struct File {
    path: String,
    node: Node,
    pub content: Content,
}

impl File {
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::root(&self.path, &self.node)
    }

    pub fn stead(&self) -> Option<&SteadFile> {
        match &self.content {
            Content::Stead(content) => Some(content),
            _ => None,
        }
    }
}

/// A file that is to be read: its place and its bytes.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    pub path: &'a str,
    pub kind: FileKind,
    /// The folder under `hosts/`.
    pub host: Option<String>,
    bytes: &'a [u8],
}

/// The files to read, in the order of their paths.
pub(super) fn sheets<'a>(tree: &'a Tree, report: &mut Report) -> Vec<Sheet<'a>> {
    let mut sheets = Vec::new();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, bytes) in tree.files() {
        let Place::File(kind, host) = place(path) else {
            continue;
        };
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        if let Some(other) = seen.insert(stem, path) {
            let message = format!("`{other}` is there, too");
            report.push(Problem::of_file(
                path,
                Code::DuplicateFile,
                message,
                "keep one of the two",
            ));
            continue;
        }
        sheets.push(Sheet {
            path,
            kind,
            host,
            bytes,
        });
    }
    sheets
}

impl Sheet<'_> {
    pub fn read(&self, report: &mut Report) -> File {
        let (path, kind) = (self.path, self.kind);
        let node = tree_of(path, kind, self.bytes, report);
        let content = match kind {
            FileKind::Stead => Content::Stead(Box::new(typed(path, &node, report))),
            FileKind::Node => Content::Node(typed(path, &node, report)),
            FileKind::Services => Content::Services(typed(path, &node, report)),
            FileKind::Jobs => Content::Jobs(typed(path, &node, report)),
            FileKind::Runbook => Content::Runbook(typed(path, &node, report)),
        };
        File {
            path: path.to_owned(),
            node,
            content,
        }
    }

    pub fn listed(&self) -> LoadedFile {
        LoadedFile {
            path: self.path.to_owned(),
            kind: self.kind,
            digest: digest(self.bytes),
        }
    }
}

/// What of the file has the right shape.
fn tree_of(path: &str, kind: FileKind, bytes: &[u8], report: &mut Report) -> Node {
    let nothing = || Node {
        damaged: true,
        ..Node::null()
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = bytes[..error.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count()
                + 1;
            let message =
                format!("the file is not UTF-8 text; the first bad byte is on line {line}");
            report.push(Problem::of_file(
                path,
                Code::NotUtf8,
                message,
                "save it as UTF-8",
            ));
            return nothing();
        }
    };
    let (mut node, duplicates) = match crate::yaml::parse(path, text) {
        Ok(parsed) => parsed,
        Err(problem) => {
            report.push(problem);
            return nothing();
        }
    };
    duplicates.into_iter().for_each(|p| report.push(p));
    if let Some(shape) = SHAPES.get(&kind) {
        shape
            .check(path, &mut node)
            .into_iter()
            .for_each(|p| report.push(p));
    }
    node
}

fn typed<T: DeserializeOwned + Default>(path: &str, node: &Node, report: &mut Report) -> T {
    let wanted = T::deserialize(node);
    wanted.unwrap_or_else(|error| {
        report.push(Problem::at(
            path,
            error.at,
            Code::WrongType,
            error.message,
            "see docs/fleet.md for what goes here",
        ));
        T::default()
    })
}
