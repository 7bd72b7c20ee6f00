//! A healthy service that is not the one the files describe: other image, compose definition or unit file.

use alloc::format;
use alloc::string::String;

use crate::action::Trigger;
use crate::assess;
use crate::desired::{ContainerDef, DEFINITION_LABEL, Service, ServiceKind};
use crate::facts::{ContainerFacts, FactKey};
use crate::ids::{Seq, ServiceName};
use crate::time::Time;
use crate::world::NodeState;

pub(super) struct Change {
    pub trigger: Trigger,
    pub detail: String,
    pub at: Time,
    pub seq: Seq,
}

pub(super) fn of(state: &NodeState, name: &ServiceName, desired: &Service) -> Option<Change> {
    match &desired.kind {
        ServiceKind::Container {
            container,
            definition: Some(definition),
        } => {
            let (facts, seen) = state.container_seen(container)?;
            let (trigger, detail) = container_change(facts, definition)?;
            Some(Change {
                trigger,
                detail,
                at: seen.at,
                seq: seen.seq,
            })
        }
        ServiceKind::Compose { .. } => {
            let file = state.compose(name)?;
            let (container, part) = assess::containers(state, name, desired)
                .into_iter()
                .find_map(|(container, facts, _)| {
                    let part = facts.compose_service()?;
                    let has = facts.labels.get("com.docker.compose.config-hash")?;
                    let wants = file.services.get(part)?;
                    (!wants.is_empty() && has != wants).then_some((container, part))
                })?;
            let seen = state.facts.get(&FactKey::Compose(name.clone()))?;
            let detail =
                format!("the compose file describes {part} differently than {container} runs");
            Some(Change {
                trigger: Trigger::ComposeChanged,
                detail,
                at: seen.at,
                seq: seen.seq,
            })
        }
        ServiceKind::Systemd { unit } => {
            let now = state.unit(unit)?;
            let seen = state.facts.get(&FactKey::Unit(unit.clone()))?;
            let started_with = state.unit_digests.get(unit)?;
            if now.fragment_digest.is_empty()
                || started_with.is_empty()
                || *started_with == now.fragment_digest
            {
                return None;
            }
            let detail = format!("the files of {unit} changed since it started");
            Some(Change {
                trigger: Trigger::UnitFileChanged,
                detail,
                at: seen.at,
                seq: seen.seq,
            })
        }
        _ => None,
    }
}

fn container_change(
    facts: &ContainerFacts,
    definition: &ContainerDef,
) -> Option<(Trigger, String)> {
    if !same_image(&facts.image, &definition.image) {
        return Some((
            Trigger::ImageChanged,
            format!(
                "it runs {}, the file says {}",
                facts.image, definition.image
            ),
        ));
    }
    let has = facts.labels.get(DEFINITION_LABEL)?;
    (!definition.has_digest(has)).then(|| {
        (
            Trigger::DefinitionChanged,
            String::from("its definition in the file changed"),
        )
    })
}

/// `busybox` is `busybox:latest`, `docker.io/library/busybox:latest` too.
fn same_image(a: &str, b: &str) -> bool {
    a == b || normal(a) == normal(b)
}

fn normal(image: &str) -> String {
    let image = image
        .trim_start_matches("docker.io/")
        .trim_start_matches("library/");
    let tail = image.rsplit('/').next().unwrap_or(image);
    if tail.contains(':') || image.contains('@') {
        String::from(image)
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::same_image;

    #[test]
    fn an_image_without_a_tag_is_latest() {
        assert!(same_image("busybox", "docker.io/library/busybox:latest"));
        assert!(!same_image("busybox:1", "busybox:2"));
        assert!(same_image("localhost:5000/a", "localhost:5000/a:latest"));
    }
}
