//! Samples as Prometheus' remote-write wants them: a protobuf message, compressed with snappy, version 0.1.0 of the protocol.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use stead_core::desired::Door;
use stead_ports::history::{Entry, Labels};
use stead_ports::secrets::Secrets;

use super::client::{Client, Error};

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    /// Milliseconds.
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Why a batch did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It may later.
    #[error("{0}")]
    Later(String),
    /// The same batch would be refused again.
    #[error("{0}")]
    Never(String),
}

/// Who takes samples.
#[derive(Debug)]
pub struct Receiver {
    client: Client,
}

impl Receiver {
    pub fn new(door: Door, secrets: Arc<dyn Secrets>) -> Result<Receiver, Undelivered> {
        let client = Client::new(door, secrets);
        Ok(Receiver {
            client: client.map_err(|e| Undelivered::Later(e.to_string()))?,
        })
    }

    /// Its address, as people may see it.
    pub fn shown(&self) -> String {
        self.client.shown()
    }

    /// Sends samples; those of one series must be in the order of their times.
    pub async fn send(&self, batch: &[Entry]) -> Result<(), Undelivered> {
        let headers = [
            ("content-encoding", "snappy"),
            ("content-type", "application/x-protobuf"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ];
        let body = body(batch).map_err(Undelivered::Never)?;
        let sent = self.client.post(body, &headers).await;
        sent.map_err(|error| match error {
            Error::Refused { status, .. }
                if status < 500 && ![401, 403, 408, 429].contains(&status) =>
            {
                Undelivered::Never(error.to_string())
            }
            error => Undelivered::Later(error.to_string()),
        })
    }
}

fn body(batch: &[Entry]) -> Result<Vec<u8>, String> {
    let mut places: HashMap<&Labels, usize> = HashMap::new();
    let mut timeseries: Vec<TimeSeries> = Vec::new();
    for entry in batch {
        let place = *places.entry(&entry.labels).or_insert_with(|| {
            let label = |(name, value): (&str, &str)| Label {
                name: name.to_owned(),
                value: value.to_owned(),
            };
            timeseries.push(TimeSeries {
                labels: entry.labels.iter().map(label).collect(),
                samples: Vec::new(),
            });
            timeseries.len() - 1
        });
        timeseries[place].samples.push(Sample {
            value: entry.sample.value,
            timestamp: entry.sample.at.0,
        });
    }
    let message = WriteRequest { timeseries }.encode_to_vec();
    let compressed = snap::raw::Encoder::new().compress_vec(&message);
    compressed.map_err(|e| format!("the samples cannot be compressed: {e}"))
}

#[cfg(test)]
mod tests {
    use stead_core::time::Time;

    use super::*;

    #[test]
    fn a_series_is_named_once_and_its_labels_are_in_order() {
        let labels = Labels::new("up", [("node", "a"), ("a", "<b>")]);
        let entry = |at, value| Entry {
            labels: labels.clone(),
            sample: stead_ports::history::Sample {
                at: Time(at),
                value,
            },
        };
        let body = body(&[entry(1, 0.5), entry(2, -1.0)]).unwrap();
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let read = WriteRequest::decode(message.as_slice()).unwrap();
        assert_eq!(read.timeseries.len(), 1);
        let names: Vec<&str> = read.timeseries[0]
            .labels
            .iter()
            .map(|l| l.name.as_str())
            .collect();
        assert_eq!(names, ["__name__", "a", "node"]);
        let samples: Vec<(i64, f64)> = read.timeseries[0]
            .samples
            .iter()
            .map(|s| (s.timestamp, s.value))
            .collect();
        assert_eq!(samples, [(1, 0.5), (2, -1.0)]);
    }
}
