//! From a tree of files to a fleet, or to everything that is wrong with it. Pure: bytes in, values out.

mod aliases;
mod channel;
mod check;
mod container;
mod drill;
mod host;
mod insight;
mod inventory;
mod job;
mod loki;
mod metrics;
mod notice;
mod page;
mod piece;
mod policy;
mod read;
mod relation;
mod report;
mod rule;
mod service;
mod syntax;
mod trial;
mod when;

pub use trial::trial;

use std::collections::{BTreeMap, BTreeSet};

use stead_core::desired::{Fleet, Node};
use stead_core::ids::NodeName;

use crate::grammar::FileKind;
use crate::problem::{Code, Problem, tidy};
use crate::tree::Tree;
use notice::Counts;
use piece::Part;
use read::Sheet;
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
///
/// Files are taken one by one, on several threads where there are many, and only what the fleet needs of each is kept:
/// a fleet of ten thousand nodes must not be in memory twice.
pub fn load(tree: &Tree, options: &Options) -> Loaded {
    let mut report = Report::new(tree.problems());
    let sheets = read::sheets(tree, &mut report);
    let known = node_names(&sheets, &mut report);
    presence(tree, &sheets, &mut report);

    let mut fleet = Fleet {
        name: "fleet".into(),
        ..Fleet::default()
    };
    let mut names = Vec::new();
    let mut counts = Counts::default();
    let mut stead = None;
    for piece in piece::all(&sheets, &known) {
        piece.problems.into_iter().for_each(|p| report.push(p));
        counts.add(&piece.counts);
        names.extend(piece.names);
        match (piece.host, piece.part) {
            (Some(host), Part::Node(node)) => {
                let services = fleet.nodes.remove(&host).unwrap_or_default().services;
                fleet.nodes.insert(host, Node { services, ..node });
            }
            (Some(host), Part::Services(services)) => {
                fleet.nodes.entry(host).or_default().services = services
            }
            (Some(host), Part::Nothing) => {
                fleet.nodes.entry(host).or_default();
            }
            (None, Part::Stead(file)) => stead = Some(file),
            (None, _) => {}
            (Some(_), Part::Stead(_)) => {}
        }
    }
    let stead = stead
        .as_deref()
        .and_then(|file| Some((file.cursor(), file.stead()?)));
    if let Some((at, stead)) = stead {
        if let Some(name) = stead
            .fleet
            .as_deref()
            .map(str::trim)
            .filter(|n| !n.is_empty())
        {
            fleet.name = name.to_owned();
        }
        if let Some(file) = &stead.drill {
            drill::resolve(at, file, &mut fleet, &known, &mut names, &mut report);
        }
        fleet.insight = insight::resolve(at, &stead.insight, &mut report);
        (fleet.inventory, fleet.portainers) = inventory::resolve(at, stead, &mut report);
        if let Some(file) = &stead.status_page {
            fleet.status_page = page::resolve(at, file, &fleet.name, &mut report);
        }
        fleet.policy = policy::resolve(at, &stead.policy, &known, &names, &mut report);
        fleet.metrics = metrics::resolve(at, stead, &known, &mut report);
        fleet.loki = loki::resolve(at, stead, &known, &mut report);
        (fleet.channels, fleet.routes) = channel::resolve(at, stead, &mut report);
    }
    fleet.aliases = aliases::resolve(stead, options, &known, &mut report);
    relation::collisions(&names, &mut report);
    fleet.notices = counts.lines();

    let problems = tidy(report.into_problems());
    let fleet = problems.iter().all(|p| !p.is_error()).then_some(fleet);
    let files = sheets.iter().map(Sheet::listed).collect();
    Loaded {
        fleet,
        problems,
        files,
    }
}

/// An empty directory, or one that is no fleet, must never look like a fleet without services.
fn presence(tree: &Tree, sheets: &[Sheet<'_>], report: &mut Report) {
    let has_stead = sheets.iter().any(|s| s.kind == FileKind::Stead);
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
    let with_files: BTreeSet<&str> = sheets.iter().filter_map(|s| s.host.as_deref()).collect();
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
fn node_names(sheets: &[Sheet<'_>], report: &mut Report) -> BTreeMap<String, NodeName> {
    let mut names = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for sheet in sheets {
        let Some(host) = &sheet.host else { continue };
        if names.contains_key(host) || refused.contains(host) {
            continue;
        }
        match NodeName::new(host) {
            Ok(name) => {
                names.insert(host.clone(), name);
            }
            Err(error) => {
                refused.insert(host);
                report.push(Problem::of_file(
                    sheet.path,
                    Code::BadName,
                    format!("the folder `{host}` cannot be a node: {}", error.why),
                    "rename it: letters, digits, `-`, `_` and `.`",
                ));
            }
        }
    }
    names
}
