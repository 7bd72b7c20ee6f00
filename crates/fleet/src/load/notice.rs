//! What the files ask for that this build does not act on yet: one line a kind, so that nobody waits for nothing.

use super::read::{Content, File};
use crate::grammar::service::Kind;

pub(super) fn lines(files: &[File]) -> Vec<String> {
    let (mut jobs, mut backups, mut runbooks, mut loops, mut instances) = (0, 0, 0, 0, 0);
    let (mut channels, mut routes, mut maintenance, mut consoles) = (0, 0, 0, 0);
    for file in files {
        match &file.content {
            Content::Stead(stead) => {
                channels += stead.channels.len();
                routes += stead.routes.len();
            }
            Content::Node(node) => {
                maintenance += usize::from(!node.maintenance.is_empty());
                consoles += usize::from(node.console == Some(true));
            }
            Content::Services(services) => {
                let of = |kind| {
                    services
                        .services
                        .values()
                        .filter(|s| s.kind == Some(kind))
                        .count()
                };
                loops += of(Kind::Loop);
                instances += of(Kind::Instance);
            }
            Content::Jobs(content) => {
                jobs += content.jobs.len();
                backups += content.backups.len();
            }
            Content::Runbook(_) => runbooks += 1,
        }
    }
    [
        (jobs, "jobs", "this build does not run them yet"),
        (backups, "backups", "this build does not verify them yet"),
        (
            runbooks,
            "runbooks",
            "this build does not carry them out yet",
        ),
        (
            channels,
            "channels",
            "this build does not send messages yet",
        ),
        (routes, "routes", "this build does not send messages yet"),
        (
            loops,
            "services of kind loop",
            "this build does not run them yet",
        ),
        (
            instances,
            "services of kind instance",
            "this build does not manage them yet",
        ),
        (
            maintenance,
            "nodes with maintenance windows",
            "this build does not heed them yet",
        ),
        (
            consoles,
            "nodes with a console",
            "this build has no console yet",
        ),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, what, why)| format!("{what} ({count}): read and checked, but {why}"))
    .collect()
}
