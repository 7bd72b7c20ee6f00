//! Rules between services: who needs whom, who claims what, whose actions would share an ID.

use std::collections::HashMap;

use super::piece::Named;
use super::report::Report;
use crate::grammar::service::{Kind, Service, ServicesFile};
use crate::node::Cursor;
use crate::problem::{Code, Problem};
use crate::shape::shorten;

/// Every need is a service of the same node, and no service needs itself through others.
pub(super) fn needs(at: Cursor<'_>, file: &ServicesFile, report: &mut Report) {
    for (name, service) in &file.services {
        let here = at.get(name).get("needs");
        for (index, need) in service.needs.iter().enumerate() {
            if file.services.contains_key(need) || at.damaged() {
                continue;
            }
            let item = here.item(index);
            let help = match report.near(need, file.services.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if need.contains('/') => {
                    "`needs` takes services of the same node, by their name alone".to_owned()
                }
                None => "add that service to this file, or remove the need".to_owned(),
            };
            let message = format!(
                "`{}` needs {:?}, which this node does not have",
                shorten(name),
                shorten(need)
            );
            report.value(item, Code::UnknownService, message, help);
        }
    }
    circles(at, file, report);
}

/// Names each circle once. Iterative: a chain may be as long as the file.
fn circles(at: Cursor<'_>, file: &ServicesFile, report: &mut Report) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Open,
        Done,
    }
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    for start in file.services.keys() {
        if seen.contains_key(start.as_str()) {
            continue;
        }
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        seen.insert(start, Seen::Open);
        while let Some((name, index)) = path.last_mut() {
            let name = *name;
            let Some(need) = file.services.get(name).and_then(|s| s.needs.get(*index)) else {
                seen.insert(name, Seen::Done);
                path.pop();
                continue;
            };
            let at_item = at.get(name).get("needs").item(*index);
            *index += 1;
            match seen.get(need.as_str()) {
                Some(Seen::Done) => {}
                Some(Seen::Open) => {
                    let from = path.iter().position(|(n, _)| n == need).unwrap_or(0);
                    let mut circle: Vec<&str> = path[from..].iter().map(|(n, _)| *n).collect();
                    circle.push(need);
                    let message = format!(
                        "these services need each other in a circle: {}",
                        shorten(&circle.join(" → "))
                    );
                    report.value(
                        at_item,
                        Code::NeedsCycle,
                        message,
                        "remove one of these needs",
                    );
                }
                None if file.services.contains_key(need) => {
                    seen.insert(need, Seen::Open);
                    path.push((need, 0));
                }
                None => {}
            }
        }
    }
}

/// What a service is found by; two services found by the same thing would both repair it.
fn claim(name: &str, service: &Service) -> Option<(&'static str, String, String)> {
    match service.kind? {
        Kind::Container => {
            let container = service.container.as_deref().unwrap_or(name);
            Some(("container", "container".into(), container.to_owned()))
        }
        Kind::Systemd => {
            let unit = service.unit.as_deref()?;
            Some((
                "unit",
                "unit".into(),
                unit.strip_suffix(".service").unwrap_or(unit).to_owned(),
            ))
        }
        Kind::Process => {
            let process = service.process.as_deref()?;
            let full = match &service.command_line {
                Some(line) => format!("{process} with {line:?}"),
                None => process.to_owned(),
            };
            Some(("process", "process".into(), full))
        }
        Kind::Compose => {
            let path = service.path.as_deref()?.trim_end_matches('/');
            let part = [&service.file, &service.project, &service.service]
                .map(|p| p.as_deref().unwrap_or(""))
                .join(":");
            // Without `service` it is this service's own name, where the file has it.
            let own = if service.service.is_none() { name } else { "" };
            Some((
                "path",
                "compose service".into(),
                format!("{path}:{part}{own}"),
            ))
        }
        Kind::Instance => {
            let instance = service.instance.as_deref().unwrap_or(name);
            Some((
                "instance",
                "instance".into(),
                format!("{}/{instance}", service.provider.as_deref()?),
            ))
        }
        Kind::Loop | Kind::External => None,
    }
}

pub(super) fn claims(at: Cursor<'_>, file: &ServicesFile, report: &mut Report) {
    let mut taken: HashMap<(String, String), &str> = HashMap::new();
    // In the order of the file, so that the second one is the one to mend.
    for name in at.keys() {
        let Some(service) = file.services.get(name) else {
            continue;
        };
        let Some((key, what, target)) = claim(name, service) else {
            continue;
        };
        if let Some(first) = taken.get(&(what.clone(), target.clone())) {
            let here = at.get(name);
            let here = if here.has(key) { here.get(key) } else { here };
            let shown = target.trim_end_matches(':');
            let message = format!(
                "`{}` and `{}` both claim the {what} {:?}",
                shorten(first),
                shorten(name),
                shorten(shown)
            );
            report.key(
                here,
                Code::ClaimedTwice,
                message,
                "keep one of the two services",
            );
        } else {
            taken.insert((what, target), name);
        }
    }
}

/// Action IDs join node and service with `-`. Where two pairs join to the same text, neither is told from the other.
pub(super) fn collisions(names: &[Named], report: &mut Report) {
    let mut joined: HashMap<String, &Named> = HashMap::new();
    for named in names {
        let text = format!("{}-{}", named.host, named.service);
        let Some(other) = joined.get(&text) else {
            joined.insert(text, named);
            continue;
        };
        let message = format!(
            "service `{}` on `{}` and service `{}` on `{}` would share the action ID `redeploy-{}`",
            shorten(&named.service),
            named.host,
            shorten(&other.service),
            other.host,
            shorten(&text)
        );
        let help = "rename one of the two services";
        report.push(Problem::at(
            &named.file,
            named.at,
            Code::ActionCollision,
            message,
            help,
        ));
    }
}
