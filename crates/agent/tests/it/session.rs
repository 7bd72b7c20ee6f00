//! Sessions of a whole agent with a server, on a machine without an engine.

use std::time::Duration;

use stead_core::command::{Command, Outcome};
use stead_core::desired::{Bundle, Check, Node, Patience, Probe, Service, ServiceKind};
use stead_core::facts::{Fact, FactKey, SourceKind, SourceState, Verdict};
use stead_core::time::Span;
use stead_protocol::agent::{Ack, Frame, FrameBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use crate::server::{Agent, Frames, LIMIT, Server, Session, TOKEN, options, order};

fn bundle(port: u16) -> Bundle {
    let check = Check {
        name: "tcp".parse().expect("name"),
        probe: Probe::Tcp {
            host: "127.0.0.1".into(),
            port,
        },
        every: Span::millis(200),
        timeout: Span::secs(1),
        failures: Some(2),
    };
    let service = Service {
        kind: ServiceKind::External,
        monitor: true,
        suspended: false,
        needs: vec![],
        patience: Patience::default(),
        checks: vec![check],
    };
    let node = Node {
        services: [("web".parse().expect("name"), service)].into(),
        ..Default::default()
    };
    Bundle {
        digest: format!("digest-{port}"),
        name: None,
        node,
    }
}

fn verdict(facts: &[(FactKey, Fact)]) -> Option<Verdict> {
    facts.iter().find_map(|(_, fact)| match fact {
        Fact::Check(check) => Some(check.verdict),
        _ => None,
    })
}

/// The verdict a frame tells of.
fn told(frame: &Frame) -> Option<Verdict> {
    match &frame.body {
        FrameBody::Snapshot { facts, .. } => verdict(facts),
        FrameBody::Delta { changed, .. } => verdict(changed),
        _ => None,
    }
}

/// Whether a frame tells where numbers stand beside their bounds.
fn levels(frame: &Frame) -> bool {
    let level = |key: &FactKey| matches!(key, FactKey::Level(_));
    match &frame.body {
        FrameBody::Snapshot { facts, .. } => facts.iter().any(|(key, _)| level(key)),
        FrameBody::Delta { changed, .. } => changed.iter().any(|(key, _)| level(key)),
        _ => false,
    }
}

async fn passing(frames: &mut Frames) {
    frames
        .until("the check passes", |f| {
            told(f).filter(|v| *v == Verdict::Passing)
        })
        .await;
}

async fn link(server: &Server, after: u64) -> (Session, Frames) {
    let session = server.accept().await;
    let frames = session.frames(after).await;
    (session, frames)
}

#[tokio::test]
async fn a_session_opens_with_everything_and_goes_on_with_what_changes() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let agent = Agent::start(options(&server.url(), dir.path()));
    let (session, mut frames) = link(&server, 0).await;
    let hello = session.hello().await;
    assert_eq!(
        (hello.protocol, hello.node.as_str(), hello.read_only),
        (1, "piha", false)
    );

    let facts = frames.snapshot().await;
    assert!(
        matches!(&facts[&FactKey::Host], Fact::Host(host) if !host.boot_id.is_empty() && host.cpus > 0)
    );
    let docker = &facts[&FactKey::Source(SourceKind::Docker)];
    assert!(
        matches!(docker, Fact::Source(s) if s.state != SourceState::Up && !s.detail.is_empty()),
        "without an engine it works and says so: {docker:?}"
    );
    assert!(facts.contains_key(&FactKey::Source(SourceKind::Systemd)));
    frames
        .until("a sample", |f| {
            matches!(f.body, FrameBody::Sample { .. }).then_some(())
        })
        .await;
    assert!(
        !frames.seen.iter().any(levels),
        "before its bundle it knows no bounds"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("address").port();
    assert_eq!(session.send("PUT", "/v1/bundle", &bundle(port)).await, 204);
    let (mut passes, mut bounds) = (false, false);
    frames
        .until("the check passes and numbers have bounds", |f| {
            passes |= told(f) == Some(Verdict::Passing);
            bounds |= levels(f);
            (passes && bounds).then_some(())
        })
        .await;
    drop(listener);
    frames
        .until("the check fails", |f| {
            told(f).filter(|v| *v == Verdict::Failing)
        })
        .await;
    let seen = frames.cursors();
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    for path in ["/v1/logs/search?text=%20", "/v1/units/search?text="] {
        let no: serde_json::Value = session.get(path).await;
        assert_eq!(no["code"], "bad-query", "{path}: {no}");
    }
    agent.stop().await.expect("a clean end");
    assert!(!dir.path().join("agent.sock").exists());
}

/// F9: what happened while the link was cut comes afterwards, once and in order, and then everything as it is.
#[tokio::test]
async fn after_a_cut_what_was_missed_comes_first_then_a_snapshot() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let agent = Agent::start(options(&server.url(), dir.path()));
    let (session, mut frames) = link(&server, 0).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("address").port();
    session.send("PUT", "/v1/bundle", &bundle(port)).await;
    passing(&mut frames).await;
    let spool = session.hello().await.spool;
    let reached = frames.seen.last().map(|f| f.cursor).expect("a frame");
    assert_eq!(
        session
            .send(
                "POST",
                "/v1/ack",
                &Ack {
                    spool: spool.clone(),
                    cursor: reached
                }
            )
            .await,
        204
    );
    assert_eq!(
        session
            .send(
                "POST",
                "/v1/ack",
                &Ack {
                    spool: "another".into(),
                    cursor: 1
                }
            )
            .await,
        409
    );
    session.cut();
    drop(listener);

    // The next link is opened and cut without reading, until the agent has seen the failure.
    let failed = async {
        loop {
            let session = server.accept().await;
            let hello = session.hello().await;
            let snapshot: Frame = session.get("/v1/snapshot").await;
            if told(&snapshot) == Some(Verdict::Failing) {
                return (session, hello);
            }
            session.cut();
        }
    };
    let (session, hello) = tokio::time::timeout(LIMIT, failed)
        .await
        .expect("the agent sees the failure");
    assert_eq!(hello.spool, spool);
    let mut frames = session.frames(reached).await;
    frames.snapshot().await;
    let kinds: Vec<&str> = frames
        .seen
        .iter()
        .map(|f| match &f.body {
            FrameBody::Delta { .. } => "delta",
            FrameBody::Snapshot { .. } => "snapshot",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["delta", "snapshot"], "{:#?}", frames.seen);
    assert_eq!(told(&frames.seen[0]), Some(Verdict::Failing));
    assert!(frames.seen[0].cursor > reached);
    agent.stop().await.expect("a clean end");
}

#[tokio::test]
async fn cursors_go_on_after_the_agent_was_restarted_and_its_checks_before_the_server_is_reached() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("address").port();
    let agent = Agent::start(options(&server.url(), dir.path()));
    let (session, mut frames) = link(&server, 0).await;
    session.send("PUT", "/v1/bundle", &bundle(port)).await;
    passing(&mut frames).await;
    let (spool, reached) = (
        session.hello().await.spool,
        frames.seen.last().map_or(0, |f| f.cursor),
    );
    agent.stop().await.expect("a clean end");
    drop(session);

    let agent = Agent::start(options(&server.url(), dir.path()));
    let (session, mut frames) = link(&server, reached).await;
    assert_eq!(session.hello().await.spool, spool);
    passing(&mut frames).await;
    let seen = frames.cursors();
    assert!(
        seen.first().is_some_and(|first| *first > reached),
        "{seen:?} after {reached}"
    );
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    agent.stop().await.expect("a clean end");
}

