//! `checks:` of a service: each made into a probe with every default filled in.

use std::collections::BTreeSet;

use stead_core::desired::{Check, HttpProbe, LogSource, Probe};
use stead_core::ids::{CheckName, UnitName};
use stead_core::time::Span;

use super::report::Report;
use super::syntax;
use crate::grammar::check as grammar;
use crate::grammar::check::Timing;
use crate::grammar::scalar::Text;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

const TIMEOUT: Span = Span::secs(5);
/// Shorter intervals cost more than they tell.
const SHORTEST: Span = Span::millis(200);
const LONGEST_PATTERN: usize = 1000;

const PROBES: [&str; 12] = [
    "http",
    "tcp",
    "dns",
    "mqtt",
    "tls",
    "icmp",
    "file",
    "command",
    "process",
    "container",
    "unit",
    "log",
];

/// How often a probe is asked where the file does not say: what changes slowly or costs more, less often.
fn default_every(word: &str) -> Span {
    match word {
        "tls" | "dns" | "file" | "command" | "log" => Span::secs(30),
        _ => Span::secs(10),
    }
}

pub(super) fn resolve(
    at: Cursor<'_>,
    checks: &[grammar::Check],
    report: &mut Report,
) -> Vec<Check> {
    let mut given = BTreeSet::new();
    for (index, check) in checks.iter().enumerate() {
        let Some((word, timing)) = probe_of(check) else {
            continue;
        };
        if let Some(name) = timing.name
            && !given.insert(name)
        {
            let here = at.item(index).get(word).get("name");
            let message = format!("two checks of this service are called {:?}", shorten(name));
            report.value(
                here,
                Code::DuplicateCheck,
                message,
                "give each check a name of its own",
            );
        }
    }
    let mut used: BTreeSet<String> = given.into_iter().map(str::to_owned).collect();
    let mut resolved = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        let here = at.item(index);
        if !exactly_one(here, report) {
            continue;
        }
        let Some((word, timing)) = probe_of(check) else {
            continue;
        };
        let inner = here.get(word);
        let probe = probe(inner, check, report);
        let (every, timeout) = rhythm(inner, word, timing, report);
        let name = match timing.name {
            Some(text) => syntax::name(inner.get("name"), text, CheckName::new, report),
            None => free_name(word, &mut used),
        };
        if let (Some(probe), Some(name)) = (probe, name) {
            resolved.push(Check {
                name,
                probe,
                every,
                timeout,
                failures: timing.failures,
            });
        }
    }
    resolved
}

/// Whether a check asks exactly one thing. Used for every check, also those of runbooks.
pub(super) fn exactly_one(at: Cursor<'_>, report: &mut Report) -> bool {
    let asked: Vec<&str> = at
        .keys()
        .into_iter()
        .filter(|k| PROBES.contains(k))
        .collect();
    match asked.as_slice() {
        [_] => true,
        [] => {
            if !at.damaged() {
                let help = format!("give it one of {}", PROBES.join(", "));
                report.key(at, Code::OneProbe, "the check asks nothing", help);
            }
            false
        }
        many => {
            let message = format!(
                "the check asks {} things at once: {}",
                many.len(),
                many.join(", ")
            );
            report.key(
                at.get(many[1]),
                Code::OneProbe,
                message,
                "start a new list item with `- ` for each",
            );
            false
        }
    }
}

fn free_name(word: &str, used: &mut BTreeSet<String>) -> Option<CheckName> {
    let mut number = 1;
    loop {
        let name = if number == 1 {
            word.to_owned()
        } else {
            format!("{word}-{number}")
        };
        if used.insert(name.clone()) {
            return CheckName::new(&name).ok();
        }
        number += 1;
    }
}

fn probe_of(check: &grammar::Check) -> Option<(&'static str, Timing<'_>)> {
    macro_rules! first {
        ($($field:ident),*) => {
            $(if let Some(inner) = &check.$field {
                return Some((stringify!($field), inner.timing()));
            })*
        };
    }
    first!(
        http, tcp, dns, mqtt, tls, icmp, file, command, process, container, unit, log
    );
    None
}

