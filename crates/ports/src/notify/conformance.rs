//! What every carrier of letters must do, whatever it carries them by.

use std::sync::Arc;
use std::time::Duration;

use stead_core::desired::{Channel, Webhook};
use stead_core::event::Severity;
use stead_core::subject::Subject;
use stead_core::time::Time;

use super::memory::Way;
use super::{Error, Letter, Notify};

/// What a receiver that fails or refuses says, where it can say something: it must not come back.
pub const CHATTER: &str = "internal-host.example says: token=hunter2";
/// Longer than any carrier needs to a receiver beside it.
const LONG: Duration = Duration::from_secs(2);

/// A carrier, and a receiver that can be told what to do.
#[async_trait::async_trait]
pub trait Rig: Sync {
    fn notify(&self) -> Arc<dyn Notify>;
    /// A letter to that receiver.
    fn letter(&self, id: &str) -> Letter;
    async fn behave(&self, way: Way);
    /// IDs of what the receiver has, in the order it came.
    async fn received(&self) -> Vec<String>;
}

/// A letter for tests.
pub fn letter(id: &str, webhook: Webhook) -> Letter {
    Letter {
        id: id.to_owned(),
        channel: Channel::Webhook(webhook),
        thread: Some("t-1".to_owned()),
        sort: "opened".to_owned(),
        severity: Severity::Warning,
        title: "z2m on piha is unhealthy".to_owned(),
        text: "z2m exited (137)".to_owned(),
        subject: "service/piha/z2m".parse().unwrap_or(Subject::Fleet),
        fleet: "home".to_owned(),
        at: Time(1_795_000_000_123),
        ping: true,
    }
}

/// Runs everything.
pub async fn suite(rig: &dyn Rig) {
    arrives_with_its_id(rig).await;
    says_what_may_be_tried_again(rig).await;
    the_same_letter_again_has_the_same_id(rig).await;
    a_black_hole_ends_with_the_attempt(rig).await;
}

async fn arrives_with_its_id(rig: &dyn Rig) {
    rig.behave(Way::Take).await;
    let sent = rig.notify().deliver(&rig.letter("m-1")).await;
    assert_eq!(sent, Ok(()));
    assert_eq!(rig.received().await, ["m-1"]);
}

async fn says_what_may_be_tried_again(rig: &dyn Rig) {
    rig.behave(Way::Fail).await;
    let failed = rig.notify().deliver(&rig.letter("m-2")).await;
    let Err(Error::Later(why)) = &failed else {
        panic!("a receiver that fails may be tried again: {failed:?}");
    };
    assert!(!why.is_empty() && !why.contains("hunter2"), "{why}");
    rig.behave(Way::Refuse).await;
    let refused = rig.notify().deliver(&rig.letter("m-3")).await;
    let Err(Error::Never(why)) = &refused else {
        panic!("a refusal stays one: {refused:?}");
    };
    assert!(!why.is_empty() && !why.contains("hunter2"), "{why}");
    assert_eq!(rig.received().await, ["m-1"]);
}

async fn the_same_letter_again_has_the_same_id(rig: &dyn Rig) {
    rig.behave(Way::TakeAndLoseAnswer).await;
    let lost = rig.notify().deliver(&rig.letter("m-4")).await;
    assert!(matches!(lost, Err(Error::Later(_))), "{lost:?}");
    rig.behave(Way::Take).await;
    assert_eq!(rig.notify().deliver(&rig.letter("m-4")).await, Ok(()));
    assert_eq!(rig.received().await, ["m-1", "m-4", "m-4"]);
}

async fn a_black_hole_ends_with_the_attempt(rig: &dyn Rig) {
    rig.behave(Way::BlackHole).await;
    let (notify, letter) = (rig.notify(), rig.letter("m-5"));
    let waited = tokio::time::timeout(LONG, notify.deliver(&letter)).await;
    assert!(waited.is_err(), "nobody answered: {waited:?}");
    rig.behave(Way::Take).await;
    assert_eq!(notify.deliver(&rig.letter("m-6")).await, Ok(()));
    assert_eq!(rig.received().await.last().map(String::as_str), Some("m-6"));
}
