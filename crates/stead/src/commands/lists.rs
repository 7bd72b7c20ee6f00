//! `status`, `nodes`, `services`, `drift`.

use stead_protocol::api::{Drift, Node, NodeDetail, Overview, Service, ServiceDetail, Summary};

use crate::args;
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, bytes, line, safe};

pub async fn status(client: &Client, out: Output, moment: &args::Moment) -> Result<(), Failure> {
    if out.json {
        // What anybody may know of the present; the past is behind the token.
        let summary: Summary = match moment.at {
            None => client.get("/summary").await?,
            Some(_) => client.get::<Overview>("/api/v1/overview").await?.summary,
        };
        out.json(&summary);
        return Ok(());
    }
    let overview: Overview = client.get("/api/v1/overview").await?;
    out.moment(client.told_at());
    line(&out.bold(&overview.sentence));
    let s = &overview.summary;
    let nodes = format!(
        "{} fresh, {} stale, {} unknown",
        s.nodes.fresh, s.nodes.stale, s.nodes.unknown
    );
    let services = format!(
        "{} healthy, {} unhealthy, {} missing, {} unknown",
        s.services.healthy,
        s.services.unhealthy,
        s.services.missing,
        s.services.unknown + s.services.stale + s.services.starting
    );
    line(&format!("  nodes     {} ({nodes})", s.nodes.total));
    line(&format!("  services  {} ({services})", s.services.total));
    let actions = format!(
        "{} pending, {} approved, {} running",
        s.actions.pending, s.actions.approved, s.actions.running
    );
    line(&format!("  actions   {actions}"));
    restraint(out, &overview);
    for trouble in &overview.troubles {
        line(&format!(
            "  {} {}\n    next: {}",
            out.state("critical"),
            safe(&trouble.text),
            safe(&trouble.remedy)
        ));
    }
    for action in &overview.needs_you {
        line(&format!(
            "  {}  {}",
            out.state(&action.state),
            safe(&format!("{}: {}", action.id, action.reason))
        ));
    }
    // Questions, troubles and the brake have their lines above.
    let told = ["question", "trouble", "brake"];
    let mut others = overview.needs.clone();
    others.retain(|need| !told.contains(&need.kind.as_str()));
    super::overview::needs(out, &others);
    if !overview.needs_you.is_empty() {
        line(
            &out.dim(
                "  stead actions show ID · stead actions approve ID · stead actions reject ID",
            ),
        );
    }
    for notice in &overview.notices {
        line(&out.dim(&format!("  note: {}", safe(notice))));
    }
    Ok(())
}

/// What keeps Stead from acting, what is wrong, and what it did.
fn restraint(out: Output, overview: &Overview) {
    if overview.brake.engaged {
        line(&format!(
            "  {}  {}\n    next: {}",
            out.state("engaged"),
            safe(&overview.brake.text),
            safe(overview.brake.remedy.as_deref().unwrap_or(""))
        ));
    }
    for lock in &overview.locks {
        line(&format!(
            "  {}    {}",
            out.state("locked"),
            safe(&lock.text)
        ));
    }
    for rollout in &overview.rollouts {
        let c = &rollout.counts;
        let counts = format!("{} of {} done, {} failed", c.done, c.total, c.failed);
        line(&format!(
            "  {}  {} {}: {counts}",
            out.state(&rollout.state),
            rollout.id,
            rollout.kind
        ));
    }
    // What is over already closes by itself.
    let present = overview.alerts.iter().filter(|a| a.well_since.is_none());
    for alert in present {
        line(&format!(
            "  {}  {}",
            out.state(&alert.severity),
            safe(&alert.title)
        ));
    }
    if !overview.did.sentence.is_empty() {
        line(&format!("  lately    {}", safe(&overview.did.sentence)));
    }
}

