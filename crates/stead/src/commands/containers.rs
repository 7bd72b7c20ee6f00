//! `containers`: the list, one in detail, restarting those that are unhealthy.

use stead_protocol::api::{
    Accepted, Container, ContainerDetail, Containers, RestartContainers, RestartPlan,
    RestartTarget, StartAction,
};

use super::lists::segment;
use super::roll;
use crate::args::{self, ContainersCommand};
use crate::client::{Client, escaped};
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, bytes, clock, line, safe};

pub async fn run(client: &Client, out: Output, args: args::Containers) -> Result<(), Failure> {
    if let Some(ContainersCommand::Restart(restart)) = args.command {
        return match &restart.container {
            Some(name) => restart_one(client, out, name, &restart).await,
            None => restart_unhealthy(client, out, restart).await,
        };
    }
    if let Some(name) = &args.container {
        let (node, container) = named(name)?;
        let range = escaped(&args.range);
        let path = format!("/api/v1/containers/{node}/{container}?range={range}");
        let detail: ContainerDetail = client.get(&path).await?;
        if out.json {
            out.json(&detail);
        } else {
            out.moment(client.told_at());
            one(out, &detail);
        }
        return Ok(());
    }
    let found: Containers = client.get(&list_path(&args)).await?;
    if out.json {
        out.json(&found);
        return Ok(());
    }
    out.moment(client.told_at());
    list(out, &found);
    Ok(())
}

/// `piha/web`, or `container/piha/web`, as two segments of an address.
pub fn named(name: &str) -> Result<(String, String), Failure> {
    let plain = name.strip_prefix("container/").unwrap_or(name);
    match plain.split_once('/') {
        Some((node, container)) => Ok((segment(node)?, segment(container)?)),
        None => Err(Failure::new(
            Exit::Usage,
            "bad-name",
            format!("{name:?} names no container"),
            "write it like piha/web; `stead containers` lists them",
        )),
    }
}

fn list_path(args: &args::Containers) -> String {
    let mut asked: Vec<String> = Vec::new();
    for (key, value) in [
        ("node", &args.node),
        ("stack", &args.stack),
        ("state", &args.state),
        ("health", &args.health),
        ("q", &args.query),
    ] {
        asked.extend(
            value
                .iter()
                .map(|value| format!("{key}={}", escaped(value))),
        );
    }
    for (key, on) in [("unhealthy", args.unhealthy), ("no_limit", args.no_limit)] {
        asked.extend(on.then(|| format!("{key}=true")));
    }
    let joint = if asked.is_empty() { "" } else { "?" };
    format!("/api/v1/containers{joint}{}", asked.join("&"))
}

fn list(out: Output, found: &Containers) {
    let c = &found.counts;
    if c.total == 0 {
        line("No containers. An agent that reaches a Docker or Podman socket tells of them.");
        return;
    }
    let head = format!(
        "{} containers: {} unhealthy, {} not running, {} without a memory limit",
        c.total, c.unhealthy, c.not_running, c.no_limit
    );
    line(&out.bold(&head));
    if c.not_fresh > 0 {
        line(&out.dim(&format!(
            "  {} of nodes that are not heard now",
            c.not_fresh
        )));
    }
    for anomaly in &found.write_anomalies {
        line(&format!(
            "  {} {}",
            out.state("warning"),
            safe(&anomaly.text)
        ));
    }
    if found.containers.is_empty() {
        line("  None is like that.");
        return;
    }
    let rows = found.containers.iter().map(|c| {
        vec![
            c.node.clone(),
            safe(&c.name),
            condition(out, c),
            c.started_at.as_deref().map_or_else(String::new, ago),
            c.restart_count.to_string(),
            c.cpu_percent
                .map_or_else(String::new, |n| format!("{n:.1} %")),
            memory(c),
            c.block_write_bytes
                .map_or_else(String::new, |n| format!("{}/s", bytes(n as u64))),
            safe(c.stack.as_deref().unwrap_or("")),
            safe(&c.image),
            c.image_created_at.as_deref().map_or_else(String::new, ago),
        ]
    });
    let head = [
        "node",
        "container",
        "state",
        "up",
        "restarts",
        "cpu",
        "memory",
        "writes",
        "stack",
        "image",
        "made",
    ];
    out.table(&head, rows.collect());
}

/// What nobody knows is not shown as well.
fn condition(out: Output, c: &Container) -> String {
    let word = match (c.state.as_str(), c.health.as_str()) {
        ("running", "none") => "running",
        ("running", health) => health,
        (state, _) => state,
    };
    match c.evidence.as_str() {
        "fresh" if c.unhealthy => out.state("unhealthy"),
        "fresh" => out.state(word),
        evidence => out.dim(&format!("{word} ({evidence})")),
    }
}

fn memory(c: &Container) -> String {
    let limit = match c.memory_limit {
        0 => "no limit".to_string(),
        limit => format!("of {}", bytes(limit)),
    };
    let used = c.memory_bytes.map_or_else(String::new, bytes);
    format!("{used} {limit}").trim().to_string()
}

