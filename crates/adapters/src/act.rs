//! Carries out a typed command on this node. The one place that knows which adapter does what.
//!
//! It does not ask whether it may: lease, limits and read-only mode were checked before.

use std::time::Duration;

use stead_core::command::{Command, Outcome};
use stead_core::time::Span;

use crate::compose::{Compose, Target};
use crate::docker::{Claim, Cleanup, Docker};
use crate::ollama::Ollama;
use crate::systemd::Systemd;

/// Everything of this node that can be acted on.
#[derive(Debug, Clone)]
pub struct Adapters {
    pub docker: Docker,
    pub compose: Compose,
    pub systemd: Systemd,
    pub ollama: Ollama,
}

/// Runs `command` to its end, or until `limit`: then its outcome is unknown.
pub async fn run(adapters: &Adapters, command: &Command, limit: Duration) -> Outcome {
    match command {
        Command::ContainerRestart { container, id } => {
            adapters.docker.restart(container, id, limit).await
        }
        Command::ContainerRecreate {
            service,
            container,
            definition,
            replaces,
            ..
        } => {
            adapters
                .docker
                .recreate(service, container, definition, replaces.as_deref(), limit)
                .await
        }
        Command::ComposeUp {
            path,
            file,
            project,
            services,
        } => {
            let target = match Target::new(path, file.as_deref(), project.as_deref()) {
                Ok(target) => target,
                Err(invalid) => {
                    let why = format!("{invalid}. Correct it in services.yaml.");
                    return Outcome::Refused {
                        code: "bad-target".into(),
                        why,
                    };
                }
            };
            let _claims = claims(&adapters.docker, path, services, limit);
            adapters.compose.up(&target, services, limit).await
        }
        Command::UnitRestart { unit } => adapters.systemd.restart(unit, limit).await,
        Command::ContainerStop { container, id } => {
            adapters.docker.stop(container, id, limit).await
        }
        Command::CanaryKill { container, id } => {
            adapters.docker.kill_canary(container, id, limit).await
        }
        Command::UnitStop { unit } => adapters.systemd.stop(unit, limit).await,
        Command::ModelLoad { model, digest } => adapters.ollama.load(model, digest, limit).await,
        Command::ModelUnload { model } => adapters.ollama.unload(model, limit).await,
        Command::LockRelease { .. } => Outcome::Refused {
            code: "wrong-target".into(),
            why: "a lock is released by the server, not by an agent".into(),
        },
        Command::DiskCleanup {
            build_cache,
            dangling_images,
        } => {
            let what = Cleanup {
                build_cache: *build_cache,
                dangling_images: *dangling_images,
            };
            adapters.docker.cleanup(what, limit).await
        }
    }
}

/// Compose stops what it recreates; those ends are ours.
fn claims(docker: &Docker, folder: &str, services: &[String], limit: Duration) -> Vec<Claim> {
    let length = Span(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX / 2));
    let folder = folder.trim_end_matches('/');
    let running = docker.running();
    let concerned = running.iter().filter(|container| {
        container.compose_folder.trim_end_matches('/') == folder
            && (services.is_empty() || services.contains(&container.compose_service))
    });
    concerned
        .map(|container| docker.claim(&container.id, length))
        .collect()
}
