//! A memory limit as a patch to a compose file: the text as its owner wrote it, with one or two lines changed. Row R10.
//!
//! Comments, order, quotes and line ends stay. The patch is made in the style the file has (`mem_limit`, or
//! `deploy.resources`), and only where the place is beyond doubt: after the edit the file is read again, and it must say
//! what it said before and the new values, and nothing else. In all other cases the answer is what to write and where, for
//! a person. Nothing here writes a file.
//!
//! | module | its noun |
//! |---|---|
//! | this | what is wanted, and whether the result says it |
//! | [`block`] | a key in a block of text: where it stands, where it would go |
//! | [`diff`] | two texts as a unified diff |

mod block;
mod diff;

use serde::Serialize;
use stead_core::insight::memory_advice::compose_size;

use crate::grammar::scalar;
use crate::node::{Cursor, Entry, Mark, Node, Scalar, Value};
use crate::yaml;

const LIMIT: [&[&str]; 2] = [&["mem_limit"], &["deploy", "resources", "limits", "memory"]];
const RESERVATION: [&[&str]; 2] = [
    &["mem_reservation"],
    &["deploy", "resources", "reservations", "memory"],
];
/// Names of services that are listed when the wanted one is not there.
const LISTED: usize = 20;

/// What a service of a compose file should have. Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory<'a> {
    pub service: &'a str,
    pub limit: u64,
    pub reservation: Option<u64>,
}

/// How a compose file writes memory limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `mem_limit`, `mem_reservation`.
    MemLimit,
    /// `deploy.resources`.
    Deploy,
}

