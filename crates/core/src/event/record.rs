//! The encoded form of an event, its version, and upcasting.
//!
//! Every version ever released can be read. A golden log of each release stays in the tests.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Body, Event, Severity, Source};
use crate::ids::Seq;
use crate::subject::Subject;
use crate::time::Time;

/// Version of the encoding that this build writes.
pub const VERSION: u16 = 1;

/// An event as columns and a JSON body, independent of any store.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    pub seq: Seq,
    pub id: String,
    pub at: Time,
    pub version: u16,
    pub node: String,
    pub subject: String,
    pub kind: String,
    pub severity: u8,
    pub body: Vec<u8>,
}

/// A record that cannot be an event: it is not what this log wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} cannot be read: {why}")]
pub struct Damaged {
    pub seq: Seq,
    pub why: String,
}

#[derive(Serialize)]
struct Out<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Seq>,
    source: Source,
    #[serde(skip_serializing_if = "is_zero")]
    cursor: u64,
    data: &'a serde_json::Value,
}

#[derive(Deserialize)]
struct In<'a> {
    #[serde(default)]
    cause: Option<Seq>,
    #[serde(default)]
    source: Source,
    #[serde(default)]
    cursor: u64,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// What the JSON body of a record says.
struct Whole {
    cause: Option<Seq>,
    source: Source,
    cursor: u64,
    body: Body,
}

/// Reads the data as it comes by, without a second look at the text; fails on whatever today's encoding would not write of
/// a known kind.
struct InOneGo<'a> {
    kind: &'a str,
}

impl<'de> Visitor<'de> for InOneGo<'_> {
    type Value = Whole;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of a record")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole, A::Error> {
        let (mut cause, mut source, mut cursor, mut body) = (None, Source::default(), 0, None);
        while let Some(key) = map.next_key::<Field>()? {
            match key {
                Field::Cause => cause = map.next_value()?,
                Field::Source => source = map.next_value()?,
                Field::Cursor => cursor = map.next_value()?,
                Field::Data if body.is_some() => return Err(A::Error::duplicate_field("data")),
                Field::Data => body = Some(map.next_value_seed(Data(self.kind))?),
            }
        }
        Ok(Whole {
            cause,
            source,
            cursor,
            body: body.ok_or_else(|| A::Error::missing_field("data"))?,
        })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Cause,
    Source,
    Cursor,
    Data,
}

struct Data<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = Body;
    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<Body, D::Error> {
        Body::read_known(self.0, data)
    }
}

fn in_one_go(text: &str, kind: &str) -> Result<Whole, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let whole = reader.deserialize_map(InOneGo { kind })?;
    reader.end()?;
    Ok(whole)
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Encodes an event for the log.
pub fn encode(event: &Event) -> Encoded {
    let data = event.body.data();
    let out = Out {
        cause: event.cause,
        source: event.source,
        cursor: event.cursor,
        data: &data,
    };
    let body = serde_json::to_vec(&out).unwrap_or_default();
    Encoded {
        seq: event.seq,
        id: event.id.clone(),
        at: event.at,
        version: VERSION,
        node: event.node().map(ToString::to_string).unwrap_or_default(),
        subject: event.subject.to_string(),
        kind: event.body.kind().as_str().to_string(),
        severity: event.severity.rank(),
        body,
    }
}

/// Reads an event back, upcasting older versions.
pub fn decode(e: Encoded) -> Result<Event, Damaged> {
    let seq = e.seq;
    let bad = |why: &dyn fmt::Display| Damaged {
        seq,
        why: why.to_string(),
    };
    let subject: Subject = e.subject.parse().map_err(|why| bad(&why))?;
    let text = core::str::from_utf8(&e.body).map_err(|why| bad(&why))?;
    let read = match e.version {
        VERSION => in_one_go(text, &e.kind).or_else(|_| in_parts(&e, text)),
        _ => in_parts(&e, text),
    };
    let whole = read.map_err(|why| bad(&why))?;
    Ok(Event {
        seq,
        id: e.id,
        at: e.at,
        subject,
        severity: Severity::from_rank(e.severity),
        cause: whole.cause,
        source: whole.source,
        cursor: whole.cursor,
        body: whole.body,
    })
}

/// Old versions, foreign kinds, and data that does not fit its kind: nothing of it is lost.
fn in_parts(e: &Encoded, text: &str) -> Result<Whole, serde_json::Error> {
    let parts: In<'_> = serde_json::from_str(text)?;
    let data = parts.data.map_or("null", RawValue::get);
    let (kind, data) = upcast(e.version, &e.kind, data);
    Ok(Whole {
        cause: parts.cause,
        source: parts.source,
        cursor: parts.cursor,
        body: Body::read(&kind, serde_json::from_str(&data).unwrap_or_default()),
    })
}

/// Lifts data written by an older version to today's shape, one version at a time.
///
/// Version 0 is what early builds wrote before the first release: `service_down` for `service_unhealthy`, its text
/// under `message`.
fn upcast<'a>(version: u16, kind: &'a str, data: &'a str) -> (Cow<'a, str>, Cow<'a, str>) {
    if version >= 1 || kind != "service_down" {
        return (Cow::Borrowed(kind), Cow::Borrowed(data));
    }
    let mut value: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
    if let Some(map) = value.as_object_mut()
        && let Some(message) = map.remove("message")
    {
        map.insert("detail".to_string(), message);
    }
    (
        Cow::Borrowed("service_unhealthy"),
        Cow::Owned(value.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    fn event(body: Body) -> Event {
        Event {
            seq: Seq(7),
            id: "e7".to_string(),
            at: Time(1_795_000_000_123),
            subject: "service/piha/z2m".parse().unwrap(),
            severity: Severity::Warning,
            cause: Some(Seq(3)),
            source: Source::Agent,
            cursor: 9,
            body,
        }
    }

    #[test]
    fn an_event_comes_back_as_it_was_written() {
        let note = crate::event::ServiceNote {
            detail: "exited (137)".to_string(),
            ..Default::default()
        };
        for body in [
            Body::ServiceUnhealthy(note),
            Body::Gone(crate::facts::FactKey::Container("z2m".parse().unwrap())),
            Body::ClockJumped(-3_600_000),
            Body::Other(
                Kind::new("tea_is_ready").unwrap(),
                serde_json::json!({"cups": [1, 2]}),
            ),
        ] {
            let before = event(body);
            assert_eq!(decode(encode(&before)).unwrap(), before);
        }
    }

    #[test]
    fn known_kinds_with_foreign_data_are_kept_not_lost() {
        let body = Body::read("action_proposed", serde_json::json!({"hello": 1}));
        assert_eq!(
            body,
            Body::Other(
                Kind::new("action_proposed").unwrap(),
                serde_json::json!({"hello": 1})
            )
        );
    }

    #[test]
    fn version_zero_is_upcast() {
        let mut old = encode(&event(Body::ServiceUnhealthy(Default::default())));
        old.version = 0;
        old.kind = "service_down".to_string();
        old.body = br#"{"source":"agent","data":{"message":"gone"}}"#.to_vec();
        match decode(old).unwrap().body {
            Body::ServiceUnhealthy(note) => assert_eq!(note.detail, "gone"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_record_is_reported_with_its_place() {
        let mut bad = encode(&event(Body::ClockJumped(1)));
        bad.body = b"{".to_vec();
        assert_eq!(decode(bad).unwrap_err().seq, Seq(7));
    }
}
