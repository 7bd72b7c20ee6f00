//! Collects what a watch tells, and checks that nothing is told twice.

use std::time::Duration;

use stead_adapters::docker::Docker;
use stead_adapters::observation::{self, Observation, Receiver};
use stead_core::facts::{ContainerFacts, Fact, FactKey, Facts, SourceFacts, SourceKind};
use stead_core::ids::ContainerName;
use tokio::task::JoinHandle;

pub struct Seen {
    receiver: Receiver,
    task: JoinHandle<()>,
    pub facts: Facts,
    pub synced: u32,
    pub told: Vec<Observation>,
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    pub fn watch(docker: &Docker) -> Seen {
        let docker = docker.clone();
        Seen::of(|out| async move { docker.watch(out).await })
    }

    pub fn of<F, T>(start: F) -> Seen
    where
        F: FnOnce(observation::Sender) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let (out, receiver) = observation::channel();
        let task = tokio::spawn(start(out));
        Seen {
            receiver,
            task,
            facts: Facts::new(),
            synced: 0,
            told: Vec::new(),
        }
    }

    /// Takes observations until `test` gives a value.
    pub async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut test: impl FnMut(&Seen) -> Option<T>,
    ) -> T {
        let end = tokio::time::Instant::now() + limit;
        loop {
            if let Some(value) = test(self) {
                return value;
            }
            match tokio::time::timeout_at(end, self.receiver.recv()).await {
                Ok(Some(observation)) => self.take(observation),
                Ok(None) => panic!("{what}: the watch ended"),
                Err(_) => panic!("{what}: not within {limit:?}; facts: {:#?}", self.facts),
            }
        }
    }

    /// Takes what comes within `time`.
    pub async fn during(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(Some(observation)) = tokio::time::timeout_at(end, self.receiver.recv()).await {
            self.take(observation);
        }
    }

    fn take(&mut self, observation: Observation) {
        self.told.push(observation.clone());
        match observation {
            Observation::Put(key, fact) => {
                let before = self.facts.insert(key.clone(), (*fact).clone());
                assert_ne!(before.as_ref(), Some(&*fact), "{key:?} was told twice");
            }
            Observation::Gone(key) => {
                assert!(
                    self.facts.remove(&key).is_some(),
                    "{key:?} was taken away without having been told"
                );
            }
            Observation::Synced(_) => self.synced += 1,
            Observation::Note { .. } => {}
        }
    }

    pub async fn synced(&mut self) {
        self.until("a full listing", Duration::from_secs(10), |seen| {
            (seen.synced > 0).then_some(())
        })
        .await;
    }

    pub fn container(&self, name: &ContainerName) -> Option<&ContainerFacts> {
        match self.facts.get(&FactKey::Container(name.clone()))? {
            Fact::Container(facts) => Some(facts),
            _ => None,
        }
    }

    pub fn source(&self, kind: SourceKind) -> Option<&SourceFacts> {
        match self.facts.get(&FactKey::Source(kind))? {
            Fact::Source(facts) => Some(facts),
            _ => None,
        }
    }

    /// How often something was put under `name`.
    pub fn puts(&self, name: &ContainerName) -> usize {
        let key = FactKey::Container(name.clone());
        self.told
            .iter()
            .filter(|told| matches!(told, Observation::Put(k, _) if *k == key))
            .count()
    }
}
