//! `vm-cleanup.log`: what a cleanup script of its owner's tells of its runs, a JSON object a line, or one list of them.
//!
//! Its numbers are shown as they were written; only when it ran and what it freed is understood, for the score.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use stead_core::facts::CleanupSeen;
use stead_core::time::Time;

use super::LARGEST;
use crate::plain::{self, Refused};
use crate::redact::redact;

/// Where such a script writes, below the root; the first that is there is read.
pub const PLACES: [&str; 3] = [
    "var/log/vm-cleanup.log",
    "opt/homelab/vm-cleanup.log",
    "opt/homelab/logs/vm-cleanup.log",
];
/// Runs told, the latest.
const RUNS: usize = 200;
/// Steps told of each, and the longest text in one.
const STEPS: usize = 64;
const TEXT: usize = 500;
/// What a run may say; everything else of it stays where it is.
const FIELDS: [&str; 7] = [
    "timestamp",
    "mode",
    "diskBefore",
    "diskAfter",
    "freedMB",
    "steps",
    "success",
];

/// What the log says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CleanupLog {
    /// Newest first, each with the fields its script wrote, of those that are known.
    pub runs: Vec<Map<String, Value>>,
    /// Lines that are no run.
    pub unread: usize,
    /// The file, where there is one.
    pub path: Option<String>,
}

/// The log of the machine below `root`.
pub fn cleanup_log(root: &Path) -> Result<CleanupLog, (String, Refused)> {
    for place in PLACES {
        let shown = format!("/{place}");
        match plain::read(&root.join(place), LARGEST) {
            Ok(None) => {}
            Ok(Some(text)) => {
                return Ok(CleanupLog {
                    path: Some(shown),
                    ..read(&text)
                });
            }
            Err(why) => return Err((shown, why)),
        }
    }
    Ok(CleanupLog::default())
}

/// The latest run that ended well; `None` where there is none, or no log that can be read.
pub fn last_cleanup(root: &Path) -> Option<CleanupSeen> {
    let log = cleanup_log(root).ok()?;
    let well = |run: &&Map<String, Value>| run.get("success") == Some(&Value::Bool(true));
    let seen = log.runs.iter().filter(well).filter_map(seen);
    seen.max_by_key(|run| run.at)
}

fn seen(run: &Map<String, Value>) -> Option<CleanupSeen> {
    let freed = run.get("freedMB").and_then(Value::as_f64).unwrap_or(0.0);
    Some(CleanupSeen {
        at: instant(run.get("timestamp")?)?,
        // Casting saturates: nonsense is none, or as much as there can be.
        freed: (freed * 1024.0 * 1024.0) as u64,
    })
}

/// RFC 3339, or seconds or milliseconds since 1970.
fn instant(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => {
            let n = number.as_i64()?;
            let is_millis = n > 100_000_000_000;
            Some(Time(if is_millis { n } else { n.checked_mul(1000)? }))
        }
        _ => None,
    }
}

fn read(text: &str) -> CleanupLog {
    let mut log = CleanupLog::default();
    let whole = text.trim_start();
    let all: Vec<Option<Value>> = if whole.starts_with('[') {
        match serde_json::from_str::<Vec<Value>>(whole) {
            Ok(list) => list.into_iter().map(Some).collect(),
            Err(_) => vec![None],
        }
    } else {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| serde_json::from_str(line).ok()).collect()
    };
    for value in all {
        match value {
            Some(Value::Object(object)) if object.contains_key("timestamp") => {
                log.runs.push(run(object));
            }
            _ => log.unread += 1,
        }
    }
    log.runs.reverse();
    log.runs.truncate(RUNS);
    log
}

fn run(object: Map<String, Value>) -> Map<String, Value> {
    let known = object
        .into_iter()
        .filter(|(key, _)| FIELDS.contains(&key.as_str()));
    known.map(|(key, value)| (key, bounded(value, 0))).collect()
}

/// Text without secrets and bounded, lists and objects bounded.
fn bounded(value: Value, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(redact(&text, TEXT)),
        Value::Array(_) | Value::Object(_) if depth > 2 => Value::Null,
        Value::Array(list) => list
            .into_iter()
            .take(STEPS)
            .map(|one| bounded(one, depth + 1))
            .collect(),
        Value::Object(object) => object
            .into_iter()
            .take(STEPS)
            .map(|(key, one)| (redact(&key, TEXT), bounded(one, depth + 1)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        r#"{"timestamp":"2026-11-20T04:00:00Z","mode":"standard","diskBefore":"71%","diskAfter":"64%","freedMB":3072,"steps":[{"name":"apt","freedMB":100}],"success":true}"#,
        "\nstarting cleanup\n",
        r#"{"timestamp":"2026-11-25T04:00:00Z","mode":"full","diskBefore":80,"diskAfter":80,"freedMB":0,"steps":["token=hunter2hunter2"],"success":false,"host":"secret"}"#,
        "\n",
    );

    #[test]
    fn runs_are_told_newest_first_with_the_fields_they_are_known_by() {
        let log = read(LOG);
        assert_eq!((log.runs.len(), log.unread), (2, 1));
        assert_eq!(log.runs[0]["mode"], "full");
        assert_eq!(log.runs[1]["diskBefore"], "71%", "as it was written");
        assert_eq!(log.runs[1]["steps"][0]["name"], "apt");
        assert!(!log.runs[0].contains_key("host"), "nothing else of it");
        assert!(
            !log.runs[0]["steps"].to_string().contains("hunter2"),
            "no secret"
        );
        assert_eq!(
            read(&format!("[{}]", LOG.lines().next().unwrap()))
                .runs
                .len(),
            1
        );
        assert_eq!((read("[1, 2").unread, read("").runs.len()), (1, 0));
    }

    #[test]
    fn only_a_run_that_ended_well_counts_as_a_cleanup() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(last_cleanup(dir.path()), None);
        std::fs::create_dir_all(dir.path().join("var/log")).expect("made");
        std::fs::write(dir.path().join(PLACES[0]), LOG).expect("written");
        let last = last_cleanup(dir.path()).expect("one ended well");
        assert_eq!(last.at.to_string(), "2026-11-20T04:00:00.000Z");
        assert_eq!(last.freed, 3 << 30);
        std::os::unix::fs::symlink("/etc/shadow", dir.path().join("opt")).expect("linked");
        assert!(cleanup_log(dir.path()).is_ok(), "the first that is there");
    }

    #[test]
    fn nonsense_is_no_cleanup_and_no_panic() {
        for line in [
            r#"{"timestamp":"soon","success":true}"#,
            r#"{"timestamp":9223372036854775807,"success":true,"freedMB":1e300}"#,
            r#"{"timestamp":null,"success":true}"#,
        ] {
            for run in read(line).runs {
                let _ = seen(&run);
            }
        }
        assert_eq!(
            seen(&read(r#"{"timestamp":1795000000,"freedMB":-5}"#).runs[0]),
            Some(CleanupSeen {
                at: Time(1_795_000_000_000),
                freed: 0
            })
        );
    }

    #[test]
    fn a_long_log_and_a_deep_step_are_bounded() {
        let line = |n: usize| format!("{{\"timestamp\":{n},\"steps\":[[[[{n}]]]]}}\n");
        let log = read(&(0..RUNS + 50).map(line).collect::<String>());
        assert_eq!(log.runs.len(), RUNS);
        assert_eq!(log.runs[0]["timestamp"], RUNS + 49, "the latest stay");
        assert_eq!(log.runs[0]["steps"].to_string(), "[[[null]]]");
    }
}
