//! What the server asks agents for on behalf of people: live details that are not in the log.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use stead_core::ids::NodeName;

/// A way to the agents. The path is one of the agent's own routes, already escaped.
#[async_trait]
pub trait AgentProxy: Send + Sync + 'static {
    async fn get(&self, node: &NodeName, path: &str) -> Result<Bytes, ProxyError>;

    /// The same for an answer that goes on: it ends when either side drops it.
    async fn stream(&self, node: &NodeName, path: &str) -> Result<Chunks, ProxyError> {
        let whole = self.get(node, path).await?;
        Ok(Box::pin(futures::stream::once(async { Ok(whole) })))
    }
}

/// An answer as it comes.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, ProxyError>> + Send>>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("no agent of {0} is connected")]
    NotConnected(NodeName),
    #[error("the agent of {0} did not answer in time")]
    TimedOut(NodeName),
    /// The agent answered with an error of its own.
    #[error("{detail}")]
    Answered { status: u16, detail: String },
    #[error("the link to the agent of {node} failed: {why}")]
    Failed { node: NodeName, why: String },
}
