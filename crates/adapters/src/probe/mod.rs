//! Asks one [`Probe`] of the fleet's files and says what it found.
//!
//! Whether an answer counts is not decided here: [`stead_core::judge`] does. What never happens: a shell, a lookup of a
//! program along the caller's `PATH`, an answer that was not redacted, a question without an end. A probe that cannot be
//! asked (no permission, no such program, engine away) is unknown and says what to do; it is neither trouble nor health.
//!
//! One file a question; [`Prober`] holds what they share.

// This is the shell around the judgement: it reads clocks and draws numbers on purpose.
#![allow(clippy::disallowed_methods)]

pub(crate) mod address;
mod certificate;
mod command;
mod dns;
mod file;
mod http;
mod icmp;
mod log;
mod mqtt;
pub(crate) mod names;
mod process;
mod seen;
mod tcp;
pub(crate) mod tls;
mod workload;

#[cfg(test)]
mod tests;

pub use seen::{Seen, Sighting};
pub use stead_core::judge::{Answer, ProbeResult};

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stead_core::desired::Probe;
use stead_core::time::Span;
use tokio::sync::Semaphore;

use crate::redact;

/// Longest any probe may take, whatever its file says.
const LONGEST: Span = Span::mins(10);
/// File-system questions under way at once. One that hangs (a dead network share) keeps its place until it ends.
const BLOCKING: usize = 8;

/// Why a probe did not find what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Miss {
    #[error("{0}")]
    Failed(String),
    /// It could not be asked; the text says what to do.
    #[error("{0}")]
    Unknown(String),
}

type Found = Result<String, Miss>;

/// What a probe is busy with, so that a time-out can say where it stood.
#[derive(Debug, Default)]
pub(crate) struct Stage(Mutex<String>);

impl Stage {
    fn enter(&self, what: impl Into<String>) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = what.into();
    }
    fn now(&self) -> String {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

/// Asks probes. Cheap while idle: certificates, resolver and compiled patterns are made when first needed.
#[derive(Debug)]
pub struct Prober {
    seen: Arc<dyn Seen>,
    names: names::Names,
    tls: tls::Tls,
    logs: log::Logs,
    blocking: Arc<Semaphore>,
}

impl Prober {
    /// `seen` answers for what the agent observes anyway.
    pub fn new(seen: Arc<dyn Seen>) -> Prober {
        Prober {
            seen,
            names: names::Names::default(),
            tls: tls::Tls::default(),
            logs: log::Logs::default(),
            blocking: Arc::new(Semaphore::new(BLOCKING)),
        }
    }

    /// Asks once. Ends within `timeout` (at most ten minutes); dropping the future stops whatever was begun.
    pub async fn ask(&self, probe: &Probe, timeout: Span) -> ProbeResult {
        let limit = Span(timeout.0.clamp(1, LONGEST.0));
        let started = Instant::now();
        let stage = Stage::default();
        let found = tokio::time::timeout(
            Duration::from_millis(limit.0),
            self.run(probe, limit, &stage),
        )
        .await;
        let took = Span(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        let (outcome, answer) = match found {
            Ok(Ok(answer)) => (Answer::Ok, answer),
            Ok(Err(Miss::Failed(why))) => (Answer::Failed, why),
            Ok(Err(Miss::Unknown(why))) => (Answer::Unknown, why),
            Err(_) => (Answer::Failed, late(limit, &stage.now())),
        };
        ProbeResult {
            outcome,
            answer: redact::answer(&answer),
            took,
        }
    }

    async fn run(&self, probe: &Probe, limit: Span, stage: &Stage) -> Found {
        match probe {
            Probe::Http(probe) => self.http(probe, limit, stage).await,
            Probe::Tcp { host, port } => self.tcp(host, *port, limit, stage).await,
            Probe::Dns {
                name,
                record,
                expect,
                server,
            } => {
                let (expect, server) = (expect.as_deref(), server.as_deref());
                self.dns(
                    &dns::Question {
                        name,
                        record,
                        expect,
                        server,
                    },
                    limit,
                )
                .await
            }
            Probe::Mqtt {
                host,
                port,
                topic,
                username,
                password,
            } => {
                let (topic, username, password) =
                    (topic.as_deref(), username.as_deref(), password.as_deref());
                let broker = mqtt::Broker {
                    host,
                    port: *port,
                    topic,
                    username,
                    password,
                };
                self.mqtt(&broker, limit, stage).await
            }
            Probe::Tls {
                host,
                port,
                days,
                verify,
            } => {
                self.certificate(host, *port, *days, *verify, limit, stage)
                    .await
            }
            Probe::Icmp { host } => self.icmp(host, limit, stage).await,
            Probe::File {
                path,
                max_age,
                min_size,
            } => self.file(path, *max_age, *min_size).await,
            Probe::Command { run, exit } => command::ask(run, *exit, limit, stage).await,
            Probe::Process {
                process,
                command_line,
                min,
            } => self.process(process, command_line.as_deref(), *min).await,
            Probe::Container { container } => workload::container(&self.seen.container(container)),
            Probe::Unit { unit } => workload::unit(&self.seen.unit(unit)),
            Probe::Log {
                source,
                pattern,
                within,
                absent,
            } => {
                let question = log::Question {
                    within: *within,
                    absent: *absent,
                };
                self.log(source, pattern, question, limit, stage).await
            }
        }
    }

    /// Runs file-system work where it cannot hold up anything else; refuses when too much of it hangs already.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Miss> + Send + 'static,
    ) -> Result<T, Miss> {
        let Ok(permit) = Arc::clone(&self.blocking).try_acquire_owned() else {
            return Err(Miss::Unknown(format!(
                "{BLOCKING} earlier questions to file systems still hang: look for a dead mount (`mount`, `dmesg`)"
            )));
        };
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await
            .unwrap_or_else(|_| Err(Miss::Unknown("the question broke off; ask again".into())))
    }

    /// The text of a password or header: itself, or the secret it names.
    fn secret<'a>(&self, text: &'a str) -> Result<std::borrow::Cow<'a, str>, Miss> {
        let Some(name) = text.strip_prefix("secret:") else {
            return Ok(text.into());
        };
        self.seen.secret(name).map(Into::into).ok_or_else(|| {
            Miss::Unknown(format!(
                "this node has no secret {name:?}: add it on the server, or correct the name"
            ))
        })
    }
}

fn late(limit: Span, stage: &str) -> String {
    match stage {
        "" => format!("no answer within {limit}"),
        stage => format!("no answer within {limit}, while {stage}"),
    }
}

/// An I/O error as people say it, without `(os error 111)`.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
