//! A unit's journal: its last lines, and those that come.
//!
//! `journalctl` tells it, a JSON object a line. A line is read up to a bound and no further: one that is longer is cut and
//! says so, whoever wrote it and however long it is. Nothing is kept here.

use std::process::Stdio;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use stead_core::ids::UnitName;
use stead_core::time::Time;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout};

use super::{Error, Systemd};
use crate::program;
use crate::redact::redact;

/// Most lines handed out at once.
pub const MOST_LINES: u32 = 5000;
/// Longest text of a line that is handed out, in bytes.
const LINE: usize = 8 * 1024;
/// Most bytes of one entry that are held, so that a line of any length costs no more.
pub(super) const ENTRY: usize = 256 * 1024;
/// Most bytes of a complaint that are read.
const COMPLAINT: u64 = 1024;

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

/// Text, or the bytes of what is not valid text, or nothing.
#[derive(Deserialize, Default)]
#[serde(untagged)]
pub(super) enum Message {
    Text(String),
    Bytes(Vec<u8>),
    #[default]
    None,
}

impl Message {
    pub(super) fn text(self) -> String {
        match self {
            Message::Text(text) => text,
            Message::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Message::None => String::new(),
        }
    }
}

/// `journalctl` while it runs. It ends when this is dropped.
pub(super) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    err: ChildStderr,
    entry: Vec<u8>,
}

impl Systemd {
    /// The last `lines` of `unit`, oldest first, within `limit`.
    pub async fn logs(
        &self,
        unit: &UnitName,
        lines: u32,
        limit: Duration,
    ) -> Result<Vec<LogLine>, Error> {
        let all = async {
            let mut told = std::pin::pin!(self.journal(unit, lines, false)?);
            let mut all = Vec::new();
            while let Some(line) = told.next().await {
                all.push(line?);
            }
            Ok(all)
        };
        let late = || Error::Journal(format!("journalctl did not end within {limit:?}"));
        tokio::time::timeout(limit, all)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    /// The last `lines` of `unit`, and with `follow` those that come, until the stream is dropped.
    pub fn journal(
        &self,
        unit: &UnitName,
        lines: u32,
        follow: bool,
    ) -> Result<impl Stream<Item = Result<LogLine, Error>> + Send + use<>, Error> {
        let running = start(unit, lines, follow)?;
        Ok(stream::try_unfold(running, next))
    }
}

fn start(unit: &UnitName, lines: u32, follow: bool) -> Result<Running, Error> {
    let count = lines.clamp(1, MOST_LINES).to_string();
    let mut args = vec!["--output-fields=PRIORITY,MESSAGE", "-n", &count];
    args.extend(["-u", unit.as_str()]);
    if follow {
        args.push("-f");
    }
    Running::start(&args)
}

impl Running {
    /// `journalctl`, telling whole entries as JSON.
    pub(super) fn start(args: &[&str]) -> Result<Running, Error> {
        let program = program::find(&["journalctl"])
            .ok_or_else(|| Error::Journal("journalctl is not installed".into()))?;
        let mut command = tokio::process::Command::new(program);
        command
            .env_clear()
            .env("LANG", "C.UTF-8")
            .args(["--no-pager", "--all", "-o", "json"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let failed =
            |what: &str| Error::Journal(format!("journalctl could not be started: {what}"));
        let mut child = command.spawn().map_err(|e| failed(&e.to_string()))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed("it has no output"));
        };
        Ok(Running {
            child,
            out: BufReader::new(out),
            err,
            entry: Vec::new(),
        })
    }

    pub(super) fn out(&mut self) -> &mut BufReader<ChildStdout> {
        &mut self.out
    }

