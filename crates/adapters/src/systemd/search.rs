//! A text in the journals of this machine's units.
//!
//! The journal is read from its end, so that what is found first is the newest and the reading may stop there. It reads a
//! bounded number of lines and bytes for a bounded time and says which bound it met. It looks at what is shown, after redaction:
//! nobody finds a secret by guessing at it. Lines that a container wrote are the container's, and are not told here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stead_core::ids::UnitName;
use stead_core::time::Time;
use tokio::io::AsyncBufRead;
use tokio::time::Instant;

use super::journal::{self, ENTRY, Message, Running, read_entry, shortened};
use super::{Error, Systemd};
use crate::redact;

/// The newest lines a search looks at, and the most bytes of them as the journal tells them.
const LINES: u64 = 100_000;
const BYTES: u64 = 64 << 20;
/// Longest part of a found line that is handed out.
const FOUND_LINE: usize = 2 * 1024;
/// Bytes of found lines: well below what a server takes as an answer.
const FOUND_BYTES: usize = 1 << 20;
/// Priorities up to this one are errors, as syslog counts.
const ERROR: u8 = 3;
/// Where the manager of the machine runs.
const MANAGER: &str = "init.scope";

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Plain text; case does not matter.
    pub text: String,
    /// Only in these units; empty: in all.
    pub units: Vec<UnitName>,
    /// Only lines from then on.
    pub since: Time,
    /// Lines handed out, the newest.
    pub most: usize,
    /// All of it takes no longer.
    pub within: Duration,
}

/// A line that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub unit: UnitName,
    /// RFC 3339, with nine digits of a second as container engines write it.
    pub at: String,
    /// Its priority is an error's or a worse one's.
    pub error: bool,
    pub text: String,
}

/// What a search found, oldest first, and how far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Searched {
    pub found: Vec<Found>,
    pub lines: u64,
    pub bytes: u64,
    /// Why there may be more than was found, a sentence each; empty: that is all.
    pub limits: Vec<String>,
}

/// Whose an entry is. What does not name itself is of no unit.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow, default)]
    at: Cow<'a, str>,
    #[serde(rename = "PRIORITY", borrow, default)]
    priority: Cow<'a, str>,
    /// The unit that wrote it.
    #[serde(rename = "_SYSTEMD_UNIT", borrow, default)]
    of: Cow<'a, str>,
    /// The unit that it is about, where the manager itself wrote it.
    #[serde(rename = "UNIT", borrow, default)]
    about: Cow<'a, str>,
    /// An engine that logs to the journal names the container.
    #[serde(rename = "CONTAINER_NAME", borrow, default)]
    container: Cow<'a, str>,
    #[serde(rename = "MESSAGE", default)]
    message: Message,
}

impl Systemd {
    /// Looks for text in the journals of this machine's units.
    pub async fn search(&self, wanted: &Wanted) -> Result<Searched, Error> {
        let until = Instant::now() + wanted.within;
        let since = format!("--since=@{}", wanted.since.0.max(0) / 1000);
        let count = LINES.to_string();
        let mut args = vec!["--reverse", &since, "-n", &count];
        args.push("--output-fields=PRIORITY,MESSAGE,_SYSTEMD_UNIT,UNIT,CONTAINER_NAME");
        for unit in &wanted.units {
            args.extend(["-u", unit.as_str()]);
        }
        let mut running = Running::start(&args)?;
        let mut look = Look::new(wanted);
        let reading = look.through(running.out());
        match tokio::time::timeout_at(until, reading).await {
            Ok(Ok(true)) => {
                // Whatever it says late is no reason to wait.
                let end = tokio::time::timeout_at(until, running.end()).await;
                end.unwrap_or(Ok(()))?;
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => return Err(journal::lost(error)),
            Err(_) => look.late(wanted.within),
        }
        Ok(look.end())
    }
}

/// A search while it goes on, from the newest line backwards.
struct Look<'a> {
    wanted: &'a Wanted,
    needle: String,
    units: BTreeSet<&'a str>,
    done: Searched,
    /// Bytes of what was found.
    kept: usize,
    /// Lines so long that nothing says whose they are.
    nameless: u64,
    oldest: Option<Time>,
}

