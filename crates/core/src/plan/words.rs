//! A plan for people: what its steps do, whom they touch, and how long each may take.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::action::{ActionKey, Plan};
use crate::command::Command;
use crate::subject::Subject;
use crate::time::Span;
use crate::world::World;

/// What a step does, for people.
pub fn title(command: &Command) -> String {
    let short = |id: &str| id.chars().take(12).collect::<String>();
    match command {
        Command::ContainerRestart { container, id } if id.is_empty() => {
            format!("Restart container {container}")
        }
        Command::ContainerRestart { container, id } => {
            format!("Restart container {container} ({})", short(id))
        }
        Command::ContainerRecreate {
            container,
            definition,
            replaces: None,
            ..
        } => {
            format!("Create container {container} from {}", definition.image)
        }
        Command::ContainerRecreate {
            container,
            definition,
            replaces: Some(id),
            ..
        } => {
            format!(
                "Recreate container {container} ({}) from {}",
                short(id),
                definition.image
            )
        }
        Command::ComposeUp { path, services, .. } if services.is_empty() => {
            format!("Bring up every service of {path}, built and recreated")
        }
        Command::ComposeUp { path, services, .. } => {
            format!(
                "Bring up {} of {path}, built and recreated",
                services.join(", ")
            )
        }
        Command::UnitRestart { unit } => format!("Restart unit {unit}"),
        Command::ContainerStop { container, id } => {
            format!("Stop container {container} ({})", short(id))
        }
        Command::UnitStop { unit } => format!("Stop unit {unit}"),
        Command::CanaryKill { container, id } => {
            format!("Kill the canary {container} ({})", short(id))
        }
        Command::ModelLoad { model, .. } => format!("Load model {model} into memory"),
        Command::ModelUnload { model } => format!("Take model {model} out of memory"),
        Command::LockRelease { lock, .. } => {
            format!("Release the {lock} lock that nobody holds any more")
        }
        Command::DiskCleanup {
            build_cache,
            dangling_images,
        } => {
            let what = match (build_cache, dangling_images) {
                (true, true) => "build cache and dangling images",
                (true, false) => "build cache",
                (false, true) => "dangling images",
                (false, false) => "nothing",
            };
            format!("Remove {what}")
        }
    }
}

/// What a plan touches and who notices, for people.
pub fn blast_radius(world: &World, key: &ActionKey, plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| match step {
            Command::ContainerRestart { container, .. } => {
                format!("{container} is down for a few seconds")
            }
            Command::ContainerRecreate { container, .. } => {
                format!("{container} is replaced: what it wrote outside its volumes is gone")
            }
            Command::ComposeUp { path, .. } => {
                format!("containers of {path} are replaced; images may be built")
            }
            Command::UnitRestart { unit } => format!("{unit} and what is bound to it restarts"),
            Command::ContainerStop { container, .. } => {
                format!("{container} stays down until it is no longer suspended")
            }
            Command::UnitStop { unit } => {
                format!("{unit} stays down until it is no longer suspended")
            }
            Command::CanaryKill { .. } => "only the canary, which serves nobody".to_string(),
            Command::ModelLoad { model, .. } => {
                format!("{model} takes memory that other programs may want")
            }
            Command::ModelUnload { model } => {
                format!("the next question to {model} waits until it is loaded again")
            }
            Command::LockRelease { .. } => "repairs of what it held may go on".to_string(),
            Command::DiskCleanup { .. } => {
                "images without a tag and build layers are removed; the next build is slower".into()
            }
        })
        .collect();
    if let Subject::Service(node, service) = &key.subject
        && let Some(desired) = world.fleet.nodes.get(node)
    {
        let leaning: Vec<&str> = desired
            .services
            .iter()
            .filter(|(_, s)| s.needs.contains(service))
            .map(|(n, _)| n.as_str())
            .collect();
        if !leaning.is_empty() {
            lines.push(format!("needed by {}", leaning.join(", ")));
        }
    }
    lines
}

/// How long a command may take before its outcome is unknown.
pub fn timeout(command: &Command) -> Span {
    match command {
        Command::ContainerRestart { .. } | Command::CanaryKill { .. } => Span::secs(60),
        Command::LockRelease { .. } => Span::secs(10),
        Command::ContainerStop { .. } => Span::secs(60),
        Command::UnitRestart { .. } | Command::UnitStop { .. } | Command::ModelUnload { .. } => {
            Span::mins(2)
        }
        Command::ContainerRecreate { .. }
        | Command::ComposeUp { .. }
        | Command::ModelLoad { .. }
        | Command::DiskCleanup { .. } => Span::mins(10),
    }
}