    /// After its last entry: what it complained of, if it failed.
    pub(super) async fn end(mut self) -> Result<(), Error> {
        let mut said = Vec::new();
        let mut err = self.err.take(COMPLAINT);
        err.read_to_end(&mut said).await.map_err(lost)?;
        let status = self.child.wait().await.map_err(lost)?;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        Err(Error::Journal(redact(said.trim(), 1024)))
    }
}

pub(super) fn lost(error: std::io::Error) -> Error {
    Error::Journal(format!("lost sight of journalctl: {error}"))
}

/// The next line, or the reason why there is none.
async fn next(mut running: Running) -> Result<Option<(LogLine, Running)>, Error> {
    while let Some(length) = read_entry(&mut running.out, &mut running.entry)
        .await
        .map_err(lost)?
    {
        let text = String::from_utf8_lossy(&running.entry);
        let told = if length > ENTRY {
            Some(cut(&text, length))
        } else {
            line(&text)
        };
        if let Some(told) = told {
            return Ok(Some((told, running)));
        }
    }
    running.end().await.map(|()| None)
}

/// Reads one line into `into`, of a longer one the first [`ENTRY`] bytes; its whole length, or `None` at the end.
pub(super) async fn read_entry(
    from: &mut (impl AsyncBufRead + Unpin),
    into: &mut Vec<u8>,
) -> std::io::Result<Option<usize>> {
    into.clear();
    let mut length = 0usize;
    loop {
        let chunk = from.fill_buf().await?;
        if chunk.is_empty() {
            return Ok((length > 0).then_some(length));
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(chunk, |at| &chunk[..at]);
        let room = ENTRY.saturating_sub(into.len());
        into.extend_from_slice(&part[..part.len().min(room)]);
        length = length.saturating_add(part.len());
        let used = end.map_or(part.len(), |at| at + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

/// `None` for what is no entry.
fn line(text: &str) -> Option<LogLine> {
    let entry: Entry<'_> = serde_json::from_str(text).ok()?;
    let message = entry.message.text();
    let micros: i64 = entry.at.parse().ok()?;
    Some(LogLine {
        at: Time(micros / 1000),
        priority: entry.priority.parse().unwrap_or(6),
        text: shortened(&message, message.len()),
    })
}

/// Without secrets; a longer one is cut and says so.
pub(super) fn shortened(message: &str, whole: usize) -> String {
    let text = redact(message, LINE);
    if whole <= LINE {
        return text;
    }
    format!("{text} … (cut: the line has {whole} bytes)")
}

/// What can be told of an entry that is longer than what was read of it.
pub(super) fn cut(start: &str, whole: usize) -> LogLine {
    let after = |key: &str| start.split_once(key).map(|(_, rest)| rest);
    let number = |key: &str| {
        let digits = after(key)?.split('"').next()?;
        digits.parse::<i64>().ok()
    };
    let message: String = after("\"MESSAGE\":\"")
        .unwrap_or("")
        .chars()
        .take(LINE)
        .collect();
    // Cut inside of an escape it would be no text: what stands before the last one is.
    let text = [
        message.as_str(),
        message.rsplit_once('\\').map_or("", |(a, _)| a),
    ]
    .iter()
    .find_map(|part| serde_json::from_str::<String>(&format!("\"{part}\"")).ok())
    .unwrap_or_default();
    let priority = number("\"PRIORITY\":\"").and_then(|n| u8::try_from(n).ok());
    LogLine {
        at: Time(number("\"__REALTIME_TIMESTAMP\":\"").unwrap_or(0) / 1000),
        priority: priority.unwrap_or(6),
        text: shortened(&text, whole),
    }
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

    #[tokio::test]
    async fn a_line_of_ten_megabytes_is_cut_and_says_so_and_the_next_one_is_whole() {
        let long = "a\\n".repeat(5 << 20);
        let text = format!(
            "{{\"__REALTIME_TIMESTAMP\":\"1795000000123456\",\"PRIORITY\":\"4\",\"MESSAGE\":\"{long}\"}}\n\
             {{\"__REALTIME_TIMESTAMP\":\"2000\",\"MESSAGE\":\"short\"}}\n"
        );
        let mut from = BufReader::new(text.as_bytes());
        let mut entry = Vec::new();
        let length = read_entry(&mut from, &mut entry)
            .await
            .expect("read")
            .expect("a line");
        assert!(length > 10 << 20 && entry.len() == ENTRY, "bounded");
        let told = cut(&String::from_utf8_lossy(&entry), length);
        assert_eq!((told.at, told.priority), (Time(1_795_000_000_123), 4));
        assert!(told.text.starts_with("a\na\n"), "its beginning");
        assert!(
            told.text
                .ends_with(&format!("(cut: the line has {length} bytes)"))
        );
        assert!(told.text.len() < LINE + 100);
        read_entry(&mut from, &mut entry).await.expect("read");
        let next = line(&String::from_utf8_lossy(&entry)).expect("a line");
        assert_eq!(next.text, "short");
        assert_eq!(read_entry(&mut from, &mut entry).await.expect("read"), None);
    }

    #[test]
    fn what_is_longer_than_a_line_says_how_long_it_was() {
        let text = "x".repeat(LINE + 1);
        assert!(shortened(&text, text.len()).ends_with("(cut: the line has 8193 bytes)"));
        assert_eq!(shortened("short", 5), "short");
    }
}
