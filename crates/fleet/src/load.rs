//! From a tree of files to a fleet, or to everything that is wrong with it. Pure: bytes in, values out.

mod aliases;
mod channel;
mod check;
mod container;
mod host;
mod job;
mod notice;
mod policy;
mod read;
mod relation;
mod report;
mod service;
mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use stead_core::desired::{Fleet, Node};
use stead_core::ids::{NodeName, digest};

use crate::grammar::FileKind;
use crate::problem::{Code, Problem, tidy};
use crate::tree::Tree;
use read::{Content, File};
use report::Report;

/// What is said outside the files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `NODE_ALIAS_MAP`: a JSON object of aliases, laid over those of `stead.yaml`.
    pub node_alias_map: Option<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedFile {
    pub path: String,
    pub kind: FileKind,
    /// SHA-256 of its bytes.
    pub digest: String,
}

/// What came out of a tree.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Absent when there is any error: half a fleet would look like removed services.
    pub fleet: Option<Fleet>,
    /// In the order of the files; at most [`crate::problem::MAX_PROBLEMS`] and one that counts the rest.
    pub problems: Vec<Problem>,
    pub files: Vec<LoadedFile>,
}

impl Loaded {
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|p| p.is_error()).count()
    }

    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }
}

/// Reads, checks and resolves a whole tree.
pub fn load(tree: &Tree, options: &Options) -> Loaded {
    let mut report = Report::new(tree.problems());
    let files: Vec<File> = read::files(tree, &mut report);
    let mut fleet = Fleet {
        name: "fleet".into(),
        ..Fleet::default()
    };

    presence(tree, &files, &mut report);
    let known = node_names(&files, &mut report);
    let stead = files.iter().find_map(File::stead);
    if let Some((at, stead)) = stead {
        if let Some(name) = stead
            .fleet
            .as_deref()
            .map(str::trim)
            .filter(|n| !n.is_empty())
        {
            fleet.name = name.to_owned();
        }
        fleet.policy = policy::resolve(at, &stead.policy, &known, &files, &mut report);
        channel::review(at, stead, &mut report);
    }
    fleet.aliases = aliases::resolve(stead, options, &known, &mut report);
    for file in &files {
        let Some(name) = file.host.as_deref().and_then(|h| known.get(h)) else {
            continue;
        };
        let node = fleet.nodes.entry(name.clone()).or_default();
        match &file.content {
            Content::Node(content) => host::resolve(file.cursor(), content, node, &mut report),
            Content::Services(content) => services(file, content, name, &known, node, &mut report),
            Content::Jobs(content) => job::review(file.cursor(), content, &mut report),
            Content::Stead(_) | Content::Runbook(_) => {}
        }
    }
    for file in &files {
        if let Content::Runbook(content) = &file.content {
            job::review_runbook(file.cursor(), content, &known, &mut report);
        }
    }
    relation::collisions(&files, &known, &mut report);
    fleet.notices = notice::lines(&files);

    let problems = tidy(report.into_problems());
    let fleet = problems.iter().all(|p| !p.is_error()).then_some(fleet);
    Loaded {
        fleet,
        problems,
        files: listed(tree, &files),
    }
}

fn services(
    file: &File,
    content: &crate::grammar::service::ServicesFile,
    name: &NodeName,
    known: &BTreeMap<String, NodeName>,
    node: &mut Node,
    report: &mut Report,
) {
    let at = file.cursor().get("services");
    for (key, service) in &content.services {
        let here = at.get(key);
        if let Some((key, resolved)) = service::resolve(here, key, service, name, known, report) {
            node.services.insert(key, resolved);
        }
    }
    relation::needs(at, content, report);
    relation::claims(at, content, report);
}

/// An empty directory, or one that is no fleet, must never look like a fleet without services.
fn presence(tree: &Tree, files: &[File], report: &mut Report) {
    let has_stead = files.iter().any(|f| f.kind == FileKind::Stead);
    if tree
        .problems()
        .iter()
        .any(|p| p.file.is_empty() && p.code == Code::Unreadable)
    {
        return;
    }
    if !has_stead
        && !tree
            .problems()
            .iter()
            .any(|p| p.file == "stead.yaml" || p.file == "stead.yml")
    {
        report.push(Problem::of_file(
            "",
            Code::NoSteadYaml,
            "there is no stead.yaml here, so this is no fleet directory",
            "make a first one with `stead init DIR`, or point --fleet at the directory that holds stead.yaml",
        ));
    }
    let with_files: BTreeSet<&str> = files.iter().filter_map(|f| f.host.as_deref()).collect();
    for host in tree.hosts().filter(|h| !with_files.contains(h)) {
        report.push(Problem::of_file(
            &format!("hosts/{host}"),
            Code::EmptyNode,
            format!("`hosts/{host}` holds no node.yaml, services.yaml or jobs.yaml, so there is no node {host}"),
            "add an empty node.yaml to make it a node, or remove the folder",
        ));
    }
    if has_stead && with_files.is_empty() {
        report.push(Problem::of_file(
            "hosts",
            Code::NoNodes,
            "no folder under hosts/ holds a file, so nothing is desired anywhere",
            "add `hosts/<node>/services.yaml`, or write a first one with `stead init`",
        ));
    }
}

/// The nodes: folders under `hosts/` that hold a file.
fn node_names(files: &[File], report: &mut Report) -> BTreeMap<String, NodeName> {
    let mut names = BTreeMap::new();
    for file in files {
        let Some(host) = &file.host else { continue };
        if names.contains_key(host) {
            continue;
        }
        match NodeName::new(host) {
            Ok(name) => {
                names.insert(host.clone(), name);
            }
            Err(error) => report.push(Problem::of_file(
                &file.path,
                Code::BadName,
                format!("the folder `{host}` cannot be a node: {}", error.why),
                "rename it: letters, digits, `-`, `_` and `.`",
            )),
        }
    }
    names
}

fn listed(tree: &Tree, files: &[File]) -> Vec<LoadedFile> {
    files
        .iter()
        .map(|f| LoadedFile {
            path: f.path.clone(),
            kind: f.kind,
            digest: digest(tree.file(&f.path).unwrap_or_default()),
        })
        .collect()
}
