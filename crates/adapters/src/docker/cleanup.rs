//! Frees what no container uses: build cache and dangling images. Volumes and tagged images are never touched.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{PruneBuildOptionsBuilder, PruneImagesOptionsBuilder};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use stead_core::command::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};

use super::act::{failed, not_begun};
use super::config::Address;
use super::{Docker, Error};

/// Longest answer read about disk use.
const ANSWER: usize = 16 * 1024 * 1024;

/// What to free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleanup {
    pub build_cache: bool,
    pub dangling_images: bool,
}

/// What it would free, in bytes, as the engine counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    pub build_cache: u64,
    pub dangling_images: u64,
    /// How many dangling images.
    pub images: u32,
}

/// The parts of `/system/df` that matter. The client library's type knows only the newest shape of this answer, which
/// engines before 2026 do not speak; all of them speak this one when asked for version 1.51 or older.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DiskUse {
    images: Option<Vec<Image>>,
    build_cache: Option<Vec<Cache>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Image {
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    containers: i64,
    size: i64,
    shared_size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Cache {
    in_use: bool,
    shared: bool,
    size: i64,
}

impl DiskUse {
    fn estimate(&self) -> Estimate {
        let named = |names: &Option<Vec<String>>| {
            names
                .iter()
                .flatten()
                .any(|name| !name.starts_with("<none>"))
        };
        let bytes = |n: i64| u64::try_from(n).unwrap_or(0);
        let mut estimate = Estimate::default();
        for image in self.images.iter().flatten() {
            if image.containers <= 0 && !named(&image.repo_tags) && !named(&image.repo_digests) {
                estimate.images += 1;
                estimate.dangling_images += bytes(image.size - image.shared_size.max(0));
            }
        }
        let free = |cache: &&Cache| !cache.in_use && !cache.shared;
        estimate.build_cache = self
            .build_cache
            .iter()
            .flatten()
            .filter(free)
            .map(|cache| bytes(cache.size))
            .sum();
        estimate
    }
}

impl Docker {
    /// What a cleanup would free. The engine may take many seconds to count.
    pub async fn cleanup_estimate(&self, limit: Duration) -> Result<Estimate, Error> {
        let client = self.client().await?;
        let version = client.engine.client_version();
        let minor = if version.major_version == 1 {
            version.minor_version.min(51)
        } else {
            51
        };
        let path = format!("/v1.{minor}/system/df?type=image&type=build-cache");
        let address = &self.options().address;
        let answer = match tokio::time::timeout(limit, get(address, &path)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(Error::Hangs(limit)),
        };
        let disk: DiskUse =
            serde_json::from_slice(&answer).map_err(|error| Error::Answer(error.to_string()))?;
        Ok(disk.estimate())
    }

    pub async fn cleanup(&self, what: Cleanup, limit: Duration) -> Outcome {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return not_begun(&error),
        };
        let engine = client.patient(limit);
        let mut freed = 0u64;
        let mut said = Vec::new();
        if what.dangling_images {
            let filters: HashMap<&str, Vec<&str>> = [("dangling", vec!["true"])].into();
            let options = PruneImagesOptionsBuilder::default()
                .filters(&filters)
                .build();
            match client.run(limit, engine.prune_images(Some(options))).await {
                Ok(done) => {
                    let bytes = done
                        .space_reclaimed
                        .and_then(|n| u64::try_from(n).ok())
                        .unwrap_or(0);
                    let gone = done.images_deleted.unwrap_or_default();
                    let count = gone.iter().filter(|item| item.deleted.is_some()).count();
                    freed += bytes;
                    said.push(format!(
                        "Dangling images: {count} layers and images, {}.",
                        size(bytes)
                    ));
                }
                Err(error) => return failed(&error),
            }
        }
        if what.build_cache {
            let options = PruneBuildOptionsBuilder::default().all(true).build();
            match client.run(limit, engine.prune_build(Some(options))).await {
                Ok(done) => {
                    let bytes = done
                        .space_reclaimed
                        .and_then(|n| u64::try_from(n).ok())
                        .unwrap_or(0);
                    freed += bytes;
                    said.push(format!("Build cache: {}.", size(bytes)));
                }
                // Podman keeps no build cache of this kind.
                Err(error) if error.not_found() => {
                    said.push("Build cache: this engine keeps none.".into())
                }
                Err(error) => return failed(&error),
            }
        }
        Outcome::Done {
            output: said.join("\n"),
            freed: Some(freed),
        }
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// One question over a connection of its own.
async fn get(address: &Address, path: &str) -> Result<Vec<u8>, Error> {
    let lost = |error: std::io::Error| Error::Lost(error.to_string());
    match address {
        Address::Unix(socket) => {
            ask(
                tokio::net::UnixStream::connect(socket)
                    .await
                    .map_err(lost)?,
                path,
            )
            .await
        }
        Address::Tcp(host) => {
            ask(
                tokio::net::TcpStream::connect(host).await.map_err(lost)?,
                path,
            )
            .await
        }
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    path: &str,
) -> Result<Vec<u8>, Error> {
    let lost = |error: hyper::Error| Error::Lost(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(lost)?;
    let request = http::Request::get(path)
        .header(http::header::HOST, "engine")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| Error::Input(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(lost)?;
        let status = response.status().as_u16();
        let body = http_body_util::Limited::new(response.into_body(), ANSWER)
            .collect()
            .await;
        let body = body
            .map_err(|error| Error::Lost(error.to_string()))?
            .to_bytes();
        if status == 200 {
            Ok(body.to_vec())
        } else {
            let message = crate::redact::redact(&String::from_utf8_lossy(&body), 1024);
            Err(Error::Engine { status, message })
        }
    };
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(lost(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_container_uses_and_nobody_named_is_counted() {
        let text = r#"{
            "Images": [
                {"RepoTags": null, "RepoDigests": null, "Containers": 0, "Size": 100, "SharedSize": 30},
                {"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"], "Containers": 0, "Size": 5, "SharedSize": -1},
                {"RepoTags": ["web:1"], "Containers": 0, "Size": 1000, "SharedSize": 0},
                {"RepoTags": [], "RepoDigests": ["web@sha256:ab"], "Containers": 0, "Size": 1000, "SharedSize": 0},
                {"RepoTags": null, "Containers": 2, "Size": 1000, "SharedSize": 0}
            ],
            "BuildCache": [
                {"InUse": false, "Shared": false, "Size": 7},
                {"InUse": true, "Shared": false, "Size": 1000},
                {"InUse": false, "Shared": true, "Size": 1000}
            ]
        }"#;
        let disk: DiskUse = serde_json::from_str(text).expect("an answer");
        assert_eq!(
            disk.estimate(),
            Estimate {
                build_cache: 7,
                dangling_images: 75,
                images: 2
            }
        );
        let empty: DiskUse =
            serde_json::from_str(r#"{"Images": null, "BuildCache": null}"#).expect("an answer");
        assert_eq!(empty.estimate(), Estimate::default());
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_500_000), "1.5 MB");
    }
}
