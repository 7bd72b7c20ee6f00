//! What a crash left open: orders whose intent is on disk and whose result is not.
//!
//! They are settled by looking, never by doing: the effect shows → done; everything is as it was, for longer than the
//! effect could still have been on its way → void, and the order may be carried out if the server gives it again; what
//! cannot be told is unknown.

use std::time::Duration;

use stead_core::command::{Command, Outcome};
use stead_core::time::Span;

use super::Desk;
use crate::journal::evidence::Sight;
use crate::journal::ledger::{Entry, Intent, Key};

/// Time for an effect to show once it happened.
const SETTLE: Duration = Duration::from_secs(2);

/// What looking found.
#[derive(Debug, PartialEq)]
enum Found {
    Ended(Outcome),
    Void,
}

impl Desk {
    /// Begins to settle what was left open. Orders for the same targets wait until that is done.
    pub fn recover(&self) -> usize {
        let open: Vec<Intent> = self.0.journal.ledger().open().cloned().collect();
        let mut queue = self.queue();
        for intent in &open {
            queue.recovering.insert(Key::of(&intent.order), None);
            queue.busy.insert(intent.order.target.clone());
        }
        drop(queue);
        for intent in open.iter().cloned() {
            let desk = self.clone();
            self.0.tasks.spawn(async move { desk.settle(intent).await });
        }
        open.len()
    }

    async fn settle(&self, intent: Intent) {
        let key = Key::of(&intent.order);
        let found = {
            let length = Span(intent.order.timeout_ms.saturating_add(60_000));
            let _claim = self.0.hands.claim(&intent.order.command, length);
            self.look(&intent).await
        };
        tracing::info!(
            action = key.action,
            ?found,
            "an order cut short was looked into"
        );
        match found {
            Found::Ended(outcome) => self.end(key.clone(), outcome).await,
            Found::Void => {
                if let Err(error) = self
                    .0
                    .journal
                    .write(Entry::Void { key: key.clone() }, &self.now())
                    .await
                {
                    tracing::error!(%error, "cannot be carried out again: {}", error.remedy());
                }
            }
        }
        let again = {
            let mut queue = self.queue();
            queue.busy.remove(&intent.order.target);
            queue.recovering.remove(&key).flatten()
        };
        // Whoever repeated the order meanwhile gets its result, or gets it carried out; others waited for the target.
        if let Some(held) = again {
            self.submit_at(held.order, held.came);
        }
        let mut queue = self.queue();
        let target = intent.order.target;
        let waits = queue.waiting.get(&target).is_some_and(|w| !w.is_empty());
        if waits && queue.busy.insert(target.clone()) {
            let desk = self.clone();
            self.0.tasks.spawn(async move { desk.work(target).await });
        }
    }

    async fn look(&self, intent: &Intent) -> Found {
        let board = &self.0.board;
        let _ = board.ready().wait_for(|ready| *ready).await;
        let sight = || board.facts(|facts| intent.evidence.sight(&intent.order.command, facts));
        let passed = Duration::from_millis(self.now().since(&intent.stamp).0);
        let quiet = self.0.hands.quiet(&intent.order.command).await;
        let (short, long) = patience(intent, quiet, passed);
        let effect =
            |facts: &_| intent.evidence.sight(&intent.order.command, facts) == Sight::Effect;
        board.shows(short, effect).await;
        if let Some(found) = verdict(&intent.order.command, sight(), false) {
            return found;
        }
        let told = |facts: &_| {
            verdict(
                &intent.order.command,
                intent.evidence.sight(&intent.order.command, facts),
                false,
            )
            .is_some()
        };
        board.shows(long, told).await;
        verdict(&intent.order.command, sight(), true).unwrap_or(Found::Void)
    }
}

/// How long to wait before "as it was" means "it never happened", and how much longer where that does not tell.
fn patience(intent: &Intent, quiet: Duration, passed: Duration) -> (Duration, Duration) {
    let limit = Duration::from_millis(intent.order.timeout_ms);
    (
        quiet.saturating_sub(passed) + SETTLE,
        limit.saturating_sub(passed).max(SETTLE),
    )
}

/// What a sight means for an order that was cut short; `None`: wait, unless it is the `last` look.
fn verdict(command: &Command, sight: Sight, last: bool) -> Option<Found> {
    let unknown = |why: &str| {
        Some(Found::Ended(Outcome::Unknown {
            why: why.to_owned(),
        }))
    };
    match (command, sight) {
        (_, Sight::Effect) => Some(Found::Ended(Outcome::Done {
            output:
                "The agent ended while this was under way; that it took effect was seen afterwards."
                    .into(),
            freed: None,
        })),
        (Command::DiskCleanup { .. }, _) => unknown("the agent ended while it cleaned up"),
        // What is stopped already stays so: it may simply be done again.
        (
            Command::ContainerStop { .. }
            | Command::UnitStop { .. }
            | Command::ModelLoad { .. }
            | Command::ModelUnload { .. },
            Sight::Between,
        ) => Some(Found::Void),
        // What compose had begun may go on without the agent: only its end of time tells.
        (Command::ComposeUp { .. }, _) if !last => None,
        (Command::ComposeUp { .. }, _) => unknown("the agent ended while compose was at work"),
        (_, Sight::Nothing) => Some(Found::Void),
        (Command::ContainerRestart { .. } | Command::ContainerRecreate { .. }, Sight::Between) => {
            Some(Found::Ended(Outcome::Failed {
                code: "interrupted".into(),
                why: "the agent ended half-way, and the container is not as it was meant to become"
                    .into(),
                output: String::new(),
            }))
        }
        _ if !last => None,
        _ => {
            unknown("the agent ended while this was under way, and it cannot be seen how it ended")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_never_claims_more_than_it_saw() {
        let restart = Command::ContainerRestart {
            container: "web".parse().expect("name"),
            id: "a".into(),
        };
        let compose = Command::ComposeUp {
            path: "/srv".into(),
            file: None,
            project: None,
            services: vec![],
        };
        let unit = Command::UnitRestart {
            unit: "a.service".parse().expect("name"),
        };
        let ended = |found: Option<Found>| match found {
            Some(Found::Ended(outcome)) => Some(outcome),
            _ => None,
        };
        assert!(matches!(
            ended(verdict(&restart, Sight::Effect, false)),
            Some(Outcome::Done { .. })
        ));
        assert_eq!(verdict(&restart, Sight::Nothing, false), Some(Found::Void));
        assert!(matches!(
            ended(verdict(&restart, Sight::Between, false)),
            Some(Outcome::Failed { .. })
        ));
        assert_eq!(
            verdict(&restart, Sight::Blind, false),
            None,
            "an engine that is away says nothing"
        );
        assert!(matches!(
            ended(verdict(&restart, Sight::Blind, true)),
            Some(Outcome::Unknown { .. })
        ));
        assert_eq!(
            verdict(&compose, Sight::Nothing, false),
            None,
            "compose may still be at work"
        );
        assert!(matches!(
            ended(verdict(&compose, Sight::Nothing, true)),
            Some(Outcome::Unknown { .. })
        ));
        assert_eq!(verdict(&unit, Sight::Between, false), None);
        assert_eq!(verdict(&unit, Sight::Nothing, false), Some(Found::Void));
    }
}