/// N5: an agent that may only read refuses everything, and says so.
#[tokio::test]
async fn a_read_only_agent_changes_nothing() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let mut options = options(&server.url(), dir.path());
    options.read_only = true;
    let agent = Agent::start(options);
    let (session, mut frames) = link(&server, 0).await;
    assert!(session.hello().await.read_only);
    let facts = frames.snapshot().await;
    assert!(matches!(&facts[&FactKey::Host], Fact::Host(host) if host.read_only));
    let order = order(
        1,
        1,
        "node/piha",
        Command::DiskCleanup {
            build_cache: true,
            dangling_images: true,
        },
    );
    assert_eq!(session.send("POST", "/v1/orders", &order).await, 202);
    let outcome = frames.result(&order).await;
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "read-only"),
        "{outcome:?}"
    );
    agent.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_node_of_access_inspector_is_read_only_too() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let agent = Agent::start(options(&server.url(), dir.path()));
    let (session, mut frames) = link(&server, 0).await;
    let mut inspector = bundle(1);
    inspector.node.access = stead_core::desired::Access::Inspector;
    session.send("PUT", "/v1/bundle", &inspector).await;
    let order = order(
        1,
        1,
        "node/piha",
        Command::DiskCleanup {
            build_cache: true,
            dangling_images: true,
        },
    );
    session.send("POST", "/v1/orders", &order).await;
    let outcome = frames.result(&order).await;
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "read-only"),
        "{outcome:?}"
    );
    agent.stop().await.expect("a clean end");
}

/// What the agent's own socket answers, as `curl --unix-socket` would get it.
pub async fn curl(path: &std::path::Path, request: String) -> String {
    let mut stream = UnixStream::connect(path).await.expect("the socket");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer))
        .await
        .expect("an answer")
        .expect("text");
    answer
}

