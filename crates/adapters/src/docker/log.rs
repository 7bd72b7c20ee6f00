//! Container logs: the last lines, following, and searching where they lie.
//!
//! The engine hands out pieces, not lines: it cuts what is longer than 16 KiB, and each piece begins with a time stamp of its
//! own. [`Joiner`] puts them together again, keeps the beginning of a line that is too long, and says how long it was. A
//! search reads a bounded number of lines and bytes for a bounded time, and says which bound it met; nothing but the lines it
//! found leaves the node. It looks at what is shown, after redaction: nobody finds a secret by guessing at it.

use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{ListContainersOptionsBuilder, LogsOptionsBuilder};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use stead_core::ids::ContainerName;
use stead_core::time::Time;
use tokio::time::Instant;

use super::client::{Client, checked};
use super::{Docker, Error};
use crate::redact::{cut, redact};

/// Most lines of a log handed out at once.
pub const MOST_LINES: u32 = 5000;
/// Longest line handed out, in bytes.
const LINE: usize = 8 * 1024;
/// Of a longer line this much is read for redaction: a secret is not recognised once half of it is gone.
const KEPT: usize = 2 * LINE;
/// Longest part of a found line that is handed out.
const FOUND_LINE: usize = 2 * 1024;
/// The newest lines of each container that a search looks at, and the most bytes of them.
const SEARCHED_LINES: &str = "20000";
const SEARCHED_BYTES: usize = 16 << 20;
/// Bytes of found lines: well below what a server takes as an answer.
const FOUND_BYTES: usize = 1 << 20;
/// Most containers one search looks into.
const SEARCHED: usize = 1024;

/// One line of a log, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Written to standard error.
    pub error: bool,
    /// Begins with the engine's time stamp. Where the line was too long its end says so.
    pub text: String,
}

pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogLine, Error>> + Send>>;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Plain text; case does not matter.
    pub text: String,
    /// Only in these containers; empty: in all.
    pub containers: Vec<ContainerName>,
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
    pub container: ContainerName,
    /// The engine's time stamp, RFC 3339.
    pub at: String,
    pub error: bool,
    pub text: String,
}

/// What a search found, oldest first, and how far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Searched {
    pub found: Vec<Found>,
    /// Containers it looked into, and those there are to look into.
    pub containers: u32,
    pub of: u32,
    pub lines: u64,
    pub bytes: u64,
    /// Why there may be more than was found, a sentence each; empty: that is all.
    pub limits: Vec<String>,
}

impl Docker {
    /// The last `tail` lines, and with `follow` those that come, until the stream is dropped.
    pub async fn logs(
        &self,
        name: &ContainerName,
        tail: u32,
        follow: bool,
    ) -> Result<LogStream, Error> {
        let client = self.client().await?;
        // Asked first, so that a container that is not there is an answer and not a broken stream.
        let id = client.inspect(name.as_str()).await?.id;
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(follow)
            .tail(&tail.min(MOST_LINES).to_string())
            .build();
        let pieces = client
            .patient(Duration::from_secs(60))
            .logs(checked(&id)?, Some(options));
        let wrapped = client.clone();
        let pieces = pieces.map(move |piece| piece.map_err(|error| wrapped.wrap(error)));
        Ok(Box::pin(lines(pieces)))
    }

    /// Looks for text in the logs of this engine's containers.
    pub async fn search(&self, wanted: &Wanted) -> Result<Searched, Error> {
        let client = self.client().await?;
        let until = Instant::now() + wanted.within;
        let names = self.searchable(&client, wanted).await?;
        let mut done = Searched {
            of: u32::try_from(names.len()).unwrap_or(u32::MAX),
            ..Searched::default()
        };
        for (name, id) in names {
            let one = in_one(&client, &name, &id, wanted, &mut done);
            match tokio::time::timeout_at(until, one).await {
                Ok(Ok(())) => {}
                // It went away meanwhile, or its log driver cannot be read: the others are looked into all the same.
                Ok(Err(error)) => done.limits.push(format!("{name}: {error}")),
                Err(_) => {
                    let seconds = wanted.within.as_secs();
                    done.limits.push(format!(
                        "it took longer than {seconds} s: {} of {} containers were looked into",
                        done.containers, done.of
                    ));
                    break;
                }
            }
            done.containers += 1;
        }
        done.found.sort_by(|a, b| a.at.cmp(&b.at));
        newest(&mut done, wanted.most);
        Ok(done)
    }

    /// Containers that are meant, running ones first, then the newest.
    async fn searchable(
        &self,
        client: &Client,
        wanted: &Wanted,
    ) -> Result<Vec<(ContainerName, String)>, Error> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let mut list = client
            .ask(client.engine.list_containers(Some(options)))
            .await?;
        list.sort_by_key(|c| std::cmp::Reverse((c.state.is_some_and(running), c.created)));
        let named = |c: bollard::models::ContainerSummary| {
            let name = c.names?.into_iter().next()?;
            let name = ContainerName::new(name.trim_start_matches('/')).ok()?;
            let meant = wanted.containers.is_empty() || wanted.containers.contains(&name);
            meant.then_some((name, c.id?))
        };
        let found = list.into_iter().filter_map(named).take(SEARCHED);
        Ok(found.collect())
    }
}

fn running(state: bollard::models::ContainerSummaryStateEnum) -> bool {
    matches!(state, bollard::models::ContainerSummaryStateEnum::RUNNING)
}

/// Only the newest `most`, and never more bytes than the bound.
fn newest(done: &mut Searched, most: usize) {
    let mut bytes = 0;
    let fits = |line: &&Found| {
        bytes += line.text.len() + 200;
        bytes <= FOUND_BYTES
    };
    let kept = done.found.iter().rev().take(most).take_while(fits).count();
    let over = done.found.len() - kept;
    if over > 0 {
        done.found.drain(..over);
        done.limits
            .push(format!("{over} older lines were found and left out"));
    }
}

