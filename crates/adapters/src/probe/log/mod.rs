//! A pattern appears, or does not, in what was written lately.
//!
//! Files carry no dependable times, so a file is followed from the first question on, and a line is as old as its being
//! read. Units and containers are asked for what they wrote within the time.

mod file;
mod pattern;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use stead_core::desired::LogSource;
use stead_core::time::{Span, Time};

use super::{Found, Miss, Prober, Stage, command};

/// Files followed at once; one not asked for makes room.
const FILES: usize = 128;
/// Newest bytes of a unit's or container's log looked at.
const OUTPUT: usize = 1024 * 1024;

/// What is asked of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub within: Span,
    /// A match is trouble, not health.
    pub absent: bool,
}

/// A file's watch belongs to one pattern: it holds when that matched last.
type Key = (PathBuf, String);

/// When a watch was used last, and the watch.
type Followed = (Instant, Arc<Mutex<file::Watch>>);

/// The files that are followed, between questions.
#[derive(Debug, Default)]
pub(super) struct Logs {
    files: Mutex<BTreeMap<Key, Followed>>,
}

impl Logs {
    fn watch(&self, path: &str, pattern: &str) -> Result<Arc<Mutex<file::Watch>>, Miss> {
        let key = (PathBuf::from(path), pattern.to_owned());
        let mut files = self.files.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((used, watch)) = files.get_mut(&key) {
            *used = Instant::now();
            return Ok(Arc::clone(watch));
        }
        let watch = Arc::new(Mutex::new(file::Watch::new(
            path,
            pattern::compile(pattern)?,
            Instant::now(),
        )));
        if files.len() >= FILES
            && let Some(oldest) = files
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| key.clone())
        {
            files.remove(&oldest);
        }
        files.insert(key, (Instant::now(), Arc::clone(&watch)));
        Ok(watch)
    }
}

impl Prober {
    pub(super) async fn log(
        &self,
        source: &LogSource,
        pattern: &str,
        question: Question,
        limit: Span,
        stage: &Stage,
    ) -> Found {
        let within = question.within;
        let output = match source {
            LogSource::File(path) => {
                if !path.starts_with('/') {
                    return Err(Miss::Unknown(format!(
                        "{path:?} must be an absolute path: correct it"
                    )));
                }
                let watch = self.logs.watch(path, pattern)?;
                return self
                    .blocking(move || {
                        let mut watch = watch.lock().unwrap_or_else(|e| e.into_inner());
                        watch.ask(&question, Instant::now(), SystemTime::now())
                    })
                    .await;
            }
            LogSource::Unit(unit) => {
                stage.enter("reading the journal");
                let since = format!("--since=@{}", since(within).0.div_euclid(1000));
                let unit = format!("--unit={unit}");
                let argv = [
                    "journalctl",
                    "--no-pager",
                    "--quiet",
                    "--output=cat",
                    &unit,
                    &since,
                ];
                let ended = command::run(&argv.map(str::to_owned), OUTPUT, limit).await?;
                if !ended.ok() {
                    return Err(Miss::Unknown(format!(
                        "journalctl: {}",
                        ended.text().trim()
                    )));
                }
                ended.stdout
            }
            LogSource::Container(container) => {
                stage.enter("reading the container's log");
                self.seen
                    .container_log(container, since(within), OUTPUT)
                    .await
                    .map_err(Miss::Unknown)?
            }
        };
        let pattern = pattern::compile(pattern)?;
        let matched = output
            .split(|byte| *byte == b'\n')
            .rev()
            .find(|line| pattern.is_match(line));
        judge(matched, &question)
    }
}

/// What a line that matched, or none, means.
fn judge(matched: Option<&[u8]>, question: &Question) -> Found {
    let none = || format!("no line matched within {}", question.within);
    match (matched.map(pattern::shown), question.absent) {
        (Some(line), false) => Ok(line),
        (Some(line), true) => Err(Miss::Failed(line)),
        (None, false) => Err(Miss::Failed(none())),
        (None, true) => Ok(none()),
    }
}

fn since(within: Span) -> Time {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    Time(now.saturating_sub(i64::try_from(within.0).unwrap_or(i64::MAX)))
}