fn rhythm(at: Cursor<'_>, word: &str, timing: Timing<'_>, report: &mut Report) -> (Span, Span) {
    let every = timing.every.map_or(default_every(word), |d| d.0);
    if every < SHORTEST {
        let message = format!("asking every {every} is too often");
        report.value(
            at.get("every"),
            Code::OutOfRange,
            message,
            format!("write {SHORTEST} or more"),
        );
    }
    let timeout = match timing.timeout {
        Some(given) => given.0,
        None => TIMEOUT.min(every),
    };
    if timeout == Span::ZERO {
        report.value(
            at.get("timeout"),
            Code::OutOfRange,
            "no answer comes in no time",
            "write 1s or more",
        );
    } else if timeout > every {
        let message = format!("it may take {timeout}, but is asked every {every}");
        report.value(
            at.get("timeout"),
            Code::TimeoutTooLong,
            message,
            "make `timeout` shorter or `every` longer",
        );
    }
    (every, timeout)
}

/// The probe, with its own keys checked. The caller has seen that there is exactly one.
pub(super) fn probe(at: Cursor<'_>, check: &grammar::Check, report: &mut Report) -> Option<Probe> {
    if let Some(c) = &check.http {
        return http(at, c, report);
    }
    if let Some(c) = &check.tcp {
        return Some(Probe::Tcp {
            host: local(at, &c.host, report),
            port: c.port?,
        });
    }
    if let Some(c) = &check.dns {
        return dns(at, c, report);
    }
    if let Some(c) = &check.mqtt {
        return Some(mqtt(at, c, report));
    }
    if let Some(c) = &check.tls {
        return Some(Probe::Tls {
            host: local(at, &c.host, report),
            port: c.port.unwrap_or(443),
            days: c.days.unwrap_or(14),
            verify: c.verify.unwrap_or(false),
        });
    }
    if let Some(c) = &check.icmp {
        let host = c.host.clone()?;
        return syntax::host(at.get("host"), &host, report).then_some(Probe::Icmp { host });
    }
    on_the_node(at, check, report)
}

fn on_the_node(at: Cursor<'_>, check: &grammar::Check, report: &mut Report) -> Option<Probe> {
    if let Some(c) = &check.file {
        let path = c.path.clone()?;
        syntax::absolute_path(at.get("path"), &path, report);
        return Some(Probe::File {
            path,
            max_age: c.max_age.map(|d| d.0),
            min_size: c.min_size.map(|s| s.0),
        });
    }
    if let Some(c) = &check.command {
        let run = syntax::words(at.get("run"), c.run.as_ref()?, report)?;
        return Some(Probe::Command {
            run,
            exit: c.exit.unwrap_or(0),
        });
    }
    if let Some(c) = &check.process {
        let process = c.process.clone()?;
        syntax::plain(at.get("process"), &process, "the process", report);
        let command_line = c.command_line.clone().filter(|t| !t.is_empty());
        return Some(Probe::Process {
            process,
            command_line,
            min: c.min.unwrap_or(1),
        });
    }
    if let Some(c) = &check.container {
        let container = syntax::container(at.get("container"), c.container.as_deref()?, report)?;
        return Some(Probe::Container { container });
    }
    if let Some(c) = &check.unit {
        let unit: UnitName = syntax::unit(at.get("unit"), c.unit.as_deref()?, report)?;
        return Some(Probe::Unit { unit });
    }
    check.log.as_ref().and_then(|c| log(at, c, report))
}

fn local(at: Cursor<'_>, host: &Option<String>, report: &mut Report) -> String {
    match host {
        None => "127.0.0.1".to_owned(),
        Some(host) => {
            syntax::host(at.get("host"), host, report);
            host.clone()
        }
    }
}

