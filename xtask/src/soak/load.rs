//! Those who work with a Stead while it is killed: one posts events, one leaves them as files, one approves. Each repeats
//! what got no answer, as anybody would, and remembers what did.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::bench::server::NODE;

/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(12);
/// Between events of one reporter, and between tries.
const PAUSE: Duration = Duration::from_millis(25);

/// What somebody was told is safe.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Numbers of the events posted, and of those left as files.
    pub posted: BTreeSet<u64>,
    pub dropped: BTreeSet<u64>,
    /// ID and occurrence.
    pub approved: BTreeSet<(String, u64)>,
}

pub struct Load {
    reporting: Arc<AtomicBool>,
    deciding: Arc<AtomicBool>,
    poster: JoinHandle<BTreeSet<u64>>,
    dropper: JoinHandle<Result<BTreeSet<u64>>>,
    approver: JoinHandle<BTreeSet<(String, u64)>>,
}

impl Load {
    pub fn begin(url: &str, data: &Path) -> Result<Load> {
        let token = token(data)?;
        let reporting = Arc::new(AtomicBool::new(true));
        let deciding = Arc::new(AtomicBool::new(true));
        let caller = Caller {
            url: url.to_owned(),
            token,
        };
        let inbox = data.join("files/inbox");
        Ok(Load {
            poster: std::thread::spawn({
                let (on, caller) = (Arc::clone(&reporting), caller.clone());
                move || post(&on, &caller)
            }),
            dropper: std::thread::spawn({
                let on = Arc::clone(&reporting);
                move || leave(&on, &inbox)
            }),
            approver: std::thread::spawn({
                let on = Arc::clone(&deciding);
                move || approve(&on, &caller)
            }),
            reporting,
            deciding,
        })
    }

    /// No new events from here on; what is open is still decided.
    pub fn stop_reporting(&self) {
        self.reporting.store(false, Ordering::Relaxed);
    }

    pub fn end(self) -> Result<Acknowledged> {
        self.reporting.store(false, Ordering::Relaxed);
        self.deciding.store(false, Ordering::Relaxed);
        let gone = |_| anyhow::anyhow!("a reporter panicked");
        Ok(Acknowledged {
            posted: self.poster.join().map_err(gone)?,
            dropped: self.dropper.join().map_err(gone)??,
            approved: self.approver.join().map_err(gone)?,
        })
    }
}

#[derive(Clone)]
struct Caller {
    url: String,
    token: String,
}

impl Caller {
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        ask(&self.url, &self.token, method, path, body)
    }
}

pub fn token(data: &Path) -> Result<String> {
    let token = fs::read_to_string(data.join("admin.token")).context("admin.token")?;
    Ok(token.trim().to_owned())
}

fn mark(how: &str, n: u64) -> Value {
    json!({ "node": NODE, "kind": format!("soak_{how}"), "data": { "n": n } })
}

fn post(on: &AtomicBool, caller: &Caller) -> BTreeSet<u64> {
    let (mut acknowledged, mut n) = (BTreeSet::new(), 0);
    while on.load(Ordering::Relaxed) {
        let answer = caller.ask("POST", "/api/v1/events", Some(&mark("posted", n)));
        if matches!(answer, Ok((200 | 201, _))) {
            acknowledged.insert(n);
            n += 1;
        }
        std::thread::sleep(PAUSE);
    }
    acknowledged
}

/// A file is acknowledged when it is in `done`. One that is not yet stays where it is: it is not written again.
fn leave(on: &AtomicBool, inbox: &Path) -> Result<BTreeSet<u64>> {
    let name = |n: u64| format!("soak-{n}.json");
    let mut n = 0;
    while on.load(Ordering::Relaxed) {
        let beside = inbox.join(format!(".{}", name(n)));
        fs::write(&beside, mark("dropped", n).to_string())?;
        fs::rename(&beside, inbox.join(name(n)))?;
        n += 1;
        std::thread::sleep(PAUSE * 8);
    }
    let waits = |n: u64| inbox.join(name(n)).exists();
    crate::process::until(Duration::from_secs(120), "files stay in the inbox", || {
        !(0..n).any(waits)
    })?;
    let done = fs::read_dir(inbox.join("done"))?
        .filter_map(|entry| number(&entry.ok()?.path()))
        .collect();
    Ok(done)
}

/// `…soak-17….json` is 17.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (_, rest) = name.split_once("soak-")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}

fn approve(on: &AtomicBool, caller: &Caller) -> BTreeSet<(String, u64)> {
    let mut approved = BTreeSet::new();
    while on.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE * 8);
        let Ok((200, pending)) = caller.ask("GET", "/api/v1/actions?state=pending", None) else {
            continue;
        };
        for action in pending.as_array().into_iter().flatten() {
            let (Some(id), Some(occurrence)) =
                (action["id"].as_str(), action["occurrence"].as_u64())
            else {
                continue;
            };
            let path = format!("/api/v1/actions/{id}/approve?occurrence={occurrence}");
            if matches!(caller.ask("POST", &path, Some(&json!({}))), Ok((200, _))) {
                approved.insert((id.to_owned(), occurrence));
            }
        }
    }
    approved
}

/// One request on a connection of its own. Any error: nobody knows whether it was heard.
pub fn ask(
    url: &str,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Result<(u16, Value)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.context("no answer")?;
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let mut lines = head.lines();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &answer[end + 4..];
    if length.is_some_and(|length| length != body.len()) {
        bail!("half an answer");
    }
    Ok((status, serde_json::from_slice(body).unwrap_or(Value::Null)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_answer_is_none() {
        let whole = b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        assert_eq!(parse(whole).unwrap(), (201, json!({ "a": 1 })));
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_file_is_known_by_its_number() {
        let of = |name: &str| number(&Path::new("/x").join(name));
        assert_eq!(of("soak-17.json"), Some(17));
        assert_eq!(of("2026-11-26-soak-4.1.json"), Some(4));
        assert_eq!(of("other.json"), None);
    }
}
