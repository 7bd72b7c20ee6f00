//! A memory limit as a change to a compose file: read here, changed here, and only the masked difference leaves.
//!
//! Which file it is the container's labels say, and whoever made the container wrote them: so nothing but a plain file with a
//! compose file's ending is read, and of what cannot be read as one no part is told.

use std::path::Path;

use axum::Json;
use axum::extract::{Path as Segment, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use stead_adapters::plain;
use stead_adapters::redact::redact;
use stead_core::ids::ContainerName;
use stead_protocol::agent::ComposePatch;

use super::Agent;
use super::detail::{docker, engine, name};
use super::problem::Refused;

/// Largest compose file read, and the longest difference handed out.
const FILE: u64 = 1 << 20;
const DIFF: usize = 64 * 1024;
/// Files one project may be made of.
const FILES: usize = 10;
const WHY: usize = 300;
const FILES_LABEL: &str = "com.docker.compose.project.config_files";
const SERVICE_LABEL: &str = "com.docker.compose.service";

#[derive(Deserialize)]
pub struct Wanted {
    limit: u64,
    reservation: u64,
}

pub async fn memory_patch(
    State(Agent(agent)): State<Agent>,
    Segment(container): Segment<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ComposePatch>, Refused> {
    let container: ContainerName = name(&container)?;
    let Some(make) = agent.patcher else {
        let why = "this agent was put together without a way to change compose files";
        return Err(Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-advice",
            why,
        ));
    };
    let labels = docker(&agent)?.labels(&container).await.map_err(engine)?;
    let (Some(files), Some(service)) = (labels.get(FILES_LABEL), labels.get(SERVICE_LABEL)) else {
        let why =
            format!("no compose project made {container}: its limit stands in its own definition");
        return Err(Refused::new(StatusCode::NOT_FOUND, "no-advice", why));
    };
    let (files, service) = (files.clone(), service.clone());
    let made = tokio::task::spawn_blocking(move || first(&files, &service, &wanted, make));
    let made = made
        .await
        .map_err(|e| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e.to_string()))?;
    Ok(Json(made))
}

/// The patch of the first file that names the service; else why there is none.
fn first(files: &str, service: &str, wanted: &Wanted, make: super::PatchMaker) -> ComposePatch {
    let mut refused = None;
    for file in files.split(',').map(str::trim).take(FILES) {
        let mut patch = match read(Path::new(file)) {
            Ok(text) => make(file, &text, service, wanted.limit, wanted.reservation),
            Err(why) => ComposePatch {
                file: file.to_owned(),
                service: service.to_owned(),
                why,
                ..ComposePatch::default()
            },
        };
        patch.diff = redact(&patch.diff, DIFF);
        patch.why = redact(&patch.why, WHY);
        if patch.why.is_empty() {
            return patch;
        }
        refused.get_or_insert(patch);
    }
    refused.unwrap_or_default()
}

fn read(path: &Path) -> Result<String, String> {
    let ending = path.extension().and_then(|e| e.to_str());
    if !path.is_absolute() || !matches!(ending, Some("yml" | "yaml")) {
        return Err("the project's label names no compose file by its whole path".to_owned());
    }
    match plain::read(path, FILE) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err("the compose file is not there any more".to_owned()),
        Err(why) => Err(format!("the compose file is not read: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(file: &str, text: &str, service: &str, limit: u64, _: u64) -> ComposePatch {
        let has = text.contains(service);
        ComposePatch {
            file: file.to_owned(),
            service: service.to_owned(),
            diff: if has {
                format!("+mem_limit: {limit}\n PASSWORD=hunter2 {text}")
            } else {
                String::new()
            },
            why: if has {
                String::new()
            } else {
                "the file has no such service".to_owned()
            },
            put: String::new(),
        }
    }

    #[test]
    fn only_a_plain_compose_file_is_read_and_secrets_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("compose.yml"), "services: {web: {}}").expect("written");
        std::fs::write(path("secret.txt"), "web").expect("written");
        std::os::unix::fs::symlink(path("secret.txt"), path("link.yml")).expect("linked");
        let wanted = Wanted {
            limit: 5,
            reservation: 4,
        };
        let of = |files: &str| first(files, "web", &wanted, make);
        let good = of(&format!("{},{}", path("gone.yml"), path("compose.yml")));
        assert!(good.diff.starts_with("+mem_limit: 5"), "{good:?}");
        assert!(!good.diff.contains("hunter2"), "{good:?}");
        let here = std::env::current_dir().expect("a folder");
        let up = "../".repeat(here.components().count());
        let beside = path("compose.yml");
        for bad in [
            format!("{up}{}", beside.trim_start_matches('/')),
            path("secret.txt"),
            path("link.yml"),
            path("gone.yml"),
            "compose.yml".into(),
            "/dev/zero".into(),
            String::new(),
        ] {
            let refused = of(&bad);
            assert!(
                refused.diff.is_empty() && !refused.why.is_empty(),
                "{bad}: {refused:?}"
            );
        }
    }
}