impl Style {
    fn path(self, of: &'static [&'static [&'static str]; 2]) -> &'static [&'static str] {
        match self {
            Style::MemLimit => of[0],
            Style::Deploy => of[1],
        }
    }
}

/// A change that is certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    pub style: Style,
    /// The whole file, changed.
    pub text: String,
    /// For people, `git apply` and `patch -p1`; empty when the file says it already.
    pub diff: String,
}

/// The place is not certain: what a person can write, and why it is left to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{why}; write it by hand:\n{put}")]
pub struct ByHand {
    pub why: String,
    /// The lines, as they would stand in a file of their own.
    pub put: String,
}

/// The change to `text`, the compose file called `file`, that gives a service its memory limit.
pub fn memory_patch(file: &str, text: &str, memory: &Memory<'_>) -> Result<Patch, ByHand> {
    let mut style = Style::MemLimit;
    let changed = change(file, text, memory, &mut style);
    let text_after = changed.map_err(|why| ByHand {
        why,
        put: put(memory, style),
    })?;
    Ok(Patch {
        style,
        diff: diff::unified(file, text, &text_after),
        text: text_after,
    })
}

fn change(
    file: &str,
    text: &str,
    memory: &Memory<'_>,
    style: &mut Style,
) -> Result<String, String> {
    let before = read(file, text)?;
    let services = Cursor::root(file, &before).get("services");
    check(services, memory)?;
    *style = style_of(services, memory.service)?;
    let mut after = text.to_owned();
    let mut wanted = before.clone();
    for (path, value) in values(memory, *style) {
        let tree = read(file, &after)?;
        let whole: Vec<&str> = ["services", memory.service]
            .into_iter()
            .chain(path.iter().copied())
            .collect();
        after = block::set(&after, &tree, &whole, &value)?;
        set(&mut wanted, &whole, &value);
    }
    let mut got = read(file, &after).map_err(|_| "the change would break the file".to_owned())?;
    got.sort();
    wanted.sort();
    if !same(&got, &wanted) {
        return Err(
            "the change would reach further than this service: it is shared through an anchor or merged from elsewhere".into(),
        );
    }
    Ok(after)
}

fn read(file: &str, text: &str) -> Result<Node, String> {
    let (mut tree, problems) =
        yaml::parse(file, text).map_err(|p| format!("line {}: {}", p.line, p.message))?;
    if let Some(problem) = problems.first() {
        return Err(format!("line {}: {}", problem.line, problem.message));
    }
    tree.sort();
    Ok(tree)
}

/// Whether there is such a service, and nothing in it contradicts the limit.
fn check(services: Cursor<'_>, memory: &Memory<'_>) -> Result<(), String> {
    let service = services.get(memory.service);
    if !services.has(memory.service) {
        let names = services.keys();
        let shown = names
            .iter()
            .take(LISTED)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        return Err(format!(
            "the file has no service `{}`; it has: {shown}",
            memory.service
        ));
    }
    let swap = service.get("memswap_limit");
    // -1 is no size: it stands for no bound, and so does 0.
    let too_small =
        |text: &str| scalar::size(text).is_ok_and(|swap| swap > 0 && swap < memory.limit);
    if service.has("memswap_limit") && swap.text().is_some_and(too_small) {
        return Err(format!(
            "`memswap_limit` on line {} is smaller than the new limit, and the engine refuses that; raise or remove it first",
            swap.at().line
        ));
    }
    Ok(())
}

/// The style of the service, else the one the file has more of, else `mem_limit`.
fn style_of(services: Cursor<'_>, service: &str) -> Result<Style, String> {
    let styles = |name: &str| {
        let has = |style: Style| {
            [&LIMIT, &RESERVATION]
                .into_iter()
                .any(|key| reaches(services.get(name), style.path(key)))
        };
        (has(Style::MemLimit), has(Style::Deploy))
    };
    match styles(service) {
        (true, true) => {
            return Err(
                "the service has both `mem_limit` and `deploy.resources`; keep one of the two"
                    .into(),
            );
        }
        (true, false) => return Ok(Style::MemLimit),
        (false, true) => return Ok(Style::Deploy),
        (false, false) => {}
    }
    let (mut short, mut deploy) = (0, 0);
    for name in services.keys() {
        let (has_short, has_deploy) = styles(name);
        short += u32::from(has_short);
        deploy += u32::from(has_deploy);
    }
    Ok(if deploy > short {
        Style::Deploy
    } else {
        Style::MemLimit
    })
}

fn reaches(from: Cursor<'_>, path: &[&str]) -> bool {
    let mut at = from;
    path.iter().all(|key| {
        let there = at.has(key);
        at = at.get(key);
        there
    })
}

fn values(memory: &Memory<'_>, style: Style) -> Vec<(&'static [&'static str], String)> {
    let limit = (style.path(&LIMIT), compose_size(memory.limit));
    let reservation = memory
        .reservation
        .map(|n| (style.path(&RESERVATION), compose_size(n)));
    std::iter::once(limit).chain(reservation).collect()
}

/// The lines in a file of their own.
fn put(memory: &Memory<'_>, style: Style) -> String {
    let mut text = format!(
        "services:\n  {}:\n",
        crate::init::yaml::text(memory.service)
    );
    let mut open: Vec<&str> = Vec::new();
    for (path, value) in values(memory, style) {
        let (leaf, folders) = path.split_last().unwrap_or((&"", &[]));
        let shared = open.iter().zip(folders).take_while(|(a, b)| a == b).count();
        for (depth, key) in folders.iter().enumerate().skip(shared) {
            text.push_str(&format!("{}{key}:\n", "  ".repeat(depth + 2)));
        }
        text.push_str(&format!(
            "{}{leaf}: {value}\n",
            "  ".repeat(folders.len() + 2)
        ));
        open = folders.to_vec();
    }
    text
}

/// What the file should say afterwards.
fn set(node: &mut Node, path: &[&str], value: &str) {
    let Some((key, rest)) = path.split_first() else {
        node.value = Value::Scalar(Scalar::Text, value.to_owned());
        return;
    };
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else {
        return;
    };
    let place = entries
        .iter()
        .position(|entry| entry.key == *key)
        .unwrap_or_else(|| {
            entries.push(Entry {
                key: (*key).to_owned(),
                key_at: Mark::default(),
                value: Node::null(),
            });
            entries.len() - 1
        });
    set(&mut entries[place].value, rest, value);
}

/// Whether two sorted trees say the same, wherever they say it.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Null, Value::Null) => true,
        (Value::Scalar(a_kind, a), Value::Scalar(b_kind, b)) => a == b && a_kind == b_kind,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.key == b.key && same(&a.value, &b.value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
