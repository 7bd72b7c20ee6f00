//! Messages by POST to an address of the owner's, signed. Rows T1 and S16.
//!
//! Whoever may write the fleet's files names the address, so it is not trusted: it is looked up once, what it resolves to
//! is judged, and exactly that is connected to. Never to a private address that the channel does not allow, never along a
//! redirect. Nothing of the answer but its status is looked at, and no secret is in any error.
//!
//! | file | its noun |
//! |---|---|
//! | `address` | where a connection may go |
//! | `body` | the JSON that is posted |
//! | `signature` | the proof that Stead posted it |
//! | `client` | one POST |

mod address;
mod body;
mod client;
mod signature;

pub use signature::{HEADER as SIGNATURE_HEADER, sign};

use std::net::IpAddr;
use std::sync::Arc;

use stead_core::desired::Channel;
use stead_ports::clock::Clock;
use stead_ports::notify::{Error, Letter, Notify};
use stead_ports::secrets::Secrets;

use crate::probe::names::Names;
use crate::probe::tls::Tls;

/// Header that names the message, the same in every attempt.
pub const ID_HEADER: &str = "stead-message-id";

/// Turns a host into addresses. One call per attempt: what it says is what is judged and connected to.
#[async_trait::async_trait]
pub trait Lookup: std::fmt::Debug + Send + Sync + 'static {
    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, String>;
}

/// This machine's resolver.
#[derive(Debug, Default)]
struct Resolver(Names);

#[async_trait::async_trait]
impl Lookup for Resolver {
    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        self.0.lookup(host).await.map_err(|miss| miss.to_string())
    }
}

/// Carries letters to webhooks. Cheap while idle: resolver and certificates are made when first needed.
#[derive(Debug)]
pub struct Webhooks {
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    lookup: Arc<dyn Lookup>,
    tls: Tls,
}

impl Webhooks {
    /// `clock`: its wall time is in the signature.
    pub fn new(secrets: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Webhooks {
        Webhooks::with_lookup(secrets, clock, Arc::<Resolver>::default())
    }

    /// The same with another resolver.
    pub fn with_lookup(
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Webhooks {
        Webhooks {
            secrets,
            clock,
            lookup,
            tls: Tls::default(),
        }
    }
}

#[async_trait::async_trait]
impl Notify for Webhooks {
    async fn deliver(&self, letter: &Letter) -> Result<(), Error> {
        let Channel::Webhook(webhook) = &letter.channel;
        client::post(self, webhook, letter).await
    }
}
