//! Replaces a container by one made from its definition, and puts the old one back if that fails.
//!
//! ```text
//!  check ─► image ─► rename old aside ─► create new ─► stop old ─► start new ─► stays up? ─► remove old
//!                                          └──────── fails: remove new, rename back, start old ───┘
//! ```
//!
//! The old container is removed only after the new one runs. What a crash leaves behind (`NAME.stead-aside`) is found
//! and set right by the next attempt.

use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptions,
};
use futures::TryStreamExt;
use stead_core::command::Outcome;
use stead_core::desired::ContainerDef;
use stead_core::facts::ContainerState;
use stead_core::ids::{ContainerName, ServiceName};
use stead_core::time::Span;
use tokio::time::Instant;

use super::act::{failed, find, full_id, not_begun, refused};
use super::client::{Client, checked};
use super::definition;
use super::translate::Seen;
use super::{Docker, Error};

/// Suffix of the old container's name while its successor is made.
pub const ASIDE: &str = ".stead-aside";
/// The new container must stay up this long.
const STAYS_UP: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Undoing gets this long even when the time of the effect is used up.
const UNDO: Duration = Duration::from_secs(20);

/// One replacement under way.
struct Replacement<'a> {
    docker: &'a Docker,
    client: Client,
    name: &'a str,
    aside: String,
    deadline: Instant,
    said: Vec<String>,
}

