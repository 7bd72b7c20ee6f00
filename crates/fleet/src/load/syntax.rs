//! Rules about single texts: names, paths, hosts, addresses, commands. Nothing that a command could take for an option,
//! and nothing that could leave its folder.

use stead_core::ids::{ContainerName, InvalidName, UnitName};

use super::report::Report;
use crate::grammar::scalar::{Pairs, Text, Words};
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Longest text in a name, path or address.
const LONGEST: usize = 4096;

/// Makes a name of `text`, or says why not.
pub(super) fn name<N>(
    at: Cursor<'_>,
    text: &str,
    make: impl Fn(&str) -> Result<N, InvalidName>,
    report: &mut Report,
) -> Option<N> {
    match make(text) {
        Ok(name) => Some(name),
        Err(error) => {
            let code = if text.starts_with('-') {
                Code::LeadingDash
            } else {
                Code::BadName
            };
            let message = format!(
                "{:?} is not a valid {}: {}",
                shorten(text),
                error.what,
                error.why
            );
            report.value(
                at,
                code,
                message,
                "use letters, digits, `-`, `_` and `.`; no `/`, no `..`, no leading `-`",
            );
            None
        }
    }
}

/// A container's name as an engine takes it. Longer rules than other names: it goes into API paths.
pub(super) fn container(at: Cursor<'_>, text: &str, report: &mut Report) -> Option<ContainerName> {
    let made = name(at, text, ContainerName::new, report)?;
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if fits {
        return Some(made);
    }
    let message = format!("{:?} is not a valid container name", shorten(text));
    report.value(
        at,
        Code::BadName,
        message,
        "container names are letters, digits, `_`, `.` and `-`, starting with a letter or digit",
    );
    None
}

const UNIT_KINDS: [&str; 9] = [
    ".service",
    ".socket",
    ".timer",
    ".mount",
    ".automount",
    ".path",
    ".target",
    ".slice",
    ".swap",
];

/// A unit's name; `.service` is added where there is no suffix, as systemctl does.
pub(super) fn unit(at: Cursor<'_>, text: &str, report: &mut Report) -> Option<UnitName> {
    let full = match UNIT_KINDS.iter().any(|kind| text.ends_with(kind)) || text.is_empty() {
        true => text.to_owned(),
        false => format!("{text}.service"),
    };
    name(at, &full, UnitName::new, report)
}

/// A text that becomes an argument of a command or part of a request.
pub(super) fn plain(at: Cursor<'_>, text: &str, what: &str, report: &mut Report) -> bool {
    if text.starts_with('-') {
        let message = format!(
            "{what} {:?} starts with `-`, so a command would take it for an option",
            shorten(text)
        );
        report.value(at, Code::LeadingDash, message, "remove the leading `-`");
        return false;
    }
    let why = if text.is_empty() {
        "is empty"
    } else if text.len() > LONGEST {
        "is longer than 4096 bytes"
    } else if text.chars().any(char::is_control) {
        "contains a control character"
    } else {
        return true;
    };
    report.value(
        at,
        Code::BadName,
        format!("{what} {why}"),
        format!("give {what} in one line of plain text"),
    );
    false
}

/// An absolute path on a node that stays where it says.
pub(super) fn absolute_path(at: Cursor<'_>, text: &str, report: &mut Report) -> bool {
    if text.len() > LONGEST || text.chars().any(char::is_control) {
        report.value(
            at,
            Code::BadPath,
            "the path is too long or contains a control character",
            "write a plain path",
        );
        return false;
    }
    if !text.starts_with('/') {
        let message = format!("the path {:?} is not absolute", shorten(text));
        report.value(
            at,
            Code::BadPath,
            message,
            "write the whole path on the node, starting with `/`",
        );
        return false;
    }
    stays(at, text, report)
}

/// A path inside another folder.
pub(super) fn inner_path(at: Cursor<'_>, text: &str, report: &mut Report) -> bool {
    if !plain(at, text, "the file", report) {
        return false;
    }
    if text.starts_with('/') {
        let message = format!("{:?} must lie inside `path`", shorten(text));
        report.value(at, Code::BadPath, message, "write it relative to `path`");
        return false;
    }
    stays(at, text, report)
}

fn stays(at: Cursor<'_>, text: &str, report: &mut Report) -> bool {
    if text.split('/').any(|part| part == "..") {
        let message = format!("the path {:?} contains `..`", shorten(text));
        report.value(at, Code::BadPath, message, "write the path it leads to");
        return false;
    }
    true
}

/// A host name or an address, for a probe.
pub(super) fn host(at: Cursor<'_>, text: &str, report: &mut Report) -> bool {
    if text.starts_with('-') {
        return plain(at, text, "the host", report);
    }
    let address = text.trim_start_matches('[').trim_end_matches(']');
    let named = !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        && !text.contains("..");
    if named || address.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let message = format!("{:?} is not a host name or address", shorten(text));
    report.value(
        at,
        Code::BadHost,
        message,
        "write a name or an IP address, without scheme, port or path",
    );
    false
}