impl<'a> Look<'a> {
    fn new(wanted: &'a Wanted) -> Look<'a> {
        Look {
            wanted,
            needle: wanted.text.to_lowercase(),
            units: wanted.units.iter().map(UnitName::as_str).collect(),
            done: Searched::default(),
            kept: 0,
            nameless: 0,
            oldest: None,
        }
    }

    /// Whether it read to the end; otherwise a bound says why not.
    async fn through(&mut self, from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<bool> {
        let mut entry = Vec::new();
        while let Some(length) = read_entry(from, &mut entry).await? {
            self.done.lines += 1;
            self.done.bytes += length as u64;
            self.line(&String::from_utf8_lossy(&entry), length);
            if self.is_full() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn line(&mut self, text: &str, length: usize) {
        let read = if length <= ENTRY {
            short(text)
        } else if value(text, "CONTAINER_NAME").is_some() {
            return;
        } else {
            let read = long(text, length);
            self.nameless += u64::from(read.is_none());
            read
        };
        let Some((unit, micros, priority, text)) = read else {
            return;
        };
        self.oldest = Some(Time(micros / 1000));
        let meant = self.units.is_empty() || self.units.contains(unit.as_str());
        if !meant || !text.to_lowercase().contains(&self.needle) {
            return;
        }
        let text = redact::cut(text, FOUND_LINE);
        self.kept += text.len() + 200;
        self.done.found.push(Found {
            unit,
            at: stamp(micros),
            error: priority <= ERROR,
            text,
        });
    }

    /// Whether a bound is met, which is told.
    fn is_full(&mut self) -> bool {
        let found = self.done.found.len();
        let limit = if found >= self.wanted.most.max(1) || self.kept > FOUND_BYTES {
            format!("only the newest {found} lines of units are told: say more, or a shorter time")
        } else if self.done.lines >= LINES || self.done.bytes >= BYTES {
            let oldest = self.oldest.map(|at| format!(", back to {at}"));
            format!(
                "only the newest {} lines of the journal were looked at{}",
                self.done.lines,
                oldest.unwrap_or_default()
            )
        } else {
            return false;
        };
        self.done.limits.push(limit);
        true
    }

    fn late(&mut self, within: Duration) {
        let oldest = self.oldest.map(|at| format!(" back to {at} only"));
        self.done.limits.push(format!(
            "the journal took longer than {} s: it was looked at{}",
            within.as_secs(),
            oldest.unwrap_or_else(|| " not at all".to_owned())
        ));
    }

    fn end(mut self) -> Searched {
        if self.nameless > 0 {
            self.done.limits.push(format!(
                "{} lines of the journal are longer than {} KiB and do not say early enough whose they are",
                self.nameless,
                ENTRY >> 10
            ));
        }
        self.done.found.reverse();
        self.done
    }
}

/// Unit, microseconds since 1970, priority, text; `None` for what is no unit's.
type Told = (UnitName, i64, u8, String);

/// Anybody may write that a line is about a unit: only of the manager itself that is believed.
fn whose<'a>(of: &'a str, about: &'a str) -> Option<&'a str> {
    let name = if of == MANAGER && !about.is_empty() {
        about
    } else {
        of
    };
    (!name.is_empty()).then_some(name)
}

fn short(text: &str) -> Option<Told> {
    let entry: Entry<'_> = serde_json::from_str(text).ok()?;
    if !entry.container.is_empty() {
        return None;
    }
    let name = whose(&entry.of, &entry.about)?;
    let micros = entry.at.parse().ok()?;
    let priority = entry.priority.parse().unwrap_or(6);
    let message = entry.message.text();
    let message = shortened(&message, message.len());
    Some((UnitName::new(name).ok()?, micros, priority, message))
}

/// A field of an entry of which only the start was read.
fn value<'a>(start: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = start.split_once(&format!("\"{key}\":\""))?;
    rest.split('"').next().filter(|value| !value.is_empty())
}

/// Of an entry that is longer than what was read of it.
fn long(start: &str, whole: usize) -> Option<Told> {
    let of = value(start, "_SYSTEMD_UNIT")?;
    let name = whose(of, value(start, "UNIT").unwrap_or_default())?;
    let told = journal::cut(start, whole);
    let unit = UnitName::new(name).ok()?;
    Some((unit, told.at.0.checked_mul(1000)?, told.priority, told.text))
}

fn stamp(micros: i64) -> String {
    let whole = Time(micros.div_euclid(1000)).to_string();
    format!(
        "{}{:03}000Z",
        whole.trim_end_matches('Z'),
        micros.rem_euclid(1000)
    )
}

#[cfg(test)]
mod tests;
