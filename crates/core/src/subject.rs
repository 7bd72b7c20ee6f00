//! What an event, check, drift or action is about, written `kind/…` everywhere.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use crate::ids::{ContainerName, JobName, ModelName, NodeName, ServiceName, UnitName};

/// What an event, check, drift or action is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The fleet as a whole, and Stead itself: `fleet`.
    Fleet,
    Node(NodeName),
    Service(NodeName, ServiceName),
    Container(NodeName, ContainerName),
    Unit(NodeName, UnitName),
    Job(NodeName, JobName),
    /// A language model on a node: `model/NODE/NAME`; its name may have slashes of its own.
    Model(NodeName, ModelName),
    /// A VM or system container: provider and name.
    Instance(String, String),
}

impl Subject {
    /// The node it lives on, where there is one.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Subject::Fleet | Subject::Instance(..) => None,
            Subject::Node(n)
            | Subject::Service(n, _)
            | Subject::Container(n, _)
            | Subject::Unit(n, _)
            | Subject::Job(n, _)
            | Subject::Model(n, _) => Some(n),
        }
    }

    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Subject::Service(_, s) => Some(s),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Fleet => f.write_str("fleet"),
            Subject::Node(n) => write!(f, "node/{n}"),
            Subject::Service(n, s) => write!(f, "service/{n}/{s}"),
            Subject::Container(n, c) => write!(f, "container/{n}/{c}"),
            Subject::Unit(n, u) => write!(f, "unit/{n}/{u}"),
            Subject::Job(n, j) => write!(f, "job/{n}/{j}"),
            Subject::Model(n, m) => write!(f, "model/{n}/{m}"),
            Subject::Instance(p, i) => write!(f, "instance/{p}/{i}"),
        }
    }
}

/// Why a text is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a subject ({why}): write node/NAME, service/NODE/NAME, container/NODE/NAME, unit/NODE/NAME, job/NODE/NAME, model/NODE/NAME or instance/PROVIDER/NAME"
)]
pub struct InvalidSubject {
    pub text: String,
    pub why: String,
}

impl FromStr for Subject {
    type Err = InvalidSubject;
    fn from_str(text: &str) -> Result<Subject, InvalidSubject> {
        let bad = |why: &dyn fmt::Display| InvalidSubject {
            text: text.chars().take(120).collect(),
            why: why.to_string(),
        };
        if text == "fleet" {
            return Ok(Subject::Fleet);
        }
        let mut parts = text.splitn(3, '/');
        let (kind, first, second) = (parts.next().unwrap_or(""), parts.next(), parts.next());
        let first = first.ok_or_else(|| bad(&"a name is missing"))?;
        if kind == "node" {
            return match second {
                None => Ok(Subject::Node(NodeName::new(first).map_err(|e| bad(&e))?)),
                Some(_) => Err(bad(&"a node has one name")),
            };
        }
        let second = second.ok_or_else(|| bad(&"a second name is missing"))?;
        if kind == "instance" {
            ServiceName::new(first).map_err(|e| bad(&e))?;
            ServiceName::new(second).map_err(|e| bad(&e))?;
            return Ok(Subject::Instance(first.to_owned(), second.to_owned()));
        }
        let node = NodeName::new(first).map_err(|e| bad(&e))?;
        Ok(match kind {
            "service" => Subject::Service(node, ServiceName::new(second).map_err(|e| bad(&e))?),
            "container" => {
                Subject::Container(node, ContainerName::new(second).map_err(|e| bad(&e))?)
            }
            "unit" => Subject::Unit(node, UnitName::new(second).map_err(|e| bad(&e))?),
            "model" => Subject::Model(node, ModelName::new(second).map_err(|e| bad(&e))?),
            "job" => Subject::Job(node, JobName::new(second).map_err(|e| bad(&e))?),
            _ => return Err(bad(&"unknown kind")),
        })
    }
}

impl serde::Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Subject {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Subject, D::Error> {
        struct V;
        impl serde::de::Visitor<'_> for V {
            type Value = Subject;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a subject such as service/NODE/NAME")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Subject, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_back_as_they_are_written() {
        for text in [
            "fleet",
            "node/piha",
            "service/piha/z2m",
            "container/a/b",
            "unit/a/x@1.service",
            "instance/lxd/v1",
            "model/gpu1/team/gemma3:4b",
        ] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "node",
            "node/a/b",
            "service/a",
            "planet/a/b",
            "container/a/../b",
            "service//x",
        ] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }
}
