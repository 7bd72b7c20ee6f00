//! A connection opens.

use std::net::SocketAddr;
use std::time::Duration;

use stead_core::time::Span;
use tokio::net::TcpStream;

use super::{Found, Miss, Prober, Stage, address, plain};

impl Prober {
    pub(super) async fn tcp(&self, host: &str, port: u16, limit: Span, stage: &Stage) -> Found {
        let stream = self.connect(host, port, limit, stage).await?;
        let peer = stream
            .peer_addr()
            .map_or_else(|_| host.to_owned(), |peer| peer.to_string());
        Ok(format!("connected to {peer}"))
    }

    /// Tries each address of `host` in turn; one that does not answer leaves time for the others.
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
        limit: Span,
        stage: &Stage,
    ) -> Result<TcpStream, Miss> {
        let host = address::host(host)?;
        stage.enter(format!("looking up {host}"));
        let addresses = self.names.lookup(host).await?;
        let each = Duration::from_millis(limit.0 / addresses.len() as u64);
        let mut last = String::new();
        for address in addresses {
            let to = SocketAddr::new(address, port);
            stage.enter(format!("connecting to {to}"));
            last = match tokio::time::timeout(each, TcpStream::connect(to)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => format!("{to}: {}", plain(&error)),
                Err(_) => format!("{to}: no answer within {}", Span(each.as_millis() as u64)),
            };
        }
        Err(Miss::Failed(last))
    }
}
