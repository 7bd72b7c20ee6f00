//! Loki's HTTP interface as far as it is needed: which labels there are, which values one has, and lines of a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use stead_core::desired::Door;
use stead_core::time::Time;
use stead_ports::secrets::Secrets;

use crate::door::{Error, Way};

/// Who may read what, where there is more than one tenant.
const TENANT: &str = "x-scope-orgid";
/// A longer question goes as a form: proxies take addresses of some kilobytes only.
const QUERY: usize = 2_000;

#[derive(Debug)]
pub struct Client {
    way: Way,
    tenant: Option<String>,
}

/// Lines with the same labels.
#[derive(Debug, Default, Deserialize)]
pub struct Stream {
    #[serde(default)]
    pub stream: BTreeMap<String, String>,
    #[serde(default)]
    pub values: Vec<Entry>,
}

/// A line: nanoseconds since 1970 as text, what it says, and what a newer Loki has beside it.
#[derive(Debug, Deserialize)]
pub struct Entry(pub String, pub String, #[serde(default)] pub IgnoredAny);

#[derive(Debug, Deserialize)]
struct Names {
    // Where there are none, older versions leave it out.
    #[serde(default)]
    data: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Lines {
    data: Data,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Option<Vec<Stream>>,
}

/// From the first instant until before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: Time,
    pub to: Time,
}

impl Period {
    fn form(self) -> [(&'static str, String); 2] {
        // Nanoseconds beyond the year 2262 are nobody's lines.
        let nanos = |at: Time| at.0.max(0).saturating_mul(1_000_000).to_string();
        [("start", nanos(self.from)), ("end", nanos(self.to))]
    }
}

impl Client {
    pub fn new(
        door: Door,
        tenant: Option<String>,
        secrets: Arc<dyn Secrets>,
    ) -> Result<Client, Error> {
        let way = Way::new(door, secrets)?;
        Ok(Client { way, tenant })
    }

    /// The address as people may see it.
    pub fn shown(&self) -> String {
        self.way.shown()
    }

    fn told(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.tenant {
            Some(tenant) => request.header(TENANT, tenant),
            None => request,
        }
    }

    /// The labels that lines of `period` have.
    pub async fn labels(&self, period: Period) -> Result<Vec<String>, Error> {
        let request = self.way.get("/loki/api/v1/labels", &period.form());
        let read: Names = self.way.json(self.told(request)).await?;
        Ok(read.data)
    }

    /// The values of one label: its name is letters, digits and `_`.
    pub async fn values(&self, label: &str, period: Period) -> Result<Vec<String>, Error> {
        let path = format!("/loki/api/v1/label/{label}/values");
        let request = self.way.get(&path, &period.form());
        let read: Names = self.way.json(self.told(request)).await?;
        Ok(read.data)
    }

    /// The newest `most` lines of `period` that `query` means.
    pub async fn lines(
        &self,
        query: &str,
        period: Period,
        most: usize,
    ) -> Result<Vec<Stream>, Error> {
        let [start, end] = period.form();
        let form = [
            ("query", query.to_owned()),
            start,
            end,
            ("limit", most.to_string()),
            ("direction", "backward".to_owned()),
        ];
        const PATH: &str = "/loki/api/v1/query_range";
        let request = if query.len() > QUERY {
            self.way.post(PATH).form(&form)
        } else {
            self.way.get(PATH, &form)
        };
        let read: Lines = self.way.json(self.told(request)).await?;
        if read.data.result_type != "streams" {
            let other: String = read.data.result_type.chars().take(40).collect();
            return Err(Error::Unreadable(format!("it holds {other:?}, not lines")));
        }
        Ok(read.data.result.unwrap_or_default())
    }
}
