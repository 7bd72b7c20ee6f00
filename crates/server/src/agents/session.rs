//! One agent's session: hello, bundle, then its frames until the link ends.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use stead_core::controller::{Change, Input};
use stead_core::ids::NodeName;
use stead_core::subject::Subject;
use stead_core::world::{EvidenceState, NodeState};
use stead_engine::Done;
use stead_ports::planted::{self, Bug};
use stead_protocol::agent::{Ack, EPOCH_HEADER, Frame, FrameBody, Hello, VERSION};
use stead_protocol::tunnel;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Agents, ask};
use crate::proxy::ProxyError as Error;

/// Largest frame: a snapshot of a machine with thousands of containers.
const MAX_FRAME: usize = 32 << 20;
/// Frames whose durability is being waited for; the link is read no further meanwhile.
const UNACKED: usize = 1024;
/// How long an acknowledgement may wait for others to share its request.
const ACK_AFTER: Duration = Duration::from_millis(200);

/// By then a snapshot that was taken is in the world.
const SETTLED: Duration = Duration::from_secs(5);

type Sender = SendRequest<Full<Bytes>>;

/// Serves one agent until its link ends.
pub(super) async fn run<T>(agents: &Agents, called: NodeName, io: T) -> Result<(), Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |why: String| Error::Failed {
        node: called.clone(),
        why,
    };
    let (send, connection) = tunnel::open(io).await.map_err(|e| broken(e.to_string()))?;
    let link = tokio::spawn(connection);
    let hello = ask(
        &called,
        send.clone(),
        agents.epoch(),
        "GET",
        "/v1/hello",
        Bytes::new(),
    )
    .await?;
    let hello: Hello =
        serde_json::from_slice(&hello).map_err(|e| broken(format!("its hello: {e}")))?;
    if hello.protocol != VERSION || hello.node != called {
        return Err(broken(format!(
            "it says it is {} with protocol {}",
            hello.node, hello.protocol
        )));
    }
    let node = agents.handle.resolve(&called);
    let (id, replaced) = agents.enter(&node, send.clone());
    tracing::info!(%node, version = %hello.version, "agent linked");
    let served = tokio::select! {
        biased;
        () = replaced.cancelled() => Err(broken("a newer session took its place".to_string())),
        served = serve(agents, &node, &hello, send) => served,
    };
    agents.leave(&node, id);
    link.abort();
    served
}

async fn serve(agents: &Agents, node: &NodeName, hello: &Hello, send: Sender) -> Result<(), Error> {
    let broken = |why: String| Error::Failed {
        node: node.clone(),
        why,
    };
    let linked = Input::Linked {
        node: node.clone(),
        spool: hello.spool.clone(),
        version: hello.version.clone(),
    };
    agents
        .handle
        .submit(linked)
        .await
        .map_err(|e| broken(e.to_string()))?;
    // A bundle and a snapshot are the largest things that are said: not to and by everybody at once.
    let mut turn = agents.syncing.acquire().await.ok();
    agents.hand_bundle(node).await?;
    let after = agents
        .handle
        .read(|v| v.world().node(node).map_or(0, |n| n.cursor));
    let path = format!("/v1/frames?spool={}&after={after}", hello.spool);
    let epoch = agents.epoch();
    let mut body = stream(node, send.clone(), epoch, &path).await?;
    let (acks, waiting) = mpsc::channel(UNACKED);
    let acknowledging = acknowledge(node.clone(), hello.spool.clone(), send, epoch, waiting);
    let reading = async {
        let mut lines = Lines::default();
        let mut synced: Option<Instant> = None;
        while let Some(part) = body.frame().await {
            let part = part.map_err(|e| broken(e.to_string()))?;
            let Ok(data) = part.into_data() else { continue };
            lines.push(&data);
            while let Some(line) = lines.next_line().map_err(broken)? {
                let frame: Frame =
                    serde_json::from_slice(&line).map_err(|e| broken(format!("a frame: {e}")))?;
                if matches!(frame.body, FrameBody::Snapshot { .. }) {
                    turn = None;
                    synced = Some(Instant::now());
                }
                // The fleet's files gave it another name: it calls again, and is known by that from the beginning.
                let name = agents.handle.resolve(&hello.node);
                let kept = planted::on(Bug::AliasKept);
                if name != *node && !kept {
                    return Err(broken(format!("the fleet calls it {name} now")));
                }
                take(agents, node, &hello.spool, frame, &acks)
                    .await
                    .map_err(|e| broken(e.to_string()))?;
                // Frozen for a while, or the server was: only a snapshot makes its evidence fresh again, and it
                // sends one when it dials anew.
                let settled = synced.is_some_and(|at| at.elapsed() > SETTLED);
                if settled && !is_fresh(agents, node) && !kept {
                    return Err(broken("its evidence went stale while it was linked".into()));
                }
            }
        }
        Ok(())
    };
    tokio::select! {
        biased;
        ended = reading => ended,
        ended = acknowledging => ended,
    }
}

fn is_fresh(agents: &Agents, node: &NodeName) -> bool {
    let fresh = |state: &NodeState| state.evidence.state == EvidenceState::Fresh;
    agents
        .handle
        .read(|v| v.world().node(node).is_some_and(fresh))
}

