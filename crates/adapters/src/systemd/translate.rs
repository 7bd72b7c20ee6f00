//! The manager's properties into facts, and which units are told at all. Pure.

use std::collections::HashMap;
use std::path::PathBuf;

use stead_core::facts::UnitFacts;
use stead_core::time::Time;
use zbus::Variant;

use super::client::ROOT;

/// The few properties that matter, out of some three hundred.
const KEPT: [&str; 14] = [
    "LoadState",
    "ActiveState",
    "SubState",
    "Description",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "ActiveEnterTimestamp",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "MainPID",
    "Type",
    "NeedDaemonReload",
];

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Properties(HashMap<&'static str, Value>);

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Number(i64),
    List(Vec<String>),
}

impl Properties {
    pub fn keep(all: &HashMap<&str, Variant<'_>>) -> Properties {
        let pair = |name: &'static str| Some((name, value(all.get(name)?)?));
        Properties(KEPT.into_iter().filter_map(pair).collect())
    }

    pub fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn number(&self, name: &str) -> i64 {
        match self.0.get(name) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    fn list(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }
}

fn value(variant: &Variant<'_>) -> Option<Value> {
    Some(match variant {
        Variant::Str(text) => Value::Text(text.as_str().to_owned()),
        Variant::U32(n) => Value::Number(i64::from(*n)),
        Variant::I32(n) => Value::Number(i64::from(*n)),
        Variant::U64(n) => Value::Number(i64::try_from(*n).unwrap_or(0)),
        Variant::Bool(b) => Value::Number(i64::from(*b)),
        Variant::Array(list) => {
            let text = |item: &Variant<'_>| match item {
                Variant::Str(text) => Some(text.as_str().to_owned()),
                _ => None,
            };
            Value::List(list.iter().filter_map(text).collect())
        }
        _ => return None,
    })
}

/// One inspected unit. `facts.fragment_digest` is still to be filled in from `files`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub name: String,
    pub facts: UnitFacts,
    /// The unit file and its drop-ins.
    pub files: Vec<PathBuf>,
    pub oneshot: bool,
}

impl Seen {
    pub fn new(name: &str, unit: &Properties, service: &Properties) -> Seen {
        let own = |text: &str| text.to_owned();
        let since = unit.number("ActiveEnterTimestamp");
        let active = unit.text("ActiveState");
        let facts = UnitFacts {
            load: own(unit.text("LoadState")),
            active: own(active),
            sub: own(unit.text("SubState")),
            description: crate::redact::cut(own(unit.text("Description")), 256),
            result: own(service.text("Result")),
            exit_status: i32::try_from(service.number("ExecMainStatus")).unwrap_or(0),
            restarts: u32::try_from(service.number("NRestarts")).unwrap_or(0),
            main_pid: u32::try_from(service.number("MainPID")).unwrap_or(0),
            active_since: (since > 0 && active == "active").then_some(Time(since / 1000)),
            enabled: own(unit.text("UnitFileState")),
            fragment_digest: String::new(),
        };
        let fragment = Some(unit.text("FragmentPath"))
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let files = fragment
            .into_iter()
            .chain(unit.list("DropInPaths").iter().map(PathBuf::from))
            .collect();
        Seen {
            name: own(name),
            facts,
            files,
            oneshot: service.text("Type") == "oneshot",
        }
    }

    /// Whether a unit no file of the fleet names is told: every failed one, and services that somebody enabled or that
    /// run, but for those the distribution starts by itself. One-shot services come and go with their timers; only
    /// their failure is worth a word.
    pub fn of_interest(&self) -> bool {
        let facts = &self.facts;
        if facts.active == "failed" {
            return true;
        }
        if !self.name.ends_with(".service") || self.oneshot || facts.load != "loaded" {
            return false;
        }
        let enabled = matches!(facts.enabled.as_str(), "enabled" | "enabled-runtime");
        let runs = matches!(
            facts.active.as_str(),
            "active" | "activating" | "reloading" | "deactivating"
        );
        let vendor = |path: &PathBuf| path.starts_with("/usr/lib") || path.starts_with("/lib");
        let fixed = matches!(
            facts.enabled.as_str(),
            "static" | "indirect" | "generated" | "transient" | "alias"
        );
        enabled || runs && !(fixed && self.files.first().is_none_or(vendor))
    }
}

/// Whether a unit is looked at: kinds that change by the second and mean nothing by themselves are not.
pub(super) fn kind_of_interest(name: &str) -> bool {
    !(name.ends_with(".device") || name.ends_with(".scope") || name.ends_with(".slice"))
}

