//! `history:` and `prometheus:`: tiers that fit together, addresses that can be asked, nodes that are there.

use std::collections::BTreeMap;

use stead_core::desired::{Door, Metrics, Source, Tier};
use stead_core::ids::NodeName;
use stead_core::time::Span;

use super::report::Report;
use super::syntax;
use crate::grammar::metrics as grammar;
use crate::grammar::stead::SteadFile;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Tiers at most.
const TIERS: usize = 8;
/// The finest step there is, and what every step is a multiple of.
const FINEST: Span = Span::secs(10);
/// A tier keeps so many steps at least.
const STEPS: u64 = 100;
/// Nothing is kept longer.
const LONGEST: Span = Span::days(20 * 366);
/// Places that samples are sent to.
const TARGETS: usize = 4;

/// What of `file` is about samples.
pub(super) fn resolve(
    at: Cursor<'_>,
    file: &SteadFile,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> Metrics {
    let history = file.history.clone().unwrap_or_default();
    let prometheus = file.prometheus.clone().unwrap_or_default();
    let here = at.get("prometheus");
    let read = prometheus
        .read
        .as_ref()
        .and_then(|read| source(here.get("read"), read, known, report));
    let record = history.record.unwrap_or(true);
    if !record && prometheus.read.is_none() {
        report.value(
            at.get("history").get("record"),
            Code::NothingRecords,
            "the server is to keep no samples, and nothing else is named that does",
            "name a Prometheus under `prometheus.read`, or remove `record: false`",
        );
    }
    let targets = here.get("remote_write");
    if prometheus.remote_write.len() > TARGETS {
        report.value(
            targets,
            Code::OutOfRange,
            format!(
                "{} places to send samples to",
                prometheus.remote_write.len()
            ),
            format!("name {TARGETS} at most"),
        );
    }
    let tiers = tiers(at.get("history").get("tiers"), &history.tiers, report);
    let write = |(n, file): (usize, &grammar::Write)| {
        let here = targets.item(n);
        let access = Credentials {
            token: &file.token,
            username: &file.username,
            password: &file.password,
        };
        door(here, &file.url, access, report)
    };
    let remote_write = prometheus.remote_write.iter().enumerate();
    Metrics {
        tiers,
        record,
        remote_write: remote_write.filter_map(write).collect(),
        read,
    }
}

pub(super) struct Credentials<'a> {
    pub token: &'a Option<String>,
    pub username: &'a Option<String>,
    pub password: &'a Option<String>,
}

/// An address, and what opens it.
pub(super) fn door(
    at: Cursor<'_>,
    url: &Option<String>,
    access: Credentials<'_>,
    report: &mut Report,
) -> Option<Door> {
    for (key, text) in [("token", access.token), ("password", access.password)] {
        if let Some(text) = text {
            syntax::secret(at.get(key), text, &format!("`{key}`"), report);
        }
    }
    if access.token.is_some() && access.username.is_some() {
        report.key(
            at,
            Code::OneOf,
            "there are a token and a user name",
            "give a `token`, or `username` and `password`",
        );
    }
    let url = url.as_deref()?;
    if !syntax::url(at.get("url"), url, report) {
        return None;
    }
    Some(Door {
        url: url.trim_end_matches('/').to_owned(),
        token: access.token.clone(),
        username: access.username.clone(),
        password: access.password.clone(),
    })
}

fn source(
    at: Cursor<'_>,
    file: &grammar::Read,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> Option<Source> {
    let access = Credentials {
        token: &file.token,
        username: &file.username,
        password: &file.password,
    };
    let door = door(at, &file.url, access, report);
    let label = file.label.clone().unwrap_or_else(|| "instance".to_owned());
    label_name(at.get("label"), &label, report);
    let nodes = nodes(at.get("nodes"), &file.nodes, known, report);
    Some(Source {
        door: door?,
        label,
        nodes,
    })
}

/// Names a label of somebody else's as they may be called.
pub(super) fn label_name(at: Cursor<'_>, label: &str, report: &mut Report) {
    let usable = label
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !usable {
        let message = format!("{:?} is no name of a label", shorten(label));
        let help = "write letters, digits and `_`: instance, host, node";
        report.value(at, Code::BadName, message, help);
    }
}

/// Values that somebody else knows machines by, and the nodes they are.
pub(super) fn nodes(
    at: Cursor<'_>,
    named: &BTreeMap<String, String>,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> BTreeMap<String, NodeName> {
    let mut nodes = BTreeMap::new();
    for (value, name) in named {
        if let Some(node) = known.get(name) {
            nodes.insert(value.clone(), node.clone());
            continue;
        }
        let help = match report.near(name, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name a node that has a folder under hosts/".to_owned(),
        };
        let message = format!("there is no node {:?} under hosts/", shorten(name));
        report.value(at.get(value), Code::UnknownNode, message, help);
    }
    nodes
}

/// Each coarser than the one before by a whole factor, and kept longer. None: the server's own.
fn tiers(at: Cursor<'_>, files: &[grammar::Tier], report: &mut Report) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::new();
    if files.len() > TIERS {
        let message = format!("there are {} tiers", files.len());
        report.value(at, Code::BadTiers, message, format!("name {TIERS} at most"));
    }
    for (n, file) in files.iter().enumerate() {
        let (Some(step), Some(keep)) = (file.step.map(|d| d.0), file.keep.map(|d| d.0)) else {
            continue;
        };
        let tier = Tier { step, keep };
        if let Some((key, message, help)) = wrong(tiers.last(), tier) {
            report.value(at.item(n).get(key), Code::BadTiers, message, help);
        }
        tiers.push(tier);
    }
    tiers
}

fn wrong(before: Option<&Tier>, tier: Tier) -> Option<(&'static str, String, &'static str)> {
    let Tier { step, keep } = tier;
    if step < FINEST || !step.0.is_multiple_of(FINEST.0) {
        let message = format!("a step of {step} cannot be kept");
        return Some(("step", message, "write 10s or a whole multiple of it"));
    }
    if keep.0 / step.0 < STEPS || keep > LONGEST {
        let message = format!("steps of {step} cannot be kept for {keep}");
        let help = "keep a hundred steps at least, and twenty years at most";
        return Some(("keep", message, help));
    }
    let before = before?;
    if step <= before.step || !step.0.is_multiple_of(before.step.0) {
        let message = format!(
            "{step} is no whole multiple of {}, the step before",
            before.step
        );
        return Some(("step", message, "name the finest step first: 10s, 1m, 15m"));
    }
    (keep <= before.keep).then(|| {
        let message = format!(
            "{step} is kept no longer than {}, the finer step",
            before.step
        );
        ("keep", message, "keep what is coarser for longer")
    })
}