fn one(out: Output, detail: &ContainerDetail) {
    let c = &detail.container;
    let title = format!("{}/{}", c.node, safe(&c.name));
    line(&format!("{} {}", out.bold(&title), condition(out, c)));
    let made = c.image_created_at.as_deref();
    let made = made.map_or_else(String::new, |at| format!(", made {}", ago(at)));
    line(&format!("  image     {}{made}", safe(&c.image)));
    line(&format!("  memory    {}", memory(c)));
    for (name, value) in [
        ("stack", c.stack.as_deref()),
        ("service", c.service.as_deref()),
    ] {
        if let Some(value) = value {
            line(&format!("  {name:<9} {}", safe(value)));
        }
    }
    if !c.ports.is_empty() {
        line(&format!("  ports     {}", safe(&c.ports.join(", "))));
    }
    let h = &detail.health_detail;
    let since = h.unhealthy_since.as_deref().map(ago);
    let since = since.map_or_else(String::new, |ago| format!("unhealthy since {ago}, "));
    line(&format!(
        "  health    {since}failed {} times in a row, {} restarts{}",
        h.failing_streak,
        h.restart_count,
        h.last_oom
            .as_deref()
            .map_or_else(String::new, |at| format!(", out of memory {}", ago(at)))
    ));
    for output in &h.outputs {
        let text = safe(output.output.trim());
        line(&format!(
            "            {} exit {} {text}",
            clock(&output.at),
            output.exit_code
        ));
    }
    if let Some(anomaly) = &detail.write_anomaly {
        line(&format!(
            "  writes    {} {}",
            out.state("warning"),
            safe(&anomaly.text)
        ));
    }
    for span in &detail.health_history {
        line(&format!(
            "  was       {} to {}  {}",
            clock(&span.from),
            clock(&span.to),
            out.state(&span.state)
        ));
    }
    for event in &detail.changed_before {
        line(&format!(
            "  before    {} {}",
            clock(&event.at),
            safe(&event.text)
        ));
    }
    let (node, name) = (&c.node, &c.name);
    line(&out.dim(&format!(
        "  stead logs {node}/{name} · stead containers restart {node}/{name}"
    )));
}

async fn restart_one(
    client: &Client,
    out: Output,
    name: &str,
    args: &args::RestartContainers,
) -> Result<(), Failure> {
    let (node, container) = named(name)?;
    let path = format!("/api/v1/containers/{node}/{container}");
    let detail: ContainerDetail = client.get(&path).await?;
    if !args.yes {
        let c = &detail.container;
        if !out.json {
            line(&format!(
                "Restart of {}/{}, asked of {}",
                c.node,
                safe(&c.name),
                c.restarts_as
            ));
        }
        roll::confirm(out)?;
    }
    let asked = StartAction {
        kind: "container_restart".to_string(),
        subject: detail.container.restarts_as,
        note: args.note.clone(),
    };
    let done: Accepted = client.post("/api/v1/actions", &asked).await?;
    super::actions::finish(client, out, &done, args.wait).await
}

async fn restart_unhealthy(
    client: &Client,
    out: Output,
    args: args::RestartContainers,
) -> Result<(), Failure> {
    const PATH: &str = "/api/v1/containers/restart";
    let mut asked = RestartContainers {
        dry_run: true,
        node: args.node,
        stack: args.stack,
        max_failures: Some(args.max_failures),
        note: args.note,
        targets: Vec::new(),
    };
    let plan: RestartPlan = client.post(PATH, &asked).await?;
    let touched = plan.targets.iter().filter(|t| t.left_out.is_none());
    let targets: Vec<RestartTarget> = touched
        .map(|t| RestartTarget {
            subject: t.subject.clone(),
            digest: t.digest.clone(),
        })
        .collect();
    if args.dry_run || targets.is_empty() {
        if out.json {
            out.json(&plan);
        } else {
            listed(out, &plan);
        }
        return Ok(());
    }
    if !out.json {
        listed(out, &plan);
    }
    if !args.yes {
        roll::confirm(out)?;
    }
    asked.dry_run = false;
    asked.targets = targets;
    let begun: RestartPlan = client.post(PATH, &asked).await?;
    let id = begun.rollout.clone().unwrap_or_default();
    if args.wait {
        return roll::follow(client, out, &id).await;
    }
    if out.json {
        out.json(&begun);
    } else {
        line(&format!(
            "{} began: {}.",
            out.bold(&id),
            safe(&begun.sentence)
        ));
        line(&out.dim(&format!(
            "  stead roll show {id} · pause {id} · cancel {id}"
        )));
    }
    Ok(())
}

/// Everything it touches, container by container.
fn listed(out: Output, plan: &RestartPlan) {
    line(&format!("{}.", out.bold(&safe(&plan.sentence))));
    for target in &plan.targets {
        let why = match &target.left_out {
            Some(why) => format!("left out: {}", safe(why)),
            None => safe(&target.why),
        };
        line(&format!("  {}  {}", target.subject, out.dim(&why)));
        for c in &target.containers {
            let id: String = c.id.chars().take(12).collect();
            line(&format!("      {} {}", safe(&c.name), out.dim(&id)));
        }
    }
}
