//! What the files ask for that this build does not act on yet: one line a kind, so that nobody waits for nothing.

use stead_core::action::ActionKind;

use super::read::Content;
use crate::grammar::service::Kind;

/// How often each kind is asked for, in the order of [`WORDS`].
#[derive(Debug, Clone, Default)]
pub(super) struct Counts([usize; WORDS.len()]);

const WORDS: [(&str, &str); 9] = [
    ("jobs", "this build does not run them yet"),
    ("backups", "this build does not verify them yet"),
    ("runbooks", "this build does not carry them out yet"),
    (
        "channels that are no webhook",
        "this build does not deliver to them yet",
    ),
    (
        "routes to such channels alone",
        "this build does not deliver to them yet",
    ),
    ("services of kind loop", "this build does not run them yet"),
    (
        "services of kind instance",
        "this build does not manage them yet",
    ),
    ("nodes with a console", "this build has no console yet"),
    (
        "repairs by actions to come",
        "this build only tells where they apply",
    ),
];

/// Actions that the core has steps for.
const CARRIED_OUT: [ActionKind; 9] = [
    ActionKind::ContainerRestart,
    ActionKind::Redeploy,
    ActionKind::UnitRestart,
    ActionKind::DiskCleanup,
    ActionKind::WorkloadStop,
    ActionKind::LockClear,
    ActionKind::ModelLoad,
    ActionKind::ModelUnload,
    ActionKind::Drill,
];

impl Counts {
    pub fn of(content: &Content) -> Counts {
        let (mut jobs, mut backups, mut runbooks, mut channels, mut routes) = (0, 0, 0, 0, 0);
        let (mut loops, mut instances, mut consoles, mut repairs) = (0, 0, 0, 0);
        match content {
            Content::Stead(stead) => {
                let silent = |name: &String| {
                    let found = stead.channels.get(name);
                    found.is_some_and(|channel| channel.webhook.is_none())
                };
                channels = stead.channels.keys().filter(|name| silent(name)).count();
                let all_silent = |to: &[String]| !to.is_empty() && to.iter().all(silent);
                routes = stead.routes.iter().filter(|r| all_silent(&r.to)).count();
                let to_come = |action: &str| {
                    let kind = ActionKind::from_word(action);
                    action != "none" && kind.is_none_or(|kind| !CARRIED_OUT.contains(&kind))
                };
                let actions = stead
                    .policy
                    .repairs
                    .iter()
                    .filter_map(|r| r.action.as_deref());
                repairs = actions.filter(|action| to_come(action)).count();
            }
            Content::Node(node) => {
                consoles = usize::from(node.console == Some(true));
            }
            Content::Services(services) => {
                let of = |kind| {
                    services
                        .services
                        .values()
                        .filter(|s| s.kind == Some(kind))
                        .count()
                };
                loops = of(Kind::Loop);
                instances = of(Kind::Instance);
            }
            Content::Jobs(content) => {
                jobs = content.jobs.len();
                backups = content.backups.len();
            }
            Content::Runbook(_) => runbooks = 1,
        }
        Counts([
            jobs, backups, runbooks, channels, routes, loops, instances, consoles, repairs,
        ])
    }

    pub fn add(&mut self, other: &Counts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    pub fn lines(&self) -> Vec<String> {
        self.0
            .iter()
            .zip(WORDS)
            .filter(|(count, _)| **count > 0)
            .map(|(count, (what, why))| format!("{what} ({count}): read and checked, but {why}"))
            .collect()
    }
}