/// An address that a request may go to. Only `http` and `https`: `file:` and others would read what is not theirs.
pub(super) fn url(at: Cursor<'_>, text: &str, report: &mut Report) -> bool {
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    let lower = scheme.to_ascii_lowercase();
    // `localhost:8080/x` and `example.org/x` lack a scheme; `file:/x` has a wrong one.
    let is_port = rest.starts_with(|c: char| c.is_ascii_digit());
    if !text.contains("://") && (scheme.is_empty() || is_port) {
        let message = format!("{:?} has no scheme", shorten(text));
        report.value(
            at,
            Code::BadUrl,
            message,
            format!("write http://{}", shorten(text)),
        );
        return false;
    }
    if lower != "http" && lower != "https" {
        let message = format!("{:?} is not an http or https address", shorten(text));
        report.value(
            at,
            Code::UrlScheme,
            message,
            "only http:// and https:// are asked; use another kind of check",
        );
        return false;
    }
    let parsed: Result<http::Uri, _> = text.parse();
    let bad = |why: &str| {
        format!(
            "{:?} is not an address that can be asked: {why}",
            shorten(text)
        )
    };
    let why = match &parsed {
        _ if text.len() > LONGEST => "it is longer than 4096 bytes".to_owned(),
        Err(error) => error.to_string(),
        Ok(uri) => match uri.authority() {
            None => "it has no host".to_owned(),
            Some(a) if a.host().is_empty() => "it has no host".to_owned(),
            Some(a) if a.as_str().contains('@') => {
                report.value(
                    at,
                    Code::PlainSecret,
                    "the address holds a user name or password",
                    "send it as a header instead: headers: { authorization: \"secret:NAME\" }",
                );
                return true;
            }
            Some(a) if !port_fits(a) => "its port is not a number from 1 to 65535".to_owned(),
            Some(_) => return true,
        },
    };
    report.value(at, Code::BadUrl, bad(&why), "write http://HOST[:PORT]/PATH");
    false
}

fn port_fits(authority: &http::uri::Authority) -> bool {
    let after_host = authority
        .as_str()
        .rsplit_once(']')
        .map_or(authority.as_str(), |(_, rest)| rest);
    match after_host.rsplit_once(':') {
        None => true,
        Some((_, port)) => port.parse::<u16>().is_ok_and(|p| p > 0),
    }
}

/// A command as words. Text is split as a shell would split it, but no shell ever sees it.
pub(super) fn words(at: Cursor<'_>, words: &Words, report: &mut Report) -> Option<Vec<String>> {
    let split = match words {
        Words::List(list) => list.iter().map(|Text(word)| word.clone()).collect(),
        Words::Line(line) => match shlex::split(line) {
            Some(split) => {
                shell_syntax(at, line, report);
                split
            }
            None => {
                let message = format!(
                    "{:?} cannot be split into words: a quote is not closed",
                    shorten(line)
                );
                report.value(
                    at,
                    Code::BadCommand,
                    message,
                    "close the quote, or write a list of words",
                );
                return None;
            }
        },
    };
    let bad = |w: &String| w.contains('\0');
    if split.is_empty() || split[0].is_empty() || split.iter().any(bad) {
        report.value(
            at,
            Code::BadCommand,
            "the command is empty or holds a zero byte",
            "name a program: [program, argument]",
        );
        return None;
    }
    Some(split)
}

fn shell_syntax(at: Cursor<'_>, line: &str, report: &mut Report) {
    let outside_quotes: String = {
        let mut quote = None;
        line.chars()
            .filter(|c| {
                let is_quote = *c == '"' || *c == '\'';
                match quote {
                    Some(open) if *c == open => quote = None,
                    None if is_quote => quote = Some(*c),
                    _ => {}
                }
                quote.is_none() && !is_quote
            })
            .collect()
    };
    if outside_quotes.contains(['|', ';', '>', '<', '`', '&']) || outside_quotes.contains("$(") {
        report.value(
            at,
            Code::ShellSyntax,
            "the command contains shell syntax, but no shell reads it",
            "write [sh, -c, \"…\"] if a shell is what you want",
        );
    }
}

/// Names with values. `what` is for messages: `environment`, `labels`.
pub(super) fn pairs(
    at: Cursor<'_>,
    pairs: &Pairs,
    what: &str,
    report: &mut Report,
) -> std::collections::BTreeMap<String, String> {
    let mut entries: Vec<(Cursor<'_>, &str, &str)> = Vec::new();
    match pairs {
        Pairs::Map(map) => entries.extend(
            map.iter()
                .map(|(key, Text(value))| (at.get(key), key.as_str(), value.as_str())),
        ),
        Pairs::List(list) => {
            for (index, Text(item)) in list.iter().enumerate() {
                match item.split_once('=') {
                    Some((key, value)) => entries.push((at.item(index), key, value)),
                    // Compose would take the value from its own environment; Stead's is not the owner's.
                    None => report.value(
                        at.item(index),
                        Code::BadEnvironment,
                        format!("{:?} has no value", shorten(item)),
                        format!("write {}=value", shorten(item)),
                    ),
                }
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    for (here, key, value) in entries {
        if key.is_empty()
            || key.contains(['=', '\0'])
            || key.chars().any(char::is_whitespace)
            || value.contains('\0')
        {
            let message = format!("{:?} is no name for an entry of `{what}`", shorten(key));
            report.key(here, Code::BadEnvironment, message, "write NAME: value");
        } else {
            found.insert(key.to_owned(), value.to_owned());
        }
    }
    found
}

/// A header of a request.
pub(super) fn header(at: Cursor<'_>, name: &str, value: &str, report: &mut Report) {
    let fits = http::HeaderName::from_bytes(name.as_bytes()).is_ok()
        && http::HeaderValue::from_str(value).is_ok();
    if !fits {
        let message = format!("the header {:?} cannot be sent", shorten(name));
        report.key(
            at,
            Code::BadHeader,
            message,
            "write name: value in plain characters",
        );
    }
}

/// A text that should be `secret:NAME`.
pub(super) fn secret(at: Cursor<'_>, text: &str, what: &str, report: &mut Report) {
    if !text.starts_with("secret:") {
        let message = format!("{what} is written here for everybody who reads this file");
        report.value(
            at,
            Code::PlainSecret,
            message,
            "keep it as a secret and write `secret:NAME` here",
        );
    }
}
