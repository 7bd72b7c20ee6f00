//! `version`: of this binary, and of the server if it answers.

use stead_protocol::api::{LoginLink, Version};

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, line};

pub async fn run(client: Result<Client, Failure>, out: Output) -> Result<(), Failure> {
    let own = own();
    let server: Option<Version> = match client {
        Ok(client) => client.get("/api/v1/version").await.ok(),
        Err(_) => None,
    };
    if out.json {
        let server = serde_json::to_value(&server).unwrap_or_default();
        let mut both = serde_json::to_value(&own).unwrap_or_default();
        both["server"] = server;
        out.json(&both);
        return Ok(());
    }
    line(&format!(
        "stead {} (agent protocol {})",
        own.version, own.protocol
    ));
    match server {
        Some(s) => line(&format!("server {}", s.version)),
        None => line("server: does not answer"),
    }
    Ok(())
}

fn own() -> Version {
    Version {
        version: env!("CARGO_PKG_VERSION").to_string(),
        protocol: stead_protocol::agent::VERSION,
        schema: u32::from(stead_core::event::VERSION),
        commit: None,
    }
}

/// `login`: a new one-time link for the web UI.
pub async fn login(client: &Client, out: Output) -> Result<(), Failure> {
    let link: LoginLink = client
        .post("/api/v1/login-link", &serde_json::json!({}))
        .await?;
    if out.json {
        out.json(&link);
    } else {
        line(&format!("{}{}", client.base(), link.path));
        line(&out.dim("Works once, for 15 minutes."));
    }
    Ok(())
}
