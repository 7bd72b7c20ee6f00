//! From the lines of a file to events in the log.

use futures::StreamExt;
use stead_core::event::Source;
use stead_core::time::Time;
use stead_engine::{Error as EngineError, Handle};

use super::lines::Line;
use super::why::Fault;
use crate::report;

/// Reports waiting for their commit at the same time.
const AT_ONCE: usize = 64;

/// What came of a file's events.
#[derive(Debug)]
pub struct Outcome {
    pub faults: Vec<Fault>,
    pub good: usize,
    /// The log could not take some: the file is to be read again.
    pub again: bool,
}

/// Records what can be recorded, in order.
pub async fn record(handle: &Handle, found: Vec<Line>, now: Time) -> Outcome {
    let mut outcome = Outcome {
        faults: Vec::new(),
        good: 0,
        again: false,
    };
    let mut reports = Vec::with_capacity(found.len());
    for line in found {
        match line.value {
            Ok(value) => match report::read(&value, Source::Inbox, now) {
                Ok(report) => reports.push(report),
                Err(e) => {
                    let place = format!("line {}", line.number);
                    outcome.faults.push(Fault {
                        place,
                        why: e.detail,
                        remedy: e.remedy,
                    });
                }
            },
            Err(bad) => {
                let place = format!("line {}, column {}", line.number, bad.column);
                let fault = Fault {
                    place,
                    why: bad.why,
                    remedy: "correct the JSON at that place".into(),
                };
                outcome.faults.push(fault);
            }
        }
    }
    let sent = futures::stream::iter(reports)
        .map(|r| handle.foreign(r))
        .buffered(AT_ONCE);
    tokio::pin!(sent);
    while let Some(done) = sent.next().await {
        match done {
            Ok(_) => outcome.good += 1,
            Err(EngineError::Refused(refusal)) => {
                let fault = Fault {
                    place: "the file".into(),
                    why: refusal.detail,
                    remedy: refusal.remedy,
                };
                outcome.faults.push(fault);
            }
            Err(EngineError::Storage(_) | EngineError::Stopped) => {
                outcome.again = true;
                break;
            }
        }
    }
    outcome
}
