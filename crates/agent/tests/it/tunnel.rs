//! The tunnel itself: readers that do not read must not hold up others.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper_util::service::TowerToHyperService;
use stead_protocol::tunnel::{self, ByteStream};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Agent, LIMIT, options};

/// Endless text as fast as it is taken.
async fn flood() -> Body {
    let line = Bytes::from(vec![b'x'; 16 * 1024]);
    Body::from_stream(futures::stream::repeat_with(move || {
        Ok::<_, std::convert::Infallible>(line.clone())
    }))
}

async fn drip() -> Body {
    Body::from_stream(
        futures::stream::iter(0..50u32)
            .map(|n| Ok::<_, std::convert::Infallible>(format!("{n}\n"))),
    )
}

#[tokio::test]
async fn log_streams_nobody_reads_hold_up_neither_frames_nor_a_console() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("address");
    let agent = tokio::spawn(async move {
        let stream = TcpStream::connect(address).await.expect("connect");
        let url = format!("ws://localhost{}", tunnel::PATH);
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(url, stream, Some(tunnel::config()))
                .await
                .expect("upgrade");
        let routes = Router::new()
            .route("/flood", get(flood))
            .route("/drip", get(drip));
        let _ = tunnel::answer(ByteStream::new(socket), TowerToHyperService::new(routes)).await;
    });
    let (stream, _) = listener.accept().await.expect("accept");
    let socket = tokio_tungstenite::accept_async_with_config(stream, Some(tunnel::config()))
        .await
        .expect("upgrade");
    let (send, connection) = tunnel::open(ByteStream::new(socket)).await.expect("http/2");
    tokio::spawn(connection);
    let ask = |path: &str| {
        let request = http::Request::get(format!("http://agent{path}"))
            .body(Empty::<Bytes>::new())
            .expect("request");
        let mut send = send.clone();
        async move {
            tokio::time::timeout(LIMIT, send.send_request(request))
                .await
                .expect("in time")
                .expect("answer")
        }
    };
    // As many as the tunnel takes but one, each filling its window.
    let mut unread = Vec::new();
    for _ in 1..tunnel::STREAMS {
        let mut body = ask("/flood").await.into_body();
        tokio::time::timeout(LIMIT, body.frame())
            .await
            .expect("in time")
            .expect("a part")
            .expect("data");
        unread.push(body);
    }
    for _ in 0..5 {
        let read = tokio::time::timeout(LIMIT, ask("/drip").await.into_body().collect()).await;
        let text = read.expect("it is not held up").expect("whole").to_bytes();
        assert!(text.ends_with(b"49\n"), "{text:?}");
    }
    assert_eq!(unread.len(), tunnel::STREAMS as usize - 1);
    agent.abort();
}

/// Cut between the upgrade and the server's first word, a link is kept alive by nothing: it must end by itself.
#[tokio::test]
async fn a_link_over_which_nothing_is_asked_is_given_up_and_dialled_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let data = tempfile::tempdir().expect("dir");
    let agent = Agent::start(options(&url, data.path()));
    let mut silent = Vec::new();
    for call in ["the first call", "another one"] {
        let call = tokio::time::timeout(LIMIT, async {
            let (stream, _) = listener.accept().await.expect("accept");
            tokio_tungstenite::accept_async_with_config(stream, Some(tunnel::config()))
                .await
                .expect(call)
        });
        silent.push(call.await.expect("in time"));
    }
    drop(silent);
    agent.stop().await.expect("stopped");
}
