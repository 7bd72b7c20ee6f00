//! Wires between agents and servers: in memory, with latency, and with everything that goes wrong with wires. A wire
//! that is cut may still carry what was sent before; one that is stalled carries nothing and tells nobody.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes on their way in one direction; whoever writes more waits.
const MOST: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Lane {
    chunks: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    stalled: bool,
    /// No more is written; when the reader learns that, and how.
    ended: Option<(Instant, End)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Lane {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }

    fn end(&mut self, at: Instant, end: End) {
        if self.ended.is_none() {
            self.ended = Some((at, end));
        }
        self.wake();
    }
}

type Shared = Arc<Mutex<Lane>>;

fn lock(lane: &Shared) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes under way on all wires of a network.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Mutex<(usize, usize)>>);

impl Gauge {
    fn add(&self, bytes: usize) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.0 += bytes;
        now.1 = now.1.max(now.0);
    }

    fn take(&self, bytes: usize) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.0 = now.0.saturating_sub(bytes);
    }

    /// The most there ever were.
    pub fn peak(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// One end of a wire.
#[derive(Debug)]
pub struct Side {
    from: Shared,
    to: Shared,
    latency: Duration,
    gauge: Gauge,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What can be done to a wire. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Wire {
    /// From the agent to the server, and back.
    up: Shared,
    down: Shared,
}

/// A wire: the agent's side, the server's, and what can be done to it.
pub fn pair(latency: u64, gauge: &Gauge) -> (Side, Side, Wire) {
    let (up, down) = (Shared::default(), Shared::default());
    let side = |from: &Shared, to: &Shared| Side {
        from: Arc::clone(from),
        to: Arc::clone(to),
        latency: Duration::from_millis(latency),
        gauge: gauge.clone(),
        timer: None,
    };
    (side(&down, &up), side(&up, &down), Wire { up, down })
}

impl Wire {
    /// It breaks for the agent at once. `late`: the server gets what was sent, and learns of the end, so much later;
    /// none: it learns at once, and the last of what was sent is torn.
    pub fn cut(&self, late: Option<u64>) {
        let now = Instant::now();
        let mut down = lock(&self.down);
        down.chunks.clear();
        down.bytes = 0;
        down.end(now, End::Reset);
        drop(down);
        let mut up = lock(&self.up);
        match late {
            Some(late) => {
                let at = now + Duration::from_millis(late);
                up.stalled = false;
                for chunk in &mut up.chunks {
                    chunk.0 = at;
                }
                up.end(at, End::Reset);
            }
            None => {
                let half = |bytes: &Bytes| bytes.slice(..bytes.len() / 2);
                let torn = up.chunks.back().map(|(at, bytes)| (*at, half(bytes)));
                up.chunks.pop_back();
                up.chunks.extend(torn);
                up.end(now, End::Reset);
            }
        }
    }

    /// Nothing gets through, and nobody is told.
    pub fn stall(&self, stalled: bool) {
        for lane in [&self.up, &self.down] {
            let mut lane = lock(lane);
            lane.stalled = stalled;
            lane.wake();
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let now = Instant::now();
        lock(&self.to).end(now, End::Closed);
        let mut from = lock(&self.from);
        self.gauge.take(from.bytes);
        from.bytes = 0;
        from.chunks.clear();
        from.end(now, End::Closed);
    }
}

impl AsyncRead for Side {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let side = &mut *self;
        let mut lane = lock(&side.from);
        if lane.stalled {
            lane.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let now = Instant::now();
        let due = lane.chunks.front().map(|(at, _)| *at);
        match due {
            Some(at) if at <= now => {
                while buf.remaining() > 0
                    && let Some((at, bytes)) = lane.chunks.front_mut()
                    && *at <= now
                {
                    let n = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..n]);
                    bytes.advance(n);
                    let empty = bytes.is_empty();
                    lane.bytes -= n;
                    side.gauge.take(n);
                    if empty {
                        lane.chunks.pop_front();
                    }
                }
                if let Some(writer) = lane.writer.take() {
                    writer.wake();
                }
                return Poll::Ready(Ok(()));
            }
            _ => {}
        }
        let ended = lane.ended;
        if due.is_none()
            && let Some((at, end)) = ended
            && at <= now
        {
            return Poll::Ready(match end {
                End::Closed => Ok(()),
                End::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            });
        }
        lane.reader = Some(cx.waker().clone());
        drop(lane);
        let next = due.or(ended.map(|(at, _)| at));
        if let Some(at) = next {
            let timer = side
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl AsyncWrite for Side {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = lock(&self.to);
        if lane.ended.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if lane.bytes >= MOST {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        lane.bytes += bytes.len();
        self.gauge.add(bytes.len());
        let at = Instant::now() + self.latency;
        lane.chunks.push_back((at, Bytes::copy_from_slice(bytes)));
        if let Some(reader) = lane.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.to).end(Instant::now(), End::Closed);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_wire_takes_its_time_and_a_cut_one_may_still_deliver() {
        let (mut agent, mut server, wire) = pair(20, &Gauge::default());
        let began = Instant::now();
        agent.write_all(b"hello").await.expect("write");
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await.expect("read");
        assert_eq!(
            (&buf, began.elapsed()),
            (b"hello", Duration::from_millis(20))
        );
        agent.write_all(b"late").await.expect("write");
        wire.cut(Some(1000));
        assert!(agent.write_all(b"x").await.is_err());
        assert!(agent.read_u8().await.is_err());
        let mut buf = [0; 4];
        server.read_exact(&mut buf).await.expect("read");
        assert_eq!(
            (&buf, began.elapsed()),
            (b"late", Duration::from_millis(1020))
        );
        assert!(server.read_u8().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_without_mercy_tears_the_last_message_and_a_stall_only_delays() {
        let (mut agent, mut server, wire) = pair(0, &Gauge::default());
        wire.stall(true);
        agent.write_all(b"abcd").await.expect("write");
        let read = tokio::time::timeout(Duration::from_secs(60), server.read_u8());
        assert!(read.await.is_err(), "nothing gets through");
        wire.stall(false);
        wire.cut(None);
        let mut got = Vec::new();
        assert!(server.read_to_end(&mut got).await.is_err());
        assert_eq!(got, b"ab");
    }
}
