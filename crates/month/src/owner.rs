//! The person whose fleet it is: looks now and then, approves what was asked, and sleeps at night.

use std::time::Duration;

use stead_core::action::{Principal, State};
use stead_core::controller::Command;
use stead_core::time::{Span, Time};
use stead_engine::Handle;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOKS: Duration = Duration::from_secs(600);
/// What was asked is let lie for a while.
const LETS_LIE: Span = Span::mins(12);
/// From when to when a day has hours for this, in UTC.
const AWAKE: std::ops::Range<i64> = 6..21;

fn anna() -> Principal {
    Principal::User("anna".to_string())
}

/// Approves until `until`: what is asked afterwards waits for whoever looks at the pages.
pub async fn live(handle: Handle, until: Time, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOKS) => {}
        }
        let now = handle.now().at;
        if now >= until {
            return;
        }
        if !AWAKE.contains(&(now.0 / 3_600_000).rem_euclid(24)) {
            continue;
        }
        for approve in asked(&handle, now) {
            // One that ended meanwhile is refused, and that is fine.
            let _ = handle.command(approve).await;
        }
    }
}

/// What has waited long enough.
fn asked(handle: &Handle, now: Time) -> Vec<Command> {
    handle.read(|view| {
        let open = view.world().actions.open.values();
        let waits = open.filter(|a| a.state == State::Pending && a.created_at + LETS_LIE < now);
        let approve = |action: &stead_core::action::Action| Command::Approve {
            id: action.id(),
            digest: Some(action.plan.digest.clone()),
            by: anna(),
            note: None,
        };
        waits.map(approve).collect()
    })
}