pub async fn nodes(client: &Client, out: Output, args: args::Nodes) -> Result<(), Failure> {
    if let Some(name) = args.node {
        let detail: serde_json::Value = client
            .get(&format!("/api/v1/nodes/{}", segment(&name)?))
            .await?;
        if out.json {
            out.json(&detail);
            return Ok(());
        }
        out.moment(client.told_at());
        return node(
            out,
            &serde_json::from_value(detail).map_err(anyhow::Error::from)?,
        );
    }
    let nodes: Vec<Node> = client.get("/api/v1/nodes").await?;
    if out.json {
        out.json(&nodes);
        return Ok(());
    }
    out.moment(client.told_at());
    if nodes.is_empty() {
        line("No nodes yet. Start an agent: stead agent --server URL");
        return Ok(());
    }
    let rows = nodes.iter().map(|n| {
        let sample = n.sample.as_ref();
        let memory = sample.map_or_else(String::new, |s| {
            format!("{} of {}", bytes(s.memory_used), bytes(s.memory_total))
        });
        vec![
            n.name.clone(),
            out.state(&n.evidence),
            n.last_seen
                .as_deref()
                .map_or_else(|| "never".to_string(), ago),
            format!("{}/{}", n.services.healthy, n.services.total),
            n.containers.to_string(),
            sample.map_or_else(String::new, |s| format!("{:.0} %", s.cpu_percent)),
            memory,
            safe(&n.os),
        ]
    });
    out.table(
        &[
            "node",
            "evidence",
            "seen",
            "services",
            "containers",
            "cpu",
            "memory",
            "system",
        ],
        rows.collect(),
    );
    Ok(())
}

fn node(out: Output, detail: &NodeDetail) -> Result<(), Failure> {
    let n = &detail.node;
    line(&format!("{} {}", out.bold(&n.name), out.state(&n.evidence)));
    if n.boot_id.is_empty() {
        line("  Nothing is known of the machine yet: its agent tells it when it connects.");
    } else {
        line(&format!(
            "  {} · {} · {} cores · {}",
            safe(&n.os),
            safe(&n.kernel),
            n.cpus,
            bytes(n.memory_bytes)
        ));
    }
    for source in &n.sources {
        line(&format!(
            "  {:<8} {} {} {}",
            source.name,
            out.state(&source.state),
            source.version,
            safe(&source.detail)
        ));
    }
    for level in n.levels.iter().filter(|l| l.level != "ok") {
        line(&format!(
            "  {:<8} {} {}",
            level.metric,
            out.state(&level.level),
            safe(&level.what)
        ));
    }
    services_table(out, &detail.services_list);
    Ok(())
}

pub async fn services(client: &Client, out: Output, args: args::Services) -> Result<(), Failure> {
    if let Some(name) = args.service {
        let name = name.strip_prefix("service/").unwrap_or(&name).to_string();
        let Some((node, service)) = name.split_once('/') else {
            let remedy = "write it like piha/zigbee2mqtt; `stead services` lists them";
            return Err(Failure::new(
                Exit::Usage,
                "bad-service",
                format!("{name:?} names no service"),
                remedy,
            ));
        };
        let path = format!("/api/v1/services/{}/{}", segment(node)?, segment(service)?);
        let detail: ServiceDetail = client.get(&path).await?;
        if out.json {
            out.json(&detail);
            return Ok(());
        }
        out.moment(client.told_at());
        return service_detail(out, &detail);
    }
    let mut services: Vec<Service> = client.get("/api/v1/services").await?;
    services.retain(|s| {
        args.node.as_deref().is_none_or(|n| s.node == n)
            && args.state.as_deref().is_none_or(|w| s.state == w)
            && (args.all || s.managed)
    });
    if out.json {
        out.json(&services);
        return Ok(());
    }
    out.moment(client.told_at());
    if services.is_empty() {
        line(
            "No services. `stead init` writes a first fleet directory; `--all` shows what no file names.",
        );
        return Ok(());
    }
    services_table(out, &services);
    Ok(())
}

fn services_table(out: Output, services: &[Service]) {
    let rows = services.iter().map(|s| {
        vec![
            s.node.clone(),
            s.name.clone(),
            s.kind.clone(),
            out.state(&s.state),
            s.since.as_deref().map_or_else(String::new, ago),
            detailed(s),
            s.action.clone().unwrap_or_default(),
        ]
    });
    out.table(
        &[
            "node", "service", "kind", "state", "since", "detail", "action",
        ],
        rows.collect(),
    );
}

/// What is seen, and what keeps repairs off it.
fn detailed(s: &Service) -> String {
    let held = s.held.as_ref().map(|held| format!("locked by {}", held.by));
    let flaps = s.flapping.as_ref().map(|_| "flapping".to_string());
    let seen = (!s.detail.is_empty()).then(|| s.detail.clone());
    let parts: Vec<String> = [seen, held, flaps].into_iter().flatten().collect();
    safe(&parts.join("; "))
}

