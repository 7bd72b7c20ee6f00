//! The inventory as files for people: CSV for a spreadsheet, Markdown for a report.
//!
//! Names, labels and images are whatever somebody gave them. A spreadsheet takes what begins like a formula for one, so such a
//! cell gets an apostrophe before it; Markdown and HTML signs lose their meaning.

use stead_protocol::api::{Inventory, InventoryItem};

const HEAD: [&str; 12] = [
    "kind",
    "node",
    "name",
    "state",
    "version",
    "stack",
    "image",
    "image_age_days",
    "service",
    "product",
    "source",
    "detail",
];

fn cells(item: &InventoryItem) -> [String; 12] {
    [
        item.kind.clone(),
        item.node.clone(),
        item.name.clone(),
        item.state.clone(),
        item.version.clone(),
        item.stack.clone(),
        item.image.clone(),
        item.image_age_days
            .map_or_else(String::new, |n| n.to_string()),
        item.service.clone(),
        item.product.clone(),
        item.source.clone(),
        item.detail.clone(),
    ]
}

/// The items, a line each, with a head.
pub fn csv(inventory: &Inventory) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let lines = inventory.items.iter().map(|item| cells(item).map(plain));
    let head = HEAD.map(str::to_string);
    for line in std::iter::once(head).chain(lines) {
        // Writing to memory does not fail, and every line has as many cells as the first.
        let _ = writer.write_record(&line);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// No formula.
fn plain(cell: String) -> String {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{cell}"),
        _ => cell,
    }
}

/// A report.
pub fn markdown(inventory: &Inventory) -> String {
    let mut out = format!("# Inventory\n\nAs of {}.\n", inventory.at);
    for (kind, title) in [
        ("machine", "Machines"),
        ("environment", "Environments of a Portainer"),
        ("stack", "Stacks"),
        ("container", "Containers"),
        ("unit", "Units"),
        ("model", "Models"),
    ] {
        let items = inventory.items.iter().filter(|item| item.kind == kind);
        let rows: Vec<Vec<String>> = items
            .map(|i| match kind {
                "container" => {
                    let age = i
                        .image_age_days
                        .map_or_else(String::new, |n| format!("{n} d"));
                    vec![
                        i.node.clone(),
                        i.name.clone(),
                        i.state.clone(),
                        i.image.clone(),
                        age,
                        i.stack.clone(),
                        i.product.clone(),
                    ]
                }
                _ => vec![
                    i.node.clone(),
                    i.name.clone(),
                    i.state.clone(),
                    i.version.clone(),
                    i.detail.clone(),
                ],
            })
            .collect();
        let head: &[&str] = match kind {
            "container" => &[
                "Node",
                "Container",
                "State",
                "Image",
                "Image age",
                "Stack",
                "Product",
            ],
            _ => &["Node", "Name", "State", "Version", "Detail"],
        };
        table(&mut out, title, head, &rows);
    }
    let images = inventory.images.iter().map(|i| {
        let age = i.age_days.map_or_else(String::new, |n| format!("{n} d"));
        let stale = if i.stale { "stale" } else { "" };
        let nodes = i.nodes.join(", ");
        vec![
            i.image.clone(),
            age,
            stale.to_string(),
            nodes,
            i.containers.to_string(),
        ]
    });
    let head = ["Image", "Age", "", "Nodes", "Containers"];
    table(&mut out, "Images", &head, &images.collect::<Vec<_>>());
    let costs = inventory.costs.iter().map(|c| {
        let value = if c.value.is_empty() {
            "(none)"
        } else {
            &c.value
        };
        let bytes = stead_core::insight::amount::bytes;
        vec![
            value.to_string(),
            c.containers.to_string(),
            bytes(c.memory_bytes),
            format!("{} %", c.cpu_percent),
            format!("{}/s", bytes(c.block_write_bytes)),
        ]
    });
    let head = [
        inventory.cost_label.as_str(),
        "Containers",
        "Memory",
        "CPU",
        "Written",
    ];
    table(&mut out, "Cost", &head, &costs.collect::<Vec<_>>());
    out
}

fn table(out: &mut String, title: &str, head: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push_str(&format!("\n## {title} ({})\n\n", rows.len()));
    out.push_str(&line(head.iter().map(|h| escaped(h)).collect()));
    out.push_str(&format!("|{}\n", "---|".repeat(head.len())));
    for row in rows {
        out.push_str(&line(row.iter().map(|cell| escaped(cell)).collect()));
    }
}

/// Text that stays text.
fn escaped(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    for c in cell.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Inventory {
        let item = |name: &str| InventoryItem {
            kind: "container".into(),
            node: "n".into(),
            name: name.into(),
            image: "a,b\"c\nd".into(),
            ..InventoryItem::default()
        };
        let names = [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "<b>x</b>", "a|b", "plain",
        ];
        Inventory {
            items: names.map(item).to_vec(),
            cost_label: "product".into(),
            ..Inventory::default()
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_every_cell_comes_back() {
        let text = csv(&hostile());
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().expect("a head"), &HEAD[..]);
        let rows: Vec<_> = reader.records().map(|r| r.expect("a line")).collect();
        let names: Vec<&str> = rows.iter().map(|r| &r[2]).collect();
        let safe = [
            "'=1+1",
            "'+1",
            "'-1",
            "'@SUM(A1)",
            "'\t=1",
            "<b>x</b>",
            "a|b",
            "plain",
        ];
        assert_eq!(names, safe);
        assert!(rows.iter().all(|row| &row[6] == "a,b\"c\nd"));
    }

    #[test]
    fn in_a_report_text_stays_text() {
        let text = markdown(&hostile());
        assert!(text.contains("| &lt;b&gt;x&lt;/b&gt; |"), "{text}");
        assert!(text.contains("| a\\|b |"), "{text}");
        let rows = text.lines().filter(|line| line.starts_with("| n |"));
        // A line break in a name is no line break in the table.
        assert_eq!(rows.count(), 8, "{text}");
        assert!(!text.contains("## Images"), "an empty table is left out");
    }
}
