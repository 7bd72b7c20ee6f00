//! Over a real socket: heads that trickle in, connections beyond the bound, the end.

use std::net::SocketAddr;
use std::time::Duration;

use stead_server::agents::Agents;
use stead_server::{FleetProblems, Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, WITHIN};

async fn start(scene: &Scene, stop: &CancellationToken) -> Server {
    let data = scene.data.path().to_path_buf();
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        files: Some(data.join("files")),
        data,
        allow_hosts: Vec::new(),
    };
    let agents = Agents::new(scene.handle.clone(), "agent".into());
    Server::start(
        options,
        scene.handle.clone(),
        agents,
        FleetProblems::default(),
        stop.clone(),
    )
    .await
    .unwrap()
}

async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(WITHIN, stream.read_to_end(&mut answer))
        .await
        .expect("an answer")
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn it_answers_over_tcp_prints_a_link_and_ends_when_told() {
    let scene = Scene::well().await;
    let stop = CancellationToken::new();
    let server = start(&scene, &stop).await;
    let link = server.login_link().unwrap();
    assert!(
        link.starts_with(&format!(
            "http://127.0.0.1:{}/login#",
            server.address().port()
        )),
        "{link}"
    );
    let host = server.address();
    let answer = ask(
        host,
        &format!("GET /summary HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = ask(
        host,
        "GET /summary HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 421"),
        "a loopback bind: {answer}"
    );
    // An idle connection and a live feed do not hold it up.
    let _idle = TcpStream::connect(host).await.unwrap();
    let mut feed = TcpStream::connect(host).await.unwrap();
    let token = &scene.token;
    let head = format!(
        "GET /api/v1/feed HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    feed.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0u8; 1024];
    let n = feed.read(&mut first).await.unwrap();
    assert!(String::from_utf8_lossy(&first[..n]).starts_with("HTTP/1.1 200"));
    stop.cancel();
    tokio::time::timeout(WITHIN, server.stopped())
        .await
        .expect("it ends");
    assert!(
        TcpStream::connect(host).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let scene = Scene::well().await;
    let stop = CancellationToken::new();
    let server = start(&scene, &stop).await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: 127.0")
        .await
        .unwrap();
    let begun = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(40), slow.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "still open after {:?}", begun.elapsed());
    stop.cancel();
    server.stopped().await;
}

#[tokio::test]
async fn a_taken_address_is_said() {
    let scene = Scene::well().await;
    let stop = CancellationToken::new();
    let first = start(&scene, &stop).await;
    let options = Options {
        listen: first.address(),
        data: scene.data.path().to_path_buf(),
        files: Some(scene.files()),
        allow_hosts: Vec::new(),
    };
    let agents = Agents::new(scene.handle.clone(), "agent".into());
    let error = Server::start(
        options,
        scene.handle.clone(),
        agents,
        FleetProblems::default(),
        stop.clone(),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), "cannot-listen");
    stop.cancel();
}