/// Decision 20: one way in, no back door.
#[tokio::test]
async fn the_local_socket_answers_alike_and_changes_nothing_without_the_token() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let agent = Agent::start(options(&server.url(), dir.path()));
    let (_session, mut frames) = link(&server, 0).await;
    frames.snapshot().await;
    let socket = dir.path().join("agent.sock");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(&socket)
            .expect("socket")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let head = "host: agent\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let answer = curl(&socket, format!("GET /v1/hello HTTP/1.1\r\n{head}\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"node\":\"piha\""),
        "{answer}"
    );
    let answer = curl(&socket, format!("GET /v1/nothing HTTP/1.1\r\n{head}\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 404") && answer.contains("no-such-route"),
        "{answer}"
    );

    let order = order(
        1,
        7,
        "container/piha/web",
        Command::DiskCleanup {
            build_cache: true,
            dangling_images: true,
        },
    );
    let body = serde_json::to_string(&order).expect("json");
    let post = |head: String| {
        format!(
            "POST /v1/orders HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for wrong in [
        "",
        "authorization: Bearer x\r\n",
        "authorization: Bearer \r\n",
    ] {
        let answer = curl(&socket, post(format!("{head}{wrong}"))).await;
        assert!(
            answer.starts_with("HTTP/1.1 401") && answer.contains("token-needed"),
            "{answer}"
        );
    }
    let answer = curl(
        &socket,
        post(format!("{head}authorization: Bearer {TOKEN}\r\n")),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    // With the token it is an order like any other: this one is about something else than its target.
    let outcome = frames.result(&order).await;
    assert!(
        matches!(&outcome, Outcome::Refused { code, .. } if code == "wrong-target"),
        "{outcome:?}"
    );
    agent.stop().await.expect("a clean end");
}

#[tokio::test]
async fn two_agents_never_share_a_directory_and_a_server_elsewhere_is_refused() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let first = Agent::start(options(&server.url(), dir.path()));
    let _session = server.accept().await;
    let second = Agent::start(options(&server.url(), dir.path()));
    let error = tokio::time::timeout(Duration::from_secs(10), second.stop())
        .await
        .expect("it ends")
        .expect_err("in use");
    assert_eq!(error.code(), "data-in-use");
    first.stop().await.expect("a clean end");
    let error = Agent::start(options("http://192.0.2.1:1", dir.path()))
        .stop()
        .await
        .expect_err("elsewhere");
    assert_eq!(error.code(), "server-not-local");
    assert!(!error.remedy().is_empty());
}

#[tokio::test]
async fn a_server_is_reached_by_its_unix_socket_too() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let path = dir.path().join("server.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let target = server.url().trim_start_matches("http://").to_owned();
    let relay = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.expect("accept");
        let mut far = tokio::net::TcpStream::connect(target)
            .await
            .expect("connect");
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let agent = Agent::start(options(&format!("unix://{}", path.display()), dir.path()));
    let (_session, mut frames) = link(&server, 0).await;
    frames.snapshot().await;
    agent.stop().await.expect("a clean end");
    relay.abort();
}

/// The newest state is told even if nothing of what led to it can be kept.
#[tokio::test]
async fn a_reader_that_stops_reading_costs_nobody_else_anything() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let agent = Agent::start(options(&server.url(), dir.path()));
    let (session, mut frames) = link(&server, 0).await;
    let idle: Vec<Frames> = futures::future::join_all((0..20).map(|_| session.frames(0))).await;
    frames.snapshot().await;
    for _ in 0..3 {
        frames
            .until("a sample", |f| {
                matches!(f.body, FrameBody::Sample { .. }).then_some(())
            })
            .await;
    }
    assert_eq!(session.hello().await.node.as_str(), "piha");
    drop(idle);
    agent.stop().await.expect("a clean end");
}

/// F17: a socket that takes calls and never answers.
#[tokio::test]
async fn an_engine_that_hangs_is_down_and_what_is_ordered_of_it_was_not_begun() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("dir"));
    let mut options = options(&server.url(), dir.path());
    let path = dir.path().join("hangs.sock");
    options.docker_host = Some(format!("unix://{}", path.display()));
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let hang = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let agent = Agent::start(options);
    let (session, mut frames) = link(&server, 0).await;
    let facts = frames.snapshot().await;
    let docker = &facts[&FactKey::Source(SourceKind::Docker)];
    assert!(
        matches!(docker, Fact::Source(s) if s.state == SourceState::Down && !s.detail.is_empty()),
        "{docker:?}"
    );
    assert!(facts.contains_key(&FactKey::Host), "the rest is there");
    let command = Command::ContainerRestart {
        container: "web".parse().expect("name"),
        id: "a".repeat(64),
    };
    let order = order(1, 1, "container/piha/web", command);
    session.send("POST", "/v1/orders", &order).await;
    let outcome = frames.result(&order).await;
    assert!(
        matches!(&outcome, Outcome::Failed { code, .. } if code == "engine-hangs"),
        "{outcome:?}"
    );
    agent.stop().await.expect("a clean end");
    hang.abort();
}
