//! `logs`: the last lines of a container or unit, those that come, and a search over all nodes.

use std::io::{IsTerminal, Write};

use stead_protocol::api::{LogSearch, LogSearchLine};

use super::containers::named;
use super::lists::segment;
use crate::args;
use crate::client::{Client, escaped};
use crate::failure::{Exit, Failure};
use crate::output::{Output, line, safe};

pub async fn run(client: &Client, out: Output, args: args::Logs) -> Result<(), Failure> {
    match (&args.search, &args.of) {
        (Some(text), _) => search(client, out, text, &args).await,
        (None, Some(of)) => show(client, out, of, &args).await,
        (None, None) => Ok(()),
    }
}

async fn show(client: &Client, out: Output, of: &str, args: &args::Logs) -> Result<(), Failure> {
    let tail = args.tail;
    let path = match of.strip_prefix("unit/").map(|rest| rest.split_once('/')) {
        Some(Some((node, unit))) => {
            let follow = if args.follow { "/follow" } else { "" };
            format!(
                "/api/v1/units/{}/{}/logs{follow}?tail={tail}",
                segment(node)?,
                segment(unit)?
            )
        }
        _ => {
            let (node, container) = named(of)?;
            let follow = if args.follow { "/follow" } else { "" };
            format!("/api/v1/containers/{node}/{container}/logs{follow}?tail={tail}")
        }
    };
    let mut lines = Vec::new();
    client
        .get_lines(&path, |text| {
            let text = text.trim_end_matches(['\n', '\r']);
            if !out.json {
                line(&safe_line(text));
            } else if args.follow {
                out.json(&text);
            } else {
                lines.push(text.to_string());
            }
        })
        .await?;
    if out.json && !args.follow {
        out.json(&lines);
    }
    Ok(())
}

/// A line of a log may be longer than other foreign text.
fn safe_line(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect()
}

async fn search(
    client: &Client,
    out: Output,
    text: &str,
    args: &args::Logs,
) -> Result<(), Failure> {
    let mut path = format!(
        "/api/v1/logs/search?q={}&since={}&limit={}",
        escaped(text),
        escaped(&args.since),
        args.limit
    );
    let kind: Vec<String> = args.kind.iter().cloned().collect();
    for (key, list) in [
        ("nodes", &args.nodes),
        ("containers", &args.containers),
        ("units", &args.units),
        ("kind", &kind),
    ] {
        if !list.is_empty() {
            path.push_str(&format!("&{key}={}", escaped(&list.join(","))));
        }
    }
    let mut whole = None;
    let shows = std::io::stderr().is_terminal() && !out.json;
    client
        .get_lines(&path, |text| match serde_json::from_str(text) {
            Ok(LogSearchLine::Progress { done, of, node }) if shows => {
                let mut to = std::io::stderr().lock();
                let _ = write!(to, "\r\u{1b}[K{done} of {of} nodes, {}", safe(&node.node));
                let _ = to.flush();
            }
            Ok(LogSearchLine::Progress { .. }) | Err(_) => {}
            Ok(LogSearchLine::Found(found)) => whole = Some(found),
        })
        .await?;
    if shows {
        eprint!("\r\u{1b}[K");
    }
    let whole = whole.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "bad-answer",
            "the answer ended before its end",
            "try again; the server's own log says more",
        )
    })?;
    if out.json {
        out.json(&whole);
    } else {
        found(out, &whole);
    }
    Ok(())
}

fn found(out: Output, whole: &LogSearch) {
    for one in &whole.lines {
        let at = one.at.get(..23).unwrap_or(&one.at).replace('T', " ");
        let of = match (one.unit.as_str(), one.container.as_str()) {
            ("", "") => format!("{}: {}", one.node, safe(&one.stream)),
            ("", container) => format!("{}/{}", one.node, safe(container)),
            (unit, _) => format!("unit/{}/{}", one.node, safe(unit)),
        };
        let from = match one.from.as_str() {
            "loki" => out.dim(" from Loki"),
            _ => String::new(),
        };
        line(&format!(
            "{} {}{from}  {}",
            out.dim(&at),
            out.bold(&of),
            safe_line(&one.text)
        ));
    }
    let searched: Vec<_> = whole.nodes.iter().filter(|n| n.problem.is_none()).collect();
    let containers: u32 = searched.iter().map(|n| n.containers).sum();
    let units = searched.iter().filter(|n| n.units).count();
    let head = format!(
        "{} lines found; {} looked at in {containers} containers and the journals of {units} nodes",
        whole.lines.len(),
        whole.looked_at,
    );
    line(&out.dim(&head));
    for node in &whole.nodes {
        if let Some(problem) = &node.problem {
            line(&format!(
                "  {} was not searched: {}",
                node.node,
                safe(problem)
            ));
        }
    }
    if let Some(loki) = &whole.loki {
        let told = match &loki.problem {
            Some(problem) => safe(problem),
            None => format!("{} more lines from Loki at {}", loki.found, safe(&loki.url)),
        };
        line(&format!("  {told}"));
    }
    for limit in &whole.limits {
        line(&out.dim(&format!("  {}", safe(limit))));
    }
}