impl Docker {
    /// Creates `container` from `definition`, in place of the one with ID `replaces` if there is one.
    pub async fn recreate(
        &self,
        service: &ServiceName,
        container: &ContainerName,
        definition: &ContainerDef,
        replaces: Option<&str>,
        limit: Duration,
    ) -> Outcome {
        match self
            .try_recreate(service, container, definition, replaces, limit)
            .await
        {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn try_recreate(
        &self,
        service: &ServiceName,
        container: &ContainerName,
        definition: &ContainerDef,
        replaces: Option<&str>,
        limit: Duration,
    ) -> Result<Outcome, Outcome> {
        let body = definition::body(service, definition).map_err(|invalid| {
            refused(
                "bad-definition",
                format!("{invalid}. Correct it in services.yaml."),
            )
        })?;
        let replaces = replaces.map(full_id).transpose()?;
        let name = checked(container.as_str()).map_err(|error| not_begun(&error))?;
        let client = self.client().await.map_err(|error| not_begun(&error))?;
        let deadline = Instant::now() + limit;
        let aside = format!("{name}{ASIDE}");
        let mut work = Replacement {
            docker: self,
            client,
            name,
            aside,
            deadline,
            said: Vec::new(),
        };
        work.set_right(replaces).await?;
        let old = find(&work.client, name).await?;
        check_target(container, replaces, old.as_ref())?;
        work.image(&definition.image).await?;
        work.replace(body, old).await
    }
}

fn check_target(
    container: &ContainerName,
    planned: Option<&str>,
    now: Option<&Seen>,
) -> Result<(), Outcome> {
    let why = match (planned, now) {
        (None, None) => return Ok(()),
        (Some(id), Some(seen)) if seen.id == id => return Ok(()),
        (Some(_), Some(_)) => format!("{container} was recreated after the plan was made."),
        (None, Some(_)) => format!("{container} exists now; the plan was made when it did not."),
        (Some(_), None) => format!("{container} is gone; the plan was to replace it."),
    };
    Err(refused("target-changed", why))
}

impl Replacement<'_> {
    fn left(&self) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1))
    }

    /// What an attempt that was cut short has left behind.
    async fn set_right(&mut self, replaces: Option<&str>) -> Result<(), Outcome> {
        let Some(aside) = find(&self.client, &self.aside).await? else {
            return Ok(());
        };
        let current = find(&self.client, self.name).await?;
        let halfway = replaces == Some(aside.id.as_str());
        match current {
            // The successor took over; only the last step was missing.
            Some(current) if !halfway || current.id == aside.id => {
                self.remove(&aside.id)
                    .await
                    .map_err(|error| failed(&error))?;
            }
            Some(current) => {
                self.remove(&current.id)
                    .await
                    .map_err(|error| failed(&error))?;
                self.rename(&aside.id, self.name)
                    .await
                    .map_err(|error| failed(&error))?;
            }
            None => self
                .rename(&aside.id, self.name)
                .await
                .map_err(|error| failed(&error))?,
        }
        self.said
            .push("Cleared up after an attempt that was cut short.".into());
        Ok(())
    }

    /// Pulls the image only if it is not here.
    async fn image(&mut self, image: &str) -> Result<(), Outcome> {
        if image.split('/').any(|part| part == "..") || image.contains(['?', '#', '%']) {
            return Err(refused(
                "bad-definition",
                format!("{image:?} is not an image reference."),
            ));
        }
        match self
            .client
            .ask(self.client.engine.inspect_image(image))
            .await
        {
            Ok(_) => return Ok(()),
            Err(error) if error.not_found() => {}
            Err(error) => return Err(not_begun(&error)),
        }
        let options = CreateImageOptionsBuilder::default()
            .from_image(&tagged(image))
            .build();
        let engine = self.client.patient(self.left());
        let pull = engine
            .create_image(Some(options), None, None)
            .try_for_each(|_| async { Ok(()) });
        match self.client.run(self.left(), pull).await {
            Ok(()) => {
                self.said
                    .push(format!("Pulled {image}: it was not on this node."));
                Ok(())
            }
            Err(error) => Err(Outcome::Failed {
                code: "image-missing".into(),
                why: format!(
                    "{image} is not on this node and could not be pulled: {error}. Nothing was changed."
                ),
                output: String::new(),
            }),
        }
    }

    async fn replace(
        mut self,
        body: ContainerCreateBody,
        old: Option<Seen>,
    ) -> Result<Outcome, Outcome> {
        let length = Span(u64::try_from((self.left() + UNDO).as_millis()).unwrap_or(u64::MAX / 2));
        let _claim = old.as_ref().map(|old| self.docker.claim(&old.id, length));
        if let Some(old) = &old {
            self.rename(&old.id, &self.aside)
                .await
                .map_err(|error| failed(&error))?;
        }
        let options = CreateContainerOptionsBuilder::default()
            .name(self.name)
            .build();
        let engine = self.client.patient(self.left());
        let new = match self
            .client
            .run(self.left(), engine.create_container(Some(options), body))
            .await
        {
            Ok(created) => created.id,
            Err(error) => return Err(self.undo("create-failed", &error, None, old).await),
        };
        let _claim = self.docker.claim(&new, length);
        if let Some(old) = old.as_ref().filter(|old| up(old))
            && let Err(error) = self.stop(&old.id).await
        {
            return Err(self
                .undo("stop-failed", &error, Some(&new), Some(old.clone()))
                .await);
        }
        if let Err(error) = self.start(&new).await {
            return Err(self.undo("start-failed", &error, Some(&new), old).await);
        }
        if let Err(error) = self.stays_up(&new).await {
            return Err(self.undo("start-failed", &error, Some(&new), old).await);
        }
        self.said.push(format!(
            "{} runs as {}.",
            self.name,
            new.chars().take(12).collect::<String>()
        ));
        if let Some(old) = &old
            && let Err(error) = self.remove(&old.id).await
        {
            self.said.push(format!(
                "The old one is still there as {}: {error}.",
                self.aside
            ));
        }
        Ok(Outcome::Done {
            output: self.said.join("\n"),
            freed: None,
        })
    }

    /// A definition that dies at once is worse than the old container.
    async fn stays_up(&self, id: &str) -> Result<(), Error> {
        let until = Instant::now() + STAYS_UP;
        loop {
            let seen = self.client.inspect(id).await?;
            let ended = matches!(
                seen.facts.state,
                ContainerState::Exited | ContainerState::Dead
            );
            if ended && seen.facts.exit_code == Some(0) {
                return Ok(());
            }
            if ended
                || seen.facts.state == ContainerState::Restarting
                || seen.facts.restart_count > 0
            {
                let code = seen
                    .facts
                    .exit_code
                    .map_or_else(|| "an error".into(), |code| format!("code {code}"));
                return Err(Error::Engine {
                    status: 500,
                    message: format!("it ended at once with {code}"),
                });
            }
            if Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Puts the old container back. What cannot be undone for certain is unknown.
    async fn undo(
        &mut self,
        code: &str,
        error: &Error,
        new: Option<&str>,
        old: Option<Seen>,
    ) -> Outcome {
        if !error.certain() {
            let kept = if old.is_some() {
                format!(" The old one is kept as {}.", self.aside)
            } else {
                String::new()
            };
            return Outcome::Unknown {
                why: format!("{}{kept}", error.advice()),
            };
        }
        self.deadline = Instant::now() + UNDO;
        let was = old
            .as_ref()
            .map_or("", |_| " The old container was put back.");
        match self.put_back(new, old).await {
            Ok(()) => Outcome::Failed {
                code: code.into(),
                why: format!("{} could not be recreated: {error}.{was}", self.name),
                output: self.said.join("\n"),
            },
            Err(undo) => Outcome::Unknown {
                why: format!(
                    "{error}; and undoing it failed: {undo}. Look for {} on the node.",
                    self.aside
                ),
            },
        }
    }

    async fn put_back(&self, new: Option<&str>, old: Option<Seen>) -> Result<(), Error> {
        if let Some(new) = new {
            self.remove(new).await?;
        }
        let Some(old) = old else { return Ok(()) };
        self.rename(&old.id, self.name).await?;
        if up(&old) {
            self.start(&old.id).await
        } else {
            Ok(())
        }
    }

    async fn rename(&self, id: &str, to: &str) -> Result<(), Error> {
        let options = RenameContainerOptionsBuilder::default().name(to).build();
        self.client
            .ask(self.client.engine.rename_container(id, options))
            .await
    }

    async fn remove(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        let engine = self.client.patient(self.left());
        match self
            .client
            .run(self.left(), engine.remove_container(id, Some(options)))
            .await
        {
            Err(error) if error.not_found() => Ok(()),
            other => other,
        }
    }

    async fn stop(&self, id: &str) -> Result<(), Error> {
        let engine = self.client.patient(self.left());
        self.client
            .run(
                self.left(),
                engine.stop_container(id, None::<StopContainerOptions>),
            )
            .await
    }

    async fn start(&self, id: &str) -> Result<(), Error> {
        let engine = self.client.patient(self.left());
        self.client
            .run(
                self.left(),
                engine.start_container(id, None::<StartContainerOptions>),
            )
            .await
    }
}

/// Whether putting it back means starting it.
fn up(seen: &Seen) -> bool {
    matches!(
        seen.facts.state,
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
    )
}

/// Without a tag or digest the engine would pull every tag there is.
fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn an_image_without_a_tag_means_its_latest_and_never_all_of_them() {
        assert_eq!(tagged("web"), "web:latest");
        assert_eq!(tagged("registry:5000/web"), "registry:5000/web:latest");
        assert_eq!(tagged("web:1"), "web:1");
        assert_eq!(tagged("web@sha256:ab"), "web@sha256:ab");
    }
}
