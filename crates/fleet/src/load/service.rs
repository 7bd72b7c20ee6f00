//! One service: its kind, the keys that kind takes, and what all kinds have.

use std::collections::BTreeMap;

use stead_core::desired::{Patience, Service, ServiceKind};
use stead_core::ids::{NodeName, ServiceName};

use super::report::Report;
use super::{check, container, syntax};
use crate::grammar::service as grammar;
use crate::grammar::service::Kind;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

pub(super) fn resolve(
    at: Cursor<'_>,
    key: &str,
    file: &grammar::Service,
    node: &NodeName,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) -> Option<(ServiceName, Service)> {
    let name = service_name(at, key, report);
    if let Some(text) = &file.node {
        own_node(at.get("node"), text, node, known, report);
    }
    let checks = check::resolve(at.get("checks"), &file.checks, report);
    let kind = file.kind?;
    fitting_keys(at, kind, report);
    let kind = kind_of(at, key, kind, file, report)?;
    let defaults = Patience::default();
    let service = Service {
        kind,
        monitor: file.monitor.unwrap_or(true),
        suspended: file.suspended.unwrap_or(false),
        needs: file
            .needs
            .iter()
            .filter_map(|n| ServiceName::new(n).ok())
            .collect(),
        patience: Patience {
            failures: file.patience.failures.unwrap_or(defaults.failures),
            time: file.patience.time.map_or(defaults.time, |d| d.0),
            start: file.patience.start.map_or(defaults.start, |d| d.0),
        },
        checks,
    };
    Some((name?, service))
}

fn service_name(at: Cursor<'_>, key: &str, report: &mut Report) -> Option<ServiceName> {
    match ServiceName::new(key) {
        Ok(name) => Some(name),
        Err(error) => {
            let code = if key.starts_with('-') {
                Code::LeadingDash
            } else {
                Code::BadName
            };
            let message = format!(
                "{:?} is not a valid service name: {}",
                shorten(key),
                error.why
            );
            report.key(
                at,
                code,
                message,
                "use letters, digits, `-`, `_` and `.`; no `/`, no `..`, no leading `-`",
            );
            None
        }
    }
}

fn own_node(
    at: Cursor<'_>,
    text: &str,
    node: &NodeName,
    known: &BTreeMap<String, NodeName>,
    report: &mut Report,
) {
    if node == text {
        return;
    }
    if known.contains_key(text) {
        let message = format!(
            "this service is written in the folder of `{node}`, but names `{}`",
            shorten(text)
        );
        report.value(
            at,
            Code::WrongNode,
            message,
            format!("move it to hosts/{text}/services.yaml, or remove `node`"),
        );
        return;
    }
    let help = match report.near(text, known.keys().map(String::as_str)) {
        Some(near) => format!(
            "did you mean `{near}`? A service runs on the node whose folder it is written in"
        ),
        None => {
            "remove `node`: a service runs on the node whose folder it is written in".to_owned()
        }
    };
    report.value(
        at,
        Code::UnknownNode,
        format!("there is no node {:?} under hosts/", shorten(text)),
        help,
    );
}

fn fitting_keys(at: Cursor<'_>, kind: Kind, report: &mut Report) {
    for key in at.keys() {
        if grammar::GENERAL.contains(&key) || kind.keys().contains(&key) {
            continue;
        }
        let owners: Vec<&str> = Kind::ALL
            .iter()
            .filter(|k| k.keys().contains(&key))
            .map(|k| k.word())
            .collect();
        let takes = match kind.keys() {
            [] => "it takes only the general keys".to_owned(),
            keys => format!("it takes {}", keys.join(", ")),
        };
        let message = format!(
            "`{key}` belongs to kind {}, this service is of kind {}",
            owners.join(" or "),
            kind.word()
        );
        report.key(
            at.get(key),
            Code::KeyNotForKind,
            message,
            format!("remove it, or change the kind; {takes}"),
        );
    }
    if let Some(must) = kind.must()
        && !at.has(must)
        && !at.damaged()
    {
        let message = format!("a service of kind {} needs `{must}`", kind.word());
        let help = match must {
            "path" => "add `path: /folder/of/the/compose/file`",
            "unit" => "add `unit: NAME.service`",
            "process" => "add `process: NAME`, the executable's name",
            "run" => "add `run: [program, argument]`",
            _ => "add `provider: NAME`",
        };
        report.key(at, Code::MissingKey, message, help);
    }
}

fn kind_of(
    at: Cursor<'_>,
    key: &str,
    kind: Kind,
    file: &grammar::Service,
    report: &mut Report,
) -> Option<ServiceKind> {
    Some(match kind {
        Kind::Container => {
            let definition = container::definition(at, file, report);
            let named = file.container.as_deref();
            ServiceKind::Container {
                container: match named {
                    Some(text) => syntax::container(at.get("container"), text, report)?,
                    None => syntax::container(at, key, report)?,
                },
                definition,
            }
        }
        Kind::Compose => compose(at, file, report)?,
        Kind::Systemd => ServiceKind::Systemd {
            unit: syntax::unit(at.get("unit"), file.unit.as_deref()?, report)?,
        },
        Kind::Process => {
            let process = file.process.clone()?;
            if !syntax::plain(at.get("process"), &process, "the process", report) {
                return None;
            }
            ServiceKind::Process {
                process,
                command_line: file.command_line.clone().filter(|c| !c.is_empty()),
            }
        }
        Kind::Loop => {
            syntax::words(at.get("run"), file.run.as_ref()?, report)?;
            ServiceKind::Loop
        }
        Kind::Instance => {
            for (key, text) in [("provider", &file.provider), ("instance", &file.instance)] {
                if let Some(text) = text {
                    syntax::name(at.get(key), text, ServiceName::new, report);
                }
            }
            ServiceKind::Instance
        }
        Kind::External => ServiceKind::External,
    })
}

fn compose(at: Cursor<'_>, file: &grammar::Service, report: &mut Report) -> Option<ServiceKind> {
    let path = file.path.clone()?;
    syntax::absolute_path(at.get("path"), &path, report);
    if let Some(text) = &file.file {
        syntax::inner_path(at.get("file"), text, report);
    }
    if let Some(text) = &file.service {
        syntax::name(at.get("service"), text, ServiceName::new, report);
    }
    if let Some(text) = &file.project {
        let fits = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
        if !fits {
            let message = format!("{:?} is not a compose project name", shorten(text));
            let help =
                "use lower-case letters, digits, `-` and `_`, starting with a letter or digit";
            report.value(at.get("project"), Code::BadName, message, help);
        }
    }
    Some(ServiceKind::Compose {
        path,
        service: file.service.clone(),
        project: file.project.clone(),
        file: file.file.clone(),
    })
}
