//! `inventory:` and `portainer:`, with the defaults where the files say nothing.

use std::collections::BTreeMap;

use stead_core::desired::{Inventory, Portainer};
use stead_core::time::Span;

use super::report::Report;
use super::syntax;
use crate::grammar::inventory as grammar;
use crate::grammar::stead::SteadFile;
use crate::node::Cursor;
use crate::problem::Code;

/// Ages are told in days.
const LEAST: Span = Span::days(1);

pub(super) fn resolve(
    at: Cursor<'_>,
    file: &SteadFile,
    report: &mut Report,
) -> (Inventory, BTreeMap<String, Portainer>) {
    let mut inventory = Inventory::default();
    let given = &file.inventory;
    if let Some(age) = given.image_max_age {
        inventory.image_max_age = age.0;
    }
    if inventory.image_max_age < LEAST {
        report.value(
            at.get("inventory").get("image_max_age"),
            Code::OutOfRange,
            format!(
                "`image_max_age` is {}: an image is younger than that for an hour or two at most",
                inventory.image_max_age
            ),
            "write at least 1d; leave it out for 30d",
        );
    }
    if let Some(label) = given.cost_label.as_deref().filter(|l| !l.trim().is_empty()) {
        inventory.cost_label = label.trim().to_owned();
    }
    let found = file.portainer.iter().filter_map(|(name, one)| {
        let here = at.get("portainer").get(name);
        Some((name.clone(), portainer(here, one, report)?))
    });
    (inventory, found.collect())
}

fn portainer(at: Cursor<'_>, file: &grammar::Portainer, report: &mut Report) -> Option<Portainer> {
    let (url, key) = (file.url.as_deref()?, file.key.as_deref()?);
    syntax::secret(at.get("key"), key, "`key`", report);
    syntax::url(at.get("url"), url, report).then(|| Portainer {
        url: url.trim_end_matches('/').to_owned(),
        key: key.to_owned(),
    })
}
