//! The models of the server that is named: looked at every few seconds, told when something changed.
//!
//! Ollama has no stream of events. A look is two small questions to a server on the same machine; the version is asked for
//! when the server came back.

use std::collections::BTreeMap;

use stead_core::desired;
use stead_core::facts::{Fact, FactKey, ModelFacts, SourceFacts, SourceKind, SourceState};
use stead_core::ids::ModelName;

use super::client::Client;
use super::{Error, Ollama, translate};
use crate::observation::{Observation, Sender};
use crate::redact::redact;

struct Closed;

pub(super) struct Watch {
    ollama: Ollama,
    out: Sender,
    told: BTreeMap<ModelName, ModelFacts>,
    source: Option<SourceFacts>,
    /// Whose all of that is.
    server: Option<desired::Ollama>,
}

impl Watch {
    pub fn new(ollama: Ollama, out: Sender) -> Watch {
        Watch {
            ollama,
            out,
            told: BTreeMap::new(),
            source: None,
            server: None,
        }
    }

    pub async fn run(mut self) {
        let mut servers = self.ollama.0.server.subscribe();
        let out = self.out.clone();
        loop {
            let server = servers.borrow_and_update().clone();
            let named = server.is_some();
            let looked = self.turn(server);
            tokio::select! {
                looked = looked => if looked.is_err() { return },
                () = out.closed() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(self.ollama.0.options.look_every), if named => {}
                () = self.ollama.0.look.notified() => {}
                changed = servers.changed() => if changed.is_err() { return },
                () = out.closed() => return,
            }
        }
    }

    async fn turn(&mut self, server: Option<desired::Ollama>) -> Result<(), Closed> {
        if self.server != server {
            self.forget().await?;
            self.server = server;
        }
        match self.server.clone() {
            Some(server) => self.look(&server).await,
            None => Ok(()),
        }
    }

    /// Another server's models, or none's, are not this one's.
    async fn forget(&mut self) -> Result<(), Closed> {
        for name in std::mem::take(&mut self.told).into_keys() {
            self.tell(Observation::Gone(FactKey::Model(name))).await?;
        }
        if self.source.take().is_some() {
            let key = FactKey::Source(SourceKind::Ollama);
            self.tell(Observation::Gone(key)).await?;
        }
        Ok(())
    }

    async fn look(&mut self, server: &desired::Ollama) -> Result<(), Closed> {
        let seen = match Client::new(server, &self.ollama.0.options) {
            Ok(client) => self.ask(&client).await,
            Err(error) => Err(error),
        };
        match seen {
            Ok((version, models)) => {
                let up = SourceFacts {
                    state: SourceState::Up,
                    version,
                    detail: String::new(),
                };
                let new = self.source(up).await?;
                self.tell_models(models).await?;
                if new {
                    let synced = Observation::Synced(SourceKind::Ollama);
                    self.tell(synced).await?;
                }
                Ok(())
            }
            // What it told before is unknown now, and kept as such.
            Err(error) => {
                let down = SourceFacts {
                    state: SourceState::Down,
                    version: String::new(),
                    detail: redact(&error.advice(), 1024),
                };
                self.source(down).await.map(drop)
            }
        }
    }

    async fn ask(
        &self,
        client: &Client,
    ) -> Result<(String, BTreeMap<ModelName, ModelFacts>), Error> {
        let up = |source: &&SourceFacts| source.state == SourceState::Up;
        let version = match self.source.as_ref().filter(up) {
            Some(source) => source.version.clone(),
            None => client.version().await?.chars().take(64).collect(),
        };
        let (tags, running) = (client.tags().await?, client.running().await?);
        let models = translate::models(&tags, &running);
        self.ollama.note_use(translate::in_memory(&running));
        self.ollama.keep_use_of(|name| models.contains_key(name));
        Ok((version, models))
    }

    async fn tell_models(&mut self, models: BTreeMap<ModelName, ModelFacts>) -> Result<(), Closed> {
        let gone = self.told.keys().filter(|name| !models.contains_key(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.tell(Observation::Gone(FactKey::Model(name))).await?;
        }
        for (name, facts) in &models {
            if self.told.get(name) != Some(facts) {
                let fact = Box::new(Fact::Model(facts.clone()));
                self.tell(Observation::Put(FactKey::Model(name.clone()), fact))
                    .await?;
            }
        }
        self.told = models;
        Ok(())
    }

    /// Whether that is news.
    async fn source(&mut self, facts: SourceFacts) -> Result<bool, Closed> {
        let new = self.source.as_ref() != Some(&facts);
        if new {
            self.source = Some(facts.clone());
            self.tell(Observation::source(SourceKind::Ollama, facts))
                .await?;
        }
        Ok(new)
    }

    async fn tell(&self, observation: Observation) -> Result<(), Closed> {
        self.out.send(observation).await.map_err(|_| Closed)
    }
}