/// Only services run for long; of the other kinds only failed ones are told, so only those are worth a look.
pub(super) fn worth_a_look(name: &str, active: &str) -> bool {
    kind_of_interest(name) && (name.ends_with(".service") || active == "failed")
}

/// The unit's name out of its object path, where `_2e` stands for `.`.
pub(super) fn name_of(path: &str) -> Option<String> {
    let escaped = path.strip_prefix(ROOT)?.strip_prefix("/unit/")?;
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'_' {
            let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
            bytes.push(high * 16 + low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&'static str, Value)]) -> Properties {
        Properties(pairs.iter().cloned().collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn seen(name: &str, enabled: &str, active: &str, file: &str, kind: &str) -> Seen {
        let unit = properties(&[
            ("LoadState", text("loaded")),
            ("ActiveState", text(active)),
            ("UnitFileState", text(enabled)),
            ("FragmentPath", text(file)),
            (
                "DropInPaths",
                Value::List(vec!["/etc/systemd/system/x.service.d/a.conf".into()]),
            ),
            ("ActiveEnterTimestamp", Value::Number(1_795_000_000_123_456)),
        ]);
        let service = properties(&[
            ("Result", text("exit-code")),
            ("ExecMainStatus", Value::Number(3)),
            ("Type", text(kind)),
            ("MainPID", Value::Number(42)),
        ]);
        Seen::new(name, &unit, &service)
    }

    #[test]
    fn properties_become_facts() {
        let seen = seen(
            "x.service",
            "enabled",
            "active",
            "/etc/systemd/system/x.service",
            "simple",
        );
        assert_eq!(seen.facts.active_since, Some(Time(1_795_000_000_123)));
        assert_eq!((seen.facts.exit_status, seen.facts.main_pid), (3, 42));
        assert_eq!(seen.files.len(), 2);
        let mut all = HashMap::new();
        all.insert("MainPID", Variant::U32(7));
        all.insert("Description", Variant::new("x"));
        all.insert("Unknown", Variant::U32(7));
        let kept = Properties::keep(&all);
        assert_eq!(
            (
                kept.number("MainPID"),
                kept.text("Description"),
                kept.0.len()
            ),
            (7, "x", 2)
        );
    }

    #[test]
    fn what_the_distribution_starts_by_itself_is_not_told_unless_it_failed() {
        let told = |name, enabled, active, file, kind| {
            seen(name, enabled, active, file, kind).of_interest()
        };
        assert!(told(
            "nginx.service",
            "enabled",
            "active",
            "/lib/systemd/system/nginx.service",
            "forking"
        ));
        assert!(told(
            "nginx.service",
            "enabled",
            "inactive",
            "/lib/systemd/system/nginx.service",
            "forking"
        ));
        assert!(!told(
            "nginx.service",
            "disabled",
            "inactive",
            "/lib/systemd/system/nginx.service",
            "forking"
        ));
        assert!(told(
            "mine.service",
            "disabled",
            "active",
            "/etc/systemd/system/mine.service",
            "simple"
        ));
        assert!(told(
            "mine.service",
            "static",
            "active",
            "/etc/systemd/system/mine.service",
            "simple"
        ));
        assert!(!told(
            "systemd-udevd.service",
            "static",
            "active",
            "/lib/systemd/system/systemd-udevd.service",
            "notify"
        ));
        assert!(told(
            "systemd-udevd.service",
            "static",
            "failed",
            "/lib/systemd/system/systemd-udevd.service",
            "notify"
        ));
        assert!(!told(
            "backup.service",
            "static",
            "active",
            "/etc/systemd/system/backup.service",
            "oneshot"
        ));
        assert!(told(
            "backup.service",
            "static",
            "failed",
            "/etc/systemd/system/backup.service",
            "oneshot"
        ));
        assert!(told(
            "srv.mount",
            "generated",
            "failed",
            "/run/systemd/generator/srv.mount",
            ""
        ));
        assert!(!told(
            "srv.mount",
            "generated",
            "active",
            "/run/systemd/generator/srv.mount",
            ""
        ));
    }

    #[test]
    fn names_are_read_out_of_object_paths() {
        let name = |tail: &str| name_of(&format!("{ROOT}/unit/{tail}"));
        assert_eq!(name("nginx_2eservice").as_deref(), Some("nginx.service"));
        assert_eq!(
            name("getty_40tty1_2eservice").as_deref(),
            Some("getty@tty1.service")
        );
        assert_eq!(name("broken_2"), None);
        assert_eq!(name_of("/org/freedesktop/systemd1/job/7"), None);
        assert!(!worth_a_look("session-1.scope", "failed") && worth_a_look("srv.mount", "failed"));
    }
}
