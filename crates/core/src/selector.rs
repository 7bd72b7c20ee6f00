//! Selectors: how people name many things at once.
//!
//! ```text
//! service/*/web-*                 services by node and name
//! node/pi*                        nodes by name
//! service/*/web-* label:site=home a space is "and": those of nodes with that label
//! service/a/x, service/b/y        a comma is "or": in the order they are written
//! ```
//!
//! A selector never means everything by saying nothing: an empty one, and one of which any part matches nothing, is an
//! error.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;

use crate::desired::Node;
use crate::ids::{NodeName, nearest};
use crate::policy::glob;
use crate::subject::Subject;
use crate::world::World;

/// Longest selector read, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// A selector, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<Part>);

/// What stands between two commas.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    text: String,
    /// What it selects; names of nodes and labels only restrict where.
    sort: Sort,
    nodes: Vec<String>,
    names: Vec<String>,
    labels: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Node,
    Service,
    Container,
    Unit,
}

impl Sort {
    const ALL: [(&'static str, Sort); 4] = [
        ("node", Sort::Node),
        ("service", Sort::Service),
        ("container", Sort::Container),
        ("unit", Sort::Unit),
    ];

    fn word(self) -> &'static str {
        Sort::ALL
            .iter()
            .find(|(_, sort)| *sort == self)
            .map_or("", |(word, _)| word)
    }
}

/// Why a selector selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// Has a page under `docs/errors/`.
    pub code: &'static str,
    pub detail: String,
    pub remedy: String,
}

fn bad(detail: String) -> Problem {
    Problem {
        code: "bad-selector",
        detail,
        remedy:
            "write service/NODE/NAME, node/NAME or label:KEY=VALUE with * and ? in place of text; \
                 a space is \"and\", a comma is \"or\""
                .to_string(),
    }
}

impl FromStr for Selector {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Selector, Problem> {
        if text.trim().is_empty() {
            return Err(Problem {
                code: "no-targets",
                detail:
                    "the selector is empty, and nothing means nothing: it never means everything"
                        .to_string(),
                remedy: "say what it is about: service/NODE/NAME, node/NAME or label:KEY=VALUE"
                    .to_string(),
            });
        }
        if text.len() > MAX_LENGTH {
            return Err(bad(format!("a selector has {MAX_LENGTH} bytes at most")));
        }
        let parts = text.split(',').map(Part::read);
        Ok(Selector(parts.collect::<Result<_, _>>()?))
    }
}

impl Part {
    fn read(text: &str) -> Result<Part, Problem> {
        let mut part = Part {
            text: text.trim().to_string(),
            sort: Sort::Node,
            nodes: Vec::new(),
            names: Vec::new(),
            labels: Vec::new(),
        };
        if part.text.is_empty() {
            return Err(bad("there is nothing beside a comma".to_string()));
        }
        for term in text.split_whitespace() {
            part.take(term)?;
        }
        Ok(part)
    }

    fn take(&mut self, term: &str) -> Result<(), Problem> {
        if let Some(label) = term.strip_prefix("label:") {
            let (key, value) = label
                .split_once('=')
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
                .ok_or_else(|| bad(format!("{term:?} is no label: write label:KEY=VALUE")))?;
            self.labels.push((key.to_string(), value.to_string()));
            return Ok(());
        }
        let mut words = term.split('/');
        let kind = words.next().unwrap_or("");
        let found = Sort::ALL.iter().find(|(word, _)| *word == kind);
        let Some((_, sort)) = found else {
            let near = nearest(kind, Sort::ALL.iter().map(|(word, _)| *word));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean {near}/?)"));
            return Err(bad(format!("{term:?} begins with no known kind{near}")));
        };
        let names: Vec<&str> = words.collect();
        let wanted = if *sort == Sort::Node { 1 } else { 2 };
        if names.len() != wanted || names.iter().any(|name| name.is_empty()) {
            let form = if wanted == 1 { "NAME" } else { "NODE/NAME" };
            return Err(bad(format!("{term:?} is not {kind}/{form}")));
        }
        self.nodes.push(names[0].to_string());
        let Some(name) = names.get(1) else {
            return Ok(());
        };
        if self.sort != Sort::Node && self.sort != *sort {
            return Err(bad(format!(
                "{:?} asks for what is a {} and a {} at once",
                self.text,
                self.sort.word(),
                sort.word()
            )));
        }
        self.sort = *sort;
        self.names.push(name.to_string());
        Ok(())
    }

    fn is_on(&self, name: &NodeName, node: &Node) -> bool {
        let labelled = |(key, wanted): &(String, String)| {
            let value = node.labels.get(key);
            value.is_some_and(|value| glob(wanted, value))
        };
        self.nodes
            .iter()
            .all(|pattern| glob(pattern, name.as_str()))
            && self.labels.iter().all(labelled)
    }

    fn fits(&self, name: &str) -> bool {
        self.names.iter().all(|pattern| glob(pattern, name))
    }

    /// What it matches, by name.
    fn select(&self, world: &World) -> Vec<Subject> {
        let nodes = world.fleet.nodes.iter();
        nodes
            .filter(|(name, node)| self.is_on(name, node))
            .flat_map(|(name, node)| self.on(world, name, node))
            .collect()
    }

    fn on(&self, world: &World, name: &NodeName, node: &Node) -> Vec<Subject> {
        let state = world.node(name);
        match self.sort {
            Sort::Node => alloc::vec![Subject::Node(name.clone())],
            // What is not monitored is skipped as if no file named it.
            Sort::Service => node
                .services
                .iter()
                .filter(|(service, desired)| desired.monitor && self.fits(service.as_str()))
                .map(|(service, _)| Subject::Service(name.clone(), service.clone()))
                .collect(),
            Sort::Container => state
                .into_iter()
                .flat_map(|state| state.containers())
                .filter(|(container, _, _)| self.fits(container.as_str()))
                .map(|(container, _, _)| Subject::Container(name.clone(), container.clone()))
                .collect(),
            Sort::Unit => state
                .into_iter()
                .flat_map(|state| state.units())
                .filter(|(unit, _, _)| self.fits(unit.as_str()))
                .map(|(unit, _, _)| Subject::Unit(name.clone(), unit.clone()))
                .collect(),
        }
    }
}

