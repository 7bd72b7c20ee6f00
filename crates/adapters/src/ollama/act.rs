//! Load and unload. Whether a model fits is the owner's decision, made before.

use std::time::Duration;

use stead_core::command::Outcome;
use stead_core::facts::ModelFacts;
use stead_core::ids::ModelName;

use super::client::Client;
use super::{Error, Ollama, translate};
use crate::redact::redact;

impl Ollama {
    /// Brings the model with this digest into memory. Another one by its name is refused: it is not what was read.
    pub async fn load(&self, model: &ModelName, digest: &str, limit: Duration) -> Outcome {
        let loading = async {
            let client = self.client()?;
            let Some(found) = find(&client, model).await? else {
                return Err(Error::NoModel(model.to_string()));
            };
            if found.digest != digest {
                return Ok(Outcome::Refused {
                    code: "model-changed".into(),
                    why: format!("{model} is another one than was planned: it was pulled anew"),
                });
            }
            let answer = client.load(model, limit).await?;
            Ok(ended(answer.done, format!("{model} is in memory")))
        };
        let outcome = loading.await;
        self.hurry();
        outcome.unwrap_or_else(outcome_of)
    }

    /// Takes it out of memory. What is not there stays out.
    pub async fn unload(&self, model: &ModelName, limit: Duration) -> Outcome {
        let unloading = async {
            let client = self.client()?;
            let answer = client.unload(model, limit).await?;
            Ok(ended(answer.done, format!("{model} is out of memory")))
        };
        let outcome = unloading.await;
        self.hurry();
        outcome.unwrap_or_else(outcome_of)
    }
}

async fn find(client: &Client, model: &ModelName) -> Result<Option<ModelFacts>, Error> {
    let (tags, running) = (client.tags().await?, client.running().await?);
    Ok(translate::models(&tags, &running).remove(model))
}

fn ended(done: bool, output: String) -> Outcome {
    if done {
        return Outcome::Done {
            output,
            freed: None,
        };
    }
    Outcome::Unknown {
        why: "Ollama ended its answer without saying that it is done".into(),
    }
}

fn outcome_of(error: Error) -> Outcome {
    let why = redact(&error.advice(), 1024);
    if error.certain() {
        return Outcome::Failed {
            code: error.code().into(),
            why,
            output: String::new(),
        };
    }
    Outcome::Unknown { why }
}
