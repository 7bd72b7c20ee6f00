//! `models`: what is on disk, what is in memory; load and unload.

use stead_protocol::api::{Accepted, Model, ModelNode, ModelOrder, Models};

use super::lists::segment;
use crate::args::{self, ModelCommand};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ago, bytes, clock, line, safe};

pub async fn run(client: &Client, out: Output, args: args::Models) -> Result<(), Failure> {
    match args.command {
        None => list(client, out, args.node.as_deref()).await,
        Some(ModelCommand::Load(load)) => load_one(client, out, load).await,
        Some(ModelCommand::Unload(unload)) => {
            let order = ModelOrder {
                node: unload.node,
                model: unload.model,
                note: unload.note,
            };
            start(client, out, "unload", &order).await
        }
    }
}

async fn read(client: &Client, node: Option<&str>) -> Result<Models, Failure> {
    let path = match node {
        Some(node) => format!("/api/v1/models?node={}", segment(node)?),
        None => "/api/v1/models".to_string(),
    };
    client.get(&path).await
}

async fn list(client: &Client, out: Output, node: Option<&str>) -> Result<(), Failure> {
    let models = read(client, node).await?;
    if out.json {
        out.json(&models);
        return Ok(());
    }
    if models.nodes.is_empty() {
        line("No file names an Ollama. Where one runs, write into hosts/NODE/node.yaml:");
        line("  ollama: {}          # or { url: \"http://127.0.0.1:11434\" }");
    }
    for node in &models.nodes {
        one(out, node);
    }
    Ok(())
}

fn one(out: Output, node: &ModelNode) {
    let free = match (node.memory_available, node.memory_total) {
        (Some(available), Some(total)) => {
            format!(", {} of {} free", bytes(available), bytes(total))
        }
        _ => String::new(),
    };
    line(&format!(
        "{} {} {}{free}",
        out.bold(&node.node),
        out.state(&node.state),
        safe(&node.version)
    ));
    line(&format!("  graphics processor: {}", safe(&node.gpu_text)));
    for text in [Some(&node.detail), node.live_problem.as_ref()] {
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            line(&format!("  {}", safe(text)));
        }
    }
    if node.models.is_empty() && node.state == "up" {
        line("  no models on disk: ollama pull NAME brings one");
        return;
    }
    let rows = node.models.iter().map(row).collect();
    if !node.models.is_empty() {
        let head = [
            "model",
            "size",
            "in memory",
            "leaves memory",
            "last used",
            "if loaded",
        ];
        out.table(&head, rows);
    }
}

fn row(model: &Model) -> Vec<String> {
    let none = || "–".to_string();
    let loaded = model.loaded.as_ref();
    vec![
        safe(&model.name),
        bytes(model.size),
        loaded.map_or_else(none, |l| {
            format!("{} ({} % CPU)", bytes(l.size), l.cpu_percent)
        }),
        loaded
            .and_then(|l| l.expires_at.as_deref())
            .map_or_else(none, clock),
        model.last_used.as_deref().map_or_else(none, ago),
        match (loaded, &model.fit) {
            (None, Some(fit)) => safe(&fit.text),
            _ => none(),
        },
    ]
}

async fn load_one(client: &Client, out: Output, args: args::LoadModel) -> Result<(), Failure> {
    let models = read(client, Some(&args.node)).await?;
    let found = models
        .nodes
        .iter()
        .flat_map(|n| &n.models)
        .find(|m| m.name == args.model);
    if let Some(fit) = found.and_then(|m| m.fit.as_ref()) {
        if !out.json {
            line(&format!(
                "{}: {}, {}.",
                args.model, fit.text, fit.speed_text
            ));
            if let Some(better) = &fit.better {
                line(&format!("  {} fits it better: {}", better.node, better.why));
            }
        }
        if !args.yes && matches!(fit.verdict.as_str(), "tight" | "too_large") {
            return Err(Failure::new(
                Exit::Refused,
                "model-tight",
                format!("{} on {}: {}", args.model, args.node, fit.text),
                "add --yes to load it all the same",
            ));
        }
    }
    let order = ModelOrder {
        node: args.node,
        model: args.model,
        note: args.note,
    };
    start(client, out, "load", &order).await
}

async fn start(
    client: &Client,
    out: Output,
    what: &str,
    order: &ModelOrder,
) -> Result<(), Failure> {
    let path = format!("/api/v1/models/{what}");
    let accepted: Accepted = client.post(&path, order).await?;
    if out.json {
        out.json(&accepted);
        return Ok(());
    }
    let label = format!("{}#{}", accepted.id, accepted.occurrence);
    line(&format!(
        "{} {}",
        out.bold(&label),
        out.state(&accepted.state)
    ));
    line(&out.dim(&format!("  how it went: stead why '{label}'")));
    Ok(())
}
