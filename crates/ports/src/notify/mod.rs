//! Messages to people, handed to whoever carries them.
//!
//! One call is one attempt. How often, how long and in which order is tried is the caller's matter; so is a time-out: an
//! attempt may hang for ever, and dropping it ends it. A receiver may see a letter twice and knows it by its ID.

pub mod conformance;
pub mod memory;

use std::fmt::Debug;

use stead_core::alert::Message;
use stead_core::desired::Channel;
use stead_core::event::Severity;
use stead_core::subject::Subject;
use stead_core::time::Time;

/// One message and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Unique; the same in every attempt.
    pub id: String,
    pub channel: Channel,
    /// Absent for a test message.
    pub thread: Option<String>,
    /// `opened`, `changed`, `closed`, `test`.
    pub sort: String,
    pub severity: Severity,
    pub title: String,
    pub text: String,
    pub subject: Subject,
    /// The fleet's name.
    pub fleet: String,
    /// When it was decided to send it.
    pub at: Time,
    pub ping: bool,
}

impl Letter {
    /// A message of the outbox, for the channel as the fleet describes it now.
    pub fn new(message: &Message, channel: Channel, fleet: &str) -> Letter {
        let what = &message.what;
        Letter {
            id: what.id.clone(),
            channel,
            thread: what.thread.clone(),
            sort: what.sort.clone(),
            severity: what.severity,
            title: what.title.clone(),
            text: what.text.clone(),
            subject: message.subject.clone(),
            fleet: fleet.to_owned(),
            at: message.queued_at,
            ping: what.ping,
        }
    }
}

/// Why an attempt failed, for the owner. Never a word of what the receiver said, and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another attempt may succeed.
    #[error("{0}")]
    Later(String),
    /// None will before somebody mends it.
    #[error("{0}")]
    Never(String),
}

/// Carries letters.
#[async_trait::async_trait]
pub trait Notify: Debug + Send + Sync + 'static {
    /// One attempt. `Ok`: the receiver has it.
    async fn deliver(&self, letter: &Letter) -> Result<(), Error>;
}