fn http(at: Cursor<'_>, check: &grammar::Http, report: &mut Report) -> Option<Probe> {
    let url = check.url.clone()?;
    syntax::url(at.get("url"), &url, report);
    let method = check
        .method
        .as_deref()
        .unwrap_or("GET")
        .to_ascii_uppercase();
    if http::Method::from_bytes(method.as_bytes()).is_err() || method.is_empty() {
        let message = format!("{:?} is not an HTTP method", shorten(&method));
        report.value(
            at.get("method"),
            Code::BadHeader,
            message,
            "write GET, HEAD or POST",
        );
    }
    let headers = at.get("headers");
    for (name, Text(value)) in &check.headers {
        syntax::header(headers.get(name), name, value, report);
    }
    Some(Probe::Http(HttpProbe {
        url,
        method,
        headers: check
            .headers
            .iter()
            .map(|(name, Text(value))| (name.clone(), value.clone()))
            .collect(),
        status: check.status,
        body: check
            .body
            .as_ref()
            .map(|Text(t)| t.clone())
            .filter(|t| !t.is_empty()),
        latency: check.latency.map(|d| d.0),
        insecure: check.insecure.unwrap_or(false),
    }))
}

fn dns(at: Cursor<'_>, check: &grammar::Dns, report: &mut Report) -> Option<Probe> {
    let name = check.name.clone()?;
    syntax::host(at.get("name"), &name, report);
    if let Some(server) = &check.server {
        let host = match server.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                if port.parse::<u16>().is_err() {
                    let message =
                        format!("{:?} has no port number after the colon", shorten(server));
                    report.value(
                        at.get("server"),
                        Code::BadHost,
                        message,
                        "write ADDRESS or ADDRESS:PORT",
                    );
                }
                host
            }
            _ => server,
        };
        syntax::host(at.get("server"), host, report);
    }
    Some(Probe::Dns {
        name,
        record: check.record.unwrap_or(grammar::Record::A).word().to_owned(),
        expect: check.expect.as_ref().map(|Text(t)| t.clone()),
        server: check.server.clone(),
    })
}

fn mqtt(at: Cursor<'_>, check: &grammar::Mqtt, report: &mut Report) -> Probe {
    if let Some(Text(password)) = &check.password {
        syntax::secret(
            at.get("password"),
            password,
            "the broker's password",
            report,
        );
    }
    Probe::Mqtt {
        host: local(at, &check.host, report),
        port: check.port.unwrap_or(1883),
        topic: check.topic.clone(),
        username: check.username.as_ref().map(|Text(t)| t.clone()),
        password: check.password.as_ref().map(|Text(t)| t.clone()),
    }
}

fn log(at: Cursor<'_>, check: &grammar::Log, report: &mut Report) -> Option<Probe> {
    let sources: Vec<&str> = at
        .keys()
        .into_iter()
        .filter(|k| ["file", "unit", "container"].contains(k))
        .collect();
    if sources.len() != 1 {
        if !at.damaged() {
            let message = format!("the log check names {} logs", sources.len());
            report.key(
                at,
                Code::OneOf,
                message,
                "give it exactly one of `file`, `unit`, `container`",
            );
        }
        return None;
    }
    let pattern = check.pattern.clone()?;
    if pattern.is_empty() || pattern.len() > LONGEST_PATTERN {
        report.value(
            at.get("pattern"),
            Code::BadPattern,
            "the pattern is empty or longer than 1000 bytes",
            "write what to look for",
        );
    } else if let Err(error) = regex::RegexBuilder::new(&pattern)
        .size_limit(1 << 20)
        .build()
    {
        let why = error.to_string();
        let last = why
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let message = format!(
            "{:?} is not a regular expression: {}",
            shorten(&pattern),
            shorten(last)
        );
        report.value(
            at.get("pattern"),
            Code::BadPattern,
            message,
            "escape special characters with a backslash",
        );
    }
    let source = if let Some(path) = &check.file {
        syntax::absolute_path(at.get("file"), path, report);
        LogSource::File(path.clone())
    } else if let Some(unit) = &check.unit {
        LogSource::Unit(syntax::unit(at.get("unit"), unit, report)?)
    } else {
        LogSource::Container(syntax::container(
            at.get("container"),
            check.container.as_deref()?,
            report,
        )?)
    };
    Some(Probe::Log {
        source,
        pattern,
        within: check.within.map_or(Span::mins(5), |d| d.0),
        absent: check.absent.unwrap_or(false),
    })
}
