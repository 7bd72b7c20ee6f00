//! The two questions to a Prometheus: an expression over a time, and to take samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use stead_core::desired::Door;
use stead_ports::secrets::Secrets;

pub use crate::door::Error;
use crate::door::{WITHIN, Way};

/// A way to one server.
#[derive(Debug)]
pub struct Client(Way);

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Found>,
}

/// One series of an answer: values at instants, in seconds.
#[derive(Debug, Deserialize)]
pub struct Found {
    pub metric: BTreeMap<String, String>,
    #[serde(default)]
    pub values: Vec<(f64, String)>,
}

impl Client {
    pub fn new(door: Door, secrets: Arc<dyn Secrets>) -> Result<Client, Error> {
        Way::new(door, secrets).map(Client)
    }

    /// The address as people may see it.
    pub fn shown(&self) -> String {
        self.0.shown()
    }

    /// Evaluates `query` every `step` seconds from `from` to `to`.
    pub async fn range(
        &self,
        query: &str,
        from: i64,
        to: i64,
        step: i64,
    ) -> Result<Vec<Found>, Error> {
        let seconds = |ms: i64| ms as f64 / 1_000.0;
        let form = [
            ("query", query.to_owned()),
            ("start", seconds(from).to_string()),
            ("end", seconds(to).to_string()),
            ("step", seconds(step).to_string()),
            ("timeout", format!("{}s", WITHIN.as_secs() - 1)),
        ];
        let request = self.0.post("/api/v1/query_range").form(&form);
        let read: Envelope = self.0.json(request).await?;
        Ok(read.data.result)
    }

    /// Posts `body` to the address itself.
    pub async fn post(&self, body: Vec<u8>, headers: &[(&str, &str)]) -> Result<(), Error> {
        let mut request = self.0.post("");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.send(request.body(body)).await.map(drop)
    }
}
