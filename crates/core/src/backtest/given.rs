//! What of a record is given: what was seen, and what people did. The rest followed from it, and is decided anew.

use alloc::vec::Vec;

use crate::event::{Body, Event, Source};
use crate::time::Time;

/// What an event of the record is to a backtest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Taken as it stands.
    Given,
    /// Decided then: counted for comparison, and decided anew.
    Decided,
    /// Follows from the given ones, or changes nothing.
    Neither,
}

/// Whether an event of this kind needs to be read at all; by kind alone, so that most of a log is never decoded.
///
/// What others reported of a service is given, what Stead stated of it is not: those kinds are read, and [`part`] decides.
pub fn matters(kind: &str) -> bool {
    !matches!(
        kind,
        "action_approved"
            | "action_step_started"
            | "action_step_ended"
            | "action_plan_changed"
            | "service_flapping"
            | "service_steady"
            | "autonomy_earned"
            | "autonomy_lost"
            | "message_delivered"
            | "message_failed"
            | "drill_ended"
            | "desired_rejected"
            | "server_stopped"
    ) && !kind.starts_with("rollout_")
}

/// What `event` is.
pub fn part(event: &Event) -> Part {
    match &event.body {
        Body::ActionProposed(_)
        | Body::ActionStarted(_)
        | Body::ActionCompleted(_)
        | Body::ActionFailed(_)
        | Body::ActionCancelled(_)
        | Body::ActionRejected(_)
        | Body::BrakeEngaged(_)
        | Body::AlertOpened(_)
        | Body::AlertChanged(_)
        | Body::MessageQueued(_) => Part::Decided,
        Body::LockReleased(e) if e.reason == "released" => Part::Given,
        Body::BrakeReleased(e) if e.by.is_some() => Part::Given,
        Body::Observed(..)
        | Body::Gone(_)
        | Body::AgentConnected(_)
        | Body::NodeSynced(_)
        | Body::NodeUp(_)
        | Body::NodeStale(_)
        | Body::NodeOffline(_)
        | Body::NodeRebooted(_)
        | Body::DiskPressure(_)
        | Body::DiskRecovered(_)
        | Body::LevelRaised(_)
        | Body::LevelLowered(_)
        | Body::OomKill(_)
        | Body::SpoolGap(_)
        | Body::ServerStarted(_)
        | Body::ClockJumped(_)
        | Body::DesiredLoaded(_)
        | Body::LockTaken(_)
        | Body::LockStale(_)
        | Body::LeaderElected(_)
        | Body::Other(..) => Part::Given,
        _ if event.source.is_foreign() => Part::Given,
        _ => Part::Neither,
    }
}

/// When Stead took each event in. Its own statements say it; what an agent saw carries the agent's clock, so it is held
/// between the statements before and after it.
pub(super) fn times(events: &[Event], now: Time) -> Vec<Time> {
    let mut next = Time(i64::MAX);
    let mut times: Vec<Time> = Vec::with_capacity(events.len());
    for event in events.iter().rev() {
        times.push(match (is_own(event), &event.body) {
            (true, Body::ClockJumped(_)) => {
                // Before it another clock counted.
                next = Time(i64::MAX);
                event.at
            }
            (true, _) => {
                next = event.at;
                event.at
            }
            (false, _) => event.at.min(next),
        });
    }
    times.reverse();
    let mut latest = now;
    for (event, at) in events.iter().zip(&mut times) {
        if matches!(event.body, Body::ClockJumped(_)) {
            latest = *at;
        }
        latest = latest.max(*at);
        *at = latest;
    }
    times
}

/// Whether the event carries the server's clock.
pub(super) fn is_own(event: &Event) -> bool {
    let crossed = matches!(
        event.body,
        Body::DiskPressure(_)
            | Body::DiskRecovered(_)
            | Body::LevelRaised(_)
            | Body::LevelLowered(_)
    );
    event.source == Source::Server && !crossed
}

/// Given events that came in together, as a snapshot or the changes of one word of an agent do.
#[derive(Debug, Default)]
pub(super) struct Group {
    at: Time,
    events: Vec<Event>,
    /// The end of a snapshot was seen: nothing but the node's coming up belongs to it any more.
    synced: bool,
}

impl Group {
    /// Whether `event` belongs to what is here.
    pub(super) fn takes(&self, event: &Event) -> bool {
        let Some(last) = self.events.last() else {
            return true;
        };
        let alone = |e: &Event| e.node().is_none() || e.source.is_foreign();
        if alone(event) || alone(last) || event.node() != last.node() {
            return false;
        }
        if self.synced {
            return matches!(event.body, Body::NodeUp(_));
        }
        match &event.body {
            Body::NodeSynced(_) => true,
            Body::NodeStale(_) | Body::NodeOffline(_) | Body::NodeUp(_) => false,
            _ => event.cursor == last.cursor && event.at == last.at,
        }
    }

    pub(super) fn push(&mut self, at: Time, event: Event) {
        self.synced |= matches!(event.body, Body::NodeSynced(_));
        self.at = at;
        self.events.push(event);
    }

    /// When they came in; `None` while there are none.
    pub(super) fn at(&self) -> Option<Time> {
        (!self.events.is_empty()).then_some(self.at)
    }

    pub(super) fn is_clock_jump(&self) -> bool {
        matches!(&*self.events, [event] if matches!(event.body, Body::ClockJumped(_)))
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Event> {
        self.synced = false;
        self.events.drain(..)
    }
}
