//! What (re)creates a container: Compose's fields, each checked before an engine ever sees it.

use stead_core::desired::ContainerDef;

use super::report::Report;
use super::syntax;
use crate::grammar::scalar::Text;
use crate::grammar::service::Service;
use crate::node::Cursor;
use crate::problem::Code;
use crate::shape::shorten;

/// Keys that only mean something together with an image.
const NEED_IMAGE: [&str; 9] = [
    "command",
    "ports",
    "volumes",
    "environment",
    "labels",
    "restart",
    "mem_limit",
    "user",
    "network_mode",
];

pub(super) fn definition(
    at: Cursor<'_>,
    service: &Service,
    report: &mut Report,
) -> Option<ContainerDef> {
    let Some(image) = &service.image else {
        if let Some(key) = NEED_IMAGE.into_iter().find(|key| at.has(key))
            && !at.damaged()
        {
            let message =
                format!("`{key}` describes how to create the container, but there is no `image`");
            report.key(
                at.get(key),
                Code::ImageMissing,
                message,
                "add `image:`, or remove what describes the container",
            );
        }
        return None;
    };
    image_fits(at.get("image"), image, report);
    let command = service
        .command
        .as_ref()
        .and_then(|c| syntax::words(at.get("command"), c, report));
    for (index, Text(mapping)) in service.ports.iter().enumerate() {
        port(at.get("ports").item(index), mapping, report);
    }
    for (index, mount) in service.volumes.iter().enumerate() {
        volume(at.get("volumes").item(index), mount, report);
    }
    if let Some(Text(policy)) = &service.restart {
        restart(at.get("restart"), policy, report);
    }
    if let Some(Text(user)) = &service.user {
        syntax::plain(at.get("user"), user, "the user", report);
    }
    if let Some(mode) = &service.network_mode {
        syntax::plain(at.get("network_mode"), mode, "the network mode", report);
    }
    let mut pairs = |key: &str, given: &Option<crate::grammar::scalar::Pairs>| {
        given
            .as_ref()
            .map(|p| syntax::pairs(at.get(key), p, key, report))
            .unwrap_or_default()
    };
    let environment = pairs("environment", &service.environment);
    let labels = pairs("labels", &service.labels);
    Some(ContainerDef {
        image: image.clone(),
        command,
        ports: service.ports.iter().map(|Text(p)| p.clone()).collect(),
        volumes: service.volumes.clone(),
        environment,
        labels,
        restart: service.restart.as_ref().map(|Text(r)| r.clone()),
        mem_limit: service.mem_limit.map(|s| s.0),
        user: service.user.as_ref().map(|Text(u)| u.clone()),
        network_mode: service.network_mode.clone(),
        ..ContainerDef::default()
    })
}

pub(super) fn image_fits(at: Cursor<'_>, image: &str, report: &mut Report) {
    if !syntax::plain(at, image, "the image", report) {
        return;
    }
    let fits = image
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
        && image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !image.ends_with([':', '/', '@'])
        && !image.contains("..")
        && !image.contains("//");
    if !fits {
        let message = format!("{:?} is not an image reference", shorten(image));
        report.value(
            at,
            Code::BadImage,
            message,
            "write [HOST/]NAME[:TAG][@DIGEST], as in nginx:1.29",
        );
    }
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`
fn port(at: Cursor<'_>, text: &str, report: &mut Report) {
    let number =
        |t: &str| t.parse::<u16>().is_ok_and(|n| n > 0) && t.bytes().all(|b| b.is_ascii_digit());
    let (mapping, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let mut parts = mapping.rsplitn(3, ':');
    let container = parts.next().is_some_and(number);
    let host = parts.next().is_none_or(|h| number(h) || h.is_empty());
    let address = parts.next().is_none_or(|ip| {
        ip.trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok()
    });
    if !(container && host && address && ["tcp", "udp", "sctp"].contains(&protocol)) {
        let message = format!("{:?} is not a port mapping", shorten(text));
        report.value(
            at,
            Code::BadPort,
            message,
            "write [[IP:]HOST:]CONTAINER[/PROTOCOL], as in \"127.0.0.1:8080:80\"",
        );
    }
}

/// `SOURCE:TARGET[:ro]`
fn volume(at: Cursor<'_>, text: &str, report: &mut Report) {
    let mut parts = text.split(':');
    let (source, target, mode) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    let bad = |report: &mut Report, why: &str| {
        let message = format!("{:?} is not a volume: {why}", shorten(text));
        report.value(
            at,
            Code::BadVolume,
            message,
            "write /on/the/node:/in/the/container[:ro], or NAME:/in/the/container",
        );
    };
    let Some(target) = target else {
        return bad(report, "it has no target");
    };
    if parts.next().is_some() || mode.is_some_and(|m| m != "ro" && m != "rw") {
        return bad(report, "only `:ro` or `:rw` may follow the target");
    }
    if text.split(['/', ':']).any(|p| p == "..") {
        let message = format!("the volume {:?} contains `..`", shorten(text));
        report.value(at, Code::BadPath, message, "write the path it leads to");
        return;
    }
    if !target.starts_with('/') {
        return bad(report, "the target is not an absolute path");
    }
    let named = source.starts_with(|c: char| c.is_ascii_alphanumeric())
        && source
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if !source.starts_with('/') && !named {
        bad(
            report,
            "the source is neither an absolute path nor the name of a volume",
        );
    }
}

fn restart(at: Cursor<'_>, text: &str, report: &mut Report) {
    let counted = text
        .strip_prefix("on-failure:")
        .is_some_and(|n| n.parse::<u32>().is_ok());
    if !["no", "always", "unless-stopped", "on-failure"].contains(&text) && !counted {
        let near = report.near(text, ["no", "always", "unless-stopped", "on-failure"]);
        let help = near.map_or(
            "write no, always, unless-stopped or on-failure[:N]".to_owned(),
            |n| format!("did you mean `{n}`?"),
        );
        report.value(
            at,
            Code::BadRestart,
            format!("there is no restart policy {:?}", shorten(text)),
            help,
        );
    }
}
