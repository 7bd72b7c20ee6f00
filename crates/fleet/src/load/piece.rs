//! What one file adds to the fleet. Each file is judged alone, so that many can be judged at once; what lies between
//! files is judged from what the pieces keep.

use std::collections::BTreeMap;

use stead_core::desired::{Node, Service};
use stead_core::ids::{NodeName, ServiceName};

use super::notice::Counts;
use super::read::{Content, File, Sheet};
use super::report::Report;
use super::{host, job, relation, service};
use crate::grammar::service::ServicesFile;
use crate::node::Mark;
use crate::problem::Problem;

/// Fewer files than this are not worth a thread.
const WORTH_A_THREAD: usize = 64;
/// Threads at most.
const THREADS: usize = 8;

/// What one file adds.
#[derive(Debug)]
pub(super) struct Piece {
    pub host: Option<NodeName>,
    pub part: Part,
    pub names: Vec<Named>,
    pub counts: Counts,
    pub problems: Vec<Problem>,
}

#[derive(Debug)]
pub(super) enum Part {
    Stead(Box<File>),
    /// Without its services.
    Node(Node),
    Services(BTreeMap<ServiceName, Service>),
    Nothing,
}

/// A service by name, and where it stands.
#[derive(Debug)]
pub(super) struct Named {
    pub host: String,
    pub service: String,
    pub file: String,
    pub at: Mark,
}

/// The pieces of all files, in the order of the files.
pub(super) fn all(sheets: &[Sheet<'_>], known: &BTreeMap<String, NodeName>) -> Vec<Piece> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = cores.min(THREADS).min(sheets.len() / WORTH_A_THREAD).max(1);
    if threads == 1 {
        return sheets.iter().map(|sheet| piece(sheet, known)).collect();
    }
    let share = sheets.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let work: Vec<_> = sheets
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || chunk.iter().map(|s| piece(s, known)).collect::<Vec<_>>())
            })
            .collect();
        work.into_iter()
            .flat_map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn piece(sheet: &Sheet<'_>, known: &BTreeMap<String, NodeName>) -> Piece {
    let mut report = Report::new(&[]);
    let file = sheet.read(&mut report);
    let host = sheet.host.as_deref().and_then(|h| known.get(h)).cloned();
    let at = file.cursor();
    let counts = Counts::of(&file.content);
    let mut names = Vec::new();
    let part = match (&file.content, &host) {
        (Content::Node(content), Some(_)) => {
            let mut node = Node::default();
            host::resolve(at, content, &mut node, &mut report);
            Part::Node(node)
        }
        (Content::Services(content), Some(host)) => {
            let here = at.get("services");
            names.extend(content.services.keys().map(|service| Named {
                host: host.as_str().to_owned(),
                service: service.clone(),
                file: sheet.path.to_owned(),
                at: here.get(service).key_at(),
            }));
            Part::Services(services(&file, content, host, known, &mut report))
        }
        (Content::Jobs(content), Some(_)) => {
            job::review(at, content, &mut report);
            Part::Nothing
        }
        (Content::Runbook(content), _) => {
            job::review_runbook(at, content, known, &mut report);
            Part::Nothing
        }
        (Content::Stead(_), _) => Part::Stead(Box::new(file)),
        // In a folder whose name is no node name; that has been said.
        (Content::Node(_) | Content::Services(_) | Content::Jobs(_), None) => Part::Nothing,
    };
    Piece {
        host,
        part,
        names,
        counts,
        problems: report.into_problems(),
    }
}

fn services(
    file: &File,
    content: &ServicesFile,
    name: &NodeName,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> BTreeMap<ServiceName, Service> {
    let at = file.cursor().get("services");
    let resolved = content
        .services
        .iter()
        .filter_map(|(key, service)| {
            service::resolve(at.get(key), key, service, name, known, report)
        })
        .collect();
    relation::needs(at, content, report);
    relation::claims(at, content, report);
    resolved
}
