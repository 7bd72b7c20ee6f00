//! Effects on one container, by its immutable ID.
//!
//! What is certain to have failed says so; what nobody saw the end of is `Unknown`, never a guess.

use std::time::Duration;

use bollard::query_parameters::{
    KillContainerOptions, RestartContainerOptions, StopContainerOptions,
};
use stead_core::command::Outcome;
use stead_core::desired::CANARY_LABEL;
use stead_core::ids::ContainerName;
use stead_core::time::Span;

use super::client::{Client, checked};
use super::translate::Seen;
use super::{Docker, Error};

pub(super) fn refused(code: &str, why: impl Into<String>) -> Outcome {
    Outcome::Refused {
        code: code.into(),
        why: why.into(),
    }
}

/// An effect that did not come back well.
pub(super) fn failed(error: &Error) -> Outcome {
    if error.certain() {
        Outcome::Failed {
            code: error.code().into(),
            why: error.advice(),
            output: String::new(),
        }
    } else {
        Outcome::Unknown {
            why: error.advice(),
        }
    }
}

/// A question that was not answered: nothing was begun, so the failure is certain whatever the error.
pub(super) fn not_begun(error: &Error) -> Outcome {
    match error {
        Error::Input(why) => refused("bad-target", why.clone()),
        error => Outcome::Failed {
            code: error.code().into(),
            why: error.advice(),
            output: String::new(),
        },
    }
}

/// A full ID, and nothing that could become another route of the engine's API.
pub(super) fn full_id(id: &str) -> Result<&str, Outcome> {
    if id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(id)
    } else {
        let shown: String = id.chars().take(80).collect();
        Err(refused(
            "bad-target",
            format!("{shown:?} is not a container's full ID"),
        ))
    }
}

/// The container behind `name` now, if there is one.
pub(super) async fn find(client: &Client, name: &str) -> Result<Option<Seen>, Outcome> {
    match client.inspect(name).await {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(not_begun(&error)),
    }
}

/// Only the container that was planned for.
fn planned(container: &ContainerName, id: &str, now: Option<Seen>) -> Result<Seen, Outcome> {
    let short = |id: &str| id.chars().take(12).collect::<String>();
    match now {
        Some(seen) if seen.id == id => Ok(seen),
        Some(seen) => Err(refused(
            "target-changed",
            format!(
                "{container} is {} now; the plan was made for {}. It was recreated meanwhile.",
                short(&seen.id),
                short(id)
            ),
        )),
        None => Err(refused(
            "target-changed",
            format!("{container} is gone; the plan was made for {}.", short(id)),
        )),
    }
}

/// What is done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Restart,
    Stop,
    KillCanary,
}

impl Verb {
    fn done(self) -> &'static str {
        match self {
            Verb::Restart => "stopped and started",
            Verb::Stop => "stopped",
            Verb::KillCanary => "killed",
        }
    }
}

impl Docker {
    /// Stops and starts the container `id`, if it still is the one called `container`.
    pub async fn restart(&self, container: &ContainerName, id: &str, limit: Duration) -> Outcome {
        self.act(container, id, limit, Verb::Restart).await
    }

    /// Stops the container `id`, if it still is the one called `container`.
    pub async fn stop(&self, container: &ContainerName, id: &str, limit: Duration) -> Outcome {
        self.act(container, id, limit, Verb::Stop).await
    }

    /// Kills the container `id`, if it still is the one called `container` and carries the canary's label: no other
    /// container is ever broken on purpose.
    pub async fn kill_canary(
        &self,
        container: &ContainerName,
        id: &str,
        limit: Duration,
    ) -> Outcome {
        self.act(container, id, limit, Verb::KillCanary).await
    }

    async fn act(
        &self,
        container: &ContainerName,
        id: &str,
        limit: Duration,
        verb: Verb,
    ) -> Outcome {
        match self.try_act(container, id, limit, verb).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn try_act(
        &self,
        container: &ContainerName,
        id: &str,
        limit: Duration,
        verb: Verb,
    ) -> Result<Outcome, Outcome> {
        let id = full_id(id)?;
        let name = checked(container.as_str()).map_err(|error| not_begun(&error))?;
        let client = self.client().await.map_err(|error| not_begun(&error))?;
        let seen = planned(container, id, find(&client, name).await?)?;
        let is_canary = |seen: &Seen| {
            seen.facts
                .labels
                .get(CANARY_LABEL)
                .is_some_and(|v| v == "true")
        };
        if verb == Verb::KillCanary && !is_canary(&seen) {
            return Err(refused(
                "no-canary",
                format!(
                    "{container} has no label {CANARY_LABEL}=true: only a canary is broken on purpose"
                ),
            ));
        }
        let _claim = self.claim(
            id,
            Span(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX / 2)),
        );
        let engine = client.patient(limit);
        let done = match verb {
            Verb::Restart => {
                let restart = engine.restart_container(id, None::<RestartContainerOptions>);
                client.run(limit, restart).await
            }
            Verb::Stop => {
                let stop = engine.stop_container(id, None::<StopContainerOptions>);
                client.run(limit, stop).await
            }
            Verb::KillCanary => {
                let kill = engine.kill_container(id, None::<KillContainerOptions>);
                client.run(limit, kill).await
            }
        };
        match done {
            Ok(()) => Ok(Outcome::Done {
                output: format!("{container} was {}.", verb.done()),
                freed: None,
            }),
            Err(error) if error.not_found() => {
                Err(refused("target-changed", format!("{container} is gone.")))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_ids_are_acted_on() {
        assert!(full_id(&"a1".repeat(32)).is_ok());
        for bad in [
            "",
            "a1",
            "web",
            "../../images/prune",
            &"g".repeat(64),
            &format!("{}/..", "a".repeat(61)),
        ] {
            assert!(
                matches!(full_id(bad), Err(Outcome::Refused { code, .. }) if code == "bad-target"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_break_after_sending_is_unknown_and_a_refusal_is_certain() {
        let unknown = |error: Error| matches!(failed(&error), Outcome::Unknown { .. });
        assert!(unknown(Error::Hangs(Duration::from_secs(1))));
        assert!(unknown(Error::Lost("reset".into())));
        assert!(!unknown(Error::Refused("unix:///x".into())));
        assert!(!unknown(Error::Engine {
            status: 500,
            message: "no".into()
        }));
        assert!(!matches!(
            not_begun(&Error::Hangs(Duration::from_secs(1))),
            Outcome::Unknown { .. }
        ));
    }
}
