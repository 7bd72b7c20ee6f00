//! `inventory`: everything there is, as a table, CSV, JSON or a Markdown report.

use stead_protocol::api::Inventory;

use crate::args::{self, InventoryFormat};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, bytes, line, safe};

pub async fn run(client: &Client, out: Output, args: args::Inventory) -> Result<(), Failure> {
    let file = match args.format {
        Some(InventoryFormat::Csv) => Some("csv"),
        Some(InventoryFormat::Markdown) => Some("markdown"),
        _ => None,
    };
    if let Some(format) = file {
        let path = format!("/api/v1/inventory?format={format}");
        let text = client.text(&path).await?;
        // A file is handed on as it is.
        for row in text.lines() {
            line(row);
        }
        return Ok(());
    }
    let inventory: Inventory = client.get("/api/v1/inventory").await?;
    if out.json || matches!(args.format, Some(InventoryFormat::Json)) {
        out.json(&inventory);
        return Ok(());
    }
    if args.images {
        images(out, &inventory);
    } else if args.costs {
        costs(out, &inventory);
    } else {
        items(out, &inventory, args.kind.as_deref());
    }
    for source in inventory.sources.iter().filter(|s| !s.detail.is_empty()) {
        let state = out.state(&source.state);
        line(&format!(
            "{} {state}: {}",
            safe(&source.name),
            safe(&source.detail)
        ));
    }
    Ok(())
}

fn items(out: Output, inventory: &Inventory, kind: Option<&str>) {
    let wanted = inventory.items.iter();
    let wanted = wanted.filter(|item| kind.is_none_or(|kind| item.kind == kind));
    let rows: Vec<Vec<String>> = wanted
        .map(|i| {
            vec![
                i.kind.clone(),
                i.node.clone(),
                safe(&i.name),
                out.state(&i.state),
                safe(&i.version),
                safe(&i.stack),
                i.image_age_days
                    .map_or_else(String::new, |n| format!("{n} d")),
                safe(&i.product),
            ]
        })
        .collect();
    if rows.is_empty() {
        line("Nothing is known yet. Start an agent: stead agent --server URL");
        return;
    }
    let head = [
        "kind",
        "node",
        "name",
        "state",
        "version",
        "stack",
        "image age",
        &inventory.cost_label,
    ];
    out.table(&head, rows);
}

fn images(out: Output, inventory: &Inventory) {
    let rows = inventory.images.iter().map(|i| {
        vec![
            safe(&i.image),
            i.age_days
                .map_or_else(|| "not known".to_string(), |n| format!("{n} d")),
            if i.stale {
                out.state("warning")
            } else {
                String::new()
            },
            i.containers.to_string(),
            i.nodes.join(", "),
        ]
    });
    out.table(
        &["image", "age", "stale", "containers", "nodes"],
        rows.collect(),
    );
    let days = inventory.image_max_age_days;
    line(&out.dim(&format!(
        "stale: older than {days} days (inventory.image_max_age)"
    )));
}

fn costs(out: Output, inventory: &Inventory) {
    let rows = inventory.costs.iter().map(|c| {
        vec![
            if c.value.is_empty() {
                "(none)".to_string()
            } else {
                safe(&c.value)
            },
            c.containers.to_string(),
            c.nodes.to_string(),
            bytes(c.memory_bytes),
            format!("{} %", c.cpu_percent),
            format!("{}/s", bytes(c.block_write_bytes)),
        ]
    });
    let head = [
        &inventory.cost_label,
        "containers",
        "nodes",
        "memory",
        "cpu",
        "written",
    ];
    out.table(&head, rows.collect());
}
