//! `aliases:` and `NODE_ALIAS_MAP`: other names of nodes. One step, never a chain.

use std::collections::BTreeMap;

use stead_core::ids::NodeName;

use super::Options;
use super::report::Report;
use super::syntax;
use crate::grammar::stead::SteadFile;
use crate::node::Cursor;
use crate::problem::{Code, Problem};
use crate::shape::shorten;

/// The name problems of `NODE_ALIAS_MAP` are reported under.
const VARIABLE: &str = "NODE_ALIAS_MAP";

pub(super) fn resolve(
    stead: Option<(Cursor<'_>, &SteadFile)>,
    options: &Options,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> BTreeMap<NodeName, NodeName> {
    let mut all: BTreeMap<&str, (&str, Cursor<'_>)> = BTreeMap::new();
    if let Some((at, file)) = stead {
        let at = at.get("aliases");
        for (from, to) in &file.aliases {
            all.insert(from, (to, at.get(from)));
        }
    }
    let extra = options
        .node_alias_map
        .as_deref()
        .map(|json| variable(json, report))
        .unwrap_or_default();
    for (from, to) in &extra {
        let nowhere = Cursor::nowhere(VARIABLE);
        if let Some((other, _)) = all.insert(from, (to, nowhere))
            && other != to
        {
            let message = format!(
                "`{}` means `{}` in stead.yaml and `{}` here",
                shorten(from),
                shorten(other),
                shorten(to)
            );
            report.value(
                nowhere,
                Code::AliasOverridden,
                message,
                "this one holds; remove one of the two",
            );
        }
    }
    let mut aliases = BTreeMap::new();
    for (from, (to, at)) in &all {
        let names = (
            syntax::name(*at, from, NodeName::new, report),
            syntax::name(*at, to, NodeName::new, report),
        );
        let (Some(from_name), Some(to_name)) = names else {
            continue;
        };
        if fits(from, to, *at, &all, known, report) {
            aliases.insert(from_name, to_name);
        }
    }
    aliases
}

fn fits(
    from: &str,
    to: &str,
    at: Cursor<'_>,
    all: &BTreeMap<&str, (&str, Cursor<'_>)>,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> bool {
    if from == to {
        let message = format!("the alias `{from}` points to itself");
        report.key(at, Code::AliasChain, message, "remove it");
        return false;
    }
    if known.contains_key(from) {
        let message = format!(
            "`{from}` is a node with a folder of its own, so it cannot be an alias of `{to}`"
        );
        report.key(
            at,
            Code::AliasShadows,
            message,
            format!("remove the alias, or merge hosts/{from} into hosts/{to}"),
        );
        return false;
    }
    if let Some((end, looped)) = end_of_chain(to, all) {
        let help = match looped {
            true => "break the circle".to_owned(),
            false => format!("write `{from}: {end}`"),
        };
        report.value(
            at,
            Code::AliasChain,
            format!("`{from}` points to `{to}`, which is itself an alias"),
            help,
        );
        return false;
    }
    if !known.contains_key(to) {
        let help = match report.near(to, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? Otherwise add hosts/{to}/node.yaml"),
            None => format!("add hosts/{to}/node.yaml, or remove the alias"),
        };
        report.value(
            at,
            Code::UnmatchedNode,
            format!("`{from}` points to `{to}`, which has no folder under hosts/"),
            help,
        );
    }
    true
}

/// Where a chain that starts at `name` ends, and whether it never does; `None` where `name` is no alias.
fn end_of_chain<'a>(
    name: &'a str,
    all: &BTreeMap<&'a str, (&'a str, Cursor<'_>)>,
) -> Option<(&'a str, bool)> {
    let mut end = all.get(name)?.0;
    for _ in 0..all.len() {
        match all.get(end) {
            Some((next, _)) => end = next,
            None => return Some((end, false)),
        }
    }
    Some((end, true))
}

fn variable(json: &str, report: &mut Report) -> BTreeMap<String, String> {
    if json.trim().is_empty() {
        return BTreeMap::new();
    }
    serde_json::from_str(json).unwrap_or_else(|error| {
        report.push(Problem::at(
            VARIABLE,
            crate::node::Mark {
                line: u32::try_from(error.line()).unwrap_or(0),
                column: u32::try_from(error.column()).unwrap_or(0),
                length: 0,
            },
            Code::BadAliasMap,
            format!("NODE_ALIAS_MAP cannot be read: {error}"),
            "write a JSON object: {\"node-1\": \"piha\"}",
        ));
        BTreeMap::new()
    })
}