/// Looks into one container's log.
async fn in_one(
    client: &Client,
    name: &ContainerName,
    id: &str,
    wanted: &Wanted,
    done: &mut Searched,
) -> Result<(), Error> {
    let since = i32::try_from(wanted.since.0 / 1000).unwrap_or(0);
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(since)
        .tail(SEARCHED_LINES)
        .build();
    let pieces = client
        .patient(wanted.within)
        .logs(checked(id)?, Some(options));
    let mut read = 0;
    let mut full = false;
    let wrapped = client.clone();
    let bounded = pieces
        .map(move |piece| piece.map_err(|error| wrapped.wrap(error)))
        .take_while(|piece| {
            read += piece.as_ref().map_or(0, |piece| piece.as_ref().len());
            full = read > SEARCHED_BYTES;
            futures::future::ready(!full)
        });
    let needle = wanted.text.to_lowercase();
    let mut count: u64 = 0;
    {
        let mut lines = std::pin::pin!(lines(bounded));
        while let Some(line) = lines.next().await {
            count += 1;
            let line = line?;
            if let Some(found) = matching(name, line, &needle) {
                done.found.push(found);
                // Twice what is handed out bounds the memory; what is dropped is older.
                if done.found.len() > 2 * wanted.most + 1000 {
                    done.found.sort_by(|a, b| a.at.cmp(&b.at));
                    newest(done, wanted.most);
                    done.limits.pop();
                    full_of(done);
                }
            }
        }
    }
    done.lines += count;
    done.bytes += read as u64;
    if full {
        let most = SEARCHED_BYTES >> 20;
        done.limits
            .push(format!("{name}: only the first {most} MiB were looked at"));
    } else if count.to_string() == SEARCHED_LINES {
        done.limits.push(format!(
            "{name}: only its newest {SEARCHED_LINES} lines were looked at"
        ));
    }
    Ok(())
}

const MANY: &str = "there are many more lines than are shown: say more, or a shorter time";

fn full_of(done: &mut Searched) {
    if !done.limits.iter().any(|limit| limit == MANY) {
        done.limits.push(MANY.to_string());
    }
}

fn matching(name: &ContainerName, line: LogLine, needle: &str) -> Option<Found> {
    let (at, text) = line.text.split_once(' ').unwrap_or((&line.text, ""));
    text.to_lowercase().contains(needle).then(|| Found {
        container: name.clone(),
        at: at.to_owned(),
        error: line.error,
        text: cut(text.to_owned(), FOUND_LINE),
    })
}

/// Pieces as lines.
fn lines(
    pieces: impl Stream<Item = Result<LogOutput, Error>> + Send,
) -> impl Stream<Item = Result<LogLine, Error>> + Send {
    let mut joiner = Joiner::default();
    let joined =
        pieces
            .map(Some)
            .chain(stream::once(async { None }))
            .map(move |piece| match piece {
                Some(Ok(piece)) => joiner
                    .push(&piece)
                    .map_or_else(Vec::new, |line| vec![Ok(line)]),
                Some(Err(error)) => vec![Err(error)],
                None => joiner.end().into_iter().map(Ok).collect(),
            });
    joined.flat_map(stream::iter)
}

/// Puts the pieces of lines together. Standard output and error come mixed, and each has its own unfinished line.
#[derive(Debug, Default)]
struct Joiner {
    open: [Open; 2],
}

#[derive(Debug, Default)]
struct Open {
    /// The beginning of the line, at most [`KEPT`] bytes.
    kept: Vec<u8>,
    /// Bytes of it so far, without time stamps. Where the reading began in the middle of it, it has more.
    length: usize,
    begun: bool,
}

impl Joiner {
    fn push(&mut self, piece: &LogOutput) -> Option<LogLine> {
        let error = matches!(piece, LogOutput::StdErr { .. });
        let open = &mut self.open[usize::from(error)];
        let bytes: &[u8] = piece.as_ref();
        let ends = bytes.ends_with(b"\n");
        let bytes = match open.begun {
            true => after_stamp(bytes),
            false => bytes,
        };
        open.begun = true;
        open.length += bytes.len();
        let room = KEPT.saturating_sub(open.kept.len()).min(bytes.len());
        open.kept.extend_from_slice(&bytes[..room]);
        ends.then(|| std::mem::take(open).line(error))
    }

    /// What was never ended is a line too.
    fn end(&mut self) -> Vec<LogLine> {
        let open = self.open.iter_mut().enumerate();
        open.filter(|(_, open)| open.begun)
            .map(|(n, open)| std::mem::take(open).line(n == 1))
            .collect()
    }
}

impl Open {
    fn line(self, error: bool) -> LogLine {
        let text = String::from_utf8_lossy(&self.kept);
        let text = text.trim_end_matches(['\n', '\r']);
        if self.length <= LINE {
            let text = redact(text, LINE);
            return LogLine { error, text };
        }
        let note = format!(" (cut: the line has {} bytes or more)", self.length);
        LogLine {
            error,
            text: redact(text, LINE - note.len()) + &note,
        }
    }
}

/// What follows the engine's time stamp; everything where there is none.
fn after_stamp(bytes: &[u8]) -> &[u8] {
    const STAMP: usize = 30;
    let stamped = bytes.len() > STAMP
        && bytes[STAMP] == b' '
        && bytes[4] == b'-'
        && bytes[10] == b'T'
        && bytes[STAMP - 1] == b'Z';
    if stamped { &bytes[STAMP + 1..] } else { bytes }
}

#[cfg(test)]
mod tests;