fn service_detail(out: Output, detail: &ServiceDetail) -> Result<(), Failure> {
    let s = &detail.service;
    line(&format!(
        "{} {}",
        out.bold(&format!("{}/{}", s.node, s.name)),
        out.state(&s.state)
    ));
    if !s.detail.is_empty() {
        line(&format!("  {}", safe(&s.detail)));
    }
    if let Some(held) = &s.held {
        line(&format!(
            "  {}    {}",
            out.state("locked"),
            safe(&held.text)
        ));
    }
    if let Some(since) = &s.flapping {
        line(&format!("  flapping  {}", ago(since)));
    }
    for drift in &detail.drift_list {
        line(&format!(
            "  drift     {}: {}",
            drift.kind,
            safe(&drift.detail)
        ));
        if let Some(why) = &drift.why_not {
            line(&format!("            {}", safe(why)));
        }
        if let Some(remedy) = &drift.remedy {
            line(&format!("            next: {}", safe(remedy)));
        }
    }
    for check in &detail.checks {
        line(&format!(
            "  check     {} {} {}",
            check.name,
            out.state(&check.verdict),
            safe(&check.answer)
        ));
    }
    for c in &detail.containers {
        line(&format!(
            "  container {} {} {} {}",
            c.name,
            c.state,
            c.health,
            safe(&c.image)
        ));
    }
    if let Some(health) = &detail.health {
        for output in &health.outputs {
            line(&format!(
                "  health    exit {} {}",
                output.exit_code,
                safe(output.output.trim())
            ));
        }
    }
    if let Some(action) = &s.action {
        line(&format!(
            "  action    {action} ({})",
            s.action_state.as_deref().unwrap_or("")
        ));
    }
    Ok(())
}

pub async fn drift(client: &Client, out: Output, args: args::Drift) -> Result<(), Failure> {
    let mut drift: Vec<Drift> = client.get("/api/v1/drift").await?;
    drift.retain(|d| args.node.is_none() || d.node == args.node);
    if out.json {
        out.json(&drift);
        return Ok(());
    }
    out.moment(client.told_at());
    if drift.is_empty() {
        let mut nodes: Vec<Node> = client.get("/api/v1/nodes").await?;
        nodes.retain(|n| args.node.as_ref().is_none_or(|name| *name == n.name));
        line(&no_drift(&nodes));
        return Ok(());
    }
    for d in &drift {
        line(&format!(
            "{}  {}  {}  {}",
            out.bold(&d.subject),
            d.kind,
            ago(&d.since),
            safe(&d.detail)
        ));
        match (&d.action, &d.why_not) {
            (Some(action), _) => line(&format!("  action {action}")),
            (None, Some(why)) => line(&format!("  no action: {}", safe(why))),
            (None, None) => {}
        }
        if let Some(remedy) = &d.remedy {
            line(&format!("  next: {}", safe(remedy)));
        }
    }
    Ok(())
}

/// What is not heard is not said to be as it should be.
fn no_drift(nodes: &[Node]) -> String {
    const NAMED: usize = 5;
    let unheard = nodes.iter().filter(|n| n.evidence != "fresh");
    let mut names: Vec<&str> = unheard.map(|n| n.name.as_str()).collect();
    if names.is_empty() && !nodes.is_empty() {
        return "No drift: what is, is what should be.".to_string();
    }
    if names.is_empty() {
        return "No drift is known: no node is. Start an agent: stead agent --server URL"
            .to_string();
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names = names.join(", ");
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("No drift is known, but nobody knows now how these are: {names}{more}")
}

/// A name as one segment of a path.
pub fn segment(name: &str) -> Result<String, Failure> {
    if name.is_empty() || name.contains('/') {
        return Err(Failure::new(
            Exit::Usage,
            "bad-name",
            format!("{name:?} is not a name"),
            "names have no '/'",
        ));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    Ok(name
        .bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_heard_is_not_said_to_be_as_it_should_be() {
        let node = |name: &str, evidence: &str| Node {
            name: name.to_string(),
            evidence: evidence.to_string(),
            ..Node::default()
        };
        assert!(no_drift(&[]).starts_with("No drift is known: no node is."));
        let well = [node("piha", "fresh")];
        assert_eq!(no_drift(&well), "No drift: what is, is what should be.");
        let mut some = vec![node("piha", "fresh"), node("nas", "stale")];
        assert_eq!(
            no_drift(&some),
            "No drift is known, but nobody knows now how these are: nas"
        );
        some.extend((0..6).map(|n| node(&format!("n{n}"), "unknown")));
        assert!(no_drift(&some).ends_with("nas, n0, n1, n2, n3 and 2 more"));
    }
}
