//! Which label says what. Shippers have their habits: promtail and Alloy `host`, `hostname` or `instance` with `container` and
//! `unit`; the driver for Docker `host` and `container_name`; Vector and Fluent Bit `host` or `hostname` with `container_name` and
//! `systemd_unit`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use stead_core::desired::LokiLabels;

/// Labels that name a machine, the surest first.
const NODES: &[&str] = &[
    "host",
    "hostname",
    "node",
    "nodename",
    "node_name",
    "instance",
];
const CONTAINERS: &[&str] = &["container", "container_name"];
const UNITS: &[&str] = &["unit", "systemd_unit", "_SYSTEMD_UNIT", "_systemd_unit"];
/// What else a line may be told by.
const OTHERS: &[&str] = &["filename", "service_name", "job"];
/// Labels that say how bad a line is, and what they say then.
const LEVELS: &[&str] = &["level", "detected_level", "severity"];
const ERRORS: &[&str] = &[
    "error", "err", "critical", "crit", "fatal", "alert", "emerg", "panic",
];

/// Labels that are there, the surest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    pub nodes: Vec<String>,
    pub containers: Vec<String>,
    pub units: Vec<String>,
}

/// Whose a line is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    Container(String),
    Unit(String),
    /// Neither: a file or whatever its shipper calls it.
    Other(String),
}

impl Labels {
    /// What the files name, else those of the usual ones that are `there`.
    pub fn choose(named: &LokiLabels, there: &BTreeSet<String>) -> Labels {
        let of = |named: &Option<String>, usual: &[&str]| match named {
            Some(label) => vec![label.clone()],
            None => {
                let usual = usual.iter().filter(|label| there.contains(**label));
                usual.map(|label| (*label).to_owned()).collect()
            }
        };
        Labels {
            nodes: of(&named.node, NODES),
            containers: of(&named.container, CONTAINERS),
            units: of(&named.unit, UNITS),
        }
    }

    pub fn of(&self, stream: &BTreeMap<String, String>) -> Of {
        let first = |labels: &[String]| {
            let mut values = labels.iter().filter_map(|label| stream.get(label));
            values.find(|value| !value.is_empty()).cloned()
        };
        if let Some(name) = first(&self.containers) {
            // Docker's own name for it begins with a slash.
            return Of::Container(name.trim_start_matches('/').to_owned());
        }
        if let Some(name) = first(&self.units) {
            return Of::Unit(name);
        }
        let others: Vec<String> = OTHERS.iter().map(|label| (*label).to_owned()).collect();
        Of::Other(first(&others).unwrap_or_default())
    }
}

pub fn is_error(stream: &BTreeMap<String, String>) -> bool {
    let level = LEVELS.iter().find_map(|label| stream.get(*label));
    match level {
        Some(level) => ERRORS.contains(&level.to_lowercase().as_str()),
        None => ["stream", "source"]
            .iter()
            .any(|label| stream.get(*label).is_some_and(|value| value == "stderr")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn the_labels_of_the_known_shippers_are_understood() {
        let there = [
            "host",
            "instance",
            "job",
            "container",
            "container_name",
            "unit",
            "systemd_unit",
        ];
        let there: BTreeSet<String> = there.map(str::to_owned).into();
        let labels = Labels::choose(&LokiLabels::default(), &there);
        assert_eq!(labels.nodes, ["host", "instance"]);
        for (given, of) in [
            (
                stream(&[
                    ("host", "a"),
                    ("container", "/web"),
                    ("unit", "docker.service"),
                ]),
                Of::Container("web".into()),
            ),
            (
                stream(&[("host", "a"), ("container_name", "db"), ("container", "")]),
                Of::Container("db".into()),
            ),
            (
                stream(&[("instance", "a"), ("systemd_unit", "ssh.service")]),
                Of::Unit("ssh.service".into()),
            ),
            (
                stream(&[
                    ("host", "a"),
                    ("job", "varlogs"),
                    ("filename", "/var/log/x"),
                ]),
                Of::Other("/var/log/x".into()),
            ),
            (stream(&[("host", "a")]), Of::Other(String::new())),
        ] {
            assert_eq!(labels.of(&given), of, "{given:?}");
        }
        let own = LokiLabels {
            node: Some("machine".into()),
            unit: Some("svc".into()),
            container: None,
        };
        let labels = Labels::choose(&own, &there);
        assert_eq!(
            (labels.nodes, labels.units),
            (vec!["machine".to_owned()], vec!["svc".to_owned()])
        );
    }

    #[test]
    fn an_error_is_what_says_so() {
        assert!(is_error(&stream(&[("level", "ERROR")])));
        assert!(is_error(&stream(&[("stream", "stderr")])));
        assert!(!is_error(&stream(&[
            ("level", "info"),
            ("stream", "stderr")
        ])));
        assert!(!is_error(&stream(&[])));
    }
}
