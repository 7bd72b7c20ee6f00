//! `channels:` and `routes:`: all are reviewed; those that this build can deliver to enter the fleet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use stead_core::desired::{Channel, Ping, Route, RouteMatch, Webhook};
use stead_core::event::Severity;

use super::report::Report;
use super::syntax;
use crate::grammar::channel as grammar;
use crate::grammar::stead::SteadFile;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

const KINDS: [&str; 7] = [
    "discord", "slack", "telegram", "ntfy", "matrix", "email", "webhook",
];

/// Keys whose values let somebody in.
const SECRET: [(&str, &str); 8] = [
    ("discord", "webhook"),
    ("slack", "webhook"),
    ("telegram", "token"),
    ("ntfy", "token"),
    ("matrix", "token"),
    ("email", "password"),
    ("webhook", "secret"),
    ("webhook", "url"),
];

/// Channels and routes of the fleet. A route keeps those of its channels that the fleet has, and goes with the last.
pub(super) fn resolve(
    at: Cursor<'_>,
    file: &SteadFile,
    report: &mut Report,
) -> (BTreeMap<String, Channel>, Vec<Route>) {
    review(at, file, report);
    let mut channels = BTreeMap::new();
    for (name, channel) in &file.channels {
        if let Some(hook) = channel.webhook.as_ref() {
            let here = at.get("channels").get(name).get("webhook");
            if let Some(made) = webhook(here, hook, report) {
                channels.insert(name.clone(), Channel::Webhook(made));
            }
        }
    }
    let routes = file.routes.iter().filter_map(|r| route(r, &channels));
    let routes = routes.collect();
    (channels, routes)
}

fn webhook(at: Cursor<'_>, file: &grammar::Webhook, report: &mut Report) -> Option<Webhook> {
    for (index, text) in file.allow.iter().enumerate() {
        if !is_network(text) {
            let message = format!("{:?} is not a network", shorten(text));
            report.value(
                at.get("allow").item(index),
                Code::BadNetwork,
                message,
                "write an address and how many of its bits count: 192.168.0.0/16",
            );
        }
    }
    for (name, value) in &file.headers {
        syntax::header(at.get("headers").get(name), name, value, report);
    }
    Some(Webhook {
        url: file.url.clone()?,
        secret: file.secret.clone(),
        headers: file.headers.clone(),
        allow: file.allow.clone(),
    })
}

/// `192.168.0.0/16`, `fd00::/8`, or one address.
fn is_network(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = |b: &str| !b.is_empty() && b.bytes().all(|c| c.is_ascii_digit());
    bits.is_none_or(|b| digits(b) && b.parse::<u8>().is_ok_and(|n| n <= most))
}

fn route(file: &grammar::Route, channels: &BTreeMap<String, Channel>) -> Option<Route> {
    let matches = file.matches.as_ref()?;
    let to: Vec<String> = file
        .to
        .iter()
        .filter(|name| channels.contains_key(*name))
        .cloned()
        .collect();
    if to.is_empty() {
        return None;
    }
    let severity = matches.severity.map(|s| match s {
        grammar::Severity::Info => Severity::Info,
        grammar::Severity::Warning => Severity::Warning,
        grammar::Severity::Critical => Severity::Critical,
    });
    let ping = match file.ping {
        Some(grammar::Ping::Always) => Ping::Always,
        Some(grammar::Ping::Never) => Ping::Never,
        Some(grammar::Ping::OutsideBusinessHours) => Ping::OutsideBusinessHours,
        None if severity == Some(Severity::Critical) => Ping::Always,
        None => Ping::Never,
    };
    Some(Route {
        name: file.name.clone()?,
        matches: RouteMatch {
            kind: matches.kind.clone(),
            severity,
            node: matches.node.clone(),
            service: matches.service.clone(),
            labels: matches.labels.clone(),
        },
        to,
        ping,
    })
}

fn review(at: Cursor<'_>, file: &SteadFile, report: &mut Report) {
    for (name, channel) in &file.channels {
        let here = at.get("channels").get(name);
        let kinds: Vec<&str> = here
            .keys()
            .into_iter()
            .filter(|k| KINDS.contains(k))
            .collect();
        if kinds.len() != 1 && !here.damaged() {
            let message = format!(
                "the channel `{}` names {} ways to deliver",
                shorten(name),
                kinds.len()
            );
            report.key(
                here,
                Code::OneOf,
                message,
                format!("give it exactly one of {}", KINDS.join(", ")),
            );
        }
        for (kind, key) in SECRET {
            let place = here.get(kind);
            if !place.has(key) {
                continue;
            }
            let text = secret_text(channel, kind, key).unwrap_or_default();
            // A plain address without a token in it is no secret.
            if (kind, key) == ("webhook", "url") {
                if !text.starts_with("secret:") {
                    syntax::url(place.get(key), text, report);
                }
            } else {
                syntax::secret(place.get(key), text, &format!("`{key}`"), report);
            }
        }
        for (url, kind, key) in [
            (
                channel.ntfy.as_ref().and_then(|c| c.url.as_deref()),
                "ntfy",
                "url",
            ),
            (
                channel
                    .matrix
                    .as_ref()
                    .and_then(|c| c.homeserver.as_deref()),
                "matrix",
                "homeserver",
            ),
        ] {
            if let Some(url) = url {
                syntax::url(here.get(kind).get(key), url, report);
            }
        }
    }
    routes(at.get("routes"), file, report);
}

fn secret_text<'a>(
    channel: &'a crate::grammar::channel::Channel,
    kind: &str,
    key: &str,
) -> Option<&'a str> {
    match (kind, key) {
        ("discord", _) => channel.discord.as_ref()?.webhook.as_deref(),
        ("slack", _) => channel.slack.as_ref()?.webhook.as_deref(),
        ("telegram", _) => channel.telegram.as_ref()?.token.as_deref(),
        ("ntfy", _) => channel.ntfy.as_ref()?.token.as_deref(),
        ("matrix", _) => channel.matrix.as_ref()?.token.as_deref(),
        ("email", _) => channel.email.as_ref()?.password.as_deref(),
        (_, "secret") => channel.webhook.as_ref()?.secret.as_deref(),
        _ => channel.webhook.as_ref()?.url.as_deref(),
    }
}

fn routes(at: Cursor<'_>, file: &SteadFile, report: &mut Report) {
    for (index, route) in file.routes.iter().enumerate() {
        let here = at.item(index);
        for (n, name) in route.to.iter().enumerate() {
            if file.channels.contains_key(name) {
                continue;
            }
            let help = match report.near(name, file.channels.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add it under `channels:`".to_owned(),
            };
            let message = format!("there is no channel {:?}", shorten(name));
            report.value(here.get("to").item(n), Code::UnknownChannel, message, help);
        }
        let Some(matches) = &route.matches else {
            continue;
        };
        let empty = matches.kind.is_none()
            && matches.severity.is_none()
            && matches.node.is_none()
            && matches.service.is_none()
            && matches.labels.is_empty();
        if empty && !here.get("match").damaged() {
            let help = "say what it is for; `kind: \"*\"` matches every event and says so";
            report.key(
                here.get("match"),
                Code::EmptyMatch,
                "the route has an empty match, so nothing takes it",
                help,
            );
        }
    }
}
