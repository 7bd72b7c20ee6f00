//! The other end of the tunnel, as small as a test needs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use serde::de::DeserializeOwned;
use stead_core::command::{Command, Order, Outcome};
use stead_protocol::agent::{Frame, FrameBody, Hello};
use stead_protocol::tunnel::{self, ByteStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_util::sync::CancellationToken;

pub const TOKEN: &str = "a-token";
pub const NODE: &str = "piha";
/// Whatever a test waits for happens within this or never.
pub const LIMIT: Duration = Duration::from_secs(30);

pub struct Server {
    listener: TcpListener,
}

impl Server {
    pub async fn start() -> Server {
        Server {
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("an address"))
    }

    /// Takes the next call of an agent.
    pub async fn accept(&self) -> Session {
        let accepted = tokio::time::timeout(LIMIT, self.listener.accept())
            .await
            .expect("the agent calls");
        let (stream, _) = accepted.expect("accept");
        stream.set_nodelay(true).expect("option");
        let stream = stream.into_std().expect("a socket");
        let wire = stream.try_clone().expect("a socket");
        let stream = TcpStream::from_std(stream).expect("a socket");
        // The library's own signature.
        #[allow(clippy::result_large_err)]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), tunnel::PATH);
            let header = |name: &str| {
                request
                    .headers()
                    .get(name)
                    .and_then(|v| v.to_str().ok())
                    .map(str::to_owned)
            };
            assert_eq!(header("authorization").as_deref(), Some("Bearer a-token"));
            assert_eq!(header("x-stead-node").as_deref(), Some(NODE));
            assert_eq!(header("x-stead-protocol").as_deref(), Some("1"));
            Ok(response)
        };
        let socket =
            tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(tunnel::config()));
        let (send, connection) = tunnel::open(ByteStream::new(socket.await.expect("upgrade")))
            .await
            .expect("http/2");
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Session {
            send,
            wire,
            _driver: driver,
        }
    }
}

pub struct Session {
    send: SendRequest<Full<Bytes>>,
    wire: std::net::TcpStream,
    _driver: JoinHandle<()>,
}

impl Session {
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> http::Response<Incoming> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://agent{path}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let mut send = self.send.clone();
        let answer = tokio::time::timeout(LIMIT, send.send_request(request)).await;
        answer
            .unwrap_or_else(|_| panic!("{path}: no answer"))
            .expect("an answer")
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let body = self
            .request("GET", path, vec![])
            .await
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body:?}"))
    }

    pub async fn send(&self, method: &str, path: &str, body: &impl serde::Serialize) -> u16 {
        let body = serde_json::to_vec(body).expect("json");
        self.request(method, path, body).await.status().as_u16()
    }

    pub async fn hello(&self) -> Hello {
        self.get("/v1/hello").await
    }

    pub async fn frames(&self, after: u64) -> Frames {
        let spool = self.hello().await.spool;
        let response = self
            .request(
                "GET",
                &format!("/v1/frames?spool={spool}&after={after}"),
                vec![],
            )
            .await;
        assert_eq!(response.status(), 200);
        Frames {
            body: response.into_body(),
            buffer: BytesMut::new(),
            seen: Vec::new(),
        }
    }

    /// The link breaks without a word.
    pub fn cut(self) {
        self.wire.shutdown(std::net::Shutdown::Both).expect("a cut");
    }
}

pub struct Frames {
    body: Incoming,
    buffer: BytesMut,
    /// All frames so far but samples and heartbeats.
    pub seen: Vec<Frame>,
}

impl Frames {
    pub async fn next(&mut self) -> Frame {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(end + 1);
                let frame: Frame = serde_json::from_slice(&line).expect("a frame");
                if frame.cursor > 0 {
                    self.seen.push(frame.clone());
                }
                return frame;
            }
            let part = self
                .body
                .frame()
                .await
                .expect("the stream goes on")
                .expect("a part");
            if let Ok(data) = part.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Reads on until `wanted` is seen.
    pub async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Frame) -> Option<T>) -> T {
        let reading = async {
            loop {
                if let Some(found) = wanted(&self.next().await) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(LIMIT, reading).await;
        found.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}; seen: {:#?}", self.seen))
    }

    pub async fn snapshot(&mut self) -> stead_core::facts::Facts {
        let snapshot = |frame: &Frame| match &frame.body {
            FrameBody::Snapshot { facts, .. } => Some(facts.iter().cloned().collect()),
            _ => None,
        };
        self.until("a snapshot", snapshot).await
    }

    pub async fn result(&mut self, order: &Order) -> Outcome {
        let key = (order.action.clone(), order.occurrence, order.attempt);
        let result = |frame: &Frame| match &frame.body {
            FrameBody::Result {
                action,
                occurrence,
                attempt,
                outcome,
                ..
            } if (action.clone(), *occurrence, *attempt) == key => Some(outcome.clone()),
            _ => None,
        };
        self.until("a result", result).await
    }

    pub fn cursors(&self) -> Vec<u64> {
        self.seen.iter().map(|f| f.cursor).collect()
    }
}

/// An agent in this process.
pub struct Agent {
    stop: CancellationToken,
    task: JoinHandle<Result<(), stead_agent::Error>>,
}

impl Agent {
    pub fn start(options: stead_agent::Options) -> Agent {
        let stop = CancellationToken::new();
        Agent {
            task: tokio::spawn(stead_agent::run(options, stop.clone())),
            stop,
        }
    }

    pub async fn stop(self) -> Result<(), stead_agent::Error> {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.task)
            .await
            .expect("the agent stops")
            .expect("no panic")
    }
}

/// Where there is no engine.
pub fn options(url: &str, data: &Path) -> stead_agent::Options {
    stead_agent::Options {
        node: NODE.parse().expect("a name"),
        server: url.to_owned(),
        token: TOKEN.into(),
        data: PathBuf::from(data),
        read_only: false,
        docker_host: Some(format!("unix://{}/no-engine.sock", data.display())),
        patcher: None,
        history: 8 << 20,
    }
}

pub fn order(occurrence: u32, token: u64, target: &str, command: Command) -> Order {
    Order {
        action: "an-action".into(),
        occurrence,
        step: 0,
        attempt: 1,
        token,
        epoch: 0,
        lease_ms: 90_000,
        timeout_ms: 60_000,
        target: target.parse().expect("a subject"),
        automatic: true,
        per_hour: 3,
        command,
    }
}
