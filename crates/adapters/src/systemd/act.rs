//! Restarts a unit and waits for what its job says.

use std::time::Duration;

use futures::{Stream, StreamExt};
use stead_core::command::Outcome;
use stead_core::ids::UnitName;

use super::client::{Client, Signal};
use super::{Error, Systemd};
use crate::redact::cut;

/// Lines of the journal shown with a failure.
const LINES: u32 = 20;
const OUTPUT: usize = 16 * 1024;

fn refused(code: &str, why: String) -> Outcome {
    Outcome::Refused {
        code: code.into(),
        why,
    }
}

fn failed(error: &Error) -> Outcome {
    if error.certain() {
        certain(error)
    } else {
        Outcome::Unknown {
            why: error.advice(),
        }
    }
}

fn certain(error: &Error) -> Outcome {
    Outcome::Failed {
        code: error.code().into(),
        why: error.advice(),
        output: String::new(),
    }
}

impl Systemd {
    /// Resets the failed state and restarts `unit`, replacing what is queued for it.
    pub async fn restart(&self, unit: &UnitName, limit: Duration) -> Outcome {
        match self.try_restart(unit, limit).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn try_restart(&self, unit: &UnitName, limit: Duration) -> Result<Outcome, Outcome> {
        let name = unit.as_str();
        // Nothing is begun before the restart itself: until then every failure is certain.
        let client = Client::connect(self.options())
            .await
            .map_err(|error| certain(&error))?;
        let mut signals = client.signals().await.map_err(|error| certain(&error))?;
        let seen = client
            .inspect(name)
            .await
            .map_err(|error| certain(&error))?;
        match seen.facts.load.as_str() {
            "loaded" => {}
            "masked" => {
                let why = format!(
                    "{unit} is masked, so it cannot be started. Run: systemctl unmask {unit}"
                );
                return Err(refused("unit-masked", why));
            }
            "not-found" => {
                let why = format!(
                    "there is no unit file for {unit}. Install the service or correct its name."
                );
                return Err(refused("unit-not-found", why));
            }
            other => {
                let why = format!(
                    "{unit} cannot be loaded ({other}). Run: systemd-analyze verify {unit}"
                );
                return Err(refused("unit-not-loaded", why));
            }
        }
        client
            .reset_failed(name)
            .await
            .map_err(|error| certain(&error))?;
        let job = client.restart(name).await.map_err(|error| failed(&error))?;
        match tokio::time::timeout(limit, result_of(&job, &mut signals)).await {
            Ok(Some(result)) => Ok(self.ended(unit, &result).await),
            Ok(None) => Err(Outcome::Unknown {
                why: "the connection to systemd broke while the job ran.".into(),
            }),
            Err(_) => {
                let why = format!(
                    "the restart of {unit} did not end within {} s.",
                    limit.as_secs()
                );
                Err(Outcome::Unknown { why })
            }
        }
    }

    /// Stops `unit`, replacing what is queued for it.
    pub async fn stop(&self, unit: &UnitName, limit: Duration) -> Outcome {
        match self.try_stop(unit, limit).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn try_stop(&self, unit: &UnitName, limit: Duration) -> Result<Outcome, Outcome> {
        let client = Client::connect(self.options())
            .await
            .map_err(|error| certain(&error))?;
        let mut signals = client.signals().await.map_err(|error| certain(&error))?;
        let job = client
            .stop(unit.as_str())
            .await
            .map_err(|error| failed(&error))?;
        match tokio::time::timeout(limit, result_of(&job, &mut signals)).await {
            Ok(Some(result)) if result == "done" => Ok(Outcome::Done {
                output: format!("{unit} was stopped."),
                freed: None,
            }),
            Ok(Some(result)) => Err(Outcome::Failed {
                code: "unit-stop-failed".into(),
                why: format!(
                    "{unit} could not be stopped ({result}). See: systemctl status {unit}"
                ),
                output: String::new(),
            }),
            Ok(None) => Err(Outcome::Unknown {
                why: "the connection to systemd broke while the job ran.".into(),
            }),
            Err(_) => Err(Outcome::Unknown {
                why: format!(
                    "the stop of {unit} did not end within {} s.",
                    limit.as_secs()
                ),
            }),
        }
    }

    async fn ended(&self, unit: &UnitName, result: &str) -> Outcome {
        let why = match result {
            "done" => {
                return Outcome::Done {
                    output: format!("{unit} was restarted."),
                    freed: None,
                };
            }
            "failed" => "it did not start",
            "timeout" => "it did not start in time",
            "dependency" => "a unit it needs did not start",
            "canceled" => "another job for it took precedence",
            "skipped" => "it is not applicable in its state",
            other => other,
        };
        let lines = self
            .logs(unit, LINES, Duration::from_secs(5))
            .await
            .unwrap_or_default();
        let output: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        Outcome::Failed {
            code: "unit-restart-failed".into(),
            why: format!(
                "{unit} could not be restarted: {why} ({result}). See: systemctl status {unit}"
            ),
            output: cut(output.join("\n"), OUTPUT),
        }
    }
}

/// What became of the job; `None` if the signals ended first.
async fn result_of(
    job: &str,
    signals: &mut (impl Stream<Item = Signal> + Unpin),
) -> Option<String> {
    while let Some(signal) = signals.next().await {
        if let Signal::JobRemoved {
            job: removed,
            result,
        } = signal
            && removed == job
        {
            return Some(result);
        }
    }
    None
}
