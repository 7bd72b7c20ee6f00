//! What an event says about a cause: it is there, it is over, or it cannot make up its mind.
//!
//! Only Stead's own statements count: they were made with patience, and a report that holds is among them.

use alloc::borrow::Cow;

use super::topic;
use crate::event::{Body, Event, Severity};

/// How a cause turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Ill,
    Well,
    Flapping,
    Steady,
}

/// The topic that `event` speaks of, of its subject. Most events speak of none.
pub(super) fn read(event: &Event) -> Option<(Cow<'static, str>, Turn)> {
    if event.source.is_foreign() {
        return None;
    }
    let fixed = |topic: &'static str, turn| Some((Cow::Borrowed(topic), turn));
    match &event.body {
        Body::ServiceUnhealthy(_)
        | Body::ServiceMissing(_)
        | Body::ContainersNotRunning(_)
        | Body::MqttUnreachable(_) => fixed(topic::STATE, Turn::Ill),
        Body::ServiceHealthy(_) | Body::ServiceRecovered(_) => fixed(topic::STATE, Turn::Well),
        Body::ServiceFlapping(_) => fixed(topic::STATE, Turn::Flapping),
        Body::ServiceSteady(_) => fixed(topic::STATE, Turn::Steady),
        Body::NodeOffline(_) => fixed(topic::OFFLINE, Turn::Ill),
        Body::NodeSynced(_) => fixed(topic::OFFLINE, Turn::Well),
        Body::BrakeEngaged(_) => fixed(topic::BRAKE, Turn::Ill),
        Body::BrakeReleased(_) => fixed(topic::BRAKE, Turn::Well),
        Body::DesiredRejected(_) => fixed(topic::FILES, Turn::Ill),
        Body::DesiredLoaded(_) => fixed(topic::FILES, Turn::Well),
        Body::WritesAnomalous(_) => fixed(topic::WRITES, Turn::Ill),
        Body::WritesUsual(_) => fixed(topic::WRITES, Turn::Well),
        Body::AutonomyLost(e) => Some((topic::autonomy(&e.digest).into(), Turn::Ill)),
        Body::AutonomyEarned(e) => Some((topic::autonomy(&e.digest).into(), Turn::Well)),
        Body::DiskPressure(e) => Some((Cow::Owned(e.metric.clone()), Turn::Ill)),
        Body::DiskRecovered(e) => Some((Cow::Owned(e.metric.clone()), Turn::Well)),
        // Of other levels only the worst is a trouble of its own; it lasts until the reading is no warning any more.
        Body::LevelRaised(e) if event.severity == Severity::Critical => {
            Some((Cow::Owned(e.metric.clone()), Turn::Ill))
        }
        Body::LevelLowered(e) if matches!(e.level.as_str(), "ok" | "noted") => {
            Some((Cow::Owned(e.metric.clone()), Turn::Well))
        }
        _ => None,
    }
}
