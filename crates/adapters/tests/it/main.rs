//! Adapters against the real thing: a Docker engine and docker-compose of the lab.
//!
//! Without `STEAD_LAB` each test says that it needs the lab and returns; with it, anything missing is a failure.
#![allow(clippy::disallowed_methods)]

mod act;
mod compose;
mod docker_act;
mod docker_sample;
mod docker_watch;
mod engine;
mod loki;
mod ollama;
mod portainer;
mod prometheus;
mod proxy;
mod published;
mod seen;
mod systemd;
mod webhook;

/// Serves `app` on a port of its own; its address.
async fn served(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("listen");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
