//! `loki:`: an address that can be asked, labels that can be, nodes that are there.

use std::collections::BTreeMap;

use stead_core::desired::{Loki, LokiLabels};
use stead_core::ids::NodeName;

use super::metrics::{Credentials, door, label_name, nodes};
use super::report::Report;
use crate::grammar::stead::SteadFile;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Longest name of a tenant that Loki itself takes.
const TENANT: usize = 150;

pub(super) fn resolve(
    at: Cursor<'_>,
    file: &SteadFile,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> Option<Loki> {
    let file = file.loki.as_ref()?;
    let at = at.get("loki");
    let access = Credentials {
        token: &file.token,
        username: &file.username,
        password: &file.password,
    };
    let door = door(at, &file.url, access, report);
    if let Some(tenant) = &file.tenant {
        // What goes into a header: more than one tenant is separated by `|`.
        let usable = !tenant.is_empty()
            && tenant.len() <= TENANT
            && tenant.bytes().all(|b| b.is_ascii_graphic());
        if !usable {
            let message = format!("{:?} is no tenant", shorten(tenant));
            let help =
                "write letters, digits and signs without spaces, several with `|` between them";
            report.value(at.get("tenant"), Code::BadName, message, help);
        }
    }
    let labels = &file.labels;
    for (key, label) in [
        ("node", &labels.node),
        ("container", &labels.container),
        ("unit", &labels.unit),
    ] {
        if let Some(label) = label {
            label_name(at.get("labels").get(key), label, report);
        }
    }
    let nodes = nodes(at.get("nodes"), &file.nodes, known, report);
    Some(Loki {
        door: door?,
        tenant: file.tenant.clone(),
        labels: LokiLabels {
            node: labels.node.clone(),
            container: labels.container.clone(),
            unit: labels.unit.clone(),
        },
        nodes,
    })
}
