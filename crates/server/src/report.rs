//! Events that others report, over HTTP or as files: read with errors a person can use, and known again by content.

use serde_json::{Map, Value};
use stead_core::controller::ForeignEvent;
use stead_core::event::{Kind, Severity, Source};
use stead_core::ids::{NodeName, ServiceName, digest, nearest};
use stead_core::subject::Subject;
use stead_core::time::{Span, Time};

/// How far ahead of this machine's clock a report may be: another clock is never quite the same.
const AHEAD: Span = Span::hours(1);
/// Largest data of one event, as JSON.
pub const DATA_MAX: usize = 256 * 1024;

/// Why a report cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    pub detail: String,
    pub remedy: String,
}

fn invalid(detail: impl Into<String>, remedy: impl Into<String>) -> Invalid {
    Invalid {
        detail: detail.into(),
        remedy: remedy.into(),
    }
}

const NEEDED: &str =
    "an event needs `node` and `kind`, and may give `service`, `at`, `severity` and `data`";

/// Reads one report. What it says beside the known fields is kept in its data. The same content gives the same ID,
/// wherever it comes from.
pub fn read(value: &Value, source: Source, now: Time) -> Result<ForeignEvent, Invalid> {
    let Value::Object(given) = value else {
        return Err(invalid(
            format!("an event is a JSON object, this is {}", shape(value)),
            NEEDED,
        ));
    };
    let node = needed(given, "node")?;
    let kind_text = needed(given, "kind")?;
    let node = NodeName::new(node)
        .map_err(|e| invalid(e.to_string(), "give the node's name in the fleet"))?;
    let kind = Kind::new(kind_text)
        .map_err(|e| invalid(e.to_string(), "write it like service_unhealthy"))?;
    let subject = match text(given, "service")? {
        Some(service) => {
            let service = ServiceName::new(service)
                .map_err(|e| invalid(e.to_string(), "give the service's name"))?;
            Subject::Service(node, service)
        }
        None => Subject::Node(node),
    };
    let severity = text(given, "severity")?.map(severity).transpose()?;
    let at = moment(given, now)?;
    let data = data(given)?;
    Ok(ForeignEvent {
        id: id(given),
        at,
        subject,
        kind,
        severity,
        data,
        source,
    })
}

fn needed<'a>(given: &'a Map<String, Value>, key: &str) -> Result<&'a str, Invalid> {
    match text(given, key)? {
        Some(text) => Ok(text),
        None => {
            let slip = given.keys().find(|k| nearest(k, [key]).is_some());
            let hint = slip
                .map(|k| format!(" (did you mean {key} by {k}?)"))
                .unwrap_or_default();
            Err(invalid(format!("`{key}` is missing{hint}"), NEEDED))
        }
    }
}

fn text<'a>(given: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Invalid> {
    match given.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(invalid(
            format!("`{key}` must be a text, it is {}", shape(other)),
            NEEDED,
        )),
    }
}

fn severity(word: &str) -> Result<Severity, Invalid> {
    Severity::from_word(word).ok_or_else(|| {
        invalid(
            format!("{word:?} is no severity"),
            "use info, warning or critical, or leave it out",
        )
    })
}

/// `at`, or zero: when it is recorded.
fn moment(given: &Map<String, Value>, now: Time) -> Result<Time, Invalid> {
    let at = match given.get("at") {
        None | Some(Value::Null) => return Ok(Time::ZERO),
        Some(value) => serde_json::from_value::<Time>(value.clone()).map_err(|e| {
            invalid(
                format!("`at`: {e}"),
                "write it like 2026-11-21T08:30:00Z, or leave it out",
            )
        })?,
    };
    if at > now + AHEAD {
        let detail = format!("`at` is {at}, this machine's clock says {now}");
        return Err(invalid(
            detail,
            "set the clock of the machine that wrote it, or leave `at` out",
        ));
    }
    Ok(at.max(Time(1)))
}

