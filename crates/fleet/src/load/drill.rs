//! `drill:`: the canary that Stead owns, and its service among those of its node.

use std::collections::BTreeMap;

use stead_core::desired::{Access, CANARY, Drill, Fleet, ServiceKind};
use stead_core::ids::NodeName;
use stead_core::time::Span;

use super::piece::Named;
use super::report::Report;
use super::{container, syntax};
use crate::grammar::drill as grammar;
use crate::grammar::when;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Noticed, mended and said within this time, where the file does not say.
const WITHIN: Span = Span::secs(60);
/// Less than this no engine needs to restart a container.
const LEAST: Span = Span::secs(1);

/// Reads the drill into `fleet`; `names` get the canary's, so that its action IDs cannot collide unseen.
pub(super) fn resolve(
    at: Cursor<'_>,
    file: &grammar::Drill,
    fleet: &mut Fleet,
    known: &BTreeMap<String, NodeName>,
    names: &mut Vec<Named>,
    report: &mut Report,
) {
    let at = at.get("drill");
    let command = file
        .command
        .as_ref()
        .and_then(|c| syntax::words(at.get("command"), c, report));
    if let Some(image) = &file.image {
        container::image_fits(at.get("image"), image, report);
    }
    let within = file.within.map_or(WITHIN, |d| d.0);
    if within < LEAST {
        report.value(
            at.get("within"),
            Code::OutOfRange,
            "`within` is shorter than any repair takes",
            "write 1s or more; 60s is the default",
        );
    }
    let schedule = file.schedule.as_ref().map(|s| schedule(at, &s.0, report));
    let Some(text) = &file.node else { return };
    let Some(node) = known.get(text) else {
        let help = match report.near(text, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name a node that has a folder under hosts/".to_owned(),
        };
        let message = format!("there is no node {:?} under hosts/", shorten(text));
        report.value(at.get("node"), Code::UnknownNode, message, help);
        return;
    };
    let Some(image) = file.image.clone() else {
        return;
    };
    names.push(Named {
        host: node.as_str().to_owned(),
        service: CANARY.to_owned(),
        file: at.file.to_owned(),
        at: at.get("node").at(),
    });
    let drill = Drill {
        node: node.clone(),
        image,
        command,
        schedule,
        within,
    };
    if place(at.get("node"), &drill, fleet, report) {
        fleet.drill = Some(drill);
    }
}

fn schedule(at: Cursor<'_>, text: &str, report: &mut Report) -> String {
    // The library that runs it has no word for it.
    let text = if text == "@midnight" { "@daily" } else { text };
    if !when::ever(text) {
        report.value(
            at.get("schedule"),
            Code::ScheduleNever,
            format!("{:?} names no instant that ever comes", shorten(text)),
            "name a day that the month has: 0 5 28 * *",
        );
    }
    text.to_owned()
}

/// Puts the canary among the services of its node; false where that cannot be.
fn place(at: Cursor<'_>, drill: &Drill, fleet: &mut Fleet, report: &mut Report) -> bool {
    let Some((name, service)) = drill.service() else {
        return false;
    };
    let node = fleet.nodes.entry(drill.node.clone()).or_default();
    if node.access == Access::Inspector {
        report.value(
            at,
            Code::DrillOnInspector,
            format!(
                "Stead only looks at {}, so it cannot mend anything there",
                drill.node
            ),
            "name a node with `access: operator`",
        );
        return false;
    }
    let claims = |kind: &ServiceKind| matches!(kind, ServiceKind::Container { container, .. } if *container == CANARY);
    let taken = node
        .services
        .iter()
        .find(|(other, service)| **other == name || claims(&service.kind));
    if let Some((other, _)) = taken {
        let message = format!(
            "service `{other}` on `{}` is or claims `{CANARY}`, which is the drill's own",
            drill.node
        );
        let help = format!(
            "rename that service and its container, or remove `drill`: only Stead makes {CANARY}"
        );
        report.value(at, Code::DrillNameTaken, message, help);
        return false;
    }
    node.services.insert(name, service);
    true
}
