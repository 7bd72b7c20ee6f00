//! Events as people see them.

use stead_core::event::Event;
use stead_protocol::api;

use super::text;

pub fn event(event: &Event) -> api::Event {
    api::Event {
        seq: event.seq.0,
        id: event.id.clone(),
        at: event.at.to_string(),
        node: event.node().map(ToString::to_string),
        subject: event.subject.to_string(),
        kind: event.kind().as_str().to_string(),
        severity: event.severity.word().to_string(),
        data: event.body.data(),
        cause: event.cause.map(|seq| seq.0),
        source: event.source.word().to_string(),
        text: text(event),
    }
}