fn data(given: &Map<String, Value>) -> Result<Value, Invalid> {
    let known = ["node", "kind", "service", "at", "severity", "data"];
    let beside = given
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()));
    let mut data = match given.get("data") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(data)) => data.clone(),
        Some(other) => Map::from_iter([("value".to_string(), other.clone())]),
    };
    for (key, value) in beside {
        data.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let data = Value::Object(data);
    let size = data.to_string().len();
    if size > DATA_MAX {
        return Err(invalid(
            format!("its data has {size} bytes, {DATA_MAX} are allowed"),
            "send less, or a link to it",
        ));
    }
    Ok(data)
}

/// The digest of what was said, whatever the order it was said in.
fn id(given: &Map<String, Value>) -> String {
    let told: std::collections::BTreeMap<&str, String> = given
        .iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(k, v)| (k.as_str(), canonical(v)))
        .collect();
    let bytes = serde_json::to_vec(&told).unwrap_or_default();
    format!("report-{}", &digest(&bytes)[..40])
}

fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: std::collections::BTreeMap<&str, String> = map
                .iter()
                .map(|(k, v)| (k.as_str(), canonical(v)))
                .collect();
            let parts: Vec<String> = sorted.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(list) => format!(
            "[{}]",
            list.iter().map(canonical).collect::<Vec<_>>().join(",")
        ),
        other => other.to_string(),
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Time = Time(1_795_000_000_000);

    fn ok(value: Value) -> ForeignEvent {
        read(&value, Source::Inbox, NOW).unwrap()
    }
    fn why(value: Value) -> String {
        read(&value, Source::Inbox, NOW).unwrap_err().detail
    }

    #[test]
    fn a_report_names_its_subject_and_keeps_what_else_it_says() {
        let event = ok(
            json!({"node": "piha", "kind": "tea_is_ready", "service": "kitchen", "cups": 2,
            "at": "2026-11-18T11:00:00Z", "severity": "warn", "data": {"sort": "green"}}),
        );
        assert_eq!(event.subject.to_string(), "service/piha/kitchen");
        assert_eq!(event.severity, Some(Severity::Warning));
        assert_eq!(event.at.to_string(), "2026-11-18T11:00:00.000Z");
        assert_eq!(event.data, json!({"sort": "green", "cups": 2}));
        let bare = ok(json!({"node": "piha", "kind": "x"}));
        assert_eq!(
            (bare.subject.to_string().as_str(), bare.at),
            ("node/piha", Time::ZERO)
        );
    }

    #[test]
    fn the_same_content_is_the_same_event_whatever_its_order() {
        let one =
            ok(json!({"node": "a", "kind": "x", "data": {"p": 1, "q": [1, {"r": 2, "s": 3}]}}));
        let same: Value = serde_json::from_str(
            r#"{"data":{"q":[1,{"s":3,"r":2}],"p":1},"kind":"x","service":null,"node":"a"}"#,
        )
        .unwrap();
        assert_eq!(one.id, ok(same).id);
        assert_ne!(
            one.id,
            ok(json!({"node": "a", "kind": "x", "data": {"p": 2}})).id
        );
        assert_ne!(
            ok(json!({"node": "a", "kind": "x", "data": {"p": "1"}})).id,
            ok(json!({"node": "a", "kind": "x", "data": {"p": 1}})).id
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(why(json!([1])).contains("a list"));
        assert!(why(json!({"kind": "x"})).contains("`node` is missing"));
        assert!(why(json!({"nod": "a", "kind": "x"})).contains("did you mean node by nod?"));
        assert!(why(json!({"node": 7, "kind": "x"})).contains("a number"));
        assert!(why(json!({"node": "../etc", "kind": "x"})).contains(".."));
        assert!(why(json!({"node": "a", "kind": "Not A Kind"})).contains("kind"));
        assert!(why(json!({"node": "a", "kind": "x", "severity": "awful"})).contains("awful"));
        assert!(why(json!({"node": "a", "kind": "x", "at": "yesterday"})).contains("at"));
        assert!(
            why(json!({"node": "a", "kind": "x", "at": "2126-01-01T00:00:00Z"})).contains("clock")
        );
        assert!(
            why(json!({"node": "a", "kind": "x", "data": {"big": "x".repeat(DATA_MAX)}}))
                .contains("bytes")
        );
    }
}
