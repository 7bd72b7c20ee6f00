//! The JSON that is posted. Fields are added, never renamed or taken away.

use serde::Serialize;
use stead_core::event::Severity;
use stead_core::subject::Subject;
use stead_core::time::Time;
use stead_ports::notify::Letter;

/// Of this description.
const VERSION: u32 = 1;

#[derive(Debug, Serialize)]
struct Body<'a> {
    version: u32,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<&'a str>,
    sort: &'a str,
    severity: Severity,
    title: &'a str,
    text: &'a str,
    subject: &'a Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    fleet: &'a str,
    at: Time,
    ping: bool,
}

/// The letter as it is posted.
pub(super) fn write(letter: &Letter) -> Vec<u8> {
    let body = Body {
        version: VERSION,
        id: &letter.id,
        thread: letter.thread.as_deref(),
        sort: &letter.sort,
        severity: letter.severity,
        title: &letter.title,
        text: &letter.text,
        subject: &letter.subject,
        node: letter.subject.node().map(|n| n.as_str()),
        service: letter.subject.service().map(|s| s.as_str()),
        fleet: &letter.fleet,
        at: letter.at,
        ping: letter.ping,
    };
    // Texts and numbers: there is nothing that could not be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_as_it_is_documented() {
        let mut letter = stead_ports::notify::conformance::letter("m-1", Default::default());
        let body: serde_json::Value = serde_json::from_slice(&write(&letter)).expect("JSON");
        let expected = serde_json::json!({
            "version": 1, "id": "m-1", "thread": "t-1", "sort": "opened", "severity": "warning",
            "title": "z2m on piha is unhealthy", "text": "z2m exited (137)",
            "subject": "service/piha/z2m", "node": "piha", "service": "z2m", "fleet": "home",
            "at": "2026-11-18T11:06:40.123Z", "ping": true,
        });
        assert_eq!(body, expected);
        letter.subject = Subject::Fleet;
        letter.thread = None;
        let body: serde_json::Value = serde_json::from_slice(&write(&letter)).expect("JSON");
        for absent in ["thread", "node", "service"] {
            assert!(body.get(absent).is_none(), "{absent}");
        }
    }
}
