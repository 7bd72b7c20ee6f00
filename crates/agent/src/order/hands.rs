//! What carries commands out. A trait, because crashes at every point are tried with hands that do not touch the
//! machine.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use stead_core::command::{Command, Order, Outcome};
use stead_core::time::Span;

#[async_trait]
pub trait Hands: Debug + Send + Sync + 'static {
    /// Carries the command of `order` out, once. Ends within `limit` or soon after, with [`Outcome::Unknown`] where nobody
    /// saw how.
    async fn carry_out(&self, order: &Order, limit: Duration) -> Outcome;

    /// Makes the node look again at what `command` touches where nothing would tell by itself. What it sees is on the
    /// board when this ends.
    async fn look_again(&self, command: &Command);

    /// How long an effect on the command's target may be on its way with nothing to see of it.
    async fn quiet(&self, command: &Command) -> Duration;

    /// Says that what happens to the command's target is Stead's own doing, until the result is dropped.
    fn claim(&self, command: &Command, length: Span) -> Box<dyn Send>;
}
