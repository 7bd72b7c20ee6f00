//! The last lines of a unit, from the journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stead_core::ids::UnitName;
use stead_core::time::Time;

use super::{Error, Systemd};
use crate::program::{self, Call};
use crate::redact::redact;

/// Most lines handed out at once, and the most bytes read for them.
pub const MOST_LINES: u32 = 5000;
const BYTES: usize = 4 * 1024 * 1024;
const LINE: usize = 8 * 1024;

/// One line, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub at: Time,
    /// As syslog counts: 0 emergency … 7 debug.
    pub priority: u8,
    pub text: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow, default)]
    at: std::borrow::Cow<'a, str>,
    #[serde(rename = "PRIORITY", borrow, default)]
    priority: std::borrow::Cow<'a, str>,
    #[serde(rename = "MESSAGE", default)]
    message: Message,
}

/// Text, or the bytes of what is not valid text, or nothing where it was too long.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    #[default]
    None,
}

impl Systemd {
    /// The last `lines` of `unit`, oldest first.
    pub async fn logs(
        &self,
        unit: &UnitName,
        lines: u32,
        limit: Duration,
    ) -> Result<Vec<LogLine>, Error> {
        let program = program::find(&["journalctl"])
            .ok_or_else(|| Error::Journal("journalctl is not installed".into()))?;
        let count = lines.clamp(1, MOST_LINES).to_string();
        let args = [
            "--no-pager",
            "-o",
            "json",
            "-n",
            &count,
            "-u",
            unit.as_str(),
        ];
        let call = Call {
            program,
            args: args.map(ToOwned::to_owned).into(),
            folder: None,
            env: Vec::new(),
            limit,
            keep: BYTES,
        };
        let ended = program::run(call)
            .await
            .map_err(|error| Error::Journal(error.to_string()))?;
        if !ended.ok() {
            return Err(Error::Journal(redact(ended.text().trim(), 1024)));
        }
        Ok(String::from_utf8_lossy(&ended.stdout)
            .lines()
            .filter_map(line)
            .collect())
    }
}

/// `None` for a line that was cut off or is no entry.
fn line(text: &str) -> Option<LogLine> {
    let entry: Entry<'_> = serde_json::from_str(text).ok()?;
    let message = match entry.message {
        Message::Text(text) => text,
        Message::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Message::None => String::new(),
    };
    let micros: i64 = entry.at.parse().ok()?;
    Some(LogLine {
        at: Time(micros / 1000),
        priority: entry.priority.parse().unwrap_or(6),
        text: redact(&message, LINE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_whatever_their_message_is() {
        let text = r#"{"__REALTIME_TIMESTAMP":"1795000000123456","PRIORITY":"3","MESSAGE":"password=hunter2 wrong"}"#;
        let expected = LogLine {
            at: Time(1_795_000_000_123),
            priority: 3,
            text: "password=*** wrong".into(),
        };
        assert_eq!(line(text), Some(expected));
        let bytes = r#"{"__REALTIME_TIMESTAMP":"1000","MESSAGE":[104,105,255]}"#;
        assert_eq!(line(bytes).expect("a line").text, "hi\u{fffd}");
        assert_eq!(
            line(r#"{"__REALTIME_TIMESTAMP":"1000","MESSAGE":null}"#)
                .expect("a line")
                .text,
            ""
        );
        assert_eq!(line("half a li"), None);
    }
}