async fn stream(
    node: &NodeName,
    mut send: Sender,
    epoch: u64,
    path: &str,
) -> Result<hyper::body::Incoming, Error> {
    let broken = |why: String| Error::Failed {
        node: node.clone(),
        why,
    };
    let request = http::Request::get(format!("http://agent{path}"))
        .header(EPOCH_HEADER, epoch)
        .body(Full::new(Bytes::new()))
        .map_err(|e| broken(e.to_string()))?;
    let response = send
        .send_request(request)
        .await
        .map_err(|e| broken(e.to_string()))?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        return Err(Error::answered(status, b"it refuses to give its frames"));
    }
    Ok(response.into_body())
}

type Waiting = (u64, oneshot::Receiver<Done>);

/// One frame, to where it belongs.
async fn take(
    agents: &Agents,
    node: &NodeName,
    spool: &str,
    frame: Frame,
    acks: &mpsc::Sender<Waiting>,
) -> Result<(), stead_engine::Error> {
    let node = node.clone();
    let (cursor, at) = (frame.cursor, frame.at);
    let input = match frame.body {
        FrameBody::Sample { host, containers } => {
            agents.history.offer(&node, &host, &containers);
            agents.handle.sample(&node, *host, containers);
            return agents.handle.tell(Input::Heard { node }).await;
        }
        FrameBody::Heartbeat => return agents.handle.tell(Input::Heard { node }).await,
        FrameBody::Snapshot { facts, digest } => {
            let facts = facts.into_iter().collect();
            Input::Snapshot {
                node,
                at,
                facts,
                spool: spool.to_string(),
                cursor,
                digest,
            }
        }
        FrameBody::Delta { changed, gone } => {
            let seen = changed
                .into_iter()
                .map(|(key, fact)| Change::Seen(key, fact));
            let changes = seen.chain(gone.into_iter().map(Change::Gone)).collect();
            Input::Observed {
                node,
                at,
                cursor,
                changes,
            }
        }
        FrameBody::Note {
            kind,
            subject,
            severity,
            data,
        } => {
            let id = format!("{spool}-{cursor}");
            // An agent speaks for its own node only (S20).
            let subject = if subject
                .node()
                .is_some_and(|n| agents.handle.resolve(n) == node)
            {
                subject
            } else {
                Subject::Node(node.clone())
            };
            let changes = vec![Change::Note {
                id,
                kind,
                subject,
                severity,
                data,
            }];
            Input::Observed {
                node,
                at,
                cursor,
                changes,
            }
        }
        FrameBody::Gap { dropped } => {
            let id = format!("{spool}-{cursor}");
            let data = serde_json::json!({ "dropped": dropped });
            let Ok(kind) = stead_core::event::Kind::new("spool_gap") else {
                return Ok(());
            };
            let severity = stead_core::event::Severity::Warning;
            let subject = Subject::Node(node.clone());
            Input::Observed {
                node,
                at,
                cursor,
                changes: vec![Change::Note {
                    id,
                    kind,
                    subject,
                    severity,
                    data,
                }],
            }
        }
        FrameBody::Result {
            action,
            occurrence,
            step,
            attempt,
            outcome,
        } => Input::Result {
            action,
            occurrence,
            step,
            attempt,
            outcome,
        },
    };
    let durable = agents.handle.send(input).await?;
    // The acknowledging side is gone only when the session is.
    let _ = acks.send((cursor, durable)).await;
    Ok(())
}

/// Tells the agent how far everything is durable, several frames at a time.
async fn acknowledge(
    node: NodeName,
    spool: String,
    send: Sender,
    epoch: u64,
    mut waiting: mpsc::Receiver<Waiting>,
) -> Result<(), Error> {
    let mut reached = 0;
    let mut told = 0;
    loop {
        // With nothing to tell there is nothing to wake up for: thousands of idle agents cost nothing here.
        let next = if reached > told {
            tokio::time::timeout(ACK_AFTER, waiting.recv()).await
        } else {
            Ok(waiting.recv().await)
        };
        match next {
            Ok(Some((cursor, durable))) => {
                let why = "the engine stopped".to_string();
                if !planted::on(Bug::AckBeforeCommit) {
                    durable.await.map_err(|_| Error::Failed {
                        node: node.clone(),
                        why,
                    })?;
                }
                reached = reached.max(cursor);
            }
            Ok(None) => return Ok(()),
            Err(_) => {}
        }
        let idle = waiting.is_empty();
        if reached > told && (idle || reached - told >= UNACKED as u64 / 2) {
            let ack = Ack {
                spool: spool.clone(),
                cursor: reached,
            };
            let body = serde_json::to_vec(&ack).unwrap_or_default();
            ask(&node, send.clone(), epoch, "POST", "/v1/ack", body.into()).await?;
            told = reached;
        }
    }
}

/// Lines out of chunks.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    /// No line end before this.
    searched: usize,
}

impl Lines {
    fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, String> {
        let Some(end) = self.buffer[self.searched..]
            .iter()
            .position(|b| *b == b'\n')
        else {
            self.searched = self.buffer.len();
            if self.buffer.len() > MAX_FRAME {
                return Err(format!("a frame is larger than {} MiB", MAX_FRAME >> 20));
            }
            return Ok(None);
        };
        let line = self.buffer.split_to(self.searched + end).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn frames_are_found_across_chunks() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in ["{\"a\"", ":1}\n{}", "\n\n", "x"] {
            lines.push(chunk.as_bytes());
            while let Some(line) = lines.next_line().unwrap() {
                found.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        assert_eq!(found, ["{\"a\":1}", "{}", ""]);
    }
}
