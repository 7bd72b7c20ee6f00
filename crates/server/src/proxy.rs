//! What the server asks agents for on behalf of people: live details that are not in the log.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use serde::Deserialize;
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
    /// The agent answered with an error of its own. `code` and `remedy` are empty where it told none.
    #[error("{detail}")]
    Answered {
        status: u16,
        code: String,
        detail: String,
        remedy: String,
    },
    #[error("the link to the agent of {node} failed: {why}")]
    Failed { node: NodeName, why: String },
}

/// Characters that are shown of an answer that says nothing in the usual shape.
const SHOWN: usize = 500;

/// What agents tell of an error: of a problem document, what people read.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
    #[serde(default)]
    remedy: String,
}

impl ProxyError {
    /// The agent answered with `status`, which is none of success, and this.
    pub fn answered(status: u16, body: &[u8]) -> ProxyError {
        let refusal = serde_json::from_slice(body).unwrap_or_else(|_| Refusal {
            code: String::new(),
            detail: String::from_utf8_lossy(body).chars().take(SHOWN).collect(),
            remedy: String::new(),
        });
        ProxyError::Answered {
            status,
            code: refusal.code,
            detail: refusal.detail,
            remedy: refusal.remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_problem_is_read_and_whatever_else_it_says_is_shown_in_part() {
        let body = br#"{"type":"/errors/x","title":"t","status":503,"code":"engine-absent","detail":"no engine","remedy":"start it"}"#;
        let told = ProxyError::answered(503, body);
        assert_eq!(told.to_string(), "no engine");
        assert!(
            matches!(told, ProxyError::Answered { code, remedy, .. } if code == "engine-absent" && remedy == "start it")
        );
        let long = ProxyError::answered(500, "ä".repeat(9_000).as_bytes());
        assert_eq!(long.to_string().chars().count(), SHOWN);
    }
}