impl Selector {
    /// What it selects now: in the order of its parts, by name within each, everything once. A part that matches nothing
    /// is refused, because it is probably a slip of the finger.
    pub fn select(&self, world: &World) -> Result<Vec<Subject>, Problem> {
        let mut seen = BTreeSet::new();
        let mut selected = Vec::new();
        for part in &self.0 {
            let found = part.select(world);
            if found.is_empty() {
                return Err(nothing(world, part));
            }
            selected.extend(found.into_iter().filter(|s| seen.insert(s.clone())));
        }
        Ok(selected)
    }
}

fn nothing(world: &World, part: &Part) -> Problem {
    let all = Part {
        nodes: Vec::new(),
        names: Vec::new(),
        labels: Vec::new(),
        ..part.clone()
    };
    let known: Vec<String> = all.select(world).iter().map(ToString::to_string).collect();
    let remedy = match nearest(&part.text, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "see `stead services` and `stead nodes` for what there is".to_string(),
    };
    Problem {
        code: "no-targets",
        detail: format!("{:?} matches nothing", part.text),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Fleet, Service, ServiceKind};
    use alloc::sync::Arc;

    fn world() -> World {
        let service = || Service {
            kind: ServiceKind::External,
            monitor: true,
            suspended: false,
            needs: Vec::new(),
            patience: Default::default(),
            checks: Vec::new(),
        };
        let mut fleet = Fleet::default();
        for (node, site, services) in [
            ("pi1", "home", &["web-1", "db"][..]),
            ("pi2", "away", &["web-2"]),
            ("nas", "home", &["web-3", "hidden"]),
        ] {
            let mut desired = Node::default();
            desired.labels.insert("site".into(), site.into());
            for name in services {
                let mut service = service();
                service.monitor = *name != "hidden";
                desired
                    .services
                    .insert(name.parse().expect("a name"), service);
            }
            fleet.nodes.insert(node.parse().expect("a name"), desired);
        }
        World {
            fleet: Arc::new(fleet),
            ..World::default()
        }
    }

    fn select(text: &str) -> Result<Vec<String>, Problem> {
        let found = text.parse::<Selector>()?.select(&world())?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn things_are_selected_by_kind_name_and_label() {
        let of = |text: &str| select(text).unwrap_or_else(|no| panic!("{text}: {no}"));
        assert_eq!(of("node/pi*"), ["node/pi1", "node/pi2"]);
        assert_eq!(of("label:site=home"), ["node/nas", "node/pi1"]);
        let web = ["service/nas/web-3", "service/pi1/web-1"];
        assert_eq!(of("service/*/web-? label:site=home"), web);
        assert_eq!(of("service/*/web-* node/pi2"), ["service/pi2/web-2"]);
        let either = ["service/pi2/web-2", "node/nas", "node/pi1", "node/pi2"];
        assert_eq!(of("service/pi2/*, node/*"), either);
        assert_eq!(of("node/nas,node/*").len(), 3, "everything once");
    }

    #[test]
    fn nothing_is_never_everything() {
        for empty in ["", " ", "\n"] {
            assert_eq!(select(empty).unwrap_err().code, "no-targets", "{empty:?}");
        }
        for bad in [
            ",",
            "node/a,",
            "*",
            "all",
            "node/",
            "node/a/b",
            "service/web",
            "service//web",
            "label:",
            "label:site",
            "label:=home",
            "service/*/web unit/*/web",
        ] {
            assert_eq!(select(bad).unwrap_err().code, "bad-selector", "{bad:?}");
        }
    }

    #[test]
    fn a_part_that_matches_nothing_is_told_with_what_is_near() {
        let no = select("service/pi1/web-1, service/pi1/bd").unwrap_err();
        assert_eq!(no.code, "no-targets");
        assert!(no.remedy.contains("service/pi1/db"), "{}", no.remedy);
        assert!(select("service/nas/hidden").is_err(), "not monitored");
        let no = select("servce/a/b").unwrap_err();
        assert!(no.detail.contains("service"), "{no}");
    }
}
