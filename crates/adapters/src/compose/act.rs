//! Brings a compose file's services up anew.

use std::time::Duration;

use stead_core::command::Outcome;

use super::client::{OUTPUT, plain};
use super::config::service;
use super::{Compose, Error, Target};
use crate::program;
use crate::redact::redact;

impl Compose {
    /// `up -d --build --force-recreate` for `services`, or for all where there are none named. At the time-out the
    /// whole process group is ended, and what it did until then is unknown.
    pub async fn up(&self, target: &Target, services: &[String], limit: Duration) -> Outcome {
        match self.try_up(target, services, limit).await {
            Ok(outcome) => outcome,
            Err(Error::Program(program::Error::TimedOut { output, limit, .. })) => {
                let said = redact(plain(&String::from_utf8_lossy(&output)).trim(), 512);
                let why = format!(
                    "compose did not end within {} s and was stopped. It said last: {said}",
                    limit.as_secs()
                );
                Outcome::Unknown { why }
            }
            Err(error @ Error::Program(program::Error::Lost { .. })) => Outcome::Unknown {
                why: error.to_string(),
            },
            Err(error @ (Error::Invalid(_) | Error::NoFile(_))) => Outcome::Refused {
                code: error.code().into(),
                why: error.to_string(),
            },
            Err(error) => Outcome::Failed {
                code: error.code().into(),
                why: error.to_string(),
                output: String::new(),
            },
        }
    }

    async fn try_up(
        &self,
        target: &Target,
        services: &[String],
        limit: Duration,
    ) -> Result<Outcome, Error> {
        let mut words = vec!["up", "-d", "--build", "--force-recreate"];
        for name in services {
            words.push(service(name)?);
        }
        let program = self.program().await?;
        let ended = self.run(&program, target, &words, limit, OUTPUT).await?;
        let text = plain(&ended.text());
        let output = redact(tail(text.trim(), OUTPUT), OUTPUT);
        if ended.ok() {
            return Ok(Outcome::Done {
                output,
                freed: None,
            });
        }
        let code = ended
            .code
            .map_or_else(|| "a signal".into(), |code| format!("code {code}"));
        let last = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let why = format!("compose ended with {code}: {}", redact(last.trim(), 512));
        Ok(Outcome::Failed {
            code: "compose-failed".into(),
            why,
            output,
        })
    }
}

/// The last `max` bytes, from a character's start.
fn tail(text: &str, max: usize) -> &str {
    let mut at = text.len().saturating_sub(max);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    &text[at..]
}
