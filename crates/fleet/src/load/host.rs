//! `node.yaml`: a machine.

use stead_core::desired::{Access, Node, Ollama, Thresholds};

use super::report::Report;
use super::{syntax, when};
use crate::grammar::node as grammar;
use crate::grammar::scalar::{Percent, Text};
use crate::node::Cursor;
use crate::problem::Code;

pub(super) fn resolve(
    at: Cursor<'_>,
    file: &grammar::NodeFile,
    node: &mut Node,
    report: &mut Report,
) {
    node.labels = file
        .labels
        .iter()
        .map(|(k, Text(v))| (k.clone(), v.clone()))
        .collect();
    node.access = match file.access {
        Some(grammar::Access::Inspector) => Access::Inspector,
        Some(grammar::Access::Operator) | None => Access::Operator,
    };
    node.strict = file.strict.unwrap_or(false);
    node.maintenance = when::maintenance(at.get("maintenance"), &file.maintenance, report);
    node.thresholds = thresholds(at.get("thresholds"), &file.thresholds, report);
    node.ollama = file
        .ollama
        .as_ref()
        .and_then(|file| ollama(at.get("ollama"), file, report));
}

/// Where an Ollama listens that was not told otherwise.
const OLLAMA: &str = "http://127.0.0.1:11434";

fn ollama(at: Cursor<'_>, file: &grammar::Ollama, report: &mut Report) -> Option<Ollama> {
    let url = file.url.as_deref().unwrap_or(OLLAMA);
    syntax::url(at.get("url"), url, report).then(|| Ollama {
        url: url.trim_end_matches('/').to_owned(),
        keep_loaded: file.keep_loaded.map(|d| d.0),
    })
}

fn thresholds(at: Cursor<'_>, file: &grammar::Thresholds, report: &mut Report) -> Thresholds {
    let defaults = Thresholds::default();
    let or = |given: Option<Percent>, default: f64| given.map_or(default, |p| p.0);
    let disk_warn = or(file.disk.warn, defaults.disk_warn);
    let settled = Thresholds {
        // Who lowers the warning without naming the note wants no note above it.
        disk_note: or(file.disk.note, defaults.disk_note.min(disk_warn)),
        disk_warn,
        disk_critical: or(file.disk.critical, defaults.disk_critical),
        steal_warn: or(file.steal.warn, defaults.steal_warn),
        steal_critical: or(file.steal.critical, defaults.steal_critical),
        swap_used_warn: file.swap_used.warn.map_or(defaults.swap_used_warn, |s| s.0),
        swap_cached_warn: file
            .swap_cached
            .warn
            .map_or(defaults.swap_cached_warn, |s| s.0),
        hysteresis: or(file.hysteresis, defaults.hysteresis),
    };
    let mut rises = |place: Cursor<'_>, low: (&str, f64), high: (&str, f64), may_equal: bool| {
        if low.1 < high.1 || may_equal && low.1 == high.1 {
            return;
        }
        // Point at what is written; the other one may be a default.
        let here = if place.has(low.0) {
            place.get(low.0)
        } else {
            place.get(high.0)
        };
        let default = |key: &str| if place.has(key) { "" } else { " (the default)" };
        let message = format!(
            "`{}` is {}%{}, which is not below `{}` with {}%{}",
            low.0,
            low.1,
            default(low.0),
            high.0,
            high.1,
            default(high.0)
        );
        report.value(
            here,
            Code::ThresholdOrder,
            message,
            "let them rise: note, then warn, then critical",
        );
    };
    let disk = at.get("disk");
    rises(
        disk,
        ("note", settled.disk_note),
        ("warn", settled.disk_warn),
        true,
    );
    rises(
        disk,
        ("warn", settled.disk_warn),
        ("critical", settled.disk_critical),
        false,
    );
    let steal = at.get("steal");
    rises(
        steal,
        ("warn", settled.steal_warn),
        ("critical", settled.steal_critical),
        false,
    );
    settled
}
