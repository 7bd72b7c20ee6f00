//! The tunnel between agent and server: a byte stream inside a WebSocket, and HTTP/2 on it with the roles turned round.
//!
//! Both ends take their windows from here, because they only work together: a connection's window is as large as all its
//! streams' windows together, so that a log nobody reads never holds up the frames or a console. Nothing here decides,
//! dials or authenticates.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::{Sink, Stream};
use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Path the agent asks the server to upgrade.
pub const PATH: &str = "/agent/v1/tunnel";
/// Header that names the node.
pub const NODE_HEADER: &str = "x-stead-node";
/// Header with the protocol's version.
pub const PROTOCOL_HEADER: &str = "x-stead-protocol";

/// Requests under way at once in one tunnel.
pub const STREAMS: u32 = 64;
/// Bytes a stream may send before its reader took any.
pub const STREAM_WINDOW: u32 = 128 * 1024;
/// All streams full still leave the connection open.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// A silent peer is asked for a sign of life this often, and given up after as long again.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Largest message either end sends; larger writes become several.
const MESSAGE: usize = 16 * 1024;
/// Read and write buffers of a WebSocket. Thousands of links share a machine: the libraries' 128 KiB are too many.
const BUFFER: usize = 4 * 1024;

/// Settings of the WebSocket for both ends.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(4 * MESSAGE)
        .max_message_size(Some(4 * MESSAGE))
        .max_frame_size(Some(4 * MESSAGE))
}

/// What a WebSocket message means to the byte stream.
#[derive(Debug)]
pub enum Payload {
    Bytes(Bytes),
    /// Answered by the library itself.
    Control,
    Close,
    /// Nothing this protocol speaks.
    Foreign,
}

/// A message of some WebSocket library.
pub trait Message: Sized {
    fn binary(bytes: Bytes) -> Self;
    fn payload(self) -> Payload;
}

impl Message for tungstenite::Message {
    fn binary(bytes: Bytes) -> Self {
        tungstenite::Message::Binary(bytes)
    }
    fn payload(self) -> Payload {
        match self {
            tungstenite::Message::Binary(bytes) => Payload::Bytes(bytes),
            tungstenite::Message::Close(_) => Payload::Close,
            tungstenite::Message::Text(_) => Payload::Foreign,
            _ => Payload::Control,
        }
    }
}

#[cfg(feature = "tunnel-axum")]
impl Message for axum::extract::ws::Message {
    fn binary(bytes: Bytes) -> Self {
        axum::extract::ws::Message::Binary(bytes)
    }
    fn payload(self) -> Payload {
        use axum::extract::ws::Message;
        match self {
            Message::Binary(bytes) => Payload::Bytes(bytes),
            Message::Close(_) => Payload::Close,
            Message::Text(_) => Payload::Foreign,
            Message::Ping(_) | Message::Pong(_) => Payload::Control,
        }
    }
}

/// A WebSocket as a stream of bytes. Holds at most one message that was not read to its end.
#[derive(Debug)]
pub struct ByteStream<W> {
    socket: W,
    rest: Bytes,
    ended: bool,
}

impl<W> ByteStream<W> {
    pub fn new(socket: W) -> ByteStream<W> {
        ByteStream {
            socket,
            rest: Bytes::new(),
            ended: false,
        }
    }
}

impl<W, M, E> AsyncRead for ByteStream<W>
where
    W: Stream<Item = Result<M, E>> + Unpin,
    M: Message,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                None => self.ended = true,
                Some(Err(error)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, error)));
                }
                Some(Ok(message)) => match message.payload() {
                    Payload::Bytes(bytes) => self.rest = bytes,
                    Payload::Control => {}
                    Payload::Close => self.ended = true,
                    Payload::Foreign => {
                        let what = "the tunnel carries binary messages only";
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
                    }
                },
            }
        }
        let n = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..n]);
        self.rest.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<W, M, E, F> AsyncWrite for ByteStream<W>
where
    W: Stream<Item = Result<M, F>> + Sink<M, Error = E> + Unpin,
    M: Message,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let n = bytes.len().min(MESSAGE);
        let message = M::binary(Bytes::copy_from_slice(&bytes[..n]));
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(broken)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A peer that is gone already is as closed as can be.
        ready!(Pin::new(&mut self.socket).poll_close(cx)).ok();
        Poll::Ready(Ok(()))
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

/// The server's end of a tunnel: sends requests to the agent. The connection must be polled (spawned) for anything to
/// move; it ends when the tunnel does.
pub async fn open<T, B>(
    io: T,
) -> hyper::Result<(
    hyper::client::conn::http2::SendRequest<B>,
    hyper::client::conn::http2::Connection<TokioIo<T>, B, TokioExecutor>,
)>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(STREAMS as usize)
        .max_concurrent_streams(0)
        .max_send_buf_size(STREAM_WINDOW as usize / 2)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(io))
        .await
}

/// The agent's end of a tunnel: answers requests until the tunnel ends.
pub fn answer<T, S, B>(
    io: T,
    service: S,
) -> hyper::server::conn::http2::Connection<TokioIo<T>, S, TokioExecutor>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // Frames are dated by the agent's clock; another one has no place in the tunnel.
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(STREAM_WINDOW as usize / 2)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .serve_connection(TokioIo::new(io), service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    async fn pair(
        buffer: usize,
    ) -> (
        impl AsyncRead + AsyncWrite + Unpin,
        impl AsyncRead + AsyncWrite + Unpin,
    ) {
        let (a, b) = tokio::io::duplex(buffer);
        let client = WebSocketStream::from_raw_socket(a, Role::Client, Some(config())).await;
        let server = WebSocketStream::from_raw_socket(b, Role::Server, Some(config())).await;
        (ByteStream::new(client), ByteStream::new(server))
    }

    #[tokio::test]
    async fn bytes_arrive_as_they_were_written_whatever_their_cut() {
        let (mut a, mut b) = pair(777).await;
        let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            for chunk in sent.chunks(50_001) {
                a.write_all(chunk).await.expect("write");
            }
            a.shutdown().await.expect("close");
            a
        });
        let mut got = Vec::new();
        b.read_to_end(&mut got).await.expect("read");
        assert_eq!(got, expected);
        writer.await.expect("writer");
    }

    #[tokio::test]
    async fn a_text_message_is_refused() {
        use futures::SinkExt;
        let (a, b) = tokio::io::duplex(1024);
        let mut client = WebSocketStream::from_raw_socket(a, Role::Client, None).await;
        let mut server =
            ByteStream::new(WebSocketStream::from_raw_socket(b, Role::Server, None).await);
        client
            .send(tungstenite::Message::text("hello"))
            .await
            .expect("send");
        let error = server.read_u8().await.expect_err("not bytes");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
